#!/usr/bin/env bash
# Goal: -t shows each stage of each hop, what came of it, and when it was, as a
# table to scale or as JSON; what fails is its last rung, with the line and the
# status of any other run.  -v tells the same in lines.

. "$(dirname "$0")/harness.sh"
. "$TESTS/net.sh"

gateways "KexAlgorithms curve25519-sha256"
start_sshd closed "AllowTcpForwarding no"
write_config gw1 gw2 gw3 target closed
for peer in echo bound close silent; do
	start_peer $peer $peer
done
new_key "$T/wrong"
ssh-keygen -q -t ed25519 -N sesame -C sealed -f "$T/sealed" </dev/null
cat "$T/sealed.pub" >>"$T/authorized_keys"
TAB=$(printf '\t')

# A name no resolver is asked for: its label is too long.
nowhere=$(printf '%064d' 0 | tr 0 x).invalid

# A target that says what is in a file, at once or after a while; it prints how
# many bytes it was sent.
cat >"$T/says.py" <<'END'
import socket, sys, time

listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
with open(sys.argv[1], "rb") as file:
	text = file.read()
while True:
	sock = listener.accept()[0]
	time.sleep(float(sys.argv[2]))
	try:
		sock.sendall(text)
		print("closed got=%d" % len(sock.recv(1000)), flush=True)
	except OSError:
		print("closed got=0", flush=True)
	sock.close()
END

# says NAME SECONDS FORMAT: such a target.
says()
{
	printf "$3" >"$T/$1.text"
	"$PYTHON" "$T/says.py" "$T/$1.text" "$2" </dev/null \
	    >"$T/$1.log" 2>&1 &
	PID[$1]=$!
	SERVERS+=("${PID[$1]}")
	wait_for "$T/$1.log" '^listening ' || exit 1
	PORT[$1]=$(sed -n 's/^listening //p' "$T/$1.log")
}

# ---- what is expected --------------------------------------------------------

# fingerprint FILE
fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

# rung N NAME STAGE NOTE
rung()
{
	printf '%s\t%s\t%s\t%s\n' "$@"
}

# greeting NAME: a server's.
greeting()
{
	local line

	exec 9<>"/dev/tcp/127.0.0.1/${PORT[$1]}"
	read -r line <&9
	exec 9>&-
	echo "${line%$'\r'}"
}

# agreed NAME: what a server says it has agreed on; all of its log counts, as
# it is always the same here.
agreed()
{
	local kex cipher

	kex=$(sed -n 's/.*kex: algorithm: \([a-z][^ ]*\).*/\1/p' \
	    "$T/$1.log" | sort -u)
	cipher=$(sed -n 's/.*kex: [a-z]*->[a-z]* cipher: \([^ ]*\) .*/\1/p' \
	    "$T/$1.log" | sort -u)
	echo "$kex, $cipher"
}

# way NAME...: the rungs of these hops, up to the last one's forward.
way()
{
	local name n=0 line

	for name; do
		n=$((n + 1))
		line=$(grep -nF "[127.0.0.1]:${PORT[$name]} " \
		    "$T/known_hosts" | cut -d: -f1)
		if [ $n -gt 1 ]; then
			rung $((n - 1)) "$before" forward \
			    "127.0.0.1:${PORT[$name]}"
		else
			rung 1 "$name" resolve "1 address"
			rung 1 "$name" connect "127.0.0.1 port ${PORT[$name]}"
		fi
		rung $n "$name" banner "$BANNER"
		rung $n "$name" kex "$(agreed "$name")"
		rung $n "$name" hostkey "ssh-ed25519 key $(fingerprint \
		    "$T/$name.key.pub") in $T/known_hosts:$line"
		rung $n "$name" auth "publickey $T/id $ID"
		local before=$name
	done
}

