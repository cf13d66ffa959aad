#!/usr/bin/env bash
# Goal: keyboard-interactive and password, alone and after a key, in the order
# that PreferredAuthentications has, on a real sshd with PAM.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"
. "$TESTS/pam.sh"

gateways
start_peer echo echo

AGAIN='Permission denied, please try again\.$'

# to NAME [config lines]
to()
{
	write_config gw1 gw2 gw3 target pam both keys
	conf "Host *" "BatchMode no" "$@"
}

kbdint()
{
	IDENTITY=([pam]=$T/absent)
	to "PasswordAuthentication no"
	pam_asks 'off:Password:secret [on:One-time code:123456] off:PIN:42'
	talk "three rounds" 0 \
	    --wait 'pam \(hop 1 of 1\): .*Password' --type secret \
	    --wait 'pam \(hop 1 of 1\): .*One-time code' --type 123456 \
	    --wait 'pam \(hop 1 of 1\): .*PIN' --type 42 -- -J pam
	equal "echo is as the server has it" \
	    "$(sed -n 's/.*echo=\([a-z]*\) .*/\1/p' "$T/talk.info" |
	    tr '\n' ' ')" "off on off "
	check "what was typed with echo off is not on the terminal" \
	    bash -c "! grep -q secret '$T/talk.tty'"
	may_say=$AGAIN talk "a wrong answer, then the right ones" 0 \
	    --wait Password --type secret --wait code --type 1 \
	    --wait PIN --type 42 \
	    --wait Password --type secret --wait code --type 123456 \
	    --wait PIN --type 42 -- -J pam
	pam_asks off:Password:secret
	may_say=$AGAIN talk "three wrong answers" 1 --wait Password --type a \
	    --wait Password --type b --wait Password --type c -- -J pam
	check "the failure says what was refused" grep -q \
	    'Permission denied for .*: keyboard-interactive was refused, 3 times' \
	    "$T/talk.err"
	talk "NumberOfPasswordPrompts 1" 1 --wait Password --type a -- -J pam \
	    -o NumberOfPasswordPrompts=1
	check "asked once" [ "$(grep -o Password "$T/talk.tty" | wc -l)" -eq 1 ]
	pam_asks '[tell:Your token was changed] off:Password:secret'
	talk "what the server tells is shown with its question" 0 \
	    --wait '(?s)hop 1 of 1\): it says\s+\| Your token was changed\s+[^ ]*@pam \(hop 1 of 1\): Password' \
	    --type secret --never '\\012' -- -J pam
	pam_asks off:Contraseña:secret
	LC_ALL=C.UTF-8 talk "UTF-8 in a UTF-8 locale" 0 \
	    --wait 'hop 1 of 1\): .*Contrase' --type secret -- -J pam
	check "it is as the server has it" grep -q 'Contraseña' "$T/talk.tty"
	talk "UTF-8 in the C locale" 0 \
	    --wait 'hop 1 of 1\): .*Contrase' --type secret -- -J pam
	check "it is octal" grep -qF 'Contrase\303\261a' "$T/talk.tty"
	pam_asks off:Password:secret
	refused "BatchMode names what it wants" 1 \
	    "^proxyhop: pam .*BatchMode.*keyboard-interactive" \
	    hop -J pam -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
	refused "nobody to ask" 1 "^proxyhop: pam .*keyboard-interactive" \
	    hop -J pam 127.0.0.1 "${PORT[echo]}"
	refused "KbdInteractiveAuthentication no" 1 \
	    "^proxyhop: pam .*keyboard-interactive" hop -J pam \
	    -o KbdInteractiveAuthentication=no 127.0.0.1 "${PORT[echo]}"
	talk "-vvv" 0 --wait Password --type secret -- -J pam -vvv -E "$T/vvv"
	check "no answer in -vvv" \
	    bash -c "[ -s '$T/vvv' ] && ! grep -qa secret '$T/vvv'"
	talk "as hop 2" 0 --wait 'pam \(hop 2 of 3\): .*Password' \
	    --type secret -- -J gw1,pam,gw3
}

