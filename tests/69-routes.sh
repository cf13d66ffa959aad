#!/usr/bin/env bash
# Goal: of several routes the first that answers is taken, and the next if that
# one fails for the moment; one that is refused never gives way, no route that
# is not taken sees a login, and nothing changes once the target is reached.

. "$(dirname "$0")/harness.sh"
. "$TESTS/faults.sh"
. "$TESTS/net.sh"

gateways
mkdir "$T/cells"
head -c 4000000 /dev/urandom >"$T/stream"
start_faults "filtered filtered" "silent silent" "close close" "http http" \
    "closed refused" "kex close@kex ${PORT[gw1]}" \
    "tell tell@banner ${PORT[gw1]}" "carry close@carry ${PORT[gw1]} after=200000"
start_sshd shut "AllowTcpForwarding no"
start_slow slow --rtt 800 gw1
start_peer source source 4000000
# says NAME WHEN TEXT: a server that says that, and closes or resets.
says()
{
	: >"$T/$1.log"
	"$PYTHON" -c 'import socket, struct, sys, time
s = socket.create_server(("127.0.0.1", 0))
print("listening", s.getsockname()[1], flush=True)
while True:
	c = s.accept()[0]
	print("accepted", flush=True)
	c.sendall(sys.argv[2].encode() + b"\r\n")
	if sys.argv[1] == "reset":
		time.sleep(0.1)
		c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
		    struct.pack("ii", 1, 0))
	c.close()' "$2" "$3" </dev/null >>"$T/$1.log" 2>&1 &
	PID[$1]=$!
	SERVERS+=("$!")
	wait_for "$T/$1.log" '^listening ' || exit 1
	PORT[$1]=$(sed -n 's/^listening //p' "$T/$1.log")
}

says busy close "Exceeded MaxStartups"
says text close "220 mail"
says torn reset "Hello"
start_python hangs login.py --tries 1 cuts "$T/gw1.key"
new_key "$T/wrong1"
new_key "$T/wrong2"
target=(127.0.0.1 "${PORT[target]}")
{
	for name in filtered silent close http closed kex tell carry shut slow busy text torn \
	    hangs; do
		printf '%s\n' "Host $name" "Port ${PORT[$name]}"
	done
	printf '%s\n' "Host slow" "ConnectTimeout 30" \
	    "Host kex tell carry slow" "Ciphers $GCM" \
	    "HostKeyAlias [127.0.0.1]:${PORT[gw1]}" \
	    "Host hangs" "HostKeyAlias [127.0.0.1]:${PORT[gw1]}" \
	    "Host wronguser" "Port ${PORT[gw1]}" "User nobody-here" \
	    "HostKeyAlias [127.0.0.1]:${PORT[gw1]}" \
	    "Host wrongkey" "Port ${PORT[gw1]}" \
	    "HostKeyAlias [127.0.0.1]:${PORT[gw2]}" \
	    "Host hangs" "IdentityFile $T/wrong1" "IdentityFile $T/wrong2" \
	    "Host filtered silent busy text torn hangs close http closed kex tell carry slow wronguser wrongkey shut" \
	    "HostName 127.0.0.1" "User $ME" "IdentityFile $T/id" "ConnectTimeout 2"
	cat "$T/ssh_config"
} >"$T/routes.conf"
known shut >>"$T/known_hosts"
CONF=$T/routes.conf

# seen WORD: servers whose log shows that, since it was last forgotten.
seen()
{
	local name list=

	for name in gw1 gw2 gw3 target; do
		grep -q "$1" "$T/$name.log" && list="$list $name"
	done
	echo $list
}

# fresh: empty logs.
fresh()
{
	local name

	for name in gw1 gw2 gw3 target; do
		forget "$name"
	done
}