# whole PEER NAME...: the same to the end, where PEER says $SAYS.
whole()
{
	local to=127.0.0.1:${PORT[$1]}

	shift
	way "$@"
	rung $# "${!#}" forward "$to"
	rung 0 "$to" banner "${SAYS-$BANNER}"
}

# ---- what there is -----------------------------------------------------------

# climb ARGUMENTS: tries a chain by -t and by -tt; leaves how it ended in
# status, what was said in $T/err and $T/err2, and the rungs in $T/rungs and
# $T/rungs2, if they make sense.  LIMITS has options of ladder.py.
climb()
{
	local start ms bad=0

	status=0
	start=$(now)
	hop -t "$@" </dev/null >"$T/table" 2>"$T/err" || status=$?
	ms=$(($(now) - start))
	"$PYTHON" "$TESTS/ladder.py" ${LIMITS:-} --most $ms table "$T/table" \
	    >"$T/rungs" 2>&1 || bad=1
	start=$(now)
	hop -tt "$@" </dev/null >"$T/json" 2>"$T/err2"
	[ $? -eq "$status" ] || bad=1
	ms=$(($(now) - start))
	"$PYTHON" "$TESTS/ladder.py" ${LIMITS:-} --most $ms json "$T/json" \
	    >"$T/rungs2" 2>&1 || bad=1
	return $bad
}

# ladder SENTENCE ARGUMENTS: the way is there, both show what is in $T/want, and
# nothing is said.
ladder()
{
	local sentence=$1 status why=

	shift
	climb "$@" || why="it makes no sense; "
	[ "$status" -eq 0 ] || why="${why}status $status; "
	cmp -s "$T/want" "$T/rungs" || why="${why}not these rungs; "
	cmp -s "$T/want" "$T/rungs2" || why="${why}not these in JSON; "
	[ ! -s "$T/err" ] && [ ! -s "$T/err2" ] || why="${why}not silent; "
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		diff "$T/want" "$T/rungs" >"$T/diff"
		diff "$T/want" "$T/rungs2" >"$T/diff2"
		fail "$sentence (${why%; })" "$T/table" "$T/diff" \
		    "$T/diff2" "$T/err"
	fi
}

# once FILE: without what is up to chance: how often it was tried, how it was
# closed, and whether the time was over in the middle of a try.
once()
{
	sed -e 's/, then no answer within [0-9]* seconds; is it/; is it sshd, and is it/' \
	    -e 's/, [0-9]* times;/;/; s/connection reset/connection closed/' "$1"
}

