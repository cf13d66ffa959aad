#!/usr/bin/env bash
# Goal: keys and tries are not wasted.  After the first answer only what the
# server lists is tried; where ssh gets in with as many keys, from files and from
# the agent, proxyhop does; none is offered twice.

. "$(dirname "$0")/harness.sh"

user_key
start_peer echo echo
start_sshd only "MaxAuthTries 3" "PubkeyAuthentication no" \
    "PasswordAuthentication yes" "LogLevel DEBUG2"
start_sshd both "MaxAuthTries 3" "AuthenticationMethods publickey,password" \
    "PasswordAuthentication yes" "LogLevel DEBUG2"
start_sshd keys "MaxAuthTries 3" "LogLevel DEBUG2"
start_agent agent
export SSH_AUTH_SOCK=$T/agent
for i in 1 2 3 4 5 6 7 8; do
	new_key "$T/held$i"
	ssh-add -q "$T/held$i"
done
write_config only both keys
conf "Host *" "IdentitiesOnly no"

# asked NAME METHOD: how often a server was asked for it, all in all.
asked()
{
	grep -c "userauth-request for user .* method $2" "$T/$1.log"
}

# Keys are not taken: one is offered at most, and the server does not hang up.
refused "eight keys in the agent, none is taken: it is not cut off" 1 \
    '^proxyhop: only .*auth: .*takes password' \
    hop -J only 127.0.0.1 "${PORT[echo]}"
at_most "keys that were offered" "$(asked only publickey)" 1
forget only
ssh -F "$CONF" only true </dev/null 2>/dev/null
equal "ssh offers none" "$(asked only publickey)" 0

# A key, then something else: no other key, and no question what is wanted.
refused "a key, then a password that nobody can give" 1 \
    '^proxyhop: both .*auth: Permission denied after partial success .*password' \
    hop -J both 127.0.0.1 "${PORT[echo]}"
equal "the one key that was taken" "$(grep -c 'Partial publickey' \
    "$T/both.log")" 1
equal "after it, nobody asks what else" "$(asked both none)" 0

# The twin: where keys are taken, the right one gets in.
carries "where keys are taken" -J keys

# ---- ssh beside us: where it gets in, we do ---------------------------------

for n in 2 3 6; do
	start_sshd "max$n" "MaxAuthTries $n" "PasswordAuthentication yes" \
	    "LogLevel DEBUG2"
done
for i in 1 2 3 4 5 6 7 8; do
	new_key "$T/w$i"
done
ssh-keygen -q -t ed25519 -N sealed -f "$T/sealed" </dev/null

# Who asks is noted, and answered.
printf '#!/bin/sh\necho "$1" >>%s/asked\ncat %s/answer\n' "$T" "$T" \
    >"$T/askpass"
chmod +x "$T/askpass"
echo wrong >"$T/answer"
export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force

# outcome SERVER COMMAND...: "in" or "out", questions, requests that the server
# has counted, connections.
outcome()
{
	local server=$1 in=out

	shift
	forget "$server"
	: >"$T/asked"
	"$@" </dev/null >"$T/out" 2>"$T/err" && in=in
	wait_until "[ -z \"\$(pgrep -P ${PID[$server]})\" ]"
	echo "$in" "$(wc -l <"$T/asked")" \
	    "$(grep -Ec '^(Failed|Accepted) (publickey|password)' \
	    "$T/$server.log")" \
	    "$(grep -c 'Connection from' "$T/$server.log")"
}

