#!/usr/bin/env bash
# Goal: when proxyhop is no longer wanted, it is gone: at once by a signal and
# when nobody reads what it carries, at any stage, frozen gateways or not; it
# says nothing then, and leaves nothing.  What the target does is no failure.

. "$(dirname "$0")/harness.sh"
. "$TESTS/faults.sh"

NEXT=$((ALIVE * 1000 + AT_ONCE))	# ms: the next keepalive

# hold ID FAULT HOP: where the job's chain goes, and its ssh_config.
hold()
{
	CONF=$T/cells/$1/conf
	to=(127.0.0.1 "${PORT[stream]}")
	lines=()
	case $3 in
	gw*)	lines+=("Host $3" "Port ${PORT[$1]}") ;;
	*)	to=(127.0.0.1 "${PORT[$1]}") ;;
	esac
	case $2 in
	*@asked)
		lines+=("UserKnownHostsFile /dev/null" "BatchMode no"
		    "StrictHostKeyChecking ask") ;;
	esac
	cell_config "$CONF" "${lines[@]}" "Host *" \
	    "ServerAliveInterval $ALIVE" "ServerAliveCountMax $COUNT_MAX"
}

# held ID FAULT: the chain has come to where it is held.
held()
{
	case $2 in
	filtered)	# SYN_SENT
		wait_until "grep -Eq '^ *[0-9]+: [0-9A-F:]+ 0100007F:$(
		    printf %04X "${PORT[$1]}") 02' /proc/net/tcp" ;;
	plan)	wait_until "[ -e '$T/cells/$1.go' ]" ;;
	*)	wait_until "grep -q '^$1 at ' '$T/faults.log'" ;;
	esac
}

# ends ID TEXT STATUS LIMIT COMMAND: the command makes the job's proxyhop, pid,
# end.  Nothing is forked while the time runs.
ends()
{
	local dir=$T/cells/$1 status=0 start ms dog why=

	mkfifo "$dir/dog"
	{
		read -rt $((5 * TEST_TIME_FACTOR)) <>"$dir/dog"
		kill -KILL "$pid"
	} 7>&- 8<&- &
	dog=$!
	start=${EPOCHREALTIME/./}
	eval "$5"
	wait "$pid" || status=$?
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	kill "$dog"
	[[ $status =~ ^($3)$ ]] || why="status $status, not $3; "
	[ "$ms" -le "$4" ] || why="$why too late; "
	[ ! -s "$dir/err" ] || why="$why not silent; "
	judged "$1" "$2: gone, status $status, $ms ms" "$why"
}

# chain ID: its proxyhop in the background, in pid, stdin and stdout being
# descriptors 7 and 8.
chain()
{
	local dir=$T/cells/$1

	mkfifo "$dir/in" "$dir/out"
	SSH_ASKPASS=$T/ask SSH_ASKPASS_REQUIRE=force CELL=$T/cells/$1.go \
	    hop_exec -J gw1,gw2,gw3 "${to[@]}" <"$dir/in" >"$dir/out" \
	    2>"$dir/err" &
	pid=$!
	exec 7>"$dir/in" 8<"$dir/out"
}

# stopped ID SIGNAL FAULT HOP: a signal while the chain is at that point.
stopped()
{
	local id=$1 fault=$3 hop=$4 lines to CONF pid reader=

	hold "$id" "$fault" "$hop"
	[ "$fault" != plan ] ||
	    sed -i '1i Match exec "echo >$CELL; exec sleep 3"' "$CONF"
	chain "$id"
	# in mid-transfer all moves
	cat <&8 >/dev/null 7>&- & reader=$!
	cat "$T/stream" >&7 2>/dev/null 8<&- & reader="$reader $!"
	if held "$id" "$fault"; then
		ends "$id" "SIG$2, $hop $(in_words "$fault")" \
		    $((128 + $(kill -l "$2"))) "$AT_ONCE" "kill -$2 $pid"
	else
		judged "$id" "SIG$2, $hop $(in_words "$fault")" \
		    "never came there; "
		kill -KILL "$pid"
	fi
	exec 7>&- 8<&-
	kill $reader 2>/dev/null
	wait
}

