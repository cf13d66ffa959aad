# harness.sh: what every scenario stands on.
#
# Sourced first by each NN-name.sh.  A scenario owns one temporary directory $T,
# talks to 127.0.0.1 only, uses its own keys, and leaves nothing behind: a
# process that is still there at the end is a failure.
#
# Environment:
#	PROXYHOP	the program (default: proxyhop in the project root)
#	PROXYHOP_WRAP	words put before it, e.g. "valgrind -q --error-exitcode=99"
#	TEST_MEM_FACTOR	multiplies memory limits (sanitizers need more)
#	TEST_TIME_FACTOR	multiplies time limits
#	TEST_OS		what the program was built for (default: linux)
#	KEEP=1		keep $T

set -u
export LC_ALL=C
umask 077

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NAME=$(basename "$0" .sh)
PROXYHOP=${PROXYHOP:-$(dirname "$TESTS")/proxyhop}
case $PROXYHOP in
/*) ;;
*)	PROXYHOP=$PWD/$PROXYHOP ;;
esac
# What the tests import leaves nothing beside them.
export PYTHONDONTWRITEBYTECODE=1
# In its environment proxyhop takes this name for its own mark.
export -n PROXYHOP
PROXYHOP_WRAP=${PROXYHOP_WRAP:-}
SSHD=${SSHD:-/usr/sbin/sshd}
PYTHON=$(command -v /usr/bin/python3 || command -v python3)
TEST_MEM_FACTOR=${TEST_MEM_FACTOR:-1}
if [ -z "${TEST_TIME_FACTOR:-}" ]; then
	TEST_TIME_FACTOR=1
	if [ -n "$PROXYHOP_WRAP" ] || [ "$TEST_MEM_FACTOR" != 1 ]; then
		TEST_TIME_FACTOR=10
	fi
fi
# ms: what is done at once takes less on a busy machine, too, and what is waited
# for in vain takes a second or more.
AT_ONCE=$((500 * TEST_TIME_FACTOR))
ME=$(id -un)
FAILED=0
SERVERS=()
declare -A PORT=() PID=() IDENTITY=()

T=$(mktemp -d "${TMPDIR:-/tmp}/proxyhop.XXXXXX") || exit 1
CONF=$T/ssh_config
# Everything a scenario starts inherits this mark; so nothing can hide.
export PROXYHOP_TEST=$T
export HOME=$T XDG_CACHE_HOME=$T/cache
unset SSH_AUTH_SOCK SSH_ASKPASS SSH_ASKPASS_REQUIRE DISPLAY PROXYHOP_DEPTH

# ---- checks ----------------------------------------------------------------

# A check passed.
ok()
{
	echo "ok $NAME: $1"
}

# A check failed; further arguments are files to show.
fail()
{
	local file

	echo "FAIL $NAME: $1"
	FAILED=$((FAILED + 1))
	shift
	for file; do
		echo "	-- ${file##*/}:"
		tail -n 20 "$file" 2>/dev/null | sed 's/^/	/'
	done
}

# The scenario cannot go on.
die()
{
	fail "$@"
	exit 1
}

# The scenario cannot run here; what was checked so far counts.
skip()
{
	echo "skip $NAME: $1"
	exit 0
}

# on_linux REASON: the scenario, or its rest, is about what only Linux has.
on_linux()
{
	[ "${TEST_OS:-linux}" = linux ] || skip "OS=$TEST_OS: $1"
}

# Has the program been built with a sanitizer?
sanitized()
{
	grep -q __asan_init "$PROXYHOP"
}

# check SENTENCE COMMAND...: the command succeeds.
check()
{
	local sentence=$1

	shift
	if "$@" >"$T/check.out" 2>&1; then
		ok "$sentence"
	else
		fail "$sentence ($?: $*)" "$T/check.out"
		return 1
	fi
}