password()
{
	pam_asks off:Password:secret
	to "PreferredAuthentications password"
	talk "password" 0 \
	    --wait "pam \\(hop 1 of 1\\): $ME@.*'s password: " \
	    --type secret -- -J pam
	equal "no echo" "$(field echo "$T/talk.info")" off
	may_say=$AGAIN talk "the second one is right" 0 \
	    --wait 'password: ' --type no \
	    --wait 'password: ' --type secret -- -J pam
	equal "it was said, once" "$(cat "$T/talk.err")" \
	    "proxyhop: pam (hop 1 of 1): Permission denied, please try again."
	may_say=$AGAIN talk "three wrong ones" 1 --wait 'password: ' --type a \
	    --wait 'password: ' --type b --wait 'password: ' --type c -- -J pam
	equal "it was said twice" "$(grep -c "$AGAIN" "$T/talk.err")" 2
	check "the line blames the password" grep -q \
	    'Permission denied for .*: password was refused, 3 times.*; check the password' \
	    "$T/talk.err"
	IDENTITY=([pam]=$T/wrong)
	new_key "$T/wrong"
	to "PreferredAuthentications publickey,password"
	may_say=$AGAIN talk "a key, then wrong ones" 1 \
	    --wait 'password: ' --type a \
	    --wait 'password: ' --type b --wait 'password: ' --type c -- -J pam
	check "the line blames the password first" grep -q \
	    'Permission denied for .*: password was refused, 3 times; offered .*wrong .*; check the password' \
	    "$T/talk.err"
	IDENTITY=([pam]=$T/absent)
	to "PreferredAuthentications password"
	talk "PasswordAuthentication no: not asked" 1 --never 'password: ' -- \
	    -J pam -o PasswordAuthentication=no
	refused "BatchMode" 1 "^proxyhop: pam .*BatchMode.*password" \
	    hop -J pam -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
	talk "-vvv" 0 --wait 'password: ' --type secret -- -J pam -vvv \
	    -E "$T/vvv"
	check "no password in -vvv" \
	    bash -c "[ -s '$T/vvv' ] && ! grep -qa secret '$T/vvv'"
	to "PreferredAuthentications keyboard-interactive,password"
	talk "keyboard-interactive first, if it is so preferred" 0 \
	    --wait 'Password' --type secret --never "'s password" -- -J pam
	talk "keyboard-interactive used up, then password" 0 \
	    --wait 'Password' --type a --wait "'s password: " --type secret \
	    -- -J pam -o NumberOfPasswordPrompts=1
	to "PreferredAuthentications password,publickey"
	IDENTITY=([pam]=$T/id)
	to "PreferredAuthentications password,publickey"
	talk "password before the key" 0 --wait "'s password: " \
	    --type secret -- -J pam
	to
	talk "without a preference the key is enough" 0 \
	    --never '[Pp]assword' -- -J pam
	talk "PubkeyAuthentication no: it is asked" 0 --wait Password \
	    --type secret -- -J pam -o PubkeyAuthentication=no
	IDENTITY=([pam]=$T/absent)
}

partial()
{
	pam_asks off:Password:secret
	new_key "$T/id2"
	cat "$T/id2.pub" >>"$T/authorized_keys"
	IDENTITY=([both]=$T/id [keys]=$T/id)
	to
	talk "a key, then an answer" 0 \
	    --wait 'both \(hop 1 of 1\): .*Password' --type secret -- -J both
	may_say=$AGAIN talk "a key, then wrong answers" 1 --wait Password --type a \
	    --wait Password --type b --wait Password --type c -- -J both
	check "the failure says what it also wants" \
	    grep -q 'Permission denied after partial success.*wants keyboard-interactive' "$T/talk.err"
	refused "a key, then nobody to ask" 1 \
	    "^proxyhop: both .*Permission denied after partial success .*keyboard-interactive" \
	    hop -J both 127.0.0.1 "${PORT[echo]}"
	refused "one key where two are wanted" 1 \
	    "^proxyhop: keys .*Permission denied after partial success .*$T/id SHA256:.*publickey" \
	    hop -J keys 127.0.0.1 "${PORT[echo]}"
	forget keys
	talk "two keys" 0 --never . -- -J keys -i "$T/id2"
	wait_for "$T/keys.log" 'Accepted publickey'
	equal "each was accepted once" "$(grep -Eo \
	    '(Accepted|Partial|Failed) publickey' "$T/keys.log" | sort |
	    uniq -c | tr -s ' \n' ' ' | cut -c1-60)" " 1 Accepted publickey 1 Partial publickey "
}

# by_program NAME COMMAND...: an ssh to the target through pam, by a program
# that answers in the place of a person; its status.
by_program()
{
	local status=0

	timeout $((30 * TEST_TIME_FACTOR)) "$@" ssh -F "$CONF" \
	    -o BatchMode=no -o ProxyCommand="$(hop_cmd pam)" target \
	    echo arrived >"$T/program.out" 2>"$T/program.err" </dev/null ||
	    status=$?
	echo "$status"
}

