#!/usr/bin/env bash
# Goal: the agent's keys log in, each offered once, those that files name
# first; an agent that misbehaves is never waited for without end.

. "$(dirname "$0")/harness.sh"

new_key "$T/ca"
gateways "TrustedUserCAKeys $T/ca.pub" "LogLevel DEBUG2" "MaxAuthTries 20"
start_peer echo echo
start_sshd few "MaxAuthTries 3" "LogLevel DEBUG2" "TrustedUserCAKeys $T/ca.pub"
start_sshd certs "TrustedUserCAKeys $T/ca.pub" "AuthorizedKeysFile none" \
    "LogLevel DEBUG2"
start_agent agent

# An agent that does not do as an agent should.
cat >"$T/fake.py" <<'END'
"""fake.py SOCKET HOW [PUBLIC-KEY-FILE]: an agent for the tests."""
import base64, os, socket, struct, sys, threading

def string(data):
	return struct.pack(">I", len(data)) + data

def packet(data):
	return string(data)

def keys():
	with open(sys.argv[3]) as file:
		blob = base64.b64decode(file.read().split()[1])
	return (b"\x0c" + struct.pack(">I", 1) + string(blob) +
	    string(b"fake \x1b[31mred"))

def answer(s, how):
	length = struct.unpack(">I", s.recv(4))[0]
	request = b""
	while len(request) < length:
		request += s.recv(length - len(request))
	if how == "close":
		s.close()
	elif how == "silent":
		pass
	elif how == "huge":
		s.sendall(b"\xff\xff\xff\xff" + b"x" * 1000)
	elif how == "zero":
		s.sendall(b"\0\0\0\0")
	elif how == "noise":
		s.sendall(packet(os.urandom(3000)))
	elif how == "short":
		s.sendall(struct.pack(">I", 500) + b"\x0c\0\0\0\x05")
	elif how == "count":
		s.sendall(packet(b"\x0c\xff\xff\xff\xff" + b"\0" * 64))
	elif how == "lengths":
		s.sendall(packet(b"\x0c\0\0\0\x02" + b"\x7f\xff\xff\xff" * 9))
	elif how == "drip":
		for byte in packet(keys()):
			s.sendall(bytes([byte]))
	elif request[0] == 11:
		s.sendall(packet(keys()))
	elif how == "refuse":
		s.sendall(packet(b"\x05"))
	elif how == "lie":
		s.sendall(packet(b"\x0e" + string(string(b"ssh-ed25519") +
		    string(os.urandom(64)))))
	elif how == "garble":
		s.sendall(packet(b"\x0e" + b"\xff" * 50))
	elif how == "vanish":
		s.close()
	print(how, request[0], flush=True)

def serve(s, how):
	try:
		while True:
			answer(s, how)
	except (OSError, struct.error):
		pass

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
	s = listener.accept()[0]
	threading.Thread(target=serve, args=(s, sys.argv[2]),
	    daemon=True).start()
END

# fake HOW: such an agent on $T/HOW; it knows id.
fake()
{
	"$PYTHON" "$T/fake.py" "$T/$1" "$1" "$T/id.pub" </dev/null \
	    >"$T/$1.log" 2>&1 &
	PID[$1]=$!
	SERVERS+=("${PID[$1]}")
	wait_until "[ -S '$T/$1' ]" || die "the agent $1 starts" "$T/$1.log"
}

# with FILE [config lines]: the only key file of gw1, few and certs.
with()
{
	IDENTITY=([gw1]=$1 [few]=$1 [certs]=$1)
	shift
	write_config gw1 gw2 gw3 target few certs
	conf "Host *" "$@"
	forget gw1
	forget few
	forget certs
}

fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

# offers NAME: how many keys a server was shown; then how many different ones.
offers()
{
	wait_for "$T/$1.log" 'Accepted publickey|Disconnecting|Connection closed'
	grep -Eo '(Failed|Accepted) publickey .*SHA256:[A-Za-z0-9+/]*' \
	    "$T/$1.log" | sed 's/.*ssh2: //' >"$T/offers"
	echo "$(wc -l <"$T/offers") $(sort -u "$T/offers" | wc -l)"
}

agent()
{
	SSH_AUTH_SOCK=$T/agent "$@"
}

# no_way SENTENCE PATTERN [arguments]
no_way()
{
	local sentence=$1 pattern=$2

	shift 2
	refused "$sentence" 1 \
	    "^proxyhop: [a-z0-9]+ \(hop 1 of 1, .*\): auth: .*$pattern" \
	    hop "$@" 127.0.0.1 "${PORT[echo]}"
}