# refused SENTENCE STATUS PATTERN COMMAND...: the command exits with STATUS,
# prints nothing on stdout and one line, which matches PATTERN, on stderr.
# STATUS is an extended regular expression as well.
refused()
{
	local sentence=$1 want=$2 pattern=$3 status=0 why=

	shift 3
	"$@" </dev/null >"$T/refused.out" 2>"$T/refused.err" || status=$?
	[[ $status =~ ^($want)$ ]] || why="status $status, not $want"
	[ -s "$T/refused.out" ] && why="$why; wrote on stdout"
	[ "$(wc -l <"$T/refused.err")" -eq 1 ] || why="$why; not one line"
	grep -Eq -e "$pattern" "$T/refused.err" || why="$why; no match for $pattern"
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence (${why#; })" "$T/refused.err"
		return 1
	fi
}

# equal SENTENCE GOT WANTED
equal()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		fail "$1: got '$2', wanted '$3'"
		return 1
	fi
}

# at_most SENTENCE GOT LIMIT
at_most()
{
	if [ "$2" -le "$3" ] 2>/dev/null; then
		ok "$1 ($2, limit $3)"
	else
		fail "$1: $2, limit $3"
		return 1
	fi
}

# at_least SENTENCE GOT LIMIT
at_least()
{
	if [ "$2" -ge "$3" ] 2>/dev/null; then
		ok "$1 ($2, at least $3)"
	else
		fail "$1: $2, wanted at least $3"
		return 1
	fi
}

# ---- waiting ---------------------------------------------------------------

# Milliseconds, for measuring.
now()
{
	echo $((${EPOCHREALTIME/./} / 1000))
}

# wait_until COMMAND [SECONDS]: poll until it succeeds.
wait_until()
{
	local end=$(($(now) + ${2:-10} * TEST_TIME_FACTOR * 1000))

	until eval "$1"; do
		[ "$(now)" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# wait_for FILE PATTERN [SECONDS]: a line comes, or that is a failure.
wait_for()
{
	if ! wait_until "grep -Esq -e '$2' '$1'" "${3:-10}"; then
		fail "'$2' came in time" "$1"
		return 1
	fi
}

# wait_gone PID [SECONDS]: a process ends.
wait_gone()
{
	wait_until "! kill -0 $1 2>/dev/null" "${2:-10}"
}

# ---- processes -------------------------------------------------------------

# Every process that carries the mark of this scenario.  proxyhop lets nobody
# but root see its environment; its arguments name the scenario's directory.
marked()
{
	(
		unset PROXYHOP_TEST
		{
			grep -lzsxF -e "PROXYHOP_TEST=$T" \
			    /proc/[0-9]*/environ
			printf '%s/' "$T" |
			    grep -lzsF -f - /proc/[0-9]*/cmdline
		} | cut -d/ -f3 | sort -u
	)
}

# An askpass that is asked for ever, and that an ended ssh has left to nobody.
end_sleep()
{
	local pid

	for pid in $(marked); do
		tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null |
		    grep -qx 'sleep 600 ' && kill "$pid"
	done
}

# Every proxyhop of this scenario, not those that only started one.
hop_pids()
{
	local pid word

	for pid in $(marked); do
		grep -qzsxF -e "$PROXYHOP" "/proc/$pid/cmdline" || continue
		IFS= read -r -d '' word <"/proc/$pid/cmdline" 2>/dev/null
		case ${word##*/} in
		python3*|setsid|strace|timeout) ;;
		*)	echo "$pid" ;;
		esac
	done
}

# A process and all its descendants.
tree()
{
	local child

	echo "$1"
	for child in $(pgrep -P "$1"); do
		tree "$child"
	done
}

# Processes of this scenario that are not its servers.
strays()
{
	local pid server sessions=

	for server in "${SERVERS[@]}"; do
		sessions="$sessions $(pgrep -P "$server")"
	done
	for pid in $(marked) $sessions; do
		case " ${SERVERS[*]} " in
		*" $pid "*) ;;
		*)	echo "$pid" ;;
		esac
	done
}

# stop NAME: end a server and the sessions it serves, at once.
stop()
{
	local pid

	for pid in $(tree "${PID[$1]}"); do
		kill -KILL "$pid" 2>/dev/null
	done
	wait "${PID[$1]}" 2>/dev/null
}

