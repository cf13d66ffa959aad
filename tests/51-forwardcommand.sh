#!/usr/bin/env bash
# Goal: a gateway that forbids direct-tcpip but lets commands run carries us
# with a ForwardCommand, anywhere in the chain; no name of a host can make the
# shell there do anything; what the command says is heard when it fails.

. "$(dirname "$0")/harness.sh"

# f1, f2 and f3 forward nothing, gw1 and gw2 do.  At DEBUG1 sshd would talk on
# the commands' stderr as well.
gateways "LogLevel VERBOSE"
for name in f1 f2 f3; do
	start_sshd $name "LogLevel VERBOSE" "AllowTcpForwarding no"
done
start_sshd mute "LogLevel VERBOSE" "AllowTcpForwarding no" "ForceCommand exit 9"
start_sshd deaf "LogLevel VERBOSE" "AllowTcpForwarding no" "MaxSessions 0"
write_config gw1 gw2 gw3 target f1 f2 f3 mute deaf
start_peer echo echo
start_peer bound bound
start_peer silent silent
start_peer endless duplex endless
start_peer says http

NC="ForwardCommand=nc -N %h %p"

# What a gateway runs to tell what it was asked for; one of them only tells.
cat >"$T/record" <<END
#!/bin/sh
{
	echo "\$#"
	printf '%s\n' "\$@"
} >$T/record.new
exec nc -N "\$1" "\$2"
END
sed 's/^exec.*/exit 3/' "$T/record" >"$T/tell"
chmod +x "$T/record" "$T/tell"

# at N M NAME: the beginning of a line about a hop.
at()
{
	echo "^proxyhop: $3 \(hop $1 of $2, .*\): forward: "
}

# ---- what it carries ---------------------------------------------------------

# Alone, first, in the middle, last, and one after the other.
places()
{
	refused "the twin: without the command" 1 "$(at 1 1 f1)f1 .*prohibited" \
	    hop -J f1 127.0.0.1 "${PORT[echo]}"
	moves "alone" -J f1 -o "f1:$NC"
	moves "first" -J f1,gw1,gw2 -o "f1:$NC"
	moves "in the middle" -J gw1,f1,gw2 -o "f1:$NC"
	moves "last" -J gw1,gw2,f1 -o "f1:$NC"
	moves "first and last" -J f1,gw1,f2 -o "f1:$NC" -o "f2:$NC"
	moves "everywhere" -J f1,f2,f3 -o "$NC"
	refused "one of three without it" 1 "$(at 2 3 f2)f2 .*prohibited" \
	    hop -J f1,f2,f3 -o "f1:$NC" -o "f3:$NC" 127.0.0.1 "${PORT[echo]}"
}

# through HOPS COMMAND: the ProxyCommand with a ForwardCommand for f1.
through()
{
	echo "$PROXYHOP_WRAP $PROXYHOP -F $T/ssh_config -J $1" \
	    "-o 'f1:ForwardCommand=${2//%/%%}' %h %p"
}

# A real ssh and scp, with nothing said about ends of file: as most write it.
clients()
{
	head -c 1000000 /dev/urandom >"$T/data"
	conf "Host target" "ProxyCommand $(through gw1,f1,gw2 'nc %h %p')"
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" target \
	    "tee $T/there; exit 7" <"$T/data" >"$T/back" 2>"$T/err"
	equal "ssh: status" "$?" 7
	equal "ssh: no word" "$(cat "$T/err")" ""
	check "ssh: the same bytes there" cmp "$T/data" "$T/there"
	check "ssh: the same bytes back" cmp "$T/data" "$T/back"
	rm -f "$T/there"
	check "scp" timeout $((60 * TEST_TIME_FACTOR)) setsid -w \
	    scp -q -F "$CONF" "$T/data" "target:$T/there"
	check "scp: the same bytes" cmp "$T/data" "$T/there"
	conf
}

# ---- who may say it ----------------------------------------------------------