# Programs that look for ssh's words.
programs()
{
	pam_asks off:Password:secret
	to "Host pam" "PreferredAuthentications password"
	equal "sshpass, the password" "$(by_program sshpass -p secret)" 0
	equal "sshpass: arrived" "$(cat "$T/program.out")" arrived
	equal "sshpass: a wrong password is one" \
	    "$(by_program sshpass -p wrong)" 5
	to "Host pam" "PreferredAuthentications keyboard-interactive"
	equal "sshpass, keyboard-interactive" \
	    "$(by_program sshpass -P Password -p secret)" 0
	to "Host pam" "PreferredAuthentications password" "UserKnownHostsFile $T/none" \
	    "StrictHostKeyChecking ask"
	equal "sshpass: a host that is not known" \
	    "$(by_program sshpass -p secret)" 6
	cat >"$T/expect.py" <<-'END'
	import sys, pexpect
	child = pexpect.spawn(sys.argv[1], sys.argv[2:], timeout=60)
	seen = []
	words = ["(?i)are you sure you want to continue connecting",
	    "(?i)(?:password:)|(?:passphrase for key)",
	    "(?i)permission denied", "(?i)arrived", pexpect.EOF]
	answers = ["yes", "wrong" if "wrong" in sys.argv[0] else "secret"]
	while True:
	    i = child.expect(words)
	    seen.append(["known", "password", "denied", "in", "end"][i])
	    if i < 2:
	        child.sendline(answers[i])
	    elif i == 4:
	        break
	print(" ".join(seen), file=sys.stderr)
	END
	cp "$T/expect.py" "$T/wrong.py"
	by_program "$PYTHON" "$T/expect.py" >/dev/null
	equal "pexpect: host key, password, in" "$(cat "$T/program.err")" \
	    "known password in end"
	to "Host pam" "PreferredAuthentications password"
	by_program "$PYTHON" "$T/wrong.py" >/dev/null
	equal "pexpect: denied each time, and in the end" \
	    "$(cat "$T/program.err")" \
	    "password denied password denied password denied end"
}

# Several questions in a round, and a password that has to be changed: no sshd
# does that, so a server in python3-paramiko has to.
rounds()
{
	local name

	for name in rounds change; do
		new_key "$T/$name.key" -t ecdsa -m PEM
		start_python $name rounds.py $name "$T/$name.key"
	done
	IDENTITY=([rounds]=$T/absent [change]=$T/absent)
	write_config gw1 gw2 gw3 rounds change
	conf "Host *" "BatchMode no"
	may_say='it says "(Last login|two hours ago)"$' talk \
	    "two rounds of two questions" 0 \
	    --wait '(?s)hop 1 of 1\): it says.*\| Round 1\s+\| of 2\s.*\): Name: ' --type me \
	    --wait 'hop 1 of 1\): .*Secret: ' --type secret1 \
	    --wait '(?s)Round 2\s+\| of 2\s.*Name: ' --type me \
	    --wait 'Secret: ' --type secret2 --never '\x1b' -- -J rounds
	check "a round without a question is shown" \
	    grep -q 'rounds (hop 1 of 1): it says "Last login"' "$T/talk.err"
	equal "echo is as the server has it" \
	    "$(sed -n 's/.*echo=\([a-z]*\) .*/\1/p' "$T/talk.info" |
	    tr '\n' ' ')" "on off on off "
	talk "a wrong answer in the second round" 1 \
	    --wait 'Name: ' --type me --wait 'Secret: ' --type secret1 \
	    --wait 'Name: ' --type me --wait 'Secret: ' --type secret1 \
	    -- -J rounds -o NumberOfPasswordPrompts=1
	may_say='ssh: (no such identity|Your password has expired)' talk \
	    "a password that has to be changed: by ssh" 0 \
	    --wait 'hop 1 of 1\): .*password: ' --type secret \
	    --wait "127.0.0.1's password: " --type secret \
	    --wait 'old password: ' --type secret \
	    --wait 'Enter .*new password: ' --type fresh \
	    --wait 'Retype .*new password: ' --type fresh -- -J change
	talk "a password that has to be changed, and no ssh" 1 \
	    --wait 'password: ' --type secret -- -J change \
	    -o "ForwardCommand=nc -N %h %p"
	check "it says so" grep -q '^proxyhop: change (hop 1 of 1.*auth: .*has to be changed' \
	    "$T/talk.err"
}

if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	rounds
else
	echo "skip $NAME: several questions in a round: no python3-paramiko"
fi
[ "$(id -u)" -eq 0 ] || skip "only root has a PAM service of its own"
[ -d /etc/pam.d ] && command -v cc >/dev/null || skip "no PAM, or no cc"
trap clean_up EXIT
pam_module
start_pam pam off:Password:secret "PasswordAuthentication yes"
start_pam both off:Password:secret \
    "AuthenticationMethods publickey,keyboard-interactive"
start_sshd keys "AuthenticationMethods publickey,publickey" "LogLevel VERBOSE"
kbdint
password
partial
if command -v sshpass >/dev/null && "$PYTHON" -c 'import pexpect' 2>/dev/null
then
	programs
else
	echo "skip $NAME: no sshpass, or no pexpect"
fi
