#!/usr/bin/env bash
# Goal: where ssh -J would log in to a hop and share that connection
# (ControlMaster, ControlPersist), the user's own ssh does so for us: this run
# and all later ones use it, its questions are on the terminal, and nobody but
# that ssh is left behind.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel VERBOSE"
start_peer echo echo
start_peer bound bound
start_peer silent silent
mkdir "$T/cm"

# sharing LINES...: all gateways have these settings.
sharing()
{
	conf "Host gw*" "	ControlPath $T/cm/%n" "$@" "Match all"
}

# master NAME: its process.
master()
{
	ssh -F "$CONF" -o ControlMaster=auto -O check "$1" 2>&1 | sed -n 's/.*pid=\([0-9]*\).*/\1/p'
}

# leave NAME...: their masters end.
leave()
{
	local name

	for name; do
		ssh -F "$CONF" -o ControlMaster=auto -O exit "$name" >"$T/leave.out" 2>&1
		wait_until "[ ! -e $T/cm/$name ]" 5 ||
		    fail "the master of $name ends" "$T/leave.out"
	done
}

# logins: how many each gateway has had since the last time.
logins()
{
	local name

	for name in gw1 gw2 gw3; do
		printf '%s ' "$(grep -c '^Connection from' "$T/$name.log")"
		forget $name
	done
}

# others PID: what else is here of ssh and of us.
others()
{
	local pid

	for pid in $(marked); do
		[ "$pid" = "$1" ] || tr '\0' ' ' <"/proc/$pid/cmdline" |
		    grep -E '^(ssh|.*/proxyhop) '
	done 2>/dev/null
}

# first: made, used by the run that makes it, and by all later ones.
first()
{
	local pid

	sharing "	ControlMaster ${1:-auto}" "	ControlPersist 60"
	carries "ControlMaster ${1:-auto}: one gateway" -J gw1
	equal "ControlMaster ${1:-auto}: one login" "$(logins)" "1 0 0 "
	pid=$(master gw1)
	check "ControlMaster ${1:-auto}: there is a master" [ -n "$pid" ]
	equal "ControlMaster ${1:-auto}: nobody else is left" \
	    "$(others "$pid")" ""
}

# made: by whom, and as ssh -J would.
made()
{
	local value pid

	for value in auto yes; do
		first "$value"
		leave gw1
	done
	sharing "	ControlMaster auto" "	ControlPersist 60" \
	    "	ProxyUseFdpass yes"
	carries "ProxyUseFdpass of a later hop does not count" -J gw1,gw2
	equal "ProxyUseFdpass of a later hop: a login each" "$(logins)" "1 1 0 "
	equal "ProxyUseFdpass of a later hop: both are shared" \
	    "$(ls "$T/cm" | tr '\n' ' ')" "gw1 gw2 "
	leave gw2 gw1
	logins >"$T/out"
	sharing "	ControlMaster auto" "	ControlPersist 60"
	moves "three gateways" -J gw1,gw2,gw3
	equal "three gateways: a login each" "$(logins)" "1 1 1 "
	equal "three gateways: each is shared, as by ssh -J" \
	    "$(ls "$T/cm" | tr '\n' ' ')" "gw1 gw2 gw3 "
	carries "once more" -J gw1,gw2,gw3
	ssh -F "$CONF" -J gw1,gw2,gw3 target true </dev/null 2>"$T/err"
	equal "once more, and ssh -J: no login" "$? $(logins)" "0 0 0 0 "
	equal "ssh -J has nothing to say" "$(cat "$T/err")" ""
	# the last one's is gone, and the socket is left
	pid=$(master gw3)
	kill -KILL "$pid"
	wait_gone "$pid"
	hop -t -J gw1,gw2,gw3 127.0.0.1 "${PORT[target]}" >"$T/out" 2>"$T/err"
	equal "one that was killed: -t has it made anew, over the one before" \
	    "$? $(logins)" "0 0 0 1 "
	check "-t tells whose it is" \
	    grep -q "^  shared .* ssh, pid $(master gw3)$" "$T/out"
	leave gw3 gw2 gw1
}