# breaks SENTENCE HOP STAGE STATUS ARGUMENTS: the chain fails there: the last
# rung has failed, all before are as in $T/want, if that is there, and the
# line is the one that a run without -t has.
breaks()
{
	local sentence=$1 n=$2 stage=$3 want=$4 status why= plain=0 words

	shift 4
	hop "$@" </dev/null >"$T/out" 2>"$T/plain" || plain=$?
	climb "$@" || why="it makes no sense; "
	[ "$status" -eq "$want" ] && [ "$plain" -eq "$want" ] ||
	    why="${why}status $status, without -t $plain; "
	[ "$(wc -l <"$T/err")" -eq 1 ] || why="${why}not one line; "
	for words in err err2; do
		cmp -s <(once "$T/plain") <(once "$T/$words") ||
		    why="${why}another line; "
	done
	for words in rungs rungs2; do
		[[ $(tail -n 1 "$T/$words") = "$n$TAB"*"$TAB$stage${TAB}FAILED" ]] ||
		    why="${why}not $n $stage; "
		[ ! -s "$T/want" ] ||
		    cmp -s "$T/want" <(head -n -1 "$T/$words") ||
		    why="${why}other rungs before it; "
	done
	words=$("$PYTHON" -c 'import json, sys
print(json.loads(sys.stdin.readlines()[-1])["failed"])' <"$T/json")
	[ -n "$words" ] && [[ $(cat "$T/err2") = *": $stage: $words" ]] ||
	    why="${why}JSON has other words; "
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence (${why%; })" "$T/table" "$T/err" "$T/plain" \
		    "$T/rungs" "$T/rungs2"
	fi
}

# ---- ways that are there -----------------------------------------------------

sound()
{
	whole target gw1 >"$T/want"
	ladder "one hop" -J gw1 127.0.0.1 "${PORT[target]}"
	whole target gw1 gw2 gw3 >"$T/want"
	ladder "three hops" -J gw1,gw2,gw3 127.0.0.1 "${PORT[target]}"
	check "three hops: each is named once, in order" test \
	    "$(grep -v '^ ' "$T/table" | tr '\n' ' ')" = \
	    "hop 1 gw1 hop 2 gw2 hop 3 gw3 target 127.0.0.1:${PORT[target]} "
	check "the key that did it is named, not the one before" \
	    climb -J gw1 -i "$T/wrong" -i "$T/id" 127.0.0.1 "${PORT[close]}"
	equal "the key that did it" "$(grep "${TAB}auth" "$T/rungs")" \
	    "$(rung 1 gw1 auth "publickey $T/id $ID")"
}

# Each hop's own time is at that hop.
times()
{
	start_slow far --rtt 120 gw2
	mapfile -t lines < <(by gw2 far)
	conf "${lines[@]}"
	whole target gw1 gw2 gw3 | sed "s/:${PORT[gw2]}\$/:${PORT[far]}/" \
	    >"$T/want"
	LIMITS="--least 2.banner=60 --least 2.kex=120 --least 2.auth=240
	    --least 2.forward=120 --least 3.kex=120" \
	    ladder "a hop far away: its stages take their time" \
	    -J gw1,gw2,gw3 127.0.0.1 "${PORT[target]}"
	"$PYTHON" "$TESTS/ladder.py" --least 1.kex=120 table "$T/table" \
	    >"$T/out" 2>&1
	[ "$TEST_TIME_FACTOR" -gt 1 ] || check "and the hop before not" \
	    grep -q '^ladder.py: 1.kex: only' "$T/out"
	conf
}

# -tt shows a rung as soon as it is over.
at_once()
{
	local pid status=0

	start_slow held --hold "$T/go" gw2
	mapfile -t lines < <(by gw2 held)
	conf "${lines[@]}"
	hop -tt -J gw1,gw2 127.0.0.1 "${PORT[target]}" </dev/null \
	    >"$T/json" 2>"$T/err" &
	pid=$!
	wait_for "$T/json" '"name":"gw1","stage":"forward"' &&
	    ok "-tt: a line comes when its rung is over"
	check "-tt: and no other before that" \
	    bash -c "! grep -q '\"hop\":[02]' '$T/json'"
	: >"$T/go"
	wait "$pid" || status=$?
	equal "-tt: then the rest" "$status $(tail -n 1 "$T/json" |
	    grep -c '"hop":0,')" "0 1"
	conf
}

# What the target says.
targets()
{
	SAYS="says nothing" whole silent gw1 >"$T/want"
	LIMITS="--least 0.banner=1000" ladder "a target that says nothing" \
	    -J gw1 127.0.0.1 "${PORT[silent]}"
	SAYS="has closed" whole close gw1 >"$T/want"
	ladder "a target that closes at once" -J gw1 127.0.0.1 "${PORT[close]}"
	says nasty 0 'SSH-2.0-\033[31mred\033]0;t\007 \233\\ "\t\r\nmore\n'
	SAYS='SSH-2.0-\033[31mred\033]0;t\007 \233\ "\011' whole nasty gw1 >"$T/want"
	ladder "escapes are shown, and do nothing" \
	    -J gw1 127.0.0.1 "${PORT[nasty]}"
	check "nothing was sent there" \
	    wait_for "$T/nasty.log" '^closed got=0$'
	check "and nothing else" \
	    bash -c "! grep -v '^listening\|^closed got=0\$' '$T/nasty.log'"
	says long 0 "$(printf '%010000d' 7)"
	SAYS=$(printf '%0255d' 0) whole long gw1 >"$T/want"
	ladder "10,000 digits: the first ones" -J gw1 127.0.0.1 "${PORT[long]}"
	says late 0.4 'late\n'
	SAYS=late whole late gw1 >"$T/want"
	# its time began a little before ours
	LIMITS="--least 0.banner=300" ladder "late, but within a second" \
	    -J gw1 127.0.0.1 "${PORT[late]}"
	says later 20 'later\n'
	SAYS="says nothing" whole later gw1 >"$T/want"
	ladder "later than that" -J gw1 127.0.0.1 "${PORT[later]}"
}

