#!/usr/bin/env bash
# Goal: which name a host key belongs to, and when it has none: names that
# known_hosts would read as something else are never written, the loopback
# address may need none, and what the DNS says is not asked.

. "$(dirname "$0")/harness.sh"

user_key
for name in gw1 gw2; do
	start_sshd $name
done
write_config gw1 gw2
start_peer echo echo

# passes SENTENCE LINES...: ssh gets in, and so do we, from the same known hosts.
passes()
{
	local sentence="gw$n: $1"

	shift
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	cp "$T/kh" "$T/kh.before"
	check "$sentence: ssh gets in" ssh_in "$(seq -s, -f gw%g "$n")"
	cp "$T/kh.before" "$T/kh"
	carries "$sentence" -J gw1,gw2
}

# stops SENTENCE PATTERN LINES...: ssh refuses, and so do we.
stops()
{
	local sentence="gw$n: $1" pattern=$2

	shift 2
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	if ssh_in "$(seq -s, -f gw%g "$n")"; then
		fail "$sentence: ssh refuses" "$T/ssh.out"
	else
		ok "$sentence: ssh refuses"
	fi
	refused "$sentence" 1 "^proxyhop: gw$n \(hop $n of 2, .*$pattern" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
}

# Names that are no names there: good for this once, and nothing is written.
written()
{
	local may_say="^proxyhop: gw$n .*cannot add its .*read as a pattern"
	local name hash

	for name in '*' 'a b' 'a,b' 'g?' '!gw' '#gw' '@revoked' '|1|x'; do
		: >"$T/kh"
		passes "HostKeyAlias $name" "HostKeyAlias \"$name\"" \
		    "StrictHostKeyChecking accept-new"
		equal "gw$n: HostKeyAlias $name: not written" \
		    "$(cat "$T/kh")" ""
		equal "gw$n: HostKeyAlias $name: one line" \
		    "$(wc -l <"$T/carries.err")" 1
	done
	passes "HostKeyAlias *, hashed" "HostKeyAlias *" "HashKnownHosts yes" \
	    "StrictHostKeyChecking accept-new"
	equal "gw$n: HostKeyAlias *, hashed: not written" "$(cat "$T/kh")" ""
	may_say=
	: >"$T/kh"
	passes "HostKeyAlias a_b-c.d" "HostKeyAlias a_b-c.d" \
	    "StrictHostKeyChecking accept-new"
	equal "gw$n: HostKeyAlias a_b-c.d: written" \
	    "$(cut -d' ' -f1 "$T/kh")" a_b-c.d
	passes "HostKeyAlias a_b-c.d, known" "HostKeyAlias a_b-c.d" \
	    "StrictHostKeyChecking yes"
}

# NoHostAuthenticationForLocalhost, of what we have dialled ourselves.
localhost()
{
	local yes="NoHostAuthenticationForLocalhost yes"

	: >"$T/kh"
	n=1
	passes "nothing known, $yes" "$yes"
	equal "gw1: $yes: nothing is written" "$(cat "$T/kh")" ""
	stops "nothing known" "is not known" \
	    "NoHostAuthenticationForLocalhost no"
	stops "$yes, HostKeyAlias" "not known for gate" "$yes" \
	    "HostKeyAlias gate"
	known gw1 "$T/id" >"$T/kh"
	passes "another key, $yes" "$yes"
	known gw1 | sed 's/^/@revoked /' >"$T/kh"
	passes "@revoked, $yes" "$yes"
	cp "$T/gw1.key.pub" "$T/list"
	stops "RevokedHostKeys, $yes" "is revoked" "$yes" \
	    "RevokedHostKeys $T/list"
	stops "through a ProxyCommand, $yes" "is revoked" "$yes" \
	    "ProxyCommand nc %h %p"
	: >"$T/kh"
	n=2
	stops "behind another hop, $yes" "is not known" "$yes"
}

# VerifyHostKeyDNS: a key known otherwise is good, one that is not is not.
dns()
{
	local value

	for value in yes ask; do
		known "gw$n" >"$T/kh"
		passes "VerifyHostKeyDNS $value, known" \
		    "VerifyHostKeyDNS $value"
		: >"$T/kh"
		stops "VerifyHostKeyDNS $value, not known" \
		    "is not known .*VerifyHostKeyDNS is not looked up" \
		    "VerifyHostKeyDNS $value"
	done
	stops "VerifyHostKeyDNS no, not known" "is not known [^,]*;" \
	    "VerifyHostKeyDNS no"
	passes "VerifyHostKeyDNS yes, accept-new" "VerifyHostKeyDNS yes" \
	    "StrictHostKeyChecking accept-new"
}

n=1
written
localhost
for n in 1 2; do
	dns
done
