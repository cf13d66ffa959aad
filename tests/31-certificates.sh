#!/usr/bin/env bash
# Goal: a certificate logs in where the plain key would not, from the file that
# CertificateFile names or the one beside the key; a useless one does no harm.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"

new_key "$T/ca"
gateways "TrustedUserCAKeys $T/ca.pub" "LogLevel DEBUG2"
start_peer echo echo
# This one takes certificates only.
start_sshd certs "TrustedUserCAKeys $T/ca.pub" "AuthorizedKeysFile none" \
    "LogLevel DEBUG2"

PASSPHRASE="open sesame"

# certify KEY [ssh-keygen arguments]: KEY-cert.pub, for this user.
certify()
{
	local key=$1

	shift
	ssh-keygen -q -s "$T/ca" -I "id of ${key##*/}" -n "$ME" "$@" "$key.pub" \
	    </dev/null 2>"$T/certify.err" ||
	    die "ssh-keygen certifies $key" "$T/certify.err"
}

# uses KEY [config lines]: the one key of certs, and lines for it.
uses()
{
	IDENTITY=([certs]=$1)
	shift
	write_config gw1 gw2 gw3 target certs
	conf "Host *" "BatchMode no" "Host certs" "$@"
	forget certs
}

# no_way SENTENCE PATTERN: refused.
no_way()
{
	refused "$1" 1 "^proxyhop: certs \(hop 1 of 1, .*\): auth: .*$2" \
	    hop -J certs -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
}

# How often a server was shown a certificate, or a key without one.
certificates()
{
	grep -Ec '(Failed|Accepted|Postponed) publickey .*-CERT' "$T/$1.log"
}

fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

beside()
{
	local kind

	while read -r kind; do
		set -- $kind
		ssh-keygen -q -N '' -f "$T/$1" "${@:2}" </dev/null
		uses "$T/$1"
		no_way "$1: the plain key" "$T/$1 SHA256:"
		certify "$T/$1" -V +1h
		forget certs
		carries "$1: a certificate beside it" -J certs
		equal "$1: one offer was enough" "$(certificates certs)" 1
	done <<-END
	ed25519 -t ed25519
	ecdsa -t ecdsa
	rsa -t rsa -b 2048
	END
	check "rsa signs with SHA-2" \
	    grep -q 'pkalg rsa-sha2-.*-cert-v01' "$T/certs.log"
}

named()
{
	ssh-keygen -q -t ed25519 -N '' -f "$T/plain" </dev/null
	certify "$T/plain" -V +1h
	mkdir "$T/elsewhere"
	mv "$T/plain-cert.pub" "$T/elsewhere/some.pub"
	uses "$T/plain"
	no_way "a certificate elsewhere is not found" "$T/plain SHA256:"
	uses "$T/plain" "CertificateFile $T/elsewhere/some.pub"
	carries "CertificateFile" -J certs
	uses "$T/plain" "CertificateFile $T/absent" \
	    "CertificateFile $T/ed25519-cert.pub" \
	    "CertificateFile $T/elsewhere/some.pub"
	carries "CertificateFile: the one for this key is found" -J certs
	equal "the other key's was not offered" "$(certificates certs)" 1
	uses "$T/plain" "CertificateFile $T/ed25519-cert.pub"
	no_way "only another key's certificate" "$T/plain SHA256:"
	equal "it was not offered" "$(certificates certs)" 0
	echo "no certificate" >"$T/elsewhere/none.pub"
	uses "$T/plain" "CertificateFile $T/elsewhere/none.pub"
	no_way "a file that is no certificate is named" \
	    "$T/elsewhere/none.pub is no certificate"
}

