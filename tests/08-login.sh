#!/usr/bin/env bash
# Goal: key files and the agent log in; what cannot log in says why in one line.

. "$(dirname "$0")/harness.sh"

gateways
start_peer echo echo
start_agent agent
start_sshd pw "PubkeyAuthentication no" "PasswordAuthentication yes"
start_sshd both "AuthenticationMethods publickey,password" \
    "PasswordAuthentication yes"

# identity FILE: the only key file of gw1.
identity()
{
	IDENTITY=([gw1]=$1)
	write_config gw1 gw2 gw3 target pw both
}

# no_login SENTENCE PATTERN [hop arguments]: refused by gw1 at login.
no_login()
{
	local sentence=$1 pattern=$2

	shift 2
	refused "$sentence" 1 \
	    "^proxyhop: gw1 \(hop 1 of 1, .*\): auth: .*$pattern" \
	    hop -J gw1 "$@" 127.0.0.1 "${PORT[echo]}"
}

# with_agent COMMAND...: the agent's socket is known.
with_agent()
{
	SSH_AUTH_SOCK=$T/agent "$@"
}

# Files of every kind.
key_files()
{
	local type

	identity "$T/id"
	carries "key file" -J gw1
	identity "$T/absent"
	no_login "no key file at all" ""
	carries "key given by -i" -J gw1 -i "$T/id"
	for type in ecdsa rsa; do
		ssh-keygen -q -t $type -N '' -f "$T/$type" </dev/null
		cat "$T/$type.pub" >>"$T/authorized_keys"
		identity "$T/$type"
		carries "$type key" -J gw1
	done
	ssh-keygen -q -t rsa -m PEM -N '' -f "$T/pem" </dev/null
	cat "$T/pem.pub" >>"$T/authorized_keys"
	identity "$T/pem"
	carries "rsa key, PEM" -J gw1
	new_key "$T/stranger"
	identity "$T/stranger"
	no_login "a key gw1 does not know" ""
	carries "the stranger first, then -i" -J gw1 -i "$T/id"
	cp "$T/id" "$T/nopub"
	identity "$T/nopub"
	carries "a key without its .pub" -J gw1
	echo "no key" >"$T/nokey"
	identity "$T/nokey"
	no_login "a file that is no key" "$T/nokey"
}

# Files that cannot be used.
key_files_refused()
{
	cp "$T/id" "$T/open"
	chmod 644 "$T/open"
	identity "$T/open"
	no_login "private key open to others" \
	    "$T/open.*([Pp]ermission|mode|0644|too open|by others|other users)"
	chmod 600 "$T/open"
	carries "the same, closed" -J gw1
	ssh-keygen -q -t ed25519 -N secret -f "$T/sealed" </dev/null
	cat "$T/sealed.pub" >>"$T/authorized_keys"
	identity "$T/sealed"
	no_login "encrypted key, not in the agent" \
	    "$T/sealed.*([Pp]assphrase|[Ee]ncrypted)"
	no_login "encrypted key, not batch mode, no terminal" \
	    "$T/sealed.*([Pp]assphrase|[Ee]ncrypted)" -o BatchMode=no
}

# Keys of the agent.
agent()
{
	local n

	identity "$T/absent"
	conf "Host *" "IdentitiesOnly no"
	with_agent no_login "agent without keys" ""
	with_agent ssh-add -q "$T/id"
	with_agent carries "key of the agent" -J gw1
	with_agent ssh-add -q -D
	for n in 1 2 3; do
		new_key "$T/k$n"
		with_agent ssh-add -q "$T/k$n"
	done
	with_agent no_login "agent with wrong keys only" ""
	with_agent ssh-add -q "$T/id"
	with_agent carries "agent with four keys, the right one last" -J gw1
	no_login "the same without the agent" ""
	SSH_AUTH_SOCK=$T/absent no_login "no agent at its socket" ""
	identity "$T/id"
	SSH_AUTH_SOCK=$T/absent carries "no agent, but a file" -J gw1
	printf '#!/bin/sh\necho secret\n' >"$T/askpass"
	chmod 700 "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    with_agent ssh-add -q "$T/sealed" 2>/dev/null </dev/null
	identity "$T/sealed"
	with_agent carries "encrypted key, in the agent" -J gw1
	# Three hops, the agent for all.
	IDENTITY=([gw1]=$T/absent [gw2]=$T/absent [gw3]=$T/absent)
	write_config gw1 gw2 gw3
	conf "Host *" "IdentitiesOnly no"
	with_agent carries "agent on three hops" -J gw1,gw2,gw3
}

# More keys than the server has patience for: it hangs up, and says so.
many_keys()
{
	local n start files=()

	start_agent full
	# the server is gone back to once, and takes six a connection
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		[ -f "$T/k$n" ] || new_key "$T/k$n"
		SSH_AUTH_SOCK=$T/full ssh-add -q "$T/k$n"
		files+=(-i "$T/k$n")
	done
	identity "$T/absent"
	start=$(now)
	no_login "too many key files" "[Tt]oo many" "${files[@]}"
	at_most "too many key files: ms" $(($(now) - start)) \
	    $((3000 * TEST_TIME_FACTOR))
	conf "Host *" "IdentitiesOnly no"
	start=$(now)
	SSH_AUTH_SOCK=$T/full \
	    no_login "agent with too many keys" "[Tt]oo many"
	at_most "agent with too many keys: ms" $(($(now) - start)) \
	    $((3000 * TEST_TIME_FACTOR))
	SSH_AUTH_SOCK=$T/full \
	    carries "the same, with -i" -J gw1 -i "$T/id"
}

# What the server wants is told.
servers()
{
	identity "$T/id"
	refused "wrong user" 1 \
	    "^proxyhop: gw1 \(hop 1 of 1, nobody-here@127.*\): auth: " \
	    hop -J nobody-here@gw1 127.0.0.1 "${PORT[echo]}"
	refused "a server that takes only passwords" 1 \
	    "^proxyhop: pw \(hop 1 of 1, .*\): auth: .*password" \
	    hop -J pw 127.0.0.1 "${PORT[echo]}"
	refused "the same, as hop 2" 1 \
	    "^proxyhop: pw \(hop 2 of 3, .*\): auth: .*password" \
	    hop -J gw1,pw,gw3 127.0.0.1 "${PORT[echo]}"
	refused "a server that wants a password after the key" 1 \
	    "^proxyhop: both \(hop 1 of 1, .*\): auth: .*password" \
	    hop -J both 127.0.0.1 "${PORT[echo]}"
	conf "Host gw1" "PreferredAuthentications password"
	no_login "PreferredAuthentications without publickey" "publickey"
	conf "Host gw1" "PubkeyAuthentication no"
	no_login "PubkeyAuthentication no" "publickey"
}

key_files
key_files_refused
agent
many_keys
servers