sources()
{
	local here="-J gw1,f1"

	carries "-o by name" $here -o "f1:$NC"
	carries "-o by number" $here -o "2:$NC"
	carries "-o with a blank" $here -o "f1:ForwardCommand nc -N %h %p"
	carries "-o, upper and lower case" $here -o "f1:forwardCOMMAND=nc -N %h %p"
	printf '%s\n' "* $here -o \"f1:$NC\"" >"$T/routes"
	carries "the own file" -r "$T/routes"
	carries "the command line wins over the own file" -r "$T/routes" \
	    -o "f1:ForwardCommand=$T/record %h %p"
	check "so it does" grep -qx "${PORT[echo]}" "$T/record.new"
	refused "none is none" 1 "$(at 2 2 f1)f1 .*prohibited" \
	    hop -r "$T/routes" -o f1:ForwardCommand=none 127.0.0.1 \
	    "${PORT[echo]}"
	refused "for another hop" 1 "$(at 2 2 f1)f1 .*prohibited" \
	    hop $here -o "gw1:$NC" 127.0.0.1 "${PORT[echo]}"
	hop -G $here -o "f1:$NC" 127.0.0.1 22 >"$T/out" 2>"$T/err"
	equal "-G shows it, and where" \
	    "$(grep -E '^(hop|forwardcommand) ' "$T/out" | tr '\n' ' ')" \
	    "hop 1 gw1 hop 2 f1 forwardcommand nc -N %h %p "
	refused "an unknown token" 1 \
	    '^proxyhop: f1: ForwardCommand nc %h %r: ' \
	    hop $here -o "f1:ForwardCommand=nc %h %r" 127.0.0.1 22
	# a keyword that is ours alone
	conf "Host f1" "ForwardCommand nc %h %p"
	refused "in ssh's configuration ssh refuses it" 1 \
	    '[Bb]ad configuration option: forwardcommand' \
	    hop $here 127.0.0.1 "${PORT[echo]}"
	conf
}

