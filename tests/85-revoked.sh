#!/usr/bin/env bash
# Goal: RevokedHostKeys refuses wherever ssh refuses, a list that is not wholly
# understood included, names file and line, and lets pass what ssh lets pass.

. "$(dirname "$0")/harness.sh"

ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$T/rsa" </dev/null
new_key "$T/ecdsa" -t ecdsa -b 384
new_key "$T/other"
new_key "$T/ca"
user_key
for name in gw1 gw2; do
	start_sshd $name "HostKey $T/rsa" "HostKey $T/ecdsa"
done
write_config gw1 gw2
start_peer echo echo
cp "$T/known_hosts" "$T/kh"
for key in rsa ecdsa; do
	known gw1 "$T/$key"
	known gw2 "$T/$key"
done >>"$T/kh"
ssh-keygen -q -s "$T/ca" -h -I cert -n gw "$T/other.pub"
ssh-keygen -q -s "$T/ca" -h -I cert -n gw -z 7 "$T/gw1.key.pub"

# The second word of a public key.
b64()
{
	cut -d' ' -f2 "$1.pub"
}

# settings LINES...: of gw$n, with $T/kh as its known hosts and $T/list.
settings()
{
	conf "Host gw$n" "UserKnownHostsFile $T/kh" \
	    "RevokedHostKeys $T/list" "$@"
	# ssh -J hands on -F alone: both ask for the same
}

# passes SENTENCE [LINES...]: ssh gets in, and so do we.
passes()
{
	local sentence=$1

	shift
	settings "$@"
	check "gw$n: $sentence: ssh gets in" ssh_in "$(seq -s, -f gw%g "$n")"
	carries "gw$n: $sentence" -J gw1,gw2
}

# stops SENTENCE PATTERN [LINES...]: ssh refuses, and so do we.
stops()
{
	local sentence=$1 pattern=$2

	shift 2
	settings "$@"
	if ssh_in "$(seq -s, -f gw%g "$n")"; then
		fail "gw$n: $sentence: ssh refuses" "$T/ssh.out"
	else
		ok "gw$n: $sentence: ssh refuses"
	fi
	refused "gw$n: $sentence" 1 \
	    "^proxyhop: gw$n \(hop $n of 2, .*\): hostkey: $pattern" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
}

# A line behind two good ones: both take it, or neither does.
bad()
{
	(echo '# two'; cat "$T/other.pub"; printf '%s\n' "$2") >"$T/list"
	stops "$1" "RevokedHostKeys $T/list:3: invalid format.*SHA256:"
}

good()
{
	(echo '# two'; cat "$T/other.pub"; printf '%s\n' "$2") >"$T/list"
	passes "$1"
}

# Each is not about the host's key, and so only the form decides.
forms()
{
	local other

	other=$(b64 "$T/other")
	bad "a pattern before the key" "* ssh-ed25519 $other"
	bad "options before the key" "from=\"x\" ssh-ed25519 $other"
	bad "a key without its type" "$other"
	bad "a type without a key" "ssh-ed25519"
	bad "a fingerprint" "$(ssh-keygen -l -f "$T/other.pub" | cut -d' ' -f2)"
	bad "a fingerprint, as ssh-keygen prints it" \
	    "$(ssh-keygen -l -f "$T/other.pub")"
	bad "base64 that is none" "ssh-ed25519 ${other:0:40}*${other:40}"
	bad "a key that is cut" "ssh-ed25519 ${other:0:48}"
	bad "a key that is longer" "ssh-ed25519 ${other}AAAA"
	bad "another key's type" "ssh-rsa $other"
	bad "another curve's type" "ecdsa-sha2-nistp256 $(b64 "$T/ecdsa")"
	bad "a type in other letters" "SSH-ED25519 $other"
	bad "a type that nobody knows" "ssh-foo $other"
	bad "a marker" "@revoked * ssh-ed25519 $other"
	bad "CR alone" $'\r'
	bad "an rsa key that is cut" "ssh-rsa $(b64 "$T/rsa" | cut -c 1-120)"
	good "a comment behind the key" "ssh-ed25519 $other some body"
	good "blanks and tabs" $' \tssh-ed25519 \t '"$other"
	good "CRLF" "ssh-ed25519 $other"$'\r'
	good "a comment, indented" $' \t# what'
	good "blanks alone" $' \t '
	good "a certificate of another key" "$(cat "$T/other-cert.pub")"
	good "the CA of nobody here" "$(cat "$T/ca.pub")"
	printf '%s' "$(cat "$T/other.pub")" >"$T/list"
	passes "a last line without its end"
	: >"$T/list"
	passes "an empty list"
}

