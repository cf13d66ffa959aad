#!/usr/bin/env bash
# Goal: where ssh -J gets in, proxyhop gets in, with no more questions and no
# more tries; where ssh does not, proxyhop does not: situations.table, line by
# line, by both.

. "$(dirname "$0")/harness.sh"

REAL=$(command -v ssh)
gateways
new_key "$T/wrong"
echo "nick $(cut -d' ' -f1,2 "$T/gw2.key.pub")" >"$T/nick"
echo "x,y $(cut -d' ' -f1,2 "$T/gw1.key.pub")" >>"$T/nick"

# Who asks is noted; nobody answers.
printf '#!/bin/sh\necho "$1" >>%s/asked\nexit 1\n' "$T" >"$T/askpass"
chmod +x "$T/askpass"
export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force

# an_ssh NAME TESTS...: a folder with an ssh that does this first; its
# configuration and known hosts are that of old ones.
an_ssh()
{
	local name=$1

	shift
	mkdir "$T/$name"
	printf '%s\n' '#!/bin/bash' 'for word; do' 'case $word in' "$@" \
	    'esac' 'done' "exec $REAL \"\$@\"" >"$T/$name/ssh"
	chmod +x "$T/$name/ssh"
}
usage='echo "usage: ssh [-1246AaCfgKkMNnqsTtVvXxYy]" >&2; exit 255'
an_ssh no_jump "-J) echo 'unknown option -- J' >&2; $usage;;" \
    '*[Pp]roxy[Jj]ump*) echo "command-line: line 0: Bad configuration option: proxyjump" >&2; exit 255;;'
an_ssh no_G "-G) echo 'ssh: illegal option -- G' >&2; $usage;;" \
    "-J) echo 'ssh: illegal option -- J' >&2; $usage;;"

with_-()
{
	:
}
# ssh 6.8 to 7.2 know neither -J nor ProxyJump, those before no -G.  What they
# do not tell is typed.
with_no_jump()
{
	PATH=$T/no_jump:$PATH
}
with_no_G()
{
	PATH=$T/no_G:$PATH
	words+=(-o "UserKnownHostsFile=$T/known_hosts" -o BatchMode=yes
	    -o GlobalKnownHostsFile=/dev/null -o IdentityAgent=none)
}

with_absent_key()
{
	words+=(-i "$T/absent")
}

# tries SERVER: attempts to log in that it has seen.
tries()
{
	grep -Ec '^(Accepted|Failed|Postponed) ' "$T/$1.log"
}

# forget_all: logs and notes.
forget_all()
{
	local name

	for name in gw1 gw2 gw3 target; do
		forget "$name"
	done
	: >"$T/asked"
}

# counted: questions and tries of the last run, a line.
counted()
{
	local name

	wc -l <"$T/asked"
	for name in gw1 gw2 gw3; do
		tries "$name"
	done
}

# by_ssh JUMP, by_us WITH JUMP: into the target?
by_ssh()
{
	local jump=()

	[ "$1" = - ] || jump=(-J "$1")
	timeout $((30 * TEST_TIME_FACTOR)) setsid -w "$REAL" -F "$CONF" \
	    "${jump[@]}" target echo arrived </dev/null 2>"$T/ssh.err"
}
by_us()
{
	local words=() q line to=target

	# by the file it is the name that counts
	[ "$2" = - ] || { words=(-J "$2"); to=127.0.0.1; }
	(
		with_$1
		printf -v q ' %q' "${words[@]}"
		[ ${#words[@]} -gt 0 ] || q=
		line="$PROXYHOP_WRAP $PROXYHOP -r none -F $CONF ${q//%/%%}"
		timeout $((30 * TEST_TIME_FACTOR)) setsid -w "$REAL" \
		    -F "$T/plain" -o ProxyCommand="$line $to %p" \
		    -p "${PORT[target]}" target echo arrived \
		    </dev/null 2>"$T/us.err"
	)
}

# The target's own block, without a way to it; gw1 and so on know no "target".
{
	printf '%s\n' "Host target" "HostName 127.0.0.1" \
	    "HostKeyAlias [127.0.0.1]:${PORT[target]}" "User $ME" \
	    "IdentityFile $T/id" "IdentitiesOnly yes" \
	    "UserKnownHostsFile $T/known_hosts"
} >"$T/plain"

situation()
{
	local name=$1 with=$2 jump=$3 want=$4 ssh us i why=
	local ssh_counts us_counts

	forget_all
	ssh=no us=no
	[ "$(by_ssh "$jump")" = arrived ] && ssh=yes
	mapfile -t ssh_counts < <(counted)
	forget_all
	[ "$(by_us "$with" "$jump")" = arrived ] && us=yes
	mapfile -t us_counts < <(counted)
	case $want,$ssh,$us in
	yes,yes,yes|no,no,no|ahead,no,yes) ;;
	*)	why="; ssh gets in: $ssh, proxyhop: $us, in the table: $want" ;;
	esac
	if [ "$ssh" = "$us" ]; then
		for i in 0 1 2 3; do
			[ "${us_counts[i]}" -le "${ssh_counts[i]}" ] ||
			    why="$why; questions and tries of ssh: \
${ssh_counts[*]}, of proxyhop: ${us_counts[*]}"
		done
	fi
	if [ -z "$why" ]; then
		ok "$name: $want"
	else
		fail "$name${why}" "$T/us.err" "$T/ssh.err"
	fi
}

rows=0
while IFS=$'\t' read -r name with jump want config; do
	case $name in
	''|\#*)	continue ;;
	esac
	config=${config//@T@/$T}
	config=${config//@me@/$ME}
	for gw in gw1 gw2 gw3 target; do
		config=${config//@$gw@/${PORT[$gw]}}
	done
	mapfile -t lines < <(tr ';' '\n' <<<"$config")
	conf "${lines[@]}"
	situation "$name" "$with" "$jump" "$want"
	rows=$((rows + 1))
done < <(sed -E 's/\t+/\t/g' "$TESTS/situations.table")
at_least "situations" "$rows" 17

# ssh hands -F and -v on to its jump hosts; we take those of the ssh that has
# started us.
conf "Host other" "HostName 127.0.0.1" "Port ${PORT[gw1]}" "IdentityFile $T/id"
by_parent()
{
	timeout $((30 * TEST_TIME_FACTOR)) setsid -w "$REAL" "$@" \
	    </dev/null >"$T/out" 2>"$T/us.err"
}
line="$PROXYHOP_WRAP $PROXYHOP -r none -J other %h %p"
if [ -z "$PROXYHOP_WRAP" ]; then
	by_parent -F "$CONF" -o ProxyCommand="$line" target echo arrived
	equal "ssh -F: the hops are in that file" "$(cat "$T/out")" arrived
	equal "ssh -F: no word" "$(cat "$T/us.err")" ""
	by_parent target -F "$CONF" -o ProxyCommand="$line" -v echo arrived
	equal "ssh -F after the host" "$(cat "$T/out")" arrived
	check "ssh -v: the hops tell of themselves" \
	    grep -q '^proxyhop: other (hop 1): auth, ' "$T/us.err"
	check "the twin: ours wins over ssh's -F" bash -c '! "$@"' - \
	    timeout 30 "$REAL" -F "$CONF" -o BatchMode=yes \
	    -o ProxyCommand="${line/-r/-F none -r}" target true
fi
