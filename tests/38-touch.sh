#!/usr/bin/env bash
# Goal: a key in a device that wants a touch logs in by the agent; a person is
# told which hop wants it, when a touch will do some good, and only then.

. "$(dirname "$0")/harness.sh"

new_key "$T/ca"
gateways "TrustedUserCAKeys $T/ca.pub"
start_peer echo echo
# one refusal is too many for this one
start_sshd strict "MaxAuthTries 1"

: >"$T/sk.log"
"$PYTHON" "$TESTS/skagent.py" "$T/sk" "$T/round=ed25519" "$T/square=ecdsa" \
    </dev/null >>"$T/sk.log" 2>&1 &
SERVERS+=($!)
wait_for "$T/sk.log" '^listening' || exit 1
export SSH_AUTH_SOCK=$T/sk

# person DOES: see skagent.py.
person()
{
	echo "$1" >"$T/sk.person.new"
	mv "$T/sk.person.new" "$T/sk.person"
}

# want HOP...: these have nothing but the agent's keys.
want()
{
	local name

	IDENTITY=()
	for name; do
		IDENTITY[$name]=$T/absent
	done
	write_config gw1 gw2 gw3 target strict
	conf "Host $*" "IdentitiesOnly no"
	for name in gw1 gw2 gw3 strict sk; do
		forget "$name"
	done
}

# begin ARGUMENTS: a line to the peer and back, in the background.
begin()
{
	echo there and back | hop_exec "$@" 127.0.0.1 "${PORT[echo]}" \
	    >"$T/hop.out" 2>"$T/hop.err" &
	JOB=$!
}

