#!/usr/bin/env bash
# Goal: a hop whose connection an ssh of ours shares is not logged in to again,
# nor any hop before it: its master opens the channel; a master that is of no
# use costs a second at most, and a login as usual; one that is lost is named.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel VERBOSE"
start_peer echo echo
start_peer bound bound
start_peer silent silent
start_peer sink duplex endless
mkdir "$T/cm"
{
	cat "$T/ssh_config"
	echo "ControlPath $T/cm/%n"
} >"$T/ssh_config.new"
mv "$T/ssh_config.new" "$T/ssh_config"
declare -A MASTER=()

# master NAME [-J HOPS]: ssh -MNf, as people start one.
master()
{
	local name=$1

	shift
	ssh -F "$CONF" "$@" -MNf "$name" </dev/null >"$T/master.out" 2>&1 ||
	    die "a master of $name" "$T/master.out"
	MASTER[$name]=$(ssh -F "$CONF" -O check "$name" 2>&1 |
	    sed -n 's/.*pid=\([0-9]*\).*/\1/p')
}

# leave NAME: its master ends.
leave()
{
	ssh -F "$CONF" -O exit "$1" >"$T/leave.out" 2>&1
	wait_until "[ ! -e $T/cm/$1 ]" 5 || fail "the master of $1 ends" \
	    "$T/leave.out"
}

# came NAME: how many connections a server has had.
came()
{
	grep -c '^Connection from' "$T/$1.log"
}

# logins: how many each gateway has had since the last time.
logins()
{
	local name

	for name in gw1 gw2 gw3; do
		printf '%s ' "$(came $name)"
		forget $name
	done
}

# says SENTENCE PATTERN ARGUMENTS: with -v, a line goes there and back, and a
# line of ours matches.
says()
{
	local sentence=$1 pattern=$2 may_say='^proxyhop: '

	shift 2
	carries "$sentence" -v "$@" &&
	    check "$sentence: -v tells" grep -Eq -e "$pattern" "$T/carries.err"
}

THREE="-J gw1,gw2,gw3"

# ---- ridden ------------------------------------------------------------------

last_hop()
{
	master gw3 -J gw1,gw2
	logins >/dev/null
	moves "the last hop's" $THREE
	says "the last hop's" \
	    "^proxyhop: gw3 \(hop 3\): shared, .*: ssh, pid ${MASTER[gw3]}$" \
	    $THREE
	says "of a hop that has none" \
	    "^proxyhop: gw2 \(hop 2\): not shared: $T/cm/gw2: No such file" \
	    -J gw1,gw2
	logins >/dev/null
	drive --send 0 --deadline $((60 * TEST_TIME_FACTOR)) --keep -- \
	    $THREE 127.0.0.1 "${PORT[both]}" >"$T/drive" 2>"$T/err"
	equal "the target closes first: status" "$(field status "$T/drive")" 0
	equal "the target closes first: what it sent" \
	    "$(field got "$T/drive") $(field got_sha "$T/drive")" \
	    "3000000 $(field sent_sha "$T/both.log")"
	hop $THREE -t 127.0.0.1 "${PORT[target]}" >"$T/out" 2>"$T/err"
	equal "-t: shared, then forward, and no hop before" \
	    "$(grep -Eo '^hop .*|^  [a-z]+' "$T/out" | tr -s ' \n' ' ')" \
	    "hop 3 gw3 shared forward banner in "
	check "-t: whose it is" grep -q " ssh, pid ${MASTER[gw3]}$" "$T/out"
	equal "nobody has been logged in to" "$(logins)" "0 0 0 "
	hop -G $THREE 127.0.0.1 22 >"$T/out"
	equal "-G: the three keywords of each hop" "$(grep -Ec \
	    "^(controlmaster false|controlpath $T/cm/gw.|controlpersist no)$" \
	    "$T/out")" 9
}

# ControlMaster is a question of who is master, for ssh: mux.c.
control_master()
{
	local value

	for value in no auto autoask; do
		logins >/dev/null
		carries "ControlMaster $value" $THREE -o "ControlMaster=$value"
		equal "ControlMaster $value: ridden" "$(logins)" "0 0 0 "
	done
	for value in yes ask; do
		carries "ControlMaster $value" $THREE -o "ControlMaster=$value"
		equal "ControlMaster $value: logged in to" "$(logins)" "1 1 1 "
	done
}

off()
{
	carries "-o ControlPath=none" $THREE -o ControlPath=none
	equal "-o ControlPath=none: logged in to" "$(logins)" "1 1 1 "
	carries "-o gw3:ControlPath=none" $THREE -o gw3:ControlPath=none
	equal "-o gw3:ControlPath=none: logged in to" "$(logins)" "1 1 1 "
	carries "of another hop" $THREE -o gw2:ControlPath=none
	equal "of another hop: ridden" "$(logins)" "0 0 0 "
	says "a ForwardCommand" 'gw3 .*: not shared: .*: it has a ForwardCommand' \
	    $THREE -o "gw3:ForwardCommand=nc -N %h %p"
	equal "a ForwardCommand: logged in to" "$(logins)" "1 1 1 "
}

