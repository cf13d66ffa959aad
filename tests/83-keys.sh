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
	    "forward: .*prohibited; check AllowTcpForwarding and PermitOpen on limits, and the options of the key used \($T/id $(print_of "$T/id")\) in its authorized_keys" \
	    hop -J limits "${to[@]}"
	echo "restrict,port-forwarding,permitopen=\"127.0.0.1:${PORT[echo]}\"" \
	    "$(cat "$T/id.pub")" >"$T/limited"
	carries "the twin: what is permitted is opened" -J limits
	: >"$T/limited"
	certify "$T/id" narrow -O clear
	refused "a certificate without permit-port-forwarding" 1 \
	    "forward: .*prohibited; check AllowTcpForwarding and PermitOpen on limits, and permit-port-forwarding of the certificate used \($T/id-cert.pub $(print_of "$T/id")\); or," \
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
	: >"$T/old.log"
	"$PYTHON" "$TESTS/login.py" old "$T/old.key" </dev/null \
	    >>"$T/old.log" 2>&1 &
	PID[old]=$!
	SERVERS+=("${PID[old]}")
	wait_for "$T/old.log" '^listening ' || exit 1
	PORT[old]=$(sed -n 's/^listening //p' "$T/old.log")
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

limits
if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	old
else
	echo "skip $NAME: an old server: no python3-paramiko"
fi
