#!/usr/bin/env bash
# Goal: key files that ssh opens and libssh cannot log in as with ssh, by an
# ssh-agent of our own: started when it is needed, once, seen by nobody, and
# gone when the chain stands or we are, however that was.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"

new_key "$T/ca"
gateways
start_peer echo echo
start_sshd certs "TrustedUserCAKeys $T/ca.pub" "AuthorizedKeysFile none"
mkdir "$T/run" "$T/bin"
export XDG_RUNTIME_DIR=$T/run

PASSPHRASE="open sesame"

# sealed NAME CIPHER: a key that all servers take.
sealed()
{
	ssh-keygen -q -t ed25519 -Z "$2" -N "$PASSPHRASE" -C "$1" -f "$T/$1" \
	    </dev/null || die "ssh-keygen makes $1"
	cat "$T/$1.pub" >>"$T/authorized_keys"
}

# spy PROGRAM: what is run under its name notes what it was given.
spy()
{
	cat >"$T/bin/$1" <<-END
	#!/bin/sh
	{
		echo start
		tr '\\0' '\\n' </proc/\$\$/cmdline
		tr '\\0' '\\n' </proc/\$\$/environ
	} >>$T/$1.seen
	exec $(command -v "$1") "\$@"
	END
	chmod 700 "$T/bin/$1"
	: >"$T/$1.seen"
}

sealed aes aes256-gcm@openssh.com
sealed chacha chacha20-poly1305@openssh.com
spy ssh-agent
spy ssh-add
PATH=$T/bin:$PATH

