#!/usr/bin/env bash
# Goal: gateways and targets that are no OpenSSH but dropbear do as well, alone
# or among others: bytes, ends of file and new keys in mid-session get through;
# what they refuse is told as of any other.

. "$(dirname "$0")/harness.sh"

PATH=$PATH:/usr/sbin
for program in dropbear dropbearkey cc; do
	command -v "$program" >"$T/out" || skip "there is no $program"
done

# dropbear takes the keys that are in a user's home, and no option puts them
# elsewhere.  So the user has another home for it; for what it starts, too.
new_home()
{
	mkdir -p "$T/home/.ssh"
	cp "$T/authorized_keys" "$T/home/.ssh/authorized_keys"
	cat >"$T/home.c" <<-'EOF'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <pwd.h>
	#include <stdlib.h>

	struct passwd *
	getpwnam(const char *name)
	{
		struct passwd *(*real)(const char *);
		struct passwd *pw;

		*(void **)&real = dlsym(RTLD_NEXT, "getpwnam");
		if ((pw = real(name)) != NULL)
			pw->pw_dir = getenv("TEST_HOME");
		return pw;
	}
	EOF
	cc -shared -fPIC -o "$T/home.so" "$T/home.c" -ldl >"$T/out" 2>&1 ||
	    die "cc" "$T/out"
}

# start_dropbear NAME [options]: KEY_TYPE may name another sort of host key.
start_dropbear()
{
	local name=$1 log=$T/$1.log try

	shift
	if [ ! -f "$T/$name.key" ]; then
		dropbearkey -t "${KEY_TYPE:-ed25519}" -f "$T/$name.key" \
		    >"$T/out" 2>&1 || die "dropbearkey" "$T/out"
		sed -n '/^[a-z0-9-]* AAAA/p' "$T/out" >"$T/$name.key.pub"
	fi
	for try in 1 2 3 4 5 6 7 8 9; do
		PORT[$name]=$((10000 + RANDOM % 22000))
		: >"$log"
		LD_PRELOAD=$T/home.so TEST_HOME=$T/home dropbear -F -E -m -s \
		    -r "$T/$name.key" -P "$T/$name.pid" \
		    -p "127.0.0.1:${PORT[$name]}" "$@" \
		    </dev/null >/dev/null 2>>"$log" &
		PID[$name]=$!
		! listens "$name" 'Not backgrounding' || return 0
		grep -q 'Address already in use' "$log" || break
	done
	die "dropbear $name starts" "$log"
}

servers()
{
	local name

	user_key
	new_home
	new_key "$T/other"
	for name in gw1 gw2; do
		start_sshd "$name"
	done
	start_sshd target "LogLevel VERBOSE"
	start_dropbear d1
	KEY_TYPE=rsa start_dropbear d2
	KEY_TYPE=ecdsa start_dropbear d3
	start_dropbear dtarget
	start_dropbear dclosed -j
	start_peer echo echo
	start_peer bound bound
	start_peer endless duplex endless
	config
}

config()
{
	write_config gw1 gw2 target d1 d2 d3 dtarget dclosed
}

# ---- what gets through -------------------------------------------------------

# to TARGET HOPS COMMAND...: a real ssh.
to()
{
	local target=$1 hops=$2

	shift 2
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -o ProxyCommand="$(hop_cmd "$hops")" "$target" "$@"
}

