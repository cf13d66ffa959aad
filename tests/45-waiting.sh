#!/usr/bin/env bash
# Goal: whoever has to wait is told on the terminal where it is, in one line that
# is gone before anything else is there; whatever is waited for, a look-up of a
# name too, ends in its time, and at once by a signal; a silent hop is noticed by
# keepalives, an idle one is left in peace.

. "$(dirname "$0")/harness.sh"
. "$TESTS/net.sh"

gateways
for peer in echo silent bound; do
	start_peer $peer $peer
done
ssh-keygen -q -t ed25519 -N sesame -C sealed -f "$T/sealed" </dev/null
cat "$T/sealed.pub" >>"$T/authorized_keys"
SLACK=$((1500 * TEST_TIME_FACTOR))	# ms for all that is not waiting
start_slow held --hold "$T/go" gw2

# hold: gw2 does not greet before $T/go is there, which "$go" does; further
# lines for ssh_config.
go=": >$T/go"
hold()
{
	rm -f "$T/go"
	mapfile -t lines < <(by gw2 held)
	conf "${lines[@]}" "$@"
}

# ---- the line that comes and goes ----------------------------------------------

# watch STEPS -- COMMAND...: on a terminal of $COLS columns, which is its stderr,
# too, unless STEPS begin with --file.
watch()
{
	local options=(--columns "${COLS:-0}" --out "$T/talk" 
	    --send "there and back" --deadline $((20 * TEST_TIME_FACTOR)))

	if [ "$1" = --file ]; then
		shift
	else
		options+=(--stderr-tty)
	fi
	"$PYTHON" "$TESTS/screen.py" "${options[@]}" "$@"
}

# shows SENTENCE STATUS SCREEN STEPS... -- COMMAND...: all steps are done, the
# status is this, and in the end what is on the terminal matches SCREEN.
shows()
{
	local sentence=$1 want=$2 screen=$3 why=

	shift 3
	watch "$@" || why="$(field failed "$T/talk.info"); "
	[ "$(field status "$T/talk.info")" = "$want" ] ||
	    why="${why}status $(field status "$T/talk.info"); "
	[[ $(cat "$T/talk.screen") =~ ^($screen)$ ]] ||
	    why="${why}not this on the screen; "
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		cat -v "$T/talk.tty" >"$T/talk.seen"
		fail "$sentence (${why%; })" "$T/talk.info" "$T/talk.screen" \
		    "$T/talk.seen" "$T/talk.err"
	fi
}

# The words of a run to echo.
words()
{
	run=($PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" "$@" 127.0.0.1
	    "${PORT[echo]}")
}

SECOND='gw2 \(hop 2 of 2\): banner, 1 s'

comes_and_goes()
{
	hold
	words -J gw1,gw2
	shows "a hop that takes its time" 0 "" --never ', 0 s' \
	    --wait "$SECOND" \
	    --wait '\r\x1b\[Kgw2 \(hop 2 of 2\): banner, 2 s' --run "$go" \
	    -- "${run[@]}"
	at_least "it is told after a second: ms" \
	    "$(sed -n 's/^question=1 .*ms=//p' "$T/talk.info")" 1000
	equal "and carries then" "$(cat "$T/talk.out")" "there and back"
	for COLS in 20 1; do
		hold
		shows "a terminal of $COLS columns: one line" 0 "" \
		    --wait '\x1b\[K' --wait '\x1b\[K' --run "$go" \
		    -- "${run[@]}"
	done
	COLS=
	hold
	shows "under ssh" 0 "" --wait "$SECOND" --run "$go" -- \
	    ssh -F "$CONF" -o ProxyCommand="$(hop_cmd gw1,gw2)" target \
	    echo there
	equal "under ssh: its command" "$(cat "$T/talk.out")" there
	hold
	shows "stderr is /dev/null: on the terminal" 0 "" --wait "$SECOND" \
	    --run "$go" -- bash -c '"$@" 2>/dev/null' - "${run[@]}"
	hold
	words -t -J gw1,gw2
	shows "before a ladder" 0 $'hop 1 gw1\n.*\n  in all .*' \
	    --wait "$SECOND" --run "$go" -- \
	    bash -c '"$@" >/dev/tty' - "${run[@]}"
}

