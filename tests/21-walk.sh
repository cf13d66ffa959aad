#!/usr/bin/env bash
# Goal: the hops of proxyhop -G are the jump hosts a real ssh walks, in its
# order; and to say so, proxyhop opens no connection and asks nothing.
#
# Each ssh of a walk starts the next one by its name.  That name is found to be
# a script here, which notes its arguments before it goes on as ssh.

. "$(dirname "$0")/harness.sh"

export PROXYHOP_TEST_SSH
PROXYHOP_TEST_SSH=$(command -v ssh)
LETTERS=46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:

# The script that is found instead of ssh: one line, "number host user port",
# for each that is started for a jump host.  The nearest one is started last.
note_taker()
{
	mkdir "$T/bin"
	cat >"$T/bin/ssh" <<-END
	#!/usr/bin/env bash
	args=("\$@") user=- port=- forward=
	while getopts $LETTERS letter; do
		case \$letter in
		l) user=\$OPTARG ;;
		p) port=\$OPTARG ;;
		W) forward=\$OPTARG ;;
		esac
	done
	shift \$((OPTIND - 1))
	[ -z "\$forward" ] || echo "\$1 \$user \$port" >>"$T/walked"
	exec -a ssh "\$PROXYHOP_TEST_SSH" "\${args[@]}"
	END
	chmod +x "$T/bin/ssh"
}

# Gateways that somebody logged in to since they were last forgotten.
visited()
{
	local name

	for name in gw1 gw2 gw3; do
		grep -q '^Accepted publickey' "$T/$name.log" && echo "$name"
	done | tr '\n' ' '
}

forget_all()
{
	local name

	for name in gw1 gw2 gw3 target; do
		forget "$name"
	done
}

# walk ARGUMENTS: a real ssh to target; its way goes to $T/ssh.way.
walk()
{
	: >"$T/walked"
	forget_all
	if ! (PATH=$T/bin:$PATH; timeout $((60 * TEST_TIME_FACTOR)) setsid -w \
	    ssh -F "$CONF" "$@" target echo arrived) \
	    </dev/null >"$T/ssh.out" 2>"$T/ssh.err" ||
	    [ "$(cat "$T/ssh.out")" != arrived ]; then
		fail "ssh $* arrives" "$T/ssh.err" "$CONF"
	fi
	# the nearest first
	tac "$T/walked" | cut -d' ' -f1 >"$T/ssh.way"
}

# plan ARGUMENTS: the way proxyhop says, to $T/hop.way.
plan()
{
	hop -G -r none "$@" target 22 </dev/null >"$T/hop.plan" 2>"$T/hop.err" ||
	    fail "proxyhop -G $*: status $?" "$T/hop.err"
	sed -n 's/^hop [0-9]* //p' "$T/hop.plan" >"$T/hop.way"
}

# The gateways whose port is in the plan.
planned()
{
	local name

	for name in gw1 gw2 gw3; do
		grep -qx "port ${PORT[$name]}" "$T/hop.plan" && echo "$name"
	done | tr '\n' ' '
}

# Servers that somebody connected to; what ssh's own sessions say when they end,
# later than the end of ssh, is nothing to us.
touched()
{
	local name

	for name in gw1 gw2 gw3 target; do
		! grep -q '^Connection from ' "$T/$name.log" || echo "$name"
	done
}

# same SENTENCE N ARGUMENTS: ssh and proxyhop go the same way with these, which
# is N gateways long.
same()
{
	local sentence=$1 n=$2 seen

	shift 2
	walk "$@"
	seen=$(visited)
	equal "$sentence: so many jump hosts" "$(wc -l <"$T/ssh.way")" "$n"
	forget_all
	plan "$@"
	check "$sentence: the same way" diff "$T/ssh.way" "$T/hop.way"
	equal "$sentence: the same servers" "$(planned)" "$seen"
	equal "$sentence: proxyhop -G called nobody" "$(touched)" ""
}

typed()
{
	same "-J of one" 1 -J gw1
	same "-J of two" 2 -J gw1,gw2
	same "-J of three" 3 -J gw1,gw2,gw3
	same "-J, the other way round" 3 -J gw3,gw2,gw1
	same "user and port" 2 \
	    -J "$ME@gw1:${PORT[gw1]},gw2:${PORT[gw2]}"
	same "ssh://" 3 \
	    -J "ssh://$ME@gw1:${PORT[gw1]},ssh://gw2,ssh://gw3:${PORT[gw3]}/"
	conf "Host 127.0.0.1" "IdentityFile $T/id"
	same "addresses" 2 \
	    -J "$ME@127.0.0.1:${PORT[gw2]},$ME@[127.0.0.1]:${PORT[gw1]}"
	conf
}

