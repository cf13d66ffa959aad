#!/usr/bin/env bash
# Goal: what a hop needs is taken from ssh's configuration; the command line
# wins over it, and reaches the hop it names and no other.

. "$(dirname "$0")/harness.sh"

gateways
start_sshd six "ListenAddress ::1"
write_config gw1 gw2 gw3 six
start_peer echo echo
start_peer silent silent
start_peer bound bound
new_key "$T/other"
: >"$T/empty"

# stops SENTENCE HOP-NUMBER STAGE STATUS ARGUMENTS: the chain fails there.
stops()
{
	local sentence=$1 n=$2 stage=$3 status=$4

	shift 4
	refused "$sentence" "$status" \
	    "^proxyhop: [^ ]+ \(hop $n of [0-9]+, .*\): $stage: " \
	    hop "$@" 127.0.0.1 "${PORT[echo]}"
}

# Keywords of the file, each seen to count.
file()
{
	local start

	carries "HostName, Port, User of the file" -J gw1,gw2
	conf "Host gw1" "Port ${PORT[bound]}"
	stops "Port of the file" 1 connect 2 -J gw1,gw2
	carries "a port in -J wins" -J "gw1:${PORT[gw1]},gw2"
	carries "-o Port wins" -J gw1,gw2 -o "gw1:Port=${PORT[gw1]}"
	conf "Host gw2" "User nobody-here"
	stops "User of the file" 2 auth 1 -J gw1,gw2
	carries "a user in -J wins" -J "gw1,$ME@gw2"
	carries "-o User wins" -J gw1,gw2 -o "User=$ME"
	conf "Host gw1" "HostName 127.0.0.1.bad.invalid"
	carries "-o HostName wins" -J gw1,gw2 -o gw1:HostName=127.0.0.1
	conf "Host gw2" "IdentityFile $T/absent" "IdentityFile $T/other"
	carries "several IdentityFile" -J gw1,gw2
	conf "Host gw2" "UserKnownHostsFile $T/empty"
	stops "UserKnownHostsFile of the file" 2 hostkey 1 -J gw1,gw2
	conf "Host gw2" "UserKnownHostsFile $T/kh" \
	    "StrictHostKeyChecking accept-new"
	may_say="$T/kh" \
	    carries "StrictHostKeyChecking of the file" -J gw1,gw2
	equal "it held for gw2 alone" "$(wc -l <"$T/kh")" 1
	conf "Host gw2" "HostKeyAlias nick"
	stops "HostKeyAlias of the file" 2 hostkey 1 -J gw1,gw2
	conf "Host gw2" "HostName 127.0.0.1" "Port ${PORT[silent]}" \
	    "ConnectTimeout 1"
	start=$(now)
	stops "ConnectTimeout of the file" 2 banner 2 -J gw1,gw2
	at_most "ConnectTimeout of the file: ms" $(($(now) - start)) \
	    $((2500 * TEST_TIME_FACTOR))
	conf "Host gw2" "HostName 127.0.0.1" "Port ${PORT[silent]}"
	start=$(now)
	stops "-o ConnectTimeout wins" 2 banner 2 -J gw1,gw2 -o ConnectTimeout=1
	at_most "-o ConnectTimeout wins: ms" $(($(now) - start)) \
	    $((2500 * TEST_TIME_FACTOR))
	conf "Host gw2" "ServerAliveInterval 7"
	equal "ServerAliveInterval: 0 if typed, of the file, or ours" \
	    "$(hop -G -J gw1,gw2,gw3 -o BatchMode=no \
	    -o 1:ServerAliveInterval=0 host 22 |
	    grep serveralive | tr '\n' ' ')" \
	    "$(for n in "3 serveraliveinterval 0" "3 serveraliveinterval 7" \
	    "30 serveraliveinterval 30"; do
		echo "serveralivecountmax $n"
	    done | tr '\n' ' ')"
	conf "Match originalhost gw2" "Include $T/part"
	echo "User nobody-here" >"$T/part"
	stops "Match and Include" 2 auth 1 -J gw1,gw2
	conf "NoSuchKeyword yes"
	hop -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	equal "a bad file: status" "$?" 1
	check "a bad file: ssh's words" \
	    grep -qi 'bad configuration option: *nosuchkeyword' "$T/err"
	conf
}

