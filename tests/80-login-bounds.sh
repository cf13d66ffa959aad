#!/usr/bin/env bash
# Goal: a gateway's login cannot hold us up, fill the terminal or keep what it
# has no right to: rounds without questions, successes without an end, an
# agent's connection and the text of a key while carrying, blocked signals.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

PEAKS=$T/peaks
user_key
start_sshd gw1
start_peer echo echo
new_key "$T/bad.key"

# gate [OPTIONS] MODE: such a gateway, named bad, takes the last one's place.
gate()
{
	start_bad login.py "$@"
	conf "Host *" "BatchMode no"
}

# ends SENTENCE HOPS LINES: soon, with so many lines at most, none of them long.
ends()
{
	local start status

	start=$(now)
	hop -J "$2" 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	status=$?
	check "$1, $2: it ends with 1 or 2" [ $status -eq 1 -o $status -eq 2 ]
	at_most "$1, $2: ms" $(($(now) - start)) $((8000 * TEST_TIME_FACTOR))
	at_most "$1, $2: lines" "$(wc -l <"$T/err")" "$3"
	at_most "$1, $2: the longest" "$(wc -L <"$T/err")" 600
	check "$1, $2: the last line names it" \
	    bash -c "tail -n 1 '$T/err' | grep -q '^proxyhop: bad (hop .*: auth: ${4:-}'"
}

floods()
{
	local hops

	gate rounds
	for hops in bad gw1,bad; do
		ends "rounds without questions" $hops 22 'it asks without an end'
	done
	gate rush
	for hops in bad gw1,bad; do
		ends "rounds that do not wait for an answer" $hops 22
	done
	gate partial
	for hops in bad gw1,bad; do
		ends "partial success without an end" $hops 1 'Permission denied after partial success'
	done
}

# What libssh says of a key or of message 60 is not what a server says.
mistaken()
{
	local hops

	gate listed
	for hops in bad gw1,bad; do
		refused "a method named as libssh's words, $hops" 1 \
		    "^proxyhop: bad .*: auth: Permission denied for .* it takes publickey" \
		    hop -J $hops 127.0.0.1 "${PORT[echo]}"
		check "and PubkeyAcceptedAlgorithms is not blamed, $hops" \
		    bash -c "! grep -q PubkeyAcceptedAlgorithms '$T/refused.err'"
	done
	gate sixty
	for hops in bad gw1,bad; do
		refused "message 60 out of turn, $hops" '[12]' \
		    "^proxyhop: bad .*: auth: " \
		    hop -J $hops 127.0.0.1 "${PORT[echo]}"
		check "and it is not a password to be changed, $hops" \
		    bash -c "! grep -Eq 'has to be changed|has expired' '$T/refused.err'"
	done
}

# by_80 FILE: what a terminal of 80 columns makes of it, line by line.
by_80()
{
	"$PYTHON" - "$1" <<-'END'
	import sys
	for line in open(sys.argv[1], newline="").read().split("\n"):
	    line = line.rstrip("\r")
	    for i in range(0, len(line) or 1, 80):
	        print(line[i:i + 80])
	END
}

# A menu, and lines that could pass for another hop's.
questions()
{
	local LC_ALL=C.UTF-8

	gate menu
	conf "Host *" "BatchMode no"
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" --send there \
	    --deadline $((20 * TEST_TIME_FACTOR)) \
	    --wait 'Passcode or option \(1-2\): ' --type 1 -- \
	    $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J bad 127.0.0.1 \
	    "${PORT[echo]}"
	equal "a menu: let in" "$(cat "$T/talk.out")" there
	equal "a menu: as it was sent, line by line" \
	    "$(tr -d '\r' <"$T/talk.tty")" "$ME@bad (hop 1 of 1): it says
| Enter a passcode, or select one of the following options:
|  1. Push to XXX-1234
|  2. SMS     (next: 3)
| █▀▀ ▄  ▀ █
| Pass
$ME@bad (hop 1 of 1): Passcode or option (1-2): 1"
	gate paint
	conf "Host *" "BatchMode no"
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" --send there \
	    --deadline $((20 * TEST_TIME_FACTOR)) \
	    --wait "bad \(hop 1 of 1\): root@gw2's password: " --type 1 -- \
	    $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J bad 127.0.0.1 \
	    "${PORT[echo]}"
	equal "another hop's question, painted: answered" \
	    "$(cat "$T/talk.out")" there
	by_80 "$T/talk.tty" >"$T/shown"
	check "another hop's question, painted: each line is marked" \
	    bash -c "! grep -Ev '^($ME@bad \(hop 1 of 1\): |\| |x+$|$)' '$T/shown'"
	check "it was there" grep -q "^| root@gw2 (hop 2 of 2)" "$T/shown"
}

