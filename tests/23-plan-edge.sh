#!/usr/bin/env bash
# Goal: where the plan comes from in unusual places: no -J, no gateway, no ssh;
# what cannot be done is refused by name with a way out that works; and the
# settings of a connection that no other scenario looks at have their effect.

. "$(dirname "$0")/harness.sh"

new_key "$T/wrong"
ssh-keygen -q -t rsa -b 2048 -N '' -f "$T/rsa.key" </dev/null
gateways
start_sshd rsa
write_config gw1 gw2 gw3 rsa
start_peer echo echo
start_peer bound bound
to=(127.0.0.1 "${PORT[echo]}")

# Gateways that have let us in since the last time, in no order of the way.
visited()
{
	local name list=

	for name in gw1 gw2 gw3 rsa; do
		grep -q '^Accepted publickey' "$T/$name.log" &&
		    list="$list $name"
		forget "$name"
	done
	echo $list
}

# by SENTENCE GATEWAYS ARGUMENTS: carried, by way of these.
by()
{
	local sentence=$1 want=$2

	shift 2
	visited >/dev/null
	carries "$sentence" -r none "$@" &&
	    equal "$sentence: by way of" "$(visited)" "$want"
}

# stops SENTENCE STATUS PATTERN ARGUMENTS
stops()
{
	local sentence=$1 status=$2 pattern=$3

	shift 3
	refused "$sentence" "$status" "^proxyhop: $pattern" \
	    hop -r none "$@" "${to[@]}"
}

# order ARGUMENTS: the hops of the plan.
order()
{
	echo $(hop -r none -G "$@" "${to[@]}" 2>&1 </dev/null |
	    sed -n 's/^hop [0-9]* //p')
}

# says SENTENCE WORDS COMMAND ARGUMENTS: carried, with just this on stderr.
says()
{
	local sentence=$1 want=$2 status=0

	shift 2
	echo there and back | "$@" "${to[@]}" >"$T/out" 2>"$T/err" || status=$?
	equal "$sentence" "$status $(cat "$T/out" "$T/err")" \
	    "0 there and back${want:+$'\n'}$want"
}

# ---- no -J -----------------------------------------------------------------

no_jump()
{
	local nothing="no jump host for 127\.0\.0\.1; give one with -J, .*Host \
127\.0\.0\.1, ProxyJump gw1; .*/proxyhop\.conf: 127\.0\.0\.1 -J gw1; -J none "

	stops "nothing configured" 1 "$nothing"
	conf "Host 127.0.0.1" "ProxyJump gw1,gw2"
	by "the target's ProxyJump" "gw1 gw2"
	by "the target's ProxyJump, but -J" gw3 -J gw3
	equal "the target's ProxyJump: order" "$(order)" "gw1 gw2"
	by "-o is for hops, not for the target" "gw1 gw2" -o ProxyJump=none
	conf "Host 127.0.0.1" "ProxyJump none"
	stops "ProxyJump none is as nothing" 1 "$nothing"
	conf "Host 127.0.0.1" "ProxyJump gw1" "Host gw1" "ProxyJump gw3,gw2"
	by "the gateway's ProxyJump goes before" "gw1 gw2 gw3"
	equal "the gateway's ProxyJump: order" "$(order)" "gw3 gw2 gw1"
	conf "Host gw2" "ProxyJump gw3"
	by "a later hop's ProxyJump does not count" "gw1 gw2" -J gw1,gw2
	by "a first hop's does" "gw2 gw3" -J gw2
	# What is said of the target is not said of a hop, and the other way.
	conf "Host 127.0.0.1" "ProxyJump gw1,gw2" "User nobody-here" \
	    "Port 1" "IdentityFile $T/absent" "HostKeyAlias nobody" \
	    "UserKnownHostsFile $T/absent" "RevokedHostKeys /dev/null" \
	    "LogLevel DEBUG3" "BindAddress 192.0.2.1" "Ciphers aes128-cbc"
	by "the target's settings reach no hop" "gw1 gw2"
	conf "Host 127.0.0.1" "ProxyJump gw1,gw2" "Host gw2" "User nobody-here"
	stops "a hop's setting reaches it" 1 "gw2 \(hop 2 of 2, .*: auth: "
	conf "Host 127.0.0.1" "NoSuchKeyword x"
	stops "ssh's words about the target" 1 ".*[Nn]o[Ss]uch[Kk]eyword"
	conf
}

