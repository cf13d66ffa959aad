#!/usr/bin/env bash
# Goal: a gateway that breaks the rules of its channel overruns no buffer, holds
# nothing up, and ends with one line that says what it did.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

user_key
start_sshd gw1
start_peer echo echo
new_key "$T/bad.key"
to=(127.0.0.1 "${PORT[echo]}")

# breach MODE: such a gateway, named bad, takes the last one's place.
breach()
{
	start_bad breach.py "$1"
}

# at STAGE WHAT HOPS: the line about it, an extended regular expression.
at()
{
	echo "^proxyhop: bad \(hop [12] of [12], .*\): $1: it sent $2;" \
	    "do not trust it$"
}

# caught SENTENCE STAGE WHAT [drive options]: through pipes, whose reader may
# be stalled; at the first hop and at the second.
caught()
{
	local sentence=$1 stage=$2 what=$3 hops

	shift 3
	for hops in bad gw1,bad; do
		drive --deadline $((20 * TEST_TIME_FACTOR)) "$@" -- -J "$hops" \
		    "${to[@]}" >"$T/drive" 2>"$T/err"
		equal "$sentence, $hops: status" "$(field status "$T/drive")" 2
		check "$sentence, $hops: one line, which says so" bash -c \
		    '[ $(wc -l <"$1") -eq 1 ] && grep -Eq -e "$2" "$1"' - \
		    "$T/err" "$(at "$stage" "$what")"
		at_most "$sentence, $hops: kB" "$(field peak_kb "$T/drive")" \
		    $((32768 * TEST_MEM_FACTOR))
	done
}

# nulls SENTENCE STAGE WHAT: with /dev/null at both ends, and with -t.
nulls()
{
	local hops

	for hops in bad gw1,bad; do
		refused "$1, no reader, $hops" 2 "$(at "$2" "$3")" \
		    hop -J "$hops" "${to[@]}"
		hop -t -J "$hops" "${to[@]}" </dev/null >"$T/ladder" 2>"$T/err"
		equal "$1, -t, $hops: status" $? 2
		check "$1, -t, $hops: says so" \
		    grep -Eq "it sent $3; do not trust it" "$T/ladder" "$T/err"
	done
}

# Nothing slow, and nobody doing anything.
unconfirmed()
{
	local what='data for a channel that it had not opened'

	breach unconfirmed
	nulls "data before the confirmation" forward "$what"
	caught "data before the confirmation, stalled" forward "$what" \
	    --keep --hold "$T/never"
	breach uneof
	caught "an end before the confirmation" forward "$what" --keep
}

# The reader is an ssh that waits at its own host key question.
ends()
{
	breach ends
	caught "end after end, stalled" carry \
	    "data after the channel's end" --keep --hold "$T/never"
	breach afterend
	drive --keep --deadline $((20 * TEST_TIME_FACTOR)) -- -J bad \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
	check "data after the end: refused, or not seen any more" \
	    grep -Eq '^status=[02]$' "$T/drive"
	at_most "data after the end: bytes" "$(field got "$T/drive")" 8
	breach afterclose
	drive --keep --deadline $((20 * TEST_TIME_FACTOR)) -- -J bad \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
	check "data after CLOSE: refused, or not seen any more" \
	    grep -Eq '^status=[02]$' "$T/drive"
	at_most "data after CLOSE: bytes" "$(field got "$T/drive")" 8
}

answers()
{
	local mode

	for mode in again hidden failing; do
		breach $mode
		caught "a second answer, $mode" carry \
		    "a second answer about its channel" --send endless
	done
	breach instead
	refused "packets of 10 bytes, under another name" 2 \
	    ': forward: it takes packets of 10 bytes' \
	    hop -J bad "${to[@]}"
}

# Who keeps to the rules may be as fast, and its reader as late.
honest()
{
	local hops

	breach honest
	for hops in bad gw1,bad; do
		rm -f "$T/go"
		forget bad
		( wait_for "$T/bad.log" '^sent' && : >"$T/go" ) &
		drive --keep --hold "$T/go" --deadline \
		    $((20 * TEST_TIME_FACTOR)) -- -J "$hops" "${to[@]}" \
		    >"$T/drive" 2>"$T/err"
		wait $!
		equal "within the window, $hops: status" \
		    "$(field status "$T/drive")" 0
		equal "within the window, $hops: bytes" \
		    "$(field got "$T/drive")" 3145728
		equal "within the window, $hops: no word" "$(cat "$T/err")" ""
	done
}

unconfirmed
ends
answers
honest
