#!/usr/bin/env bash
# Goal: what sshd(8) says of known_hosts holds for every line, marker and mode;
# what is added is whole and is ssh's, and a key that should not be there is
# refused in one line that says what to do.

. "$(dirname "$0")/harness.sh"

ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$T/rsa" </dev/null
new_key "$T/ecdsa" -t ecdsa
new_key "$T/wrong"
new_key "$T/wrong2"
new_key "$T/ca"
user_key
for name in gw1 gw2; do
	start_sshd $name "HostKey $T/rsa" "HostKey $T/ecdsa"
done
write_config gw1 gw2
start_peer echo echo

# The SHA256 fingerprint of a key.
fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

# line NAMES [KEY]: a line of known_hosts; hop N's own key unless said.
line()
{
	local type key

	read -r type key _ <"${2:-$T/gw$n.key}.pub"
	echo "$1 $type $key"
}

# here: hop N as ssh writes it.
here()
{
	echo "[127.0.0.1]:${PORT[gw$n]}"
}

# passes SENTENCE [config lines for the hop]: with $T/kh as its known hosts.
passes()
{
	local sentence="gw$n: $1"

	shift
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	carries "$sentence" -J gw1,gw2
}

# stops SENTENCE PATTERN [config lines]: refused at the hop.
stops()
{
	local sentence="gw$n: $1" pattern=$2

	shift 2
	conf "Host gw$n" "$@" "UserKnownHostsFile $T/kh"
	refused "$sentence" 1 \
	    "^proxyhop: gw$n \(hop $n of 2, .*\): hostkey: .*$pattern" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
}

# Names: patterns, negation, ports, letters.
names()
{
	line "[127.0.0.?]:${PORT[gw$n]}" >"$T/kh"
	passes "a pattern with ?"
	line "[127.*]:*" >"$T/kh"
	passes "a pattern for any port"
	line "[128.*]:*" >"$T/kh"
	stops "a pattern that does not fit" "is not known"
	line "127.0.0.1" >"$T/kh"
	passes "the name without its port"
	# with a port: the name without one is looked up, too, and left out
	# by no such pattern
	line "[127.*]:${PORT[gw$n]},!$(here)" >"$T/kh"
	stops "left out by !, after" "is not known"
	line "!$(here),[127.*]:${PORT[gw$n]}" >"$T/kh"
	stops "left out by !, before" "is not known"
	line "![127.0.0.2]:*,[127.*]:${PORT[gw$n]}" >"$T/kh"
	passes "another name is left out"
	line "[127.0.0.1]:1" >"$T/kh"
	stops "another port" "is not known for $(here | sed 's/[][]/\\&/g')"
	line "gate.example.com" >"$T/kh"
	passes "HostKeyAlias" "HostKeyAlias gate.example.com"
	line "*.example.com,!gate.*" >"$T/kh"
	stops "HostKeyAlias, left out" "not known for gate.example.com" \
	    "HostKeyAlias gate.example.com"
	line "[gate.example.com]:${PORT[gw$n]}" >"$T/kh"
	stops "HostKeyAlias has no port" "not known for gate.example.com" \
	    "HostKeyAlias gate.example.com"
}

# One name, several lines; and which kind of key is asked for.
several()
{
	(line "$(here)" "$T/wrong"; line "$(here)" "$T/wrong2"
	line "$(here)") >"$T/kh"
	passes "the third of three keys"
	line "$(here)" "$T/ecdsa" >"$T/kh"
	passes "only ecdsa is known"
	(line "$(here)" "$T/ecdsa"; line "$(here)" "$T/wrong") >"$T/kh"
	# ed25519 comes before ecdsa in what ssh -G says
	stops "two types known, the preferred one is wrong" "$T/kh:2 has"
	line "$(here)" "$T/rsa" >"$T/kh"
	ssh-keygen -q -H -f "$T/kh" >/dev/null 2>&1
	passes "only rsa is known, by a hashed name"
	(tr '\n' '\t' <<<"$(line "$(here)")" | tr ' ' '\t'; echo
	) >"$T/kh"
	passes "tabs between the words"
	line "$(here)" | sed 's/$/ a comment\r/' >"$T/kh"
	passes "a comment and CRLF"
	(head -c 70000 /dev/zero | tr '\0' x; echo; line "$(here)") >"$T/kh"
	passes "behind a line of 70000 characters"
	line "$(here)" | tr -d '\n' >"$T/kh"
	passes "a last line without its end"
	(echo '# a'; echo; line "$(here)" | cut -c 1-60) >"$T/kh"
	stops "a cut line is none" "is not known"
}