before_others()
{
	local signal

	IDENTITY=([gw2]=$T/sealed)
	write_config gw1 gw2 gw3 target
	hold "BatchMode no"
	words -J gw1,gw2
	shows "before a question, which stays" 0 \
	    '[^ ]*@gw2 \(hop 2 of 2\): Enter passphrase for key .*:' --wait "$SECOND" \
	    --run "$go" --wait '\r\x1b\[K[^ ]*@gw2 \(hop 2 of 2\): Enter passphrase.*: ' \
	    --hold 1.2 --type sesame -- "${run[@]}"
	IDENTITY=()
	write_config gw1 gw2 gw3 target
	hold
	words -J gw1,gw2 -o gw2:ConnectTimeout=2
	shows "before a failure" 2 \
	    'proxyhop: gw2 \(hop 2 of 2, .*\): banner: no answer .*' \
	    --wait "$SECOND" -- "${run[@]}"
	words -J gw1,gw2
	for signal in TERM HUP; do
		hold
		shows "before the end by SIG$signal" \
		    $((128 + $(kill -l $signal))) "" --wait "$SECOND" \
		    --run "kill -$signal \$CHILD" -- "${run[@]}"
	done
	hold
	shows "before the end by ctrl-C" 130 "" --wait "$SECOND" --key c \
	    -- "${run[@]}"
}

# not_shown SENTENCE SCREEN OPTIONS... -- COMMAND...: no status line.
not_shown()
{
	local sentence=$1 screen=$2 options=()

	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	hold
	shows "$sentence" 0 "$screen" "${options[@]}" --hold 1.3 \
	    --run "$go" --never ', 1 s' --never '\x1b' -- "$@"
}

nowhere_else()
{
	hold
	words -J gw1,gw2
	not_shown "not in a file" "" --file -- "${run[@]}"
	equal "nothing is in the file" "$(cat "$T/talk.err")" ""
	words -J gw1,gw2 -E "$T/log"
	not_shown "not with -E" "" -- "${run[@]}"
	equal "nothing is in the log" "$(cat "$T/log")" ""
	words -J gw1,gw2 -q
	not_shown "not with -q" "" -- "${run[@]}"
	words -J gw1,gw2 -v
	not_shown "not with -v" $'(proxyhop: gw. \\(hop .\\): [^\n]*\n?)+' \
	    -- "${run[@]}"
	words -J gw1,gw2
	# bash tells of its jobs
	not_shown "not in the background" "" -- bash -c \
	    'set -m; exec 3>&2 2>/dev/null; "$@" 2>&3 & wait $!' - "${run[@]}"
	hold
	shows "the same in the foreground" 0 "" --wait "$SECOND" \
	    --run "$go" -- bash -c \
	    'set -m; "$@"; exit $?' - "${run[@]}"
}

# A set-up of less than a second says nothing; on a busy machine it may take
# longer.
quick()
{
	local try

	conf
	words -J gw1
	for try in 1 2 3 4 5 6 7 8; do
		watch -- "${run[@]}"
		[ "$(field ms "$T/talk.info")" -ge 1000 ] || break
	done
	if [ "$(field ms "$T/talk.info")" -lt 1000 ]; then
		equal "less than a second: nothing" "$(cat "$T/talk.tty")" ""
	else
		echo "	this machine never takes less than a second"
	fi
}

# ---- names -------------------------------------------------------------------

# asked: the process that waits for a name; it has come so far.
asked()
{
	wait_until '[ -s "$T/names.asked" ]' && cat "$T/names.asked"
}

# dead PID: it is, whether somebody has waited for it or not.
dead()
{
	wait_until "! grep -sq '^State:.[^Z]' '/proc/$1/status'" 1
}

# in_between SENTENCE START LEAST MOST: ms since then.
in_between()
{
	local ms=$(($(now) - $2))

	at_least "$1: ms" "$ms" "$3" >"$T/out" || cat "$T/out"
	at_most "$1: ms" "$ms" "$4"
}

