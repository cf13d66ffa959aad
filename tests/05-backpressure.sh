#!/usr/bin/env bash
# Goal: a reader that stalls stops its own direction and nothing else: memory
# stays flat, the other direction moves on, and when it reads again every byte
# is there.  Both ways round.  One that does not stall costs hardly any memory,
# however much faster the rest is.

. "$(dirname "$0")/harness.sh"

limit=$((32 * 1024 * TEST_MEM_FACTOR))
[ -z "$PROXYHOP_WRAP" ] || limit=$((limit * 16))
steady=$limit
[ "$limit" != $((32 * 1024)) ] || steady=$((11 * 1024))
size=$((192 * 1024 * 1024))
gateways

# The memory of proxyhop, sampled for SECONDS, has not grown by a MiB.
flat()
{
	local pid first last

	pid=$(hop_pids)
	wait_until 'settled "$pid"' 5	# its windows are full
	first=$(memory VmRSS "$pid")
	# Three seconds of a stalled reader are the subject here.
	sleep 3
	last=$(memory VmRSS "$pid")
	at_most "$what: growth in 3 s, kB" $((last - first)) \
	    $((1024 * TEST_MEM_FACTOR))
	at_most "$what: peak so far, kB" "$(memory VmHWM "$pid")" "$limit"
}

# Everything arrived, both ways.
whole()
{
	wait_for "$T/$1.log" '^closed' 30 || return
	equal "$what: status" "$(field status "$T/drive")" 0
	equal "$what: bytes down" "$(field got "$T/drive")" "$2"
	equal "$what: sha256 down" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/$1.log")"
	equal "$what: bytes up" "$(field got "$T/$1.log")" "$3"
	equal "$what: sha256 up" "$(field got_sha "$T/$1.log")" \
	    "$(field sent_sha "$T/drive")"
	at_most "$what: peak, kB" "$(field peak_kb "$T/drive")" "$limit"
}

# stdout's reader stalls; the upload completes meanwhile.
stalled_reader()
{
	local up=$((32 * 1024 * 1024))

	what="stalled reader"
	start_peer fast duplex $size 31
	drive --send $up --hold "$T/go" -- -J gw1,gw2,gw3 \
	    127.0.0.1 "${PORT[fast]}" >"$T/drive" 2>"$T/err" &
	wait_for "$T/fast.log" "^read_all got=$up" 30 &&
	    ok "$what: the upload completes meanwhile"
	flat
	: >"$T/go"
	wait $!
	whole fast $size $up
}

# The target stalls; the download completes meanwhile.
stalled_target()
{
	local down=$((32 * 1024 * 1024))

	what="stalled target"
	start_peer lazy duplex $down 32 --hold "$T/lazy.go"
	drive --send $size -- -J gw1,gw2,gw3 \
	    127.0.0.1 "${PORT[lazy]}" >"$T/drive" 2>"$T/err" &
	wait_for "$T/lazy.log" '^accepted'
	wait_for "$T/lazy.log" "^sent_all sent=$down" 30 &&
	    ok "$what: the download moves meanwhile"
	flat
	: >"$T/lazy.go"
	wait $!
	whole lazy $down $size
}

# Neither side reads for a while.
stalled_both()
{
	what="both stalled"
	start_peer none duplex $size 33 --hold "$T/none.go"
	drive --send $size --hold "$T/none.go" -- -J gw1,gw2,gw3 \
	    127.0.0.1 "${PORT[none]}" >"$T/drive" 2>"$T/err" &
	wait_for "$T/none.log" '^accepted'
	flat
	: >"$T/none.go"
	wait $!
	whole none $size $size
}

# Both sides do what they can; on a busy machine the reader may be late, and
# one run of three is enough.
steady_reader()
{
	local run peak

	what="steady reader"
	for run in 1 2 3; do
		start_peer quick source $size 34
		drive -- -J gw1,gw2,gw3 127.0.0.1 "${PORT[quick]}" \
		    >"$T/drive" 2>"$T/err"
		whole quick $size 0
		peak=$(field peak_kb "$T/drive")
		[ "$peak" -gt "$steady" ] || break
	done
	at_most "$what: peak through three hops, kB" "$peak" "$steady"
}

steady_reader
stalled_reader
stalled_target
stalled_both

# The twin: the limit can be passed.
what="twin"
"$PYTHON" "$TESTS/drive.py" -- "$PYTHON" -c \
    "x = bytearray($((limit * 1024))); import time; time.sleep(.3)" >"$T/drive"
check "$what: a process that holds the bytes is noticed" \
    test "$(field peak_kb "$T/drive")" -gt "$limit"