where()
{
	agent ssh-add -q "$T/id"
	with "$T/absent" "IdentitiesOnly no"
	agent carries "SSH_AUTH_SOCK" -J gw1
	no_way "no SSH_AUTH_SOCK" "" -J gw1
	with "$T/absent" "IdentitiesOnly no" "IdentityAgent $T/agent"
	carries "IdentityAgent is a path" -J gw1
	SSH_AUTH_SOCK=$T/absent carries "it wins over SSH_AUTH_SOCK" -J gw1
	with "$T/absent" "IdentitiesOnly no" "IdentityAgent none"
	agent no_way "IdentityAgent none" "" -J gw1
	with "$T/absent" "IdentitiesOnly no" "IdentityAgent SSH_AUTH_SOCK"
	agent carries "IdentityAgent SSH_AUTH_SOCK" -J gw1
	with "$T/absent" "IdentitiesOnly no" 'IdentityAgent $MY_AGENT'
	MY_AGENT=$T/agent carries 'IdentityAgent $MY_AGENT' -J gw1
	no_way 'IdentityAgent $MY_AGENT, which is not set' "" -J gw1
	with "$T/absent" "IdentitiesOnly no" 'IdentityAgent ${HOME}/agent'
	carries 'IdentityAgent ${HOME}/agent' -J gw1
	with "$T/absent" "IdentitiesOnly no"
	agent carries "IdentityAgent for one hop of two" -J gw1,gw2 \
	    -o gw2:IdentityAgent=none -o gw2:IdentityFile="$T/id"
}

# Ten wrong keys, and a server with patience for three.
crowd()
{
	local n

	agent ssh-add -q -D
	for n in 1 2 3 4 5 6 7 8 9 10; do
		new_key "$T/k$n"
		agent ssh-add -q "$T/k$n"
	done
	agent ssh-add -q "$T/id"
	cp "$T/id.pub" "$T/half.pub"
	with "$T/id" "IdentitiesOnly yes"
	agent carries "IdentitiesOnly, the file" -J few
	equal "one key was offered" "$(offers few)" "1 1"
	with "$T/half" "IdentitiesOnly yes"
	agent carries "IdentitiesOnly, the file's .pub alone" -J few
	equal "one key was offered" "$(offers few)" "1 1"
	with "$T/half.pub" "IdentitiesOnly yes"
	agent carries "IdentitiesOnly, IdentityFile is the .pub" -J few
	equal "one key was offered" "$(offers few)" "1 1"
	with "$T/absent" "IdentitiesOnly yes"
	agent no_way "IdentitiesOnly without a file" "no key" -J few
	with "$T/k1" "IdentitiesOnly yes"
	agent no_way "IdentitiesOnly, a wrong file" \
	    "$T/k1 SHA256:" -J few
	equal "only that one was offered" "$(offers few)" "1 1"
	with "$T/half" "IdentitiesOnly no"
	agent carries "the key that a file names is first" -J few
	equal "one key was offered" "$(offers few)" "1 1"
	with "$T/absent" "IdentitiesOnly no"
	agent no_way "ten wrong ones first" "[Tt]oo many.*k1 SHA256:" -J few
	agent carries "ten wrong ones first, a patient server" -J gw1
	equal "each was offered once" "$(offers gw1)" "11 11"
	with "$T/k3" "IdentitiesOnly no"
	agent ssh-add -q -D
	for n in k1 k2 k3 id; do
		agent ssh-add -q "$T/$n"
	done
	agent carries "a file that the agent holds, too" -J gw1
	equal "no key was offered twice" "$(offers gw1)" "4 4"
	no_way "the failure names the comment and the fingerprint" \
	    "k1 $(fingerprint "$T/k1" | sed 's/[+]/[+]/g')" -J gw1 \
	    -i "$T/k1"
}

sealed()
{
	agent ssh-add -q -D
	ssh-keygen -q -t ed25519 -N sesame -C sealed -f "$T/sealed" </dev/null
	cat "$T/sealed.pub" >>"$T/authorized_keys"
	printf '#!/bin/sh\necho sesame\n' >"$T/askpass"
	chmod 700 "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    agent ssh-add -q "$T/sealed" 2>/dev/null </dev/null
	with "$T/sealed" "IdentitiesOnly yes" "BatchMode no"
	SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force \
	    agent carries "an encrypted key that the agent has: not asked" \
	    -J gw1
	equal "offered once" "$(offers gw1)" "1 1"
	no_way "the same without the agent" "$T/sealed is encrypted" -J gw1
}