# Names of files that JSON has to escape, or that are not UTF-8: how they are
# shown is not the subject here, but that each line can be read.
escapes()
{
	local file=$T/$'a "b\\c\td\xff'

	mkdir "$file"
	cp "$T/id" "$T/id.pub" "$file"
	bare -tt -F none -r none -J g -o HostName=127.0.0.1 \
	    -o "Port=${PORT[gw1]}" -o "HostKeyAlias=[127.0.0.1]:${PORT[gw1]}" \
	    -o "UserKnownHostsFile=$T/known_hosts" -i "$file/id" \
	    "$nowhere" 22 >"$T/json" 2>"$T/err"
	equal "odd names: status" "$?" 2
	check "odd names: they are in JSON" "$PYTHON" - "$T/json" <<-'END'
	import json, sys
	rungs = [json.loads(line) for line in open(sys.argv[1], "rb")]
	notes = {r["stage"]: r.get("note", "") for r in rungs}
	assert all(r["name"] == "g" for r in rungs), rungs[0]
	assert 'a "b\\c' in notes["auth"], notes
	assert "failed" in rungs[-1], rungs[-1]
	END
}

# in_locale SENTENCE NOTE FORMAT VARIABLES...: with what the target says in
# that locale, each line is JSON, and tells it as Python has NOTE.
in_locale()
{
	local sentence=$1 note=$2 format=$3

	shift 3
	[ -z "${PID[spoken]:-}" ] || stop spoken
	says spoken 0 "$format"
	env "$@" timeout 20 $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -tt -J gw1 \
	    127.0.0.1 "${PORT[spoken]}" </dev/null >"$T/json" 2>"$T/err"
	equal "-tt, $sentence: status" "$?" 0
	check "-tt, $sentence: JSON" "$PYTHON" - "$T/json" "$note" <<-'END'
	import ast, json, sys
	rungs = [json.loads(line.decode()) for line in open(sys.argv[1], "rb")]
	want = ast.literal_eval('"' + sys.argv[2] + '"')
	assert rungs[-1]["note"] == want, (rungs[-1], want)
	END
}

# What is shown is in the characters of the locale, which JSON's may not be.
locales()
{
	local from=$T/locale

	in_locale "C" '\\303\\263 \\177' '\303\263 \177\n' LC_ALL=C
	in_locale "UTF-8" '\u00f3 \U0001f600 \\377 \\355\\240\\200 \\177' \
	    '\303\263 \360\237\230\200 \377 \355\240\200 \177\n' LC_ALL=C.UTF-8
	in_locale "a line separator" '\\342\\200\\250' '\342\200\250\n' \
	    LC_ALL=C.UTF-8
	# libc leaks LOCPATH
	if sanitized || ! mkdir "$from" ||
	    ! localedef -i en_US -f ISO-8859-1 "$from/latin" ||
	    ! localedef -i zh_CN -f GBK "$from/gbk"; then
		return
	fi >"$T/localedef" 2>&1
	in_locale "ISO-8859-1" '\u00c3\u00b3 \u00ff' '\303\263 \377\n' \
	    LOCPATH="$from" LC_ALL=latin
	# the second byte of the second character is a backslash
	in_locale "GBK" '\u4f60\u4e57' '\304\343\201\134\n' LOCPATH="$from" \
	    LC_ALL=gbk
}

