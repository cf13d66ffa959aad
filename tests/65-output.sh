#!/usr/bin/env bash
# Goal: -t, long lines and questions keep to the width of the terminal, and the
# failure stands below the table; the -J in ssh's ProxyCommand is found; a line on a raw terminal ends in CR LF;
# -G has the route first.

. "$(dirname "$0")/harness.sh"
. "$TESTS/net.sh"

gateways "LogLevel VERBOSE"

to=(127.0.0.1 "${PORT[target]}")
screen 80 -t -J gw1,gw2,gw3 "${to[@]}"
at_most "-t: 80 columns" "$(widest)" 80
check "-t: a note that is cut" grep -q '\.\.\.' "$T/screen"
check "-t: the target is reached" grep -q '| SSH-2.0-' "$T/screen"
screen 200 -t -J gw1,gw2,gw3 "${to[@]}"
at_most "-t: 200 columns" "$(widest)" 200
at_least "-t: 200 columns are used" "$(widest)" 120
screen 80 -t -J gw1,gw2 -o gw2:User=nobody-here "${to[@]}"
check "-t: what failed stands below" awk '
	/FAILED/ { rung = NR }
	/in all/ { all = NR }
	/^proxyhop: gw2 / { line = NR }
	END { exit !(rung && all > rung && line > all) }' "$T/screen"
mode=raw screen 80 -J gw1 -o gw1:User=nobody-here "${to[@]}"
check "a raw terminal: CR LF" grep -q "proxyhop: gw1 .*"$'\r$' "$T/screen"

# folded SENTENCE ARGUMENTS...: a line that is long is folded on a terminal, and
# says the same; not on a wide one, nor for -E, nor in a file.
folded()
{
	local sentence=$1 mode

	shift
	mode=
	hop "$@" </dev/null >"$T/out" 2>"$T/line"
	equal "$sentence: in a file: one line" "$(wc -l <"$T/line")" 1
	for mode in "" raw; do
		screen 80 "$@"
		at_least "$sentence: ${mode:-cooked}: folded" \
		    "$(grep -c '^    [^ ]' "$T/screen")" 1
		equal "$sentence: ${mode:-cooked}: every line ends in CR LF" \
		    "$(grep -c $'\r$' "$T/screen")" "$(wc -l <"$T/screen")"
		tr -d '\r' <"$T/screen" | sed -e ':a' -e '$!{N;ba' -e '}' \
		    -e 's/\n    / /g' >"$T/joined"
		check "$sentence: ${mode:-cooked}: it says the same" \
		    cmp "$T/line" "$T/joined"
	done
	mode=
	screen 1000 "$@"
	equal "$sentence: there is room: one line" "$(wc -l <"$T/screen")" 1
	screen 80 -E "$T/log" "$@"
	equal "$sentence: -E: nothing on the terminal" "$(wc -c <"$T/screen")" 0
	check "$sentence: -E: the line" cmp "$T/line" "$T/log"
	rm -f "$T/log"
	screen 80 "$@"
}

start_sshd shut "AllowTcpForwarding no"
write_config gw1 gw2 gw3 shut target
folded "a long line" -J gw1,shut "${to[@]}"
at_most "a long line: it fits" "$(widest)" 80
folded "a command to paste" -J gw1 -o UserKnownHostsFile="$T/none" "${to[@]}"
check "a command to paste: it is whole" \
    grep -q $'^    ssh .* gw1\r$' "$T/screen"
"$PYTHON" -c 'import socket
s = socket.create_server(("127.0.0.1", 0))
print("listening", s.getsockname()[1], flush=True)
while True:
	c = s.accept()[0]
	c.sendall(b"220 mail; " * 15 + b"\r\n")
	c.close()' >"$T/mail.log" 2>&1 </dev/null &
SERVERS+=("$!")
wait_for "$T/mail.log" '^listening '
folded "a quotation" -J gw1 -o Port="$(sed 's/.* //' "$T/mail.log")" "${to[@]}"
check "a quotation: it is whole" grep -q '"220 mail; .*mail;"' "$T/screen"
write_config gw1 gw2 gw3 target

