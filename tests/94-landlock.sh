#!/usr/bin/env bash
# Goal: once it carries, proxyhop can open no file, run no program and make no
# connection any more, however its chain has come to be; all it still has to do
# it does, the last message too; and without Landlock nothing is missed.

. "$(dirname "$0")/harness.sh"

on_linux "Landlock"
abi=$("$PYTHON" - <<'END'
import ctypes
# landlock_create_ruleset(2): which version?  The number is that of most systems.
print(ctypes.CDLL(None).syscall(444, None, 0, 1))
END
)
[ "$abi" -ge 1 ] || skip "the kernel has no Landlock"
${CC:-cc} -shared -fPIC -o "$T/probe.so" "$TESTS/probe.c" -ldl \
    >"$T/cc.log" 2>&1 || die "probe.c compiles" "$T/cc.log"

gateways
start_peer echo echo
start_peer silent silent
start_peer duplex duplex 3000000
"$PYTHON" -c '
import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\0" + sys.argv[1])
s.listen(64)
print("listening", flush=True)
signal.pause()' "$T" >"$T/abstract.log" &
SERVERS+=($!)
export PROBE_FILE=$T/probed PROBE_PORT=${PORT[echo]} PROBE_NAME=$T PROBE_PID=$!
wait_for "$T/abstract.log" '^listening'
wrap="env LD_PRELOAD=$T/probe.so ASAN_OPTIONS=verify_asan_link_order=0 $PROXYHOP_WRAP"
to=(127.0.0.1 "${PORT[echo]}")

free="truncate=0 unlink=0 write=0 read=0 list=0 exec=0 tcp=0 abstract=0 signal=0"

# confined ABI [SIGNAL]: what is left then: EACCES is 13, EPERM 1.  A sanitizer
# has to read at the end.
confined()
{
	local reads=13 cut=0 tcp=0 scopes=0

	! sanitized || reads=0
	[ "$1" -lt 3 ] || cut=13
	[ "$1" -lt 4 ] || tcp=13
	[ "$1" -lt 6 ] || scopes=1
	echo "truncate=$cut unlink=13 write=13 read=$reads list=$reads exec=13" \
	    "tcp=$tcp abstract=$scopes signal=${2:-$scopes}"
}

# privileges PID: may it gain any by running something?
privileges()
{
	memory NoNewPrivs "$1"
}

# probed SENTENCE WANT [FILE]: what the process pid can do now; it writes to FILE.
probed()
{
	local file=${3:-$T/err} n

	: >>"$PROBE_FILE"
	n=$(grep -c '^probe ' "$file")
	kill -USR2 "$pid"
	wait_until "[ \$(grep -c '^probe ' '$file') -gt $n ]" ||
	    fail "$1: it answers" "$file"
	equal "$1" "$(sed -n 's/^probe //p' "$file" | tail -n 1)" "$2"
}

# start ARGUMENTS: a proxyhop, pid, in the background, with descriptor 7 as its
# stdin, and $T/out and $T/err.
start()
{
	rm -f "$T/in"
	mkfifo "$T/in"
	: >"$T/out"
	: >"$T/err"
	PROXYHOP_WRAP=$wrap hop_exec "$@" <"$T/in" >"$T/out" 2>"$T/err" &
	pid=$!
	exec 7>"$T/in"
}

# carrying ARGUMENTS: the same, and a line has come back.
carrying()
{
	start "$@"
	echo there >&7
	wait_for "$T/out" '^there$' || die "it carries: $*" "$T/err"
}

# ended SENTENCE STATUS: pid does so, and has said nothing but what was probed
# and what matches $may_say.
ended()
{
	local status=0

	exec 7>&-
	wait_gone "$pid" || fail "$1: it ends"
	wait "$pid" || status=$?
	equal "$1: status" "$status" "$2"
	equal "$1: no word" \
	    "$(grep -Ev "^probe |${may_say:-^$}" "$T/err")" ""
}

# all SENTENCE WANT ARGUMENTS: from the first byte to the end of file.
all()
{
	local sentence=$1 want=$2

	shift 2
	carrying "$@"
	probed "$sentence" "$want"
	echo and back >&7
	wait_for "$T/out" '^and back$'
	ended "$sentence" 0
}

# ---- however the chain has come to be ------------------------------------------

