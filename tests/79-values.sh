#!/usr/bin/env bash
# Goal: where there is no ssh to ask, what is typed is taken as ssh takes it, or
# refused; and where ssh -G answers what makes no sense, it is ssh's default, or
# refused if trust, keys or the route depend on it.

. "$(dirname "$0")/harness.sh"

mkdir "$T/empty" "$T/bin"
user_key
REAL=$(command -v ssh)

# ours OPTION KEY: what we make of it without ssh.
ours()
{
	env PATH="$T/empty" $PROXYHOP_WRAP "$PROXYHOP" -r none -F none -G \
	    -o "$1" -J gw1 x 22 </dev/null 2>"$T/err" |
	    sed -n "s/^$2 //p"
	return "${PIPESTATUS[0]}"
}

# theirs OPTION KEY: what ssh makes of it.
theirs()
{
	"$REAL" -G -W '[x]:22' -F none -o "$1" gw1 </dev/null 2>/dev/null |
	    sed -n "s/^$2 //p"
	return "${PIPESTATUS[0]}"
}

# same KEY VALUE: ssh takes it, and we, for the same.
same()
{
	local want got

	want=$(theirs "$1=$2" "${1,,}") || fail "ssh takes $1 $2"
	got=$(ours "$1=$2" "${1,,}") || got="refused: $(cat "$T/err")"
	case $1,$want in
	StrictHostKeyChecking,*|*,true|*,false|*,yes|*,no)
		got=${got/#yes/true} want=${want/#yes/true}
		got=${got/#no/false} want=${want/#no/false}
		got=${got/#off/false}
		;;
	esac
	equal "$1 $2" "$got" "$want"
}

# refuse KEY VALUE [WHY]: ssh refuses it, or WHY it can only be ssh's; so do we.
refuse()
{
	local got

	if [ $# -eq 2 ]; then
		! theirs "$1=$2" "${1,,}" >/dev/null || fail "ssh refuses $1 $2"
	else
		theirs "$1=$2" "${1,,}" >/dev/null || fail "ssh takes $1 $2"
	fi
	if got=$(ours "$1=$2" "${1,,}"); then
		fail "$1 $2 is refused: it is '$got'"
	else
		check "$1 $2: the line repeats it" \
		    grep -qF -e "proxyhop: -o $1=$2: " "$T/err"
	fi
}

without_ssh()
{
	local key

	same Port 2222
	for key in 0 70000 65536 -1 22x; do
		refuse Port "$key"
	done
	same ConnectTimeout 7
	refuse Port +22 'a sign'
	refuse ConnectTimeout 1m "a time with a unit"
	refuse ConnectTimeout x
	refuse ConnectionAttempts 0
	same ConnectionAttempts 5
	same NumberOfPasswordPrompts 2
	refuse NumberOfPasswordPrompts two
	refuse RekeyLimit "1G 1h" "units"
	refuse RekeyLimit "default none" "words"
	refuse RekeyLimit x
	for key in Compression BatchMode TCPKeepAlive IdentitiesOnly \
	    PasswordAuthentication KbdInteractiveAuthentication; do
		same "$key" YES
		same "$key" no
		refuse "$key" maybe
	done
	same AddressFamily inet6
	same AddressFamily INET
	refuse AddressFamily inet5
	same LogLevel debug2
	refuse LogLevel loud
	for key in yes no ask accept-new off Ask; do
		same StrictHostKeyChecking "$key"
	done
	refuse StrictHostKeyChecking perhaps
	same PubkeyAuthentication host-bound
	refuse PubkeyAuthentication perhaps
	refuse VerifyHostKeyDNS perhaps
	for key in Ciphers MACs KexAlgorithms HostKeyAlgorithms \
	    PubkeyAcceptedAlgorithms; do
		refuse "$key" "+$(theirs "LogLevel=INFO" "${key,,}" |
		    cut -d, -f1)" "its own list"
	done
	same Ciphers aes256-ctr
	same User 'DOM\me'
	refuse User 'a b'
	refuse User 'a;b'
	same HostKeyAlias '"nick"'
	same IdentityFile "\"$T/a b\""
	refuse IdentityFile "$T/a b"
	refuse HostKeyAlias ""
	refuse NoSuchKeyword 1
	env PATH="$T/empty" $PROXYHOP_WRAP "$PROXYHOP" -r none -F none -G \
	    -o "ProxyCommand=sh -c 'exec nc %h %p'" -J gw1 x 22 \
	    </dev/null >"$T/out" 2>&1
	check "the quotes of a command are its shell's" \
	    grep -qF "proxycommand sh -c 'exec nc %h %p'" "$T/out"
}

# liar KEY VALUE: an ssh whose answer has this value.
liar()
{
	cat >"$T/bin/ssh" <<-END
	#!/bin/sh
	$REAL "\$@" | grep -iv '^$1 '
	echo "$1 $2"
	END
	chmod +x "$T/bin/ssh"
}

# guessed KEY DEFAULT: a value that makes no sense is this.
guessed()
{
	liar "$1" UNKNOWN
	(PATH=$T/bin:$PATH; bare -r none -F none -G -J gw1 x 22) </dev/null \
	    >"$T/out" 2>"$T/err"
	equal "$1 UNKNOWN: status and words" "$? $(cat "$T/err")" "0 "
	equal "$1 UNKNOWN: ssh's default" \
	    "$(sed -n "s/^$1 //p" "$T/out")" "$2"
	(PATH=$T/bin:$PATH; bare -r none -F none -v -G -J gw1 x 22) \
	    </dev/null >"$T/out" 2>"$T/err"
	check "$1 UNKNOWN: a line with -v" \
	    grep -q "^proxyhop: gw1: ssh -G says $1 UNKNOWN, .*: taken for " \
	    "$T/err"
}

odd_answers()
{
	local key

	guessed compression no
	guessed loglevel INFO
	guessed addressfamily any
	guessed tcpkeepalive yes
	guessed rekeylimit "0 0"
	guessed connectionattempts 4
	for key in stricthostkeychecking pubkeyauthentication identitiesonly \
	    port requiredrsasize passwordauthentication; do
		liar "$key" UNKNOWN
		refused "$key UNKNOWN" 1 "^proxyhop: gw1: ssh -G says $key UNKNOWN" \
		    env PATH="$T/bin:$PATH" $PROXYHOP_WRAP "$PROXYHOP" \
		    -r none -F none -G -J gw1 x 22
	done
}

# What is of a hop and not done is told of with -v, for the hop that has it.
not_done()
{
	local row

	bare -r none -F none -v -G -J gw1,gw2 x 22 </dev/null >"$T/out" 2>"$T/err"
	equal "nothing is set: nothing is told of" \
	    "$(grep -c 'not for a hop' "$T/err")" 0
	for row in GSSAPIDelegateCredentials=yes "LocalCommand=touch x"; do
		bare -r none -F none -v -G -J gw1,gw2 -o "gw2:$row" x 22 \
		    </dev/null >"$T/out" 2>"$T/err"
		equal "$row is told of once, for its hop" \
		    "$(grep 'not for a hop' "$T/err" | tr A-Z a-z |
		    grep -c "^proxyhop: gw2: $(tr A-Z= 'a-z ' <<<"$row"): ") \
$(grep -c 'not for a hop' "$T/err")" "1 1"
		bare -r none -F none -G -J gw1,gw2 -o "gw2:$row" x 22 \
		    </dev/null >"$T/out" 2>"$T/err"
		equal "$row: not without -v" "$(cat "$T/err")" ""
	done
}

without_ssh
odd_answers
not_done