# What was set here for one hop, ssh is told.
settings()
{
	new_key "$T/other"
	cat "$T/other.pub" >>"$T/authorized_keys"
	sharing "	ControlMaster auto" "	ControlPersist 60" \
	    "	Port 1" "	IdentityFile $T/none"
	sed -i "/^	IdentityFile .*id$/d" "$CONF"
	carries "settings typed for one hop" \
	    -J "$ME@gw1:${PORT[gw1]},gw2" -o "2:Port=${PORT[gw2]}" \
	    -o "gw1:IdentityFile=$T/other" -o "gw2:IdentityFile=$T/id"
	equal "settings typed for one hop: logins" "$(logins)" "1 1 0 "
	equal "settings typed for one hop: both are shared" \
	    "$(ls "$T/cm" | tr '\n' ' ')" "gw1 gw2 "
	leave gw2 gw1
	cp "$T/id.pub" "$T/authorized_keys"
}

# Where ssh -J would leave nobody behind, we do not either.
not_made()
{
	local lines

	for lines in "ControlMaster auto" "ControlMaster auto|ControlPersist no" \
	    "ControlMaster no|ControlPersist 60" "ControlPersist 60" \
	    "ControlPath none|ControlMaster auto|ControlPersist 60" \
	    "ControlPath $T/none/%n|ControlMaster auto|ControlPersist 60"; do
		CONF=$T/ssh_config
		conf "Host gw*" "${lines//|/$'\n'}" "ControlPath $T/cm/%n" \
		    "Match all"
		carries "$lines" -J gw1
		equal "$lines: one login" "$(logins)" "1 0 0 "
		equal "$lines: nothing is shared" "$(ls "$T/cm")" ""
	done
	sharing "	ControlMaster auto" "	ControlPersist 60"
	carries "a ForwardCommand" -J gw1 -o "ForwardCommand=nc -N %h %p"
	equal "a ForwardCommand: nothing is shared" "$(ls "$T/cm")" ""
	logins >/dev/null
}

# Whoever is the ProxyCommand of all hosts does not start itself.
everywhere()
{
	conf "Host gw*" "	ControlPath $T/cm/%n" "	ControlMaster auto" \
	    "	ControlPersist 60" "Host gw2" "	ProxyJump gw1" \
	    "Host *" "	ProxyCommand $PROXYHOP -F $T/ssh_config.new %n %p" \
	    "Match all"
	carries "a ProxyCommand for all hosts" -J gw1,gw2
	equal "a ProxyCommand for all hosts: logins" "$(logins)" "1 1 0 "
	leave gw2 gw1
}

# ssh 6.8 to 7.5 writes this before it has read LogLevel.
talkative()
{
	mkdir "$T/talkative"
	cat >"$T/talkative/ssh" <<-END
	#!/bin/sh
	case \$* in
	*-N*)	echo 'debug1: Connection established.' >&2 ;;
	esac
	exec $(command -v ssh) "\$@"
	END
	chmod 755 "$T/talkative/ssh"
	sharing "	ControlMaster auto" "	ControlPersist 60"
	PATH=$T/talkative:$PATH carries "debug messages of ssh are not shown" \
	    -J gw1
	check "an ssh that says it has made the master" [ -S "$T/cm/gw1" ]
	leave gw1
	PATH=$T/talkative:$PATH hop -v -J gw1 \
	    127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	check "debug messages of ssh are shown with -v" \
	    grep -q 'ssh: debug1: Connection established' "$T/err"
	leave gw1
	logins >/dev/null
}