# keys HOP=FILE...: these hops' key; somebody may be asked.
keys()
{
	local pair

	IDENTITY=()
	for pair; do
		IDENTITY[${pair%%=*}]=$T/${pair#*=}
	done
	write_config gw1 gw2 gw3 target certs
	conf "Host *" "BatchMode no"
}

# answers HOP ANSWER...: steps for as many questions about it.
answers()
{
	local hop=$1 answer

	shift
	steps=()
	for answer; do
		steps+=(--wait "@$hop \\(hop . of .\\): Enter passphrase for key '.*': "
		    --type "$answer")
	done
}

# Neither a process nor a file is left.
gone()
{
	wait_until '[ -z "$(hop_pids)" ] && [ -z "$(ls "$T/run")" ] &&
	    ! pgrep -f "ssh-agent -D -a $T" >/dev/null' 5
}

# asked_by_ssh SENTENCE N STATUS ANSWER...: ssh asks as often, and ends so.
asked_by_ssh()
{
	local sentence=$1 n=$2 want=$3 answer ssh=()

	shift 3
	for answer; do
		ssh+=(--wait "assphrase.*: " --type "$answer")
	done
	"$PYTHON" "$TESTS/terminal.py" --out "$T/ssh" \
	    --deadline $((20 * TEST_TIME_FACTOR)) "${ssh[@]}" -- \
	    ssh -F "$CONF" gw1 true
	equal "$sentence: ssh asks as often" \
	    "$(grep -o 'assphrase' "$T/ssh.tty" | wc -l)" "$n"
	if [ "$want" = 0 ]; then
		equal "$sentence: ssh gets in" "$(field status "$T/ssh.info")" 0
	else
		equal "$sentence: ssh does not" \
		    "$(field status "$T/ssh.info")" 255
	fi
}

# How often proxyhop has asked.
asked()
{
	grep -o 'assphrase' "$T/talk.tty" | wc -l
}

# started PROGRAM: how often.
started()
{
	grep -c '^start$' "$T/$1.seen"
}

passphrases()
{
	local steps file

	for file in aes chacha; do
		keys gw1=$file
		answers gw1 "$PASSPHRASE"
		talk "$file" 0 "${steps[@]}" -- -J gw1
		equal "$file: no echo" "$(field echo "$T/talk.info")" off
		asked_by_ssh "$file" 1 0 "$PASSPHRASE"
	done
	cp "$T/aes" "$T/alone"
	keys gw1=alone
	talk "without its public half beside it" 0 "${steps[@]}" -- -J gw1
	keys gw1=aes
	answers gw1 wrong "wrong again" "$PASSPHRASE"
	talk "the third is right" 0 "${steps[@]}" -- -J gw1
	asked_by_ssh "the third is right" 3 0 wrong "wrong again" "$PASSPHRASE"
	answers gw1 wrong wrong wrong
	talk "three wrong ones" 1 "${steps[@]}" -- -J gw1
	equal "three wrong ones: asked no fourth time" "$(asked)" 3
	check "three wrong ones: the file is named" \
	    grep -q "auth: .*$T/aes was not unlocked" "$T/talk.err"
	asked_by_ssh "three wrong ones" 3 1 wrong wrong wrong
	answers gw1 ""
	talk "an empty answer" 1 "${steps[@]}" -- -J gw1
	equal "an empty answer: asked once" "$(asked)" 1
	check "nothing is left" gone
}

# Nobody is asked, or for nothing: then there is no agent either.
unasked()
{
	: >"$T/ssh-agent.seen"
	keys gw1=aes
	refused "BatchMode" 1 "auth: .*$T/aes is encrypted, and nobody can be" \
	    hop -J gw1 -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
	refused "no terminal, no SSH_ASKPASS" 1 \
	    "auth: .*$T/aes is encrypted, and nobody can be" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	ssh-keygen -q -t ed25519 -Z aes256-gcm@openssh.com -N "$PASSPHRASE" \
	    -f "$T/unwanted" </dev/null
	keys gw1=unwanted
	talk "a key that the server does not take" 1 \
	    --never '[Pp]assphrase' -- -J gw1
	keys gw1=id
	carries "a key that libssh opens" -J gw1
	equal "none of these starts an agent" "$(started ssh-agent)" 0
}

# The person's program; the passphrase is nowhere but in pipes.
secret()
{
	local file

	: >"$T/ssh-agent.seen"
	: >"$T/ssh-add.seen"
	cat >"$T/askpass" <<-END
	#!/bin/sh
	echo "\$*" >>$T/asked
	tr '\\0' '\\n' </proc/\$PPID/cmdline >>$T/asked.by
	echo '$PASSPHRASE'
	END
	chmod 700 "$T/askpass"
	keys gw1=aes gw2=chacha gw3=aes
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    carries "three hops, by SSH_ASKPASS" -J gw1,gw2,gw3
	equal "one agent for all of them" "$(started ssh-agent)" 1
	equal "three keys" "$(started ssh-add)" 3
	equal "one question each, with its hop" \
	    "$(grep -Eo '^[^ ]*@gw[0-9] .hop . of 3.: Enter pass' "$T/asked" |
	    wc -l)" 3
	check "ssh-add was told where to ask" \
	    grep -q "^SSH_ASKPASS=$PROXYHOP\$" "$T/ssh-add.seen"
	for file in ssh-add.seen ssh-agent.seen; do
		equal "$file: no passphrase in arguments or environment" \
		    "$(grep -c "$PASSPHRASE" "$T/$file")" 0
	done
	check "nothing is left" gone
}

# Once it carries, there is no agent any more.
carrying()
{
	local out

	keys gw1=aes gw2=chacha
	coproc { SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    hop_exec -J gw1,gw2 127.0.0.1 "${PORT[echo]}" 2>"$T/err"; }
	echo "there and back" >&"${COPROC[1]}"
	read -r -t 20 out <&"${COPROC[0]}"
	equal "it carries" "$out" "there and back"
	equal "and its agent is gone by then" \
	    "$(pgrep -f "ssh-agent -D -a $T" | wc -l) $(ls "$T/run")" "0 "
	kill "$COPROC_PID"
	wait "$COPROC_PID" 2>/dev/null
}

certificates()
{
	local steps

	ssh-keygen -q -s "$T/ca" -I it -n "$ME" "$T/chacha.pub" 2>/dev/null
	keys certs=chacha
	answers certs "$PASSPHRASE"
	talk "its certificate" 0 "${steps[@]}" -- -J certs
	rm "$T/chacha-cert.pub"
	talk "the same without the certificate: not asked" 1 \
	    --never '[Pp]assphrase' -- -J certs
}

