#!/usr/bin/env bash
# Goal: a hop has the time that ssh gives it: no limit where ssh has none, and a
# command that connects has the time it needs, until it ends.

. "$(dirname "$0")/harness.sh"

user_key
start_peer echo echo
start_peer silent silent
start_sshd gw1
start_sshd gw2
write_config gw1 gw2
sed -i '/ConnectTimeout/d' "$T/ssh_config"

# value NUMBER KEYWORD ARGUMENTS...: a setting of a hop, as -G has it.
value()
{
	local number=$1 keyword=$2

	shift 2
	hop "$@" -G 127.0.0.1 22 2>&1 |
	    awk -v n="$number" -v k="$keyword" '$1 == "hop" { hop = $2 }
	    hop == n && $1 == k { print $2 }'
}

# ---- a server that takes longer than anybody set it to

# Each waits for 17 seconds, all at once; what came of it is looked at last.
LATE=17
declare -A WAITS=()
for mode in banner kex open; do
	name=late$mode
	if [ $mode = open ]; then
		"$PYTHON" -c 'import paramiko' 2>/dev/null || continue
		new_key "$T/$name.key"
	else
		cp "$T/gw1.key" "$T/$name.key"
		cp "$T/gw1.key.pub" "$T/$name.key.pub"
	fi
	start_python $name late.py $mode $LATE "${PORT[gw1]}" "$T/$name.key"
	names="${names:-gw1 gw2} $name"
done
write_config $names
sed -i '/ConnectTimeout/d' "$T/ssh_config"
sed "s|$T/known_hosts|$T/late_hosts|" "$T/ssh_config" >"$T/late_config"
cp "$T/known_hosts" "$T/late_hosts"

echo "there and back" >"$T/line"
# waits NAME COMMAND...: a line is to go there and back through it, some time.
waits()
{
	local name=$1

	shift
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "$@" <"$T/line" \
	    >"$T/$name.wait.out" 2>"$T/$name.wait.err" &
	WAITS[$name]=$!
}
# both NAME OPTIONS...: through ssh and through us.
both()
{
	local name=$1

	shift
	waits "$name${1:+, $1}, ssh" ssh -F "$T/late_config" "$@" \
	    -W "127.0.0.1:${PORT[echo]}" "$name"
	waits "$name${1:+, $1}" $PROXYHOP_WRAP "$PROXYHOP" -F "$T/late_config" \
	    "$@" -J "$name" 127.0.0.1 "${PORT[echo]}"
}
for name in $names; do
	case $name in
	gw?)	continue ;;
	latebanner) ;;
	*)	both $name -oConnectTimeout=5 ;;
	esac
	both $name
	waits "$name, hop 2" $PROXYHOP_WRAP "$PROXYHOP" -F "$T/late_config" \
	    -J "gw2,$name" 127.0.0.1 "${PORT[echo]}"
done

# ---- the time for connecting

equal "nobody has set it: no limit, as ssh -G says" \
    "$(value 1 connecttimeout -J gw1)" 0
conf "Host gw1" "ConnectTimeout 7"
equal "somebody has" "$(value 1 connecttimeout -J gw1,gw2)" 7
equal "for that hop alone" "$(value 2 connecttimeout -J gw1,gw2)" 0
conf "Host gw1" "ConnectTimeout 0"
equal "0 is no limit" "$(value 1 connecttimeout -J gw1)" 0
carries "without a limit" -J gw1,gw2 -o ConnectTimeout=0
conf
equal "none is none" "$(value 1 connecttimeout -J gw1 -o gw1:ConnectTimeout=none)" 0
[ -n "$PROXYHOP_WRAP" ] || check "none where there is no ssh" grep -q \
    '^connecttimeout 0$' <(env -i PATH=/nonexistent "$PROXYHOP" -r none -F none \
    -J gw1 -o ConnectTimeout=none -G 127.0.0.1 22)
late="ProxyCommand=sh -c 'sleep 2; exec nc %h %p'"
equal "a ProxyCommand has none" \
    "$(value 1 connecttimeout -J gw1,gw2 -o "1:$late")" 0
equal "it has if somebody has set one" "$(value 1 connecttimeout -J gw1,gw2 \
    -o "1:$late" -o ConnectTimeout=3)" 3
equal "a ForwardCommand has none either" "$(value 2 connecttimeout -J gw1,gw2 \
    -o "1:ForwardCommand=nc %h %p")" 0
