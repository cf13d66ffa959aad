#!/usr/bin/env bash
# Goal: several proxyhops that ask on one terminal ask one after the other: no
# question comes into another, no answer is torn apart or shown, and none waits
# for a program that does not read from the terminal.

. "$(dirname "$0")/harness.sh"

on_linux "no lock on a terminal that none of the streams is"
gateways
start_peer echo echo
start_peer silent silent

ONE="first of two"
TWO="second one"
ssh-keygen -q -t ed25519 -N "$ONE" -f "$T/one" </dev/null
ssh-keygen -q -t ed25519 -N "$TWO" -f "$T/two" </dev/null
cat "$T/one.pub" "$T/two.pub" >>"$T/authorized_keys"
echo there and back >"$T/line"

# What shares the terminal: each job that there is, once it may go.
cat >"$T/crowd" <<'END'
cd "$1" || exit
trap : INT
for job in job.?; do
	(
		until [ -e "go.${job#job.}" ]; do sleep 0.02; done
		. "./$job"
	) &
done
while ! wait; do :; done
END

# The same as a shell with job control has it: the first in the background.
# For bash the terminal is where its stderr is.
cat >"$T/jobs" <<'END'
cd "$1" && exec 2>/dev/tty || exit
set -m
bash ./job.1 &
until grep -q '^State:.T' /proc/$!/status; do sleep 0.02; done
bash ./job.2
fg %1 >/dev/null
END

# keys GW1 GW2: their keys; a passphrase is asked for once.
keys()
{
	IDENTITY=([gw1]=$T/$1 [gw2]=$T/$2)
	write_config gw1 gw2 gw3 target
	conf "Host *" "BatchMode no" "NumberOfPasswordPrompts 1"
}

# job N COMMAND...: what the Nth does.
job()
{
	local n=$1

	shift
	{
		printf '%q ' env --default-signal=INT,QUIT "$@"
		echo "<line >$n.out 2>${job_stderr:-$n.err}"
		echo "echo \$? >$n.status"
	} >"$T/job.$n"
}

# hop_job N ARGUMENTS
hop_job()
{
	local n=$1

	shift
	job "$n" $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" "$@" \
	    127.0.0.1 "${PORT[echo]}"
}

# Nothing is left of the last ones; the first may go at once.
clear()
{
	rm -f "$T"/job.? "$T"/go.? "$T"/?.out "$T"/?.err "$T"/?.status
	touch "$T/go.1"
}

# play STEPS...: the jobs and a person on one terminal.
play()
{
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" \
	    --deadline $((20 * TEST_TIME_FACTOR)) "$@" \
	    --never "$ONE" --never "$TWO" -- bash "$T/${script:-crowd}" "$T"
}

# Theirs, in order.
statuses()
{
	cat "$T"/?.status 2>/dev/null | xargs
}

# asked SENTENCE STATUSES ECHO STEPS...: play, and judge: each question is alone
# in its line, with ECHO as it should be, and nothing else is on the terminal
# but what $may_show matches; who ends with 0 has carried, and in silence.
asked()
{
	local sentence=$1 want=$2 echo=$3 why= file n

	shift 3
	play "$@" || why=$(field failed "$T/talk.info")
	[ "$(statuses)" = "$want" ] || why="$why statuses $(statuses)"
	[ "$(field echo_after "$T/talk.info")" = on ] || why="$why no echo"
	! grep '^question=' "$T/talk.info" | grep -qv "echo=$echo" ||
	    why="$why echo while asking"
	! tr -d '\r' <"$T/talk.tty" | grep -Evq \
	    "^([^ ]*@gw[12] \(hop 1 of [12]\): [^:]*: )?${may_show:-}\$" ||
	    why="$why more in a question's line"
	for file in "$T"/?.status; do
		n=${file%.status}
		[ "$(cat "$file")" = 0 ] || continue
		cmp -s "$n.out" "$T/line" && [ ! -s "$n.err" ] ||
		    why="$why ${n##*/} is not well"
	done
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence ($why)" "$T/talk.tty" "$T/talk.info" \
		    "$T"/?.err
	fi
}

# all_there: a step; both proxyhops ask, or wait for their turn, by a child.
all_there()
{
	local words=($PROXYHOP_WRAP "$PROXYHOP")

	echo "for ((i = 0; i < 500 * $TEST_TIME_FACTOR; i++)); do
	    [ \$(pgrep -c -s \$CHILD -f '^[^ ]*${words[0]##*/}') -ge 4 ] &&
	    exit 0; sleep 0.02; done; exit 1"
}

# passphrase KEY: a pattern for the question.
passphrase()
{
	echo "passphrase for key '[^']*/$1': \$"
}

# The second one begins while the first one's question is open; each has a
# passphrase of its own, so that a torn answer does not pass.
in_turn()
{
	local n

	keys one two
	for n in 1 2 3; do
		clear
		hop_job 1 -J gw1
		hop_job 2 -J gw2
		asked "each gets its answer, $n" "0 0" off \
		    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
		    --run "$(all_there)" --hold 0.3 --type "$ONE" \
		    --wait "gw2 .*$(passphrase two)" --type "$TWO"
	done
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	asked "a wrong answer is one's own" "0 1" off \
	    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
	    --run "$(all_there)" --hold 0.3 --type "$ONE" \
	    --wait "gw2 .*$(passphrase two)" --type "$ONE"
	check "gw2 is named" grep -q '^proxyhop: gw2 (hop 1' "$T/2.err"
}

