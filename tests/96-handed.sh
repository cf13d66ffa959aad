#!/usr/bin/env bash
# Goal: ProxyUseFdpass of the first hop's own ProxyCommand: the connection that
# it hands over is taken as ssh takes it, and what is none is named with the
# command.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel VERBOSE"
start_peer echo echo
start_peer silent silent
start_peer bound bound

# by MODE: the options for such a helper.
by()
{
	command="$PYTHON $TESTS/hand.py $1 %h %p"
	with=(-o "gw1:ProxyUseFdpass=yes" -o "gw1:ProxyCommand=$command")
}

# of_ssh: what ssh does with it.
of_ssh()
{
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -o ProxyUseFdpass=yes -o "ProxyCommand=$command" \
	    gw1 echo in </dev/null 2>"$T/ssh.err"
}

# gone SENTENCE: no helper is left, and no proxyhop.
gone()
{
	check "$1: nothing is left" wait_until '[ -z "$(strays)" ]' 5
}

# works MODE HOPS: ssh gets in, and so do we.
works()
{
	by "$1"
	equal "$1: ssh gets in" "$(of_ssh)" in
	carries "$1" -J "$2" "${with[@]}"
}

# fails MODE STATUS PATTERN: neither does.
fails()
{
	by "$1"
	equal "$1: ssh does not get in" "$(of_ssh)" ""
	refused "$1" "$2" \
	    "^proxyhop: gw1 \(hop 1 of 2, $ME@127\.0\.0\.1:${PORT[gw1]}\): $3" \
	    hop -J gw1,gw2 "${with[@]}" 127.0.0.1 "${PORT[echo]}"
}

works connection gw1,gw2
for mode in unix connecting three late; do
	works "$mode" gw1
done

# What comes beside it is let go at once.
for mode in two many; do
	by "$mode"
	mkfifo "$T/$mode.in"
	hop -J gw1 "${with[@]}" 127.0.0.1 "${PORT[echo]}" <"$T/$mode.in" \
	    >"$T/out" 2>"$T/err" &
	pid=$!
	exec 7>"$T/$mode.in"
	echo here >&7
	check "$mode: it is carried" wait_for "$T/out" '^here$'
	check "$mode: the others are closed" wait_for "$T/err" '^let go$'
	exec 7>&-
	check "$mode: status" wait "$pid"
done
by two
equal "two: ssh gets in" "$(of_ssh)" in

# One that goes on holds up nobody, and ends with us; ssh would wait for it.
by stays
carries "one that does not end" -J gw1,gw2 "${with[@]}"
gone "one that does not end"

its="connect: its ProxyCommand \($PYTHON $TESTS/hand.py"
to="127\.0\.0\.1 ${PORT[gw1]}\)"
none="and has handed over no connection \(ProxyUseFdpass\); try that command by hand"
fails nothing 2 "$its nothing $to ended with status 0 $none$"
fails one 2 "$its one $to ended with status 1 $none$"
fails text 1 "$its text $to writes instead of .*: it says \"no .*31mconnection\"; use one that does, such as nc -F"
check "text: it is not shown raw" \
    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
fails gone 2 'banner: connection (closed|reset) before its banner'
what="connect: what its ProxyCommand .* has handed over is no connection:"
fails lonely 2 "$what .*not connected"
fails listening 2 "$what .*not connected"
fails packets 1 "$what .*wrong type"
fails file 1 "$what .*on non-socket"

# The twin with nc of every day: it writes what comes.
command="nc -N %h %p"
with=(-o "gw1:ProxyUseFdpass=yes" -o "gw1:ProxyCommand=$command")
equal "nc without -F: ssh does not get in" "$(of_ssh)" ""
refused "nc without -F" 1 'writes instead .*it says "S' \
    hop -J gw1,gw2 "${with[@]}" 127.0.0.1 "${PORT[echo]}"
carries "the same without ProxyUseFdpass" -J gw1,gw2 \
    -o "gw1:ProxyCommand=$command" -o gw1:ProxyUseFdpass=no
hop -J gw1 -o gw1:ProxyUseFdpass=yes -o "gw1:ProxyCommand=$T/absent" \
    127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
equal "no such command: status" "$?" 1
check "no such command" grep -q \
    "^proxyhop: gw1 .*: connect: its ProxyCommand ($T/absent) .* status 127 " \
    "$T/err"

# Its time.
by hangs
refused "it hangs" 2 "$its hangs $to has handed over no connection within 1 seconds \(ProxyUseFdpass\); try" \
    hop -J gw1,gw2 "${with[@]}" -o LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
gone "it hangs"
by shut
refused "it closes its output and goes on" 2 "$its shut $to has closed its output $none" \
    hop -J gw1,gw2 "${with[@]}" 127.0.0.1 "${PORT[echo]}"
gone "it closes its output and goes on"
by connection
refused "who is behind it says nothing" 2 \
    'gw1 .*: banner: no answer within 1 seconds through its ProxyCommand' \
    hop -J gw1,gw2 "${with[@]}" -o "gw1:Port=${PORT[silent]}" \
    -o ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"

# With -f, in one of several routes, in -t and -G, and from ssh's own file.
by connection
"$PYTHON" "$TESTS/fdpass.py" --deadline $((20 * TEST_TIME_FACTOR)) \
    --send 200000 -- $PROXYHOP_WRAP "$PROXYHOP" -f -F "$CONF" -J gw1,gw2 \
    "${with[@]}" 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/pass" 2>"$T/err"
equal "-f: what is handed on carries" \
    "$(field fds "$T/pass") $(field got "$T/pass") $(field status "$T/pass")" \
    "1 200000 0"
gone "-f"
carries "one of two routes" -J 'closed|gw1,gw2' \
    -o "closed:HostName=127.0.0.1" -o "closed:Port=${PORT[bound]}" "${with[@]}"
hop -t -J gw1,gw2 "${with[@]}" 127.0.0.1 "${PORT[target]}" \
    >"$T/out" 2>"$T/err"
equal "-t: status" "$?" 0
check "-t: the table names what was handed over" grep -q \
    'connect .*| ProxyCommand .*, has handed over 127.0.0.1$' "$T/out"
conf "Host gw1" "ProxyUseFdpass yes" "ProxyCommand $command" \
    "Host target" "ProxyCommand $(hop_cmd gw1,gw2)"
carries "from ssh's configuration" -J gw1,gw2
hop -G -J gw1,gw2 127.0.0.1 22 >"$T/out" 2>"$T/err"
equal "-G" "$(grep -E '^(hop|proxyusefdpass) ' "$T/out" | tr '\n' ' ')" \
    "hop 1 gw1 proxyusefdpass yes hop 2 gw2 proxyusefdpass no "
conf "Host gw1" "ProxyUseFdpass yes" "ProxyCommand nc -F %h %p" \
    "Match host target exec \"test -n '\$HOP'\"" \
    "ProxyCommand $(hop_cmd gw1,gw2)"
if nc -h 2>&1 | grep -q -e '-F.*socket fd'; then
	carries "nc -F" -J gw1,gw2
	equal "ssh -J, nc -F" "$(timeout $((20 * TEST_TIME_FACTOR)) ssh \
	    -F "$CONF" -J gw1,gw2 target echo in \
	    </dev/null 2>"$T/err")" in
	equal "ssh through proxyhop, nc -F" "$(HOP=1 timeout \
	    $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" target echo in \
	    </dev/null 2>"$T/err")" in
fi
