#!/usr/bin/env bash
# Goal: keys that an agent has for some hosts only (ssh-add -h) log in to these
# as with ssh, whatever the key exchange, and to no other; the line says so.

. "$(dirname "$0")/harness.sh"

gateways "LogLevel DEBUG2"
start_peer echo echo
start_sshd few "MaxAuthTries 3"
start_agent agent
export SSH_AUTH_SOCK=$T/agent

# restricted KEY [USER@]HOP...: the agent has it for these alone.
restricted()
{
	local key=$1 hop user hosts=()

	shift
	for hop; do
		user=
		[ "${hop%@*}" = "$hop" ] || user=${hop%@*}@
		hosts+=(-h "${user}[127.0.0.1]:${PORT[${hop#*@}]}")
	done
	ssh-add -q -H "$T/known_hosts" "${hosts[@]}" "$T/$key" 2>"$T/add" ||
	    die "ssh-add restricts $key" "$T/add"
}

write_config gw1 gw2 gw3 target few
mkdir "$T/away"
for key in k1 k2 k3 k4; do
	new_key "$T/$key"
done
restricted id gw1 gw2 few
mv "$T/id" "$T/away/"

# both SENTENCE HOP: ssh gets in, and so do we.
both()
{
	check "$1: ssh" ssh -F "$CONF" "$2" true
	carries "$1" -J "$2"
}

exchanges()
{
	local kex

	carries "two hops" -J gw1,gw2
	for kex in diffie-hellman-group-exchange-sha256 \
	    diffie-hellman-group14-sha256 ecdh-sha2-nistp384; do
		conf "KexAlgorithms $kex"
		both "$kex" gw1
	done
	conf "Host gw1" "ProxyCommand nc 127.0.0.1 ${PORT[gw1]}"
	carries "behind a ProxyCommand" -J gw1,gw2
	conf "RekeyLimit 1K"
	carries "keys that are renewed" -J gw1
	conf "RevokedHostKeys none"
	carries "ten at once" -J gw1 &
	for n in 1 2 3 4 5 6 7 8 9; do
		hop -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null 2>&1 &
	done >"$T/ten"
	wait $(jobs -p | grep -v -x -F "$(printf '%s\n' "${SERVERS[@]}")")
	equal "each of them" "$(cat "$T/ten")" ""
	conf
}

others()
{
	ssh -F "$CONF" gw3 true 2>"$T/err" </dev/null
	equal "a host that it is not for: ssh" $? 255
	refused "a host that it is not for" 1 \
	    "^proxyhop: gw3 \\(hop 2 of 2, .*: auth: .*id would do, but the agent did not sign: it is restricted to other hosts; add this one with ssh-add -h" \
	    hop -J gw1,gw3 127.0.0.1 "${PORT[echo]}"
	ssh-add -q -D 2>/dev/null
	mv "$T/away/id" "$T/"
	restricted id "not-$ME@gw1"
	mv "$T/id" "$T/away/"
	refused "another user of the host" 1 'id would do, but the agent did not sign' \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	ssh -F "$CONF" gw1 true 2>"$T/err" </dev/null
	equal "another user of the host: ssh" $? 255
}

# What the agent has for others is in nobody's way.
crowd()
{
	local key

	ssh-add -q -D 2>/dev/null
	for key in k1 k2 k3; do
		cat "$T/$key.pub" >>"$T/authorized_keys"
		restricted "$key" gw2
	done
	mv "$T/away/id" "$T/"
	restricted id few gw1
	ssh-add -q "$T/k4"
	mv "$T/id" "$T/k4" "$T/away/"
	conf "Host few gw1" "IdentitiesOnly no" "IdentityFile $T/absent"
	sed -i "s|IdentityFile $T/id|IdentityFile $T/absent|" "$CONF"
	both "three keys of other hosts first" few
	forget gw1
	carries "three that the server would take" -J gw1
	wait_for "$T/gw1.log" 'Accepted publickey'
	equal "the agent is asked for one of them, and then for ours" \
	    "$(grep -c 'userauth_pubkey: publickey test' "$T/gw1.log")" 2
}

exchanges
others
crowd