# ---- no gateway ------------------------------------------------------------

# measure NAME OPTIONS: straight to that peer, with drive.py at our pipes.
measure()
{
	local name=$1

	shift
	forget "$name"
	drive "$@" -- -r none -J none 127.0.0.1 "${PORT[$name]}" \
	    >"$T/drive" 2>"$T/err"
	equal "$what: status" "$(field status "$T/drive")" 0
	equal "$what: nothing on stderr" "$(cat "$T/err")" ""
	wait_for "$T/$name.log" '^closed'
	equal "$what: the same down" \
	    "$(field got "$T/drive") $(field got_sha "$T/drive")" \
	    "$(field sent "$T/$name.log") $(field sent_sha "$T/$name.log")"
	equal "$what: the same up" \
	    "$(field got "$T/$name.log") $(field got_sha "$T/$name.log")" \
	    "$(field sent "$T/drive") $(field sent_sha "$T/drive")"
}

straight()
{
	local size=8000000 what status=0

	start_peer source source $size 31
	start_peer closer closer 3000000 32
	start_peer late duplex $size 33
	start_peer endless source endless
	conf "Host 127.0.0.1" "ProxyJump gw1"
	by "with ProxyJump" gw1
	by "-J none" "" -J none
	by "-J NONE" "" -J NONE
	equal "-J none: the plan" \
	    "$(hop -r none -G -J none "${to[@]}")" \
	    "$(printf 'you -> %s:%s\ntarget %s %s' "${to[@]}" "${to[@]}")"
	conf
	what="straight, stdin ends first"
	measure source --send 300000
	equal "$what: all of it" "$(field got "$T/drive")" $size
	what="straight, both ways"
	measure late --send $size
	what="straight, stdio is one socket"
	measure source --socket --send 300000
	what="straight, the target ends first"
	measure closer --keep
	at_most "$what: ms until the end" "$(field tail_ms "$T/drive")" \
	    $((1000 * TEST_TIME_FACTOR))
	what="straight, one byte changed on the way"
	drive --flip --send 1000 -- -r none -J none "${to[@]}" >"$T/drive"
	if [ "$(field got_sha "$T/drive")" = "$(field sent_sha "$T/drive")" ]
	then
		fail "$what: it is seen" "$T/drive"
	else
		ok "$what: it is seen"
	fi
	hop -r none -J none 127.0.0.1 "${PORT[endless]}" </dev/null 2>"$T/err" |
	    head -c 100000 >"$T/out"
	equal "straight, the reader leaves" \
	    "${PIPESTATUS[0]} $(wc -c <"$T/out") $(cat "$T/err")" "0 100000 "
	to=(127.0.0.1 "${PORT[bound]}")
	stops "straight, refused" 2 "127\.0\.0\.1 \(target, no jump host\): \
connect: .*[Rr]efused" -J none
	check "straight, refused: no hop in the line" \
	    bash -c "! grep -q 'hop [0-9]' '$T/refused.err'"
	to=("$(printf '%064d' 0).invalid" 22)
	stops "straight, no such name" 2 "0*\.invalid \(target, no jump host\): \
resolve: " -J none
	to=(127.0.0.1 "${PORT[echo]}")
	stops "straight, -6" 2 ".*: (resolve|connect): " -J none -6
	stops "straight, BindAddress" 2 ".*: connect: " -J none \
	    -o BindAddress=192.0.2.1
	stops "straight, -o for a hop" 1 ".*gw2" -J none -o gw2:User=x
}

# ---- no ssh ----------------------------------------------------------------

# fake LINES: an ssh that does this.
fake()
{
	mkdir -p "$T/fake"
	printf '%s\n' '#!/bin/sh' "$@" >"$T/fake/ssh"
	chmod +x "$T/fake/ssh"
}