kinds()
{
	local kind

	for kind in ecdsa rsa; do
		agent ssh-add -q -D
		ssh-keygen -q -t $kind -N '' -C "$kind" -f "$T/$kind" </dev/null
		with "$T/absent" "IdentitiesOnly no"
		agent ssh-add -q "$T/$kind"
		agent no_way "agent: $kind, unknown" "$kind SHA256:" -J gw1
		cat "$T/$kind.pub" >>"$T/authorized_keys"
		agent carries "agent: $kind" -J gw1
	done
	check "rsa signs with SHA-2" grep -q 'pkalg rsa-sha2-' "$T/gw1.log"
}

# certified KEY [ssh-keygen arguments]: in the agent, key and certificate.
certified()
{
	local key=$1

	shift
	[ -f "$key" ] || new_key "$key"
	ssh-keygen -q -s "$T/ca" -I id -n "$ME" "$@" "$key.pub" 2>/dev/null
	agent ssh-add -q -D
	agent ssh-add -q "$key" 2>/dev/null
	rm "$key-cert.pub"
}

certificates()
{
	certified "$T/cert" -V +1h
	with "$T/absent" "IdentitiesOnly no"
	agent carries "the agent holds a certificate" -J certs
	certified "$T/certrsa" -V +1h
	agent carries "the same again" -J certs
	mv "$T/certrsa" "$T/away"
	with "$T/certrsa" "IdentitiesOnly yes"
	agent carries "IdentitiesOnly, named by the key's .pub" -J certs
	with "$T/id" "IdentitiesOnly yes"
	agent no_way "IdentitiesOnly, another key" "$T/id SHA256:" -J certs
	cat "$T/cert.pub" >>"$T/authorized_keys"
	certified "$T/cert" -V 20200101:20200102
	with "$T/absent" "IdentitiesOnly no"
	agent no_way "an expired certificate" "cert SHA256:" -J certs
	equal "certificate and key were offered, once each" \
	    "$(offers certs)" "2 2"
	with "$T/absent" "IdentitiesOnly no"
	agent carries "an expired certificate, the key does" -J gw1
}

# locked, frozen, gone.
trouble()
{
	local start

	agent ssh-add -q -D
	agent ssh-add -q "$T/id"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    agent ssh-add -q -x </dev/null >/dev/null 2>&1
	with "$T/absent" "IdentitiesOnly no"
	agent no_way "a locked agent" "no key" -J gw1
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    agent ssh-add -q -X </dev/null >/dev/null 2>&1
	agent carries "the same, unlocked" -J gw1
	kill -STOP "${PID[agent]}"
	with "$T/id" "IdentitiesOnly no"
	start=$(now)
	agent carries "a frozen agent, but a file" -J gw1
	at_most "it was not waited for: ms" $(($(now) - start)) \
	    $((3000 * TEST_TIME_FACTOR))
	kill -CONT "${PID[agent]}"
	with "$T/absent" "IdentitiesOnly no"
	agent carries "the same, thawed" -J gw1
}

fakes()
{
	local how start

	with "$T/absent" "IdentitiesOnly no"
	for how in close huge zero noise count lengths refuse lie garble \
	    vanish; do
		fake "$how"
		start=$(now)
		SSH_AUTH_SOCK=$T/$how no_way "agent that does: $how" "" -J gw1
		at_most "$how: ms" $(($(now) - start)) \
		    $((3000 * TEST_TIME_FACTOR))
	done
	SSH_AUTH_SOCK=$T/refuse no_way "a comment with an escape in it" \
	    'fake [^[:cntrl:]]*033\[31mred SHA256:' -J gw1
	with "$T/id" "IdentitiesOnly no"
	for how in close noise refuse; do
		SSH_AUTH_SOCK=$T/$how carries "$how, but a file" -J gw1
	done
	with "$T/absent" "IdentitiesOnly no"
	fake drip
	SSH_AUTH_SOCK=$T/drip no_way "a list that comes byte by byte" "red" \
	    -J gw1
	fake short
	start=$(now)
	SSH_AUTH_SOCK=$T/short no_way "half a list" "no key" -J gw1
	at_most "half a list: ms" $(($(now) - start)) \
	    $((7000 * TEST_TIME_FACTOR))
}

where
crowd
sealed
kinds
certificates
trouble
fakes
