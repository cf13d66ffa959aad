#!/usr/bin/env bash
# Goal: a chain of sixteen gateways carries; seventeen are refused before
# anything is connected; -t shows it on 80 columns, and on 200, whatever their
# names are, and what fails stands below that.

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

# ---- -t with long names ------------------------------------------------------

# long NAME: what a jump host is called where names are long.
long()
{
	echo "$1-bastion-behind-the-other.ap-southeast-2.compute.example.org"
}

# The ninth, gwi, has one that no line of a terminal holds.
name_of()
{
	case $1 in
	gwi)	echo "$(long "$1").$(printf '%040d' 0 | tr 0 x)" ;;
	*)	long "$1" ;;
	esac
}

chain=
for name in $names; do
	cat <<-END
	Host $(name_of "$name")
	HostName 127.0.0.1
	HostKeyAlias [127.0.0.1]:${PORT[$name]}
	Port ${PORT[$name]}
	IdentityFile $T/id
	END
done >"$T/names"
for name in $names; do
	chain=$chain${chain:+,}$(name_of "$name")
done
mapfile -t lines <"$T/names"
conf "${lines[@]}"
user=somebody-with-a-long-name-who-has-no-login-here

# shown SENTENCE HOPS LOGINS: the table, without a status line before it, has so
# many of them.
shown()
{
	sed -i "s/.*\r$(printf '\033')\[K//" "$T/screen"
	equal "$1: hops" "$(grep -c '^hop [0-9]* gw' "$T/screen")" "$2"
	equal "$1: logins" "$(grep -c '^  auth .*| publickey' "$T/screen")" \
	    "$3"
}

for width in 80 200; do
	screen $width -t -J "$chain" 127.0.0.1 "${PORT[target]}"
	at_most "-t, $width columns" "$(widest)" $width
	shown "-t, $width columns" 16 16
	check "-t, $width columns: the target" \
	    grep -q '^  banner .*| SSH-2\.0-' "$T/screen"
	screen $width -t -J "$chain" -o 9:User=$user 127.0.0.1 "${PORT[target]}"
	shown "-t, $width columns, hop 9 fails" 9 8
	tr -d '\r' <"$T/screen" | awk -v width=$width '
		/^proxyhop:/ { below = NR }
		!below && length > width { wide++ }
		/^  auth .*FAILED$/ { rung = NR }
		/^  in all/ { all = NR }
		END { exit wide || !(rung && all > rung && below > all) }'
	equal "-t, $width columns: what failed stands below a table that fits" \
	    "${PIPESTATUS[*]}" "0 0"
	tr -d '\r\n' <"$T/screen" | sed 's/  */ /g' >"$T/line"
	check "-t, $width columns: and names hop and user" grep -q \
	    "(hop 9 of 16, $user@127.0.0.1:.*auth: Permission denied" "$T/line"
done