# With that ssh, or without any.
with_fake()
{
	PATH=$T/fake:$PATH bare -r none "$@"
}
without_ssh()
{
	PATH=$T/bin bare "$@"
}

# An answer is refused, or passes for none, as that of the ssh of that name.
without()
{
	local run=$1 what=$2
	local words="proxyhop: no ssh that knows -G: ssh_config is not read"

	shift 2
	says "$what: the command line alone" "$words" $run "${line[@]}"
	says "$what: a file named with -F is not read" "$words" \
	    $run -F "$CONF" "${line[@]}"
	says "$what: -F none" "" $run -F none "${line[@]}"
	refused "$what: without the right file of keys" 1 \
	    '^proxyhop: gw1 \(hop 1 of 2, .*: hostkey: ' \
	    $run -F none -o gw1:UserKnownHostsFile="$T/absent" "${line[@]}" \
	    "${to[@]}"
	refused "$what: a user for one hop" 1 \
	    '^proxyhop: gw2 \(hop 2 of 2, .*: auth: ' \
	    $run -F none "${line[@]}" -o gw2:User=nobody-here "${to[@]}"
	refused "$what: an unknown keyword" 1 \
	    '^proxyhop: -o (gw2:)?NoSuchKeyword=1: ' \
	    $run -F none "${line[@]}" -o gw2:NoSuchKeyword=1 "${to[@]}"
	refused "$what: a bad value" 1 '^proxyhop: -o .*ConnectTimeout=x: ' \
	    $run -F none "${line[@]}" -o gw2:ConnectTimeout=x "${to[@]}"
	refused "$what: no -J, -F none" 1 '^proxyhop: no jump host for ' \
	    $run -F none "${to[@]}"
	says "$what: straight" "" $run -F none -J none
	$run -J none "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	equal "$what: straight: said once" "$? $(cat "$T/err")" "0 $words"
	$run "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	equal "$what: no -J: status" "$?" 1
	equal "$what: no -J: it is said that ssh is missing" \
	    "$(grep -cxF "$words" "$T/err")" 1
}

no_ssh()
{
	local program

	mkdir "$T/bin"
	for program in timeout setsid $PROXYHOP_WRAP; do
		program=$(command -v "$program") &&
		    ln -s "$program" "$T/bin"
	done
	line=(-J gw1,gw2 -i "$T/id" -o HostName=127.0.0.1
	    -o "gw1:Port=${PORT[gw1]}" -o "gw2:Port=${PORT[gw2]}"
	    -o "UserKnownHostsFile $T/known_hosts"
	    -o GlobalKnownHostsFile=/dev/null -o IdentityAgent=none)
	says "with ssh, the same line" "" bare -r none -F none "${line[@]}"
	says "with ssh, -F none in the middle" "" \
	    bare -r none "${line[@]}" -F none
	without "without_ssh -r none" "without ssh"
	{
		printf "* "
		printf "'%s' " "${line[@]}"
	} >"$T/own"
	says "without ssh: the own file alone" "" without_ssh -r "$T/own" -F none
	fake 'echo "unknown option -- G" >&2' 'exit 255'
	without with_fake "an old ssh"
	fake 'echo "ssh: illegal option -- G" >&2' 'exit 255'
	says "another old ssh" "" with_fake -F none "${line[@]}"
	fake 'echo "WARNING: Ignoring unknown option -G" >&2' 'exit 0'
	says "an ssh that is dropbear's" "" with_fake -F none "${line[@]}"
	fake 'echo "no such luck" >&2' 'exit 3'
	refused "an ssh that fails" 1 '^proxyhop: gw1: .*no such luck' \
	    with_fake -F none "${line[@]}" "${to[@]}"
	fake 'exit 3'
	refused "an ssh that fails without a word" 1 \
	    '^proxyhop: gw2: .*status 3' \
	    with_fake -F none "${line[@]}" "${to[@]}"
	fake 'kill -KILL $$'
	refused "an ssh that is killed" 1 '^proxyhop: gw2: ' \
	    with_fake -F none "${line[@]}" "${to[@]}"
	fake "PATH=\${PATH#*:} exec ssh \"\$@\""
	says "an ssh in the way that works" "" with_fake -F none "${line[@]}"
}

