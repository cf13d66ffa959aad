#!/usr/bin/env bash
# Goal: the first hop's ProxyCommand is run as ssh runs it, whatever it is, and
# the chain begins there; when it dies early, that hop is named, with how it
# ended; it never outlives us.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel VERBOSE"
start_sshd closed "AllowTcpForwarding no"
write_config gw1 gw2 gw3 target closed
start_peer echo echo
start_peer bound bound
start_peer silent silent

# A filter that says where it is asked to go, and goes there.
cat >"$T/filter" <<END
#!/bin/sh
echo "\$\$ \$*" >>$T/filter.log
exec nc -N "\$1" "\$2"
END

# One that does not end with its connection, and one that does not even mind
# being hung up.
cat >"$T/stayer" <<END
#!/bin/sh
echo "\$\$ \$*" >>$T/filter.log
nc -N "\$1" "\$2"
exec sleep 1000
END
sed "2i trap '' HUP TERM" "$T/stayer" >"$T/stubborn"

# One that says no.
cat >"$T/refuser" <<END
#!/bin/sh
echo "\$\$ \$*" >>$T/filter.log
echo "filter: \$1 is not for you" >&2
exit 3
END
chmod +x "$T/filter" "$T/stayer" "$T/stubborn" "$T/refuser"

# pid_gone PID: it has ended, whether anybody has seen it or not.
pid_gone()
{
	wait_until "! grep -sq '^State:[[:blank:]]*[^ZX[:blank:]]' /proc/$1/status" 5
}

