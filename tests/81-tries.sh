#!/usr/bin/env bash
# Goal: after the first answer only what the server lists is tried: no key is
# offered where keys are not taken, as with ssh, also after a partial success.

. "$(dirname "$0")/harness.sh"

user_key
start_peer echo echo
start_sshd only "MaxAuthTries 3" "PubkeyAuthentication no" \
    "PasswordAuthentication yes" "LogLevel DEBUG2"
start_sshd both "MaxAuthTries 3" "AuthenticationMethods publickey,password" \
    "PasswordAuthentication yes" "LogLevel DEBUG2"
start_sshd keys "MaxAuthTries 3" "LogLevel DEBUG2"
start_agent agent
export SSH_AUTH_SOCK=$T/agent
for i in 1 2 3 4 5 6 7 8; do
	new_key "$T/held$i"
	ssh-add -q "$T/held$i"
done
write_config only both keys
conf "Host *" "IdentitiesOnly no"

# asked NAME METHOD: how often a server was asked for it, all in all.
asked()
{
	grep -c "userauth-request for user .* method $2" "$T/$1.log"
}

# Keys are not taken: one is offered at most, and the server does not hang up.
refused "eight keys in the agent, none is taken: it is not cut off" 1 \
    '^proxyhop: only .*auth: .*takes password' \
    hop -J only 127.0.0.1 "${PORT[echo]}"
at_most "keys that were offered" "$(asked only publickey)" 1
forget only
ssh -F "$CONF" only true </dev/null 2>/dev/null
equal "ssh offers none" "$(asked only publickey)" 0

# A key, then something else: no other key, and no question what is wanted.
refused "a key, then a password that nobody can give" 1 \
    '^proxyhop: both .*auth: Permission denied after partial success .*password' \
    hop -J both 127.0.0.1 "${PORT[echo]}"
equal "the one key that was taken" "$(grep -c 'Partial publickey' \
    "$T/both.log")" 1
equal "after it, nobody asks what else" "$(asked both none)" 0

# The twin: where keys are taken, the right one gets in.
carries "where keys are taken" -J keys
