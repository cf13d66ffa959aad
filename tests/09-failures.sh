#!/usr/bin/env bash
# Goal: whatever fails, at whichever hop, gives one line that names the hop and
# the stage, and the right status; a signal ends a session at once, silently.

. "$(dirname "$0")/harness.sh"

gateways
start_sshd closed "AllowTcpForwarding no"
start_sshd narrow "PermitOpen 127.0.0.1:1"
write_config gw1 gw2 gw3 target closed narrow
for peer in echo bound close http garbage silent mute hangup; do
	start_peer $peer $peer
done
start_peer endless duplex endless

# A name no resolver is asked for: its label is too long.
nowhere=$(printf '%064d' 0 | tr 0 x).invalid

# aim N HOST PORT: hop N, or the target when N is 4, is there instead.
aim()
{
	to=(127.0.0.1 "${PORT[echo]}")
	if [ "$1" -eq 4 ]; then
		conf
		to=("$2" "$3")
	else
		conf "Host gw$1" "HostName $2" "Port $3"
	fi
}

# at N: the beginning of a line about hop N.
at()
{
	echo "^proxyhop: gw$1 \(hop $1 of 3, .*\)"
}

# no_way SENTENCE STATUS PATTERN: the chain as aimed fails so.
no_way()
{
	refused "$1" "$2" "$3" hop -J gw1,gw2,gw3 -o ConnectTimeout=3 "${to[@]}"
}

# Hop N cannot be reached: hop N-1 was asked to, and says so.
unreachable()
{
	local n=$1 who="hop $1"

	[ "$n" -ne 4 ] || who=target
	aim "$n" "$nowhere" 22
	if [ "$n" -eq 1 ]; then
		no_way "$who: no such name" 2 "$(at 1): resolve: .*$nowhere"
	else
		no_way "$who: no such name" 2 \
		    "$(at $((n - 1))): forward: gw$((n - 1)) .*$nowhere:22"
	fi
	aim "$n" 127.0.0.1 "${PORT[bound]}"
	if [ "$n" -eq 1 ]; then
		no_way "$who: refused" 2 "$(at 1): connect: .*[Rr]efused"
	else
		no_way "$who: refused" 2 \
		    "$(at $((n - 1))): forward: gw$((n - 1)) .*127\.0\.0\.1:${PORT[bound]}.*[Rr]efused"
	fi
}

# Hop N may not forward.
forbidden()
{
	local n=$1 server

	for server in closed narrow; do
		aim "$n" 127.0.0.1 "${PORT[$server]}"
		no_way "hop $n: forwarding forbidden ($server)" 1 \
		    "$(at "$n"): forward: gw$n .*[Pp]rohibited"
	done
}

# Hop N is no ssh server.
stranger()
{
	local n=$1 start

	aim "$n" 127.0.0.1 "${PORT[close]}"
	no_way "hop $n: closes at once" 2 "$(at "$n"): banner: "
	aim "$n" 127.0.0.1 "${PORT[hangup]}"
	start=$(now)
	no_way "hop $n: closes after its banner" 2 "$(at "$n"): kex: "
	at_most "hop $n: closes after its banner: ms" $(($(now) - start)) \
	    $((2000 * TEST_TIME_FACTOR))
	aim "$n" 127.0.0.1 "${PORT[http]}"
	no_way "hop $n: speaks HTTP" '[12]' "$(at "$n"): banner: "
	aim "$n" 127.0.0.1 "${PORT[garbage]}"
	no_way "hop $n: speaks garbage" '[12]' "$(at "$n"): banner: "
	check "hop $n: garbage is not shown raw" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	aim "$n" 127.0.0.1 "${PORT[silent]}"
	start=$(now)
	refused "hop $n: silent" 2 "$(at "$n"): banner: " \
	    hop -J gw1,gw2,gw3 -o ConnectTimeout=2 "${to[@]}"
	at_most "hop $n: silent: ms" $(($(now) - start)) \
	    $((3500 * TEST_TIME_FACTOR))
	aim "$n" 127.0.0.1 "${PORT[mute]}"
	start=$(now)
	refused "hop $n: silent after its banner" 2 "$(at "$n"): kex: " \
	    hop -J gw1,gw2,gw3 -o LoginTimeout=2 "${to[@]}"
	at_most "hop $n: silent after its banner: ms" $(($(now) - start)) \
	    $((3500 * TEST_TIME_FACTOR))
}

# The target is not ours to judge: what it does is carried.
strange_target()
{
	local status=0

	conf
	hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[close]}" \
	    </dev/null >"$T/out" 2>"$T/err" || status=$?
	equal "target that closes at once: status" "$status" 0
	equal "target that closes at once: words" "$(cat "$T/out" "$T/err")" ""
	hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[http]}" \
	    </dev/null >"$T/out" 2>"$T/err"
	check "target that speaks HTTP is carried" \
	    grep -q '^HTTP/1.1 400' "$T/out"
}

