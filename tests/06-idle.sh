#!/usr/bin/env bash
# Goal: an established session over three hops that has nothing to carry makes
# no system call; and the counter that says so sees the calls of one line.

. "$(dirname "$0")/harness.sh"

gateways
start_peer echo echo

# Times the process went to sleep by itself.
switches()
{
	awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$pid/status"
}

# Nothing has woken it for 300 ms.
quiet()
{
	local before

	before=$(switches)
	sleep 0.3
	[ "$(switches)" = "$before" ]
}

# Send a line and wait for its echo.
say()
{
	echo "$1" >&7
	wait_for "$T/out" "^$1$"
}

# Lines strace has written.
calls()
{
	wc -l <"$T/trace"
}

mkfifo "$T/in"
hop_exec -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" \
    <"$T/in" >"$T/out" 2>"$T/err" &
pid=$!
exec 7>"$T/in"
say first || die "connected" "$T/err"
check "it comes to rest" wait_until quiet

before=$(switches)
# Three idle seconds are the subject here.
sleep 3
equal "wake-ups in 3 idle seconds" $(($(switches) - before)) 0
say second
check "the counter sees one line" test "$(switches)" -gt "$before"

if [ -z "$PROXYHOP_WRAP" ] && command -v strace >/dev/null; then
	strace -f -qq -o "$T/trace" -p "$pid" 2>"$T/strace.err" &
	strace=$!
	wait_until "! grep -q '^TracerPid:.0$' /proc/$pid/status ||
	    ! kill -0 $strace 2>/dev/null"
fi
if [ -n "${strace:-}" ] && kill -0 "$strace" 2>/dev/null; then
	check "it comes to rest again" wait_until quiet
	before=$(calls)
	sleep 3
	equal "system calls in 3 idle seconds" $(($(calls) - before)) 0
	say third
	check "strace sees one line" test "$(calls)" -gt "$before"
	kill -INT "$strace"
	wait "$strace" 2>/dev/null
fi

exec 7>&-
check "it ends well" wait "$pid"
equal "nothing on stderr" "$(cat "$T/err")" ""
