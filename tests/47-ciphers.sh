#!/usr/bin/env bash
# Goal: AES-GCM is used where the processor has AES and nobody has chosen;
# whoever has chosen Ciphers, by whichever way, is obeyed, and every server gets
# one that it has.

. "$(dirname "$0")/harness.sh"

CHACHA=chacha20-poly1305@openssh.com
GCM=aes128-gcm@openssh.com
CTR=aes128-ctr,aes192-ctr,aes256-ctr
# what ssh prints if nobody has chosen: from 10.0 on, from 7.6 on, and before
DEFAULTS=("$CHACHA,$GCM,aes256-gcm@openssh.com,$CTR"
    "$CHACHA,$CTR,$GCM,aes256-gcm@openssh.com"
    "$CHACHA,$CTR,$GCM,aes256-gcm@openssh.com,aes128-cbc,aes192-cbc,aes256-cbc")

gateways
start_sshd modern "Ciphers $CHACHA"
start_sshd plain "Ciphers $CTR"
start_sshd large "Ciphers aes256-gcm@openssh.com"
servers=(gw1 gw2 gw3 target modern plain large)
write_config "${servers[@]}"
start_peer close close
REAL=$(command -v ssh)
mkdir "$T/bin" "$T/empty"

# /proc/cpuinfo is what $TEST_CPU names.
cat >"$T/cpu.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *
instead(const char *function, const char *name, const char *mode)
{
	FILE *(*real)(const char *, const char *);

	*(void **)&real = dlsym(RTLD_NEXT, function);
	if (strcmp(name, "/proc/cpuinfo") == 0)
		name = getenv("TEST_CPU");
	return real(name, mode);
}

FILE *
fopen(const char *name, const char *mode)
{
	return instead("fopen", name, mode);
}

FILE *
fopen64(const char *name, const char *mode)
{
	return instead("fopen64", name, mode);
}
END
cc -shared -fPIC -D_GNU_SOURCE -o "$T/cpu.so" "$T/cpu.c" -ldl \
    >"$T/cc.log" 2>&1 || die "cc builds a processor" "$T/cc.log"

# cpu LINES...: the processor, to /proc/cpuinfo's reader.
cpu()
{
	printf '%s\n' "processor	: 0" "$@" "" "processor	: 1" >"$T/cpu"
}

with_aes()
{
	cpu "flags		: fpu sse2 aes avx"
}

without_aes()
{
	# these are not it
	cpu "flags		: fpu sse2 vaes aesni" "bugs		: aes"
}

# on COMMAND...: on that processor.
on()
{
	local -x TEST_CPU=$T/cpu LD_PRELOAD=$T/cpu.so
	# it comes before the sanitizer's own library
	local -x ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

	"$@"
}

# ssh_has LIST: the ssh in PATH is one whose own Ciphers are these.
ssh_has()
{
	cat >"$T/bin/ssh" <<-END
	#!/bin/sh
	$REAL "\$@" | sed "s/^ciphers .*/ciphers $1/"
	END
	chmod +x "$T/bin/ssh"
}

# agreed NAME: what a server says was agreed on, if it is the same both ways.
agreed()
{
	sed -n 's/.*kex: [a-z]*->[a-z]* cipher: \([^ ]*\) .*/\1/p' \
	    "$T/$1.log" | sort -u
}

