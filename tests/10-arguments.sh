#!/usr/bin/env bash
# Goal: a wrong argument gives one line that repeats it and status 1, before
# any connection is tried.

. "$(dirname "$0")/harness.sh"

start_peer gate close
start_peer gate2 close
cat >"$CONF" <<END
Host gw1
	Port ${PORT[gate]}
Host gw2
	Port ${PORT[gate2]}
Host gw1 gw2
	HostName 127.0.0.1
	UserKnownHostsFile $T/known_hosts
	GlobalKnownHostsFile /dev/null
	BatchMode yes
	ConnectTimeout 1
END

# bad SENTENCE WORD ARGUMENTS...: one line that holds the word.
bad()
{
	local sentence=$1 word=$2

	shift 2
	refused "$sentence" 1 '^proxyhop: ' hop "$@" &&
	    { grep -qF -e "$word" "$T/refused.err" ||
	    fail "$sentence: '$word' is repeated" "$T/refused.err"; }
}

# bad_hop SENTENCE HOPS
bad_hop()
{
	bad "$1" "$2" -J "$2" host.invalid 22
}

# wrong SENTENCE PATTERN ARGUMENTS...: a line says what is wrong, then usage.
wrong()
{
	local sentence=$1 want=$2 status=0

	shift 2
	bare "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
	if [ "$status" -eq 1 ] && [ ! -s "$T/out" ] &&
	    head -n 1 "$T/err" | grep -Eq -e "^proxyhop: $want" &&
	    sed -n 2p "$T/err" | grep -Eq '^usage: proxyhop '; then
		ok "$sentence"
	else
		fail "$sentence (status $status)" "$T/out" "$T/err"
	fi
}

# told SENTENCE PATTERN ARGUMENTS...: the answer is on stdout, status 0; it
# fits into 80 columns.
told()
{
	local sentence=$1 want=$2 status=0

	shift 2
	bare "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
	if [ "$status" -eq 0 ] && [ ! -s "$T/err" ] &&
	    head -n 1 "$T/out" | grep -Eq "^$want" &&
	    ! grep -Eq '.{81}' "$T/out"; then
		ok "$sentence"
	else
		fail "$sentence (status $status)" "$T/out" "$T/err"
	fi
}

# Names and ports of gateways.
hops()
{
	local port word

	for port in 0 65536 22x x -1 +22 0x16 99999999999 ' 22' ''; do
		bad_hop "gateway port '$port'" "gw1:$port"
	done
	bad_hop "no gateway at all" ""
	bad_hop "empty gateway first" ",gw1"
	bad_hop "empty gateway last" "gw1,"
	bad_hop "empty gateway between" "gw1,,gw2"
	bad "a blank after the comma" "-J gw1,: a hop is missing; hops are one" \
	    -J gw1, gw2 host.invalid 22
	bad_hop "second gateway wrong" "gw1,gw2:0"
	for word in user@ @gw1 :22 '[::1' '[::1]x' '[::1]:' '[::1]:0' '[]' \
	    '[]:22' 'gw1:22:33' -gw1 user@-gw1 -user@gw1 'g w1' \
	    ssh:// ssh://gw1/path ssh://gw1:0 ssh://@gw1 'ssh://[::1' \
	    http://gw1 'gw1;id' 'gw1`id`' 'gw1$(id)' 'gw1&id' "gw1'" 'gw1"'; do
		bad_hop "gateway '$word'" "$word"
	done
	bad "17 gateways" 16 \
	    -J "$(printf 'gw1:%d,' {101..116})gw1:117" host.invalid 22
}

# The target's two words.
target()
{
	local port word

	for port in 0 65536 22x x -1 +22 0x16 99999999999 ' 22' '22 ' ''; do
		bad "target port '$port'" "$port" \
		    -J gw1 -- host.invalid "$port"
	done
	for word in '' -host -oProxyCommand=x 'ho st' ' host' 'host '; do
		bad "target '$word'" "$word" -J gw1 -- "$word" 22
	done
	for word in $'ho\ast' $'ho\bst' $'ho\tst' $'ho\nst' $'ho\rst' \
	    $'ho\001st' $'ho\033[1mst' \
	    $'ho\177st'; do
		bad "target $(printf %q "$word")" ho -J gw1 -- "$word" 22
		check "target $(printf %q "$word") is not shown raw" \
		    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	done
}

# -o, -F, -i, -E.
options()
{
	local word

	for word in User =x gw9:User=x 4:User=x 0:User=x 3:User=x gw1:User ''
	do
		bad "-o '$word'" "$word" -J gw1,gw2 -o "$word" host.invalid 22
	done
	# These are ssh's to judge, in its words.
	for word in NoSuchKeyword=1 gw1:NoSuchKeyword=1 2:Port=x; do
		refused "-o '$word'" 1 \
		    '^proxyhop: .*([Bb]ad|[Uu]nsupported|not a)' \
		    hop -J gw1,gw2 -o "$word" host.invalid 22
	done
	refused "-F a file that is not there" 1 "^proxyhop: .*$T/absent" \
	    bare -F "$T/absent" -J gw1 host.invalid 22
	hop -G -J gw1 -i "$T/absent" host.invalid 22 </dev/null \
	    >"$T/out" 2>"$T/err"
	equal "-i a file that is not there: told of, as by ssh" \
	    "$? $(cat "$T/err")" "0 proxyhop: -i $T/absent: No such file or \
directory; it is not used"
	equal "a target in brackets is its address" \
	    "$(hop -G -J gw1 '[fd00::5]' 22 </dev/null | tail -n 1)" \
	    "target fd00::5 22"
	bad "-E where no file can be" "$T/absent/log" \
	    -J gw1 -E "$T/absent/log" host.invalid 22
}