# The key itself, in each form that is understood.
keys()
{
	local key

	cat "$T/other.pub" "$T/gw$n.key.pub" >"$T/list"
	stops "the key" "the host key is revoked: .*$T/list:2;"
	(cat "$T/gw$n.key.pub"; echo nonsense) >"$T/list"
	stops "the key, before a line that is not understood" \
	    "the host key is revoked: .*$T/list:1;"
	(echo nonsense; cat "$T/gw$n.key.pub") >"$T/list"
	stops "the key, behind such a line" "RevokedHostKeys $T/list:1: inv"
	for key in rsa ecdsa; do
		cat "$T/other.pub" "$T/$key.pub" >"$T/list"
		stops "the $key key" "the host key is revoked: .*$T/list:2;" \
		    "HostKeyAlgorithms $(
		    [ $key = rsa ] && echo rsa-sha2-512 ||
		    echo ecdsa-sha2-nistp384)"
	done
	passes "the other keys of the host" "HostKeyAlgorithms ssh-ed25519"
	[ "$n" -eq 2 ] || {
		cp "$T/gw1.key-cert.pub" "$T/list"
		stops "a certificate of the key" "the host key is revoked"
	}
	rm "$T/list"
	stops "no such list" "RevokedHostKeys $T/list: No such file"
}

# KRLs, which ssh-keygen reads.
krls()
{
	ssh-keygen -q -k -f "$T/list" "$T/other.pub" >/dev/null
	passes "a KRL of another key"
	check "a KRL is one" grep -q '^SSHKRL' "$T/list"
	ssh-keygen -q -k -u -f "$T/list" "$T/gw$n.key.pub" >/dev/null
	stops "a KRL of the key" "the host key is revoked: .*$T/list;"
	ssh-keygen -q -k -f "$T/list" <(echo "sha256: $(cat "$T/gw$n.key.pub")"
	    ) >/dev/null
	stops "a KRL of its hash" "the host key is revoked: .*$T/list;"
	ssh-keygen -q -k -f "$T/list" "$T/other.pub" "$T/ca.pub" >/dev/null
	head -c 60 "$T/list" >"$T/cut"
	mv "$T/cut" "$T/list"
	stops "a KRL that is cut" "RevokedHostKeys $T/list: .*nobody can know"
	printf 'SSHKRL' >"$T/list"
	stops "the beginning of a KRL" "RevokedHostKeys $T/list:1: invalid"
}

# row SENTENCE NAMES [PATTERN]: RevokedHostKeys "NAMES", as a newer ssh prints
# several files; the older one takes it for one name and is no oracle.
row()
{
	conf "Host gw$n" "UserKnownHostsFile $T/kh" "RevokedHostKeys \"$2\""
	if [ -z "${3:-}" ]; then
		carries "gw$n: $1" -J gw1,gw2
	else
		refused "gw$n: $1" 1 \
		    "^proxyhop: gw$n \(hop $n of 2, .*\): hostkey: $3" \
		    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	fi
}

several()
{
	local revoked="the host key is revoked: .*"

	cp "$T/other.pub" "$T/list"
	cp "$T/other.pub" "$T/a list"
	ssh-keygen -q -k -f "$T/krl" "$T/other.pub" >/dev/null
	cat "$T/other.pub" "$T/gw$n.key.pub" >"$T/bad"
	echo nonsense >"$T/nonsense"
	row "two files" "$T/list $T/krl"
	row "three files, one with a blank" "$T/list $T/a list $T/krl"
	row "a file with a blank" "$T/a list"
	row "two files, the key in the first" "$T/bad $T/list" "$revoked$T/bad:2;"
	row "two files, the key in the second" "$T/krl $T/bad" "$revoked$T/bad:2;"
	row "three files, the key in the last" "$T/krl $T/list $T/bad" \
	    "$revoked$T/bad:2;"
	row "two files, the first is not there" "$T/none $T/list" \
	    "RevokedHostKeys $T/none: No such file"
	row "two files, the second is not there" "$T/list $T/none" \
	    "RevokedHostKeys $T/none: No such file"
	row "two files, the second is not understood" "$T/list $T/nonsense" \
	    "RevokedHostKeys $T/nonsense:1: invalid"
	row "a name with a blank that is not there" "$T/list list" \
	    "RevokedHostKeys $T/list list: No such file"
}

n=1
forms
several
for n in 1 2; do
	keys
	krls
done

# without ssh-keygen nobody knows what a KRL says
n=1
ssh-keygen -q -k -f "$T/list" "$T/other.pub" >/dev/null
mkdir "$T/bin"
ln -s "$(command -v ssh)" "$T/bin/ssh"
settings
timeout=$(command -v timeout) setsid=$(command -v setsid)
refused "a KRL and no ssh-keygen" 1 \
    "hostkey: RevokedHostKeys $T/list: cannot run ssh-keygen: No such file" \
    env PATH="$T/bin" "$timeout" 20 "$setsid" -w $PROXYHOP_WRAP "$PROXYHOP" \
    -F "$CONF" -J gw1 127.0.0.1 "${PORT[echo]}"
