#!/usr/bin/env bash
# Goal: a key is used wherever its halves are: the certificate in a file and the
# private half with the agent; as ssh, which is asked beside us.

. "$(dirname "$0")/harness.sh"

new_key "$T/ca"
new_key "$T/id"
new_key "$T/other"
: >"$T/authorized_keys"
start_peer echo echo
start_sshd certs "TrustedUserCAKeys $T/ca.pub" "MaxAuthTries 3" \
    "LogLevel DEBUG1"
start_agent agent
export SSH_AUTH_SOCK=$T/agent

# certify KEY ID [ssh-keygen arguments]
certify()
{
	local key=$1 id=$2

	shift 2
	ssh-keygen -q -s "$T/ca" -I "$id" -n "$ME" "$@" "$key.pub"
}

# held KEY...: all that the agent holds, without their certificates.
held()
{
	local key

	ssh-add -q -D 2>/dev/null
	for key; do
		ssh-add -q -k "$key" </dev/null
	done
}

# same SENTENCE in|out LINES...: with these lines for the server, by both.
same()
{
	local sentence=$1 want=$2 ssh=out us=out

	shift 2
	IDENTITY=([certs]=none)
	write_config certs
	conf "Host certs" "$@"
	forget certs
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -W "127.0.0.1:${PORT[echo]}" certs </dev/null >/dev/null \
	    2>"$T/ssh.err" && ssh=in
	forget certs
	hop -J certs 127.0.0.1 "${PORT[echo]}" </dev/null >/dev/null \
	    2>"$T/us.err" && us=in
	case $want,$ssh,$us in
	in,in,in|out,out,out|ahead,out,in)
		ok "$sentence: $want" ;;
	*)	fail "$sentence: $want; ssh: $ssh, proxyhop: $us" \
		    "$T/ssh.err" "$T/us.err" "$T/certs.log" ;;
	esac
}

certificates()
{
	local kind

	mkdir "$T/apart" "$T/pub"
	certify "$T/id" good
	mv "$T/id-cert.pub" "$T/apart/cert.pub"
	cp "$T/id.pub" "$T/pub/id.pub"
	cp "$T/id.pub" "$T/pub/beside.pub"
	cp "$T/apart/cert.pub" "$T/pub/beside-cert.pub"
	held "$T/other" "$T/id"

	same "CertificateFile, the agent has the key" in \
	    "CertificateFile $T/apart/cert.pub" "IdentitiesOnly no"
	check "it is the certificate that was shown" \
	    grep -q 'Accepted publickey .*ED25519-CERT.* ID good' "$T/certs.log"
	same "the same, IdentitiesOnly and the .pub" in \
	    "CertificateFile $T/apart/cert.pub" "IdentityFile $T/pub/id.pub"
	same "the same, by the name of the private file" in \
	    "CertificateFile $T/apart/cert.pub" "IdentityFile $T/pub/id"
	same "IdentitiesOnly, and no file that names the key" out \
	    "CertificateFile $T/apart/cert.pub"
	same "beside a .pub" in "IdentityFile $T/pub/beside"
	same "beside a .pub that is named itself" ahead \
	    "IdentityFile $T/pub/beside.pub"
	same "no certificate: not taken" out "IdentityFile $T/pub/id"
	held "$T/other"
	same "the agent has another key only" out \
	    "CertificateFile $T/apart/cert.pub" "IdentitiesOnly no"

	for kind in rsa ecdsa; do
		new_key "$T/$kind" -t "$kind"
		certify "$T/$kind" "$kind"
		mv "$T/$kind-cert.pub" "$T/apart/"
		held "$T/$kind"
		same "$kind: certificate in a file, key with the agent" in \
		    "CertificateFile $T/apart/$kind-cert.pub" \
		    "IdentitiesOnly no"
	done

	# the private half in a file
	same "CertificateFile, the key in its file" in \
	    "CertificateFile $T/apart/cert.pub" "IdentityFile $T/id"
	certify "$T/other" other
	certify "$T/id" expired -V 20200101:20200102
	same "one of several CertificateFiles" in \
	    "CertificateFile $T/other-cert.pub" \
	    "CertificateFile $T/apart/cert.pub" "IdentityFile $T/id"
	same "an expired one beside it, CertificateFile counts alone" in \
	    "CertificateFile $T/apart/cert.pub" "IdentityFile $T/id"
	same "an expired one" out "IdentityFile $T/id"
}