straight()
{
	{
		rung 0 "127.0.0.1:${PORT[target]}" resolve "1 address"
		rung 0 "127.0.0.1:${PORT[target]}" connect \
		    "127.0.0.1 port ${PORT[target]}"
		rung 0 "127.0.0.1:${PORT[target]}" banner "$BANNER"
	} >"$T/want"
	ladder "-J none" -J none 127.0.0.1 "${PORT[target]}"
	: >"$T/want"
	breaks "-J none, no such name" 0 resolve 2 -J none "$nowhere" 22
}

# full ADDRESS PORT: takes no connection there, and refuses none.
full()
{
	"$PYTHON" -c 'import socket, sys, time
where = (sys.argv[1], int(sys.argv[2]))
listener = socket.create_server(where, backlog=0)
waiting = []
for _ in range(16):
	sock = socket.socket()
	sock.settimeout(0.2)
	waiting.append(sock)
	try:
		sock.connect(where)
	except OSError:
		break
print("full", flush=True)
time.sleep(3600)' "$1" "$2" </dev/null >"$T/full" 2>&1 &
	PID[full]=$!
	SERVERS+=("${PID[full]}")
	wait_for "$T/full" '^full'
}

# many NOTE: the rungs of gw1 by a name that has these addresses.
many()
{
	whole target gw1 | sed "s/${TAB}gw1$TAB/${TAB}many$TAB/
	    s/${TAB}1 address/$TAB$1/" >"$T/want"
}

addresses()
{
	conf "Host many" "Port ${PORT[gw1]}" "IdentityFile $T/id"
	names "many 127.0.0.1 127.0.0.2"
	many "2 addresses"
	named ladder "two addresses, the first one answers" \
	    -J many -o HostKeyAlias="[127.0.0.1]:${PORT[gw1]}" \
	    127.0.0.1 "${PORT[target]}"
	names "many 127.0.0.2 127.0.0.3 127.0.0.1"
	many "3 addresses"
	named ladder "three addresses, two refuse" \
	    -J many -o HostKeyAlias="[127.0.0.1]:${PORT[gw1]}" \
	    127.0.0.1 "${PORT[target]}"
	full 127.0.0.2 "${PORT[gw1]}"
	LIMITS="--least 1.connect=240 --below 1.connect=$((1500 *
	    TEST_TIME_FACTOR))" \
	    named ladder "three addresses, one is silent, one refuses" \
	    -J many -o HostKeyAlias="[127.0.0.1]:${PORT[gw1]}" \
	    127.0.0.1 "${PORT[target]}"
	names "many 127.0.0.2"
	rung 1 many resolve "1 address" >"$T/want"
	named breaks "the silent one alone" 1 connect 2 -J many \
	    -o ConnectTimeout=1 127.0.0.1 "${PORT[target]}"
	names "many later"
	: >"$T/want"
	named breaks "no address now" 1 resolve 2 -J many \
	    127.0.0.1 "${PORT[target]}"
	conf
}