# go STATUS ROUTES [ARGUMENTS]: a run to the target, from empty logs.
go()
{
	local want=$1 routes=$2 status=0

	shift 2
	fresh
	what="$routes${*:+ $*}"
	start=$(now)
	hop -J "$routes" "$@" "${target[@]}" </dev/null \
	    >"$T/out" 2>"$T/err" || status=$?
	took=$(($(now) - start))
	check "$what: status $status is $want" grep -Eqx "$want" <<<"$status"
}

# carried ROUTES LOGINS [ARGUMENTS]: the target is reached, by logins to these
# alone, and nothing is said.
carried()
{
	local routes=$1 logins=$2

	shift 2
	go 0 "$routes" "$@"
	check "$what: the target's banner" grep -q '^SSH-2.0-' "$T/out"
	equal "$what: logins" "$(seen '^Accepted publickey')" "$logins"
	equal "$what: lines" "$(wc -l <"$T/err")" 0
}

# stops STATUS ROUTES PATTERN...: nothing is carried, a line each is said, and
# nobody is logged in to.
stops()
{
	local pattern n=0

	go "$1" "$2"
	shift 2
	equal "$what: nothing on stdout" "$(wc -c <"$T/out")" 0
	equal "$what: lines" "$(wc -l <"$T/err")" $#
	for pattern; do
		check "$what: line $((++n))" eval \
		    "sed -n ${n}p '$T/err' | grep -Eq '$pattern'"
	done
	equal "$what: no login" "$(seen '^Accepted publickey')" ""
}

# ---- which one is taken ----

carried 'gw1|gw2' gw1
equal "gw1 answers at once: gw2 is not connected to" \
    "$(seen '^Connection from')" "gw1 target"
for name in closed filtered silent close http; do
	carried "$name|gw2" gw2
	at_most "$name: time" "$took" $((1500 * TEST_TIME_FACTOR))
done
carried 'closed|filtered|gw1,gw2' "gw1 gw2"
carried 'none|gw1' ""
equal "none: directly" "$(seen '^Connection from')" target
carried ' gw1 | none ' gw1
target=(127.0.0.1 "${PORT[closed]}")
go 2 'none|gw1'
equal "none, refused: a line for each route" "$(wc -l <"$T/err")" 2
check "none, refused: gw1 is asked" grep -q '^Accepted publickey' "$T/gw1.log"
target=(127.0.0.1 "${PORT[target]}")
carried 'gw1|gw1,gw2' gw1
equal "two routes by gw1: one connection" \
    "$(grep -c '^Connection from' "$T/gw1.log")" 1
carried 'tell|gw2' gw1

# its banner comes later than that of gw2
carried 'slow|gw2' gw2
wait_for "$T/slow.log" '^accepted'
carried 'slow|closed' gw1

# ---- a route that fails once it is chosen ----

carried 'kex|gw2' gw2
carried 'gw1,closed|gw1,gw2' "gw1 gw2"
stops 1 'wronguser|gw2' '^proxyhop: wronguser .*: auth: Permission denied'
equal "a login that is refused: gw2 is not connected to" \
    "$(seen '^Connection from')" gw1
stops 1 'wrongkey|gw2' '^proxyhop: wrongkey .*: hostkey: '
go 1 'shut|gw2'
equal "forwarding prohibited: gw2 is not connected to" \
    "$(seen '^Connection from')" ""
stops 2 'closed|filtered' '^proxyhop: closed .*: connect: .*refused' \
    '^proxyhop: filtered .*: (connect|banner): '
stops 2 'kex|closed' '^proxyhop: kex .*: kex: ' \
    '^proxyhop: closed .*: connect: '
go 2 'closed|close' -q
equal "-q: lines" "$(wc -l <"$T/err")" 0

# one that speaks before it closes, as a busy sshd does, is heard in time
stops 2 'busy|closed' '^proxyhop: busy .*: banner: connection closed before its banner, [0-9]+ times' \
    '^proxyhop: closed .*: connect: '
