#!/usr/bin/env bash
# Goal: a certificate of a CA that known_hosts has for a host proves its key,
# where it does for ssh; the server is asked for it once, and nothing else that
# is shown, replayed or cached proves anything.

. "$(dirname "$0")/harness.sh"

cache=$T/cache/proxyhop.certs
new_key "$T/ca"
new_key "$T/ca2"
ssh-keygen -q -t rsa -b 2048 -N '' -f "$T/rsaca" </dev/null
user_key
start_peer echo echo

# server NAME CA [ssh-keygen arguments]: an sshd whose key the CA has signed.
server()
{
	local name=$1 ca=$2

	shift 2
	new_key "$T/$name.key"
	ssh-keygen -q -s "$T/$ca" -I "$name" "$@" "$T/$name.key.pub"
	start_sshd "$name" "HostCertificate $T/$name.key-cert.pub"
}

server good ca -h -n 127.0.0.1,gw.example
server second ca -h -n gw.example,127.0.0.1
server principal ca -h -n other.example
server expired ca -h -n 127.0.0.1 -V 20200101:20210101
server early ca -h -n 127.0.0.1 -V +1d:+2d
server foreign ca2 -h -n 127.0.0.1
server user ca -n 127.0.0.1
server nobody ca -h
server rsaca rsaca -h -n 127.0.0.1
start_sshd plain
start_sshd certonly "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com" \
    "HostCertificate $T/good.key-cert.pub" "HostKey $T/good.key"
names="good certonly second principal expired early foreign user nobody rsaca plain"
write_config $names
echo "@cert-authority * $(cut -d' ' -f1,2 "$T/ca.pub")" >"$T/ca.line"
cp "$T/ca.line" "$T/kh"

# use NAME LINES...: its settings.
use()
{
	local name=$1

	shift
	conf "Host $name" "UserKnownHostsFile $T/kh" "$@" "Host good" \
	    "UserKnownHostsFile $T/kh"
}

# passes SENTENCE NAME [LINES...]: ssh gets in, and so do we, as hop 1.
passes()
{
	local sentence=$1 name=$2

	shift 2
	use "$name" "$@"
	check "$sentence: ssh gets in" ssh_in "$name"
	carries "$sentence" -J "$name"
}

# stops SENTENCE NAME PATTERN [LINES...]: ssh refuses, and so do we, wherever
# it stands.
stops()
{
	local sentence=$1 name=$2 pattern=$3

	shift 3
	use "$name" "$@"
	if ssh_in "$name"; then
		fail "$sentence: ssh refuses" "$T/ssh.out"
	else
		ok "$sentence: ssh refuses"
	fi
	refused "$sentence" 1 "^proxyhop: $name \(hop 1 of 1.*hostkey: .*$pattern" \
	    hop -J "$name" 127.0.0.1 "${PORT[echo]}"
}

connections()
{
	grep -c '^Connection from' "$T/$1.log"
}

forget good
use good
carries "the first time" -J good
equal "the first time: connections" "$(connections good)" 2
check "the certificate is in the cache" grep -qF \
    "[127.0.0.1]:${PORT[good]} $(cut -d' ' -f1,2 "$T/good.key-cert.pub")" "$cache"
rm -f "$cache"
passes "400 kB of lines before the banner" good \
    "ProxyCommand sh -c 'yes $(head -c 4000 /dev/zero | tr '\0' x) | head -n 100; exec nc %h %p'"
rm -f "$cache"
forget good
passes "lines before the banner, in pieces" good "ProxyCommand sh -c 'printf \"one\\nSS\"; sleep 0.2; printf \"x\\n\"; exec nc %h %p'"
passes "from the cache" good
forget good
carries "from the cache, once more" -J good
equal "from the cache: connections" "$(connections good)" 1
use good
hop -v -J good 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
check "-v tells what has proved it" grep -Eq "hostkey.*certificate of CA \
$(ssh-keygen -l -f "$T/ca.pub" | cut -d' ' -f2 | sed 's/[+]/\\+/g'), \
principal 127.0.0.1, for ever" "$T/err"
hop -t -J good 127.0.0.1 "${PORT[plain]}" </dev/null >"$T/out" 2>&1
check "-t tells it, too" grep -q \
    "hostkey .*certificate of CA SHA256:.*, principal 127.0.0.1, for ever" "$T/out"
