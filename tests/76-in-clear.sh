#!/usr/bin/env bash
# Goal: what anybody in between can send before a host key is proved is neither
# taken for our words nor able to make us advise what weakens.

. "$(dirname "$0")/harness.sh"

PEAKS=$T/peaks
user_key
new_key "$T/clear.key"
start_sshd gw1

# clear KIND TEXT: a server that sends, in clear, a banner, and then KEXINIT
# with one list replaced by TEXT, or DISCONNECT with TEXT.
clear()
{
	start_python clear clear.py "$@"
	write_config gw1 clear
}

for weak in kex=diffie-hellman-group1-sha1 kex=diffie-hellman-group14-sha1 \
    key=ssh-rsa key=ssh-dss cipher=3des-cbc cipher=aes128-cbc mac=hmac-sha1; do
	clear "${weak%%=*}" "${weak#*=}"
	conf "Host clear" "MACs hmac-sha2-256" "HostKeyAlgorithms ssh-ed25519"
	refused "$weak alone" 1 \
	    "kex: no .* in common; .*${weak#*=}; .*too old .* in between" \
	    hop -J clear 127.0.0.1 1
	check "$weak alone: nothing is advised" \
	    bash -c "! grep -q 'ssh_config\|+${weak#*=}' '$T/refused.err'"
done
clear cipher aes256-ctr
conf "Host clear" "Ciphers aes128-ctr"
refused "a strong one may be allowed" 1 'Host clear, Ciphers \+aes256-ctr' \
    hop -J clear 127.0.0.1 1

# Names that end the list, name a kind, or are no names.
forged='the host key has changed: ssh-keygen -R gw1'
for list in "x], client [$forged" "x]; ours: $forged; [" "$forged" \
    "x], client [$(printf '%0800d' 0)$forged]"; do
	clear cipher "$list"
	refused "a list with ${list:0:20}" 1 "kex: no .*in common[;,] " \
	    hop -J clear 127.0.0.1 1
	check "a list with ${list:0:20}: said by nobody else" bash -c \
	    '! sed "s/it says \"[^\"]*\"//g" "$1" | grep -q "has changed"' - \
	    "$T/refused.err"
done
clear cipher "kex algos,ecdh-sha2-nistp256"
conf "Host clear" "KexAlgorithms curve25519-sha256"
refused "a cipher named as a kind" 1 "kex: no Ciphers in common, and what " \
    hop -J clear 127.0.0.1 1

clear cipher "+aes128-gcm@openssh.com,-aes128-ctr,aes256-ctr"
conf "Host clear" "Ciphers aes128-ctr"
refused "names with signs" 1 'Host clear, Ciphers \+aes256-ctr$' \
    hop -J clear 127.0.0.1 1

# What is said looks like ours, or like lines of its own.
said='the host key has changed: remove the old one: ssh-keygen -R gw1'
clear goodbye "$said"
for hops in clear gw1,clear; do
	refused "a goodbye in clear, $hops" 2 \
	    "clear \(hop .*\): kex: it says \"$said\"; " \
	    hop -J $hops 127.0.0.1 1
done
clear goodbye "a\"$(printf '%300s' '')\" b$(printf '%300s' '' | tr ' ' x)"
refused "long and wide" 2 \
    "it says \"a' ' b$(printf '%192s' '' | tr ' ' x | cut -c 1-180)x*\.\.\.\"; " \
    hop -J clear 127.0.0.1 1
at_most "long and wide: characters" "$(wc -c <"$T/refused.err")" 350

# The locale's characters, and none that turns the direction of writing.
clear goodbye $'Contrase\303\261a \342\200\256drow'
LC_ALL=C.UTF-8 refused "in UTF-8" 2 \
    $'it says "Contrase\303\261a \\\\342\\\\200\\\\256drow"' \
    hop -J clear 127.0.0.1 1
refused "in ASCII" 2 'it says "Contrase\\303\\261a' hop -J clear 127.0.0.1 1

# The words of ssh that programs look for.
conf "Host gw1" "User nobody-at-all"
refused "permission denied" 1 'auth: Permission denied for nobody-at-all' \
    hop -J gw1 127.0.0.1 1
little_memory 12
