# faults.sh: a chain of three whose hops can be made to fail, for the scenarios
# that source it after harness.sh.
#
# fault.py makes the faults.  All servers have one host key, under the alias
# "server", so that it does not matter at which port a hop is.  A cell is one
# run of proxyhop with one fault; many run at the same time, each in its own
# folder.

CT=$((TEST_TIME_FACTOR > 1 ? 6 : 2))	# ConnectTimeout of the hop that fails
ALIVE=$((TEST_TIME_FACTOR > 1 ? 2 : 1))	# ServerAliveInterval, if it counts
COUNT_MAX=2				# ServerAliveCountMax
SLACK=$((3000 * TEST_TIME_FACTOR))	# ms a cell may take for all the rest
JOBS=${JOBS:-6}
GCM=aes128-gcm@openssh.com		# fault.py can read its lengths

# A name no resolver is asked for: its label is too long.
nowhere=$(printf '%064d' 0 | tr 0 x).invalid

# fault_sshd NAME [sshd_config lines...]: with the common host key.
fault_sshd()
{
	cp "$T/host.key" "$T/$1.key"
	cp "$T/host.key.pub" "$T/$1.key.pub"
	start_sshd "$@"
}

# The servers, and what they know of each other.
fault_servers()
{
	local key name

	user_key
	new_key "$T/host.key"
	new_key "$T/other.key"
	new_key "$T/wrong1"
	new_key "$T/wrong2"
	key=$(cut -d' ' -f1,2 "$T/host.key.pub")
	echo "server $key" >"$T/known"
	echo "@revoked server $key" >"$T/revoked"
	echo "server $(cut -d' ' -f1,2 "$T/other.key.pub")" >"$T/changed"
	for name in gw1 gw2 gw3; do
		fault_sshd "$name"
	done
	mkdir "$T/cells"
	# who never answers, but tells that he was asked
	printf '#!/bin/sh\n: >"$CELL"\nexec sleep 1000\n' >"$T/ask"
	chmod +x "$T/ask"
	"$PYTHON" -c 'import random, sys
sys.stdout.buffer.write(random.Random(4).randbytes(16 << 20))' >"$T/stream"
	cat >"$T/base" <<-END
	Host gw1
		Port ${PORT[gw1]}
	Host gw2
		Port ${PORT[gw2]}
	Host gw3
		Port ${PORT[gw3]}
	Host *
		HostName 127.0.0.1
		User $ME
		IdentityFile $T/id
		IdentitiesOnly yes
		HostKeyAlias server
		UserKnownHostsFile $T/known
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		BatchMode yes
		Ciphers $GCM
		ConnectTimeout 30
	END
}