before()
{
	start -J gw1,gw2 -o gw1:Port="${PORT[silent]}" "${to[@]}"
	wait_for "$T/silent.log" '^accepted'
	probed "before: all can be done" "$free"
	equal "before: NoNewPrivs" "$(privileges "$pid")" 0
	kill -TERM "$pid"
	ended "before: SIGTERM" 143
	start -J gw1 127.0.0.1 "${PORT[silent]}"
	wait_until "[ \$(grep -c ^accepted '$T/silent.log') -eq 2 ]"
	wait_until "[ \$(privileges $pid) = 1 ]"
	probed "carrying, and no byte has come" "$(confined "$abi")"
	kill -TERM "$pid"
	ended "carrying: SIGTERM" 143
}

chains()
{
	mkfifo "$T/fifo"
	all "two gateways" "$(confined "$abi")" -J gw1,gw2 "${to[@]}"
	all "no gateway" "$(confined "$abi")" -J none "${to[@]}"
	all "the first of two routes" "$(confined "$abi")" \
	    -J 'gw1|gw2,gw3' "${to[@]}"
	all "the second" "$(confined "$abi")" \
	    -J 'gw1|gw2' -o gw1:Port=1 "${to[@]}"
	all "a ForwardCommand" "$(confined "$abi")" -J gw1,gw2 \
	    -o "gw1:ForwardCommand=nc -N %h %p" "${to[@]}"
	# it has to be ended
	all "a ProxyCommand" "$(confined "$abi" 0)" -J gw1,gw2 \
	    -o "1:ProxyCommand=nc -N %h %p" "${to[@]}"
	all "a ProxyCommand that does not want to end" "$(confined "$abi" 0)" \
	    -J gw1 -o "1:ProxyCommand=sh -c 'trap : HUP; nc %h %p; read x <>$T/fifo'" \
	    "${to[@]}"
	all "the same, with ProxyUseFdpass" "$(confined "$abi" 0)" -J gw1 \
	    -o 1:ProxyUseFdpass=yes -o "1:ProxyCommand=sh -c 'trap : HUP; \
$PROXYHOP -f -J none %h %p; read x <>$T/fifo'" "${to[@]}"
}

shared()
{
	conf "ControlPath $T/cm"
	ssh -F "$CONF" -MNf gw1 </dev/null >"$T/master" 2>&1 ||
	    die "a master" "$T/master"
	all "a shared connection" "$(confined "$abi")" -J gw1 "${to[@]}"
	all "behind a shared connection" "$(confined "$abi")" \
	    -J gw1,gw2 "${to[@]}"
	check "a shared connection: it is still shared" \
	    ssh -F "$CONF" -O check gw1
	carrying -J gw1 "${to[@]}"
	ssh -F "$CONF" -O exit gw1 >"$T/master" 2>&1
	wait_gone "$pid"
	may_say='^proxyhop: gw1 \(hop 1 of 1, .*: the shared connection of gw1 has ended' \
	    ended "a shared connection: it has gone" 2
	equal "a shared connection: that is said" \
	    "$(grep -c '^proxyhop: ' "$T/err")" 1
	conf
}

# A real ssh that has the descriptor; the proxyhop that carries is no child of it.
passed()
{
	local client

	rm -f "$T/in"
	mkfifo "$T/in"
	ssh -F "$CONF" -o ProxyUseFdpass=yes -o ProxyCommand="$wrap $PROXYHOP \
-f -F $CONF -J gw1,gw2 %h %p" target 'echo up; cat' <"$T/in" >"$T/out" \
	    2>"$T/err" &
	client=$!
	exec 7>"$T/in"
	wait_for "$T/out" '^up$' || die "a session" "$T/err"
	pid=$(hop_pids)
	probed "-f" "$(confined "$abi")"
	equal "-f: NoNewPrivs, of ssh and of ours" \
	    "$(privileges "$client") $(privileges "$pid")" "0 1"
	drop gw2
	check "-f: a gateway killed: ssh ends" wait_gone "$client"
	check "-f: a gateway killed: ours ends" wait_gone "$pid"
	wait "$client"
	exec 7>&-
	equal "-f: the line from the background" "$(grep -Ec \
	    '^proxyhop: gw2 \(hop 2 of 2, .*\): carry: connection lost' \
	    "$T/err")" 1
}

# ---- what it still has to do ---------------------------------------------------

# rekeyed NAME: how often, in all of its connections.
rekeyed()
{
	grep -c '^debug1: SSH2_MSG_KEXINIT received' "$T/$1.log"
}

