#!/usr/bin/env bash
# Goal: ssh's jump hosts and ours beside each other where others than ssh have a
# part in it: the first hop's ProxyCommand, Match exec, agents, files of keys.

. "$(dirname "$0")/harness.sh"

REAL=$(command -v ssh)
gateways
new_key "$T/ca"
start_sshd signed "TrustedUserCAKeys $T/ca.pub" "AuthorizedKeysFile none"
start_peer echo echo
# Who asks is noted, and nobody answers.
printf '#!/bin/sh\necho "$1" >>%s/asked\nexit 1\n' "$T" >"$T/askpass"
chmod +x "$T/askpass"
export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
: >"$T/asked"

# configured LINES...: before the blocks of all servers.
configured()
{
	write_config gw1 gw2 gw3 signed target
	conf "$@"
}

# by_ssh HOPS, by_us HOPS: through them to the echo, and a line there and back?
# This is what ssh -J runs for its jump hosts.
by_ssh()
{
	local last=${1##*,} before=()

	[ "$last" = "$1" ] || before=(-J "${1%,*}")
	echo arrived | timeout $((90 * TEST_TIME_FACTOR)) setsid -w "$REAL" \
	    -F "$CONF" "${before[@]}" -W "[127.0.0.1]:${PORT[echo]}" "$last" \
	    2>"$T/ssh.err"
}
by_us()
{
	echo arrived | hop -r none -J "$1" 127.0.0.1 "${PORT[echo]}" \
	    2>"$T/us.err"
}

# both SENTENCE WANT HOPS: WANT is yes or no, or ahead: we get in, ssh does not.
# What commands of the configuration have noted in $T/ran is the same.
both()
{
	local ssh=no us=no why=

	: >"$T/ran"
	[ "$(by_ssh "$3")" = arrived ] && ssh=yes
	mv "$T/ran" "$T/ran.ssh"
	: >"$T/ran"
	[ "$(by_us "$3")" = arrived ] && us=yes
	case $2,$ssh,$us in
	yes,yes,yes|no,no,no|ahead,no,yes) ;;
	*)	why="; ssh gets in: $ssh, proxyhop: $us, wanted: $2" ;;
	esac
	cmp -s "$T/ran.ssh" "$T/ran" || why="$why; other commands are run"
	if [ -z "$why" ]; then
		ok "$1: $2"
	else
		fail "$1$why" "$T/us.err" "$T/ssh.err" "$T/ran" "$T/ran.ssh"
	fi
}

# ---- the first hop's ProxyCommand ----------------------------------------------

streams()
{
	configured "Host gw1" "ProxyCommand $PYTHON $TESTS/others.py command %h %p"
	both "a ProxyCommand that reads without blocking" yes gw1
	late "$REAL" -F "$CONF" -J gw1 target
	equal "a late reader gets it all from ssh" "$(cat "$T/size")" 8000000
	late ssh -F "$T/ssh_config" -o ProxyCommand="$(hop_cmd gw1)" target
	equal "a late reader gets it all" "$(cat "$T/size")" 8000000
	configured "Host gw1" \
	    "ProxyCommand sh -c 'nc -N %h %p </dev/stdin >/dev/stdout'"
	both "a ProxyCommand that opens its streams by name" yes gw1
	configured "Host gw1" \
	    "ProxyCommand sh -c 'nc -N %h %p <&3 3<&- & exec sleep 1' 3<&0"
	both "one whose child carries on" yes gw1
}

# late COMMAND...: 8 MB by way of it, to a reader that begins after a while.
late()
{
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "$@" \
	    head -c 8000000 /dev/zero </dev/null 2>"$T/err" |
	    (sleep 0.5; wc -c) >"$T/size"
}

# ---- Match exec ------------------------------------------------------------------

