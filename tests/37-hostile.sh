#!/usr/bin/env bash
# Goal: whatever a gateway sends, it ends in one clean line, or in the bytes it
# was to carry; it costs no memory, and no other hop suffers.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

PEAKS=$T/peaks
user_key
start_sshd gw1 "Banner $T/banner"
start_peer echo echo
new_key "$T/bad.key"
new_key "$T/bad2.key"
printf 'hello \033[2J\033]0;title\007\r\nsecond line\n' >"$T/banner"

# hostile [OPTIONS] MODE: such a gateway, named bad, takes the last one's place.
hostile()
{
	start_bad hostile.py "$@"
	to=(127.0.0.1 "${PORT[echo]}")
}

# clean SENTENCE: the line is printable, whatever was in it.
clean()
{
	check "$1: printable" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	at_most "$1: of a length to be read" "$(wc -c <"$T/refused.err")" 1200
}

# ends SENTENCE STATUS STAGE PATTERN: at the bad one, first and second hop.
ends()
{
	refused "$1, hop 1" "$2" "^proxyhop: bad \(hop 1 of 1, .*\): $3: .*$4" \
	    hop -J bad "${to[@]}"
	clean "$1, hop 1"
	refused "$1, hop 2" "$2" "^proxyhop: bad \(hop 2 of 2, .*\): $3: .*$4" \
	    hop -J gw1,bad "${to[@]}"
	clean "$1, hop 2"
}

# same_bytes SENTENCE: what drive.py read is what the gateway sent.
same_bytes()
{
	equal "$1: status" "$(field status "$T/drive")" 0
	equal "$1: no word" "$(cat "$T/err")" ""
	equal "$1: bytes" "$(field got "$T/drive")" \
	    "$(field sent "$T/bad.log")"
	equal "$1: sha256" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/bad.log")"
}

# measure HOPS [drive options]
measure()
{
	local hops=$1

	shift
	forget bad
	drive --deadline $((20 * TEST_TIME_FACTOR)) "$@" -- -J "$hops" \
	    "${to[@]}" >"$T/drive" 2>"$T/err"
}

# not_much SENTENCE: memory stays that of a quiet run.
not_much()
{
	at_most "$1: kB" "$(field peak_kb "$T/drive")" \
	    $((24000 * TEST_MEM_FACTOR))
}

texts()
{
	hostile banner
	ends "escapes in the login banner" 1 auth 'it says "one.*three.*"'
	hostile refuse
	ends "escapes in the channel's refusal" 2 forward \
	    "could not open 127.0.0.1:${PORT[echo]}: it says .one"
	hostile disconnect
	ends "escapes in DISCONNECT" '[12]' auth 'one'
	write_config gw1 bad
	conf "Host gw1" "User nobody-at-all"
	refused "escapes in the banner of a real sshd" 1 \
	    '^proxyhop: gw1 .*it says "hello .*second line"' \
	    hop -J gw1 "${to[@]}"
	clean "escapes in the banner of a real sshd"
	hop -v -J gw1 "${to[@]}" </dev/null >/dev/null 2>"$T/refused.err"
	check "the same with -v: printable" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	conf
	carries "a banner is not shown when the login is taken" \
	    -J gw1
}

# A server's question, on a terminal.
prompts()
{
	hostile prompt
	conf "Host bad" "BatchMode no"
	printf '#!/bin/sh\nprintf "%%s\\n" "$1" >%s\necho 41\n' \
	    "$T/refused.err" >"$T/askpass"
	chmod +x "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    hop -J bad "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	equal "escapes in a prompt: refused" "$?" 1
	equal "escapes in a prompt: one line about it" \
	    "$(grep -vc 'please try again' "$T/err")" 1
	check "escapes in a prompt: it was asked" \
	    grep -q '^| prompt one' "$T/refused.err"
	check "escapes in a prompt: each line is marked" \
	    bash -c "! grep -Ev '^([^ ]*@bad \(hop 1 of 1\): |\| )' '$T/refused.err'"
	clean "escapes in a prompt"
	sed -i 's/41/42/' "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    carries "the right answer is let in" -J bad
}

banners()
{
	hostile bigbanner
	ends "a login banner of 1 MiB" '[12]' auth 'no SSH packet'
	hostile manybanners
	# where all that takes more than a second, the last one is shown
	may_say='^(proxyhop: bad .*: it says "y+(\.\.\.)?")?$' \
	    carries "a thousand login banners" -J gw1,bad
	measure bad --send 10
	not_much "a thousand login banners"
	hostile largebanners
	for hops in bad gw1,bad; do
		measure $hops --send 10
		equal "large login banners, $hops: bytes" \
		    "$(field got "$T/drive")" 10
		# the sanitizers keep what was freed
		[ "$TEST_MEM_FACTOR" = 1 ] || continue
		# 8 MB are of the program; before the login it may hold 4 more
		at_most "large login banners, $hops: kB at most" \
		    "$(field peak_kb "$T/drive")" 12288
	done
	hostile lines
	ends "100000 lines before the banner" 1 banner '1024 lines'
	hostile spam
	ends "a line without an end" 1 banner 'a line of more than 8192 bytes'
}