# dies SENTENCE STATUS PATTERN WORDS ARGUMENTS: no chain; our one line matches
# PATTERN, and what the command has said matches WORDS.
dies()
{
	local sentence=$1 want=$2 pattern=$3 words=$4 status=0 why=

	shift 4
	hop "$@" 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err" ||
	    status=$?
	[[ $status =~ ^($want)$ ]] || why="status $status"
	[ ! -s "$T/out" ] || why="$why; wrote on stdout"
	[ "$(grep -c '^proxyhop: ' "$T/err")" -eq 1 ] ||
	    why="$why; not one line"
	grep -Eq "^proxyhop: $pattern" "$T/err" ||
	    why="$why; no match for $pattern"
	[ -z "$words" ] ||
	    grep -v '^proxyhop: ' "$T/err" | grep -Eq "$words" ||
	    why="$why; no match for $words"
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence (${why#; })" "$T/err"
	fi
}

# ---- who may say it ----------------------------------------------------------

# asked SENTENCE HOST PORT: the filter was, for this, and once.
asked()
{
	equal "$1: the command was run, once" \
	    "$(cut -d' ' -f2- "$T/filter.log" 2>&1)" "$2 $3"
}

# filtered SENTENCE ARGUMENTS: the chain carries, and begins at the filter.
filtered()
{
	local sentence=$1

	shift
	rm -f "$T/filter.log"
	carries "$sentence" "$@"
	asked "$sentence" 127.0.0.1 "${PORT[gw1]}"
}

sources()
{
	local way="ProxyCommand $T/filter %h %p"

	conf "Host gw1" "$way"
	filtered "in ssh's configuration" -J gw1,gw2
	rm -f "$T/filter.log"
	carries "-o gw1:ProxyCommand=none wins" -J gw1,gw2 \
	    -o gw1:ProxyCommand=none
	hop -G -J gw1,gw2 127.0.0.1 22 >"$T/out"
	check "-G shows it" grep -qx "proxycommand $T/filter %h %p" "$T/out"
	check "and neither runs it" test ! -e "$T/filter.log"
	conf
	filtered "-o by number" -J gw1,gw2 -o "1:$way"
	filtered "-o by name" -J gw1,gw2 -o "gw1:$way"
	filtered "-o for all, with one hop" -J gw1 -o "$way"
	printf '%s\n' "* -o \"gw1:$way\"" >"$T/routes"
	filtered "in the own file" -J gw1,gw2 -r "$T/routes"
	filtered "without ssh's configuration" -F none -r none \
	    -J "$ME@gw1:${PORT[gw1]}" -o HostName=127.0.0.1 -o "$way" \
	    -i "$T/id" -o "UserKnownHostsFile=$T/known_hosts"
	rm -f "$T/filter.log"
	refused "a later hop has its gateway already" 1 \
	    '^proxyhop: gw2: both a ProxyCommand .* and a jump host' \
	    hop -J gw1,gw2 -o "2:$way" 127.0.0.1 22
	check "and nothing is run" test ! -e "$T/filter.log"
	carries "-J none is straight" -J none -o "$way"
	check "and nothing is run there either" test ! -e "$T/filter.log"
}

# No resolver is asked for this name: its label is too long.
unresolved()
{
	local name

	name=$(printf '%064d' 0 | tr 0 x).invalid
	rm -f "$T/filter.log"
	carries "a name that only the command knows" -J gw1,gw2 \
	    -o "1:HostName=$name" -o CheckHostIP=yes \
	    -o "1:HostKeyAlias=[127.0.0.1]:${PORT[gw1]}" \
	    -o "1:ProxyCommand=sh -c 'test %h = $name && exec $T/filter 127.0.0.1 %p'"
	dies "the same without the command" 2 'gw1 \(hop 1 of 1, .*\): resolve' \
	    "" -J gw1 -o "1:HostName=$name"
}

# ---- as ssh runs it ----------------------------------------------------------

# What a command can see of how it is run.  (PROXYHOP is ours, on purpose.)  It
# fails, so that it is not run again.
recorder()
{
	cat >"$T/record" <<-END
	#!/bin/sh
	{
		printf '<%s>' "\$@"
		echo
		pwd
		umask
		# its three streams, and this script
		ls "/proc/\$\$/fd"
		grep -E '^Sig(Blk|Ign)' /proc/self/status
		env | grep -Ev '^(_|PWD|OLDPWD|SHLVL|PROXYHOP)=' | sort
		# it has taken the place of the shell
		ps -o comm= -p "\$PPID" | sed 's/^${PROXYHOP##*/}\$/ssh/'
	} >>$T/record.new 2>&1
	exit 3
	END
	# a shell that tells how it is called
	cat >"$T/shell" <<-END
	#!/bin/sh
	printf '{%s}' "\$@" >>$T/record.new
	exec /bin/sh "\$@"
	END
	chmod +x "$T/record" "$T/shell"
	# bash reads this if its stdin looks like a network, which ssh's does not
	echo "echo start-up file >>$T/record.new" >"$T/.bashrc"
}

# recorded COMMAND...: what the recorder has written while this ran.  With
# SHLVL, bash would not take itself for the first shell.  Descriptor 9 is not
# meant for a ProxyCommand.
recorded()
{
	rm -f "$T/record.new"
	timeout $((20 * TEST_TIME_FACTOR)) env -u SHLVL "$@" </dev/null \
	    >"$T/out" 2>"$T/err" 9>/dev/null
	cat "$T/record.new" 2>/dev/null
}

# as_ssh SHELL COMMAND [lines]: both run it alike; SHELL may be "-", not set.
as_ssh()
{
	local name=$1 command=$2 shell=("SHELL=$1") want got

	[ "$name" != - ] || shell=(-u SHELL)
	shift 2
	conf "Host gw1" "ProxyCommand $command" "$@"
	want=$(recorded "${shell[@]}" ssh -F "$CONF" gw1 true)
	got=$(recorded "${shell[@]}" $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" \
	    -J gw1 127.0.0.1 22)
	conf
	command="as ssh runs it: SHELL '${name##*/}' ${command//$T\//} $*"
	[ -n "$want" ] || fail "$command: ssh does" "$T/err"
	equal "$command" "$got" "$want" >"$T/equal" && ok "$command" && return
	diff <(echo "$want") <(echo "$got") >"$T/diff"
	fail "$command" "$T/diff" "$T/err"
}

shells()
{
	local name

	recorder
	for name in - "" /bin/sh /bin/bash "$T/shell"; do
		as_ssh "$name" "$T/record %h %p"
	done
	for name in "'%h:%p' \"%r\" %n %% a\\ b \$HOME \${HOME} ~" \
	    "  'two  blanks'  \"it's\" *.none # x" "one; $T/record two" \
	    "one && $T/record two" "%h 2>&1 | cat; exit 3" "%k"; do
		as_ssh "$T/shell" "$T/record $name"
	done
	as_ssh "$T/shell" "exec $T/record %h"
	as_ssh "$T/shell" "$T/record %k" "HostKeyAlias nick"
	as_ssh "$T/shell" "test x = y || $T/record one"
	rm "$T/.bashrc"
	rm -f "$T/record.new"
	refused "a token that ssh has not" 1 '^proxyhop: gw1: .*token' \
	    hop -J gw1 -o "1:ProxyCommand=$T/record %u" 127.0.0.1 22
	check "and it is not run" test ! -e "$T/record.new"
}

# ---- real programs -----------------------------------------------------------

# moves_by SENTENCE COMMAND: through it and two gateways.
moves_by()
{
	moves "$1" -J gw1,gw2 -o "1:ProxyCommand=$2"
}

# start_proxy NAME COMMAND...: @PORT@ in it, and in $T/NAME.in for $T/NAME.conf,
# is a free one.
start_proxy()
{
	local name=$1 try

	shift
	for try in 1 2 3 4 5 6 7 8 9; do
		PORT[$name]=$((10000 + RANDOM % 22000))
		[ ! -f "$T/$name.in" ] || sed "s/@PORT@/${PORT[$name]}/" \
		    "$T/$name.in" >"$T/$name.conf"
		"${@//@PORT@/${PORT[$name]}}" </dev/null >"$T/$name.log" 2>&1 &
		PID[$name]=$!
		wait_until "! kill -0 ${PID[$name]} 2>/dev/null ||
		    nc -z 127.0.0.1 ${PORT[$name]}"
		if kill -0 "${PID[$name]}" 2>/dev/null; then
			SERVERS+=("${PID[$name]}")
			return
		fi
		wait "${PID[$name]}"
	done
	die "$name starts" "$T/$name.log"
}

# http NAME LINES: tinyproxy with these lines.
http()
{
	local name=$1

	shift
	printf '%s\n' "Port @PORT@" "Listen 127.0.0.1" "Allow 127.0.0.1" \
	    "MaxClients 20" "Timeout 600" "LogLevel Connect" \
	    "LogFile \"$T/$name.access\"" "$@" >"$T/$name.in"
	start_proxy "$name" tinyproxy -d -c "$T/$name.conf"
}

programs()
{
	local at="gw1 \(hop 1 of 2, .*\): connect: its ProxyCommand .* ended with status" p

	moves_by "nc" "nc -N %h %p"
	dies "nc to nobody" 2 "$at 1 " "" -J gw1,gw2 -o "1:Port=${PORT[bound]}" \
	    -o "1:ProxyCommand=nc -N %h %p"

	start_proxy socks microsocks -i 127.0.0.1 -p @PORT@
	p=127.0.0.1:${PORT[socks]}
	moves_by "nc -X 5" "nc -N -X 5 -x $p %h %p"
	check "nc -X 5: it went through the SOCKS server" \
	    grep -q "127.0.0.1:${PORT[gw1]}" "$T/socks.log"
	start_proxy shut microsocks -i 127.0.0.1 -p @PORT@ -u some -P body
	dies "a SOCKS server that wants a password" 2 "$at 1 " '^nc: ' \
	    -J gw1,gw2 \
	    -o "1:ProxyCommand=nc -N -X 5 -x 127.0.0.1:${PORT[shut]} %h %p"

	http web
	p=127.0.0.1:${PORT[web]}
	moves_by "nc -X connect" "nc -N -X connect -x $p %h %p"
	check "nc -X connect: it went through the HTTP proxy" \
	    grep -q "CONNECT 127.0.0.1:${PORT[gw1]} " "$T/web.access"
	http narrow "ConnectPort 1"
	dies "an HTTP proxy that forbids the port" 2 "$at 1 " \
	    '^nc: Proxy error: "HTTP/1.[01] 403' -J gw1,gw2 \
	    -o "1:ProxyCommand=nc -N -X connect -x 127.0.0.1:${PORT[narrow]} %h %p"

	forget gw3
	moves_by "ssh -W" "ssh -F $T/ssh_config -W %h:%p gw3"
	equal "ssh -W: it went through gw3" \
	    "$(grep -c '^Accepted publickey' "$T/gw3.log")" 1
	dies "ssh -W where it is prohibited" 2 "$at 255 " \
	    'administratively prohibited' -J gw1,gw2 \
	    -o "1:ProxyCommand=ssh -F $T/ssh_config -W %h:%p closed"
}

# A real ssh, with both commands in one file.
client()
{
	head -c 1000000 /dev/urandom >"$T/data"
	rm -f "$T/filter.log"
	conf "Host gw1" "ProxyCommand $T/filter %h %p" \
	    "Host target" "ProxyCommand $PROXYHOP_WRAP $PROXYHOP -F $T/ssh_config.new -J gw1,gw2 %h %p"
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" target \
	    "tee $T/there" <"$T/data" >"$T/back" 2>"$T/err"
	equal "ssh: status" "$?" 0
	conf
	equal "ssh: no word" "$(cat "$T/err")" ""
	check "ssh: the same bytes there" cmp "$T/data" "$T/there"
	check "ssh: the same bytes back" cmp "$T/data" "$T/back"
	asked "ssh" 127.0.0.1 "${PORT[gw1]}"
}

# ---- how it ends -------------------------------------------------------------

# It is gone before we have said or heard a word; which of the two we notice
# first is left to chance, so often.
quickly()
{
	local n

	for ((n = 0; n < 40; n++)); do
		hop -J gw1,gw2 -o "1:ProxyCommand=sh -c 'exit 5'" 127.0.0.1 22 \
		    </dev/null >"$T/out" 2>"$T/err"
		if [ $? -ne 2 ] || ! grep -q 'connect: .*status 5 ' "$T/err"; then
			fail "it ends at once ($n of 40)" "$T/err"
			return
		fi
	done
	ok "it ends at once, 40 times"
}

early()
{
	local at="gw1 \(hop 1 of 2, .*\): connect: its ProxyCommand" status

	rm -f "$T/filter.log"
	dies "a filter that refuses: it is heard, and named" 2 \
	    "$at \($T/refuser 127\.0\.0\.1 ${PORT[gw1]}\) ended with status 3 " \
	    '^filter: 127.0.0.1 is not for you$' -J gw1,gw2 \
	    -o "1:ProxyCommand=$T/refuser %h %p"
	asked "a filter that refuses" 127.0.0.1 "${PORT[gw1]}"
	for status in 1 255; do
		dies "it ends with status $status" 2 "$at .* status $status " \
		    "" -J gw1,gw2 -o "1:ProxyCommand=sh -c 'exit $status'"
	done
	quickly
	dies "no such command" 1 "$at .* status 127 " 'absent' -J gw1,gw2 \
	    -o "1:ProxyCommand=$T/absent"
	dies "no command at all" 1 "$at .* status 126 " 'id' -J gw1,gw2 \
	    -o "1:ProxyCommand=$T/id"
	dies "a signal" 2 "$at .* by signal 9 " "" -J gw1,gw2 \
	    -o "1:ProxyCommand=sh -c 'kill -9 \$\$'"
	# as nc does when the gateway has closed; that is tried again
	dies "it ends well, but too early" 2 \
	    'gw1 \(hop 1 of 2, .*\): (connect|banner): .* [0-9]+ times' "" \
	    -J gw1,gw2 -o ConnectTimeout=1 -o "1:ProxyCommand=true"
	dies "it says something else" '[12]' \
	    'gw1 \(hop 1 of 2, .*\): .*"HTTP/1.0 404 Not found"' "" \
	    -J gw1,gw2 -o "1:ProxyCommand=echo HTTP/1.0 404 Not found"
	rm -f "$T/filter.log"
	dies "nobody answers through it" 2 \
	    "gw1 \(hop 1 of 1, .*\): banner: no answer" "" -J gw1 \
	    -o ConnectTimeout=1 -o "1:Port=${PORT[silent]}" \
	    -o "1:ProxyCommand=$T/filter %h %p"
	check "nobody answers through it: it ends" \
	    pid_gone "$(cut -d' ' -f1 "$T/filter.log")"
	rm -f "$T/filter.log"
	dies "the next hop fails" 2 'gw1 .*: forward: .*refused' "" -J gw1,gw2 \
	    -o "2:Port=${PORT[bound]}" -o "1:ProxyCommand=$T/filter %h %p"
	check "the next hop fails: it ends" \
	    pid_gone "$(cut -d' ' -f1 "$T/filter.log")"
}

# What the command says goes on to stderr, and nowhere else.
passed_on()
{
	echo there and back | hop -E "$T/log" -J gw1,gw2 \
	    -o "1:ProxyCommand=sh -c 'echo hark >&2; exec $T/filter %h %p'" \
	    127.0.0.1 "${PORT[echo]}" >"$T/out" 2>"$T/err"
	equal "stderr is passed on: status" "$?" 0
	equal "stderr is passed on" "$(cat "$T/err")" hark
	equal "stderr is passed on: stdout is the target's" \
	    "$(cat "$T/out")" "there and back"
	equal "stderr is passed on: the log is ours" "$(cat "$T/log")" ""
}

# up COMMAND: a session is up behind this filter, whose pid is $filter.
up()
{
	rm -f "$T/in" "$T/filter.log"
	mkfifo "$T/in"
	: >"$T/out"
	hop_exec -J gw1,gw2 -o "1:ProxyCommand=$1 %h %p" 127.0.0.1 \
	    "${PORT[echo]}" <"$T/in" >"$T/out" 2>"$T/err" &
	pid=$!
	exec 7>"$T/in"
	echo up >&7
	wait_for "$T/out" '^up$' || die "a session" "$T/err"
	filter=$(cut -d' ' -f1 "$T/filter.log")
	check "${1##*/}: it runs" kill -0 "$filter"
}

# down SENTENCE STATUS: proxyhop has ended so, and the filter with it.
down()
{
	local status=0

	check "$1: proxyhop ends" wait_gone "$pid" 5
	wait "$pid" 2>/dev/null || status=$?
	exec 7>&-
	equal "$1: status" "$status" "$2"
	check "$1: the command ends with it" pid_gone "$filter"
}

ends()
{
	local signal name

	for signal in TERM HUP INT KILL; do
		up "$T/stayer"
		kill -"$signal" "$pid"
		down "SIG$signal" $((128 + $(kill -l $signal)))
		equal "SIG$signal: silent" "$(cat "$T/err")" ""
	done
	for name in filter stayer stubborn; do
		up "$T/$name"
		exec 7>&-
		down "end of file, $name" 0
		equal "end of file, $name: silent" "$(cat "$T/err")" ""
	done
	up "$T/filter"
	kill -KILL "$filter"
	down "the command dies in mid-session" 2
	check "the command dies in mid-session: hop 1 is named" \
	    grep -Eq '^proxyhop: gw1 \(hop 1 of 2, .*\): carry: ' "$T/err"
	equal "the command dies in mid-session: in one line" \
	    "$(wc -l <"$T/err")" 1
}

sources
unresolved
shells
programs
client
early
passed_on
ends