bytes()
{
	forget gw1
	forget gw2
	PROXYHOP_WRAP=$wrap moves "new keys on the way" -J gw1,gw2 \
	    -o RekeyLimit=200K -o ServerAliveInterval=1
	at_least "new keys on the way: hop 1" "$(rekeyed gw1)" 5
	at_least "new keys on the way: hop 2" "$(rekeyed gw2)" 5
	PROXYHOP_WRAP=$wrap drive --send 3000000 --deadline \
	    $((60 * TEST_TIME_FACTOR)) -- -J gw1,gw2 -o RekeyLimit=500K \
	    127.0.0.1 "${PORT[duplex]}" >"$T/drive" 2>"$T/err"
	equal "both ways: status" "$(field status "$T/drive")" 0
	equal "both ways: down" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/duplex.log")"
	equal "both ways: up" "$(field sent_sha "$T/drive")" \
	    "$(field got_sha "$T/duplex.log")"
}

said='^proxyhop: bad \(hop 1 of 1, .*\): carry: connection lost: it says "Adi'

# leaves VARIABLES ARGUMENTS: the gateway says goodbye while it carries.
leaves()
{
	local wrap="env $1 $wrap"

	shift
	rm -f "$T/go"
	carrying -J bad "$@" "${to[@]}"
	: >"$T/go"
	wait_gone "$pid"
}

messages()
{
	local file line

	leaves ""
	may_say=$said ended "a goodbye" 2
	check "a goodbye: to stderr" grep -Eq "$said" "$T/err"
	leaves "" -E "$T/log"
	ended "a goodbye, -E" 2
	check "a goodbye: to -E's file" grep -Eq "$said" "$T/log"
	# libc leaks LOCPATH
	if ! sanitized && mkdir "$T/locale" && localedef -i zh_CN -f GBK \
	    "$T/locale/zh_CN.GBK" >"$T/localedef" 2>&1; then
		leaves "LOCPATH=$T/locale LC_ALL=zh_CN.GBK"
		may_say=$said ended "a goodbye, GBK" 2
		check "a goodbye: in the characters of a table" \
		    grep -aq $'"Adi\303\263s"' "$T/err"
	fi
	leaves LC_ALL=C.UTF-8
	may_say=$said ended "a goodbye, UTF-8" 2
	check "a goodbye: in UTF-8" grep -q $'"Adi\303\263s"' "$T/err"
	carrying -J gw1 -o "1:ProxyCommand=nc %h %p" "${to[@]}"
	kill -KILL "$(pgrep -P "$pid")"
	wait_gone "$pid"
	line='^proxyhop: gw1 .*: its ProxyCommand \(nc 127.* was ended by signal 9'
	may_say=$line ended "the ProxyCommand is killed" 2
	check "the ProxyCommand is killed: it is said" grep -Eq "$line" "$T/err"

	# as ssh leaves it with ControlPersist
	rm -f "$T/go" "$T/in"
	mkfifo "$T/in"
	: >"$T/out"
	printf -v line '%q ' $wrap "$PROXYHOP" -F "$CONF" -J bad "${to[@]}"
	timeout $((30 * TEST_TIME_FACTOR)) script -qec \
	    "exec $line <$T/in >$T/out 2>/dev/null" /dev/null \
	    </dev/null >"$T/screen" 2>&1 &
	exec 7>"$T/in"
	echo there >&7
	wait_for "$T/out" '^there$'
	: >"$T/go"
	wait $!
	exec 7>&-
	check "a goodbye: to the terminal" grep -Eq "$said" "$T/screen"
}

# ---- other kernels -------------------------------------------------------------

versions()
{
	local version

	export PROBE_ABI
	PROBE_ABI=0
	all "no Landlock" "$free" -J gw1,gw2 "${to[@]}"
	PROBE_ABI=99
	all "one that is not that of the kernel" "$free" -J gw1 "${to[@]}"
	for version in 1 2 3 4 5 6; do
		[ "$version" -lt "$abi" ] || break
		PROBE_ABI=$version
		all "version $version of it" "$(confined $version)" \
		    -J gw1 "${to[@]}"
	done
	unset PROBE_ABI
}

before
chains
shared
passed
bytes
versions
if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	new_key "$T/bad.key"
	start_bad breach.py farewell --go "$T/go"
	messages
fi