# A key that changes at rekey.
rekey()
{
	local sum

	sum=$(printf 'before\nafter\n' | sha256sum | cut -c 1-64)
	hostile rekey
	for hops in bad gw1,bad; do
		measure $hops --keep
		equal "the same key at rekey, $hops: status" \
		    "$(field status "$T/drive")" 0
		equal "the same key at rekey, $hops: bytes" \
		    "$(field got_sha "$T/drive")" "$sum"
		equal "the same key at rekey, $hops: no word" \
		    "$(cat "$T/err")" ""
	done
	hostile --key2 "$T/bad2.key" rekey
	for hops in bad gw1,bad; do
		measure $hops --keep
		equal "another key at rekey, $hops: status" \
		    "$(field status "$T/drive")" 1
		equal "another key at rekey, $hops: one line" \
		    "$(wc -l <"$T/err")" 1
		check "another key at rekey, $hops: which says so" \
		    grep -q '^proxyhop: bad (hop .*): carry: its host key' \
		    "$T/err"
		equal "another key at rekey, $hops: nothing after it" \
		    "$(field got "$T/drive")" 7
	done
}

floods()
{
	local mode

	for mode in requests globals opens; do
		hostile $mode
		measure bad
		same_bytes "a flood of unknown $mode"
		not_much "a flood of unknown $mode"
	done
}

# The channel, against the rules.
channel()
{
	hostile early
	hop -J bad "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	status=$?
	check "data before the confirmation: it ends" \
	    [ "$status" -ne 124 ] && [ "$(wc -l <"$T/err")" -le 1 ]
	if [ "$status" -eq 0 ]; then
		check "data before the confirmation: no byte is invented" \
		    grep -Eqx '(too early)?in time' "$T/out"
	fi
	hostile tiny
	ends "packets of 10 bytes" 2 forward 'packets of 10 bytes'
	hostile overrun
	for hops in bad gw1,bad; do
		measure $hops --hold "$T/never"
		equal "more than the window, $hops: status" \
		    "$(field status "$T/drive")" 2
		equal "more than the window, $hops: one line" \
		    "$(wc -l <"$T/err")" 1
		check "more than the window, $hops: which says so" \
		    grep -q '^proxyhop: bad .*more than it was granted' \
		    "$T/err"
		not_much "more than the window, $hops"
	done
	hostile --bytes 40000 blink
	for hops in bad gw1,bad; do
		measure $hops
		same_bytes "opened and closed at once, $hops"
		measure $hops --keep
		same_bytes "opened and closed at once, stdin open, $hops"
	done
	hostile --bytes 0 blink
	measure bad
	same_bytes "opened and closed at once, nothing sent"
}

# The server dies with all its bytes on the way; the reader is slow.
dies()
{
	local hops

	hostile --bytes 2000000 die
	for hops in bad gw1,bad; do
		measure $hops --keep --pause 5
		same_bytes "dies after its end of file, slow reader, $hops"
		rm -f "$T/go"
		(
			# not what the last run left there
			wait_until '[ ! -s "$T/bad.log" ]'
			wait_for "$T/bad.log" '^died' && : >"$T/go"
		) &
		measure $hops --keep --hold "$T/go"
		wait $!
		same_bytes "dies after its end of file, late reader, $hops"
	done
}

# What is around proxyhop, rather than beyond it.
surroundings()
{
	local status=0

	conf
	start_peer source source 100000 9
	refused "standard output is full" 2 "standard output: No space" \
	    full 127.0.0.1 "${PORT[source]}"
	(
		trap '' CHLD
		carries "SIGCHLD is ignored" -J gw1
	)
	ignoring=$("$PYTHON" - $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J gw1 \
	    127.0.0.1 "${PORT[echo]}" <<-'END'
	import signal, subprocess, sys
	signal.signal(signal.SIGCHLD, signal.SIG_IGN)
	p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE,
	    stdout=subprocess.PIPE, restore_signals=False,
	    start_new_session=True)
	out = p.stdout
	p.stdin.write(b"there and back")
	p.stdin.close()
	print(out.read().decode())
	END
	)
	equal "SIGCHLD is ignored by the parent" "$ignoring" "there and back"
}

# proxyhop whose stdout takes nothing.
full()
{
	hop -J gw1 "$@" >/dev/full
}

texts
prompts
banners
rekey
floods
channel
dies
surroundings
little_memory 12