# @revoked, in the files of known hosts.
revoked_marker()
{
	local name mode

	for name in "$(here)" "127.0.0.1" "127.*" "*"; do
		(line "$(here)"; line "@revoked $name") >"$T/kh"
		stops "@revoked $name" "is revoked: .*$T/kh:2"
	done
	check "gw$n: @revoked: its fingerprint is told" \
	    grep -qF "$(fingerprint "$T/gw$n.key.pub")" "$T/refused.err"
	line "@revoked $(here)" >"$T/kh"
	for mode in yes no accept-new ask; do
		stops "@revoked alone, $mode" "is revoked" \
		    "StrictHostKeyChecking $mode"
	done
	check "gw$n: @revoked: nothing was added" \
	    cmp "$T/kh" <(line "@revoked $(here)")
	(line "$(here)"; line "@revoked $(here)" "$T/wrong") >"$T/kh"
	passes "@revoked for another key"
	(line "$(here)"; line "@revoked other") >"$T/kh"
	passes "@revoked for another name"
	(line the-gate; line "@revoked the-gate") >"$T/kh"
	stops "@revoked under HostKeyAlias" "is revoked" \
	    "HostKeyAlias the-gate"
	(line "@revoked $(here)"; line "$(here)") >"$T/kh"
	ssh-keygen -q -H -f "$T/kh" >/dev/null 2>&1
	stops "@revoked, hashed names" "is revoked"
}

# RevokedHostKeys: a list of public keys.
revoked_list()
{
	line "$(here)" >"$T/kh"
	cat "$T/wrong.pub" "$T/gw$n.key.pub" >"$T/revoked"
	stops "RevokedHostKeys has it" "is revoked: .*$T/revoked:2" \
	    "RevokedHostKeys $T/revoked"
	(echo '# gone'; echo; cat "$T/wrong.pub" "$T/wrong2.pub") >"$T/revoked"
	passes "RevokedHostKeys has others" "RevokedHostKeys $T/revoked"
	: >"$T/revoked"
	passes "RevokedHostKeys is empty" "RevokedHostKeys $T/revoked"
	passes "RevokedHostKeys none" "RevokedHostKeys none"
	stops "RevokedHostKeys is missing" \
	    "RevokedHostKeys $T/absent: No such file" \
	    "RevokedHostKeys $T/absent"
	stops "RevokedHostKeys is a folder" "RevokedHostKeys $T: Is a dir" \
	    "RevokedHostKeys $T"
	: >"$T/kh"
	cp "$T/gw$n.key.pub" "$T/revoked"
	stops "RevokedHostKeys and accept-new" "is revoked" \
	    "RevokedHostKeys $T/revoked" "StrictHostKeyChecking accept-new"
	equal "gw$n: RevokedHostKeys: nothing was added" "$(cat "$T/kh")" ""
}

# @cert-authority, and a server that has no certificate.
authority()
{
	local name

	for name in "$(here)" "127.0.0.1" "*"; do
		line "@cert-authority $name" "$T/ca" >"$T/kh"
		stops "@cert-authority $name" \
		    "CA in $T/kh:1 proves it: it has no certificate"
	done
	line "@cert-authority *.example.com" "$T/ca" >"$T/kh"
	stops "@cert-authority for others" "is not known for [^,]*;"
	# It is no key of the host's: not even if it is the same.
	line "@cert-authority $(here)" >"$T/kh"
	stops "@cert-authority with the host's own key" "no certificate of the CA"
	(line "@cert-authority *" "$T/ca"; line "$(here)") >"$T/kh"
	passes "@cert-authority beside the key"
	conf "Host gw$n" "UserKnownHostsFile $T/kh" \
	    "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com"
	refused "gw$n: only certificates are allowed" 1 \
	    "^proxyhop: gw$n \(hop $n of 2.*certificate" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	passes "certificates are allowed, too" "HostKeyAlgorithms \
ssh-ed25519-cert-v01@openssh.com,ssh-ed25519"
}