look_up()
{
	local start to=(127.0.0.1 "${PORT[echo]}")

	conf "Host far" "Port ${PORT[gw1]}" "IdentityFile $T/id" \
	    "HostKeyAlias [127.0.0.1]:${PORT[gw1]}"
	names "far 127.0.0.1"
	named carries "a name that has an address" -J far
	names "far later"
	named refused "a name that has none now" 2 \
	    "^proxyhop: far \(hop 1 of 1, .*\): resolve: far: .*; check" \
	    hop -J far "${to[@]}"
	names
	named refused "a name that is none" 2 \
	    "^proxyhop: far \(hop 1 of 1, .*\): resolve: far: .*; check" \
	    hop -J far "${to[@]}"
	names "far hang"
	start=$(now)
	named refused "no answer: LoginTimeout" 2 \
	    "^proxyhop: far \(hop 1 of 2, .*\): resolve: no answer within 1 seconds" \
	    hop -J far,gw2 -o ConnectTimeout=9 -o LoginTimeout=1 "${to[@]}"
	in_between "no answer: LoginTimeout" $start 1000 $((1000 + SLACK))
	check "no answer: nobody waits on" dead "$(asked)"
	names "far hang"
	named refused "no answer, and no gateway" 2 \
	    "^proxyhop: far \(target, no jump host\): resolve: no answer within 1 seconds" \
	    hop -J none -o LoginTimeout=1 far 22
	names "far hang"
	words -J far
	named shows "no answer: it is told where it is" 130 "" \
	    --wait 'far \(hop 1 of 1\): resolve, 1 s' --key c -- "${run[@]}"
	check "no answer: nobody waits on" dead "$(asked)"
}

# looking: a proxyhop, pid, that waits for a name, and a process that asks for
# it, child; descriptor 8 reads its stdout.
looking()
{
	names "far hang"
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	named hop_exec -J far 127.0.0.1 "${PORT[echo]}" </dev/null \
	    >"$T/fifo" 2>"$T/err" &
	pid=$!
	exec 8<"$T/fifo"
	child=$(asked) || fail "it asks for a name" "$T/err"
	start=$(now)
}

# over SENTENCE STATUS: it is, at once, without a word, and with its child.
over()
{
	local status=0

	wait_gone "$pid" 5 2>/dev/null || kill -KILL "$pid"
	wait "$pid" 2>/dev/null || status=$?
	in_between "$1" $start 0 $AT_ONCE
	equal "$1: status, and no word" "$status $(cat "$T/err")" "$2 "
	check "$1: its child, too" dead "$child"
	exec 8<&-
}

ended()
{
	local signal start pid child

	for signal in TERM HUP INT KILL; do
		looking
		kill -$signal "$pid"
		over "SIG$signal while a name is looked up" \
		    $((128 + $(kill -l $signal)))
	done
	looking
	exec 8<&-
	over "nobody reads while a name is looked up" 2
	looking
	kill -KILL "$child"
	wait "$pid"
	equal "who looks it up dies: status" "$?" 2
	check "who looks it up dies: it is said" \
	    grep -q '^proxyhop: far (hop 1 of 1, .*): resolve: far: ' "$T/err"
	exec 8<&-
	hold
	mkfifo "$T/fifo2"
	hop_exec -J gw1,gw2 127.0.0.1 "${PORT[echo]}" </dev/null \
	    >"$T/fifo2" 2>"$T/err" &
	pid=$!
	exec 8<"$T/fifo2"
	child=$pid
	: >"$T/held.log"
	wait_for "$T/held.log" '^accepted'
	start=$(now)
	exec 8<&-
	over "nobody reads while gw2 is waited for" 2
	eval "$go"
}

# ---- another try ---------------------------------------------------------------