# ssh refuses its configuration: one line, with its words if it has any.
no_answer()
{
	conf "Host gw2" "NoSuchKeyword yes"
	stops "ssh's words" 1 \
	    'gw1: ssh refuses .*[Nn]o[Ss]uch[Kk]eyword' -J gw1,gw2,gw3
	conf "Host gw2" "HostName %q"
	stops "ssh's words about one hop" 1 'gw2: ssh refuses .*%q' \
	    -J gw1,gw2,gw3
	by "the other hops" "gw1 gw3" -J gw1,gw3
	stops "no words" 1 "gw2: ssh -G .*no message; try: ssh -G -o \
LogLevel=INFO gw2" -J gw1,gw2,gw3 -o LogLevel=QUIET
	stops "the way out gives them" 1 'gw2: ssh refuses .*%q' \
	    -J gw1,gw2,gw3 -o LogLevel=INFO -o LogLevel=QUIET
	conf
}

# ---- refused by name -------------------------------------------------------

# A hop with both kinds of gateway, and one with the kind we do not run.
both_kinds()
{
	local own both='gw2: both a ProxyCommand \(/bin/false %h\) and a jump host \(gw1\)'

	conf "Host gw2" "ProxyCommand /bin/false %h"
	stops "both kinds" 1 "$both; .* -o gw2:ProxyCommand=none; .* before gw2" \
	    -J gw1,gw2
	stops "both kinds, not the last" 1 "$both" -J gw1,gw2,gw3
	by "the gateway is chosen" "gw1 gw2" -J gw1,gw2 \
	    -o gw2:ProxyCommand=none
	stops "not for another hop" 1 "$both" -J gw1,gw2 \
	    -o gw1:ProxyCommand=none
	stops "the command is chosen" 2 "gw2 .* connect: its ProxyCommand \
\(/bin/false 127\.0\.0\.1\) ended with status 1 " -J gw2
	by "nor is the command wanted" gw2 -J gw2 -o gw2:ProxyCommand=none
	conf "Host gw2" "ProxyCommand none"
	by "ProxyCommand none" "gw1 gw2" -J gw1,gw2
	conf "Host 127.0.0.1" "ProxyJump gw1,gw2" "Host gw2" \
	    "ProxyCommand /bin/false %h"
	stops "both kinds by ProxyJump" 1 "$both"
	# How a jump host is reached may be said by a ProxyCommand that runs us.
	own="ProxyCommand $PROXYHOP -r none -F $T/ssh_config.new"
	conf "Host gw1" "$own -J gw3 %h %p"
	by "a jump host with jump hosts of its own" "gw1 gw2 gw3" -J gw1,gw2
	equal "as ssh's" "$(echo there and back | timeout 30 setsid -w ssh \
	    -F "$CONF" -W "[127.0.0.1]:${PORT[echo]}" gw1 2>"$T/err") $(visited)" \
	    "there and back gw1 gw3"
	conf "Host gw*" "$own -J gw3,gw1 %h %p"
	by "the twin: that of those behind it" "gw1 gw2" -J gw1,gw2
	conf "Host gw1" "$own -J none %h %p"
	by "the twin: none" "gw1" -J gw1
	conf "Host *" "ProxyCommand /usr/bin/proxyhop -J gw1 %h %p"
	by "a ProxyCommand that is proxyhop, as of any host" "gw1 gw2 gw3" \
	    -J gw1,gw2,gw3
	by "without a -J the one in it counts" gw1
	conf "Host *" "ProxyCommand exec proxyhop -q %h %p"
	stops "one without -J is no gateway" 1 "no jump host for "
	conf "Host *" "ProxyCommand proxyhop -J gw1,, %h %p"
	stops "one with a mistake" 1 \
	    "ProxyCommand of 127\.0\.0\.1: -J gw1,,: a hop is missing"
	conf
}