certificates

# print_of KEY: its fingerprint, for a pattern.
print_of()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2 | sed 's/[+]/[+]/g'
}

# What a key may do stands with the key.
limits()
{
	local to=(127.0.0.1 "${PORT[echo]}")

	start_sshd limits "TrustedUserCAKeys $T/ca.pub" \
	    "AuthorizedKeysFile $T/limited"
	IDENTITY=([limits]=$T/id)
	write_config limits
	conf
	rm -f "$T/id-cert.pub"
	echo "restrict,permitopen=\"127.0.0.1:1\" $(cat "$T/id.pub")" >"$T/limited"
	refused "restrict: the key is named, with its options" 1 \
	    "forward: .*prohibited; check AllowTcpForwarding and PermitOpen on limits, and in its authorized_keys the options of the key used: $T/id $(print_of "$T/id"); if" \
	    hop -J limits "${to[@]}"
	echo "restrict,port-forwarding,permitopen=\"127.0.0.1:${PORT[echo]}\"" \
	    "$(cat "$T/id.pub")" >"$T/limited"
	carries "the twin: what is permitted is opened" -J limits
	: >"$T/limited"
	certify "$T/id" narrow -O clear
	refused "a certificate without permit-port-forwarding" 1 \
	    "forward: .*prohibited; check AllowTcpForwarding and PermitOpen on limits, and permit-port-forwarding of the certificate used: $T/id-cert.pub $(print_of "$T/id"); if" \
	    hop -J limits "${to[@]}"
	certify "$T/id" wide -O clear -O permit-port-forwarding
	carries "the twin: with it" -J limits
	rm -f "$T/id-cert.pub"
}

# A server of old times; what may be advised is what libssh has on by itself.
old()
{
	local to=(127.0.0.1 "${PORT[echo]}")

	new_key "$T/old.key"
	start_python old login.py old "$T/old.key"
	IDENTITY=([old]=$T/rsa)
	write_config old
	rm -f "$T/rsa-cert.pub"
	conf
	refused "SHA-1 alone: it is said, and nothing weaker is advised" 1 \
	    "auth: .*$T/rsa is not allowed: the server takes it by ssh-rsa alone, and is too old, or somebody is in between" \
	    hop -J old "${to[@]}"
	check "the same: no +ssh-rsa" bash -c '! grep -q "+ssh-rsa" "$1"' - \
	    "$T/refused.err"
	conf "Host old" "PubkeyAcceptedAlgorithms +ssh-rsa"
	carries "who has allowed it himself gets in" -J old
	IDENTITY=([certs]=$T/rsa)
	write_config certs
	conf "Host certs" "PubkeyAcceptedAlgorithms ssh-ed25519"
	refused "what ssh_config does not allow can be allowed" 1 \
	    "auth: .*$T/rsa is not allowed by PubkeyAcceptedAlgorithms; to allow it, in ssh_config: Host certs, PubkeyAcceptedAlgorithms [+]rsa-sha2-512" \
	    hop -J certs "${to[@]}"
}

# seals FILE KIND [ssh-keygen arguments]: a key with a passphrase that the
# server takes.
seals()
{
	ssh-keygen -q -t "$2" -N "open sesame" -C "comment of $2" "${@:3}" \
	    -f "$1" </dev/null
	cat "$1.pub" >>"$T/authorized_keys"
}

# added SENTENCE VALUE: with AddKeysToAgent VALUE, twice,
# by ssh and by us: the same questions, and the same in the agent.
added()
{
	local sentence=$1 value=$2 who first second got=()

	conf "Host certs" "BatchMode no" "AddKeysToAgent $value"
	for who in ssh us; do
		ssh-add -q -D 2>/dev/null
		: >"$T/asked"
		by_$who
		first=$(wc -l <"$T/asked")
		by_$who
		second=$(wc -l <"$T/asked")
		got+=("$first $second $(ssh-add -l | cut -d' ' -f2-)")
	done
	if [ "${got[0]}" = "${got[1]}" ]; then
		ok "$sentence: ${got[1]}"
	else
		fail "$sentence: ssh: ${got[0]}; proxyhop: ${got[1]}" \
		    "$T/us.err" "$T/asked"
	fi
}