# meant SENTENCE PATTERN ARGUMENTS...: one line, which has what was typed, and
# what to type.
meant()
{
	local sentence=$1 pattern=$2

	shift 2
	refused "$sentence" 1 "^proxyhop: $pattern\$" hop "$@"
}

# The name of a service is a port where it is one to ssh.
services()
{
	local name

	for name in ssh telnet; do
		equal "port $name, as in ssh" \
		    "$(hop -G -J "gw1:$name" host.invalid ssh 2>&1 | head -n 1)" \
		    "you -> $(ssh -F none -TG -J "gw1:$name" x |
		    sed -n 's/^proxyjump //p') -> host.invalid:22"
	done
}

# What those type who know ssh.
slips()
{
	local port

	for port in 99999 SSH no-such-service 0; do
		meant "port $port" "\"$port\": .* 1 to 65535; .* ssh is 22" \
		    -J gw1 host.invalid "$port"
		meant "port $port of a hop" \
		    ".*\"gw1:$port\": .* 1 to 65535; .* ssh is 22" \
		    -J "gw1:$port" host.invalid 22
	done
	meant "user@ of the target" '"root@db1": .* without user@; .*' \
	    -J gw1 root@db1 22
	meant "a URI as the target" '"ssh://db1:22": .* without ssh://' \
	    -J gw1 ssh://db1:22 22
	meant "a keyword mistyped" \
	    '-o Usr=x: Bad .* option: usr; did you mean "user"\?' \
	    -J gw1 -o Usr=x host.invalid 22
	meant "a keyword mistyped, for one hop" \
	    '-o gw2:Prot=1: Bad .* option: prot; did you mean "port"\?' \
	    -J gw1,gw2 -o gw2:Prot=1 host.invalid 22
	meant "a keyword that is like none" '-o Zzzz=x: Bad .* option: zzzz' \
	    -J gw1 -o Zzzz=x host.invalid 22
	meant "a value that ssh refuses" "gw1: ssh refuses an option: .*'abc'.*" \
	    -J gw1 -o Port=abc host.invalid 22
	printf 'Host *\n\tHostnme x\n' >"$T/mistyped"
	refused "a keyword mistyped in a file" 1 \
	    "$T/mistyped.* line 2: .*hostnme; .*; did you mean \"hostname\"\?\$" \
	    bare -F "$T/mistyped" -J gw1 host.invalid 22
	wrong "jump hosts with a blank between" \
	    '"gw2" before host and port: .* commas between them: -J gw1,gw2$' \
	    -J gw1 gw2 host.invalid 22
	wrong "user@ of the target, and no port" '"root@db1": .* without user@' \
	    -J gw1 root@db1
	wrong "-p as in ssh" '-p: no such option; the port is the last' \
	    -J gw1 -p 22 host.invalid
	wrong "-l as in ssh" '-l: no such option; .* -J user@hop$' \
	    -l root -J gw1 host.invalid 22
	wrong "-W as in ssh" '-W: no such option; host and port are the last' \
	    -W host.invalid:22 gw1
	wrong "no host and port" 'no host and port$' -J gw1
	bare -J gw1 2>"$T/err" </dev/null | cat
	equal "a | that a shell has taken" "$(head -n 1 "$T/err")" \
	    "proxyhop: no host and port; if there is a | after gw1, quote it: -J 'gw1|...'"
}

# Usage.
usage()
{
	wrong "no argument" 'no host and port$'
	wrong "no host" 'no host and port$' -F "$CONF" -J gw1
	wrong "no port" 'no port after "host.invalid"; .* host.invalid 22$' \
	    -F "$CONF" -J gw1 host.invalid
	wrong "no port, v6" 'no port after "::1"; .* ::1 22$' -J gw1 ::1
	wrong "host:port" '"db1:2222": .* two arguments: db1 2222$' -J gw1 db1:2222
	wrong "[v6]:port" '"\[::1\]:22": .* two arguments: \[::1\] 22$' \
	    -J gw1 '[::1]:22'
	wrong "a word too many" '"more" after host and port: ' \
	    -F "$CONF" -J gw1 host.invalid 22 more
	wrong "an option too late" '-t after host and port; options come' \
	    -J gw1 host.invalid 22 -t
	wrong "unknown option" '-Z: no such option$' \
	    -Z -F "$CONF" -J gw1 host.invalid 22
	wrong "unknown long option" '--jump: no such option$' \
	    -q --jump gw1 host.invalid 22
	wrong "-J without its word" 'no port after "host.invalid"|-J after' \
	    -F "$CONF" host.invalid 22 -J
	wrong "-J as the last word" '-J needs an argument$' -J
	told "-h" 'usage: proxyhop ' -h
	told "--help" 'usage: proxyhop ' --help
	told "--help after others" 'usage: proxyhop ' -J gw1 --help host 22
	told "-V" 'proxyhop [0-9][^ ]*, libssh [0-9]' -V
	told "--version" 'proxyhop [0-9][^ ]*, libssh [0-9]' --version
	equal "--version: one line" "$(wc -l <"$T/out")" 1
}

hops
target
options
services
slips
usage
equal "no connection was tried" \
    "$(cat "$T/gate.log" "$T/gate2.log" | grep -c '^accepted')" 0
# The twin: with right arguments one is tried, and seen.
hop -J gw1 host.invalid 22 </dev/null >"$T/out" 2>"$T/err"
check "with right arguments one is tried" grep -q '^accepted' "$T/gate.log"
