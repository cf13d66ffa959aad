#!/usr/bin/env bash
# Goal: a gateway that asks without end and reads none of the answers is
# dropped before they fill our memory; one that reads them is carried through.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

user_key
start_sshd gw1
start_peer echo echo
new_key "$T/bad.key"
to=(127.0.0.1 "${PORT[echo]}")

# deaf [--reads] MODE: such a gateway, named bad, takes the last one's place.
deaf()
{
	start_bad deaf.py "$@"
}

# dropped MODE STAGE HOPS: a kernel whose receive buffer is full now and then
# drops the acknowledgements that come with what does not fit.  Both kernels then
# send the same again for ever, and nothing reaches us: that run does not count.
dropped()
{
	local try

	for try in 1 2 3 4; do
		deaf "$1"
		drive --keep --deadline $((10 * TEST_TIME_FACTOR)) -- \
		    -o ConnectTimeout=$((20 * TEST_TIME_FACTOR)) -J "$3" \
		    "${to[@]}" >"$T/drive" 2>"$T/err"
		[ "$(field status "$T/drive")" = 124 ] || break
		echo "# $1, $3: try $try has stalled"
	done
	equal "$1, $3: status" "$(field status "$T/drive")" 2
	check "$1, $3: one line, which says so" bash -c \
	    '[ $(wc -l <"$1") -eq 1 ] && grep -Eq -e "$2" "$1"' - "$T/err" \
	    "^proxyhop: bad .*: $2: it sent requests without end, and reads none of the answers; do not trust it$"
	at_most "$1, $3: kB" "$(field peak_kb "$T/drive")" \
	    $((32768 * TEST_MEM_FACTOR))
}

# answered MODE: the honest twin.
answered()
{
	deaf --reads "$1"
	drive --keep --deadline $((20 * TEST_TIME_FACTOR)) -- -J bad \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
	equal "$1, answers read: status" "$(field status "$T/drive")" 0
	equal "$1, answers read: bytes" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/bad.log")"
	equal "$1, answers read: no word" "$(cat "$T/err")" ""
}

# What we send while it does not answer our rekey stays where it comes from.
unkeyed()
{
	local limit=-oRekeyLimit=1M

	deaf unkeyed
	drive --keep --deadline $((20 * TEST_TIME_FACTOR)) -- $limit \
	    -J bad "${to[@]}" >"$T/drive" 2>"$T/err"
	equal "requests, and a rekey not answered: status" \
	    "$(field status "$T/drive")" 2
	check "requests, and a rekey not answered: one line, which says so" \
	    bash -c '[ $(wc -l <"$1") -eq 1 ] && grep -Eq -e "$2" "$1"' - \
	    "$T/err" "^proxyhop: bad .*: carry: it sent requests without end, and no answer to a key exchange; do not trust it$"
	at_most "requests, and a rekey not answered: kB" \
	    "$(field peak_kb "$T/drive")" $((24000 * TEST_MEM_FACTOR))
	deaf stalled
	(
		wait_for "$T/bad.log" '^rekey' 20
		sleep 3
		drop_bad
	) &
	drive --send endless --deadline $((20 * TEST_TIME_FACTOR)) -- $limit \
	    -J bad "${to[@]}" >"$T/drive" 2>"$T/err"
	wait $!
	equal "much to send, and a rekey not answered: status" \
	    "$(field status "$T/drive")" 2
	at_most "much to send, and a rekey not answered: kB" \
	    "$(field peak_kb "$T/drive")" $((24000 * TEST_MEM_FACTOR))
	deaf --reads unkeyed
	drive --keep --deadline $((20 * TEST_TIME_FACTOR)) -- $limit -J bad \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
	equal "requests, and a rekey answered late: status" \
	    "$(field status "$T/drive")" 0
	equal "requests, and a rekey answered late: bytes" \
	    "$(field got_sha "$T/drive")" "$(field sent_sha "$T/bad.log")"
	deaf --reads stalled
	drive --send 3000000 --deadline $((20 * TEST_TIME_FACTOR)) -- $limit \
	    -J bad "${to[@]}" >"$T/drive" 2>"$T/err"
	equal "much to send, and a rekey answered late: status" \
	    "$(field status "$T/drive")" 0
	equal "much to send, and a rekey answered late: bytes" \
	    "$(field got_sha "$T/drive")" "$(field sent_sha "$T/drive")"
	equal "much to send, and a rekey answered late: no word" \
	    "$(cat "$T/err")" ""
}

drop_bad()
{
	kill -KILL "${PID[bad]}"
}

# What a quiet login takes, to compare.
write_config gw1
drive --send 10 -- -J gw1 "${to[@]}" >"$T/drive" 2>"$T/err"
quiet=$(field peak_kb "$T/drive")
for hops in bad gw1,bad; do
	dropped before kex $hops
	at_most "before the login, $hops: kB more than a quiet login" \
	    $(($(field peak_kb "$T/drive") - quiet)) $((4096 * TEST_MEM_FACTOR))
done
for mode in globals requests opens unknown; do
	dropped $mode carry bad
	answered $mode
done
unkeyed