# The modes: unknown, changed, another type.
modes()
{
	local mode way=

	[ "$n" -eq 1 ] || way='-J gw1 '
	for mode in yes ask; do
		: >"$T/kh"
		stops "unknown, $mode" "is not known for .* ssh .*${way}.* gw$n$" \
		    "StrictHostKeyChecking $mode"
		equal "gw$n: unknown, $mode: nothing was added" \
		    "$(cat "$T/kh")" ""
	done
	: >"$T/kh"
	stops "unknown, ask, nobody to ask" "is not known" \
	    "StrictHostKeyChecking ask" "BatchMode no"
	for mode in accept-new no off; do
		: >"$T/kh"
		passes "unknown, $mode" "StrictHostKeyChecking $mode"
		equal "gw$n: unknown, $mode: the line" "$(cat "$T/kh")" \
		    "$(line "$(here)")"
	done
	for mode in yes ask accept-new no; do
		line "$(here)" "$T/rsa" >"$T/kh"
		stops "another type, $mode" "but $T/kh:1 has ssh-rsa key" \
		    "StrictHostKeyChecking $mode" \
		    "HostKeyAlgorithms ssh-ed25519"
		equal "gw$n: another type, $mode: nothing was added" \
		    "$(wc -l <"$T/kh")" 1
	done
	passes "another type, which the server has as well"
}

# A changed key: the line's own command makes the next run pass.
changed()
{
	local what mode command

	for what in plain hashed pattern "alias"; do
		name=$(here)
		set --
		case $what in
		pattern) name="[127.0.0.*]:${PORT[gw$n]}" ;;
		"alias") name=the-gate; set -- "HostKeyAlias the-gate" ;;
		esac
		(echo '# one'; line other; line "$name" "$T/wrong") >"$T/kh"
		[ $what != hashed ] ||
		    ssh-keygen -q -H -f "$T/kh" >/dev/null 2>&1
		for mode in yes no accept-new ask; do
			stops "changed, $what, $mode" "has changed.*$T/kh:3 " \
			    "StrictHostKeyChecking $mode" "$@"
		done
		check "gw$n: changed, $what: what it offers" \
		    grep -qF "$(fingerprint "$T/gw$n.key.pub")" "$T/refused.err"
		check "gw$n: changed, $what: what is known" \
		    grep -qF "$(fingerprint "$T/wrong.pub")" "$T/refused.err"
		command=$(grep -o 'ssh-keygen -R .*' "$T/refused.err")
		check "gw$n: changed, $what: the command" bash -c "$command"
		passes "changed, $what: accept-new after the command" \
		    "StrictHostKeyChecking accept-new" "$@"
		passes "changed, $what: and then yes" "$@"
		check "gw$n: changed, $what: the other line is left" \
		    ssh-keygen -F other -f "$T/kh"
	done
}

# RequiredRSASize, and the key that is long enough.
rsa_size()
{
	line "$(here)" >"$T/kh2"
	line "$(here)" "$T/rsa" >"$T/kh"
	conf "Host gw$n" "RequiredRSASize 4096" "UserKnownHostsFile $T/kh"
	refused "gw$n: RequiredRSASize 4096" 1 \
	    "^proxyhop: gw$n \(hop $n of 2, .*RequiredRSASize \(4096\)" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	passes "RequiredRSASize 2048" "RequiredRSASize 2048"
	passes "RequiredRSASize 4096, ed25519" "RequiredRSASize 4096" \
	    "HostKeyAlgorithms ssh-ed25519" "GlobalKnownHostsFile $T/kh2"
}