use second
carries "the second hop, first time" -J good,second
carries "the second hop, from the cache" -J good,second
passes "HostKeyAlias is the principal" good "HostKeyAlias gw.example"
stops "HostKeyAlias is no principal" good \
    "Certificate invalid: name is not a listed principal" \
    "HostKeyAlias other.example"
passes "certificates alone are allowed" good \
    "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com"
stops "no certificates are allowed" good "is not known" \
    "HostKeyAlgorithms ssh-ed25519"
stops "the CA's algorithm is not" good "signed with disallowed algorithm" \
    "CASignatureAlgorithms rsa-sha2-512"

stops "wrong principal" principal "Certificate invalid: name is not a listed"
stops "expired" expired "Certificate invalid: expired"
stops "not yet valid" early "Certificate invalid: not yet valid"
stops "foreign CA" foreign "No matching CA found"
stops "a user's certificate" user "Certificate invalid: not a host certificate"
stops "no certificate at all" plain "is not known .*no certificate of the CA in"
stops "no certificate, none but those allowed" plain "key exchange|certificate" \
    "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com"
for name in principal expired foreign; do
	use $name
	if timeout 20 setsid -w ssh -F "$CONF" -J good $name true \
	    </dev/null >"$T/ssh.out" 2>&1; then
		fail "second hop, $name: ssh refuses" "$T/ssh.out"
	fi
	refused "second hop, $name" 1 \
	    "^proxyhop: $name \(hop 2 of 2.*hostkey: .*(nvalid|No matching CA)" \
	    hop -J good,$name 127.0.0.1 "${PORT[echo]}"
done
# OpenSSH takes it until 10.2
use nobody
refused "no principal" 1 "hostkey: Certificate lacks principal list" \
    hop -J nobody 127.0.0.1 "${PORT[echo]}"
echo "@cert-authority *.example $(cut -d' ' -f1,2 "$T/ca.pub")" >"$T/kh"
stops "a CA for others" good "is not known"
echo "@cert-authority 127.0.0.1 $(cut -d' ' -f1,2 "$T/ca.pub")" >"$T/kh"
passes "a CA for the name without port" good
(cat "$T/ca.line"; echo "@revoked * $(cut -d' ' -f1,2 "$T/ca.pub")") >"$T/kh"
stops "a CA that is revoked" good "the CA .* is @revoked"
cp "$T/ca.line" "$T/kh"
stops "a CA that RevokedHostKeys has" good "$T/ca.pub:1" \
    "RevokedHostKeys $T/ca.pub"
ssh-keygen -q -k -f "$T/krl" -s "$T/ca.pub" <(echo "id: good") >/dev/null
stops "a KRL that has the certificate" good "revoked.*$T/krl" \
    "RevokedHostKeys $T/krl"
ssh-keygen -q -k -f "$T/krl" -s "$T/ca.pub" <(echo "id: other") >/dev/null
passes "a KRL that has another" good "RevokedHostKeys $T/krl"
ssh-keygen -q -k -f "$T/krl" "$T/ca.pub" >/dev/null
stops "a KRL that has the CA" good "revoked.*$T/krl" "RevokedHostKeys $T/krl"
ssh-keygen -q -k -f "$T/krl" "$T/good.key.pub" >/dev/null
stops "a KRL that has the key" good "revoked.*$T/krl" "RevokedHostKeys $T/krl"
ssh-keygen -q -k -f "$T/krl" "$T/ca2.pub" "$T/plain.key.pub" >/dev/null
passes "a KRL that has others" good "RevokedHostKeys $T/krl"
rm -f "$cache"
known good >>"$T/kh"
use good "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com"
forget good
carries "certificates alone are allowed, and the key is known" -J good
equal "certificates alone are allowed, and the key is known: connections" \
    "$(connections good)" 2