# The way goes round, or is too long.
circles()
{
	local me="$ME@127\.0\.0\.1"

	conf "Host gw1" "ProxyJump gw2" "Host gw2" "ProxyJump gw1"
	visited >/dev/null
	stops "a circle" 1 \
	    "the route comes back to $me:${PORT[gw1]}: gw1 -> gw2 -> gw1" -J gw1
	stops "a circle, entered elsewhere" 1 \
	    "the route comes back to $me:${PORT[gw2]}: gw2 -> gw1 -> gw2" -J gw2
	conf "Host gw1" "ProxyJump gw2" "Host gw2" "ProxyJump gw3" \
	    "Host gw3" "ProxyJump gw1"
	stops "a circle of three" 1 "the route comes back to .*: \
gw1 -> gw3 -> gw2 -> gw1" -J gw1
	conf
	by "a hop twice, as written, as ssh does it" "gw1 gw2" -J gw1,gw2,gw1
	by "a hop twice, by another name" gw1 \
	    -J "gw1,$ME@127.0.0.1:${PORT[gw1]}" -i "$T/id"
	conf "Host gw1" "ProxyJump gw2" "Host gw2" "HostName 127.0.0.1" \
	    "Port ${PORT[gw1]}"
	stops "a hop before itself, by another name" 1 \
	    "the route comes back to .*: gw2 -> gw1" -J gw1
	conf "Host gw1" "ProxyJump gw2" "Host gw2" "HostName 127.0.0.1" \
	    "Port ${PORT[gw1]}" "HostKeyAlias there"
	equal "another HostKeyAlias, another host" "$(order -J gw1)" "gw2 gw1"
	conf
	equal "a hop twice, as another user" \
	    "$(order -J "gw1,other@gw1")" "gw1 gw1"
	conf "Host gw1" "ProxyJump gw1"
	stops "a gateway of its own" 1 ".*gw1" -J gw1
	conf "Host gw1" "ProxyJump $(echo h{1..16} | tr ' ' ,)"
	stops "17 gateways" 1 "17 jump hosts are more than 16: h1 -> h2 -> .* -> \
gw1" -J gw1
	equal "no gateway has been connected to" \
	    "$(cat "$T"/gw?.log | grep -c '^Connection from')" 0
	conf "Host gw1" "ProxyJump $(echo h{1..15} | tr ' ' ,)"
	equal "16 gateways" "$(order -J gw1 | wc -w)" 16
	conf "Host gw1" "ProxyJump gw2"
	by "no circle" "gw1 gw2" -J gw1
	conf
	# A proxyhop that has been started by one, for the same or for another.
	says "PROXYHOP is something else" "" env PROXYHOP=/usr/bin/proxyhop \
	    $PROXYHOP_WRAP "$PROXYHOP" -r none -F "$CONF" -J gw1
	conf "Match exec \"$PROXYHOP -r none -F $T/ssh_config -G -J gw1 x 22\"" \
	    "User nobody-here"
	stops "Match exec runs a proxyhop for another route" 1 \
	    "gw1 .*: auth: " -J gw1
	conf "Match exec \"$PROXYHOP -r none -F $T/ssh_config.new -G -J gw1 \
${to[*]}\"" "User nobody-here"
	by "Match exec runs proxyhop for the same, which refuses" gw1 -J gw1
	conf "Match exec \"test -z \$PROXYHOP\"" "User nobody-here"
	by "Match exec sees the mark, as one word" gw1 -J gw1
	conf "Host gw1" "ProxyCommand sh -c 'exec $PROXYHOP -r none \
-F $T/ssh_config.new -J gw1 ${to[*]}'"
	hop -r none -J gw1 "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	check "a ProxyCommand that takes the same route fails" test $? -ne 0
	check "a ProxyCommand that takes the same route is told of" \
	    grep -q "^proxyhop: started by itself: the route to ${to[0]}:" "$T/err"
	conf "Host gw1" "ProxyCommand sh -c 'exec $PROXYHOP -r none \
-F $T/ssh_config -J gw2 %h %p'"
	by "a ProxyCommand that takes another route" "gw1 gw2" -J gw1
	conf "Match exec \"env -u PROXYHOP $PROXYHOP -r none -F $T/ssh_config \
-G -J gw1 x 22\"" "User nobody-here"
	stops "Match exec runs a proxyhop that does not know" 1 \
	    "gw1 .*: auth: " -J gw1
	conf
}