# The line about a gateway that prohibits shows the way out; it is one.
way_out()
{
	local option

	refused "prohibited: the line names ForwardCommand" 1 \
	    "$(at 2 2 f1).*prohibited; .*-o '?f1:ForwardCommand=nc %h %p" \
	    hop -J gw1,f1 127.0.0.1 "${PORT[target]}"
	option=$(grep -Eo 'f1:ForwardCommand=nc %h %p' "$T/refused.err")
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -o ProxyCommand="$(through gw1,f1 "${option#*=}")" target \
	    echo passed </dev/null >"$T/out" 2>"$T/err"
	equal "prohibited: what the line names is a way" "$(cat "$T/out")" \
	    passed
	refused "not prohibited: it is not named" 2 \
	    "$(at 1 1 gw1).*refused\"; check that 127.0.0.1 is up and can be reached from gw1$" \
	    hop -J gw1 127.0.0.1 "${PORT[bound]}"
}

# ---- names -------------------------------------------------------------------

# asked SENTENCE HOST PORT: the command there was given two words, these.
asked()
{
	equal "$1: two words, as they are" \
	    "$(tr '\n' ' ' <"$T/record.new")" "2 $2 $3 "
}

# What is in the place of %h and %p.
tokens()
{
	rm -f "$T/record.new"
	carries "to the target" -J gw1,f1 -o "f1:ForwardCommand=$T/record %h %p"
	asked "to the target" 127.0.0.1 "${PORT[echo]}"
	rm -f "$T/record.new"
	carries "to the next hop" -J f1,gw1 \
	    -o "f1:ForwardCommand=$T/record %h %p"
	asked "to the next hop" 127.0.0.1 "${PORT[gw1]}"
	carries "one word of both, and %%" -J f1 -o "f1:ForwardCommand=test \
	    %h:%p%% = 127.0.0.1:${PORT[echo]}\$(printf '\\045') && nc -N %h %p"
}

# names NAME: whatever it is, the command there gets it as one word, or it is
# refused here; nobody runs what is in it, however the command quotes %h.
names()
{
	local name=$1 command why

	for command in "%h %p" "'%h' %p" "\"%h\" %p"; do
		rm -f "$T/record.new" "$T/run"
		why=
		hop -F none -r none -J "$ME@127.0.0.1:${PORT[f1]}" -i "$T/id" \
		    -o "UserKnownHostsFile=$T/known_hosts" \
		    -o "ForwardCommand=$T/tell $command" "$name" 22 \
		    </dev/null >"$T/out" 2>"$T/err" &&
		    why="; status 0"
		[ ! -e "$T/run" ] || why="$why; it was run"
		if [ -e "$T/record.new" ]; then
			[ "$(head -n 1 "$T/record.new")" = 2 ] ||
			    why="$why; not two words"
			[[ $(tail -n 1 "$T/record.new") = 22 ]] ||
			    why="$why; no port"
			[ "$command" != "%h %p" ] ||
			    [ "$(sed -n 2p "$T/record.new")" = "$name" ] ||
			    why="$why; not the name"
		else
			grep -q '^proxyhop: ' "$T/err" || why="$why; no line"
		fi
		command="names: $command: ${name//$T\//}"
		if [ -z "$why" ]; then
			ok "$command"
		else
			fail "$command (${why#; })" "$T/record.new" "$T/err"
		fi
	done
}

# ---- what it says ------------------------------------------------------------

# says SENTENCE STATUS END COMMAND: it fails, and its last words are in our
# line.
says()
{
	refused "$1" "$2" "$(at 2 2 f1)its ForwardCommand \(.*\) ended with status $3" \
	    hop -J gw1,f1 -o "f1:ForwardCommand=$4" 127.0.0.1 "${PORT[bound]}"
}

words()
{
	local n

	carries "what it says is not shown when all is well" -J gw1,f1 \
	    -o "f1:ForwardCommand=echo hark >&2; exec nc -N %h %p"
	echo there and back | hop -v -J gw1,f1 \
	    -o "f1:ForwardCommand=echo hark >&2; exec nc -N %h %p" \
	    127.0.0.1 "${PORT[echo]}" >"$T/out" 2>"$T/err"
	equal "-v: stdout is the target's" "$(cat "$T/out")" "there and back"
	check "-v shows it, with the hop" \
	    grep -q '^proxyhop: f1 (hop 2): it says "hark"$' "$T/err"
	carries "much of it holds up nobody" -J gw1,f1 \
	    -o "f1:ForwardCommand=yes hark | head -c 3000000 >&2; exec nc -N %h %p"

	# nc writes its line in three pieces; when they come is left to chance
	for n in 1 2 3 4 5 6 7 8; do
		says "refused there: its words ($n)" 2 \
		    "1: it says \"nc: connect to 127.0.0.1 port ${PORT[bound]} \(tcp\) failed: Connection refused\"; " \
		    "nc -v %h %p" || break
	done
	says "the last of its lines" 2 '3: it says "three"; ' \
	    "printf 'one\ntwo\nthr' >&2; sleep 0.1; printf 'ee\n\n' >&2; exit 3"
	says "a line without an end" 2 '3: it says "almost"; ' \
	    "printf 'one\nalmost' >&2; exit 3"
	says "no words" 2 '1; ' "nc %h %p"
	says "control characters" 2 '3: it says ".*red.*"; ' \
	    "printf '\\033[31mred\\007\\n' >&2; exit 3"
	check "control characters are not shown raw" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	says "a very long line" 2 '3: ' \
	    "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 3"
	at_most "a very long line is cut: bytes" "$(wc -c <"$T/refused.err")" \
	    70000
	says "no such command" 1 '127: .*absent' "$T/absent %h %p"
}

# The gateway does not run it.
not_run()
{
	refused "another command is forced" 2 "$(at 1 1 mute)its ForwardCommand .* ended with status 9; " \
	    hop -J mute -o "$NC" 127.0.0.1 "${PORT[echo]}"
	refused "no session is granted" '[12]' "$(at 1 1 deaf)" \
	    hop -J deaf -o "$NC" 127.0.0.1 "${PORT[echo]}"
	check "no session is granted: nothing is named that is set" \
	    bash -c "! grep -q 'or, if it lets you run' '$T/refused.err'"
	refused "the next hop does not answer through it" 2 \
	    '^proxyhop: gw2 \(hop 3 of 3, .*\): banner: no answer' \
	    hop -J gw1,f1,gw2 -o "f1:$NC" -o "gw2:Port=${PORT[silent]}" \
	    -o gw2:ConnectTimeout=1 127.0.0.1 22
	refused "the next hop refuses it" 2 \
	    "$(at 2 3 f1)its ForwardCommand .*refused" \
	    hop -J gw1,f1,gw2 -o "f1:ForwardCommand=nc -v %h %p" \
	    -o "gw2:Port=${PORT[bound]}" 127.0.0.1 22
	refused "it talks, but no SSH" 1 \
	    "$(at 2 3 f1)its ForwardCommand \(echo no such host\) has led to no SSH server: it says \"no such host\" and ends; try that command on f1$" \
	    hop -J gw1,f1,gw2 -o "f1:ForwardCommand=echo no such host" \
	    127.0.0.1 22
	refused "it talks, but no SSH, and fails" 2 \
	    "$(at 2 3 f1).* ended with status 3: it says \"no such host\"; check" \
	    hop -J gw1,f1,gw2 -o "f1:ForwardCommand=echo no such host; exit 3" \
	    127.0.0.1 22
}

# ---- text instead of a connection ---------------------------------------------

# text SENTENCE STATUS STDIN COMMAND [PATTERN]: what a client gets that says
# this, and whether a line tells of it; without a pattern none does.
text()
{
	local status=0

	printf '%b' "$3" | hop -J gw1,f1 -o "f1:ForwardCommand=$4" 127.0.0.1 \
	    "${PORT[target]}" >"$T/out" 2>"$T/err" || status=$?
	equal "$1: status" "$status" "$2"
	if [ $# -eq 4 ]; then
		equal "$1: no word" "$(cat "$T/err")" ""
		return
	fi
	equal "$1: one line" "$(wc -l <"$T/err")" 1
	check "$1: it tells" grep -Eq "$(at 2 2 f1)its ForwardCommand .* $5" \
	    "$T/err"
}

texts()
{
	local no="echo This account is not available" ssh='SSH-2.0-test\r\n'
	local led='has led to no SSH server: it says "This account is not available" and ends; try that command on f1$'

	text "text for an SSH client" 1 "$ssh" "$no" "$led"
	equal "text for an SSH client: it gets it" "$(cat "$T/out")" \
	    "This account is not available"
	text "text after the client's banner" 1 "$ssh" "read banner; $no" "$led"
	text "text without an end of line" 1 "$ssh" "printf '\033[31mno'" \
	    'it says "[^"]*31mno" and ends'
	check "text: it is not shown raw" bash -c "! grep -q '[^[:print:]]' '$T/err'"
	text "text, and a failure" 2 "$ssh" "$no; exit 3" \
	    'ended with status 3: it says "This account .*"; check'
	text "a busy server's text" 2 "$ssh" "echo Exceeded MaxStartups" \
	    'it says "Exceeded MaxStartups" and ends'
	text "1,100 lines, and then a banner" 1 "$ssh" \
	    "seq 1100; echo SSH-2.0-late" 'it says "1" and ends'
	# its twins: SSH, and whoever speaks something else
	text "a banner" 0 "$ssh" "echo SSH-2.0-x"
	text "lines before it" 0 "$ssh" "echo Welcome; echo; echo SSH-2.0-x"
	text "a banner in pieces" 0 "$ssh" \
	    "printf 'hello\nSS'; sleep 0.2; printf 'H-2.0-x\n'"
	text "another client" 0 'GET / HTTP/1.0\n\n' "$no"
	text "one that says nothing" 0 '' "$no"
	text "nearly SSH" 0 'SSL-2.0\n' "$no"
	printf '%b' "$ssh" | hop -J gw1 127.0.0.1 "${PORT[says]}" >"$T/out" \
	    2>"$T/err"
	equal "no command, a target that says no SSH: nothing is said of it" \
	    "$? $(cat "$T/err")" "0 "
	refused "-t: text is no success" 1 "$(at 2 2 f1).*$led" \
	    bash -c '"$@" >/dev/null' - timeout 20 setsid -w $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$CONF" -t -J gw1,f1 -o "f1:ForwardCommand=$no" \
	    127.0.0.1 "${PORT[target]}"
	refused "-t: text, and a failure" 2 \
	    "$(at 2 2 f1).* status 3: it says \"This account .*\"; check" \
	    bash -c '"$@" >/dev/null' - timeout 20 setsid -w $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$CONF" -t -J gw1,f1 \
	    -o "f1:ForwardCommand=$no; exit 3" 127.0.0.1 "${PORT[target]}"
	check "-t: lines before a banner are none" hop -t -J gw1,f1 \
	    -o "f1:ForwardCommand=echo Welcome; exec nc %h %p" 127.0.0.1 \
	    "${PORT[target]}"
	check "-t: nor is a service that waits" hop -t -J gw1,f1 \
	    -o "f1:ForwardCommand=echo 220 mail; exec sleep 2" 127.0.0.1 25
}

# A real ssh: in with lines before the banner, and told by us if there is none;
# its twin is an ssh for each hop.
text_of_ssh()
{
	local command in

	for command in "echo Welcome; exec nc 127.0.0.1 ${PORT[target]}" \
	    "echo This account is not available"; do
		in=$(timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh \
		    -F "$CONF" -o "ProxyCommand=ssh -F $CONF -J gw1 f1 '$command'" \
		    target echo in </dev/null 2>"$T/err")
		conf "Host target" "ProxyCommand $(through gw1,f1 "$command")"
		equal "ssh, its command says: $command" "$(timeout \
		    $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" target \
		    echo in </dev/null 2>"$T/err")" "$in"
		conf
	done
	equal "ssh, no SSH server: our line" \
	    "$(grep -Ec "$(at 2 2 f1).*no SSH server: it says \"This account" \
	    "$T/err")" 1
}