commands()
{
	{
		rung 1 gw1 connect \
		    "ProxyCommand nc -N 127.0.0.1 ${PORT[gw1]}"
		whole target gw1 gw2 | sed 1,2d
	} >"$T/want"
	ladder "ProxyCommand" -J gw1,gw2 -o "gw1:ProxyCommand=nc -N %h %p" \
	    127.0.0.1 "${PORT[target]}"
	way gw1 gw2 >"$T/want"
	rung 2 gw2 forward "ForwardCommand nc 127.0.0.1 ${PORT[target]}" \
	    >>"$T/want"
	rung 0 "127.0.0.1:${PORT[target]}" banner "$BANNER" >>"$T/want"
	ladder "ForwardCommand" -J gw1,gw2 \
	    -o "gw2:ForwardCommand=nc %h %p" 127.0.0.1 "${PORT[target]}"
	: >"$T/want"
	breaks "ProxyCommand that ends" 1 connect 2 -J gw1,gw2 \
	    -o "gw1:ProxyCommand=false" 127.0.0.1 "${PORT[target]}"
	breaks "ForwardCommand that ends, to a hop" 1 forward 2 -J gw1,gw2 \
	    -o "gw1:ForwardCommand=exit 3" 127.0.0.1 "${PORT[target]}"
	breaks "ForwardCommand that ends, to the target" 1 forward 2 -J gw1 \
	    -o "gw1:ForwardCommand=exit 3" 127.0.0.1 "${PORT[target]}"
}

# ---- ways that are not -------------------------------------------------------

# before STAGE N: $T/want has the rungs of gw1, gw2, gw3 before that one.
before()
{
	whole target gw1 gw2 gw3 | sed "/^$2$TAB[^$TAB]*$TAB$1$TAB/,\$d" \
	    >"$T/want"
}

failing()
{
	local n to=(127.0.0.1 "${PORT[target]}")

	before resolve 1
	breaks "no such name" 1 resolve 2 -J gw1,gw2,gw3 \
	    -o "1:HostName=$nowhere" "${to[@]}"
	for n in 1 2; do
		before kex $n
		breaks "hop $n: no algorithm" $n kex 1 -J gw1,gw2,gw3 \
		    -o "$n:KexAlgorithms=diffie-hellman-group14-sha256" \
		    "${to[@]}"
		before hostkey $n
		breaks "hop $n: unknown" $n hostkey 1 -J gw1,gw2,gw3 \
		    -o "$n:UserKnownHostsFile=/dev/null" "${to[@]}"
		before auth $n
		breaks "hop $n: no login" $n auth 1 -J gw1,gw2,gw3 \
		    -o "$n:User=nobody-at-all" "${to[@]}"
	done
	: >"$T/want"
	breaks "hop 1: silent" 1 banner 2 -J gw1,gw2 -o ConnectTimeout=1 \
	    -o "1:Port=${PORT[silent]}" "${to[@]}"
	breaks "hop 2: silent" 2 banner 2 -J gw1,gw2 -o ConnectTimeout=1 \
	    -o "2:Port=${PORT[silent]}" "${to[@]}"
	breaks "hop 1: refused" 1 connect 2 -J gw1,gw2 \
	    -o "1:Port=${PORT[bound]}" "${to[@]}"
	breaks "hop 1: may not forward" 1 forward 1 -J closed,gw2 "${to[@]}"
	breaks "hop 2: may not forward" 2 forward 1 -J gw1,closed "${to[@]}"
	breaks "the target refuses" 2 forward 2 -J gw1,gw2 127.0.0.1 \
	    "${PORT[bound]}"
}

# What is tried again is no other stage, and nothing is counted twice.
again()
{
	: >"$T/want"
	breaks "hop 1 closes: tried again" 1 banner 2 -J gw1,gw2 \
	    -o 1:ConnectTimeout=1 -o "1:Port=${PORT[close]}" \
	    127.0.0.1 "${PORT[target]}"
	breaks "hop 2 closes: tried again" 2 banner 2 -J gw1,gw2 \
	    -o 2:ConnectTimeout=1 -o "2:Port=${PORT[close]}" \
	    127.0.0.1 "${PORT[target]}"
	check "hop 2 closes: nothing was carried" \
	    bash -c "! grep carry '$T/rungs' '$T/rungs2'"
}