# Each command notes that it begins and ends, so that two at a time are seen.
commands()
{
	cat >"$T/command" <<-END
	#!/bin/sh
	echo "begin \$*" >>$T/ran
	sleep 0.1
	echo "end \$*" >>$T/ran
	END
	# one that gets a certificate, say, which all hops use, and asks for that
	cat >"$T/once" <<-END
	#!/bin/sh
	test -e $T/got && exit
	$T/askpass "who are you"
	sleep 0.1
	: >$T/got
	END
	chmod +x "$T/command" "$T/once"
	configured "Match exec \"$T/command %n\"" "Port 22"
	sed -i '2d' "$CONF"
	both "Match exec: once for each hop, as in ssh's order" yes gw1,gw2,gw3
	equal "ssh runs three" "$(grep -c begin "$T/ran.ssh")" 3
	configured "Match originalhost gw1 exec \"$T/command %n\"" \
	    "IdentityFile $T/%C" "IdentityFile $T/id"
	both "with %C in a name" yes gw1
	configured "Match originalhost gw2 exec \"$T/command %n\"" \
	    "User $ME" "Host gw2" "ProxyJump gw1"
	both "a hop with a ProxyJump of its own" yes gw2
	configured "Match exec $T/once" "User $ME"
	for by in by_ssh by_us; do
		rm -f "$T/got"
		: >"$T/asked"
		equal "$by: a command that asks: it gets in" \
		    "$($by gw1,gw2)" arrived
		equal "$by: once" "$(wc -l <"$T/asked")" 1
	done
	configured "Match originalhost gw2 exec false" "User nobody-here"
	both "a condition that is false" yes gw1,gw2
	configured "Match originalhost gw2 exec true" "User nobody-here"
	both "the twin: it is true" no gw1,gw2
	configured "Match originalhost gw2 !exec true" "ProxyCommand false"
	both "a ProxyCommand, under a condition that is false" yes gw1,gw2
	configured "Match originalhost gw2 !exec false" "ProxyCommand false"
	refused "the twin: it is true" 1 'gw2: both a ProxyCommand' \
	    hop -r none -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
}

# ---- which ssh is asked ----------------------------------------------------------

# PATH's does not know what the one that is run by its path does.
another_ssh()
{
	local line

	mkdir "$T/old"
	cat >"$T/old/ssh" <<-END
	#!/bin/sh
	echo "$T/ssh_config: line 1: Bad configuration option: frobnicate" >&2
	exit 255
	END
	chmod +x "$T/old/ssh"
	configured
	line="ProxyCommand=$PROXYHOP_WRAP $PROXYHOP -r none -F $CONF -J gw1 %h %p"
	equal "ssh by its path: it is asked" "$(PATH=$T/old:$PATH timeout \
	    $((30 * TEST_TIME_FACTOR)) setsid -w "$REAL" -F "$CONF" \
	    -o "$line" target echo arrived </dev/null 2>"$T/err")" arrived
	(
		export PATH=$T/old:$PATH
		exec -a ssh "$REAL" -F "$CONF" -o "$line" target true
	) </dev/null >"$T/out" 2>"$T/err"
	check "the twin: ssh by its name: PATH's is" \
	    grep -q 'gw1: ssh refuses its configuration' "$T/err"
}

# ---- agents ------------------------------------------------------------------------

# An agent whose answers come late, and one that never answers.
agents()
{
	start_agent agent
	SSH_AUTH_SOCK=$T/agent ssh-add -q "$T/id"
	start_python agents others.py agent "$T/agent" "$T"
	IDENTITY[gw2]=$T/absent
	configured "Host gw2" "IdentityAgent $T/never" "IdentitiesOnly no"
	cp "$CONF" "$T/ssh_config.frozen"
	unset 'IDENTITY[gw2]'
	frozen &
	FROZEN=$!
	mv "$T/id" "$T/id.away"
	configured "Host gw1" "IdentityAgent $T/late"
	both "an agent that a person has to unlock first" yes gw1
	check "it is told" grep -q "waiting for the agent $T/late" "$T/us.err"
	mv "$T/id.away" "$T/id"
}

# ssh would wait for ever; we do for as long as a signature may take.
frozen()
{
	local start=$(now) status=0

	trap - EXIT
	timeout $((90 * TEST_TIME_FACTOR)) setsid -w $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$T/ssh_config.frozen" -r none -J gw2,gw2 \
	    127.0.0.1 1 </dev/null >"$T/frozen.out" 2>"$T/frozen.err" ||
	    status=$?
	echo "$status $(($(now) - start))" >"$T/frozen.took"
}

thawed()
{
	local status ms

	wait "$FROZEN"
	read -r status ms <"$T/frozen.took"
	equal "an agent that never answers: status" "$status" 1
	at_least "it is waited for: ms" "$ms" 60000
	at_most "but once, and not for ever: ms" "$ms" \
	    $((60000 + 10000 * TEST_TIME_FACTOR))
	check "that is told" grep -q 'waiting for the agent' "$T/frozen.err"
	check "the line" grep -q 'auth: Permission denied .*no key' \
	    "$T/frozen.err"
}

# ---- files of keys -------------------------------------------------------------------

# in_agent SENTENCE WANT: what $T/k/pub.pub has says which key of the agent is meant.
in_agent()
{
	configured "Host gw1" "IdentityAgent $T/agent" "IdentitiesOnly yes"
	both "a .pub $1" "$2" gw1
}