# passes TARGET HOPS: bytes both ways at once, and the command's status; each
# hop has let us in.
passes()
{
	local status=0 hop visited=

	rm -f "$T/there"
	for hop in ${2//,/ }; do
		forget "$hop"
	done
	to "$1" "$2" "tee $T/there; exit 7" <"$T/data" >"$T/back" \
	    2>"$T/err" || status=$?
	equal "$2,$1: status of the command" "$status" 7
	equal "$2,$1: no word" "$(cat "$T/err")" ""
	check "$2,$1: the same bytes arrive" cmp "$T/data" "$T/there"
	check "$2,$1: the same bytes come back" cmp "$T/data" "$T/back"
	for hop in ${2//,/ }; do
		! grep -Eq '^Accepted publickey|Pubkey auth succeeded' \
		    "$T/$hop.log" || visited=$visited,$hop
	done
	equal "$2,$1: that is the way" "${visited#,}" "$2"
}

# sftp, whose server dropbear starts.
sftp_passes()
{
	rm -f "$T/there" "$T/back"
	printf '%s\n' "put $T/data $T/there" "get $T/there $T/back" |
	    timeout $((60 * TEST_TIME_FACTOR)) setsid -w sftp -q -F "$CONF" \
	    -o ProxyCommand="$(hop_cmd "$2")" -b - "$1" >"$T/out" 2>&1
	equal "$2,$1: sftp" "$?" 0
	check "$2,$1: sftp, the same bytes arrive" cmp "$T/data" "$T/there"
	check "$2,$1: sftp, the same bytes come back" cmp "$T/data" "$T/back"
}

# echoes SENTENCE BYTES ARGUMENTS...: so many bytes to the peer, with an end of
# file behind them, and back.
echoes()
{
	local sentence=$1 bytes=$2

	shift 2
	drive --send "$bytes" --deadline $((60 * TEST_TIME_FACTOR)) -- "$@" \
	    127.0.0.1 "${PORT[echo]}" >"$T/drive" 2>"$T/err"
	equal "$sentence: status" "$(field status "$T/drive")" 0
	equal "$sentence: bytes back" "$(field got "$T/drive")" "$bytes"
	equal "$sentence: the same" "$(field got_sha "$T/drive")" \
	    "$(field sent_sha "$T/drive")"
	equal "$sentence: no word" "$(cat "$T/err")" ""
}

# renews HOPS LIMIT: sixteen times the limit passes, with new keys on the way.
renews()
{
	rm -f "$T/log"
	echoes "$1, new keys" $((16 * $2)) -J "$1" -o RekeyLimit="$2" \
	    -vvv -E "$T/log"
	# each of the three has had some at the beginning
	at_least "$1, new keys: how often" \
	    "$(grep -c 'NEWKEYS sent' "$T/log")" 9
}

# The client is dropbear's, too.
client()
{
	mkdir -p "$T/.ssh"
	known dtarget | sed 's/^[^ ]*/dtarget/' >"$T/.ssh/known_hosts"
	dropbearconvert openssh dropbear "$T/id" "$T/id.dropbear" \
	    >"$T/out" 2>&1 || die "dropbearconvert" "$T/out"
	rm -f "$T/there"
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w dbclient \
	    -i "$T/id.dropbear" -J "$PROXYHOP_WRAP $PROXYHOP -F $CONF -J \
	    d1,d2,d3 127.0.0.1 ${PORT[dtarget]}" "$ME@dtarget" \
	    "tee $T/there" <"$T/data" >"$T/back" 2>"$T/err"
	equal "dropbear everywhere: status" "$?" 0
	check "dropbear everywhere: the same bytes arrive" \
	    cmp "$T/data" "$T/there"
	check "dropbear everywhere: the same bytes come back" \
	    cmp "$T/data" "$T/back"
}

# Sorts of keys it lets in.
keys()
{
	local type

	for type in rsa ecdsa; do
		new_key "$T/$type" -t "$type"
		cat "$T/$type.pub" >>"$T/home/.ssh/authorized_keys"
		IDENTITY=([d1]=$T/$type)
		config
		carries "d1 takes a key of sort $type" -J d1
	done
	IDENTITY=()
	config
}

# ---- what does not -----------------------------------------------------------

# stops SENTENCE STATUS HOPS PATTERN [ARGUMENTS]
stops()
{
	local sentence=$1 status=$2 hops=$3 pattern=$4

	shift 4
	refused "$sentence" "$status" "^proxyhop: $pattern" \
	    hop -J "$hops" "$@" 127.0.0.1 "${PORT[${to:-echo}]}"
}

no_way()
{
	local hops=gw1,d2,gw2 type key

	IDENTITY=([d1]=$T/other [d2]=$T/other)
	config
	stops "key refused, first" 1 d1,d2,d3 \
	    "d1 \(hop 1 of 3, .*\): auth: .*$T/other"
	stops "key refused, in the middle" 1 "$hops" \
	    "d2 \(hop 2 of 3, .*\): auth: .*$T/other"
	IDENTITY=()
	config
	to=bound stops "target refuses" 2 d1,d2,d3 \
	    "d3 \(hop 3 of 3, .*\): forward: .*127.0.0.1:${PORT[bound]}.*refused"
	stops "forwarding forbidden, last" 1 gw1,dclosed \
	    "dclosed \(hop 2 of 2, .*\): forward: .*prohibited"
	carries "forwarding forbidden, but commands are not" -J gw1,dclosed,d1 \
	    -o "dclosed:ForwardCommand=nc -N %h %p"
	stops "forwarding forbidden, in the middle" 1 gw1,dclosed,d1 \
	    "dclosed \(hop 2 of 3, .*\): forward: .*prohibited"
	read -r type key _ <"$T/rsa.pub"
	known d2 | grep -vxFf - "$T/known_hosts" >"$T/changed"
	echo "[127.0.0.1]:${PORT[d2]} $type $key" >>"$T/changed"
	stops "host key changed" 1 "$hops" \
	    "d2 \(hop 2 of 3, .*\): hostkey: .*changed" \
	    -o "d2:UserKnownHostsFile=$T/changed"
	conf "Host d2" "HostName 127.0.0.1" "Port ${PORT[bound]}"
	stops "down, in the middle" 2 "$hops" \
	    "gw1 \(hop 1 of 3, .*\): forward: .*127.0.0.1:${PORT[bound]}.*refused"
	conf
}

# It is killed in mid-transfer, with those it serves.
killed()
{
	forget endless
	drive --send endless --deadline $((10 * TEST_TIME_FACTOR)) -- \
	    -J gw1,d2,gw2 127.0.0.1 "${PORT[endless]}" \
	    >"$T/drive" 2>"$T/err" &
	wait_for "$T/endless.log" '^accepted'
	drop d2
	wait $!
	equal "killed in mid-transfer: status" "$(field status "$T/drive")" 2
	check "killed in mid-transfer: it is named" grep -Eq \
	    '^proxyhop: d2 \(hop 2 of 3, .*\): ' "$T/err"
	equal "killed in mid-transfer: one line" "$(wc -l <"$T/err")" 1
}

servers
# An sshd that forwards to a dropbear waits for it again and again, as its
# window is small and sshd lets TCP hold back short packets.  So not too much.
head -c 1000000 /dev/urandom >"$T/data"
passes target d1
passes dtarget gw1
passes target gw1,d2,gw2
passes dtarget d1,gw1,d3
passes dtarget d1,d2,d3
sftp_passes dtarget d1,d2,d3
echoes "d1,d2,d3" 16000000 -J d1,d2,d3
renews d1,d2,d3 1000000
renews gw1,d2,gw2 100000
client
keys
no_way
killed
carries "and the chain itself is sound" -J gw1,d2,gw2