by_ssh()
{
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w ssh -F "$CONF" \
	    -W "127.0.0.1:${PORT[echo]}" certs </dev/null >/dev/null \
	    2>"$T/ssh.err"
}

by_us()
{
	hop -v -J certs 127.0.0.1 "${PORT[echo]}" </dev/null >/dev/null \
	    2>"$T/us.err"
}

# What is in the agent in the end, and how often was asked for it.
adding()
{
	printf '#!/bin/sh\necho "$1" >>%s/asked\ncat %s/answer\n' "$T" "$T" \
	    >"$T/askpass"
	chmod +x "$T/askpass"
	export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
	: >"$T/authorized_keys"
	seals "$T/sealed" ed25519
	IDENTITY=([certs]=$T/sealed)
	write_config certs
	echo "open sesame" >"$T/answer"
	added "AddKeysToAgent yes" yes
	equal "with its comment" "$(ssh-add -l | cut -d' ' -f3-)" \
	    "comment of ed25519 (ED25519)"
	added "AddKeysToAgent no" no
	equal "nothing is there" "$(ssh-add -l)" "The agent has no identities."
	added "a time" 1h
	added "confirm and a time" "confirm 5m"
	added "confirm" confirm
	seals "$T/sealed-pem" rsa -m PEM
	IDENTITY=([certs]=$T/sealed-pem)
	write_config certs
	added "yes: rsa in PEM" yes
	cat "$T/id.pub" >>"$T/authorized_keys"
	IDENTITY=([certs]=$T/id)
	write_config certs
	added "yes: a key without a passphrase" yes
}

# The agent's rules for a key: what it does with it.
rules()
{
	IDENTITY=([certs]=$T/sealed)
	write_config certs
	ssh-add -q -D
	conf "Host certs" "BatchMode no" "AddKeysToAgent 2"
	by_us
	check "two seconds: it is there" ssh-add -T "$T/sealed.pub"
	check "two seconds: it is gone then" \
	    wait_until "! ssh-add -T '$T/sealed.pub' 2>/dev/null" 5
	start_agent asking
	SSH_AUTH_SOCK=$T/asking
	conf "Host certs" "BatchMode no" "AddKeysToAgent confirm"
	by_us
	: >"$T/asked"
	echo yes >"$T/answer"
	by_us
	check "confirm: we are in" grep -q ': forward, ' "$T/us.err"
	check "confirm: the agent has asked" \
	    grep -q '^Allow use of key' "$T/asked"
	check "confirm: nobody else" bash -c '! grep -q hop "$1"' - "$T/asked"
	SSH_AUTH_SOCK=$T/agent
	: >"$T/asked"
	echo yes >"$T/answer"
	ssh-add -q -D
	IDENTITY=([certs]=$T/id)
	write_config certs
	conf "Host certs" "BatchMode no" "AddKeysToAgent ask"
	by_us
	check "ask: it is asked, with the hop" grep -q \
	    "certs (hop 1 of 1): Add key $T/id to the agent" "$T/asked"
	check "ask, yes: it is there" ssh-add -T "$T/id.pub"
	echo no >"$T/answer"
	ssh-add -q -D
	by_us
	check "ask, no: it is not" bash -c '! ssh-add -T "$1"' - "$T/id.pub"
	check "ask, no: we are in all the same" grep -q ': forward, ' "$T/us.err"
	conf "Host certs" "BatchMode yes" "AddKeysToAgent ask"
	: >"$T/asked"
	by_us
	equal "ask, BatchMode: nobody is asked" "$(cat "$T/asked")" ""
	conf "Host certs" "BatchMode no" "AddKeysToAgent yes"
	SSH_AUTH_SOCK=$T/none by_us
	check "no agent: we are in" grep -q ': forward, ' "$T/us.err"
	ssh-add -q -D
	printf 'x\nx\n' >"$T/answer"
	SSH_ASKPASS_REQUIRE=never ssh-add -q -x </dev/null >/dev/null 2>&1 ||
	    ssh-add -q -x </dev/null >/dev/null 2>&1
	by_us
	check "a locked agent: we are in" grep -q ': forward, ' "$T/us.err"
	check "the same: with -v it is said" grep -q 'not added' "$T/us.err"
	ssh-add -q -X </dev/null >/dev/null 2>&1
}

limits
if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	old
else
	echo "skip $NAME: an old server: no python3-paramiko"
fi
adding
rules