# A hop is lost while the next one is set up.
lost()
{
	local pid status=0

	rm -f "$T/go"
	mapfile -t lines < <(by gw2 held)
	conf "${lines[@]}"
	hop -tt -J gw1,gw2 127.0.0.1 "${PORT[target]}" </dev/null \
	    >"$T/json" 2>"$T/err" &
	pid=$!
	wait_for "$T/json" '"name":"gw1","stage":"forward"'
	drop gw1
	wait "$pid" || status=$?
	equal "a hop that is lost: status" "$status" 2
	check "a hop that is lost: its line" \
	    grep -q '^proxyhop: gw1 (hop 1 of 2, .*): carry: ' "$T/err"
	"$PYTHON" "$TESTS/ladder.py" json "$T/json" >"$T/rungs" 2>&1
	equal "a hop that is lost: it is the last rung" \
	    "$(tail -n 1 "$T/rungs")" "$(rung 1 gw1 carry FAILED)"
	conf
}

# What is wrong before there is a chain has no ladder.
no_chain()
{
	refused "no chain, no ladder" 1 'no hop .*nobody' hop -t -J gw1 -o nobody:User=x \
	    127.0.0.1 22
	refused "the same in JSON" 1 'no hop .*nobody' hop -tt -J gw1 -o nobody:User=x \
	    127.0.0.1 22
	hop -q -t -J gw1 -o User=nobody-at-all 127.0.0.1 22 >"$T/table" \
	    2>"$T/err" </dev/null
	equal "-q: status, and no word" "$? $(cat "$T/err")" "1 "
	check "-q: the ladder is there" grep -q 'auth .*FAILED' "$T/table"
}

# ---- who asks, who reads -----------------------------------------------------

# person SENTENCE STEPS -- ARGUMENTS: a ladder with a person at the terminal.
person()
{
	local sentence=$1 steps=()

	shift
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	check "$sentence: the questions" "$PYTHON" "$TESTS/terminal.py" \
	    --out "$T/talk" --deadline $((20 * TEST_TIME_FACTOR)) \
	    "${steps[@]}" -- $PROXYHOP_WRAP "$PROXYHOP" -t -F "$CONF" "$@" \
	    127.0.0.1 "${PORT[target]}"
	equal "$sentence: status" "$(field status "$T/talk.info")" 0
	check "$sentence: the ladder makes sense, the person's time is no server's" \
	    "$PYTHON" "$TESTS/ladder.py" --least 1.question=700 \
	    --least 2.question=700 --below 1.hostkey=600 \
	    --below 2.auth=$((600 * TEST_TIME_FACTOR)) table "$T/talk.out"
	cp "$T/check.out" "$T/rungs"
}

questions()
{
	IDENTITY=([gw2]=$T/sealed)
	write_config gw1 gw2 gw3 target
	conf "BatchMode no"
	person "questions" \
	    --wait 'gw1 \(hop 1 of 2\): .*fingerprint' --hold 0.8 --type yes \
	    --wait 'gw2 \(hop 2 of 2\): .*assphrase' --hold 0.8 \
	    --type sesame -- -J gw1,gw2 \
	    -o 1:StrictHostKeyChecking=ask -o "1:UserKnownHostsFile=$T/new"
	equal "questions: the key that was accepted" \
	    "$(grep "^1$TAB.*hostkey$TAB." "$T/rungs")" "$(rung 1 gw1 hostkey \
	    "ssh-ed25519 key $(fingerprint "$T/gw1.key.pub"), accepted")"
	equal "questions: the key that was opened" \
	    "$(grep "^2$TAB.*auth$TAB." "$T/rungs")" "$(rung 2 gw2 auth \
	    "publickey $T/sealed $(fingerprint "$T/sealed.pub")")"
	IDENTITY=()
	write_config gw1 gw2 gw3 target closed
}