# Where the line goes.
line()
{
	local status=0 want

	aim 1 127.0.0.1 "${PORT[bound]}"
	want="$(at 1): connect: "
	set -- -J gw1,gw2,gw3 "${to[@]}"
	hop -E "$T/log" "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
	equal "-E: status" "$status" 2
	equal "-E: one line in the file" "$(grep -Ec "$want" "$T/log")" 1
	hop -E "$T/log" "$@" </dev/null >"$T/out" 2>"$T/err"
	equal "-E: the next run adds its line" "$(grep -Ec "$want" "$T/log")" 2
	status=0
	hop -q "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
	equal "-q: status" "$status" 2
	equal "-q: no word" "$(cat "$T/out" "$T/err")" ""
	status=0
	hop "$@" </dev/null >"$T/out" 2>&- || status=$?
	equal "closed stderr: status" "$status" 2
	equal "closed stderr: nothing on stdout" "$(cat "$T/out")" ""
	status=0
	hop "$@" </dev/null >"$T/out" 2>/dev/full || status=$?
	equal "full stderr: status" "$status" 2
	conf
	status=0
	echo word | hop -J gw1,gw2,gw3 "${to[@]}" >"$T/out" 2>&- || status=$?
	equal "closed stderr does not matter to a session" \
	    "$status $(cat "$T/out")" "0 word"
}

# A session is up, in the background.
session()
{
	rm -f "$T/in"
	mkfifo "$T/in"
	: >"$T/out"
	hop_exec -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" \
	    <"$T/in" >"$T/out" 2>"$T/err" &
	pid=$!
	exec 7>"$T/in"
	echo up >&7
	wait_for "$T/out" '^up$' || die "a session" "$T/err"
}

# ends_by SIGNAL SENTENCE: it ends $pid, silently and at once.  That nothing is
# done first is in the status; what it takes besides is the machine's time.
ends_by()
{
	local start status=0

	start=$(now)
	kill -"$1" "$pid"
	wait_gone "$pid" 5
	at_most "$2: ms" $(($(now) - start)) $AT_ONCE
	wait "$pid" 2>/dev/null || status=$?
	equal "$2: by the signal itself" "$status" $((128 + $(kill -l "$1")))
	equal "$2: silent" "$(cat "$T/err")" ""
}

# Signals end it.
signals()
{
	local signal

	conf
	for signal in TERM HUP INT; do
		session
		ends_by $signal "SIG$signal"
		exec 7>&-
	done
	aim 2 127.0.0.1 "${PORT[silent]}"
	forget silent
	hop_exec -J gw1,gw2,gw3 "${to[@]}" </dev/null >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for "$T/silent.log" '^accepted'
	ends_by TERM "SIGTERM while it connects"
}

# The reader of stdout goes away: nobody is left to carry for.
reader_gone()
{
	conf
	forget endless
	hop_exec -J gw1,gw2,gw3 127.0.0.1 "${PORT[endless]}" \
	    <"$T/in" 2>"$T/err" > >(head -c 1000000 >/dev/null) &
	pid=$!
	exec 7>"$T/in"
	check "stdout's reader gone: it ends" wait_gone "$pid" 10
	wait "$pid" 2>/dev/null
	exec 7>&-
}

# The same while nothing moves and the target does not mind its end of file:
# the client was killed, say.
client_gone()
{
	local kind pid client

	conf
	start_peer deaf duplex 0 --hold "$T/never"
	for kind in "" --socket; do
		forget deaf
		rm -f "$T/leave"
		drive $kind --keep --leave "$T/leave" --deadline 4 -- \
		    -J gw1,gw2,gw3 127.0.0.1 "${PORT[deaf]}" \
		    >"$T/drive" 2>"$T/err" &
		wait_for "$T/deaf.log" '^accepted'
		: >"$T/leave"
		wait $!
		at_most "both ends closed ${kind:---pipes}: ms to the exit" \
		    "$(field tail_ms "$T/drive")" $((1000 * TEST_TIME_FACTOR))
	done
	ssh -F "$CONF" -o ProxyCommand="$(hop_cmd gw1,gw2,gw3)" target \
	    'echo up; exec cat' </dev/zero >"$T/out" 2>"$T/err" &
	client=$!
	wait_until 'grep -qa "^up" "$T/out"' || die "a session" "$T/err"
	pid=$(hop_pids)
	kill -KILL "$client"
	wait "$client" 2>/dev/null
	check "ssh killed: proxyhop ends" wait_gone "$pid" 2
}

# killed N TIMES: gateway N is killed in mid-transfer; at which moment is left
# to chance, so more than once.
killed()
{
	local n=$1 times=$2 time bad=0

	conf
	for ((time = 1; time <= times; time++)); do
		forget endless
		drive --send endless --deadline $((5 * TEST_TIME_FACTOR)) -- \
		    -J gw1,gw2,gw3 127.0.0.1 "${PORT[endless]}" \
		    >"$T/drive" 2>"$T/err" &
		wait_for "$T/endless.log" '^accepted'
		drop "gw$n"
		wait $!
		if [ "$(field status "$T/drive")" != 2 ] ||
		    [ "$(wc -l <"$T/err")" -ne 1 ] ||
		    ! grep -Eq "$(at "$n"): " "$T/err"; then
			fail "gw$n killed in mid-transfer ($time of $times)" \
			    "$T/drive" "$T/err"
			return
		fi
	done
	ok "gw$n killed in mid-transfer, $times times: it is named, status 2"
}

for n in 1 2 3 4; do
	unreachable $n
done
for n in 1 2 3; do
	forbidden $n
	stranger $n
done
strange_target
line
signals
reader_gone
client_gone
killed 1 12
killed 2 6
killed 3 6
# The twin of them all.
conf
carries "and the chain itself is sound" -J gw1,gw2,gw3