# ---- how it ends -------------------------------------------------------------

# commands: those that run on gateways for us.
commands()
{
	local pid

	for pid in $(marked); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != nc ] || echo "$pid"
	done
}

# up HOPS: endless bytes both ways through f1 among these.
up()
{
	forget endless
	drive --send endless --deadline $((20 * TEST_TIME_FACTOR)) -- \
	    -J "$1" -o "f1:ForwardCommand=nc %h %p" 127.0.0.1 \
	    "${PORT[endless]}" >"$T/drive" 2>"$T/err" &
	driver=$!
	wait_for "$T/endless.log" '^accepted' || die "a session" "$T/err"
}

ends()
{
	local name

	for name in TERM KILL; do
		up gw1,f1,gw2
		kill -"$name" "$(hop_pids)"
		wait "$driver"
		check "SIG$name: what it ran there ends" \
		    wait_until '[ -z "$(commands)" ]' 5
	done
	up gw1,f1,gw2
	kill -KILL "$(commands)"
	wait "$driver"
	equal "killed there, in the middle: status" "$(field status "$T/drive")" 2
	check "killed there, in the middle: in one line, with a hop" \
	    grep -Eq '^proxyhop: (f1|gw2) \(hop [23] of 3, .*\): ' "$T/err"
	equal "killed there, in the middle: in one line" "$(wc -l <"$T/err")" 1
	up gw1,gw2,f1
	kill -KILL "$(commands)"
	wait "$driver"
	check "killed there, last: we end" test "$(field status "$T/drive")" != 124
	up gw1,f1,gw2
	drop f1
	wait "$driver"
	equal "its gateway is killed: status" "$(field status "$T/drive")" 2
	check "its gateway is killed: it is named" \
	    grep -Eq '^proxyhop: f1 \(hop 2 of 3, .*\): carry: ' "$T/err"
}

places
clients
sources
way_out
tokens
for name in "x;>$T/run" "x|cat>$T/run" "x\$(>$T/run)" "x\`>$T/run\`" \
    "x'>$T/run'" "x\">$T/run\"" "x';>$T/run;'" "x\";>$T/run;\"" 'x\' '*' '~' \
    'a%h'; do
	names "$name"
done
words
not_run
texts
text_of_ssh
ends