refusals()
{
	refused "a target that is down" 2 \
	    "^proxyhop: gw3 \(hop 3 of 3, .* via gw2\): forward: gw3 refused to open 127.0.0.1:${PORT[bound]} over the connection that ssh \(pid ${MASTER[gw3]}\) shares; only that ssh was told why: -o gw3:ControlPath=none shows it$" \
	    hop $THREE 127.0.0.1 "${PORT[bound]}"
	refused "the advice shows why" 2 'forward: .*refused' \
	    hop $THREE -o gw3:ControlPath=none 127.0.0.1 "${PORT[bound]}"
	logins >/dev/null
}

# -f: ssh has the end of the pair, and nobody copies.
fdpass()
{
	"$PYTHON" "$TESTS/fdpass.py" --deadline $((20 * TEST_TIME_FACTOR)) \
	    --send 2000000 -- $PROXYHOP_WRAP "$PROXYHOP" -f -F "$CONF" $THREE \
	    127.0.0.1 "${PORT[echo]}" </dev/null >"$T/pass" 2>"$T/err"
	equal "-f: what is handed over" \
	    "$(field kind "$T/pass") $(field fds "$T/pass")" "unix 1"
	equal "-f: bytes back" "$(field got "$T/pass")" 2000000
	equal "-f: the same bytes" "$(field got_sha "$T/pass")" \
	    "$(field sent_sha "$T/pass")"
	equal "-f: no word" "$(cat "$T/err")" ""
	check "-f: nothing is left" wait_until '[ -z "$(hop_pids)" ]' 5
	equal "-f: nobody has been logged in to" "$(logins)" "0 0 0 "
}

# clients: whatever has a ProxyCommand.
client()
{
	equal "ssh over it" "$(via gw1,gw2,gw3 'echo $((6 * 7))' 2>&1)" 42
	equal "ssh over it: nobody has been logged in to" "$(logins)" "0 0 0 "
}

first_hop()
{
	leave gw3
	master gw1
	logins >/dev/null
	moves "the first hop's alone" $THREE
	equal "the first hop's alone: those behind are logged in to" \
	    "$(logins)" "0 1 1 "
	refused "the first hop's alone: gw2 is down" 2 \
	    "^proxyhop: gw1 \(hop 1 of 3, .*\): forward: gw1 refused to open 127.0.0.1:${PORT[bound]} over" \
	    hop $THREE -o "2:Port=${PORT[bound]}" 127.0.0.1 22
}

# ssh -J asks nobody about hops that it does not need; here one takes its time.
unneeded()
{
	local start

	conf "Match originalhost gw1 exec \"sleep 6\"" "	Port 1" "Match all"
	start=$(now)
	ssh -F "$CONF" -J gw1,gw2 -W "127.0.0.1:${PORT[echo]}" gw3 </dev/null \
	    2>"$T/err" || fail "ssh -J, one that takes its time" "$T/err"
	carries "one that takes its time" $THREE
	at_most "one that takes its time: it is not waited for: ms" \
	    $(($(now) - start)) 5000
	equal "one that takes its time: nobody has been logged in to" \
	    "$(logins)" "0 0 0 "
	start=$(now)
	refused "one that takes its time, and is needed" 2 \
	    "^proxyhop: gw1 \(hop 1 of 3, .*:1\): connect: " \
	    hop $THREE -o gw3:ControlPath=none -o ConnectTimeout=1 \
	    127.0.0.1 "${PORT[echo]}"
	at_least "one that takes its time, and is needed: ms" \
	    $(($(now) - start)) 5900
	conf
	logins >/dev/null
}

# ---- its end -----------------------------------------------------------------

# lose SENTENCE NAME: it is killed while it carries.
lose()
{
	rm -f "$T/drive"
	drive --send endless --deadline $((60 * TEST_TIME_FACTOR)) -- $THREE \
	    127.0.0.1 "${PORT[echo]}" >"$T/drive" 2>"$T/err" &
	wait_until "[ -n \"\$(hop_pids)\" ] && grep -q accepted $T/echo.log"
	forget echo
	sleep 0.3
	kill -KILL "${MASTER[$2]}"
	wait $!
	equal "$1: status" "$(field status "$T/drive")" 2
	check "$1: the line" grep -Eq "^proxyhop: $2 \(hop . of 3, .*\): carry: the shared connection of $2 has ended \(ssh, pid ${MASTER[$2]}\)" "$T/err"
	equal "$1: one line" "$(wc -l <"$T/err")" 1
}

