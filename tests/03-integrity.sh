#!/usr/bin/env bash
# Goal: 64 MiB of random bytes each way at once, through three hops that all
# change their keys every 4 MiB, arrive as they were sent; and a byte that was
# changed is noticed.

. "$(dirname "$0")/harness.sh"

size=$((64 * 1024 * 1024))
gateways "RekeyLimit 4M"
start_peer far duplex $size 11
start_peer near duplex 100000 12
conf "Host *" "RekeyLimit 4M"

# Every server named has changed its keys over and over.
rekeyed()
{
	local name

	for name; do
		at_least "$name changed keys" \
		    "$(grep -c 'SSH2_MSG_NEWKEYS received' "$T/$name.log")" 16
		forget "$name"
	done
}

# proxyhop's own ends.
raw()
{
	drive --send $size --seed 3 -- -J gw1,gw2,gw3 \
	    127.0.0.1 "${PORT[far]}" >"$T/drive" 2>"$T/err"
	wait_for "$T/far.log" '^closed' || return
	equal "raw: status" "$(field status "$T/drive")" 0
	equal "raw: bytes up" "$(field got "$T/far.log")" $size
	equal "raw: bytes down" "$(field got "$T/drive")" $size
	equal "raw: sha256 up" \
	    "$(field got_sha "$T/far.log")" "$(field sent_sha "$T/drive")"
	equal "raw: sha256 down" \
	    "$(field got_sha "$T/drive")" "$(field sent_sha "$T/far.log")"
	equal "raw: nothing on stderr" "$(cat "$T/err")" ""
	rekeyed gw1 gw2 gw3
}

# A real ssh on top, which changes keys as well.
real()
{
	local status=0

	head -c $size /dev/urandom >"$T/up"
	head -c $size /dev/urandom >"$T/down"
	via gw1,gw2,gw3 "cat $T/down & sha256sum >$T/up.there; wait" \
	    <"$T/up" 2>"$T/err" >"$T/down.here" || status=$?
	equal "ssh: status" "$status" 0
	equal "ssh: sha256 up" \
	    "$(cut -c 1-64 "$T/up.there")" "$(sha256sum <"$T/up" | cut -c 1-64)"
	check "ssh: same bytes down" cmp "$T/down" "$T/down.here"
	equal "ssh: nothing on stderr" "$(cat "$T/err")" ""
	rekeyed gw1 gw2 gw3
}

# The twin: the comparison can fail.
flipped()
{
	drive --flip --send 100000 -- -J gw1,gw2,gw3 \
	    127.0.0.1 "${PORT[near]}" >"$T/drive"
	wait_for "$T/near.log" '^closed' || return
	equal "flip: count is right" "$(field got "$T/near.log")" 100000
	check "flip: a changed byte is noticed" test \
	    "$(field got_sha "$T/near.log")" != "$(field sent_sha "$T/drive")"
	equal "flip: the other way is whole" \
	    "$(field got_sha "$T/drive")" "$(field sent_sha "$T/near.log")"
}

raw
real
flipped