# -o for every hop, for one by name, for one by number.
options()
{
	local nokey="UserKnownHostsFile=$T/empty"

	stops "-o for all" 1 hostkey 1 -J gw1,gw2,gw3 -o "$nokey"
	stops "-o keyword value, with a blank" 1 hostkey 1 -J gw1,gw2,gw3 \
	    -o "UserKnownHostsFile $T/empty"
	stops "-o by name" 2 hostkey 1 -J gw1,gw2,gw3 -o "gw2:$nokey"
	stops "-o by number" 3 hostkey 1 -J gw1,gw2,gw3 -o "3:$nokey"
	stops "-o by name as typed" 2 hostkey 1 -J "gw1,$ME@gw2" -o "gw2:$nokey"
	carries "one hop before all" -J gw1,gw2,gw3 \
	    -o "1:UserKnownHostsFile=$T/known_hosts" \
	    -o "gw2:UserKnownHostsFile=$T/known_hosts" \
	    -o "3:UserKnownHostsFile=$T/known_hosts" -o "$nokey"
	stops "the first -o wins" 1 hostkey 1 -J gw1,gw2 \
	    -o "gw1:$nokey" -o "gw1:UserKnownHostsFile=$T/known_hosts"
	stops "HostKeyAlias by -o" 2 hostkey 1 -J gw1,gw2 -o gw2:HostKeyAlias=nick
	known gw2 | sed 's/^[^ ]*/nick/' >"$T/nick"
	carries "HostKeyAlias and its file by -o" -J gw1,gw2 \
	    -o gw2:HostKeyAlias=nick -o "gw2:UserKnownHostsFile=$T/nick"
	IDENTITY=([gw2]=$T/other)
	write_config gw1 gw2 gw3 six
	stops "gw2 without its key" 2 auth 1 -J gw1,gw2
	carries "IdentityFile by -o" -J gw1,gw2 -o "gw2:IdentityFile=$T/id"
	stops "IdentityFile by -o, the other hop" 2 auth 1 -J gw1,gw2 \
	    -o "1:IdentityFile=$T/id"
	carries "-i for all" -J gw1,gw2 -i "$T/id"
	IDENTITY=()
	write_config gw1 gw2 gw3 six
	stops "User by -o" 3 auth 1 -J gw1,gw2,gw3 -o 3:User=nobody-here
	carries "a user in -J wins over -o" -J "gw1,gw2,$ME@gw3" \
	    -o 3:User=nobody-here
}

# Ways to write a hop.
grammar()
{
	local p1=${PORT[gw1]} p2=${PORT[gw2]}

	conf "Host 127.0.0.1" "IdentityFile $T/id"
	carries "user@host:port" -J "$ME@127.0.0.1:$p1,$ME@127.0.0.1:$p2"
	carries "host:port" -J "127.0.0.1:$p1,127.0.0.1:$p2"
	carries "[v4]:port" -J "[127.0.0.1]:$p1,$ME@[127.0.0.1]:$p2"
	carries "ssh://user@host:port" \
	    -J "ssh://$ME@127.0.0.1:$p1,ssh://$ME@127.0.0.1:$p2"
	carries "ssh://alias, alias" -J "ssh://gw1,gw2"
	carries "ssh://user@alias/" -J "ssh://$ME@gw1/,gw2"
	carries "-4" -4 -J gw1,gw2
	stops "-6 to 127.0.0.1" 1 '(resolve|connect)' '[12]' -6 -J gw1,gw2
	conf
}

# IPv6, where there is a loopback for it.
version_six()
{
	local p=${PORT[six]}

	if ! grep -q 'Server listening on ::1' "$T/six.log"; then
		echo "	no IPv6 loopback"
		return
	fi
	known six | sed 's/^[^ ]*/[::1]:'"$p/" >>"$T/known_hosts"
	conf "Host ::1" "IdentityFile $T/id" \
	    "Host v6" "HostName ::1" "Port $p" "IdentityFile $T/id"
	carries "[::1]:port" -J "[::1]:$p"
	carries "user@[::1]:port" -J "$ME@[::1]:$p,gw2"
	carries "ssh://user@[::1]:port" -J "gw1,ssh://$ME@[::1]:$p"
	carries "HostName ::1, second hop" -J gw1,v6
	carries "-6" -6 -J "[::1]:$p,gw2"
	stops "-4 to ::1" 1 '(resolve|connect)' '[12]' -4 -J "[::1]:$p"
	conf
}

file
options
grammar
version_six