# ProxyJump in the file; the target's is found without -J.
written()
{
	conf "Host target" "ProxyJump gw1,gw2"
	same "ProxyJump of the target" 2
	same "-J wins over the target's ProxyJump" 1 -J gw3
	conf "Host target" "ProxyJump gw3" "Host gw3" "ProxyJump gw2" \
	    "Host gw2" "ProxyJump gw1"
	same "ProxyJump, nested" 3
	conf "Host gw2" "ProxyJump gw1"
	same "the first hop's own ProxyJump" 3 -J gw2,gw3
	same "a later hop's own ProxyJump does not count" 2 -J gw3,gw2
	conf "Host gw3" "ProxyJump gw1,gw2" "Host gw2" "ProxyJump gw3"
	same "a list before the first hop" 3 -J gw3
	conf "Host target" "ProxyJump ssh://gw2:${PORT[gw2]},gw1" \
	    "Host gw2" "ProxyJump ssh://$ME@gw3"
	same "ssh:// in the file, nested" 3
	conf "Host *" "ProxyJump none"
	same "ProxyJump none" 2 -J gw2,gw1
	conf "Match host gw1,target" "ProxyJump gw2" \
	    "Match originalhost gw3 exec true" "ProxyJump gw1"
	same "Match" 1
	same "Match, nested" 3 -J gw3
	conf
}

# A walk that is not the same is noticed.
twin()
{
	walk -J gw1,gw2
	plan -J gw2,gw1
	if diff "$T/ssh.way" "$T/hop.way" >"$T/diff"; then
		fail "twin: another way is noticed" "$T/ssh.way" "$T/hop.way"
	else
		ok "twin: another way is noticed"
	fi
	equal "twin: a connection is seen in the logs" "$(touched | wc -l)" 3
}

# No socket but perhaps for names; strace sees those of ssh, too.
traced()
{
	local what='connect,bind,sendto,sendmsg'

	# the leak checker cannot work under strace
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
	    timeout $((60 * TEST_TIME_FACTOR)) setsid -w \
	    strace -f -qq -e trace=$what -o "$T/trace" \
	    $PROXYHOP_WRAP "$PROXYHOP" -r none -F "$CONF" "$@" \
	    </dev/null >"$T/traced.out" 2>"$T/traced.err"
}

inet()
{
	grep -c 'AF_INET' "$T/trace"
}

no_connection()
{
	if ! strace -f -qq -e trace=connect -o "$T/trace" true 2>/dev/null; then
		echo "	no strace"
		return
	fi
	conf "Host gw2" "ProxyJump gw1"
	forget_all
	traced -G -J gw2,gw3 target 22
	equal "strace: the plan" "$(grep -c '^hop ' "$T/traced.out")" 3
	equal "strace: no connection" "$(inet)" 0
	traced -G -v -J gw2,gw3 target 22
	equal "strace: no connection with -v" "$(inet)" 0
	equal "strace: nobody was called" "$(touched)" ""
	conf
	traced -J gw1 127.0.0.1 "${PORT[target]}"
	at_least "strace, twin: connections are seen" "$(inet)" 1
}

# on_terminal COMMAND...: it says nothing but on stdout, with a terminal of its
# own, and succeeds.
on_terminal()
{
	"$PYTHON" - "$@" <<-'END'
	import os, pty, subprocess, sys
	keep, end = pty.openpty()
	def own():
	    os.setsid()
	    os.close(os.open(os.ttyname(end), os.O_RDWR))
	done = subprocess.run(sys.argv[1:], preexec_fn=own, close_fds=False,
	                      stdin=end, stdout=subprocess.PIPE,
	                      stderr=subprocess.PIPE, timeout=200)
	os.set_blocking(keep, False)
	try:
	    said = os.read(keep, 1000)
	except BlockingIOError:
	    said = b""
	print(done.returncode, said, done.stderr)
	sys.exit(done.returncode != 0 or said != b"" or done.stderr != b"")
	END
}

# Nothing is asked, on a terminal or by another program: not for a key that
# has a passphrase, not for a host key nobody knows.
no_question()
{
	new_key "$T/locked" -N secret
	printf '#!/bin/sh\necho asked >>%s\necho yes\n' "$T/asked" >"$T/askpass"
	chmod +x "$T/askpass"
	conf "Host gw1" "IdentityFile $T/locked" "BatchMode no" \
	    "UserKnownHostsFile /dev/null" "StrictHostKeyChecking ask"
	forget_all
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force DISPLAY=:0 plan -J gw1,gw2
	check "no question by SSH_ASKPASS" test ! -e "$T/asked"
	check "the plan is there" grep -qx "identityfile $T/locked" "$T/hop.plan"
	check "no word on the terminal" on_terminal $PROXYHOP_WRAP "$PROXYHOP" \
	    -G -r none -F "$CONF" -J gw1,gw2 target 22
	if on_terminal sh -c 'echo word >/dev/tty' >"$T/tty"; then
		fail "twin: a word on the terminal is seen" "$T/tty"
	else
		ok "twin: a word on the terminal is seen"
	fi
	equal "nobody was called" "$(touched)" ""
	conf
}

gateways
note_taker
typed
written
twin
no_connection
no_question
