#!/usr/bin/env bash
# Goal: forty proxyhops at once through one gateway, whose sshd drops new
# connections when it has ten, all come through, as each tries again.

. "$(dirname "$0")/harness.sh"

MANY=40

# Of several MaxStartups the last one counts: harness.sh's own has to go.
cat >"$T/sshd" <<END
#!/bin/sh
sed -i '/^MaxStartups 100\$/d' "\$4"
exec $SSHD "\$@"
END
chmod +x "$T/sshd"
SSHD=$T/sshd
user_key
start_sshd busy "MaxStartups 10:30:100"		# sshd's default
start_sshd full "MaxStartups 1:100:1"
start_peer echo echo
write_config busy full
# as many at once take their time on a small machine
conf "ConnectTimeout $((60 * TEST_TIME_FACTOR))"

# one N: a line of its own goes there and back.
one()
{
	local status=0

	echo "line $1" |
	    timeout $((100 * TEST_TIME_FACTOR)) setsid -w $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$CONF" -J busy 127.0.0.1 "${PORT[echo]}" \
	    >"$T/many/$1.out" 2>"$T/many/$1.err" || status=$?
	[ "$status $(cat "$T/many/$1.out" "$T/many/$1.err")" = \
	    "0 line $1" ] && echo "$1" >>"$T/well"
}

# forty SENTENCE: all of them begin together.
forty()
{
	local n pids=() start

	rm -rf "$T/many" "$T/well"
	mkdir "$T/many"
	forget busy
	start=$(now)
	for ((n = 1; n <= MANY; n++)); do
		one $n &
		pids+=($!)
	done
	wait "${pids[@]}"
	dropped=$(grep -c '^drop connection' "$T/busy.log")
	equal "$MANY at once through MaxStartups 10:30:100$1: $(($(now) -
	    start)) ms, $dropped times dropped" "$(wc -l <"$T/well")" "$MANY" ||
		sort "$T/many"/*.err | uniq -c
}

# The same when others have ten of its places, and do not log in.
crowded()
{
	local n fd fds=()

	for ((n = 0; n < 10; n++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/${PORT[busy]}"
		fds+=("$fd")
	done
	forty ", ten others there"
	at_least "sshd did drop some of them" "$dropped" 1
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
}

# Somebody holds the only place, and does not log in.
held()
{
	conf "ConnectTimeout $((TEST_TIME_FACTOR > 1 ? 5 : 1))"
	exec 9<>"/dev/tcp/127.0.0.1/${PORT[full]}" || die "the place is taken"
	read -r -u 9 _
	refused "its one place is taken for good" 2 \
	    '^proxyhop: full \(hop 1 of 1, .*\): banner: .*MaxStartups' \
	    hop -J full 127.0.0.1 "${PORT[echo]}"
	exec 9>&-
	carries "and when it is free again" -J full
}

forty ""
crowded
held