# uses SENTENCE SERVER=CIPHER... -- ARGUMENTS: the chain stands, each of these
# servers has agreed on that, and -t and -vv say the same.
uses()
{
	local sentence=$1 pair wanted=() said=() n=0

	shift
	while [ "$1" != -- ]; do
		wanted+=("$1")
		forget "${1%%=*}"
		shift
	done
	shift
	on hop -t -vv "$@" 127.0.0.1 "${PORT[close]}" >"$T/out" 2>"$T/err" ||
	    said+=("status $?")
	for pair in "${wanted[@]}"; do
		n=$((n + 1))
		said+=("${pair%%=*}=$(agreed "${pair%%=*}")")
		grep -q "(hop $n): kex .*; out ${pair#*=} .*; in ${pair#*=} " \
		    "$T/err" || said+=("not in -vv")
	done
	[ "$(sed -n 's/^  kex .*, //p' "$T/out")" = \
	    "$(printf '%s\n' "${wanted[@]#*=}")" ] || said+=("not in -t")
	equal "$sentence" "${said[*]}" "${wanted[*]}"
}

# first ARGUMENTS: the first of each hop's ciphers in the plan.
first()
{
	on hop -G "$@" 127.0.0.1 22 | sed -n 's/^ciphers \([^,]*\).*/\1/p' |
	    tr '\n' ' '
}

# Nobody has chosen.
default()
{
	local list n=0

	for list in "${DEFAULTS[@]}"; do
		n=$((n + 1))
		ssh_has "$list"
		with_aes
		equal "default $n of ssh, AES: the plan" \
		    "$(first -J gw1,gw2)" "$GCM $GCM "
		without_aes
		equal "default $n of ssh, no AES: the plan" \
		    "$(on hop -G -J gw1 host 22 | sed -n 's/^ciphers //p')" \
		    "$list"
	done
	uses "no AES" gw1=$CHACHA -- -J gw1
	with_aes
	uses "AES" gw1=$GCM gw2=$GCM -- -J gw1,gw2
	equal "AES: the others are still there" \
	    "$(on hop -G -J gw1 host 22 | sed -n 's/^ciphers //p' |
	    tr , '\n' | sort)" "$(tr , '\n' <<<"${DEFAULTS[1]}" | sort)"
	cpu "Features	: fp asimd aes pmull"
	equal "AES of an ARM" "$(first -J gw1)" "$GCM "
	rm "$T/cpu"
	equal "a processor that nobody knows" "$(first -J gw1)" "$CHACHA "
	with_aes
}

# What this machine has, with nothing made up.
real()
{
	local list want

	list=$("$REAL" -F "$CONF" -G gw1 2>/dev/null | sed -n 's/^ciphers //p')
	want=${list%%,*}
	if [ "$want" = $CHACHA ] && grep -Eqw '^(flags|Features).*[ 	]aes' \
	    /proc/cpuinfo; then
		want=$GCM
	fi
	equal "this machine: $want" "$(hop -G -J gw1 127.0.0.1 22 |
	    sed -n 's/^ciphers \([^,]*\).*/\1/p')" "$want"
}

# Somebody has.
chosen()
{
	local list

	ssh_has "${DEFAULTS[1]}"
	for list in "${DEFAULTS[@]}"; do
		equal "-o, as ssh's default: the plan" \
		    "$(first -J gw1 -o "Ciphers=$list")" "$CHACHA "
	done
	uses "-o, as ssh's default" gw1=$CHACHA -- -J gw1 \
	    -o "Ciphers=${DEFAULTS[1]}"
	uses "-o for one of two" gw1=$GCM gw2=$CHACHA -- -J gw1,gw2 \
	    -o "gw2:Ciphers=${DEFAULTS[1]}"
	uses "-o by number" gw1=$CHACHA gw2=$GCM -- -J gw1,gw2 \
	    -o "1:Ciphers ${DEFAULTS[1]}"
	printf '%s\n' "* -o gw1:Ciphers=${DEFAULTS[1]}" >"$T/routes"
	uses "the own file" gw1=$CHACHA gw2=$GCM -- -r "$T/routes" -J gw1,gw2
	# what ssh prints then
	rm "$T/bin/ssh"
	for list in aes256-ctr $CHACHA,aes256-ctr aes256-gcm@openssh.com; do
		conf "Host gw1" "Ciphers $list"
		uses "ssh_config: Ciphers $list" gw1="${list%%,*}" -- -J gw1
	done
	conf "Host gw1" "Ciphers -$CHACHA"
	equal "ssh_config: Ciphers -$CHACHA" "$(first -J gw1)" \
	    "$("$REAL" -F "$CONF" -G gw1 2>/dev/null | sed -n 's/^ciphers \([^,]*\).*/\1 /p')"
	conf
	# the list as it is, but for one
	list=${DEFAULTS[1]/aes192-ctr,}
	ssh_has "$list"
	equal "a list that is not the default" "$(first -J gw1)" "$CHACHA "
}