failures()
{
	sharing "	ControlMaster auto" "	ControlPersist 60"
	refused "ssh is refused" 1 \
	    '^proxyhop: gw1 \(hop 1 of 1, .*\): shared: ssh, which was to log in and share the connection, failed: it says ".*Permission denied.*"; without it: -o gw1:ControlPath=none$' \
	    hop -J gw1 -o IdentityFile=none -o PreferredAuthentications=password \
	    127.0.0.1 22
	sed -i "/^	IdentityFile .*id$/d" "$T/ssh_config"
	refused "ssh cannot connect: our own words" 2 \
	    '^proxyhop: gw1 \(hop 1 of 1, .*\): connect: Connection refused' \
	    hop -J gw1 -o "gw1:Port=${PORT[bound]}" -o ConnectTimeout=1 127.0.0.1 22
	equal "nothing is shared" "$(ls "$T/cm")" ""
	write_config gw1 gw2 gw3 target
	logins >/dev/null
	sharing "	ControlMaster auto" "	ControlPersist 60" \
	    "	StrictHostKeyChecking accept-new" \
	    "	UserKnownHostsFile $T/fresh"
	may_say='^proxyhop: gw1 \(hop 1\): ssh: Warning: Permanently added' \
	    carries "what ssh says is said" -J gw1
	equal "what ssh says is said: once" \
	    "$(grep -c Permanently "$T/carries.err")" 1
	leave gw1
	logins >/dev/null
	# the first of three refuses: nobody is logged in to, or asked, twice
	sharing "	ControlMaster auto" "	ControlPersist 60"
	refused "the first of three refuses" 1 \
	    '^proxyhop: gw1 \(hop 1 of 3, .*\): shared: ssh, .*Permission denied' \
	    hop -J gw1,gw2,gw3 -o gw1:PreferredAuthentications=password \
	    127.0.0.1 22
	equal "the first of three refuses: connections" "$(logins)" "1 0 0 "
	hop -J gw1,gw2,gw3 -o gw3:PreferredAuthentications=password \
	    -o gw3:LogLevel=QUIET 127.0.0.1 22 </dev/null >"$T/refused.out" \
	    2>"$T/refused.err"
	equal "the last of three refuses, quietly: status" $? 1
	equal "the last of three refuses, quietly: connections, no word" \
	    "$(logins)$(cat "$T/refused.err")" "1 1 1 "
	leave gw2 gw1
	refused "one that does not answer: the time of its own" 2 \
	    '^proxyhop: gw1 \(hop 1 of 1, .*\): shared: ssh, .*timed out' \
	    hop -J gw1 -o "gw1:Port=${PORT[silent]}" -o ConnectTimeout=1 \
	    127.0.0.1 22
}

# twenty at once, from nothing.
one()
{
	local status=0

	echo "line $1" |
	    timeout $((60 * TEST_TIME_FACTOR)) setsid -w $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$CONF" -J gw1 127.0.0.1 "${PORT[echo]}" \
	    >"$T/many.$1" 2>&1 || status=$?
	[ "$status $(cat "$T/many.$1")" = "0 line $1" ] && echo "$1" >>"$T/well"
}

twenty()
{
	local n pids=()

	sharing "	ControlMaster auto" "	ControlPersist 60" \
	    "	ConnectTimeout $((60 * TEST_TIME_FACTOR))"
	: >"$T/well"
	for ((n = 1; n <= 20; n++)); do
		one $n &
		pids+=($!)
	done
	wait "${pids[@]}"
	equal "twenty at once: all come through" "$(wc -l <"$T/well")" 20 ||
	    sort "$T"/many.* | uniq -c
	equal "twenty at once: one login" "$(logins)" "1 0 0 "
	leave gw1
}

# ---- one-time codes ------------------------------------------------------------

# The answer, and a line for each question.
askpass()
{
	cat >"$T/askpass" <<-END
	#!/bin/sh
	echo "\$1" >>$T/asked
	$1
	END
	chmod 700 "$T/askpass"
	: >"$T/asked"
	export DISPLAY=: SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
}

codes()
{
	write_config gw1 gw2 gw3 target pam
	conf "Host pam" "	ControlPath $T/cm/%n" "	ControlMaster auto" \
	    "	ControlPersist 60" "	BatchMode no" "Match all"
	may_say="no such identity" talk "ssh asks on the terminal" 0 \
	    --wait 'Code' --type 123456 -- -J pam
	carries "ssh asked on the terminal, once more" -J pam
	leave pam
	askpass "echo 123456"
	may_say="no such identity" carries "a one-time code" -J pam
	carries "a one-time code, once more" -J pam
	equal "a one-time code: asked once, by ssh" "$(cat "$T/asked")" \
	    "($ME@127.0.0.1) Code"
	leave pam
}