# start_faults LINES...: one more fault.py, with this table; its ports are in
# PORT.
start_faults()
{
	local name port log=$T/faults.log table=$T/cells/table.${#SERVERS[@]}
	local ready

	touch "$log"
	ready=$(grep -c '^ready' "$log")
	printf '%s\n' "$@" >"$table"
	"$PYTHON" "$TESTS/fault.py" "$table" "$T/stream" \
	    </dev/null >>"$log" 2>&1 &
	SERVERS+=("$!")
	wait_until "[ \$(grep -c '^ready' '$log') -gt $ready ]" 20 ||
	    die "the faults are there" "$log"
	while read -r name _ port; do
		PORT[$name]=$port
	done < <(grep ' listening ' "$log")
}

# cell_config FILE LINES...: these lines before those of the sound chain.
cell_config()
{
	local file=$1

	shift
	{
		[ $# -eq 0 ] || printf '%s\n' "$@"
		cat "$T/base"
	} >"$file"
}

# aim FAULT HOP NAMED: for the cell id; leaves in lines what ssh_config says of
# such a hop, and in to the target, which may be the one that fails.  The hop
# that will be named has the short time-out, unless the fault is for the
# keepalives to find.
aim()
{
	local fault=$1 hop=$2 named=$3 port host=127.0.0.1

	lines=()
	to=(127.0.0.1 "${PORT[stream]}")
	case $fault in
	no-name)	host=$nowhere port=22 ;;
	no-algorithm)	port=${PORT[odd]} ;;
	no-forwarding)	port=${PORT[closed]} ;;
	permit-open)	port=${PORT[narrow]} ;;
	too-many)	port=${PORT[strict]} ;;
	*@*)		port=${PORT[$id]} ;;
	unknown|changed|revoked|no-login)
			port=${PORT[$hop]} ;;
	*)		port=${PORT[$fault]} ;;
	esac
	if [ "$hop" = target ]; then
		to=("$host" "$port")
	else
		lines+=("Host $hop" "HostName $host" "Port $port")
	fi
	case $fault in
	unknown)	lines+=("UserKnownHostsFile /dev/null") ;;
	changed)	lines+=("UserKnownHostsFile $T/changed") ;;
	revoked)	lines+=("UserKnownHostsFile $T/revoked $T/known") ;;
	no-login)	lines+=("User nobody-at-all") ;;
	no-algorithm)	lines+=("KexAlgorithms curve25519-sha256") ;;
	too-many)	lines+=("IdentityFile $T/wrong1"
			    "IdentityFile $T/wrong2") ;;
	*@asked)	lines+=("UserKnownHostsFile /dev/null" "BatchMode no"
			    "StrictHostKeyChecking ask") ;;
	*@meanwhile)	lines+=("Host gw$((${hop#gw} + 1))"
			    "UserKnownHostsFile /dev/null" "BatchMode no"
			    "StrictHostKeyChecking ask" "Host *"
			    "ServerAliveInterval $ALIVE"
			    "ServerAliveCountMax $COUNT_MAX") ;;
	stop@next|freeze@next|stop@carry|freeze@carry)
			lines+=("Host *" "ServerAliveInterval $ALIVE"
			    "ServerAliveCountMax $COUNT_MAX") ;;
	*@[0-9]*)	lines+=("ConnectTimeout $((2 * CT))" "Host *"
			    "ServerAliveInterval $ALIVE"
			    "ServerAliveCountMax $COUNT_MAX") ;;
	# the time to open a connection to the next hop is that one's
	*)		lines+=("Host $named gw$((${named#gw} + 1))"
			    "ConnectTimeout $CT") ;;
	esac
}

# in_words FAULT
in_words()
{
	local at=${1#*@}

	[[ $at != [0-9]* ]] || at="$at ms"
	case $1 in
	plan)		echo "while ssh is asked" ;;
	tell@carry)	echo "in mid-transfer" ;;
	kill@*)		echo "killed at $at" ;;
	stop@*)		echo "frozen at $at" ;;
	freeze@*)	echo "cut off at $at" ;;
	close@*)	echo "closes at $at" ;;
	reset@*)	echo "resets at $at" ;;
	garbage@*)	echo "garbage at $at" ;;
	mangle@*)	echo "garbage to it at $at" ;;
	*)		echo "$1" ;;
	esac
}

# in_time WHEN MS: says what is wrong, if so.
in_time()
{
	local least=0 most=0

	case $1 in
	now)	;;
	within)	most=$((CT * 1000)) ;;
	later)	least=$((CT * 1000 - 50)) most=$((CT * 1000)) ;;
	alive)	least=$((ALIVE * COUNT_MAX * 1000 - 50))
		most=$((ALIVE * (COUNT_MAX + 1) * 1000)) ;;
	# whichever comes first, and all that comes before
	any)	most=$(((2 * CT + ALIVE * (COUNT_MAX + 1)) * 1000)) ;;
	esac
	[ "$2" -ge "$least" ] || echo "too early; "
	[ "$2" -le $((most + SLACK)) ] || echo "too late; "
}

