#!/usr/bin/env bash
# Goal: a gateway that says anything, at any time, can neither crash, nor hold
# up, nor fill, nor mislead proxyhop; one that is merely unusual is carried.
#
# Environment:
#	COUNT	how many strangers (60)
#	SEED	of the first one
#	JOBS	how many at once (4)
#	VERBOSE	what each of them does

. "$(dirname "$0")/harness.sh"

"$PYTHON" -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"

COUNT=${COUNT:-60}
SEED=${SEED:-1}
user_key
start_sshd gw1
start_sshd gw2
new_key "$T/stranger.key"
PORT[stranger]=22
write_config gw1 gw2 stranger
conf "Host stranger" "HostKeyAlias stranger" "BatchMode no"
sed 's/^\S*/stranger/' <<<"$(known stranger)" >>"$T/known_hosts"
printf '#!/bin/sh\nprintf "%%s\\n" "$1" >>%s\necho 42\n' "$T/asked" >"$T/askpass"
: >"$T/asked"
chmod +x "$T/askpass"
export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force

"$PYTHON" "$TESTS/stranger.py" --hostkey "$T/stranger.key" --before gw1 \
    --behind gw2 --jobs "${JOBS:-4}" --time "$TEST_TIME_FACTOR" \
    --memory $((32768 * TEST_MEM_FACTOR)) ${VERBOSE:+--verbose} \
    "$SEED-$((SEED + COUNT - 1))" -- \
    $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" >"$T/log" 2>&1
[ -z "${VERBOSE:-}" ] || cat "$T/log"
echo "	SEED=$SEED COUNT=$COUNT"
equal "$COUNT strangers" "$(tail -n 1 "$T/log")" "$COUNT passed, 0 failed" ||
    sed 's/^/	/' "$T/log"

# whoever is asked sees who asks, and cannot be shown a line of another's
check "each line of a question begins with the one that asks, or is marked" \
    bash -c "! grep -v '^\(\([^ ]*@\)\?stranger\(:[0-9]*\)\? (hop \|| \)' '$T/asked'"
check "no question can be moved to the next line with blanks" \
    bash -c "! grep -v '^| ' '$T/asked' | grep -E '[[:space:]]{2}|[^ -~]'"
at_most "the longest question" "$(wc -L <"$T/asked")" 1200