readers()
{
	local word

	for word in -t -tt; do
		hop $word -J gw1 127.0.0.1 "${PORT[target]}" \
		    </dev/null >&- 2>"$T/err"
		equal "$word: stdout is closed" "$? $(cat "$T/err")" "0 "
		hop $word -J gw1 127.0.0.1 "${PORT[silent]}" \
		    </dev/null 2>"$T/err" | true
		equal "$word: nobody reads: no word" "$(cat "$T/err")" ""
		check "$word: nobody reads: it ends" \
		    wait_until '[ -z "$(hop_pids)" ]' 3
	done
	echo there | hop -t -J gw1 127.0.0.1 "${PORT[echo]}" >"$T/table" \
	    2>"$T/err"
	check "stdin is not carried" grep -q 'says nothing$' "$T/table"
}

# ---- -v ----------------------------------------------------------------------

# stages: the lines about stages in $T/err as rungs; each took no longer than
# there was since the one before.
stages()
{
	sed -n "s/^proxyhop: \([^ ]*\) (hop \([0-9]*\)): \([a-z]*\), \([0-9]*\) ms, \([0-9]*\) ms in all\(: \(.*\)\)\?\$/\4 \5 \2$TAB\1$TAB\3$TAB\7/p" \
	    "$T/err" >"$T/stages"
	awk '$1 > $2 - before { print "wrong time: " $0 } { before = $2 }' \
	    "$T/stages"
	cut -d' ' -f3- "$T/stages"
}

# verbose WORD...: a line goes there and back; with what -v says in $T/err.
verbose()
{
	echo there and back | hop "$@" -J gw1,gw2 -i "$T/wrong" \
	    -i "$T/id" 127.0.0.1 "${PORT[echo]}" >"$T/out" 2>"$T/err"
	equal "${1:-no -v}: it carries" "$? $(cat "$T/out")" "0 there and back"
}

levels()
{
	local want cipher n

	want=$(SAYS= whole echo gw1 gw2 | sed '$d')
	verbose
	equal "no -v: no word" "$(cat "$T/err")" ""
	verbose -v
	equal "-v: a line for each stage" "$(stages)" "$want"
	equal "-v: and no other" "$(wc -l <"$T/err")" "$(wc -l <<<"$want")"
	verbose -vv
	equal "-vv: the stages, too" "$(stages)" "$want"
	for n in 1 2; do
		cipher=$(agreed "gw$n" | cut -d' ' -f2)
		check "-vv: gw$n: algorithms" grep -q \
		    "gw$n (hop $n): kex curve25519-sha256; out $cipher .*; in $cipher " "$T/err"
		equal "-vv: gw$n: keys offered" "$(sed -n \
		    "s/.*gw$n (hop $n): offered //p" "$T/err" | tr '\n' ' ')" \
		    "$T/wrong $(fingerprint "$T/wrong.pub") $T/id $ID "
		check "-vv: gw$n: the window it gave" grep -Eq \
		    "gw$n \(hop $n\): 127.0.0.1:[0-9]+: window [0-9]+, packets of [0-9]+" "$T/err"
		check "-vv: gw$n: the window it got" grep -Eq \
		    "gw$n \(hop $n\): granted [0-9]+ bytes" "$T/err"
	done
	check "-vv: not what libssh has to say" \
	    bash -c "! grep -q libssh: '$T/err'"
	verbose -vvv
	check "-vvv: what libssh has to say" grep -q '^proxyhop: libssh: ' \
	    "$T/err"
	equal "-vvv: the stages, too" "$(stages)" "$want"
	check "-vvv: fit to be shown" \
	    bash -c "! grep -q '[^[:print:]]' '$T/err'"
	verbose -q
	equal "-q: no word" "$(cat "$T/err")" ""
}

BANNER=$(greeting target)
ID=$(fingerprint "$T/id.pub")
# so that the servers' logs have what was agreed on
SAYS=
hop -t -J gw1,gw2,gw3 127.0.0.1 "${PORT[close]}" >"$T/table" 2>&1
unset SAYS
sound
times
at_once
targets
escapes
locales
straight
addresses
commands
failing
again
lost
no_chain
questions
readers
levels
