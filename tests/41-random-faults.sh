#!/usr/bin/env bash
# Goal: no fault, at no moment, makes proxyhop hang, leak, or say a wrong line.
# Hop, stage and kind are drawn; faults.table says what must come of it.
#
# Environment:
#	COUNT	how many (25)
#	SEED	of the draw; it is printed

. "$(dirname "$0")/harness.sh"
. "$TESTS/faults.sh"

COUNT=${COUNT:-25}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
KINDS=(kill stop freeze close reset garbage mangle)

# pick WORDS...: one of them, in picked: in a subshell the draw would be lost.
pick()
{
	shift $((RANDOM % $#))
	picked=$1
}

# draw ID: a cell of the table, or any moment of a session, in job; and the man
# in the middle for it in middle.
draw()
{
	local id=$1 fault hop words more=

	if ((RANDOM % 3 == 0)); then
		pick "${KINDS[@]}"
		fault=$picked@$((RANDOM % 600))
		pick gw1 gw2 gw3
		hop=$picked
		job="$id cell $fault $hop $hop [a-z]+ [12] any ."
	else
		pick "${table[@]}"
		job="$id ${picked#* }"
		read -r _ _ fault hop _ <<<"$job"
		# of what the transfer has carried by then
		more=after=$((300000 + (RANDOM * 32768 + RANDOM) % 3000000))
	fi
	middle="$id $fault ${PORT[$hop]} ${PID[$hop]} $more"
}

fault_servers
start_faults "stream stream"
mapfile -t table < <(list | grep -E '^gw.*@')
middles=()
RANDOM=$SEED
for ((i = 1; i <= COUNT; i++)); do
	draw "$i"
	echo "$job"
	middles+=("$middle")
done >"$T/list"
start_faults "${middles[@]}"
echo "	SEED=$SEED COUNT=$COUNT"
run_jobs "$T/list"