# held_open SENTENCE STATUS STEP...: gw1 is in by the agent, gw2 asks.
held_open()
{
	local sentence=$1 want=$2 steps

	shift 2
	answers gw1 "$PASSPHRASE"
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" \
	    --deadline $((20 * TEST_TIME_FACTOR)) "${steps[@]}" \
	    --wait '@gw2 \(hop 2 of 2\): .*: ' \
	    --run "pgrep -f 'ssh-agent -D -a $T/run/' >/dev/null &&
	    [ \"\$(stat -c %a $T/run/*)\" = 700 ]" "$@" -- \
	    "$PROXYHOP" -F "$CONF" -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	equal "$sentence: it was running, in a folder of ours; then" \
	    "$(field failed "$T/talk.info") $(field status "$T/talk.info")" \
	    " $want"
	check "$sentence: nothing is left" gone
}

ends()
{
	keys gw1=aes gw2=chacha
	held_open "SIGKILL" 137 --run 'kill -KILL $CHILD'
	held_open "SIGTERM" 143 --run 'kill -TERM $CHILD'
	held_open "SIGHUP" 129 --run 'kill -HUP $CHILD'
	held_open "ctrl-C" 130 --key c
	held_open "no answer" 1 --key d
	held_open "gw1 goes" 2 --run "for p in \$(pgrep -P ${PID[gw1]}); do
	    pkill -KILL -P \$p; kill -KILL \$p; done"
}

# without PROGRAM: a PATH with all but that one.
without()
{
	local program

	rm -rf "$T/few"
	mkdir "$T/few"
	for program in ssh ssh-keygen ssh-add ssh-agent sh setsid timeout; do
		[ "$program" = "$1" ] ||
		    ln -s "$(PATH=${PATH#*:} command -v "$program")" "$T/few/"
	done
}

# no_agent SENTENCE PATTERN
no_agent()
{
	local sentence=$1 pattern=$2

	PATH=$T/few SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    bare -F "$CONF" -J gw1 127.0.0.1 "${PORT[echo]}" \
	    </dev/null >"$T/out" 2>"$T/err"
	equal "$sentence: one line" "$(wc -l <"$T/err")" 1
	check "$sentence: and it says so" grep -Eq \
	    "^proxyhop: gw1 \\(hop 1 of 1, .*\\): auth: .*$T/aes $pattern" \
	    "$T/err"
	equal "$sentence: nothing is left" "$(ls "$T/run")" ""
}

missing()
{
	sed -i "s/^echo '.*/echo '$PASSPHRASE'/; /PPID/d" "$T/askpass"
	keys gw1=aes
	without ssh-agent
	no_agent "no ssh-agent" 'needs an ssh-agent of our own, which does not start \(ssh-agent: No such file'
	without ssh-add
	no_agent "no ssh-add" '.*cannot run ssh-add'
	without ssh-agent
	printf '#!/bin/sh\necho "I am none" >&2\nexit 3\n' >"$T/few/ssh-agent"
	chmod 700 "$T/few/ssh-agent"
	no_agent "an ssh-agent that fails" '.*does not start \(I am none\)'
	printf '#!/bin/sh\nexec /bin/sleep 1000\n' >"$T/few/ssh-agent"
	no_agent "one that hangs" '.*does not start \(it does not answer\)'
	keys gw1=id
	without ssh-agent
	PATH=$T/few:$PATH carries "no ssh-agent, and none is needed" -J gw1
}

# Where the folder is.
folders()
{
	local TMPDIR=$T/tmp

	export TMPDIR
	mkdir "$T/tmp"
	keys gw1=aes
	: >"$T/ssh-agent.seen"
	export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
	XDG_RUNTIME_DIR= carries "no XDG_RUNTIME_DIR" -J gw1
	XDG_RUNTIME_DIR=$T/absent carries "one that is not there" -J gw1
	equal "TMPDIR is used then" \
	    "$(grep -c "^$T/tmp/proxyhop-agent\..*/socket\$" "$T/ssh-agent.seen")" 2
	XDG_RUNTIME_DIR= TMPDIR=relative carries "neither" -J gw1
	equal "/tmp is used then" \
	    "$(grep -c "^/tmp/proxyhop-agent\..*/socket\$" "$T/ssh-agent.seen")" 1
	unset SSH_ASKPASS SSH_ASKPASS_REQUIRE
	check "nothing is left" [ -z "$(ls "$T/tmp" "$T/run" |
	    grep proxyhop-agent)" ]
}

passphrases
unasked
secret
carrying
certificates
ends
missing
folders
