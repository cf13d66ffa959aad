#!/usr/bin/env bash
# Goal: whatever happens to whichever hop, at whatever moment, proxyhop ends in
# its time, with one line that names the hop, the stage, the cause and what to
# do, and with the right status; no byte is taken back or repeated.  What
# happens is in faults.table.

. "$(dirname "$0")/harness.sh"
. "$TESTS/faults.sh"

# sound ID: the same men in the middle, who do nothing; twice the whole file,
# and keepalives that find nobody silent.
sound()
{
	local dir=$T/cells/$1 CONF=$T/cells/$1/conf hop lines=() why

	for hop in 1 2 3; do
		lines+=("Host gw$hop" "Port ${PORT[sound$hop]}")
	done
	cell_config "$CONF" "${lines[@]}" "Host *" \
	    "ServerAliveInterval $ALIVE" "ServerAliveCountMax $COUNT_MAX"
	hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[stream]}" <"$T/stream" \
	    >"$dir/out" 2>"$dir/err"
	why=$([ $? -eq 0 ] || echo "not status 0; "
	    [ ! -s "$dir/err" ] || echo "not silent; "
	    cmp -s "$dir/out" "$T/stream" || echo "other bytes; "
	    wait_until 'grep -q " got=16777216 .* wrong=0" "$T/faults.log"' ||
	    echo "other bytes there; ")
	judged "$1" "no fault: all bytes there and back, no word" "$why"
	rm "$dir/out"
}

# quiet ID PROBLEM: alive, but nothing is to be heard for longer than a dead hop
# has.  The client sends nothing (idle) or takes nothing (stalled).
quiet()
{
	local dir=$T/cells/$1 CONF=$T/cells/$1/conf why=
	local seconds=$((ALIVE * (COUNT_MAX + 2)))

	cell_config "$CONF" "Host *" "ServerAliveInterval $ALIVE" \
	    "ServerAliveCountMax $COUNT_MAX"
	case $2 in
	idle)
		{ sleep "$seconds"; echo there and back; } |
		    hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" \
		    >"$dir/out" 2>"$dir/err" || why="not status 0; "
		[ "$(cat "$dir/out")" = "there and back" ] ||
		    why="$why other bytes; " ;;
	stalled)
		{ sleep "$seconds"; : >"$dir/go"; } &
		drive --keep --hold "$dir/go" -- -J gw1,gw2,gw3 127.0.0.1 \
		    "${PORT[source]}" >"$dir/drive" 2>"$dir/err"
		[ "$(field status "$dir/drive")" = 0 ] || why="not status 0; "
		[ "$(field got "$dir/drive")" = 30000000 ] ||
		    why="$why other bytes; " ;;
	esac
	[ ! -s "$dir/err" ] || why="$why not silent; "
	judged "$1" "no fault: $2 for $seconds s, no word" "$why"
}

# unresolved ID: the name server gives no answer.
unresolved()
{
	local line="proxyhop: gw1 \(hop 1 of 3, .*\): resolve: "

	line+="no answer within $CT seconds; check .+"
	no_dns "$1" $((CT * 1000 - 50)) $((CT * 1000 + SLACK)) 2 "$line" \
	    "gw1 no answer about its name: gw1 (hop 1 of 3): resolve, status 2"
}

# again ID FAULT HOW-OFTEN HOP: then not again: nobody need know.
again()
{
	local id=$1 hop=$4 dir=$T/cells/$1 CONF=$T/cells/$1/conf start why=
	local lines

	cell_config "$CONF" "Host $hop" "Port ${PORT[$id]}"
	start=$(now)
	if [ "$2" = late ]; then	# a refusal leaves no trace to wait for
		{ sleep 0.3; : >"$T/cells/$id.go"; } &
	fi
	echo there and back |
	    hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" \
	    >"$dir/out" 2>"$dir/err" || why="not status 0; "
	[ ! -s "$dir/err" ] || why="$why not silent; "
	[ "$(cat "$dir/out")" = "there and back" ] ||
	    why="$why other bytes; "
	[ "$2" = late ] || grep -q "^$id at " "$T/faults.log" ||
	    why="$why nothing was done to it; "
	judged "$id" "$hop $(in_words "$2") $3: carries, $(($(now) -
	    start)) ms" "$why"
}

fault_servers
fault_sshd odd "KexAlgorithms diffie-hellman-group16-sha512"
fault_sshd closed "AllowTcpForwarding no"
fault_sshd narrow "PermitOpen 127.0.0.1:1"
fault_sshd strict "MaxAuthTries 1"
start_peer echo echo
start_peer source source 30000000
start_faults "stream stream" "refused refused" "filtered filtered" \
    "silent silent" "close close" "reset reset" "http http" "noise noise" \
    "long long" "old old"
PORT[target]=${PORT[stream]} PID[target]=0

{
	list
	cat <<-END
	sound sound
	idle quiet idle
	stalled quiet stalled
	END
	! can_no_dns || echo "gw1.no-dns unresolved"
	for hop in gw1 gw2 gw3; do
		echo "$hop.once again close@banner once $hop"
		echo "$hop.twice again reset@banner twice $hop"
		echo "$hop.late again late up $hop"
	done
} >"$T/list"
mapfile -t middles < <(middles <"$T/list")
for hop in gw1 gw2 gw3; do
	middles+=("$hop.once close@banner ${PORT[$hop]} times=1"
	    "$hop.twice reset@banner ${PORT[$hop]} times=2"
	    "$hop.late late ${PORT[$hop]}"
	    "sound${hop#gw} tell@carry ${PORT[$hop]}")
done
start_faults "${middles[@]}"
run_jobs "$T/list"
