#!/usr/bin/env bash
# Goal: a person is asked on the terminal or by SSH_ASKPASS, as by ssh, never on
# stdin or stdout; the chain lives on meanwhile, and nothing is left behind.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"

gateways "ClientAliveInterval 1" "ClientAliveCountMax 2"
start_peer echo echo
start_sshd hasty "LoginGraceTime 2"

PASSPHRASE="open sesame"

ssh-keygen -q -t ed25519 -N "$PASSPHRASE" -f "$T/sealed" </dev/null
cat "$T/sealed.pub" >>"$T/authorized_keys"

# sealed HOP...: these have nothing but the encrypted key.
sealed()
{
	local name

	IDENTITY=()
	for name; do
		IDENTITY[$name]=$T/sealed
	done
	write_config gw1 gw2 gw3 target hasty
	conf "Host *" "BatchMode no"
}

# askpass COMMANDS: the program; it notes that it was asked, and what.
askpass()
{
	cat >"$T/askpass" <<-END
	#!/bin/sh
	echo "\$*" >>$T/asked
	ls -l /proc/\$\$/fd >$T/askpass.fds
	$1
	END
	chmod 700 "$T/askpass"
}

terminal()
{
	sealed gw1 gw2
	talk "each question begins with its hop" 0 \
	    --wait 'gw1 \(hop 1 of 3\): .*: ' --type "$PASSPHRASE" \
	    --wait 'gw2 \(hop 2 of 3\): .*: ' --type "$PASSPHRASE" -- \
	    -J gw1,gw2,gw3
	talk "the second one is refused, and named" 1 \
	    --wait 'gw1 \(hop 1 of 3\): .*: ' --type "$PASSPHRASE" \
	    --wait 'gw2 \(hop 2 of 3\): .*: ' --type "" -- -J gw1,gw2,gw3
	check "gw2 is named" grep -q '^proxyhop: gw2 (hop 2 of 3' "$T/talk.err"
	sealed gw1
	refused "no terminal and no SSH_ASKPASS: nobody is asked" 1 \
	    "^proxyhop: gw1 .*$T/sealed is encrypted, and nobody" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	talk "ctrl-D is no answer" 1 --wait ': ' --key d -- -J gw1
	check "a real ssh, the question on its terminal" \
	    "$PYTHON" "$TESTS/terminal.py" --out "$T/ssh" \
	    --wait 'gw1 \(hop 1 of 2\): .*: ' --type "$PASSPHRASE" -- \
	    ssh -F "$CONF" -o ProxyCommand="$(hop_cmd gw1,gw2)" target \
	    echo there
	equal "it says what it should" "$(cat "$T/ssh.out")" there
}

# who COMMAND...: whom a command asks that has a terminal; both would answer.
who()
{
	: >"$T/asked"
	"$PYTHON" "$TESTS/terminal.py" --out "$T/who" --send there \
	    --deadline $((10 * TEST_TIME_FACTOR)) \
	    --wait 'assphrase.*: ' --type "$PASSPHRASE" -- "$@"
	if [ -s "$T/asked" ]; then
		echo program
	elif [ "$(field step "$T/who.info")" = 2 ]; then
		echo terminal
	else
		echo nobody
	fi
}

# What of the environment decides, with a terminal and without one.
environment()
{
	local require display wayland wanted env got ssh

	sealed gw1
	askpass "echo $PASSPHRASE"
	while read -r require display wayland wanted; do
		env=(SSH_ASKPASS="$T/askpass")
		[ "$require" = - ] || env+=(SSH_ASKPASS_REQUIRE="$require")
		[ "$display" = - ] || env+=(DISPLAY="${display#=}")
		[ "$wayland" = - ] || env+=(WAYLAND_DISPLAY="${wayland#=}")
		got=$(export "${env[@]}"; who $PROXYHOP_WRAP "$PROXYHOP" \
		    -F "$CONF" -J gw1 127.0.0.1 "${PORT[echo]}")
		equal "REQUIRE $require DISPLAY $display WAYLAND_DISPLAY $wayland" \
		    "$got" "$wanted"
		# ssh minds WAYLAND_DISPLAY only in later versions
		[ "$wayland" = - ] || continue
		ssh=$(export "${env[@]}"; who ssh -F "$CONF" gw1 true)
		equal "ssh has it so, too" "$ssh" "$wanted"
	done <<-END
	- - - terminal
	- =:0 - terminal
	never =:0 - terminal
	prefer =:0 - program
	prefer - =wayland-0 program
	prefer - - terminal
	prefer = = terminal
	force - - program
	FORCE - - program
	END
}

