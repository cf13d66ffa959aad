#!/usr/bin/env bash
# Goal: ansible reaches three hosts at once through one gateway, with its own
# ControlPersist; what fails for one of them leaves the others alone, and can be
# read in a file; nothing is left once the masters have been told to go.

. "$(dirname "$0")/harness.sh"

HOSTS="t1 t2 t3"

command -v ansible >/dev/null || skip "there is no ansible"

servers()
{
	local name

	user_key
	start_sshd gw1
	start_peer bound bound
	for name in $HOSTS; do
		start_sshd "$name" "LogLevel VERBOSE"
	done
	# t2 is none of those it may open
	start_sshd narrow \
	    "PermitOpen 127.0.0.1:${PORT[t1]} 127.0.0.1:${PORT[t3]}"
	write_config gw1 narrow $HOSTS
	head -c 200000 /dev/urandom >"$T/data"
}

# by GATEWAY: the inventory for this way, and ansible told to keep all it writes
# in $T.
by()
{
	local name

	mkdir -p "$T/masters"
	{
		echo "[all:vars]"
		echo "ansible_python_interpreter=$PYTHON"
		echo "ansible_ssh_common_args=-F $CONF -o ProxyCommand=\"$PROXYHOP_WRAP $PROXYHOP -F $CONF -E $T/said -J $1 %h %p\""
		echo "[all]"
		for name in $HOSTS; do
			echo "$name"
		done
	} >"$T/inventory"
	export ANSIBLE_CONFIG=$T/ansible.cfg
	cat >"$ANSIBLE_CONFIG" <<-END
	[defaults]
	inventory = $T/inventory
	home = $T/ansible
	local_tmp = $T/ansible/tmp
	remote_tmp = $T/remote
	forks = 3
	timeout = $((20 * TEST_TIME_FACTOR))
	[ssh_connection]
	control_path_dir = $T/masters
	retries = 0
	# an ordinary user's sshd may have no terminals to give
	usetty = False
	END
}

# The masters of the sessions, told to end; as ControlPersist would do itself,
# later.
dismiss()
{
	local socket

	for socket in "$T"/masters/*; do
		[ -S "$socket" ] || continue
		ssh -F "$CONF" -o ControlPath="$socket" -O exit nobody \
		    >"$T/exit" 2>&1 || fail "a master ends" "$T/exit"
	done
	check "$1: with ansible's masters every proxyhop ends" \
	    wait_until '[ -z "$(hop_pids)" ]' 10
}

# It wants UTF-8.
ansible_()
{
	LC_ALL=C.UTF-8 timeout $((120 * TEST_TIME_FACTOR)) \
	    setsid -w ansible all "$@" \
	    </dev/null >"$T/out" 2>"$T/err"
}

# How many hosts ansible says this of.
hosts_are()
{
	grep -Ec "^t[123] \| $1" "$T/out"
}

all_three()
{
	local name

	by gw1
	: >"$T/said"
	forget gw1
	ansible_ -m ping
	equal "ping: status" "$?" 0
	equal "ping: three pongs" "$(grep -c '"ping": "pong"' "$T/out")" 3
	equal "ping: proxyhop has nothing to say" "$(cat "$T/said")" ""
	equal "ping: three logins on the gateway" \
	    "$(grep -c '^Accepted publickey' "$T/gw1.log")" 3
	equal "ping: three proxyhops wait for more" "$(hop_pids | wc -w)" 3
	ansible_ -m copy -a "src=$T/data dest=$T/copy.{{ inventory_hostname }}"
	equal "copy: status" "$?" 0
	for name in $HOSTS; do
		check "copy: the same bytes at $name" \
		    cmp "$T/data" "$T/copy.$name"
	done
	equal "copy: nobody logged in once more" \
	    "$(grep -c '^Accepted publickey' "$T/gw1.log")" 3
	dismiss "all"
}

# One of them is not to be reached.
one_missing()
{
	by narrow
	: >"$T/said"
	ansible_ -m ping
	equal "one prohibited: status" "$?" 4
	equal "one prohibited: the others answer" "$(hosts_are SUCCESS)" 2
	equal "one prohibited: it does not" "$(hosts_are 'UNREACHABLE!')" 1
	check "one prohibited: the file says which, and why" grep -Eq \
	    "^proxyhop: narrow \(hop 1 of 1, .*\): forward: .*:${PORT[t2]}: .*prohibited" \
	    "$T/said"
	equal "one prohibited: in one line" "$(wc -l <"$T/said")" 1
	dismiss "one prohibited"
}

# The gateway is down.
none()
{
	conf "Host gw1" "HostName 127.0.0.1" "Port ${PORT[bound]}"
	by gw1
	: >"$T/said"
	ansible_ -m ping
	equal "gateway down: status" "$?" 4
	equal "gateway down: nobody answers" "$(hosts_are 'UNREACHABLE!')" 3
	equal "gateway down: three lines in the file" "$(grep -Ec \
	    '^proxyhop: gw1 \(hop 1 of 1, .*\): connect: .*refused' \
	    "$T/said")" 3
	conf
	dismiss "gateway down"
}

servers
all_three
one_missing
none
