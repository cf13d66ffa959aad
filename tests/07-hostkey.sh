#!/usr/bin/env bash
# Goal: every gateway's key is verified, whichever hop it is and wherever its
# key is written, before anything else is sent to it.

. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/net.sh"

ssh-keygen -q -t rsa -b 2048 -N '' -f "$T/rsa" </dev/null
new_key "$T/wrong"
gateways "LogLevel DEBUG3" "HostKey $T/rsa"
start_peer echo echo

# The SHA256 fingerprint of a key.
fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

# passes SENTENCE [config lines for the hop]: with $T/kh as its known hosts.
passes()
{
	local sentence="gw$n: $1"

	shift
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	carries "$sentence" -J gw1,gw2,gw3
}

# stops SENTENCE PATTERN [config lines]: refused at the hop; nothing was sent
# to it after the key exchange.
stops()
{
	local sentence="gw$n: $1" pattern=$2

	shift 2
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	forget "gw$n"
	refused "$sentence" 1 \
	    "^proxyhop: gw$n \(hop $n of 3, .*\): hostkey: .*$pattern" \
	    hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[echo]}" || return
	wait_for "$T/gw$n.log" 'Connection (closed|reset)|[Dd]isconnect' || return
	if asked "gw$n"; then
		fail "$sentence: no word after the key exchange"
	else
		ok "$sentence: no word after the key exchange"
	fi
}

# A server received a service request, or a message of login or later.
asked()
{
	grep -Eq 'receive packet: type (5|[5-9][0-9]|1[0-9][0-9])([^0-9]|$)' \
	    "$T/$1.log"
}

# The key is there.
key_known()
{
	known "gw$n" >"$T/kh"
	forget "gw$n"
	passes "known key"
	check "gw$n: the log shows a login" asked "gw$n"
	(echo; echo '# comment'; echo 'not a line'; cat "$T/kh") >"$T/kh.new"
	mv "$T/kh.new" "$T/kh"
	passes "known key, behind other lines"
}

# The key is not there.
key_unknown()
{
	: >"$T/kh"
	stops "unknown key, yes" "" "StrictHostKeyChecking yes"
	stops "unknown key, ask without a terminal" "" \
	    "StrictHostKeyChecking ask" "BatchMode no"
	stops "unknown key, ask in batch mode" "" "StrictHostKeyChecking ask"
	equal "gw$n: nothing was written" "$(cat "$T/kh")" ""
	rm "$T/kh"
	stops "unknown key, no file" "" "StrictHostKeyChecking yes"
}

# Another key is there, in line 3.
key_changed()
{
	local mode

	(echo '# one'; echo '# two'; known "gw$n" "$T/wrong") >"$T/kh"
	cp "$T/kh" "$T/kh.before"
	for mode in yes no accept-new ask; do
		stops "changed key, $mode" "$T/kh:3" \
		    "StrictHostKeyChecking $mode"
	done
	check "gw$n: changed key: its fingerprint is told" \
	    grep -qF "$(fingerprint "$T/gw$n.key.pub")" "$T/refused.err"
	check "gw$n: changed key: the known fingerprint is told" \
	    grep -qF "$(fingerprint "$T/wrong.pub")" "$T/refused.err"
	check "gw$n: changed key: nothing was written" \
	    cmp "$T/kh" "$T/kh.before"
	# One right line is enough, as in ssh.
	known "gw$n" >>"$T/kh"
	passes "an old key and the right one"
}

# The key is revoked, though it is known as well.
key_revoked()
{
	known "gw$n" >"$T/kh"
	(printf '@revoked '; known "gw$n") >>"$T/kh"
	stops "revoked key" "[Rr]evoked"
	stops "revoked key, no" "[Rr]evoked" "StrictHostKeyChecking no"
	(known "gw$n"; known "gw$n" | sed 's/^[^ ]*/@revoked */') >"$T/kh"
	stops "revoked key, any name" "[Rr]evoked" \
	    "StrictHostKeyChecking accept-new"
}

