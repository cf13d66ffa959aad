#!/usr/bin/env bash
# Goal: the end of file of each direction is passed on by itself.  After stdin
# has ended the download completes; after the target has ended proxyhop leaves
# at once, with every byte delivered, and does not wait for stdin.

. "$(dirname "$0")/harness.sh"

size=$((32 * 1024 * 1024))
gateways
start_peer source source $size 21
start_peer closer closer 4000000 22
start_peer late duplex $size 23 --hold "$T/read"
start_peer sink sink

# measure NAME OPTIONS...: drive proxyhop to that peer.
measure()
{
	local name=$1

	shift
	forget "$name"
	drive "$@" -- -J gw1,gw2,gw3 127.0.0.1 "${PORT[$name]}" \
	    >"$T/drive" 2>"$T/err"
	equal "$what: status" "$(field status "$T/drive")" 0
	equal "$what: nothing on stderr" "$(cat "$T/err")" ""
}

# Both ends saw the same download.
whole_download()
{
	wait_for "$T/$1.log" '^closed' || return
	equal "$what: bytes down" "$(field got "$T/drive")" \
	    "$(field sent "$T/$1.log")"
	equal "$what: sha256 down" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/$1.log")"
}

# Both ends saw the same upload.
whole_upload()
{
	wait_for "$T/$1.log" '^closed' || return
	equal "$what: bytes up" "$(field got "$T/$1.log")" \
	    "$(field sent "$T/drive")"
	equal "$what: sha256 up" "$(field got_sha "$T/$1.log")" \
	    "$(field sent_sha "$T/drive")"
}

what="stdin ends first, empty"
measure source
whole_download source
equal "$what: the whole of it" "$(field got "$T/drive")" $size

what="stdin ends first, after some bytes"
measure source --send 300000
whole_download source
whole_upload source

what="stdin ends first, stdio is one socket"
measure source --socket --send 300000
whole_download source
whole_upload source

what="stdin ends, upload only"
measure sink --send $size
whole_upload sink

what="target half-closes, stdin stays open"
measure source --keep
whole_download source
at_most "$what: ms from the last byte to the exit" \
    "$(field tail_ms "$T/drive")" $((1000 * TEST_TIME_FACTOR))

what="target closes, stdin stays open"
measure closer --keep
whole_download closer
at_most "$what: ms from the last byte to the exit" \
    "$(field tail_ms "$T/drive")" $((1000 * TEST_TIME_FACTOR))

what="target closes, slow reader"
measure closer --keep --pause 20
whole_download closer
at_most "$what: ms from the last byte to the exit" \
    "$(field tail_ms "$T/drive")" $((1000 * TEST_TIME_FACTOR))

what="target closes, reader begins late"
(
	wait_for "$T/closer.log" '^accepted' &&
	    wait_until 'grep -q "^closed" "$T/closer.log"' 2
	: >"$T/go"
) &
measure closer --keep --hold "$T/go"
wait $!
whole_download closer

what="target reads its end of file late"
(
	wait_for "$T/late.log" '^accepted' && : >"$T/read"
) &
measure late --send 1000000
wait $!
whole_download late
whole_upload late

# Without a stdin at all, as if it had ended.
what="stdin is closed"
forget closer
hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[closer]}" <&- >"$T/out" 2>"$T/err"
equal "$what: status" "$?" 0
equal "$what: nothing on stderr" "$(cat "$T/err")" ""
wait_for "$T/closer.log" '^closed' 2
equal "$what: sha256 down" "$(sha256sum <"$T/out" | cut -c 1-64)" \
    "$(field sent_sha "$T/closer.log")"

# The same with a real ssh: the command goes on after its stdin has ended.
what="ssh"
head -c 5000000 /dev/urandom >"$T/down"
echo word | via gw1,gw2,gw3 "cat >/dev/null; cat $T/down" >"$T/out" 2>"$T/err"
equal "$what: status" "$?" 0
check "$what: same bytes after the end of stdin" cmp "$T/down" "$T/out"

# The twin: a target that is gone before anything ended is told from an end.
what="gateway lost"
start_peer endless source endless
drive --keep -- -J gw1,gw2,gw3 127.0.0.1 "${PORT[endless]}" \
    >"$T/drive" 2>"$T/err" &
wait_for "$T/endless.log" '^accepted'
stop gw3
wait $!
equal "$what: is no end of file" "$(field status "$T/drive")" 2