# Without a terminal; and what a program may do.
programs()
{
	sealed gw1
	export SSH_ASKPASS=$T/askpass
	askpass "echo $PASSPHRASE"
	DISPLAY=:0 carries "no terminal, DISPLAY" -J gw1
	check "it was asked with the hop before the question" \
	    grep -q '^[^ ]*@gw1 (hop 1 of 1): .*passphrase.*: $' "$T/asked"
	check "it has no connection of ours" \
	    bash -c "[ -s '$T/askpass.fds' ] && ! grep socket '$T/askpass.fds'"
	WAYLAND_DISPLAY=w carries "no terminal, WAYLAND_DISPLAY" -J gw1
	DISPLAY=:0 SSH_ASKPASS_REQUIRE=never refused \
	    "no terminal, never" 1 "nobody can be asked" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	refused "no terminal, no DISPLAY" 1 "nobody can be asked" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	export SSH_ASKPASS_REQUIRE=force
	refused "BatchMode, force" 1 "nobody can be asked" \
	    hop -J gw1 -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
	askpass "printf %s '$PASSPHRASE'"
	carries "an answer without a newline" -J gw1
	askpass "echo $PASSPHRASE; exit 1"
	refused "a program that fails has not answered" 1 \
	    "$T/sealed was not unlocked" hop -J gw1 127.0.0.1 "${PORT[echo]}"
	askpass "head -c 100000 /dev/zero | tr '\\0' x; echo"
	refused "a program that does not end its line soon" 1 \
	    "$T/sealed was not unlocked" hop -J gw1 127.0.0.1 "${PORT[echo]}"
	SSH_ASKPASS=$T/absent refused "there is no such program" 1 \
	    "$T/sealed was not unlocked" hop -J gw1 127.0.0.1 "${PORT[echo]}"
	unset SSH_ASKPASS SSH_ASKPASS_REQUIRE
}

# The chain lives on while a question is open.
open_question()
{
	sealed gw2
	talk "5 s with gw2's question open: gw1 is served, no time-out" 0 \
	    --wait 'gw2 \(hop 2 of 2\): .*: ' --hold 5 \
	    --type "$PASSPHRASE" -- -J gw1,gw2 -o ConnectTimeout=2
	talk "gw1 goes meanwhile" 2 \
	    --wait 'gw2 \(hop 2 of 2\): .*: ' \
	    --run "for p in \$(pgrep -P ${PID[gw1]}); do
	        pkill -KILL -P \$p; kill -KILL \$p; done" -- -J gw1,gw2
	check "gw1 is named" grep -q '^proxyhop: gw1 (hop 1 of 2' "$T/talk.err"
	sealed hasty
	talk "the one that asks goes meanwhile" "[12]" \
	    --wait 'hasty \(hop 1 of 1\): .*: ' -- -J hasty
	check "it is named" grep -q '^proxyhop: hasty (hop 1' "$T/talk.err"
	at_most "without an answer: ms" "$(field ms "$T/talk.info")" \
	    $((6000 * TEST_TIME_FACTOR))
}

# ended SENTENCE STATUS KEY-OR-COMMAND: while a question is open.
ended()
{
	talk_quiet "$1" "$2" --wait 'gw2 \(hop 2 of 2\): .*: ' "${@:3}"
}

# As talk, for what ends without a word.
talk_quiet()
{
	local sentence=$1 want=$2 why=

	shift 2
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" \
	    --deadline $((20 * TEST_TIME_FACTOR)) --send "there and back" \
	    "$@" -- $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J gw1,gw2 \
	    127.0.0.1 "${PORT[echo]}" || why="$(field failed "$T/talk.info")"
	[[ $(field status "$T/talk.info") =~ ^($want)$ ]] ||
	    why="$why status $(field status "$T/talk.info")"
	[ "$(field echo_after "$T/talk.info")" = on ] || why="$why no echo"
	[ ! -s "$T/talk.out" ] && [ ! -s "$T/talk.err" ] || why="$why words"
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence ($why)" "$T/talk.tty" "$T/talk.err" \
		    "$T/talk.info"
	fi
	if wait_until '[ -z "$(hop_pids)" ]' 3; then
		ok "$sentence: no child is left"
	else
		fail "$sentence: no child is left"
	fi
}

ends()
{
	sealed gw2
	ended "ctrl-C ends quietly, with echo" 130 --key c
	equal "there was none before" "$(field echo "$T/talk.info")" off
	ended "SIGTERM" 143 --run 'kill -TERM $CHILD'
	ended "SIGHUP" 129 --run 'kill -HUP $CHILD'
	ended "SIGKILL" 137 --run 'kill -KILL $CHILD'
}

terminal
environment
programs
open_question
ends
