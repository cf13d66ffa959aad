#!/usr/bin/env bash
# Goal: a gateway from which comes what is no SSH packet, or nothing more, costs
# no processor time while something else is waited for, and no byte that it has
# sent before.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

LATE=2		# seconds that the reader, or a command, is late
CPU=300		# ms; a loop takes LATE seconds, or less on a busy machine
sanitized && CPU=1000
BYTES=1000000

user_key
start_sshd gw1
start_peer echo echo
new_key "$T/bad.key"
to=(127.0.0.1 "${PORT[echo]}")

# late MODE HOPS [options]: the reader begins to read after a while.
late()
{
	local mode=$1 hops=$2

	shift 2
	start_bad noise.py --bytes $BYTES "$mode"
	rm -f "$T/go"
	( wait_for "$T/bad.log" '^sent=' && sleep $LATE && : >"$T/go" ) \
	    >"$T/waited" 2>&1 &
	drive --keep --hold "$T/go" --deadline $((20 * TEST_TIME_FACTOR)) -- \
	    -J "$hops" "$@" "${to[@]}" >"$T/drive" 2>"$T/err"
	wait $!
}

# complete SENTENCE: all bytes came, quietly and without a loop.
complete()
{
	equal "$1: status" "$(field status "$T/drive")" 0
	equal "$1: all bytes" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/bad.log")"
	equal "$1: no message" "$(cat "$T/err")" ""
	at_least "$1: the reader was late (ms)" "$(field ms "$T/drive")" \
	    $((LATE * 1000))
	at_most "$1: processor time (ms)" "$(field cpu_ms "$T/drive")" "$CPU"
}

# The target has closed, all of it is here, and what comes then is noise.
ended()
{
	local hops

	for hops in bad gw1,bad; do
		late ended $hops
		complete "noise after the end, $hops"
	done
	late open $hops
	complete "nothing after the end, $hops"
}

# The same of the second hop, and it is the first one that breaks the rules.
led()
{
	local mode

	start_peer source source $BYTES
	for mode in breach lead; do
		start_bad noise.py --bytes $BYTES $mode
		rm -f "$T/go"
		( wait_for "$T/bad.log" '^noise' 20 && sleep $LATE &&
		    : >"$T/go" ) >"$T/waited" 2>&1 &
		drive --keep --hold "$T/go" \
		    --deadline $((20 * TEST_TIME_FACTOR)) -- -J bad,gw1 \
		    127.0.0.1 "${PORT[source]}" >"$T/drive" 2>"$T/err"
		wait $!
		equal "the first hop, $mode: status" "$(field status \
		    "$T/drive")" 0
		equal "the first hop, $mode: all bytes" \
		    "$(field got "$T/drive")" $BYTES
		at_most "the first hop, $mode: processor time (ms)" \
		    "$(field cpu_ms "$T/drive")" "$CPU"
	done
}

# The same, and keepalives are not answered any more.
mute()
{
	local hops

	for hops in bad gw1,bad; do
		late mute $hops -o ServerAliveInterval=1 \
		    -o ServerAliveCountMax=1
		complete "no keepalive is answered after the end, $hops"
	done
	late open bad -o ServerAliveInterval=1 -o ServerAliveCountMax=1
	complete "keepalives after the end"
}

# Noise while a command is waited for, which the session does not outlive.
keyed()
{
	local hops

	cat >"$T/command" <<-END
	#!/bin/sh
	[ "\$1" = HOSTNAME ] && sleep $LATE
	cat "$T/known_hosts"
	END
	chmod +x "$T/command"
	for hops in bad gw1,bad; do
		start_bad noise.py keyed
		conf "Host bad" "KnownHostsCommand $T/command %I"
		drive --deadline $((20 * TEST_TIME_FACTOR)) -- -J "$hops" \
		    "${to[@]}" >"$T/drive" 2>"$T/err"
		equal "noise during KnownHostsCommand, $hops: status" \
		    "$(field status "$T/drive")" 2
		check "noise during KnownHostsCommand, $hops: it is said" \
		    grep -Eq '^proxyhop: bad .*: auth: it sent what is no SSH' \
		    "$T/err"
		at_most "noise during KnownHostsCommand, $hops: ms" \
		    "$(field cpu_ms "$T/drive")" "$CPU"
	done
	start_bad hostile.py echo
	conf "Host bad" "KnownHostsCommand $T/command %I"
	carries "KnownHostsCommand takes as long" -J bad
}

ended
led
mute
keyed