# -o N: counts over the chain as it is in the end.
numbers()
{
	conf "Host gw1" "ProxyJump gw3"
	by "numbers: without" "gw1 gw2 gw3" -J gw1,gw2
	stops "numbers: 1" 1 "gw3 \(hop 1 of 3, .*: auth: " -J gw1,gw2 \
	    -o 1:User=nobody-here
	stops "numbers: 2" 1 "gw1 \(hop 2 of 3, .*: auth: " -J gw1,gw2 \
	    -o 2:User=nobody-here
	stops "numbers: 3" 1 "gw2 \(hop 3 of 3, .*: auth: " -J gw1,gw2 \
	    -o 3:User=nobody-here
	stops "numbers: 4" 1 ".*4:User" -J gw1,gw2 -o 4:User=nobody-here
	stops "numbers: by name" 1 "gw3 \(hop 1 of 3, .*: auth: " -J gw1,gw2 \
	    -o gw3:User=nobody-here
	by "numbers: ProxyJump itself" gw1 -J gw1 -o 1:ProxyJump=none
	conf
	stops "numbers: without ProxyJump 1 is another" 1 \
	    "gw1 \(hop 1 of 2, .*: auth: " -J gw1,gw2 -o 1:User=nobody-here
}

# ---- settings --------------------------------------------------------------

# Where the first hop's connection comes from.
binding()
{
	by "BindAddress" gw1 -J gw1 -o BindAddress=127.0.0.1
	forget gw1
	carries "BindAddress, another" -J gw1 -o BindAddress=127.0.0.5
	check "BindAddress is seen there" \
	    grep -q '^Connection from 127\.0\.0\.5 ' "$T/gw1.log"
	stops "BindAddress that is not ours" 2 \
	    'gw1 \(hop 1 of 1, .*: connect: .*assign' \
	    -J gw1 -o BindAddress=192.0.2.1
	by "BindAddress, of the first hop" "gw1 gw2" -J gw1,gw2 \
	    -o gw2:BindAddress=192.0.2.1
	by "BindInterface" gw1 -J gw1 -o BindInterface=lo
	stops "BindInterface that is not there" 2 \
	    'gw1 \(hop 1 of 1, .*: connect: ' -J gw1 -o BindInterface=nosuch0
	by "BindInterface, of the first hop" "gw1 gw2" -J gw1,gw2 \
	    -o gw2:BindInterface=nosuch0
}

# agreed: what gw1 and we did about compression in the last run.
agreed()
{
	grep -Eo 'compression: [a-z]+' "$T/gw1.log" | sort -u
}

compression()
{
	forget gw1
	carries "Compression no" -J gw1,gw2
	equal "Compression no: agreed" "$(agreed)" "compression: none"
	forget gw1
	carries "Compression yes" -J gw1,gw2 -o Compression=yes
	equal "Compression yes: agreed" "$(agreed)" "compression: zlib"
	forget gw1
	carries "Compression yes, of another hop" -J gw1,gw2 \
	    -o gw2:Compression=yes
	equal "Compression yes, of another hop: agreed" "$(agreed)" \
	    "compression: none"
	start_sshd plain "Compression no"
	write_config gw1 gw2 gw3 rsa plain
	carries "Compression yes, which the server has not" -J plain \
	    -o Compression=yes
}