# case_of NAME SERVER FILES AGENT OPTIONS WANT [MORE]: FILES and AGENT are names
# of keys; WANT is "both", "neither", "ahead": only we get in, or "asks": neither,
# but we come as far as the password.  MORE tries than ssh's are allowed.
case_of()
{
	local name=$1 server=$2 files=$3 held=$4 options=$5 want=$6 key ssh us
	local said
	local lines=("Host $server" "BatchMode no" "NumberOfPasswordPrompts 1")

	ssh-add -q -D 2>/dev/null
	for key in $held; do
		ssh-add -q "$T/$key" </dev/null
	done
	IDENTITY=([$server]=none)
	write_config "$server"
	for key in $files; do
		lines+=("IdentityFile $T/$key")
	done
	conf "${lines[@]}" ${options:+"$options"}
	ssh=($(outcome "$server" timeout $((20 * TEST_TIME_FACTOR)) \
	    setsid -w ssh -F "$CONF" -W "127.0.0.1:${PORT[echo]}" "$server"))
	us=($(outcome "$server" hop -J "$server" 127.0.0.1 "${PORT[echo]}"))
	case $want,${ssh[0]},${us[0]} in
	both,in,in|neither,out,out|ahead,out,in|asks,out,out) ;;
	*)	fail "$name: $want; ssh: ${ssh[*]}, proxyhop: ${us[*]}" \
		    "$T/err" "$T/$server.log"
		return ;;
	esac
	said="ssh ${ssh[*]}, proxyhop ${us[*]}"
	case $want in
	ahead|asks) ssh[1]=1 ssh[2]=99 ;;
	esac
	if [ "${us[1]}" -gt "${ssh[1]}" ]; then
		fail "$name: ${us[1]} questions, of ssh ${ssh[1]}" "$T/asked"
	elif [ "${us[2]}" -gt "$((ssh[2] + ${7:-0}))" ]; then
		fail "$name: ${us[2]} tries, of ssh ${ssh[2]}" "$T/err"
	else
		ok "$name: $want (in, questions, tries, connections: $said)"
	fi
}

only="IdentitiesOnly yes" others="IdentitiesOnly no"

# The right key is with the agent, no file names it.
case_of "a wrong file, the agent has it" max3 "w1" "id" "$others" both 1
case_of "three wrong files, the agent has it" max3 "w1 w2 w3" "id" \
    "$others" both 3
case_of "seven wrong files, the agent has it" max3 "w1 w2 w3 w4 w5 w6 w7" \
    "id" "$others" both 3
case_of "two wrong files where two are taken" max2 "w1 w2" "id" "$others" \
    both 2
case_of "three wrong files, two wrong ones before it with the agent" max3 \
    "w1 w2 w3" "w4 w5 id" "$others" both 3
case_of "the agent alone" max3 "" "w1 w2 id" "$others" both
case_of "the agent alone, too many before it" max3 "" \
    "w1 w2 w3 w4 id" "$others" ahead
case_of "IdentitiesOnly: not for the agent's others" max3 "w1" "id" "$only" \
    neither

# A file is the right one.
case_of "the right file, seven other keys with the agent" max6 "id" \
    "w1 w2 w3 w4 w5 w6 w7" "$others" ahead
case_of "the same with IdentitiesOnly" max6 "id" "w1 w2 w3 w4 w5 w6 w7" \
    "$only" both
case_of "two wrong files before it" max3 "w1 w2 id" "" "$others" both
case_of "three wrong files before it, the agent has it, too" max3 \
    "w1 w2 w3 id" "w4 w5 id" "$others" both
case_of "the same with IdentitiesOnly" max3 "w1 w2 w3 id" "w4 w5 id" \
    "$only" both
case_of "a sealed file that is wrong before it" max2 "sealed id" "" \
    "$others" both

# The files that ssh looks at by itself come after all that the agent has.
mkdir "$T/.ssh"
new_key "$T/.ssh/id_rsa"
new_key "$T/.ssh/id_ecdsa"
cp "$T/id" "$T/.ssh/id_ed25519"
cp "$T/id.pub" "$T/.ssh/id_ed25519.pub"
defaults=".ssh/id_rsa .ssh/id_ecdsa .ssh/id_ed25519"
case_of "ssh's own list of files" max3 "$defaults" "" "$others" both
case_of "the same after the agent's" max6 "$defaults" "w1 w2" "$others" both
case_of "the same, the agent has one of them" max2 "$defaults" \
    "w1 w2 .ssh/id_ed25519" "$others" both
case_of "the same, more with the agent than are taken" max3 "$defaults" \
    "w1 w2 w3" "$others" ahead

# What is left when no key does.
case_of "no key at all" max3 "" "" "$others" neither
case_of "more with the agent than are taken, then a password" max6 "" \
    "w1 w2 w3 w4 w5 w6 w7" "$others" asks
check "what it said when it hung up is told" grep -q \
    'Permission denied for .*on the first of two connections: .*Too many auth' \
    "$T/err"
case_of "keys, then a password" max3 "w1" "w2" "$others" neither
check "the password was asked for" grep -q "password: " "$T/asked"