# ended SENTENCE STATUS [LINE-PATTERN...]: how that ends, and what it has said,
# line by line.
ended()
{
	local sentence=$1 want=$2 status=0 why= line said

	shift 2
	if ! wait_gone "$JOB" 20; then
		kill -KILL "$JOB"
		why="$why too late"
	fi
	wait "$JOB" 2>/dev/null || status=$?
	[ "$status" = "$want" ] || why="$why status $status"
	if [ "$want" = 0 ]; then
		[ "$(cat "$T/hop.out")" = "there and back" ] ||
		    why="$why stdout"
	else
		[ ! -s "$T/hop.out" ] || why="$why stdout"
	fi
	mapfile -t said <"$T/hop.err"
	[ "${#said[@]}" -eq $# ] || why="$why ${#said[@]} lines"
	for line in "${said[@]}"; do
		[[ $line =~ ^proxyhop:\ ${1:-} ]] || why="$why $line"
		[ $# -eq 0 ] || shift
	done
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence ($why)" "$T/hop.err" "$T/sk.log"
	fi
}

# run SENTENCE STATUS [LINE-PATTERN...] -- ARGUMENTS
run()
{
	local judge=()

	while [ "$1" != -- ]; do
		judge+=("$1")
		shift
	done
	shift
	begin "$@"
	ended "${judge[@]}"
}

# touch_line HOP NUMBER COMMENT: the line about three hops, as a pattern.
touch_line()
{
	echo "$1 \(hop $2 of 3\): touch the key $3\$"
}

# refusal HOP NUMBER [REGEXP]: so does that of a login.
refusal()
{
	echo "$1 \(hop $2 of 3, .*\): auth: Permission denied .*${3:-}"
}

# For which keys the agent was asked, how often.
asked()
{
	sed -n 's/^asked //p' "$T/sk.log" | tr '\n' ' '
}

fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2 | sed 's/[+]/[+]/g'
}

# The person comes late: what was said and done before?
in_time()
{
	local key

	for key in round square; do
		want gw2
		takes "$key"
		person waits
		begin -J gw1,gw2,gw3
		wait_for "$T/hop.err" 'touch the key'
		wait_for "$T/sk.log" "^asked $key"
		equal "$key: gw2 has not let us in without the touch" \
		    "$(grep -c 'Accepted publickey' "$T/gw2.log")" 0
		person touches
		ended "$key: with it" 0 "$(touch_line gw2 2 "$key")"
		check "$key: by its signature" grep -Eq \
		    'Accepted publickey .*-SK SHA256:' "$T/gw2.log"
		equal "$key: one touch" "$(asked)" "$key "
	done
}

# ConnectTimeout is the hop's, not the person's.
slowly()
{
	takes round
	want gw2
	person waits
	begin -J gw1,gw2,gw3 -o gw2:ConnectTimeout=2
	wait_for "$T/sk.log" '^asked round'
	sleep 2.5
	person touches
	ended "a touch later than ConnectTimeout" 0 "$(touch_line gw2 2 round)"
}

# A touch that would do no good is not asked for.
in_vain()
{
	person touches
	want gw2
	takes
	run "neither key will do: named, no touch" 1 "$(refusal gw2 2 \
	    "round $(fingerprint "$T/round.pub"), square SHA256:")" -- \
	    -J gw1,gw2,gw3
	equal "the agent was asked for no signature" "$(asked)" ""
	want gw2
	takes square
	run "the second key will do: a touch for that one" 0 \
	    "$(touch_line gw2 2 square)" -- -J gw1,gw2,gw3
	equal "the agent was asked for one signature" "$(asked)" "square "
	want gw1 gw3
	takes round
	run "two hops, two lines" 0 "$(touch_line gw1 1 round)" \
	    "$(touch_line gw3 3 round)" -- -J gw1,gw2,gw3
	want gw2
	run "-q: no line" 0 -- -q -J gw1,gw2,gw3
	conf "Host gw2" "PubkeyAcceptedAlgorithms ssh-ed25519" \
	    "IdentitiesOnly no"
	forget sk
	run "not allowed by configuration: no touch" 1 \
	    "$(refusal gw2 2 'round is not allowed')" -- -J gw1,gw2,gw3
	equal "the agent was asked for no signature" "$(asked)" ""
}

# What counts as a refusal, and what does not.
patience()
{
	person touches
	want strict
	takes round
	run "asking about the key is no failed attempt" 0 \
	    "strict \(hop 1 of 1\): touch the key round$" -- -J strict
	want strict
	takes square
	run "a wrong key is one: back with the other" 0 \
	    "strict \(hop 1 of 1\): touch the key square$" -- -J strict
	wait_for "$T/strict.log" 'Accepted publickey'
	equal "on a second connection" \
	    "$(grep -c '^Connection from' "$T/strict.log")" 2
}

# No signature, or one that the server does not want.
unsigned()
{
	takes round
	want gw2
	person refuses
	run "the agent says no" 1 "$(touch_line gw2 2 round)" \
	    "$(refusal gw2 2 'round would do, but the agent did not sign;')" \
	    -- -J gw1,gw2,gw3
	equal "it was asked once" "$(asked)" "round "
	takes round square
	want gw2
	person refuses
	run "the agent says no: the next key" 1 "$(touch_line gw2 2 round)" \
	    "$(touch_line gw2 2 square)" "$(refusal gw2 2)" -- -J gw1,gw2,gw3
	want gw2
	person leaves
	run "the agent hangs up: no touch for the next key" 1 \
	    "$(touch_line gw2 2 round)" "$(refusal gw2 2)" -- -J gw1,gw2,gw3
	takes round
	want gw2
	person "is away"
	run "signed without a touch" 1 "$(touch_line gw2 2 round)" \
	    "$(refusal gw2 2 "round SHA256:")" -- -J gw1,gw2,gw3
	check "the server wants one" grep -q 'user presence' "$T/gw2.log"
	want gw2
	person waits
	begin -J gw1,gw2,gw3
	wait_for "$T/sk.log" '^asked round'
	kill -TERM "$JOB"
	ended "SIGTERM while it waits" 143 "$(touch_line gw2 2 round)"
	person touches
}

named()
{
	takes round square
	want gw2
	conf "Host gw2" "IdentitiesOnly yes" "IdentityFile $T/square.pub"
	run "IdentitiesOnly, the .pub of one of them" 0 \
	    "$(touch_line gw2 2 square)" -- -J gw1,gw2,gw3
	equal "the other one was not used" "$(asked)" "square "
	conf "Host gw2" "IdentitiesOnly yes"
	run "IdentitiesOnly, no file" 1 "$(refusal gw2 2 "no key to offer")" \
	    -- -J gw1,gw2,gw3
}

# The file of such a key is of no use without its device, with or without an
# agent of the user's.
files()
{
	local key

	person touches
	takes round square
	printf '#!/bin/sh\necho asked >>%s\necho sesame\n' "$T/asked" \
	    >"$T/askpass"
	chmod 700 "$T/askpass"
	for key in round square; do
		want gw2
		conf "Host gw2" "IdentityFile $T/$key" "IdentitiesOnly yes"
		run "$key's file and the agent" 0 \
		    "$(touch_line gw2 2 "$key")" -- -J gw1,gw2,gw3
		conf "Host gw2" "IdentityFile $T/$key" "IdentityAgent none" \
		    "BatchMode no"
		run "$key's file and no device" 1 "$(touch_line gw2 2 \
		    "$T/$key")" "$(refusal gw2 2 \
		    "$T/$key would do, but the agent did not sign: ")" -- \
		    -J gw1,gw2,gw3
		ssh-keygen -q -p -N sesame -f "$T/$key" >/dev/null ||
		    die "ssh-keygen encrypts $key"
		: >"$T/asked"
		SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
		    run "the same, encrypted" 1 "$(touch_line gw2 2 \
		    "$T/$key")" "$(refusal gw2 2 \
		    "$T/$key would do, but the agent did not sign: ")" -- \
		    -J gw1,gw2,gw3
		equal "one passphrase was asked for, no PIN" \
		    "$(cat "$T/asked")" asked
	done
}

# certify KEY PRINCIPAL
certify()
{
	rm -f "$T"/*-cert.pub
	ssh-keygen -q -s "$T/ca" -I it -n "$2" "$T/$1.pub" 2>/dev/null ||
	    die "ssh-keygen signs $1"
}

certificates()
{
	local key print

	takes
	for key in round square; do
		want gw2
		certify "$key" "$ME"
		run "certificate of $key" 0 "$(touch_line gw2 2 "$key")" -- \
		    -J gw1,gw2,gw3
		want gw2
		certify "$key" "not-$ME"
		print=$(fingerprint "$T/$key.pub")
		run "certificate of $key for somebody else: no touch" 1 \
		    "$(refusal gw2 2 "$key $print")" -- \
		    -J gw1,gw2,gw3
		equal "the agent was asked for no signature" "$(asked)" ""
	done
}

in_time
slowly
in_vain
patience
unsigned
named
files
certificates