rsa_size()
{
	by "RequiredRSASize 2048" rsa -J rsa -o RequiredRSASize=2048
	stops "RequiredRSASize 4096" 1 'rsa \(hop 1 of 1, .*: (kex|hostkey): ' \
	    -J rsa -o RequiredRSASize=4096
	check "RequiredRSASize 4096: the line is about size" \
	    grep -Eqi 'rsa.*(size|small|length|bits)' "$T/refused.err"
	by "RequiredRSASize, of another hop" "gw1 rsa" -J gw1,rsa \
	    -o gw1:RequiredRSASize=4096
	ssh-keygen -q -t rsa -b 2048 -N '' -f "$T/small" </dev/null
	cat "$T/small.pub" >>"$T/authorized_keys"
	IDENTITY=([gw1]=$T/small)
	write_config gw1 gw2 gw3 rsa
	by "RequiredRSASize 2048, our key" gw1 -J gw1 -o RequiredRSASize=2048
	stops "RequiredRSASize 4096, our key" 1 \
	    'gw1 \(hop 1 of 1, .*: auth: ' -J gw1 -o RequiredRSASize=4096
	IDENTITY=()
	write_config gw1 gw2 gw3 rsa
}

# timer: the kernel's timer of the connection to gw1, 02 for keepalive.
timer()
{
	awk -v to="$(printf ':%04X' "${PORT[gw1]}")" '
	    substr($3, 9) == to && $4 == "01" { print substr($6, 1, 2) }' \
	    /proc/net/tcp
}

# keepalive WANTED ARGUMENTS
keepalive()
{
	local want=$1 pid

	shift
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	hop_exec -r none -J gw1 "$@" "${to[@]}" <"$T/fifo" >"$T/out" 2>"$T/err" &
	pid=$!
	exec 9>"$T/fifo"
	echo there >&9
	wait_for "$T/out" there
	wait_until "[ \"\$(timer)\" = $want ]" 3
	equal "TCPKeepAlive: the timer with '$*'" "$(timer)" "$want"
	exec 9>&-
	wait "$pid"
	equal "TCPKeepAlive: carried with '$*'" "$? $(cat "$T/out" "$T/err")" \
	    "0 there"
	wait_until '[ -z "$(timer)" ]'
}

host_ip()
{
	local name="[localhost]:${PORT[gw1]}" key

	key=$(known gw1 | cut -d' ' -f2-)
	conf "Host gw1" "HostName localhost" "AddressFamily inet" \
	    "UserKnownHostsFile $T/kh" "CheckHostIP yes"
	{ echo "$name $key"; known gw1; } >"$T/kh"
	by "CheckHostIP, the same key" gw1 -J gw1
	echo "$name $key" >"$T/kh"
	may_say="$T/kh" by "CheckHostIP, no key" gw1 -J gw1
	{ echo "$name $key"; known gw1 "$T/wrong"; } >"$T/kh"
	stops "CheckHostIP, another key" 1 \
	    "gw1 \(hop 1 of 1, .*: hostkey: .*$T/kh:2" -J gw1
	by "CheckHostIP no, another key" gw1 -J gw1 -o CheckHostIP=no
	{ echo "$name $key"; printf '@revoked '; known gw1; } >"$T/kh"
	stops "CheckHostIP, a revoked key" 1 \
	    "gw1 \(hop 1 of 1, .*: hostkey: .*[Rr]evoked" -J gw1
	conf "Host gw2" "HostName localhost" "UserKnownHostsFile $T/kh" \
	    "CheckHostIP yes"
	{
		known gw2 | sed 's/127\.0\.0\.1/localhost/'
		known gw2 "$T/wrong"
	} >"$T/kh"
	by "CheckHostIP, not of the second hop" "gw1 gw2" -J gw1,gw2
	conf
}

# quiet SENTENCE STATUS ARGUMENTS: fails without a word.
quiet()
{
	local sentence=$1 want=$2

	shift 2
	hop -r none "$@" "${to[@]}" </dev/null >"$T/out" 2>&1
	equal "$sentence" "$? $(cat "$T/out")" "$want "
}

