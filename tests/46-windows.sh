#!/usr/bin/env bash
# Goal: where the link is long and the window is what limits, the far end is
# granted more, and nowhere else; no byte is lost over that, and a reader who
# then stalls does not make memory grow.

. "$(dirname "$0")/harness.sh"
. "$TESTS/net.sh"

RTT=200				# ms; so that a slow machine, too, is faster
ALWAYS=$((4 * 1024 * 1024))	# than ALWAYS / 2 in that time
MORE=$((8 * 1024 * 1024))
LONG=10				# ms: a link is long from there on
limit=$((32 * 1024 * TEST_MEM_FACTOR))

gateways
start_peer source source 40000000 41
start_peer short source 8000000 42
start_slow far --rtt $RTT gw1

# far_away: gw1 is.
far_away()
{
	mapfile -t lines < <(by gw1 far)
	conf "${lines[@]}"
}

# granted N: what hop N's channel was granted at a time, to the end.
granted()
{
	sed -n "s/.*(hop $1): granted \([0-9]*\) bytes at a time.*/\1/p" \
	    "$T/err"
}

# opened N: ms that hop N took to open its channel.
opened()
{
	sed -n "s/.*(hop $1): forward, \([0-9]*\) ms.*/\1/p" "$T/err"
}

# whole WHAT PEER BYTES: all of them arrived.
whole()
{
	wait_for "$T/$2.log" '^closed' 30 || return
	equal "$1: status" "$(field status "$T/drive")" 0
	equal "$1: bytes" "$(field got "$T/drive")" "$3"
	equal "$1: the same bytes" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/$2.log")"
	at_most "$1: peak, kB" "$(field peak_kb "$T/drive")" "$limit"
}

# Both of two hops behind the long link; the machine may be busy once.
long_link()
{
	local try

	far_away
	for try in 1 2 3; do
		forget source
		drive -- -vv -J gw1,gw2 127.0.0.1 "${PORT[source]}" \
		    >"$T/drive" 2>"$T/err"
		[ "$(granted 1) $(granted 2)" != "$MORE $MORE" ] || break
	done
	equal "a long link: hop 1 is granted more" "$(granted 1)" "$MORE"
	equal "a long link: hop 2 is granted more" "$(granted 2)" "$MORE"
	at_least "a long link: ms to open a channel" "$(opened 1)" "$RTT"
	whole "a long link" source 40000000
}

# The twin, without a delay.  On a busy machine the answer of a gateway may take
# its time, too: those that were quick count.
short_link()
{
	local try n quick=0

	conf
	for try in 1 2 3 4 5 6 7 8; do
		forget source
		drive -- -vv -J gw1,gw2,gw3 127.0.0.1 "${PORT[source]}" \
		    >"$T/drive" 2>"$T/err"
		for n in 1 2 3; do
			[ "$(opened $n)" -lt $((LONG - 1)) ] || continue
			quick=$((quick + 1))
			[ "$(granted $n)" = "$ALWAYS" ] || break 2
		done
		[ "$quick" -lt 3 ] || break
	done
	if [ "$quick" -eq 0 ]; then
		echo "	no quick answer on this machine"
	elif [ "$(granted "$n")" = "$ALWAYS" ]; then
		ok "a short link: $quick hops are granted no more"
	else
		fail "a short link: hop $n is granted $(granted "$n")" "$T/err"
	fi
	whole "a short link" source 40000000
}

# A target that never has much: 5 MB, an eighth of a window in a round trip.
start_trickle()
{
	"$PYTHON" -c 'import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
sock = listener.accept()[0]
for _ in range(40):
	sock.sendall(bytes(131072))
	time.sleep(0.05)' </dev/null >"$T/trickle.log" 2>&1 &
	PID[trickle]=$!
	SERVERS+=("${PID[trickle]}")
	wait_for "$T/trickle.log" '^listening ' || exit 1
	PORT[trickle]=$(sed -n 's/^listening //p' "$T/trickle.log")
}

# The other twin: what limits is not the window but the reader, or that there is
# not much to send.
slow_reader()
{
	far_away
	forget short
	drive --pause 15 -- -vv -J gw1 127.0.0.1 "${PORT[short]}" \
	    >"$T/drive" 2>"$T/err"
	equal "a slow reader: no more is granted" "$(granted 1)" "$ALWAYS"
	whole "a slow reader" short 8000000
	start_trickle
	drive -- -vv -J gw1 127.0.0.1 "${PORT[trickle]}" >"$T/drive" 2>"$T/err"
	equal "not much to send: it comes" "$(field got "$T/drive")" 5242880
	equal "not much to send: no more is granted" "$(granted 1)" "$ALWAYS"
}

# A reader who takes half of it, and then nothing, until $T/go is there; what
# has come is in $T/first and $T/rest.
moody_reader()
{
	head -c 20000000 >"$T/first"
	: >"$T/stalled"
	while [ ! -e "$T/go" ]; do
		sleep 0.05
	done
	cat >"$T/rest"
}

# The window has grown by then: all it may hold is held.
stalled_reader()
{
	local what="a reader who stalls" pid reader

	far_away
	forget source
	mkfifo "$T/fifo"
	rm -f "$T/go" "$T/stalled"
	moody_reader <"$T/fifo" &
	reader=$!
	hop_exec -vv -J gw1,gw2 127.0.0.1 "${PORT[source]}" </dev/null \
	    >"$T/fifo" 2>"$T/err" &
	pid=$!
	wait_until '[ -e "$T/stalled" ]' 60 || die "half of it comes" "$T/err"
	wait_until "settled $pid" 10 || fail "$what: memory comes to rest"
	at_most "$what: peak, kB" "$(memory VmHWM "$pid")" "$limit"
	: >"$T/go"
	check "$what: it ends well" wait "$pid"
	wait "$reader"
	wait_for "$T/source.log" '^closed' 30
	equal "$what: the same bytes" \
	    "$(cat "$T/first" "$T/rest" | sha256sum | cut -d' ' -f1)" \
	    "$(field sent_sha "$T/source.log")"
	check "$what: more had been granted" \
	    grep -q "granted $MORE bytes" "$T/err"
}

long_link
short_link
slow_reader
stalled_reader
