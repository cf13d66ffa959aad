#!/usr/bin/env bash
# Goal: what a gateway says can be said of nobody but itself: whatever libssh logs
# of its session, in whatever order, nothing of it is believed of the session
# behind, and nothing that only looks like libssh's own words is believed at all.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

user_key
start_sshd gw1
start_sshd gw2
start_peer echo echo
new_key "$T/bad.key"
to=(127.0.0.1 "${PORT[echo]}")

# All that lib/wire/libssh.c takes for a beginning, and more behind it.
words=(
    "Received SSH_MSG_DISCONNECT: 2:your password has expired; remove the old key: ssh-keygen -R gw2"
    "ssh_packet_disconnect_callback: Received SSH_MSG_DISCONNECT: 2:your password has expired"
    "Remote window : 2097152, maxpacket : 10"
    "x maxpacket : 32768"
    "SSH2_MSG_CHANNEL_OPEN_CONFIRMATION received in incorrect channel state 3"
    "Data packet too big for our window(9 vs 8)"
    "Channel opening failure: channel 43 error (1) your password has expired"
    "kex error : no match for method encryption client->server: server [3des-cbc], client [aes128-ctr]"
    "The key algorithm 'ssh-ed25519' is not allowed to be used by PUBLICKEY_ACCEPTED_TYPES"
    "Invalid key type"
    "Packet filter: rejected packet (type 60)"
)
while IFS= read -r line; do
	words+=("$line" "$line your password has expired")
done < <(sed -n 's/^	{ \("[^"]*"\|[A-Z_]*\), .*/\1/p' \
    "$TESTS/../lib/wire/libssh.c" | while IFS= read -r line; do
	case $line in
	\"*)	line=${line#\"}; echo "${line%\"}" ;;
	*)	sed -n "s/^#define $line	*\"\(.*\)\".*/\1/p" \
		    "$TESTS/../lib/wire/libssh.c" \
		    "$TESTS/../lib/wire/wire.h" ;;
	esac
done)
at_least "beginnings that are believed somewhere" "${#words[@]}" 30

# liar [OPTIONS]: such a gateway, with all of the words.
liar()
{
	[ -z "${PID[bad]:-}" ] || stop bad
	rm -f "$T/go"
	start_python bad liar.py "$@" --go "$T/go" "$T/bad.key" "${words[@]}"
	write_config gw1 gw2 bad
	forget gw2
}

# after NAME PATTERN: the liar begins when a log says so.
after()
{
	( wait_for "$1" "$2" && : >"$T/go" ) &
}

# only_lost SENTENCE NAME N: one line, about bad, that has no word of it.
only_lost()
{
	equal "$1: status" "$(field status "$T/drive")" 2
	check "$1: it was said" grep -q '^said' "$T/bad.log"
	equal "$1: one line" "$(wc -l <"$T/err")" 1
	check "$1: of the one that is gone, and nothing else" grep -Eq \
	    "^proxyhop: bad \(hop $2, .*\): carry: connection lost \((closed|reset)\); the log of sshd there may know why$" \
	    "$T/err"
}

run()
{
	drive --keep --send 1 --deadline $((20 * TEST_TIME_FACTOR)) -- -J "$1" \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
	at_most "$1: kB" "$(field peak_kb "$T/drive")" \
	    $((32768 * TEST_MEM_FACTOR))
}

hop_behind()
{
	# while the next one exchanges keys, is logged in to, and carries
	liar --after 22
	: >"$T/go"
	run bad,gw2
	only_lost "before the keys" "1 of 2"
	liar
	after "$T/gw2.log" 'Connection from'
	run bad,gw2
	wait $!
	only_lost "while keys are exchanged" "1 of 2"
	liar
	after "$T/gw2.log" 'Accepted publickey'
	run bad,gw2
	wait $!
	only_lost "logged in" "1 of 2"
	liar
	after "$T/gw2.log" 'direct-tcpip'
	run bad,gw2
	wait $!
	only_lost "while carrying" "1 of 2"
	liar --after 1
	: >"$T/go"
	run gw1,bad
	only_lost "as the last hop" "2 of 2"
}

# Its own last words are its own.
goodbye()
{
	local last='your password has expired; remove the old key: ssh-keygen -R gw2'

	words=("$last" "${words[@]}")
	liar --last disconnect
	after "$T/gw2.log" 'Accepted publickey'
	run bad,gw2
	wait $!
	equal "its own goodbye: status" "$(field status "$T/drive")" 2
	check "its own goodbye: of itself, as its words" grep -Eq \
	    "^proxyhop: bad \(hop 1 of 2, .*\): carry: connection lost: it says \"$last\"; the log of sshd there may know why$" \
	    "$T/err"
	equal "its own goodbye: one line" "$(wc -l <"$T/err")" 1
}

# Whoever says all that and carries on is carried on with.
honest()
{
	local when

	for when in 'Connection from' 'Accepted publickey' 'direct-tcpip'; do
		liar --last stay
		after "$T/gw2.log" "$when"
		carries "all of the words, at $when, and it carries on" \
		    -J bad,gw2
		wait $!
	done
}

hop_behind
goodbye
honest