# All that it makes us show in one run, -v or not, whatever it is.
chatter()
{
	local options hops

	gate chatter
	printf '#!/bin/sh\nprintf "%%s\\n" "$1" | grep "^| " >>%s\necho 1\n' \
	    "$T/asked" >"$T/askpass"
	chmod 700 "$T/askpass"
	for options in -4 -v; do
		for hops in bad gw1,bad; do
			: >"$T/asked"
			SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force hop \
			    $options -o LoginTimeout=5 -J $hops 127.0.0.1 1 \
			    </dev/null >"$T/out" 2>"$T/err"
			equal "banners, rounds, menus, $options $hops: lines" \
			    "$(cat "$T/asked" "$T/err" |
			    grep -Ec '^\||it says "(banner|told|name)')" 20
			equal "and that there are more, $options $hops" \
			    "$(grep -c 'what else it says is not' "$T/err")" 1
		done
	done
	carries "a ForwardCommand that says much, -v" -v -E "$T/log" -J gw1 \
	    -o "ForwardCommand=yes hark | head -c 3000 >&2; exec nc -N %h %p"
	equal "a ForwardCommand that says much, -v: lines" \
	    "$(grep -c 'gw1 (hop 1): it says' "$T/log")" 20
}

sockets()
{
	ls -l "/proc/${PID[agent]}/fd" | grep -c socket:
}

# While it carries: no connection to the agent, and nothing of the key file.
leftovers()
{
	local before pid

	start_agent agent
	export SSH_AUTH_SOCK=$T/agent
	new_key "$T/held"
	ssh-add -q "$T/held"
	mv "$T/held" "$T/held.away"
	cat "$T/held.pub" >>"$T/authorized_keys"
	IDENTITY=([gw1]=$T/held)
	write_config gw1
	before=$(sockets)
	hop_exec -J gw1 127.0.0.1 "${PORT[echo]}" \
	    < <(sleep 60 & echo $! >"$T/sleep"; echo there; wait) \
	    >"$T/carried" 2>"$T/err" &
	wait_for "$T/carried" there
	equal "the agent's key has logged in, its connection is closed" \
	    "$(sockets)" "$before"
	kill "$(cat "$T/sleep")"
	wait $!
	unset SSH_AUTH_SOCK
	key_text ed25519
	key_text rsa
}

# key_text TYPE: read by root, since nobody else may.
key_text()
{
	local pid

	[ "$(id -u)" -eq 0 ] && [ "$TEST_MEM_FACTOR" = 1 ] || return 0
	new_key "$T/plain.$1" -t "$1"
	cat "$T/plain.$1.pub" >>"$T/authorized_keys"
	IDENTITY=([gw1]=$T/plain.$1)
	write_config gw1
	hop_exec -J gw1 127.0.0.1 "${PORT[echo]}" \
	    < <(sleep 60 & echo $! >"$T/sleep"; echo there; wait) \
	    >"$T/carried.$1" 2>"$T/err" &
	pid=$!
	wait_for "$T/carried.$1" there
	equal "$1: the text of the key file is not in memory" \
	    "$("$PYTHON" - "$pid" "$T/plain.$1" <<-'END' 2>&1
	import base64, re, sys
	pid, name = sys.argv[1:]
	lines = open(name).read().split("\n")[1:-2]
	blob = base64.b64decode("".join(lines))
	end = len(blob)
	text = "".join(lines)
	found = set()
	# the public half is in front, the private one in the second half
	wanted = [text[i:i + 24].encode() for i in
	    range(len(text) // 2, len(text) - 24, 8)]
	wanted += [blob[i:i + 16] for i in range(end // 2, end - 48, 8)]
	public = base64.b64decode(open(name + ".pub").read().split()[1])
	wanted = [w for w in wanted if w not in public]
	for line in open("/proc/%s/maps" % pid):
	    m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
	    if not m:
	        continue
	    a, b = (int(x, 16) for x in m.groups())
	    with open("/proc/%s/mem" % pid, "rb", 0) as mem:
	        mem.seek(a)
	        try:
	            data = mem.read(b - a)
	        except OSError:
	            continue
	    found.update(w for w in wanted if w in data)
	print(len(found), "of", len(wanted) and "some")
	END
	)" "0 of some"
	kill "$(cat "$T/sleep")"
	wait $pid
}

# A parent that blocks and ignores all it can, as a cron or a job runner may.
signals()
{
	conf "Host *" "BatchMode no"
	cat >"$T/blocked.py" <<-'END'
	import os, signal, sys
	signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
	for s in (signal.SIGALRM, signal.SIGCHLD):
	    signal.signal(s, signal.SIG_IGN)
	os.execvp(sys.argv[1], sys.argv[1:])
	END
	ssh-keygen -q -t ed25519 -N "open sesame" -f "$T/sealed" </dev/null
	cat "$T/sealed.pub" >>"$T/authorized_keys"
	IDENTITY=([gw1]=$T/sealed)
	write_config gw1
	conf "Host *" "BatchMode no"
	printf '#!/bin/sh\ntouch %s\nexec sleep 60\n' "$T/asked" >"$T/askpass"
	rm -f "$T/asked"
	chmod 700 "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force setsid \
	    "$PYTHON" "$T/blocked.py" $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" \
	    -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >/dev/null 2>&1 &
	started=$!
	wait_until "[ -e '$T/asked' ]" || fail "it asks"
	pid=$(hop_pids)
	kill -TERM $pid
	check "signals blocked by the parent: SIGTERM ends it" \
	    wait_gone "${pid%%$'\n'*}" 5
	check "and the program that asks" wait_until '[ -z "$(hop_pids)" ] &&
	    ! pgrep -f "$T/askpass" >/dev/null' 5
	wait $started 2>/dev/null || :
}

mistaken
floods
questions
chatter
leftovers
signals
little_memory 8