# unresolved ID KIND: a signal, or nobody reads, and the name server gives no
# answer.
unresolved()
{
	case $2 in
	signal)	no_dns "$1" 0 "$AT_ONCE" -15 "" \
		    "SIGTERM, gw1 is looked up: gone" --signal SIGTERM ;;
	leave)	no_dns "$1" 0 "$AT_ONCE" 2 "" \
		    "nobody reads, gw1 is looked up: gone" --leave ;;
	esac
}

# unread ID FAULT HOP: nobody reads its output any more.
unread()
{
	local id=$1 lines to CONF pid

	hold "$id" "$2" "$3"
	chain "$id"
	cat "$T/stream" >&7 2>/dev/null 8<&- &
	# so much must have come
	[[ $2 != *@carry ]] || head -c 100000 <&8 >/dev/null
	held "$id" "$2"
	ends "$id" "nobody reads, $3 $(in_words "$2")" '[02]' "$AT_ONCE" \
	    "exec 8<&-"
	kill %% 2>/dev/null
	exec 7>&-
	wait
}

# proxy ID: the job's ProxyCommand; ssh puts an exec before it.
proxy()
{
	local dir=$T/cells/$1

	cat >"$dir/proxy" <<-END
	trap '' PIPE; trap : HUP
	$(sed 's/%h %p/"$@"/' <<<"$(hop_cmd gw1,gw2,gw3)") 2>$dir/err
	echo \$? >$dir/status
	END
	echo "bash $dir/proxy %h %p"
}

# killed ID FAULT HOP: the client is killed by SIGKILL.
killed()
{
	local id=$1 dir=$T/cells/$1 CONF lines to client start ms= why

	hold "$id" "$2" "$3"
	ssh -F "$CONF" -o ProxyCommand="$(proxy "$id")" target \
	    "cat $T/stream; cat" <"$T/stream" >/dev/null 2>"$dir/ssh" &
	client=$!
	held "$id" "$2"
	start=$(now)
	kill -KILL "$client"
	if wait_until "[ -s '$dir/status' ]"; then
		ms=$(($(now) - start))
		why=$([ "$ms" -le "$NEXT" ] || echo "too late; "
		    [ ! -s "$dir/err" ] || echo "not silent; ")
	else
		why="still there; "
	fi
	judged "$id" "client killed, $3 $(in_words "$2"): gone, $ms ms" "$why"
	wait "$client" 2>/dev/null
}

# alone ID: the same client, whom nobody disturbs.
alone()
{
	local id=$1 dir=$T/cells/$1 CONF lines to why=

	hold "$id" tell@carry gw1
	ssh -F "$CONF" -o ProxyCommand="$(proxy "$id")" target \
	    "cat $T/stream" </dev/null >"$dir/out" 2>"$dir/ssh" ||
	    why="not status 0; "
	wait_until "[ -s '$dir/status' ]"
	[ "$(cat "$dir/status" "$dir/err")" = 0 ] || why="$why status; "
	cmp -s "$dir/out" "$T/stream" || why="$why other bytes; "
	judged "$id" "left alone: all bytes, status 0, no word" "$why"
	rm "$dir/out"
}