# A status line, a question and the table on one terminal.
start_slow held --hold "$T/go" gw1
conf "BatchMode no"
(
	wait_until "grep -q 'banner, 1 s' '$T/screen'"
	: >"$T/go"
	wait_until "grep -q 'continue connecting' '$T/screen'"
	sleep 3	# a person's
	echo yes >&8
) &
screen 80 -t -J gw1 -o Port="${PORT[held]}" -o StrictHostKeyChecking=ask \
    -o UserKnownHostsFile="$T/none" "${to[@]}"
wait $!
check "a status line was there" grep -q 'banner, 1 s' "$T/screen"
check "the table begins with a line of its own" \
    grep -q $'\\(^\|\033\\[K\)hop 1 gw1\r$' "$T/screen"
check "a question is folded" grep -q '^    Are you sure .*? yes' "$T/screen"
[ "$TEST_TIME_FACTOR" -gt 3 ] ||
    check "a question: a person's time is not that of the login" \
    bash -c "! grep 'auth, [4-9] s' '$T/screen'"
conf "BatchMode yes"

# What wakes us does not write it again.
start_slow far --rtt 300 gw1
mapfile -t lines < <(by gw1 far)
conf "${lines[@]}"
screen 80 -t -J gw1,gw2,gw3 "${to[@]}"
at_least "a status line is written" \
    "$(grep -o $'\033\\[K[a-z]' "$T/screen" | wc -l)" 2
equal "a status line is written once" "$(grep -ao 'gw[1-3] (hop[^)]*): [^ ]* [0-9]* s' \
    "$T/screen" | sort | uniq -d)" ""

conf "Host db1" "HostName 127.0.0.1" "ProxyCommand exec $PROXYHOP -q -J gw1,gw2 -o gw2:ConnectTimeout=7 %h ${PORT[target]}"
hop -r none -G db1 22 >"$T/plan" 2>"$T/err"
equal "-G: the route, by the -J in ssh's ProxyCommand" \
    "$(head -n 1 "$T/plan")" \
    "you -> gw1:${PORT[gw1]} -> gw2:${PORT[gw2]} -> 127.0.0.1:${PORT[target]}"
equal "-G: an option of it, for gw2 alone" \
    "$(grep '^connecttimeout' "$T/plan" | tr '\n' ' ')" \
    "connecttimeout 10 connecttimeout 7 "
hop -r none -t db1 22 >"$T/plan" 2>"$T/err"
check "-t: that route" grep -q '| SSH-2.0-' "$T/plan"
hop -r none -G -J gw3 db1 22 >"$T/plan" 2>"$T/err"
equal "-G: the command line wins" "$(head -n 1 "$T/plan")" \
    "you -> gw3:${PORT[gw3]} -> db1:22"
for n in 1 2 4 9; do
	hop -r none -G -J gw1 -o ConnectionAttempts=$n db1 22 >"$T/plan" 2>&1
	equal "-G: ConnectionAttempts $n, as it is used" \
	    "$(sed -n 's/^connectionattempts //p' "$T/plan")" \
	    "$((n < 4 ? 4 : n))"
done
conf "Host gw1" "HostName ::1"
refused "-4, and an address of the other kind" 2 \
    'only IPv4 was asked for' hop -r none -4 -J gw1 "${to[@]}"

# A jump host that a pattern for those behind it has caught.
write_config gw1 shut
refused "the jump host is the target" 1 \
    'forward: shut is its own jump host, .*prohibited.* Host \* !shut$' \
    hop -r none -J gw1,shut 127.0.0.1 "${PORT[shut]}"
refused "the twin: what is behind it is not" 1 'check AllowTcpForwarding' \
    hop -r none -J gw1,shut "${to[@]}"
conf "Host g*" "ProxyJump gw1"
refused "the jump host's ProxyJump is itself" 1 \
    'gw1: it is its own jump host; exclude it in ssh_config: Host \* !gw1$' \
    hop -r none gw1 22
conf "Host g*" "ProxyJump gw"
refused "one that ssh refuses itself" 1 \
    'gw: it is its own jump host; exclude it in ssh_config: Host \* !gw ' \
    hop -r none gw 22
