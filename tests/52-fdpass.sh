#!/usr/bin/env bash
# Goal: with -f, for ProxyUseFdpass, ssh gets one connected descriptor, and the
# chain goes on in the background until either side ends; without a gateway ssh
# gets the socket itself, and nothing of us is left.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel VERBOSE"
start_sshd closed "LogLevel VERBOSE" "AllowTcpForwarding no"
write_config gw1 gw2 gw3 target closed
start_peer echo echo
start_peer bound bound
start_peer silent silent
start_peer endless duplex endless

# pid_gone PID: it has ended, whether anybody has seen it or not.
pid_gone()
{
	wait_until "! grep -sq '^State:[[:blank:]]*[^ZX[:blank:]]' /proc/$1/status" 5
}

# ---- what is handed over -----------------------------------------------------

# pass OPTIONS -- ARGUMENTS: proxyhop -f with fdpass.py at the other end.
pass()
{
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	"$PYTHON" "$TESTS/fdpass.py" --deadline $((20 * TEST_TIME_FACTOR)) \
	    "${options[@]}" -- $PROXYHOP_WRAP "$PROXYHOP" -f -F "$CONF" "$@" \
	    </dev/null >"$T/pass" 2>"$T/err"
}

# value NAME: what fdpass.py has seen.
value()
{
	field "$1" "$T/pass"
}

# handed SENTENCE KIND ARGUMENTS: one descriptor of this kind comes, it carries
# two megabytes and the end of file behind them both ways, and nothing is left.
handed()
{
	local sentence=$1 kind=$2

	shift 2
	pass --send 2000000 -- "$@"
	equal "$sentence: a byte and a descriptor, and no more" \
	    "$(value byte) $(value fds) $(value more)" "00 1 0"
	equal "$sentence: status" "$(value status)" 0
	equal "$sentence: what it is" "$(value kind) $(value block)" "$kind 1"
	equal "$sentence: bytes back" "$(value got)" 2000000
	equal "$sentence: the same bytes" "$(value got_sha)" \
	    "$(value sent_sha)"
	equal "$sentence: no word" "$(cat "$T/err")" ""
	check "$sentence: nothing is left" \
	    wait_until '[ -z "$(hop_pids)" ]' 5
}

descriptors()
{
	local to=(127.0.0.1 "${PORT[echo]}")

	handed "three gateways" unix -J gw1,gw2,gw3 "${to[@]}"
	handed "straight" inet -J none "${to[@]}"
	equal "straight: it is the connection to the target" \
	    "$(value peer)" "${PORT[echo]}"
	handed "by the first hop's ProxyCommand" unix -J gw1,gw2 \
	    -o "1:ProxyCommand=nc -N %h %p" "${to[@]}"
	handed "by a ForwardCommand" unix -J gw1,closed,gw2 \
	    -o "2:ForwardCommand=nc -N %h %p" "${to[@]}"
	handed "straight, whatever ProxyCommand" inet -J none \
	    -o "ProxyCommand=nc -N %h %p" "${to[@]}"
}

# While it is held: who is there.
meanwhile()
{
	local pid

	rm -f "$T/go" "$T/pass"
	pass --hold "$T/go" -- -J none 127.0.0.1 "${PORT[silent]}" &
	wait_for "$T/pass" '^held'
	equal "straight: nobody stays behind" "$(hop_pids)" ""
	: >"$T/go"
	wait $!
	rm -f "$T/go" "$T/pass"
	pass --hold "$T/go" -- -J gw1 127.0.0.1 "${PORT[silent]}" &
	wait_for "$T/pass" '^held'
	pid=$(hop_pids)
	equal "a gateway: one proxyhop stays" "$(echo "$pid" | wc -w)" 1
	equal "a gateway: what was started has ended" "$(value status)" 0
	: >"$T/go"
	wait $!
	check "a gateway: let go, it ends" pid_gone "$pid"
}

# none SENTENCE STATUS PATTERN ARGUMENTS: nothing is handed over, and the line
# says why.
none()
{
	local sentence=$1 status=$2 pattern=$3

	shift 3
	pass "${plain[@]}" -- "$@"
	equal "$sentence: nothing is handed over" \
	    "$(value fds) $(value more)" "0 0"
	equal "$sentence: status" "$(value status)" "$status"
	check "$sentence: one line says why" bash -c \
	    "[ \$(wc -l <'$T/err') -eq 1 ] &&
	    grep -Eq '^proxyhop: $pattern' '$T/err'"
	check "$sentence: nothing is left" \
	    wait_until '[ -z "$(hop_pids)" ]' 5
}

failures()
{
	local plain=()

	none "a gateway down" 2 'gw1 \(hop 1 of 2, .*\): forward: .*refused' \
	    -J gw1,gw2 -o "2:Port=${PORT[bound]}" 127.0.0.1 22
	none "a prohibited target" 1 'closed \(hop 1 of 1, .*\): forward: .*prohibited' \
	    -J closed 127.0.0.1 "${PORT[echo]}"
	none "straight, nobody there" 2 '.*[Rr]efused' \
	    -J none 127.0.0.1 "${PORT[bound]}"
	none "no answer" 2 'gw1 \(hop 1 of 1, .*\): banner: no answer' \
	    -J gw1 -o "1:Port=${PORT[silent]}" -o ConnectTimeout=1 127.0.0.1 22
	none "its ProxyCommand fails" 2 'gw1 .*: connect: its ProxyCommand .*status 3' \
	    -J gw1 -o "1:ProxyCommand=sh -c 'exit 3'" 127.0.0.1 22
	plain=(--plain)
	none "stdout is no socket" 1 '-f: standard output is no socket' \
	    -J gw1 127.0.0.1 "${PORT[echo]}"
}