# drop NAME: end the sessions a server serves, but not the server.
drop()
{
	local pid

	for pid in $(tree "${PID[$1]}"); do
		[ "$pid" = "${PID[$1]}" ] || kill -KILL "$pid" 2>/dev/null
	done
}

# The end of every scenario.
finish()
{
	local status=$? pid left

	trap - EXIT
	trap '' HUP INT TERM PIPE
	exec 0</dev/null 2>/dev/null
	if ! wait_until '[ -z "$(strays)" ]' 5; then
		left=$(strays)
		ps -o pid,ppid,stat,args -p "$(echo $left | tr ' ' ,)" >"$T/strays"
		fail "nothing is left running" "$T/strays"
		for pid in $left; do
			kill -KILL "$pid" 2>/dev/null
		done
	fi
	for pid in "${SERVERS[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${SERVERS[@]}"; do
		if ! wait_gone "$pid" 3; then
			fail "server $pid ends when told"
			kill -KILL "$pid" 2>/dev/null
		fi
		wait "$pid" 2>/dev/null
	done
	if [ "$status" -ne 0 ] && [ "$FAILED" -eq 0 ]; then
		fail "the scenario came to its end (status $status)"
	fi
	if [ -n "${KEEP:-}" ]; then
		echo "	kept $T"
	else
		rm -rf "$T"
	fi
	exit $((FAILED > 0))
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# ---- servers ---------------------------------------------------------------

# new_key FILE [ssh-keygen arguments]
new_key()
{
	local file=$1

	shift
	ssh-keygen -q -t ed25519 -N '' -C "${file##*/}" "$@" -f "$file" </dev/null ||
	    die "ssh-keygen makes $file"
}

# known NAME [FILE]: the line of known_hosts for a server's key.
known()
{
	local type key

	read -r type key _ <"${2:-$T/$1.key}.pub"
	echo "[127.0.0.1]:${PORT[$1]} $type $key"
}

# listens NAME PATTERN: waits until a server that was started says so, or ends.
listens()
{
	wait_until "grep -q '$2' $T/$1.log ||
	    ! kill -0 ${PID[$1]} 2>/dev/null"
	if grep -q "$2" "$T/$1.log"; then
		SERVERS+=("${PID[$1]}")
		return
	fi
	wait "${PID[$1]}"
	return 1
}

# start_sshd NAME [sshd_config lines...]: lines given win over those below.
start_sshd()
{
	local name=$1 log=$T/$1.log try line

	shift
	[ -x "$SSHD" ] || die "there is an sshd ($SSHD)"
	# sshd wants this as root; its own start-up makes it, so it may stay.
	if [ "$(id -u)" -eq 0 ] && [ ! -d /run/sshd ]; then
		mkdir -m 755 /run/sshd
	fi
	[ -f "$T/$name.key" ] || new_key "$T/$name.key"
	for try in 1 2 3 4 5 6 7 8 9; do
		PORT[$name]=$((10000 + RANDOM % 22000))
		{
			for line; do
				echo "$line"
			done
			cat <<-END
			ListenAddress 127.0.0.1
			Port ${PORT[$name]}
			HostKey $T/$name.key
			AuthorizedKeysFile $T/authorized_keys
			PidFile none
			UsePAM no
			StrictModes no
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			PermitRootLogin yes
			MaxStartups 100
			MaxSessions 100
			LogLevel DEBUG1
			PrintMotd no
			SetEnv PROXYHOP_TEST=$T
			Subsystem sftp internal-sftp
			END
		} >"$T/$name.conf"
		: >"$log"
		"$SSHD" -D -e -f "$T/$name.conf" </dev/null >/dev/null 2>>"$log" &
		PID[$name]=$!
		! listens "$name" '^Server listening' || return 0
		grep -q 'Address already in use' "$log" || break
	done
	die "sshd $name starts" "$log"
}

# start_python NAME SCRIPT [arguments]: a server of tests/ that says
# "listening PORT", in place of the last one of that name; its lines go to
# $T/NAME.log.
start_python()
{
	local name=$1 script=$2 log=$T/$1.log

	shift 2
	[ -z "${PID[$name]:-}" ] || stop "$name"
	: >"$log"
	"$PYTHON" "$TESTS/$script" "$@" </dev/null >>"$log" 2>&1 &
	PID[$name]=$!
	SERVERS+=("${PID[$name]}")
	wait_for "$log" '^listening ' || exit 1
	PORT[$name]=$(sed -n 's/^listening //p' "$log")
}

# start_peer NAME [peer.py arguments]
start_peer()
{
	start_python "$1" peer.py "${@:2}"
}

# start_bad SCRIPT [arguments]: a gateway named bad, with the key bad.key, in
# the last one's place; the configuration is for gw1 and bad.
start_bad()
{
	start_python bad "$@" "$T/bad.key"
	write_config gw1 bad
}

# start_agent NAME: an ssh-agent on the socket $T/NAME.
start_agent()
{
	ssh-agent -D -a "$T/$1" </dev/null >"$T/$1.log" 2>&1 &
	PID[$1]=$!
	SERVERS+=("${PID[$1]}")
	# it answers, with keys or without: the socket alone may be too early
	wait_until "SSH_AUTH_SOCK='$T/$1' ssh-add -l; [ \$? -ne 2 ]" \
	    >/dev/null 2>&1 || die "ssh-agent starts" "$T/$1.log"
}

# host_block NAME: how ssh reaches a server.  IDENTITY[NAME] may name a key;
# IdentityFile adds up, so it stands in the block and nowhere else.
host_block()
{
	cat <<-END
	Host $1
		HostName 127.0.0.1
		Port ${PORT[$1]}
		User $ME
		IdentityFile ${IDENTITY[$1]:-$T/id}
	END
}

# write_config NAME...: $CONF and known_hosts for these servers.
write_config()
{
	local name

	for name; do
		host_block "$name"
	done >"$T/ssh_config"
	cat >>"$T/ssh_config" <<-END
	Host *
		IdentitiesOnly yes
		UserKnownHostsFile $T/known_hosts
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		BatchMode yes
		ConnectTimeout 10
	END
	for name; do
		known "$name"
	done >"$T/known_hosts"
	CONF=$T/ssh_config
}

# user_key: the key all servers take.
user_key()
{
	new_key "$T/id"
	cp "$T/id.pub" "$T/authorized_keys"
}

# takes [KEY...]: what the servers take: id, and these.
takes()
{
	local key

	cp "$T/id.pub" "$T/authorized_keys"
	for key; do
		cat "$T/$key.pub" >>"$T/authorized_keys"
	done
}

# gateways [sshd_config lines...]: gw1, gw2, gw3 and target.
gateways()
{
	local name

	user_key
	for name in gw1 gw2 gw3; do
		start_sshd "$name" "$@"
	done
	# At DEBUG1 sshd talks on the command's stderr as well.
	start_sshd target "LogLevel VERBOSE" "$@"
	write_config gw1 gw2 gw3 target
}

# conf LINES...: $CONF becomes these lines before those of the gateways, so
# they win; without lines, the plain file again.
conf()
{
	CONF=$T/ssh_config
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@" | cat - "$T/ssh_config" >"$T/ssh_config.new"
		CONF=$T/ssh_config.new
	fi
}

# forget NAME: empty a server's log.
forget()
{
	: >"$T/$1.log"
}

# ---- proxyhop --------------------------------------------------------------

# hop_exec ARGUMENTS: become a proxyhop without a terminal; only with &.
# (The shell starts such a command with SIGINT ignored.)
hop_exec()
{
	exec env --default-signal=HUP,INT,QUIT,TERM \
	    setsid $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" "$@"
}

# bare ARGUMENTS: run proxyhop without a terminal, and without -F.
bare()
{
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w \
	    ${PEAKS:+"$PYTHON" "$TESTS/peak.py" "$PEAKS"} \
	    $PROXYHOP_WRAP "$PROXYHOP" "$@"
}

# little_memory RUNS: PEAKS=$T/peaks was set, and none of so many runs at least has
# taken more than a stranger may cost.
little_memory()
{
	at_least "runs whose memory was measured" "$(wc -l <"$PEAKS")" "$1"
	at_most "the most memory of them: kB" "$(sort -n "$PEAKS" | tail -n 1)" \
	    $((32768 * TEST_MEM_FACTOR))
}

# hop ARGUMENTS: the same with our ssh_config.
hop()
{
	bare -F "$CONF" "$@"
}

# hop_cmd HOPS: the ProxyCommand.
hop_cmd()
{
	echo "$PROXYHOP_WRAP $PROXYHOP -F $CONF -J $1 %h %p"
}

# via HOPS COMMAND...: a real ssh to target through gateways.
via()
{
	local hops=$1

	shift
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -o ProxyCommand="$(hop_cmd "$hops")" target "$@"
}

# ssh_in HOPS: does ssh get in with $CONF at the last of them, through the others?
ssh_in()
{
	local last=${1##*,} through=()

	[ "$last" = "$1" ] || through=(-J "${1%,*}")
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    "${through[@]}" "$last" true </dev/null >"$T/ssh.out" 2>&1
}

# carries SENTENCE HOP-ARGUMENTS: a line goes to the peer "echo" and comes back;
# nothing is said but what matches $may_say.
carries()
{
	local sentence=$1 status=0

	shift
	echo there and back |
	    hop "$@" 127.0.0.1 "${PORT[echo]}" >"$T/carries.out" 2>"$T/carries.err" ||
	    status=$?
	if [ "$status" -eq 0 ] &&
	    ! grep -Evq "${may_say:-^$}" "$T/carries.err" &&
	    [ "$(cat "$T/carries.out")" = "there and back" ]; then
		ok "$sentence"
	else
		fail "$sentence (status $status)" "$T/carries.out" "$T/carries.err"
		return 1
	fi
}

# drive OPTIONS -- ARGUMENTS: proxyhop with drive.py at its pipes; what it
# measured is read with field.
drive()
{
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	"$PYTHON" "$TESTS/drive.py" "${options[@]}" -- \
	    $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" "$@" </dev/null
}

# field NAME FILE: the last NAME=value in a file.
field()
{
	grep -Eo "(^| )$1=[^ ]*" "$2" | tail -n 1 | cut -d= -f2
}

# moves SENTENCE ARGUMENTS: two megabytes to the echo and back, with an end of
# file behind them.
moves()
{
	local sentence=$1

	shift
	drive --send 2000000 --deadline $((60 * TEST_TIME_FACTOR)) -- "$@" \
	    127.0.0.1 "${PORT[echo]}" >"$T/drive" 2>"$T/err"
	equal "$sentence: status" "$(field status "$T/drive")" 0
	equal "$sentence: bytes back" "$(field got "$T/drive")" 2000000
	equal "$sentence: the same bytes" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/drive")"
	equal "$sentence: no word" "$(cat "$T/err")" ""
}

# memory KEY PID: in kB, as a line of /proc/PID/status has it.
memory()
{
	awk -v key="$1:" '$1 == key { print $2 }' "/proc/$2/status"
}

# screen COLUMNS ARGUMENTS...: proxyhop on a terminal of that width, which shows
# $T/screen.  script types what it reads from descriptor 8, and a ^D at the end
# of that; mode is one of stty's.
screen()
{
	local width=$1 command

	shift
	if [ ! -p "$T/typed" ]; then
		mkfifo "$T/typed"
		exec 8<>"$T/typed"
	fi
	printf -v command '%q ' $PROXYHOP_WRAP "$PROXYHOP" -r none \
	    -F "$CONF" "$@"
	timeout $((20 * TEST_TIME_FACTOR)) script -qec \
	    "stty cols $width ${mode:-}; exec $command" /dev/null \
	    <&8 >"$T/screen" 2>&1
}

# widest: the longest line there, without what was taken away again.
widest()
{
	sed "s/.*\r$(printf '\033')\[K//" "$T/screen" | tr -d '\r' | awk '{ if (length > n) n = length }
	    END { print n + 0 }'
}

# settled PID: its memory does not grow over 300 ms.
settled()
{
	local before

	before=$(memory VmRSS "$1")
	sleep 0.3
	[ "$(memory VmRSS "$1")" = "$before" ]
}

[ -x "$PROXYHOP" ] || die "there is a program ($PROXYHOP)"