echo "@cert-authority * $(cut -d' ' -f1,2 "$T/rsaca.pub")" >"$T/kh"
passes "a CA with an rsa key" rsaca
known plain | cat "$T/ca.line" - >"$T/kh"
passes "a key known beside the CA" plain
forget plain
carries "a key known beside the CA, once more" -J plain
equal "a key known beside the CA: connections" "$(connections plain)" 1
cp "$T/ca.line" "$T/kh"
known plain >"$T/says"
use plain "KnownHostsCommand /bin/cat $T/says"
forget plain
carries "a key that a command knows, beside the CA" -J plain
equal "a key that a command knows: connections" "$(connections plain)" 1
forget plain
refused "no certificate at all" 1 "no certificate of the CA in" \
    hop -J plain -o KnownHostsCommand=none 127.0.0.1 "${PORT[echo]}"
equal "no certificate at all: connections" "$(connections plain)" 2
# A key that is accepted anyway, and kept nowhere, is no reason to ask each time.
cp "$T/ca.line" "$T/global"
for mode in no accept-new; do
	rm -f "$cache"
	use plain "StrictHostKeyChecking $mode" "GlobalKnownHostsFile $T/global" \
	    "UserKnownHostsFile /dev/null"
	: >"$T/kh"
	sed "s,$T/kh,/dev/null," "$CONF" >"$T/ssh_config.$mode"
	CONF=$T/ssh_config.$mode
	forget plain
	carries "$mode, no certificate and no known_hosts" -J plain
	equal "$mode, no certificate: connections" "$(connections plain)" 2
	forget plain
	carries "$mode, no certificate, once more" -J plain
	equal "$mode, no certificate, once more: connections" \
	    "$(connections plain)" 1
done
cp "$T/ca.line" "$T/kh"
use certonly
check "a server with certificates alone: ssh gets in" ssh_in certonly
carries "a server with certificates alone: ssh logs in" -J certonly
refused "a server with certificates alone, which ssh is not to take" 1 \
    "^proxyhop: certonly \(hop 1 of 1.*: kex: it offers its host key with \
certificates alone.*allow the key" hop -J certonly \
    -o HostKeyAlgorithms=ssh-ed25519 127.0.0.1 "${PORT[echo]}"
known plain "$T/id" | cat "$T/ca.line" - >"$T/kh"
stops "another key known beside the CA" plain "has changed"
known good "$T/id" | cat "$T/ca.line" - >"$T/kh"
passes "another key known, and a certificate" good
cp "$T/ca.line" "$T/kh"
passes "no certificate, accept-new" plain "StrictHostKeyChecking accept-new"
cp "$T/ca.line" "$T/kh"
refused "expired, accept-new" 1 "Certificate invalid: expired" \
    hop -J expired -o StrictHostKeyChecking=accept-new \
    -o UserKnownHostsFile="$T/kh" 127.0.0.1 "${PORT[echo]}"

# What a stranger could have put into the cache proves nothing.
use good
name="[127.0.0.1]:${PORT[plain]}"
echo "$name $(cut -d' ' -f1,2 "$T/good.key-cert.pub")" >>"$cache"
stops "another key's certificate, replayed" plain "is not known .*no certif"
# and neither does a gateway that shows it, whose own key is another one
start_python replay spoiled.py "${PORT[good]}" replay "${PORT[plain]}"
conf "$(host_block replay)" "UserKnownHostsFile $T/kh" "Host good" \
    "UserKnownHostsFile $T/kh"
for hops in replay good,replay; do
	forget plain
	refused "another key's certificate, shown: $hops" 1 \
	    "^proxyhop: replay \(hop . of .*: hostkey: .*the certificate is for another key" \
	    hop -J $hops 127.0.0.1 "${PORT[echo]}"
	check "another key's certificate, shown: $hops: no login" \
	    bash -c "! grep -q userauth '$T/plain.log'"
	at_most "another key's certificate, shown: $hops: sessions" \
	    "$(connections plain)" 3