# accept-new writes one line, which holds from then on; it may be told once.
key_accepted()
{
	local may_say="^proxyhop: gw$n \(hop $n of 3.*$T/kh"

	echo '# mine' >"$T/kh"
	passes "accept-new" "StrictHostKeyChecking accept-new"
	at_most "gw$n: accept-new: words" "$(wc -l <"$T/carries.err")" 1
	equal "gw$n: accept-new: one line more" "$(wc -l <"$T/kh")" 2
	check "gw$n: accept-new: the line is ssh's" grep -q \
	    "^\[127\.0\.0\.1\]:${PORT[gw$n]} [a-z0-9-]* AAAA" "$T/kh"
	cp "$T/kh" "$T/kh.before"
	passes "accept-new: the next run, yes" "StrictHostKeyChecking yes"
	passes "accept-new: the next run, accept-new" \
	    "StrictHostKeyChecking accept-new"
	check "gw$n: accept-new: no line twice" cmp "$T/kh" "$T/kh.before"
	rm "$T/kh"
	passes "accept-new makes the file" "StrictHostKeyChecking accept-new"
	equal "gw$n: accept-new: one line" "$(wc -l <"$T/kh")" 1
	printf '# no newline' >"$T/kh"
	passes "accept-new after a cut line" "StrictHostKeyChecking accept-new"
	equal "gw$n: accept-new: the cut line is left alone" \
	    "$(head -n 1 "$T/kh")" "# no newline"
	passes "accept-new after a cut line: the next run"
}

# The key is in another of the files.
key_elsewhere()
{
	: >"$T/kh"
	known "gw$n" >"$T/kh2"
	conf "Host gw$n" "UserKnownHostsFile $T/absent $T/kh $T/kh2"
	carries "gw$n: key in the third file only" -J gw1,gw2,gw3
	passes "key in the global file only" "GlobalKnownHostsFile $T/kh2"
	passes "key in the second global file" \
	    "GlobalKnownHostsFile $T/absent $T/kh2"
	(printf '@revoked '; known "gw$n") >"$T/kh2"
	known "gw$n" >"$T/kh"
	stops "revoked in the global file" "[Rr]evoked" \
	    "GlobalKnownHostsFile $T/kh2"
}

# The name is written in another way.
key_names()
{
	known "gw$n" >"$T/kh"
	ssh-keygen -q -H -f "$T/kh" >/dev/null 2>&1
	check "gw$n: the name is hashed" grep -q '^|1|' "$T/kh"
	passes "hashed name"
	known "gw$n" "$T/wrong" >"$T/kh"
	ssh-keygen -q -H -f "$T/kh" >/dev/null 2>&1
	stops "hashed name, changed key" "$T/kh:1"
	known "gw$n" | sed 's/^/other,!bad,/' >"$T/kh"
	passes "a list of names"
	known "gw$n" | sed 's/^\[127\.0/[127.*/' >"$T/kh"
	passes "a pattern"
	known "gw$n" | sed 's/^[^ ]*/the-gate/' >"$T/kh"
	passes "HostKeyAlias" "HostKeyAlias the-gate"
	stops "without HostKeyAlias" ""
	known "gw$n" >"$T/kh"
	stops "HostKeyAlias, key under the name" "" \
	    "HostKeyAlias the-gate"
}

# The server has more than one key; the known one is asked for.
key_types()
{
	known "gw$n" "$T/rsa" >"$T/kh"
	passes "only the rsa key is known"
	known "gw$n" >"$T/kh"
	passes "only the ed25519 key is known"
}

# meanwhile LINE: gw1's banner comes only after the line has got to known_hosts;
# with accept-new.
meanwhile()
{
	local status=0 lines

	rm -f "$T/kh" "$T/go"
	mapfile -t lines < <(by gw1 late)
	conf "${lines[@]}" "UserKnownHostsFile $T/kh" \
	    "StrictHostKeyChecking accept-new"
	hop -vv -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" \
	    2>"$T/err" &
	wait_for "$T/err" "$T/kh: No such file"
	echo "$1" >"$T/kh"
	: >"$T/go"
	wait $! || status=$?
	equal "a line that comes while we wait: nothing is added" \
	    "$(cat "$T/kh")" "$1"
	return $status
}

# Somebody else meets a gateway first, while its server keeps us waiting.
key_meanwhile()
{
	start_slow late --hold "$T/go" gw1
	check "a right line that comes while we wait" \
	    meanwhile "$(known gw1)"
	if meanwhile "$(known gw1 "$T/wrong")"; then
		fail "a wrong line that comes while we wait" "$T/err"
	else
		check "a wrong line that comes while we wait" \
		    grep -q 'hostkey: .*the host key has changed' "$T/err"
	fi
}

key_meanwhile
for n in 1 2 3; do
	key_known
	key_unknown
	key_changed
	key_revoked
	key_accepted
	key_elsewhere
	key_names
	key_types
done