ends()
{
	master gw3 -J gw1,gw2
	forget echo
	lose "the last hop's is killed" gw3
	check "its socket is left" [ -S "$T/cm/gw3" ]
	says "a stale socket" "gw3 .*: not shared: $T/cm/gw3: Connection refused" \
	    $THREE
	check "a stale socket is left alone" [ -S "$T/cm/gw3" ]
	forget echo
	lose "the first hop's is killed" gw1
	rm "$T/cm"/*
}

# One that takes no new riders is no lost one; and one that is told to go is.
stopped_listening()
{
	master gw3 -J gw1,gw2
	mkfifo "$T/in"
	hop $THREE 127.0.0.1 "${PORT[echo]}" <"$T/in" >"$T/out" 2>"$T/err" &
	exec 7>"$T/in"
	echo line >&7
	wait_for "$T/out" '^line$'
	ssh -F "$CONF" -O stop gw3 >"$T/leave.out" 2>&1
	exec 7>&-
	wait $!
	equal "-O stop: what is open ends well" "$? $(cat "$T/err")" "0 "
	kill "${MASTER[gw3]}" 2>/dev/null
	wait_gone "${MASTER[gw3]}"
}

# ---- of no use ---------------------------------------------------------------

suspended()
{
	local start

	master gw3 -J gw1,gw2
	logins >/dev/null
	kill -STOP "${MASTER[gw3]}"
	start=$(now)
	says "one that is stopped" \
	    "gw3 .*: not shared: $T/cm/gw3: its ssh does not answer" $THREE
	at_most "one that is stopped: ms" $(($(now) - start)) \
	    $((3000 * TEST_TIME_FACTOR))
	equal "one that is stopped: logged in to" "$(logins)" "1 1 1 "
	kill -CONT "${MASTER[gw3]}"
	carries "one that goes on" $THREE
	equal "one that goes on: ridden" "$(logins)" "0 0 0 "
}

# Its network is gone: the sshd at the other end does not move.
network()
{
	local pid pids start

	pids=$(tree "${PID[gw3]}" | tail -n +2)
	kill -STOP $pids
	start=$(now)
	refused "one whose network is gone" 2 \
	    "^proxyhop: gw3 \(hop 3 of 3, .*\): forward: the connection that ssh \(pid ${MASTER[gw3]}\) shares has not opened 127.0.0.1:${PORT[echo]} in time; if its network is gone, end it: ssh -O exit -S '?$T/cm/gw3'? gw3; without it: -o gw3:ControlPath=none$" \
	    hop $THREE -o LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
	at_least "after its LoginTimeout: ms" $(($(now) - start)) 1000
	at_most "after its LoginTimeout: ms" $(($(now) - start)) \
	    $((2000 + 1000 * TEST_TIME_FACTOR))
	ssh -O exit -S "$T/cm/gw3" gw3 >"$T/leave.out" 2>&1
	check "the advice ends it" wait_gone "${MASTER[gw3]}"
	kill -CONT $pids 2>/dev/null
	carries "and then it is logged in to" $THREE
	logins >/dev/null
}

# bad MODE [OPTION...]: something else listens on gw3's ControlPath.
bad()
{
	local mode=$1

	shift
	rm -f "$T/cm/gw3"
	: >"$T/mux.log"
	"$PYTHON" "$TESTS/mux.py" "$@" "$T/cm/gw3" "$mode" >>"$T/mux.log" 2>&1 &
	PID[mux]=$!
	wait_for "$T/mux.log" '^listening'
	logins >/dev/null
}

useless()
{
	local mode

	for mode in version closes slow huge flood garbage dead denied other \
	    drops; do
		bad "$mode"
		says "a master that $mode" 'gw3 .*: not shared: ' $THREE
		equal "a master that $mode: logged in to" "$(logins)" "1 1 1 "
		check "a master that $mode: it had been asked" \
		    grep -q '^accepted' "$T/mux.log"
		stop mux
	done
	equal "what was passed to one that drops is not used again" \
	    "$(grep -c '^passed 2' "$T/mux.log")" 1
	bad good
	carries "a master that is good" $THREE
	equal "a master that is good: ridden" "$(logins)" "0 0 0 "
	stop mux
	bad chatty
	moves "a master that is chatty" $THREE
	equal "a master that is chatty: ridden" "$(logins)" "0 0 0 "
	stop mux
	bad never
	refused "a master that never answers" 2 'gw3 .*: forward: .*not opened' \
	    hop $THREE -o LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
	stop mux
	bad refuses
	refused "a master that refuses at length" 2 \
	    '^.{1,600}: it says "no\\033\[2J' \
	    hop $THREE 127.0.0.1 "${PORT[echo]}"
	stop mux
	rm -f "$T/cm/gw3"
}

# The path may be where others can write.
foreign()
{
	if [ "$(id -u)" -ne 0 ]; then
		echo "skip $NAME: another user's socket needs root"
		return
	fi
	bad good --uid 65534
	says "another user's" \
	    "gw3 .*: not shared: $T/cm/gw3: another user listens there" $THREE
	equal "another user's: logged in to" "$(logins)" "1 1 1 "
	equal "another user's: nothing is asked of it" \
	    "$(grep -c asked "$T/mux.log")" 0
	stop mux
	rm -f "$T/cm/gw3"
	says "no directory" \
	    "gw3 .*: not shared: $T/none/gw3: No such file" $THREE \
	    -o "ControlPath=$T/none/%n"
	says "a path that is too long" \
	    'gw3 .*: not shared: .*: File name too long' $THREE \
	    -o "ControlPath=$T/$(printf '%0100d' 0)"
}

# ---- as ssh -J makes them ------------------------------------------------------

# The master asks its own user, through SSH_ASKPASS.
asking()
{
	local answer pid

	for answer in 0 1; do
		printf '#!/bin/sh\nexit %d\n' $answer >"$T/askpass"
		chmod +x "$T/askpass"
		DISPLAY=: SSH_ASKPASS=$T/askpass ssh -F "$CONF" \
		    -o ControlMaster=autoask -Nf gw1 </dev/null \
		    >"$T/master.out" 2>&1
		pid=$(ssh -F "$CONF" -O check gw1 2>&1 |
		    sed -n 's/.*pid=\([0-9]*\).*/\1/p')
		logins >/dev/null
		carries "autoask, answer $answer" -J gw1 \
		    -o ControlMaster=autoask
		equal "autoask, answer $answer: logins" "$(logins)" \
		    "$answer 0 0 "
		kill "$pid"
		wait_gone "$pid"
	done
}