# HashKnownHosts, the first file, the last line, the folder.
additions()
{
	: >"$T/kh"
	passes "HashKnownHosts yes" "HashKnownHosts yes" \
	    "StrictHostKeyChecking accept-new"
	check "gw$n: HashKnownHosts yes: hashed" \
	    grep -Eq '^\|1\|[^ |]*\|[^ |]* ssh-ed25519 AAAA[^ ]*$' "$T/kh"
	check "gw$n: HashKnownHosts yes: ssh finds it" \
	    ssh-keygen -F "$(here)" -f "$T/kh"
	check "gw$n: HashKnownHosts yes: ssh finds no other" \
	    bash -c "! ssh-keygen -F '[127.0.0.1]:1' -f '$T/kh'"
	passes "HashKnownHosts yes: the next run"
	equal "gw$n: HashKnownHosts yes: one line" "$(wc -l <"$T/kh")" 1
	passes "HashKnownHosts yes, HostKeyAlias" "HashKnownHosts yes" \
	    "StrictHostKeyChecking accept-new" "HostKeyAlias the-gate"
	check "gw$n: HashKnownHosts yes, HostKeyAlias: ssh finds it" \
	    ssh-keygen -F the-gate -f "$T/kh"
	: >"$T/kh"
	passes "HashKnownHosts no" "HashKnownHosts no" \
	    "StrictHostKeyChecking accept-new"
	equal "gw$n: HashKnownHosts no: plain" "$(cat "$T/kh")" \
	    "$(line "$(here)")"

	rm -rf "$T/kh" "$T/kh2" "$T/folder"
	echo '# two' >"$T/kh2"
	conf "Host gw$n" "StrictHostKeyChecking accept-new" \
	    "UserKnownHostsFile $T/folder/kh $T/kh2"
	(
		umask 022
		carries "gw$n: accept-new, no folder" -J gw1,gw2
	)
	equal "gw$n: accept-new goes to the first file" \
	    "$(cat "$T/folder/kh")" "$(line "$(here)")"
	equal "gw$n: accept-new leaves the second alone" "$(cat "$T/kh2")" \
	    "# two"
	equal "gw$n: the folder is ours alone" \
	    "$(stat -c %a "$T/folder")" 700
	equal "gw$n: the file is ours alone" \
	    "$(stat -c %a "$T/folder/kh")" 600
	printf 'other ssh-ed25519 AAAA' >"$T/kh"
	passes "accept-new after a line without its end" \
	    "StrictHostKeyChecking accept-new"
	equal "gw$n: a line without its end: stays one" \
	    "$(head -n 1 "$T/kh")" 'other ssh-ed25519 AAAA'
	equal "gw$n: a line without its end: ours is the next" \
	    "$(tail -n +2 "$T/kh")" "$(line "$(here)")"
}

# Where nothing can be added it is said, and good for this once.
no_addition()
{
	local may_say="^proxyhop: gw$n \(hop $n of 2\): cannot add its .* to "

	rm -rf "$T/kh" "$T/dir" "$T/kh2"
	mkdir "$T/dir"
	: >"$T/plain"
	for file in "$T/dir" "$T/plain/kh" "$T/no/such/kh"; do
		conf "Host gw$n" "UserKnownHostsFile $file" \
		    "StrictHostKeyChecking accept-new"
		carries "gw$n: accept-new, not to be written" -J gw1,gw2
		equal "gw$n: not to be written: one line" \
		    "$(grep -c " to $file: " "$T/carries.err")" 1
		conf "Host gw$n" "UserKnownHostsFile $file"
		refused "gw$n: not to be written: yes" 1 "is not known" \
		    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	done
	conf "Host gw$n" "UserKnownHostsFile none" \
	    "StrictHostKeyChecking accept-new"
	refused "gw$n: accept-new, UserKnownHostsFile none" 1 \
	    'is not known .* UserKnownHostsFile none' \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
	may_say=
	conf "Host gw$n" "UserKnownHostsFile /dev/null" \
	    "StrictHostKeyChecking accept-new"
	carries "gw$n: accept-new, /dev/null" -J gw1,gw2
}