carries "a ProxyCommand that takes two seconds" -J gw1,gw2 -o "1:$late"
check "ssh gets in as well" ssh -F "$CONF" -o "$late" gw1 true
refused "ConnectTimeout ends it: the line names it" 2 \
    "^proxyhop: gw1 \(hop 1 .*: no answer within 1 seconds through its ProxyCommand \(sh -c 'sleep 2; exec nc 127.0.0.1 ${PORT[gw1]}'\); try that command by hand, or raise ConnectTimeout$" \
    hop -J gw1,gw2 -o "1:$late" -o ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"
check "ssh does not get in either" bash -c '! "$@"' - ssh -F "$CONF" \
    -o "$late" -o ConnectTimeout=1 gw1 true
refused "the same of a ForwardCommand" 2 \
    "^proxyhop: gw2 \(hop 2 .*: no answer within 1 seconds through the ForwardCommand of gw1 \(sleep 2; nc " \
    hop -J gw1,gw2 -o '1:ForwardCommand=sleep 2; nc %h %p' \
    -o 2:ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"
refused "a banner later than ConnectTimeout" 2 \
    "^proxyhop: latebanner \(hop 1 .*: banner: no answer within 1 seconds; check 127.0.0.1, or raise ConnectTimeout$" \
    hop -J latebanner -o ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"
check "ssh does not get in there" bash -c '! "$@"' - ssh -F "$CONF" \
    -o ConnectTimeout=1 latebanner true
refused "a key exchange later than LoginTimeout" 2 \
    "^proxyhop: latekex \(hop 1 .*: kex: no answer within 1 seconds; check the log of sshd there, or raise LoginTimeout" \
    hop -J latekex -o LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
refused "a banner, where nobody has set anything but LoginTimeout" 2 \
    "^proxyhop: latebanner \(hop 2 .*: banner: no answer within 1 seconds; check" \
    hop -J gw1,latebanner -o 2:LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
start=$(now)
refused "a command that ends has ended" 2 'its ProxyCommand \(false\) ended' \
    hop -J gw1 -o 1:ProxyCommand=false 127.0.0.1 "${PORT[echo]}"
at_most "ms until then" $(($(now) - start)) $((4000 * TEST_TIME_FACTOR))

# ---- the time for a login

equal "LoginTimeout, as used" "$(value 1 logintimeout -J gw1)" 180
equal "LoginTimeout of one hop" \
    "$(value 2 logintimeout -J gw1,gw2 -o gw2:LoginTimeout=7)" 7
equal "LoginTimeout none" "$(value 1 logintimeout -J gw1 -o LoginTimeout=none)" 0
carries "without a limit for the login" -J gw1,gw2 -o LoginTimeout=0

# ---- lines before the banner

# door LINES LENGTH: a server that says so many lines of that many bytes, a few
# at a time, and then is gw1.
door()
{
	start_python door door.py lines "$1" "$2" "${PORT[gw1]}"
	cp "$T/gw1.key.pub" "$T/door.key.pub"
	write_config gw1 gw2 door
}

# with_ssh SENTENCE: ssh gets in there as well; without_ssh: it does not.
with_ssh()
{
	check "ssh: $1" ssh -F "$CONF" door true
}
without_ssh()
{
	check "ssh: $1" bash -c '! "$@"' - ssh -F "$CONF" door true
}

for sizes in "1 300" "1023 20" "3 8192" "3 0"; do
	door $sizes
	what="lines before the banner, their bytes: $sizes"
	carries "$what" -J door
	carries "$what, hop 2" -J gw2,door
	carries "$what, ProxyCommand" -J door -o "1:ProxyCommand=nc %h %p"
	carries "$what, ForwardCommand" -J gw2,door \
	    -o "1:ForwardCommand=nc %h %p"
	with_ssh "$what"
done
door 1023 8192		# ssh reads each byte by itself: not tried
carries "all that may come before the banner" -J gw2,door
door 1024 20
refused "a line too many" 1 '^proxyhop: door \(hop 1 .*: banner: it sends what is no SSH banner: 1024 lines, it says "line 0 .*"; is port [0-9]* that of an SSH server\?$' \
    hop -J door 127.0.0.1 "${PORT[echo]}"
without_ssh "a line too many"
door 1 8193
refused "a line too long, hop 2" 1 '^proxyhop: door \(hop 2 .*: banner: it sends what is no SSH banner: a line of more than 8192 bytes, it says "line 0 .*"; is port' \
    hop -J gw2,door 127.0.0.1 "${PORT[echo]}"
without_ssh "a line too long"
door 100000 80
refused "lines without end" 1 '1024 lines' \
    hop -J gw2,door 127.0.0.1 "${PORT[echo]}"

# ---- keepalives

declare -A IDLE=() IN=()