at_least "a busy one is tried again" "$(grep -c '^accepted' "$T/busy.log")" 3
for name in text torn; do
	go 2 "$name|closed" -o ConnectTimeout=0
	check "$what: what it says" grep -Eq \
	    "^proxyhop: $name .*: banner: it says \"(220 mail|Hello)\"" "$T/err"
done

# keys are refused, whatever ends the connection then
go '[12]' 'hangs|gw2'
check "$what: its line" grep -q '^proxyhop: hangs .*: auth: ' "$T/err"
equal "$what: gw2 is not connected to" "$(seen '^Connection from')" ""

# ---- once it is reached, nothing changes; not a byte is lost ----

fresh
status=0
hop -J 'carry|gw2' 127.0.0.1 "${PORT[source]}" </dev/null \
    >"$T/out" 2>"$T/err" || status=$?
equal "lost while carrying: status" "$status" 2
check "lost while carrying: its line" grep -q '^proxyhop: carry .*: carry: ' "$T/err"
equal "lost while carrying: gw2 is not asked" "$(seen '^Accepted')" gw1
printf 'exec cat\n' >"$T/script"
timeout $((60 * TEST_TIME_FACTOR)) ssh -F "$CONF" \
    -o "ProxyCommand=$PROXYHOP_WRAP $PROXYHOP -F $CONF -J 'kex|filtered|gw2' %h %p" \
    target cat <"$T/stream" >"$T/back" 2>"$T/err"
check "ssh, after two routes: same bytes" cmp "$T/stream" "$T/back"

# ---- many at once ----

pids=()
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	hop -J 'closed|filtered|gw1|gw2' "${target[@]}" </dev/null \
	    >"$T/out.$i" 2>"$T/err.$i" &
	pids+=($!)
done
n=0
for pid in "${pids[@]}"; do
	wait "$pid" && n=$((n + 1))
done
equal "twenty at once" "$n" 20

# ---- what is said and shown ----

hop -v -J 'closed|gw2' "${target[@]}" </dev/null >"$T/out" 2>"$T/err"
check "-v: why the first has lost" \
    grep -Eq '^proxyhop: route 1 \(closed\) failed after [0-9]+ ms: closed .*refused|route 1 \(closed\) had not answered' "$T/err"
check "-v: which is taken" grep -q '^proxyhop: route 2 (gw2) is used, it answered' "$T/err"
hop -t -J 'filtered|gw2' "${target[@]}" </dev/null >"$T/out" 2>"$T/err"
check "-t: the race first" awk '
	NR == 1 && /^  route 1 .*filtered: not used, slower$/ { one = 1 }
	NR == 2 && /^  route 2 .*gw2: used$/ { two = 1 }
	/^hop 1 gw2/ { hop = 1 }
	END { exit !(one && two && hop) }' "$T/out"
hop -tt -J 'filtered|gw2' "${target[@]}" </dev/null >"$T/out" 2>"$T/err"
check "-tt: JSON" "$PYTHON" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert [r["route"] for r in rows if "route" in r] == [1, 2]
assert all(r["start_ms"] >= 0 for r in rows)' "$T/out"
status=0
hop -t -J 'closed|text,gw2' "${target[@]}" </dev/null >"$T/out" 2>"$T/err" ||
    status=$?
equal "-t: no route answers: status, and a line for each below" \
    "$status $(grep -c '^proxyhop: ' "$T/err")" "2 2"
check "-t: no route answers: a row for each, with the cause" awk '
	NR == 1 && /^  route 1 .*closed: FAILED: connect: .*refused/ { one = 1 }
	NR == 2 && /^  route 2 .*text,gw2: FAILED: banner: it says/ { two = 1 }
	NR == 3 && /^  in all / { all = 1 }
	END { exit !(one && two && all && NR == 3) }' "$T/out"
hop -tt -J 'closed|text,gw2' "${target[@]}" </dev/null >"$T/out" 2>"$T/err"
check "-tt: no route answers: each has failed" "$PYTHON" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert [r["route"] for r in rows] == [1, 2], rows
assert all(r["failed"] in open(sys.argv[2]).read() for r in rows), rows' \
    "$T/out" "$T/err"