# A disk that is full in the middle of the line leaves nothing of it.
full_disk()
{
	local may_say="^proxyhop: gw$n \(hop $n of 2\): cannot add its .* to "

	head -c 32739 /dev/zero | tr '\0' '#' >"$T/kh"
	echo >>"$T/kh"
	cp "$T/kh" "$T/kh.before"
	conf "Host gw$n" "UserKnownHostsFile $T/kh" \
	    "StrictHostKeyChecking accept-new"
	(
		# no file of more than 32 KiB, and no signal for it
		trap '' XFSZ
		ulimit -f 32
		carries "gw$n: accept-new, disk full" -J gw1,gw2
	)
	equal "gw$n: disk full: one line" \
	    "$(grep -c " to $T/kh: No space" "$T/carries.err")" 1
	check "gw$n: disk full: no part of a line" cmp "$T/kh" "$T/kh.before"
	may_say=
	passes "disk not full any more" "StrictHostKeyChecking accept-new"
	equal "gw$n: disk not full any more: the line" \
	    "$(tail -n 1 "$T/kh")" "$(line "$(here)")"
}

# many SENTENCE LINES...: twenty at once, each for a name of its own.
many()
{
	local sentence=$1 i pids=() bad=0

	shift
	for i in $(seq 20); do
		(
			: | hop_exec -J gw1 -o StrictHostKeyChecking=accept-new \
			    -o UserKnownHostsFile="$T/many" \
			    -o HostKeyAlias="many$i" "$@" \
			    127.0.0.1 "${PORT[echo]}"
		) >"$T/many.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=$((bad + 1))
	done
	equal "$sentence: all went through" "$bad" 0
	equal "$sentence: without a word" "$(cat "$T"/many.[0-9]*)" ""
	bad=0
	for i in $(seq 20); do
		ssh-keygen -F "many$i" -f "$T/many" >"$T/found" &&
		    [ "$(grep -vc '^#' "$T/found")" -eq 1 ] ||
		    bad=$((bad + 1))
	done
	equal "$sentence: each is there once" "$bad" 0
	equal "$sentence: and no other line" \
	    "$(grep -Evc "^$|^#|^[^ ]+ ssh-ed25519 [A-Za-z0-9+/=]{68}\$" \
	    "$T/many")" 0
	refused "$sentence: the twenty-first is unknown" 1 "not known for many21" \
	    hop -J gw1 -o UserKnownHostsFile="$T/many" \
	    -o HostKeyAlias=many21 127.0.0.1 "${PORT[echo]}"
}

# The address of the first hop may have a key of its own.
address()
{
	n=1
	set -- "HostName localhost" "AddressFamily inet"
	name="[localhost]:${PORT[gw1]}"
	line "$name" >"$T/kh"
	passes "CheckHostIP yes, only the name" "CheckHostIP yes" "$@"
	(line "$name"; line "$(here)") >"$T/kh"
	passes "CheckHostIP yes, name and address" "CheckHostIP yes" "$@"
	(line "$name"; line "$(here)" "$T/wrong") >"$T/kh"
	stops "CheckHostIP yes, the address has another" \
	    "has changed.*$T/kh:2 " "CheckHostIP yes" "$@"
	passes "CheckHostIP no, the address has another" "CheckHostIP no" "$@"
	check "gw1: CheckHostIP: the command" \
	    bash -c "$(grep -o 'ssh-keygen -R .*' "$T/refused.err")"
	passes "CheckHostIP yes after the command" "CheckHostIP yes" "$@"
	(line "$name"; line "@revoked $(here)") >"$T/kh"
	stops "CheckHostIP yes, @revoked for the address" \
	    "is revoked.*$T/kh:2" "CheckHostIP yes" "$@"
	passes "CheckHostIP no, @revoked for the address" "CheckHostIP no" "$@"
	line "$name" "$T/wrong" >"$T/kh"
	stops "CheckHostIP yes, the name has another" "$T/kh:1 " \
	    "CheckHostIP yes" "$@"
}

for n in 1 2; do
	revoked_marker
	revoked_list
	authority
	modes
	rsa_size
	additions
done
# what does not depend on the hop
names
several
changed
no_addition
full_disk

conf
rm -f "$T/many"
many "twenty at once, a new file"
printf '# no end' >"$T/many"
many "twenty at once, behind a line without its end"
rm -f "$T/many" "$T"/many.*
many "twenty at once, hashed" -o HashKnownHosts=yes
address
