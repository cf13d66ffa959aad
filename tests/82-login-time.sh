#!/usr/bin/env bash
# Goal: the login is the server's time, as with ssh: it may take longer than
# ConnectTimeout, but a server that says nothing at all is given up.

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import paramiko' 2>/dev/null || skip "no python3-paramiko"

user_key
start_peer echo echo
start_sshd gw1
new_key "$T/bad.key"

# gate [OPTIONS] MODE: such a gateway, named bad, takes the last one's place.
gate()
{
	start_bad login.py "$@"
}

gate --seconds 4 slow
# no more is asked of the server's time than by ssh, which is done with connecting
conf "Host bad" "ConnectTimeout 2"
may_say='bad \(hop . of .\): it says .*(visit https://login.example/abc|within a minute|still waiting)'
carries "four seconds for a login, ConnectTimeout 2, hop 1" -J bad
equal "the banner is shown, a line each" "$(wc -l <"$T/carries.err")" 2
carries "the same, hop 2" -J gw1,bad
check "ssh gets in as well" ssh -F "$CONF" -N -W "127.0.0.1:${PORT[echo]}" bad \
    </dev/null
refused "LoginTimeout is over, and nothing has come" 2 \
    '^proxyhop: bad .*auth: no answer within 1 seconds; .*LoginTimeout' \
    hop -J bad -o LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
refused "for one hop" 2 '^proxyhop: bad \(hop 2 of 2.*auth: no answer within 1 ' \
    hop -J gw1,bad -o bad:LoginTimeout=1 127.0.0.1 "${PORT[echo]}"
gate quick
may_say= carries "a quick login stays silent" -J bad
gate --drip --seconds 4 slow
conf "Host bad" "ConnectTimeout 2"
carries "something comes each second: three are enough" -J bad \
    -o LoginTimeout=3
refused "a value that is none" 1 'LoginTimeout is a number of seconds' \
    hop -J bad -o LoginTimeout=x 127.0.0.1 "${PORT[echo]}"