hop -G -J 'none|gw1|gw2,gw3' -o gw2:ConnectTimeout=7 db1 22 >"$T/out" 2>"$T/err"
equal "-G: the routes in order" "$(grep '^you' "$T/out" | tr '\n' ';')" \
    "you -> db1:22;you -> gw1:${PORT[gw1]} -> db1:22;you -> gw2:${PORT[gw2]} -> gw3:${PORT[gw3]} -> db1:22;"
equal "-G: an option for a hop of the third" \
    "$(grep '^connecttimeout' "$T/out" | tr '\n' ' ')" \
    "connecttimeout 10 connecttimeout 7 connecttimeout 10 "

# ---- where routes are written ----

printf "127.0.0.1 -J 'closed|gw2'\n" >"$T/file"
fresh
hop -r "$T/file" "${target[@]}" </dev/null >"$T/out" 2>"$T/err"
equal "the route file: logins" "$(seen '^Accepted publickey')" gw2
check "-f" timeout $((60 * TEST_TIME_FACTOR)) ssh -F "$CONF" \
    -o ProxyUseFdpass=yes -o "ProxyCommand=$PROXYHOP_WRAP $PROXYHOP -f -F $CONF -J 'closed|gw2' %h %p" \
    target true </dev/null
check "-f, directly" timeout $((60 * TEST_TIME_FACTOR)) ssh -F "$CONF" \
    -o ProxyUseFdpass=yes -o "ProxyCommand=$PROXYHOP_WRAP $PROXYHOP -f -F $CONF -J 'none|gw2' %h %p" \
    target true </dev/null
printf '%s\n' "Host proxied" "HostName 127.0.0.1" "Port ${PORT[gw2]}" \
    "HostKeyAlias [127.0.0.1]:${PORT[gw2]}" "IdentityFile $T/id" \
    "ProxyCommand nc %h %p" | cat - "$CONF" >"$T/proxied.conf"
CONF=$T/proxied.conf carried 'filtered|proxied' gw2

# ---- a connection that is shared answers at once ----

ssh -F "$CONF" -o ControlPath="$T/m" -MNf gw2 </dev/null >"$T/out" 2>&1
carried 'filtered|gw2' "" -o "gw2:ControlPath=$T/m"
ssh -F "$CONF" -S "$T/m" -O exit gw2 2>/dev/null
carried 'filtered|gw2' gw2 -o "gw2:ControlPath=$T/m"

# ---- what is wrong is said before any packet ----

refused "a route is missing" 1 'a route is missing' \
    hop -J 'gw1|' "${target[@]}"
refused "no route at all" 1 'a route is missing' hop -J '|' "${target[@]}"
refused "nine routes" 1 'more than 8 routes' \
    hop -J '1|2|3|4|5|6|7|8|9' "${target[@]}"
refused "a hop that no route has" 1 'no hop is called "gw4"' \
    hop -J 'gw1|gw2' -o gw4:User=me "${target[@]}"
refused "a bad hop in the second" 1 '"-x"' hop -J 'gw1|-x' "${target[@]}"
refused "more than 16 hops in the second" 1 'more than 16' hop \
    -J 'gw1|gw1,gw2,gw1,gw2,gw1,gw2,gw1,gw2,gw1,gw2,gw1,gw2,gw1,gw2,gw1,gw2,gw1' \
    "${target[@]}"
fresh
printf '%s\n' "Host gw2" "ProxyCommand nc %h %p" | cat - "$CONF" >"$T/two.conf"
CONF=$T/two.conf refused "two gateways for one hop, in the second" 1 \
    'both a ProxyCommand' hop -J 'gw1|gw3,gw2' "${target[@]}"
equal "before any packet" "$(seen '^Connection from')" ""