# there FAULT HOP NAMED: host:port of what the named hop was to open.
there()
{
	local next=gw$((${3#gw} + 1))

	if [ "$2" = target ]; then
		echo "${to[0]}:${to[1]}"
	elif [ "$3" != "$2" ]; then
		echo "${lines[1]#HostName }:${lines[2]#Port }"
	elif [ "$next" = gw4 ]; then
		echo "127.0.0.1:${PORT[stream]}"
	else
		echo "127.0.0.1:${PORT[$next]}"
	fi
}

# one_line FILE NAMED STAGE CAUSE: says what is wrong with the line about it.
one_line()
{
	local n=${2#gw} line text='[^[:print:]]'

	if [ "$2" = - ]; then
		[ ! -s "$1" ] || echo "not silent; "
		return
	fi
	read -r line <"$1"
	[ "$(wc -l <"$1")" -eq 1 ] || echo "not one line; "
	[[ $line =~ $text ]] && echo "not printable; "
	text="^proxyhop: $2 \(hop $n of 3, [^)]*\): (.*)"
	[[ $line =~ $text ]] || { echo "not about $2; "; return; }
	text="^$3: (.*)"
	[[ ${BASH_REMATCH[1]} =~ $text ]] || { echo "not $3; "; return; }
	[[ ${BASH_REMATCH[-1]} =~ $4 ]] || echo "no match for $4; "
	[[ $line =~ [^\ ]\;\ [^\ ] ]] || echo "no advice; "
}

# cause NAMED THERE PATTERN: the pattern, filled in.
cause()
{
	local text=${3//THERE/${2//./\\.}}

	text=${text//HERE/$1}
	echo "${text//SECONDS/$CT}"
}

# carried FILE FAULT: says what is wrong with the bytes that came.
carried()
{
	local size

	size=$(stat -c %s "$1")
	cmp -s -n "$size" "$1" "$T/stream" || echo "other bytes; "
	case $2 in
	*@carry)
		[ "$size" -gt 0 ] || echo "no byte; "
		[ "$size" -lt $((16 << 20)) ] || echo "not in mid-transfer; " ;;
	*@[0-9]*)	;;
	*)	[ "$size" -eq 0 ] || echo "bytes; " ;;
	esac
}

# judged ID TEXT WHY: the verdict of a job; empty WHY: it is well.
judged()
{
	{
		[ -z "$3" ] && echo ok || echo FAIL
		echo "$2"
		echo $3
	} >"$T/cells/$1/verdict"
}

# cell ID FAULT HOP NAMED STAGE STATUS WHEN CAUSE: one run.
cell()
{
	local id=$1 fault=$2 hop=$3 named=$4 stage=$5 dir=$T/cells/$1 CONF
	local lines to start ms status=0 why who cause limit=$CT

	CONF=$dir/conf
	aim "$fault" "$hop" "$named"
	cause=$(cause "$named" "$(there "$fault" "$hop" "$named")" "$8")
	cell_config "$CONF" "${lines[@]}"
	# the keepalives come first
	[[ $fault != *@next ]] || limit=30
	[[ $fault != *@[0-9]* ]] || limit=$((2 * CT))
	start=$(now)
	SSH_ASKPASS=$T/ask SSH_ASKPASS_REQUIRE=force CELL=$T/cells/$id.go \
	    hop -J gw1,gw2,gw3 -o LoginTimeout=$limit "${to[@]}" <"$T/stream" >"$dir/out" \
	    2>"$dir/err" || status=$?
	ms=$(($(now) - start))
	why=$([[ $status =~ ^($6)$ ]] || echo "status $status, not $6; "
	    in_time "$7" "$ms"
	    one_line "$dir/err" "$named" "$stage" "$cause"
	    carried "$dir/out" "$fault"
	    [[ $fault != *@* ]] || grep -q "^$id at " "$T/faults.log" ||
	    echo "nothing was done to it; ")
	who="$named (hop ${named#gw} of 3): $stage"
	[ "$named" != - ] || who="no word"
	judged "$id" \
	    "$hop $(in_words "$fault"): $who, status $status, $ms ms" "$why"
	rm "$dir/out"
}

# each FAULTS HOPS NAMED STAGE STATUS WHEN CAUSE: the cells of a line of the
# table, one a line, as jobs.
each()
{
	local i kind at hop named

	for ((i = 0; i < ${#2}; i++)); do
		hop=gw${2:i:1}
		case $3$hop in
		itself*)	named=$hop ;;
		before*gwt)	named=gw3 ;;
		before*)	named=gw$((${2:i:1} - 1)) ;;
		*)		named=- ;;
		esac
		[ "$hop" != gwt ] || hop=target
		for kind in $(tr , ' ' <<<"${1%@*}"); do
			if [ "${1#*@}" = "$1" ]; then
				echo "$hop.$kind cell $kind $hop $named ${*:4}"
				continue
			fi
			for at in $(tr , ' ' <<<"${1#*@}"); do
				echo "$hop.$kind@$at cell $kind@$at $hop" \
				    "$named ${*:4}"
			done
		done
	done
}

# The whole table, cell by cell.
list()
{
	local line

	sed 's/#.*//; /^$/d' "$TESTS/faults.table" | while read -ra line; do
		each "${line[@]:0:6}" "${line[*]:6}"
	done
}

# middles: the men in the middle that the cells of the jobs on stdin need.
middles()
{
	local id function fault hop

	while read -r id function fault hop _; do
		[[ $function.$fault != cell.*@* ]] ||
		    echo "$id $fault ${PORT[$hop]} ${PID[$hop]}"
	done
}

# run_jobs FILE: each line of it is a job, JOBS of them at a time: a name, and a
# function to be called with that name and further words, the last of which
# may hold blanks.  It leaves its verdict.  ONLY=pattern chooses some lines.
run_jobs()
{
	local job id function words running=0

	sed -i -E "/${ONLY:-.}/!d" "$1"
	while read -r id function job; do
		read -ra words <<<"$job"
		mkdir "$T/cells/$id"
		"$function" "$id" "${words[@]:0:6}" "${words[*]:6}" \
		    </dev/null 2>"$T/cells/$id/noise" &
		running=$((running + 1))
		if [ "$running" -ge "$JOBS" ]; then
			wait -n
			running=$((running - 1))
		fi
	done <"$1"
	wait_jobs
	check "no process of all these is left" \
	    wait_until '[ -z "$(strays)" ]' 2
	check "what came to the target is what was sent, if not all of it" \
	    not_wrong
	while read -r id _; do
		verdict "$id"
	done <"$1"
}

# no_dns ID LEAST MOST STATUS PATTERN TEXT OPTIONS...: the first hop's name is
# asked for, and there is no answer; options are those of nodns.py.  Times are
# in ms.
no_dns()
{
	local id=$1 dir=$T/cells/$1 ms why

	cell_config "$dir/conf" "Host gw1" "HostName gw1.example.com" \
	    "ConnectTimeout $CT"
	unshare -rmn "$PYTHON" "$TESTS/nodns.py" "$dir" "${@:7}" -- \
	    timeout --foreground $((20 * TEST_TIME_FACTOR)) \
	    $PROXYHOP_WRAP "$PROXYHOP" -r none -F "$dir/conf" -J gw1,gw2,gw3 \
	    -o LoginTimeout=$CT 127.0.0.1 9 >"$dir/out" 2>"$dir/err"
	ms=$(field ms "$dir/out")
	why=$([ "$(field asked "$dir/out")" = 1 ] || echo "not asked; "
	    [ "$(field status "$dir/out")" = "$4" ] ||
	    echo "status $(field status "$dir/out"), not $4; "
	    [ "$2" -le "$ms" ] && [ "$ms" -le "$3" ] || echo "time; "
	    [[ $(cat "$dir/err") =~ ^$5$ ]] || echo "no match for $5; ")
	judged "$id" "$6, $ms ms" "$why"
}

# Can there be a name server of ours?  If not, that is said.
can_no_dns()
{
	mkdir -p "$T/cells/can"
	unshare -rmn "$PYTHON" "$TESTS/nodns.py" "$T/cells/can" -- true \
	    >/dev/null 2>&1 && return
	echo "skip $NAME: no name server of our own (unshare -rmn)" >&2
	return 1
}

# fault.py has compared, and had something to strike.
not_wrong()
{
	! grep -E 'wrong=1|no process|cannot|Traceback' "$T/faults.log"
}

# Servers run in the background, too, so that a plain wait would not end.
wait_jobs()
{
	local job

	for job in $(jobs -p); do
		case " ${SERVERS[*]} " in
		*" $job "*) ;;
		*)	wait "$job" ;;
		esac
	done
}

# verdict ID
verdict()
{
	local result="no verdict" text=$1 why=

	{
		read -r result
		read -r text
		read -r why
	} <"$T/cells/$1/verdict"
	case $result in
	ok)	ok "$text" ;;
	*)	fail "$text (${why%;})" "$T/cells/$1/noise" "$T/cells/$1/err" ;;
	esac
}
