#!/usr/bin/env bash
# Goal: a hop has the time that ssh gives it: no limit where ssh has none, and a
# command that connects has the time it needs, until it ends.

. "$(dirname "$0")/harness.sh"

user_key
start_peer echo echo
start_peer silent silent
start_sshd gw1
start_sshd gw2
write_config gw1 gw2
sed -i '/ConnectTimeout/d' "$T/ssh_config"

# value NUMBER KEYWORD ARGUMENTS...: a setting of a hop, as -G has it.
value()
{
	local number=$1 keyword=$2

	shift 2
	hop "$@" -G 127.0.0.1 22 2>&1 |
	    awk -v n="$number" -v k="$keyword" '$1 == "hop" { hop = $2 }
	    hop == n && $1 == k { print $2 }'
}

# ---- the time for connecting

equal "nobody has set it" "$(value 1 connecttimeout -J gw1)" 15
conf "Host gw1" "ConnectTimeout 7"
equal "somebody has" "$(value 1 connecttimeout -J gw1,gw2)" 7
equal "for that hop alone" "$(value 2 connecttimeout -J gw1,gw2)" 15
conf "Host gw1" "ConnectTimeout 0"
equal "0 is no limit" "$(value 1 connecttimeout -J gw1)" 0
carries "without a limit" -J gw1,gw2 -o ConnectTimeout=0
conf
equal "none is none" "$(value 1 connecttimeout -J gw1 -o gw1:ConnectTimeout=none)" 0
[ -n "$PROXYHOP_WRAP" ] || check "none where there is no ssh" grep -q \
    '^connecttimeout 0$' <(env -i PATH=/nonexistent "$PROXYHOP" -r none -F none \
    -J gw1 -o ConnectTimeout=none -G 127.0.0.1 22)
late="ProxyCommand=sh -c 'sleep 2; exec nc %h %p'"
equal "a ProxyCommand has none" \
    "$(value 1 connecttimeout -J gw1,gw2 -o "1:$late")" 0
equal "the hop behind it has" \
    "$(value 2 connecttimeout -J gw1,gw2 -o "1:$late")" 15
equal "it has if somebody has set one" "$(value 1 connecttimeout -J gw1,gw2 \
    -o "1:$late" -o ConnectTimeout=3)" 3
equal "a ForwardCommand has none either" "$(value 2 connecttimeout -J gw1,gw2 \
    -o "1:ForwardCommand=nc %h %p")" 0
carries "a ProxyCommand that takes two seconds" -J gw1,gw2 -o "1:$late"
check "ssh gets in as well" ssh -F "$CONF" -o "$late" gw1 true
refused "ConnectTimeout ends it: the line names it" 2 \
    "^proxyhop: gw1 \(hop 1 .*: no answer within 1 seconds through its ProxyCommand \(sh -c 'sleep 2; exec nc 127.0.0.1 ${PORT[gw1]}'\); try that command by hand, or raise ConnectTimeout$" \
    hop -J gw1,gw2 -o "1:$late" -o ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"
check "ssh does not get in either" bash -c '! "$@"' - ssh -F "$CONF" \
    -o "$late" -o ConnectTimeout=1 gw1 true
refused "the same of a ForwardCommand" 2 \
    "^proxyhop: gw2 \(hop 2 .*: no answer within 1 seconds through the ForwardCommand of gw1 \(sleep 2; nc " \
    hop -J gw1,gw2 -o '1:ForwardCommand=sleep 2; nc %h %p' \
    -o 2:ConnectTimeout=1 127.0.0.1 "${PORT[echo]}"
start=$(now)
refused "a command that ends has ended" 2 'its ProxyCommand \(false\) ended' \
    hop -J gw1 -o 1:ProxyCommand=false 127.0.0.1 "${PORT[echo]}"
at_most "ms until then" $(($(now) - start)) $((4000 * TEST_TIME_FACTOR))

# ---- the time for a login

equal "LoginTimeout, as used" "$(value 1 logintimeout -J gw1)" 120
equal "LoginTimeout of one hop" \
    "$(value 2 logintimeout -J gw1,gw2 -o gw2:LoginTimeout=7)" 7
equal "LoginTimeout none" "$(value 1 logintimeout -J gw1 -o LoginTimeout=none)" 0
carries "without a limit for the login" -J gw1,gw2 -o LoginTimeout=0
