#!/usr/bin/env bash
# Goal: ssh through one, two and three gateways runs a command and gives its
# output and its status; one process with one thread carries it.  A gateway that
# does not take the key is named, with its number and the stage.

. "$(dirname "$0")/harness.sh"
gateways

# Output, standard error and status come through these hops.
one_chain()
{
	local status=0

	via "$1" 'echo out; echo err >&2; cat; exit 7' \
	    <"$T/ssh_config" >"$T/out" 2>"$T/err" || status=$?
	(echo out; cat "$T/ssh_config") >"$T/want"
	equal "$1: status of the command" "$status" 7
	check "$1: output of the command" cmp "$T/want" "$T/out"
	equal "$1: nothing but the command's words on stderr" \
	    "$(cat "$T/err")" err
}

# One proxyhop, one thread, no child, no other ssh.
one_process()
{
	local client pid

	mkfifo "$T/in"
	ssh -F "$CONF" -o ProxyCommand="$(hop_cmd gw1,gw2,gw3)" target \
	    'echo up; cat' <"$T/in" >"$T/out" 2>"$T/err" &
	client=$!
	exec 7>"$T/in"
	wait_for "$T/out" '^up$' || die "connected" "$T/err"
	pid=$(hop_pids)
	equal "one proxyhop" "$(echo "$pid" | wc -w)" 1 || exit 1
	equal "ssh has no child but proxyhop" "$(pgrep -P "$client")" "$pid"
	equal "proxyhop has no child" "$(pgrep -P "$pid")" ""
	equal "proxyhop has one thread" "$(ls "/proc/$pid/task" | wc -l)" 1
	exec 7>&-
	check "ssh ends well" wait "$client"
	check "proxyhop ends with it" wait_gone "$pid" 2
}

# The twin: gateway N does not take the key.
wrong_key()
{
	local n=$1

	IDENTITY=([gw$n]=$T/other)
	write_config gw1 gw2 gw3 target
	refused "key refused by gw$n" 1 \
	    "^proxyhop: gw$n \(hop $n of 3, $ME@127\.0\.0\.1:${PORT[gw$n]}.*\): auth: " \
	    hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[target]}"
}

for hops in gw1 gw1,gw2 gw1,gw2,gw3; do
	one_chain "$hops"
done
one_process
new_key "$T/other"
for n in 1 2 3; do
	wrong_key "$n"
done
IDENTITY=()
write_config gw1 gw2 gw3 target
via gw1,gw2,gw3 true >"$T/out" 2>"$T/err"
equal "and with the right key it passes" "$?" 0