done
check "another key's certificate is not kept" \
    bash -c "! grep -qF '[127.0.0.1]:${PORT[replay]} ' '$cache'"
# flipped: the good certificate with one bit of its signature changed.
flipped()
{
	"$PYTHON" - "$(cut -d' ' -f2 "$T/good.key-cert.pub")" <<-'END'
	import base64, sys
	blob = bytearray(base64.b64decode(sys.argv[1]))
	blob[-1] ^= 1
	print(base64.b64encode(blob).decode())
	END
}
forget good
{
	echo nonsense
	head -c 3000 /dev/urandom
	echo
	echo "[127.0.0.1]:${PORT[good]} ssh-ed25519-cert-v01@openssh.com AAAA"
	echo "[127.0.0.1]:${PORT[good]} ssh-ed25519-cert-v01@openssh.com $(flipped)"
	printf 'no end'
} >"$cache"
use good
carries "a damaged cache" -J good
equal "a damaged cache: asked again" "$(connections good)" 3
carries "a damaged cache, once more" -J good
equal "a damaged cache, once more: not asked" "$(connections good)" 4

# What is not a regular file is neither read nor written.
for kind in FIFO link; do
	rm -f "$cache"
	case $kind in
	FIFO)	mkfifo "$cache" ;;
	link)	: >"$T/elsewhere" && ln -s "$T/elsewhere" "$cache" ;;
	esac
	carries "the cache is a $kind" -J good
	hop -v -J good 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/v" 2>&1
	check "the cache is a $kind: -v tells" grep -q 'proxyhop.certs: ' "$T/v"
done
equal "the cache is a link: nothing is written behind it" \
    "$(cat "$T/elsewhere")" ""

# Twenty at once, and nobody has asked before.
rm -f "$cache"
forget good
pids=() bad=0
for i in $(seq 20); do
	(: | hop_exec -J good 127.0.0.1 "${PORT[echo]}") >"$T/many.$i" 2>&1 &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || bad=$((bad + 1))
done
equal "twenty at once: all went through" "$bad" 0
equal "twenty at once: without a word" "$(cat "$T"/many.[0-9]*)" ""
equal "twenty at once: one line" "$(wc -l <"$cache")" 1
at_most "twenty at once: connections" "$(connections good)" 21
equal "the cache is ours alone" "$(stat -c %a "$cache")" 600

# A host that does not answer keeps nobody from asking another one.
start_python stuck spoiled.py "${PORT[good]}" silent
rm -f "$cache"
conf "$(host_block stuck)" "ConnectTimeout 9" "UserKnownHostsFile $T/kh" \
    "Host good" "UserKnownHostsFile $T/kh"
hop_exec -v -J stuck 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/stuck.err" 2>&1 &
stuck=$!
wait_for "$T/stuck.err" 'connect,'
carries "while another host does not answer" -J good
check "while another host does not answer: it still does not" kill -0 $stuck
kill -TERM $stuck
wait $stuck

# A stranger answers where the certificate is asked for: bounded, and no proof.
rm -f "$cache"
for mode in silent close never lines huge ignore noise; do
	start_python $mode spoiled.py "${PORT[good]}" $mode
	conf "$(host_block $mode)" "UserKnownHostsFile $T/kh" \
	    "ConnectTimeout 2"
	# what has hung up is asked once more
	if [ $mode = close ]; then
		carries "where it is asked for: $mode" -J $mode
		continue
	fi
	begun=$(now)
	refused "where it is asked for: $mode" '1|2' \
	    "^proxyhop: $mode \(hop 1 of 1.*(no certificate of|no answer within|no SSH banner)" \
	    hop -J $mode -o LoginTimeout=2 127.0.0.1 "${PORT[echo]}"
	at_most "where it is asked for: $mode: ms" $(($(now) - begun)) \
	    $((5000 * TEST_TIME_FACTOR))
	[ $mode = never ] ||
	    carries "where it is asked for: $mode: and then an honest one" \
	    -J $mode
done