# gate NAME [OPTIONS] MODE: a gateway that answers keepalives so.
gate()
{
	local name=$1

	shift
	new_key "$T/$name.key"
	start_python "$name" alive.py "$@" "$T/$name.key"
}

# idle NAME COMMAND...: a session of that command; a line goes there and back.
idle()
{
	local name=$1 fd

	shift
	mkfifo "$T/$name.in"
	(
		for fd in "${IN[@]}"; do
			exec {fd}>&-
		done
		exec setsid "$@" <"$T/$name.in" >"$T/$name.out" 2>"$T/$name.err"
	) &
	IDLE[$name]=$!
	exec {IN[$name]}>"$T/$name.in"
	echo first >&"${IN[$name]}"
	wait_for "$T/$name.out" '^first$' || fail "$name begins" "$T/$name.err"
}

# alive NAME SENTENCE, ended NAME SENTENCE: is the session so?  It is over then.
alive()
{
	(echo second >&"${IN[$1]}") 2>/dev/null
	if wait_until "grep -q '^second$' $T/$1.out" 5 &&
	    [ ! -s "$T/$1.err" ]; then
		ok "$2"
	else
		fail "$2" "$T/$1.err"
	fi
	exec {IN[$1]}>&-
	wait "${IDLE[$1]}"
}
ended()
{
	check "$2" wait_gone "${IDLE[$1]}"
	exec {IN[$1]}>&-
	if wait "${IDLE[$1]}"; then
		fail "$2: status 0"
	fi
}

# a_hop NAME HOPS OPTIONS...: an idle session, with the clock of $clock.
a_hop()
{
	local name=$1 hops=$2

	shift 2
	idle "$name" $clock $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J "$hops" \
	    "$@" -o ConnectTimeout=0 -o LoginTimeout=0 127.0.0.1 "${PORT[echo]}"
}

if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	gate ignores ignore
	gate once unimplemented
	write_config gw1 gw2 ignores once
	# with BatchMode yes Debian's ssh has a default of 300
	conf "BatchMode no"
	interval=$((TEST_TIME_FACTOR > 1 ? 2 : 1))
	alive=(-o "ServerAliveInterval=$interval" -o ServerAliveCountMax=2)
	clock=
	start=$(now)
	a_hop ours once "${alive[@]}"
	a_hop theirs ignores "${alive[@]}"
	idle ssh_once ssh -F "$CONF" "${alive[@]}" \
	    -W "127.0.0.1:${PORT[echo]}" once
	idle ssh_ignores ssh -F "$CONF" "${alive[@]}" \
	    -W "127.0.0.1:${PORT[echo]}" ignores
	ended theirs "set: a hop that does not answer has gone"
	check "set: the line says so" grep -q \
	    '^proxyhop: ignores .*: carry: nothing heard for .*keepalives' \
	    "$T/theirs.err"
	ended ssh_ignores "set: so it has for ssh"
	# one interval for the answer, two without one, and the next
	wait_until "[ \$((\$(now) - $start)) -gt $((6000 * interval)) ]"
	alive ours "set: one that answers SSH_MSG_UNIMPLEMENTED has not"
	alive ssh_once "set: nor for ssh"
fi

# Nobody has set anything: a quarter of an hour, on a clock that runs faster.
if [ -n "${PID[once]:-}" ] && [ -z "$PROXYHOP_WRAP" ] &&
    command -v faketime >/dev/null && faketime -f '+0 x200' "$PROXYHOP" -V \
    >/dev/null 2>&1; then
	printf '#!/bin/sh\nexec faketime -f "+0 x200" "$@"\n' >"$T/clock"
	chmod +x "$T/clock"
	clock=$T/clock
	a_hop frozen gw1
	session=$(tree "${PID[gw1]}" | sed 1d)
	kill -STOP $session
	start=$(now)
	a_hop one ignores
	a_hop two once
	wait_until "[ \$((\$(now) - $start)) -gt 1500 ]"
	kill -CONT $session
	alive frozen "five minutes without a network"
	alive one "one that never answers has not"
	alive two "nor one that answers SSH_MSG_UNIMPLEMENTED"
fi

# ---- what has become of those that wait

for name in "${!WAITS[@]}"; do
	wait_until "[ -s '$T/$name.wait.out' ] ||
	    ! kill -0 ${WAITS[$name]} 2>/dev/null" 40
	equal "$name: in after $LATE seconds" "$(cat "$T/$name.wait.out")" \
	    "there and back" || fail "$name" "$T/$name.wait.err"
	kill "${WAITS[$name]}" 2>/dev/null
	wait "${WAITS[$name]}" 2>/dev/null
done
