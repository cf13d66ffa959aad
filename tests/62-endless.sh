#!/usr/bin/env bash
# Goal: what keeps libssh busy without end ends the process, even where nothing
# of it is found beforehand; whoever only computes for long is not ended.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

user_key
start_sshd gw1
start_peer echo echo
start_peer far duplex $((128 * 1024 * 1024)) 3
new_key "$T/bad.key"
to=(127.0.0.1 "${PORT[echo]}")
${CC:-cc} -shared -fPIC -o "$T/blind.so" "$TESTS/blind.c" -ldl \
    >"$T/cc.log" 2>&1 || die "blind.c compiles" "$T/cc.log"
sees=$PROXYHOP_WRAP
blind="env LD_PRELOAD=$T/blind.so ASAN_OPTIONS=verify_asan_link_order=0 $sees"

# again: a gateway, named bad, that takes packets of 10 bytes once it is believed.
again()
{
	start_bad breach.py again
}

# ended HOPS [OPTIONS]: as it stands, by the packets that are made.
ended()
{
	local start hops=$1

	shift
	start=$(now)
	PROXYHOP_WRAP=$blind drive --send endless --deadline \
	    $((40 * TEST_TIME_FACTOR)) -- -J "$hops" "$@" "${to[@]}" \
	    >"$T/drive" 2>"$T/err"
	equal "no end within libssh, $hops $*: status" \
	    "$(field status "$T/drive")" 2
	at_most "no end within libssh, $hops $*: ms" $(($(now) - start)) \
	    $((8000 * TEST_TIME_FACTOR))
	at_most "no end within libssh, $hops $*: kB" \
	    "$(field peak_kb "$T/drive")" $((32768 * TEST_MEM_FACTOR))
}

line='^proxyhop: bad \(hop [12] of [12], .*\): carry: libssh does not come to an end with what it sent; do not trust it$'

hostile()
{
	local hops

	again
	for hops in bad gw1,bad; do
		ended "$hops"
		check "no end within libssh, $hops: one line, which says so" \
		    bash -c '[ $(wc -l <"$1") -eq 1 ] && grep -Eq -e "$2" "$1"' \
		    - "$T/err" "$line"
	done
	ended bad -E "$T/log"
	check "to -E's file as well" grep -Eq -e "$line" "$T/log"
	equal "and nowhere else" "$(cat "$T/err")" ""
	ended bad -q
	equal "not with -q" "$(cat "$T/err")" ""
}

# A fiftieth of the time: what it takes in all is far more.
honest()
{
	local wrap=$PROXYHOP_WRAP

	export BLIND_FASTER=50
	PROXYHOP_WRAP=$blind
	drive --send $((128 * 1024 * 1024)) --seed 3 --deadline \
	    $((60 * TEST_TIME_FACTOR)) -- -o RekeyLimit=4M -J gw1,gw1 \
	    127.0.0.1 "${PORT[far]}" >"$T/drive" 2>"$T/err"
	equal "much is carried: status" "$(field status "$T/drive")" 0
	equal "much is carried: bytes" "$(field got "$T/drive")" \
	    $((128 * 1024 * 1024))
	equal "much is carried: no word" "$(cat "$T/err")" ""
	new_key "$T/slow" -a 100 -N "open sesame"
	cat "$T/slow.pub" >>"$T/authorized_keys"
	IDENTITY=([gw1]=$T/slow)
	write_config gw1
	conf "Host *" "BatchMode no"
	printf '#!/bin/sh\necho open sesame\n' >"$T/askpass"
	chmod 700 "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    carries "a key whose rounds take their time" -J gw1
	PROXYHOP_WRAP=$wrap
	unset BLIND_FASTER
}

hostile
honest
