#!/usr/bin/env bash
# Goal: the block of the README takes every host that has a ProxyJump through
# proxyhop, with HostName or without, and leaves all others, ssh -J and
# -o ProxyCommand=none alone.

. "$(dirname "$0")/harness.sh"

README=$(dirname "$TESTS")/README
gateways "LogLevel VERBOSE"
mkdir "$T/bin"
cat >"$T/bin/proxyhop" <<END
#!/bin/sh
exec $PROXYHOP_WRAP $PROXYHOP -r none -F $T/config "\$@"
END
chmod +x "$T/bin/proxyhop"
PATH=$T/bin:$PATH

# the block as it stands there, then hosts
{
	sed -n '/^    Match exec /,/^$/s/^    //p' "$README"
	cat <<-END
	Host named
	    HostName 127.0.0.1
	    HostKeyAlias [127.0.0.1]:${PORT[target]}
	    Port ${PORT[target]}
	    IdentityFile $T/id
	    ProxyJump gw1,gw2
	Host 127.0.0.1
	    Port ${PORT[target]}
	    IdentityFile $T/id
	    ProxyJump gw1
	Host command
	    ProxyCommand proxyhop -J gw3 %h %p
	Host passed
	    ProxyUseFdpass yes
	    ProxyCommand proxyhop -f -J gw3 %h %p
	Host jumped
	    ProxyUseFdpass yes
	    ProxyJump gw3
	Host command passed jumped
	    HostName 127.0.0.1
	    HostKeyAlias [127.0.0.1]:${PORT[target]}
	    Port ${PORT[target]}
	    IdentityFile $T/id
	Match all
	END
	cat "$T/ssh_config"
} >"$T/config"

# Servers whose log shows a login since they were last forgotten.
visited()
{
	local name list=

	for name in gw1 gw2 gw3 target; do
		grep -q '^Accepted publickey' "$T/$name.log" &&
		    list="$list $name"
		forget "$name"
	done
	echo $list
}

# goes SENTENCE TIMES SERVERS COMMAND...: the command gets to these servers,
# and has started proxyhop so many times.
goes()
{
	local sentence=$1 times=$2 want=$3 status=0

	shift 3
	visited >/dev/null
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "$@" </dev/null \
	    >"$T/out" 2>"$T/err" || status=$?
	[ "$status" -eq 0 ] || fail "$sentence: status $status" "$T/err"
	equal "$sentence: by way of" "$(visited)" "$want"
	equal "$sentence: proxyhop" \
	    "$(grep -c 'Executing proxy command: exec proxyhop ' "$T/err")" \
	    "$times"
}

check "the README has the block" grep -q ProxyCommand "$T/config"
goes "a host with HostName" 1 "gw1 gw2 target" \
    ssh -v -F "$T/config" named true
goes "a host without" 1 "gw1 target" ssh -v -F "$T/config" 127.0.0.1 true
for host in command passed jumped; do
	goes "a host with a ProxyCommand or ProxyUseFdpass: $host" 1 \
	    "gw3 target" ssh -v -F "$T/config" $host true
done
goes "a gateway itself" 0 "gw1" ssh -v -F "$T/config" gw1 true
goes "a host without ProxyJump" 0 "target" ssh -v -F "$T/config" target true
goes "-J by hand" 0 "gw3 target" ssh -v -F "$T/config" -J gw3 named true
goes "-o ProxyCommand=none" 0 "target" \
    ssh -v -F "$T/config" -o ProxyCommand=none named true
goes "proxyhop is not there any more" 0 "gw1 gw2 target" \
    env PATH=/usr/bin:/bin ssh -v -F "$T/config" named true
echo some >"$T/file"
goes "scp" 1 "gw1 gw2 target" scp -v -F "$T/config" "$T/file" named:"$T/there"
check "scp: the bytes" cmp "$T/file" "$T/there"
