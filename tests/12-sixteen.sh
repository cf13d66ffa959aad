#!/usr/bin/env bash
# Goal: a chain of sixteen gateways carries; seventeen are refused before
# anything is connected.

. "$(dirname "$0")/harness.sh"

names=$(echo gw{a..p})

# One sshd that listens on sixteen ports: sixteen gateways.
many()
{
	local try ports

	for try in 1 2 3 4 5; do
		ports=$(shuf -i 10000-31999 -n 15)
		# shellcheck disable=SC2086
		start_sshd many $(printf 'Port=%d ' $ports)
		wait_until "[ \$(grep -c '^Server listening' $T/many.log) = 16 ] ||
		    grep -q 'in use' $T/many.log"
		grep -q 'in use' "$T/many.log" || return
		stop many
	done
	die "sixteen ports" "$T/many.log"
}

# Give each name one of the ports.
share()
{
	local name

	set -- $(sed -n 's/^Server listening on .* port \([0-9]*\)\..*/\1/p' \
	    "$T/many.log")
	for name in $names; do
		PORT[$name]=$1
		cp "$T/many.key.pub" "$T/$name.key.pub"
		shift
	done
}

user_key
many
share
start_sshd target "LogLevel INFO"
write_config $names target
chain=$(echo $names | tr ' ' ,)

head -c 3000000 /dev/urandom >"$T/data"
status=0
via "$chain" 'cat; exit 7' <"$T/data" >"$T/out" 2>"$T/err" || status=$?
equal "sixteen gateways: status of the command" "$status" 7
check "sixteen gateways: same bytes" cmp "$T/data" "$T/out"
equal "sixteen gateways: nothing on stderr" "$(cat "$T/err")" ""
equal "sixteen logins" "$(grep -c '^Accepted publickey' "$T/many.log")" 16

wait_until '[ -z "$(strays)" ]' 5
forget many
refused "seventeen gateways" 1 '^proxyhop: .*16' \
    hop -J "$chain,target" 127.0.0.1 "${PORT[target]}"
equal "nothing was connected" "$(grep -c '^Connection from' "$T/many.log")" 0
via gwa true >"$T/out" 2>"$T/err"
equal "one gateway is seen to connect" \
    "$(grep -c '^Connection from' "$T/many.log")" 1