# ssh gives up waiting, or is killed, before there is anything to hand over.
left_waiting()
{
	local signal

	for signal in HUP TERM KILL; do
		forget silent
		pass -- -J gw1 -o "1:Port=${PORT[silent]}" 127.0.0.1 22 &
		wait_for "$T/silent.log" '^accepted'
		# the first is the one that ssh has started
		kill -"$signal" "$(hop_pids | sort -n | head -n 1)"
		check "SIG$signal before: nothing is left" \
		    wait_until '[ -z "$(hop_pids)" ]' 5
		wait $!
		equal "SIG$signal before: nothing is handed over" "$(value fds)" 0
	done
}

# ---- ssh ---------------------------------------------------------------------

# to HOPS COMMAND...: a real ssh with ProxyUseFdpass.
to()
{
	local hops=$1

	shift
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "${SSH:-ssh}" -F "$CONF" \
	    -o ProxyUseFdpass=yes \
	    -o ProxyCommand="$PROXYHOP_WRAP $PROXYHOP -f -F $CONF -J $hops %h %p" \
	    target "$@"
}

# passes HOPS: a file there and back, and the command's status.
passes()
{
	local status=0 what="${SSH:-ssh}, -J $1"

	rm -f "$T/there"
	to "$1" "tee $T/there; exit 7" <"$T/data" >"$T/back" 2>"$T/err" ||
	    status=$?
	equal "$what: status of the command" "$status" 7
	equal "$what: no word" "$(cat "$T/err")" ""
	check "$what: the same bytes there" cmp "$T/data" "$T/there"
	check "$what: the same bytes back" cmp "$T/data" "$T/back"
	check "$what: nothing is left" wait_until '[ -z "$(hop_pids)" ]' 5
}

# stopped HOPS PATTERN: ssh fails and shows our line.
stopped()
{
	local status=0

	to "$1" true </dev/null >"$T/out" 2>"$T/err" || status=$?
	equal "ssh, -J $1: fails" "$status" 255
	equal "ssh, -J $1: one line of ours" \
	    "$(grep -Ec "^proxyhop: $2" "$T/err")" 1
}

# up HOPS: an ssh is up; its pid in $client, the carrying one's in $pid.
up()
{
	rm -f "$T/in"
	mkfifo "$T/in"
	: >"$T/out"
	ssh -F "$CONF" -o ProxyUseFdpass=yes \
	    -o ProxyCommand="$PROXYHOP_WRAP $PROXYHOP -f -F $CONF -J $1 %h %p" \
	    target 'echo up; cat' <"$T/in" >"$T/out" 2>"$T/err" &
	client=$!
	exec 7>"$T/in"
	wait_for "$T/out" '^up$' || die "a session" "$T/err"
	pid=$(hop_pids)
}

ends()
{
	up none
	equal "straight: ssh has no child, and we are gone" \
	    "$(pgrep -P "$client")$pid" ""
	exec 7>&-
	wait "$client"

	up gw1,gw2,gw3
	equal "ssh: one proxyhop carries" "$(echo "$pid" | wc -w)" 1
	equal "ssh: it is no child of ssh, which has none" \
	    "$(pgrep -P "$client")" ""
	exec 7>&-
	check "end of file: ssh ends well" wait "$client"
	check "end of file: proxyhop ends with it" pid_gone "$pid"
	up gw1,gw2,gw3
	kill -KILL "$client"
	wait "$client" 2>/dev/null
	exec 7>&-
	check "ssh killed: proxyhop ends" pid_gone "$pid"
	up gw1,gw2,gw3
	drop target
	check "the target's session killed: proxyhop ends" pid_gone "$pid"
	wait "$client"
	exec 7>&-
	up gw1,gw2,gw3
	kill -TERM "$pid"
	check "proxyhop killed: ssh ends" wait_gone "$client" 5
	wait "$client"
	equal "proxyhop killed: status of ssh" "$?" 255
	exec 7>&-
	equal "proxyhop killed: it is silent" \
	    "$(grep -c '^proxyhop: ' "$T/err")" 0
	up gw1,gw2,gw3
	drop gw2
	check "a gateway killed: ssh ends" wait_gone "$client" 5
	wait "$client"
	exec 7>&-
	check "a gateway killed: proxyhop ends" pid_gone "$pid"
	equal "a gateway killed: it is named, on ssh's stderr" "$(grep -Ec \
	    '^proxyhop: gw2 \(hop 2 of 3, .*\): carry: ' "$T/err")" 1
}

descriptors
meanwhile
failures
left_waiting
head -c 2000000 /dev/urandom >"$T/data"
passes gw1,gw2,gw3
passes none
! command -v ssh1 >"$T/out" || SSH=ssh1 passes gw1,gw2
stopped closed 'closed \(hop 1 of 1, .*\): forward: .*prohibited'
# no resolver is asked for a label that is too long
name=$(printf '%064d' 0 | tr 0 x).invalid
stopped "$name" "$name \(hop 1 of 1, .*\): resolve: "
ends