by_ssh()
{
	conf "Host gw*" "	ControlMaster auto" "	ControlPersist 60"
	ssh -F "$CONF" -J gw1,gw2,gw3 target true </dev/null 2>"$T/err" ||
	    fail "ssh -J" "$T/err"
	equal "ssh -J logs in to each" "$(logins)" "1 1 1 "
	carries "over that of ssh -J" $THREE
	equal "over that of ssh -J: nobody is logged in to" "$(logins)" "0 0 0 "
	leave gw3
	carries "over that of ssh -J, one hop less" -J gw1,gw2
	equal "over that of ssh -J, one hop less: nobody is logged in to" \
	    "$(logins)" "0 0 0 "
	leave gw2
	leave gw1
	conf
}

# traced NAME [ARGUMENTS]: what such a run calls to start a process, to connect
# and to wait, a file each process.
traced()
{
	local what=execve,connect,close,poll,ppoll,select,pselect6,waitid

	# the leak checker cannot work under strace
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
	    timeout $((60 * TEST_TIME_FACTOR)) setsid -w \
	    strace -ff -qq -e trace=$what -e signal=none -o "$T/trace.$1" \
	    "$PROXYHOP" -F "$CONF" $THREE "${@:2}" 127.0.0.1 "${PORT[echo]}" \
	    </dev/null >"$T/out" 2>"$T/err"
	equal "strace, $1: status, no word" "$? $(cat "$T/err")" "0 "
}

# Where nobody listens that is known at once, and costs nothing else: no
# process, and no wait before the next thing is done.
nobody()
{
	if [ -n "$PROXYHOP_WRAP" ] ||
	    ! strace -f -qq -o "$T/trace" true 2>/dev/null; then
		echo "	no strace"
		return
	fi
	traced none -o ControlPath=none
	traced nobody
	equal "where nobody listens: processes, as without asking" \
	    "$(grep -h '^execve(.* = 0' "$T"/trace.nobody.* | wc -l)" \
	    "$(grep -h '^execve(.* = 0' "$T"/trace.none.* | wc -l)"
	equal "where nobody listens: it is not asked about without a path" \
	    "$(grep -hF "$T/cm/" "$T"/trace.none.* | wc -l)" 0
	grep -hFA2 "$T/cm/" "$T"/trace.nobody.* >"$T/asked"
	at_least "where nobody listens: each hop is asked for" \
	    "$(grep -c 'connect(.* = -1 ENOENT' "$T/asked")" 3
	check "where nobody listens: nobody is waited for" bash -c \
	    '! grep -vE "^(connect|close|--)" "$1"' - "$T/asked"
}

start_peer both closer 3000000
nobody
last_hop
control_master
off
refusals
fdpass
client
unneeded
first_hop
ends
stopped_listening
suspended
network
useless
foreign
asking
by_ssh