# Servers that have something else.
others()
{
	local processor

	ssh_has "${DEFAULTS[1]}"
	for processor in with_aes without_aes; do
		$processor
		uses "$processor, servers with one kind each" modern=$CHACHA \
		    plain=aes128-ctr large=aes256-gcm@openssh.com -- \
		    -J modern,plain,large
	done
	with_aes
	rm "$T/bin/ssh"
	refused "none in common: both lists" 1 \
	    "plain \(hop 1 of 1, .*\): kex: no Ciphers in common; the server's: $CTR; ours: $GCM;.*Ciphers \+aes128-ctr" \
	    hop -J plain -o "Ciphers=$GCM" 127.0.0.1 "${PORT[close]}"
	refused "the same for hop 2" 1 \
	    "modern \(hop 2 of 2, .*\): kex: no Ciphers in common; the server's: $CHACHA; ours: aes256-ctr;" \
	    hop -J gw1,modern -o 2:Ciphers=aes256-ctr 127.0.0.1 "${PORT[close]}"
}

# A server that has one kind of compression alone gets that, as from ssh, whether
# Compression is set or not.
compressed()
{
	local kind set

	"$PYTHON" -c 'import paramiko' 2>/dev/null || return 0
	conf
	for kind in none zlib@openssh.com zlib; do
		[ -z "${PID[bad]:-}" ] || stop bad
		start_bad late.py --compression $kind open 0 0
		for set in no yes; do
			equal "$kind alone, Compression $set: ssh gets in" \
			    "$(echo here | timeout $((20 * TEST_TIME_FACTOR)) \
			    ssh -F "$CONF" -o Compression=$set -W 127.0.0.1:1 \
			    bad 2>"$T/err")" here
			equal "$kind alone, Compression $set: we get in" \
			    "$(echo here | hop -J bad -o Compression=$set \
			    127.0.0.1 1 2>"$T/err")" here
		done
	done
	stop bad
	start_bad late.py --compression zstd@unknown open 0 0
	refused "a compression that nobody has" 1 \
	    'bad \(hop 1 of 1, .*\): kex: no Compression in common; the server.s: zstd@unknown; .*too old' \
	    hop -J bad 127.0.0.1 1
}

# quiet SENTENCE: nothing was said but with -v.
quiet()
{
	equal "$1: no other word" "$(grep -v '(hop 1): ' "$T/err" |
	    grep -v ' No such file or directory$')" ""
}

# No file of ssh's, and then no ssh either.
no_ssh()
{
	local way=(-r none -i "$T/id" -o HostName=127.0.0.1
	    -o "UserKnownHostsFile=$T/known_hosts"
	    -J "$ME@gw1:${PORT[gw1]}") dir dirs
	local conf=$CONF ssh

	# all that is run here is found, but for ssh
	IFS=: read -ra dirs <<<"$PATH"
	for dir in "${dirs[@]}"; do
		ln -sf "$dir"/* "$T/empty" 2>/dev/null
	done
	for ssh in "" ", no ssh in PATH"; do
		CONF=none
		with_aes
		uses "-F none$ssh, AES" gw1=$GCM -- "${way[@]}"
		quiet "-F none$ssh"
		uses "-F none$ssh, AES, -o" gw1=$CHACHA -- "${way[@]}" \
		    -o "Ciphers=${DEFAULTS[1]}"
		uses "-F none$ssh, AES, -o gw1:" gw1=aes256-ctr -- \
		    "${way[@]}" -o gw1:Ciphers=aes256-ctr
		without_aes
		uses "-F none$ssh, no AES" gw1=$CHACHA -- "${way[@]}"
		rm -f "$T/empty/ssh"
		PATH=$T/empty
		hash -r
	done
	check "there is no ssh in PATH" bash -c '! type ssh'
	CONF=$conf
	with_aes
	uses "no ssh in PATH, AES" gw1=$GCM -- "${way[@]}"
	equal "it is said that there is none" \
	    "$(grep -c '^proxyhop: .*no ssh that knows -G' "$T/err")" 1
}

new_key "$T/bad.key"
compressed
write_config "${servers[@]}"
real
PATH=$T/bin:$PATH
default
chosen
others
no_ssh