# asked_of STATUS COMMAND...: the helper answers with that status; how the
# command ends, how often the ssh that shares has asked, and the logins.
asked_of()
{
	local answer=$1 status=0 pid

	shift
	askpass "exit $answer"
	"$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
	pid=$(master gw1)
	if [ -n "$pid" ]; then
		kill "$pid"
		wait_gone "$pid"
	fi
	rm -f "$T/cm/gw1"
	echo "$status, asked $(grep -c Allow "$T/asked"), ${pid:+a master, }$(logins)"
}

# ask and autoask: a person allows each use of the connection, as with ssh -J;
# one that is not allowed logs in, as without.
confirmed()
{
	local value

	for value in ask autoask; do
		sharing "	ControlMaster $value" "	ControlPersist 60"
		equal "$value, allowed: ssh -J" \
		    "$(asked_of 0 ssh -F "$CONF" -J gw1 target true)" \
		    "0, asked 1, a master, 1 0 0 "
		equal "$value, allowed: as ssh -J" \
		    "$(asked_of 0 hop -J gw1 127.0.0.1 "${PORT[echo]}")" \
		    "0, asked 1, a master, 1 0 0 "
		equal "$value, not allowed: ssh -J" \
		    "$(asked_of 1 ssh -F "$CONF" -J gw1 target true)" \
		    "255, asked 1, a master, 1 0 0 "
		equal "$value, not allowed: a login of our own" \
		    "$(asked_of 1 hop -J gw1 127.0.0.1 "${PORT[echo]}")" \
		    "0, asked 1, a master, 2 0 0 "
	done
}

# Nobody answers, and we are told to go: ssh goes, too.
left()
{
	local pid

	askpass "exec sleep 600"
	hop_exec -J pam 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" \
	    2>"$T/err" &
	pid=$!
	wait_until "[ -s $T/asked ]"
	kill -TERM $pid
	wait $pid
	check "ended while ssh asks: so is ssh" \
	    wait_until '! pgrep -f "ssh -NTS $T/cm/pam" >/dev/null' 5
	end_sleep
}

ansible_three()
{
	local name

	if ! command -v ansible >/dev/null; then
		echo "skip $NAME: there is no ansible"
		return
	fi
	for name in t1 t2 t3; do
		start_sshd "$name" "LogLevel VERBOSE"
	done
	write_config gw1 gw2 gw3 target pam t1 t2 t3
	conf "Host pam" "	ControlPath $T/cm/%n" "	ControlMaster auto" \
	    "	ControlPersist 60" "	BatchMode no" "Match all"
	cat >"$T/inventory" <<-END
	[all:vars]
	ansible_python_interpreter=$PYTHON
	ansible_ssh_common_args=-F $CONF -o ControlPath=none -o ProxyCommand="$PROXYHOP_WRAP $PROXYHOP -F $CONF -J pam %h %p"
	[all]
	t1
	t2
	t3
	END
	cat >"$T/ansible.cfg" <<-END
	[defaults]
	inventory = $T/inventory
	home = $T/ansible
	local_tmp = $T/ansible/tmp
	remote_tmp = $T/remote
	forks = 3
	timeout = $((30 * TEST_TIME_FACTOR))
	[ssh_connection]
	ssh_args = -o ControlMaster=no
	usetty = False
	END
	askpass "echo 123456"
	ANSIBLE_CONFIG=$T/ansible.cfg LC_ALL=C.UTF-8 \
	    timeout $((120 * TEST_TIME_FACTOR)) setsid -w ansible all -m ping \
	    </dev/null >"$T/out" 2>"$T/err"
	equal "ansible of three hosts: status" "$?" 0
	equal "ansible of three hosts: three pongs" \
	    "$(grep -c '"ping": "pong"' "$T/out")" 3
	equal "ansible of three hosts: the code is asked for once" \
	    "$(grep -c Code "$T/asked")" 1
	leave pam
}

made
settings
not_made
everywhere
talkative
failures
twenty
(confirmed)
if [ "$(id -u)" -ne 0 ]; then
	skip "PAM of one's own needs root"
fi
. "$TESTS/pam.sh"
. "$TESTS/talk.sh"
trap clean_up EXIT
IDENTITY=([pam]=$T/absent)
pam_module
start_pam pam 'on:Code:123456'
codes
left
ansible_three