attempts()
{
	local start n

	conf "ConnectTimeout $((10 * TEST_TIME_FACTOR))"
	refused "a hop that refuses: four times" 2 \
	    "^proxyhop: gw1 .*: connect: Connection refused, 4 times; " \
	    hop -J gw1 -o "1:Port=${PORT[bound]}" 127.0.0.1 22
	refused "ConnectionAttempts 2: no less" 2 \
	    "^proxyhop: gw1 .*: connect: Connection refused, 4 times; " \
	    hop -J gw1 -o "1:Port=${PORT[bound]}" -o ConnectionAttempts=2 \
	    127.0.0.1 22
	forget gw1
	refused "ConnectionAttempts 5, hop 2" 2 \
	    "^proxyhop: gw1 .*: forward: .*\"Connection refused\", 5 times; " \
	    hop -J gw1,gw2 -o "2:Port=${PORT[bound]}" \
	    -o 1:ConnectionAttempts=1 -o 2:ConnectionAttempts=5 127.0.0.1 22
	n="connect_to 127.0.0.1 port ${PORT[bound]}: failed"
	equal "the gateway was asked as often" "$(grep -c "$n" "$T/gw1.log")" 5
	start=$(now)
	refused "ConnectionAttempts 100: ConnectTimeout comes first" 2 \
	    "^proxyhop: gw1 .*: connect: Connection refused, [0-9] times" \
	    hop -J gw1 -o "1:Port=${PORT[bound]}" \
	    -o ConnectionAttempts=100 -o ConnectTimeout=1 127.0.0.1 22
	in_between "ConnectionAttempts 100" $start 0 $((1000 + SLACK))
	forget gw1
	refused "the target is asked for once" 2 \
	    "^proxyhop: gw1 .*: forward: .*\"Connection refused\"; " \
	    hop -J gw1 -o ConnectionAttempts=5 127.0.0.1 "${PORT[bound]}"
	equal "the gateway was asked once" "$(grep -c "$n" "$T/gw1.log")" 1
}

# ---- keepalives ----------------------------------------------------------------

# alive NAME: how many keepalives a gateway has seen.
alive()
{
	grep -c 'rtype keepalive@openssh.com want_reply 1' "$T/$1.log"
}

# sound SENTENCE: a line goes there and back, and nothing was said.
sound()
{
	(echo "$1" >&7) 2>/dev/null		# it may have gone
	if wait_until "grep -qxF '$1' '$T/out'" 5 && [ ! -s "$T/err" ]; then
		ok "$1"
	else
		fail "$1" "$T/err"
	fi
}

keepalives()
{
	local interval=$TEST_TIME_FACTOR count=2 pid name start session status=0

	[ "$interval" -le 2 ] || interval=2
	conf "ServerAliveInterval $interval" "ServerAliveCountMax $count"
	for name in gw1 gw2 gw3; do
		forget $name
	done
	rm -f "$T/in"
	mkfifo "$T/in"
	hop_exec -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" <"$T/in" \
	    >"$T/out" 2>"$T/err" &
	pid=$!
	exec 7>"$T/in"
	sound "a session"
	# Idle seconds are the subject here.
	sleep $((interval * (count + 2)))
	sound "idle for longer than a dead hop may be"
	for name in gw1 gw2 gw3; do
		at_least "keepalives that $name has answered" "$(alive $name)" \
		    $count
	done
	kill -STOP "$pid"
	sleep $((interval * (count + 2)))
	kill -CONT "$pid"
	sound "stopped ourselves for as long"
	# and what is due after that is done
	sleep $((interval * 2))
	sound "and some time after that"
	session=$(tree "${PID[gw2]}" | sed 1d)
	start=$(now)
	kill -STOP $session
	wait_gone "$pid" 15 2>/dev/null || kill -KILL "$pid"
	wait "$pid" 2>/dev/null || status=$?
	in_between "gw2 is frozen: it is noticed" $start \
	    $((interval * count * 1000 - 50)) \
	    $((interval * (count + 1) * 1000 + SLACK))
	kill -KILL $session
	exec 7>&-
	equal "gw2 is frozen: status" "$status" 2
	equal "gw2 is frozen: one line" "$(wc -l <"$T/err")" 1
	check "gw2 is frozen: it is named, not those behind it" \
	    grep -q '^proxyhop: gw2 (hop 2 of 3, .*): carry: nothing heard for' \
	    "$T/err"
}

comes_and_goes
before_others
nowhere_else
quick
look_up
ended
attempts
keepalives