# What two ssh make of it, to compare: nothing depends on that.
ssh_in_turn()
{
	local n shown

	keys one two
	for n in 1 2; do
		clear
		job 1 ssh -F "$CONF" gw1 cat
		job 2 ssh -F "$CONF" gw2 cat
		play --deadline 15 --wait "$(passphrase one)" \
		    --run "touch $T/go.2" --wait "$(passphrase two)" \
		    --hold 0.3 --type "$ONE" --hold 0.5 --type "$TWO" \
		    --hold 0.5
		shown=no
		! grep -Eq "$ONE|$TWO" "$T/talk.tty" || shown=yes
		echo "	two ssh, $n: statuses $(statuses)," \
		    "an answer shown: $shown"
	done
}

# All begin at the same time; one passphrase does for all, whose turn it is.
at_once()
{
	local n steps=()

	keys one one
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	touch "$T/go.2"
	asked "two at once, one passphrase" "0 0" off \
	    --wait "$(passphrase one)" --run "$(all_there)" --type "$ONE" \
	    --wait "$(passphrase one)" --type "$ONE"
	clear
	for n in 1 2 3 4 5 6; do
		hop_job "$n" -J gw1
		touch "$T/go.$n"
		steps+=(--wait "$(passphrase one)" --type "$ONE")
	done
	asked "six at once" "0 0 0 0 0 0" off "${steps[@]}"
	clear
	for n in 1 2; do
		job "$n" ssh -F "$CONF" -o BatchMode=yes \
		    -o ProxyCommand="$(hop_cmd "gw$n")" target cat
		touch "$T/go.$n"
	done
	asked "below two real ssh" "0 0" off \
	    --wait "$(passphrase one)" --run "$(all_there)" --type "$ONE" \
	    --wait "$(passphrase one)" --type "$ONE"
}

host_keys()
{
	IDENTITY=()
	write_config gw1 gw2 gw3 target
	conf "Host *" "BatchMode no" "StrictHostKeyChecking ask" \
	    "UserKnownHostsFile $T/asked_hosts"
	clear
	hop_job 1 -J gw1 -o HostKeyAlias=first
	hop_job 2 -J gw2 -o HostKeyAlias=second
	touch "$T/go.2"
	may_show="(.*fingerprint\]\)\? yes)?" asked "two new host keys" "0 0" on \
	    --wait 'fingerprint\]\)\? $' --run "$(all_there)" --hold 0.3 \
	    --type yes --wait 'fingerprint\]\)\? $' --type yes
	equal "both are known now" \
	    "$(cut -d' ' -f1 "$T/asked_hosts" | sort | xargs)" "first second"
}

# who GATEWAY: for a step; the one that goes there, not its child.
who()
{
	echo "\$(pgrep -o -s \$CHILD -f '$PROXYHOP.* -J $1 ')"
}

# Those that end while they ask, or wait for their turn.
ends()
{
	keys one two
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	asked "ctrl-C ends both" "130 130" off \
	    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
	    --run "$(all_there)" --key c
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	asked "one is killed: the other one's turn" "137 0" off \
	    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
	    --run "$(all_there)" --run "kill -KILL $(who gw1)" \
	    --wait "gw2 .*$(passphrase two)" --type "$TWO"
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	asked "the one that waits is killed" "0 137" off \
	    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
	    --run "$(all_there)" --run "kill -KILL $(who gw2)" \
	    --type "$ONE"
}

# A job that the terminal has stopped does not read: nobody waits for it.
background()
{
	keys one two
	clear
	hop_job 1 -J gw1
	hop_job 2 -J gw2
	script=jobs asked "one is stopped in the background" "0 0" off \
	    --wait "gw2 .*$(passphrase two)" --type "$TWO" \
	    --wait "gw1 .*$(passphrase one)" --type "$ONE"
}

# slow N: a job that gets nowhere for two seconds, and shows it.
slow()
{
	job_stderr=/dev/tty job "$1" $PROXYHOP_WRAP "$PROXYHOP" -F none \
	    -r none -J "127.0.0.1:${PORT[silent]}" -o ConnectTimeout=2 \
	    127.0.0.1 1
}

# The line about a slow set-up does not go over a question.
status_line()
{
	clear
	slow 1
	play --wait 'banner, 1 s' --key c
	equal "there is such a line" \
	    "$(field failed "$T/talk.info") $(statuses)" " 130"
	keys one two
	clear
	hop_job 1 -J gw1
	slow 2
	may_show="(proxyhop: .*: banner: .*)?" asked \
	    "not where another one asks" "0 2" off \
	    --wait "gw1 .*$(passphrase one)" --run "touch $T/go.2" \
	    --wait 'banner: no .*\n' --type "$ONE"
}

# One that holds the terminal and does not go on is told of; when it has gone,
# the question comes.
stuck()
{
	cat >"$T/hold" <<-'END'
	import fcntl, os, signal, struct, sys
	fd = os.open(os.ttyname(os.open(sys.argv[1], os.O_RDWR)), os.O_RDWR)
	lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, os.getpgrp(), 1, 0)
	fcntl.fcntl(fd, 37, lock)	# F_OFD_SETLK
	open("held", "w").write(str(os.getpid()))
	os.kill(os.getpid(), signal.SIGSTOP)
	END
	keys one two
	clear
	echo "$PYTHON $T/hold \$(ps -o tty= -p \$\$ | sed s,^,/dev/,)" >"$T/job.1"
	job_stderr=/dev/tty hop_job 2 -J gw1
	play --run "until [ -s $T/held ]; do sleep 0.05; done; touch $T/go.2" \
	    --wait 'another proxyhop is asking on this terminal' \
	    --run "kill -KILL \$(cat $T/held)" \
	    --wait "gw1 .*$(passphrase one)" --type "$ONE"
	equal "one that is stopped while it asks is told of" \
	    "$(field failed "$T/talk.info") $(statuses)" " 0"
	rm -f "$T/held"
}

in_turn
ssh_in_turn
at_once
host_keys
ends
background
status_line
stuck
