#!/usr/bin/env bash
# Goal: a server that wants no further connection gets none, and one that is
# only busy gets few; what it says is what the line says.

. "$(dirname "$0")/harness.sh"

user_key
start_sshd real
start_sshd gw1
start_peer echo echo

# door LINE TIMES: a server that says LINE and closes, TIMES times, and is real
# from then on.
door()
{
	start_python door door.py busy "$1" "$2" "${PORT[real]}"
	cp "$T/real.key.pub" "$T/door.key.pub"
	write_config gw1 door
}

connections()
{
	grep -c '^connection' "$T/door.log"
}

for hops in door gw1,door; do
	door 'Not allowed at this time' 100
	refused "penalties, $hops" 2 'proxyhop: door \(hop .*: banner: it says "Not allowed at this time": .*wait' \
	    hop -J "$hops" 127.0.0.1 "${PORT[echo]}"
	equal "penalties, $hops: connections" "$(connections)" 1
	[ "$hops" = door ] || continue
	ssh -F "$CONF" door true </dev/null >"$T/out" 2>&1
	equal "ssh does not get in either, with one" "$?$(connections)" 2552
done
door 'Exceeded MaxStartups' 100
refused "busy for ever" 2 'MaxStartups' \
    hop -J door 127.0.0.1 "${PORT[echo]}"
at_most "busy for ever: connections within ConnectTimeout" "$(connections)" 9
for line in 'Exceeded MaxStartups' ''; do
	door "$line" 3
	carries "busy three times (${line:-no word})" -J door
	equal "busy three times (${line:-no word}): connections" \
	    "$(connections)" 4
done