# Certificates that do not help; the plain key may.
useless()
{
	cp "$T/id" "$T/old"
	cp "$T/id.pub" "$T/old.pub"
	certify "$T/old" -V 20200101:20200102
	uses "$T/old"
	no_way "an expired certificate" "$T/old-cert.pub SHA256:"
	equal "it was offered once" "$(certificates certs)" 1
	uses "$T/old" "CertificateFile $T/old-cert.pub" \
	    "CertificateFile $T/old-cert.pub"
	no_way "named twice and beside the key" "$T/old-cert.pub SHA256:"
	equal "it was still offered once" "$(certificates certs)" 1
	check "the failure names certificate and key with the fingerprint" \
	    bash -c "[ \$(grep -oF '$(fingerprint "$T/old")' \
	    '$T/refused.err' | wc -l) -eq 2 ]"
	IDENTITY=([gw1]=$T/old)
	write_config gw1 gw2 gw3 target certs
	carries "expired, but the plain key does" -J gw1
	ssh-keygen -q -t ed25519 -N '' -f "$T/other" </dev/null
	ssh-keygen -q -s "$T/ca" -I other -n somebody-else "$T/other.pub" \
	    2>/dev/null
	uses "$T/other"
	no_way "a certificate for somebody else" "$T/other-cert.pub SHA256:"
	new_key "$T/wrongca"
	ssh-keygen -q -t ed25519 -N '' -f "$T/third" </dev/null
	ssh-keygen -q -s "$T/wrongca" -I third -n "$ME" "$T/third.pub" \
	    2>/dev/null
	uses "$T/third"
	no_way "a certificate by another authority" "$T/third-cert.pub SHA256:"
}

# Encrypted keys.
sealed()
{
	local kind

	for kind in ed25519 rsa; do
		ssh-keygen -q -t $kind -N "$PASSPHRASE" -f "$T/sealed-$kind" \
		    </dev/null
		certify "$T/sealed-$kind" -V +1h
		uses "$T/sealed-$kind"
		talk "encrypted $kind with a certificate" 0 \
		    --wait 'certs \(hop 1 of 1\): .*assphrase.*: ' \
		    --type "$PASSPHRASE" -- -J certs
		equal "encrypted $kind: the certificate got in" \
		    "$(grep -c 'Accepted publickey .*-CERT' "$T/certs.log")" 1
	done
	uses "$T/sealed-ed25519"
	talk "the wrong passphrase three times, and no more" 1 \
	    --wait 'assphrase.*: ' --type wrong \
	    --wait 'assphrase.*: ' --type wrong \
	    --wait 'assphrase.*: ' --type wrong -- -J certs
	check "asked three times" \
	    [ "$(grep -o assphrase "$T/talk.tty" | wc -l)" -eq 3 ]
	no_way "nobody to ask" "$T/sealed-ed25519 is encrypted"
	certify "$T/sealed-ed25519" -V 20200101:20200102
	cat "$T/sealed-ed25519.pub" >>"$T/authorized_keys"
	uses "$T/sealed-ed25519"
	talk "expired: not asked for a key that nobody takes" 1 \
	    --never 'assphrase' -- -J certs
	IDENTITY=([gw1]=$T/sealed-ed25519)
	write_config gw1 gw2 gw3 target certs
	conf "Host *" "BatchMode no"
	talk "expired: asked once, for the plain key" 0 \
	    --wait 'assphrase.*: ' --type "$PASSPHRASE" \
	    --never 'assphrase[^$]*assphrase' -- -J gw1
	# an encrypted key in PEM shows its public half only when opened
	ssh-keygen -q -t rsa -b 2048 -m PEM -N "$PASSPHRASE" -f "$T/pem" \
	    </dev/null
	certify "$T/pem" -V +1h
	uses "$T/pem"
	talk "encrypted PEM with a certificate" 0 \
	    --wait 'assphrase.*: ' --type "$PASSPHRASE" -- -J certs
	rm "$T/pem.pub"
	uses "$T/pem"
	talk "the same, no .pub" 0 \
	    --wait 'assphrase.*: ' --type "$PASSPHRASE" -- -J certs
}

# All hops want one.
chain()
{
	local n

	start_sshd certs2 "TrustedUserCAKeys $T/ca.pub" \
	    "AuthorizedKeysFile none"
	IDENTITY=([certs]=$T/ed25519 [certs2]=$T/rsa)
	write_config gw1 gw2 gw3 target certs certs2
	carries "two hops, a certificate each" -J certs,gw2,certs2
	refused "the second one's is missing" 1 \
	    "^proxyhop: certs2 \(hop 2 of 2, .*\): auth: " \
	    hop -J certs,certs2 -o certs2:IdentityFile="$T/id" \
	    -o certs2:CertificateFile=none \
	    -o certs2:PubkeyAcceptedAlgorithms=ssh-ed25519 \
	    127.0.0.1 "${PORT[echo]}"
}

beside
named
useless
sealed
chain