# certified SENTENCE WANT LINES...: with IDENTITY[signed].
certified()
{
	configured "${@:3}"
	both "$1" "$2" signed
}

files()
{
	local type key _

	read -r type key _ <"$T/id.pub"
	mkdir "$T/k"
	IDENTITY[gw1]=$T/k/pub
	printf '# mine\n\n%s %s\n' "$type" "$key" >"$T/k/pub.pub"
	in_agent "with a comment before" yes
	printf '\t  %s %s\n' "$type" "$key" >"$T/k/pub.pub"
	in_agent "with blanks before" yes
	printf '%s   %s\r\n' "$type" "$key" >"$T/k/pub.pub"
	in_agent "with blanks between, and the end of DOS" yes
	printf '%s\n%s %s\n' "$type" "$type" "$key" >"$T/k/pub.pub"
	in_agent "whose first line is no key" yes
	{ cat "$T/ca.pub"; printf '%s %s\n' "$type" "$key"; } >"$T/k/pub.pub"
	in_agent "with another key first" no
	mv "$T/k/pub.pub" "$T/k/pub"
	printf '%s %s\n' "$type" "$key" >"$T/k/pub"
	in_agent "that is called as the private half" yes
	unset 'IDENTITY[gw1]'

	new_key "$T/k/a"
	ssh-keygen -q -s "$T/ca" -I a -n "$ME" "$T/k/a.pub"
	mv "$T/k/a-cert.pub" "$T/k/cert"
	IDENTITY[signed]=$T/k/a
	certified "the twin: the key without its certificate" no
	certified "CertificateFile" yes "Host signed" "CertificateFile $T/k/cert"
	cp "$T/k/cert" "$T/k/a-cert"
	certified "a certificate without .pub beside it" yes
	rm "$T/k/a-cert"
	cp "$T/k/cert" "$T/k/other.pub"
	certified "CertificateFile without its .pub" yes "Host signed" \
	    "CertificateFile $T/k/other"
	cp "$T/k/cert" "$T/k/a.pub"
	certified "a certificate in place of .pub" yes
	ssh-keygen -q -p -N sealed -f "$T/k/a" >"$T/out"
	printf '#!/bin/sh\necho "$1" >>%s/asked\necho sealed\n' "$T" \
	    >"$T/askpass"
	certified "the same, with a passphrase" yes "Host signed" "BatchMode no"
	ssh-keygen -q -p -P sealed -N "" -f "$T/k/a" >"$T/out"
	SSH_AUTH_SOCK=$T/agent ssh-add -q "$T/k/a" 2>/dev/null
	IDENTITY[signed]=$T/k/other.pub
	certified "a certificate as IdentityFile, the agent has the key" yes \
	    "Host signed" "IdentityAgent $T/agent" "IdentitiesOnly no"
	SSH_AUTH_SOCK=$T/agent ssh-add -q -D
	certified "the twin: it has not" no "Host signed" \
	    "IdentityAgent $T/agent" "IdentitiesOnly no"
	IDENTITY[signed]=$T/id
	cp "$T/k/cert" "$T/k/wrong.pub"
	cp "$T/id" "$T/k/wrong"
	IDENTITY[signed]=$T/k/wrong
	certified "the twin: a certificate for another key" no
}

# ---- files of known hosts --------------------------------------------------------------

hosts()
{
	configured
	head -n 1 "$T/known_hosts" >"$T/k/one"
	sed 1d "$T/known_hosts" >"$T/k/two"
	cd "$T/k" || exit 1
	configured "Host *" "UserKnownHostsFile one two"
	both "two relative names" yes gw1,gw2
	configured "Host *" "UserKnownHostsFile ./one absent ./two"
	both "three, one of which is absent" yes gw1,gw2
	configured "Host *" "UserKnownHostsFile one"
	both "the twin: one of them" no gw1,gw2
	cat one two >"one two"
	configured "Host *" "UserKnownHostsFile \"one two\""
	both "a relative name with a blank" yes gw1,gw2
	mv "one two" "all of them"
	configured "Host *" "UserKnownHostsFile \"$T/k/all of them\" two"
	both "a name with blanks, and a relative one" yes gw1,gw2
	cd "$T" || exit 1
	for mode in no accept-new ask; do
		configured "Host gw1" "UserKnownHostsFile none" \
		    "StrictHostKeyChecking $mode" "BatchMode no"
		both "no file to add a new key to, $mode" no gw1
	done
	configured "Host gw1" "UserKnownHostsFile none" \
	    "GlobalKnownHostsFile $T/known_hosts" "StrictHostKeyChecking no"
	both "the twin: it is known" yes gw1
}

agents
streams
commands
another_ssh
files
hosts
thawed