# target ID FAULT: something happens to the target's sshd; ssh has words for
# that, proxyhop has none.
target()
{
	local id=$1 dir=$T/cells/$1 CONF lines to why=

	CONF=$dir/conf
	cell_config "$CONF" "Host target" "Port ${PORT[$id]}" \
	    "ServerAliveInterval $ALIVE" "ServerAliveCountMax $COUNT_MAX" \
	    "ConnectTimeout $((CT * 2))"
	timeout $((20 * TEST_TIME_FACTOR)) \
	    ssh -F "$CONF" -o ProxyCommand="$(proxy "$id")" target \
	    "cat $T/stream" </dev/null >"$dir/out" 2>"$dir/ssh"
	[ $? -eq 255 ] || why="ssh knows nothing of it; "
	wait_until "[ -s '$dir/status' ]" 2 || why="$why proxyhop stays; "
	# ssh gives up a frozen target, and ends proxyhop by a signal
	case $2.$(cat "$dir/status") in
	stop@*|*.0)	;;
	*)		why="$why status $(cat "$dir/status"); " ;;
	esac
	[ ! -s "$dir/err" ] || why="$why not silent; "
	why="$why$(carried "$dir/out" "$2")"
	grep -q "^$id at " "$T/faults.log" ||
	    why="$why nothing was done to it; "
	judged "$id" "target $(in_words "$2"): no word" "$why"
	rm "$dir/out"
}

# patient ID: a target that says nothing is waited for, until a signal comes.
patient()
{
	local id=$1 lines to CONF pid

	hold "$id" freeze@carry target
	chain "$id"
	cat <&8 >/dev/null 7>&- &
	held "$id" freeze@carry
	sleep $((ALIVE * (COUNT_MAX + 2)))
	if kill -0 "$pid"; then
		ends "$id" "a silent target is waited for; then SIGTERM" 143 \
		    "$AT_ONCE" "kill -TERM $pid"
	else
		judged "$id" "a silent target is waited for" "it was not; "
	fi
	exec 7>&- 8<&-
	wait
}

fault_servers
# At DEBUG1 sshd talks on the command's stderr as well.
fault_sshd target "LogLevel VERBOSE"
sed -i "/^Host \*/i Host target\n\tPort ${PORT[target]}" "$T/base"
start_faults "stream stream"

# each signal at each stage, at one hop or another
n=0
for signal in HUP TERM INT; do
	for fault in plan filtered freeze@banner freeze@kex freeze@hostkey \
	    freeze@asked freeze@auth freeze@forward freeze@next tell@carry \
	    stop@carry; do
		hop=gw$((n % 3 + 1))
		case $fault in
		plan|filtered)	hop=gw1 ;;
		freeze@next)	hop=gw$((n % 2 + 1)) ;;
		esac
		echo "$signal.$fault stopped $signal $fault $hop"
		n=$((n + 1))
	done
done >"$T/list"
for fault in filtered freeze@banner freeze@kex freeze@auth freeze@forward \
    stop@next; do
	echo "unread.$fault unread $fault gw1"
	echo "killed.$fault killed $fault gw1"
done >>"$T/list"
for hop in gw1 gw2 gw3; do
	for fault in tell@carry stop@carry freeze@carry; do
		echo "unread.$hop.$fault unread $fault $hop"
		echo "killed.$hop.$fault killed $fault $hop"
	done
done >>"$T/list"
cat >>"$T/list" <<-END
	unread.target unread freeze@carry target
	patient patient freeze@carry target
	alone alone tell@carry gw1
	END
for fault in kill@banner kill@kex kill@auth kill@carry stop@kex stop@carry \
    reset@carry; do
	echo "target.$fault target $fault"
done >>"$T/list"

if can_no_dns; then
	echo "resolve.signal unresolved signal"
	echo "resolve.leave unresolved leave"
fi >>"$T/list"

PORT[host]=${PORT[target]} PID[host]=${PID[target]}
middles=()
while read -r id function words; do
	[ "$function" != stopped ] || words=${words#* }
	read -r fault hop <<<"$words"
	case $function in
	target)		hop=host ;;
	unread|patient)	[ "$hop" != target ] || hop=stream ;;
	esac
	case $fault in
	plan)		PORT[$id]=0 ;;
	signal|leave)	;;
	filtered)	middles+=("$id filtered") ;;
	*)		middles+=("$id $fault ${PORT[$hop]} ${PID[$hop]:-0}") ;;
	esac
done <"$T/list"
start_faults "${middles[@]}"
# times are short here
JOBS=2 run_jobs "$T/list"