# verbose LEVEL PATTERN NOT-PATTERN ARGUMENTS
verbose()
{
	local level=$1 pattern=$2 not=$3

	shift 3
	hop -r none -J gw1,gw2 "$@" "${to[@]}" </dev/null >"$T/out" 2>"$T/err"
	check "LogLevel $level: $pattern" grep -Eq "$pattern" "$T/err"
	check "LogLevel $level: no $not" \
	    bash -c "! grep -Eq '$not' '$T/err'"
}

log_level()
{
	local refused="Port=${PORT[bound]}"

	stops "LogLevel INFO" 2 'gw1 .*: connect: ' -J gw1,gw2 -o "gw1:$refused"
	quiet "LogLevel QUIET" 2 -J gw1,gw2 -o "gw1:$refused" \
	    -o gw1:LogLevel=QUIET
	quiet "LogLevel QUIET of both" 2 -J gw1,gw2 -o "gw2:$refused" \
	    -o LogLevel=QUIET
	quiet "LogLevel QUIET, login" 1 -J gw1 -o User=nobody-here \
	    -o LogLevel=QUIET
	quiet "LogLevel QUIET, host key" 1 -J gw1 \
	    -o UserKnownHostsFile="$T/absent" -o LogLevel=QUIET
	stops "LogLevel QUIET of another hop" 2 'gw1 .*: connect: ' \
	    -J gw1,gw2 -o "gw1:$refused" -o gw2:LogLevel=QUIET
	carries "LogLevel QUIET carries" -J gw1,gw2 -o LogLevel=QUIET
	verbose DEBUG '^proxyhop: gw1 \(hop 1\): auth, [0-9]+ ms' libssh: \
	    -o LogLevel=DEBUG
	verbose DEBUG1 '^proxyhop: gw2 \(hop 2\): auth, [0-9]+ ms' libssh: \
	    -o gw1:LogLevel=DEBUG1
	verbose DEBUG2 '^proxyhop: gw2 \(hop 2\): auth, [0-9]+ ms' libssh: \
	    -o gw2:LogLevel=DEBUG2
	verbose DEBUG3 '^proxyhop: libssh: ' nothing -o gw2:LogLevel=DEBUG3
	carries "LogLevel VERBOSE says nothing" -J gw1,gw2 -o LogLevel=VERBOSE
	quiet "LogLevel DEBUG, but -q" 0 -q -J gw1,gw2 -o LogLevel=DEBUG3
}

# As a user whom the password file does not have: ssh gives up.
nameless()
{
	USER=$ME timeout $((20 * TEST_TIME_FACTOR)) unshare --user \
	    --map-user=4242 --map-group=4242 setsid -w "$@"
}

nameless_hop()
{
	nameless $PROXYHOP_WRAP "$PROXYHOP" "$@"
}

no_name()
{
	line+=(-o IdentitiesOnly=yes)
	equal "no name: ssh itself" "$(nameless ssh -F none -G gw1 2>&1)" \
	    "No user exists for uid 4242"$'\r'
	says "no name: the command line" \
	    "proxyhop: no ssh that knows -G: ssh_config is not read" \
	    nameless_hop "${line[@]}"
	says "no name: a user for both" "" nameless_hop -F none "${line[@]}" \
	    -o "User=$ME"
	refused "no name: nor another user" 1 \
	    '^proxyhop: gw1 \(hop 1 of 2, nobody-here@.*: auth: ' \
	    env USER=nobody-here unshare --user --map-user=4242 \
	    --map-group=4242 setsid -w $PROXYHOP_WRAP "$PROXYHOP" -F none \
	    "${line[@]}" "${to[@]}"
	mkdir -p "$T/.ssh"
	echo "db9 -J elsewhere" >"$T/.ssh/proxyhop.conf"
	equal "no name: HOME has the route file" \
	    "$(nameless_hop -G -F none db9 22 | head -n 1)" \
	    "you -> elsewhere:22 -> db9:22"
	rm "$T/.ssh/proxyhop.conf"
}

no_jump
straight
no_ssh
no_name
no_answer
both_kinds
circles
numbers
binding
compression
rsa_size
keepalive 02
keepalive 00 -o TCPKeepAlive=no
keepalive 02 -o TCPKeepAlive=yes
host_ip
log_level
