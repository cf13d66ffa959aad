#!/usr/bin/env bash
# Goal: a command that a line tells somebody to paste does what it says, quoted
# for a shell and complete; the words that programs know of ssh are there.

. "$(dirname "$0")/harness.sh"

gateways
odd="$T/it's \$(echo>pwned) known"
cd "$T" || exit 1
mkdir "$T/a b"
printf '#!/bin/sh\necho yes\n' >"$T/yes"
chmod +x "$T/yes"

# advised PATTERN: what of the one line comes behind it.
advised()
{
	sed -n "s/.*$1//p" "$T/refused.err"
}

# runs COMMAND: in a shell, as somebody would who answers yes to ssh.
runs()
{
	SSH_ASKPASS=$T/yes SSH_ASKPASS_REQUIRE=force \
	    timeout 20 setsid -w bash -c "$1" </dev/null >"$T/out" 2>"$T/err"
}

# An unknown key: the ssh that is advised asks, and learns the right one.
accepts()
{
	local n=$1 hops=$2 mode=$3 command

	: >"$odd"
	conf "Host gw$n" "UserKnownHostsFile \"$odd\"" \
	    "StrictHostKeyChecking $mode"
	# ssh itself does not quote it for its own jump host
	if [ "$n" -eq 1 ]; then
		cp "$CONF" "$T/a b/it's conf"
		CONF="$T/a b/it's conf"
	fi
	refused "gw$n unknown, $mode" 1 \
	    "hostkey: Host key verification failed: .* accept it with: ssh " \
	    hop -J "$hops" 127.0.0.1 "${PORT[target]}"
	command=$(advised 'accept it with: ')
	check "gw$n, $mode: the command runs" runs "$command true"
	equal "gw$n, $mode: which has accepted this key" \
	    "$(cut -d' ' -f1-3 "$odd")" "$(known gw$n)"
	: >"$odd"
	refused "gw$n unknown, $mode, alias" 1 'accept it with: ssh ' \
	    hop -J "$hops" -o "gw$n:HostKeyAlias=other" \
	    127.0.0.1 "${PORT[target]}"
	command=$(advised 'accept it with: ')
	check "gw$n, $mode: the command with the alias runs" runs "$command true"
	equal "gw$n, $mode: which has accepted this key" \
	    "$(cut -d' ' -f1-3 "$odd")" \
	    "other $(cut -d' ' -f1,2 "$T/gw$n.key.pub")"
}

# A changed key: the ssh-keygen that is advised removes the old one.
removes()
{
	local mode=$1 other=$2 command

	{
		echo "# stays"
		known gw1 "$T/gw2.key"
	} >"$odd"
	conf "Host gw1" "UserKnownHostsFile \"$odd\"" \
	    "StrictHostKeyChecking $mode"
	refused "gw1 changed, $mode" 1 "hostkey: Host key verification failed: \
.*REMOTE HOST IDENTIFICATION HAS CHANGED.*$other.*its own HostKeyAlias.* \
ssh-keygen -R " hop -J gw1 127.0.0.1 "${PORT[target]}"
	command=$(advised 'the old one: ')
	check "$mode: the command runs" runs "$command"
	equal "$mode: and has removed the line alone" "$(cat "$odd")" "# stays"
}

for mode in yes ask; do
	accepts 1 gw1 $mode
	accepts 2 gw1,gw2 $mode
done
removes yes ''
removes no 'StrictHostKeyChecking does not change that'
check "nothing in a name was run" [ ! -e "$T/pwned" ]

conf "Host gw1" "UserKnownHostsFile $T/new" "StrictHostKeyChecking accept-new"
echo | hop -v -J gw1 127.0.0.1 "${PORT[target]}" >/dev/null 2>"$T/err"
check "a new key, with -v" grep -q 'Permanently added its ssh-ed25519' "$T/err"

# What a server takes is not what is tried: the setting is named, and helps.
conf
refused "no method that it takes" 1 \
    '^proxyhop: gw2 \(hop 2 of 2, .*\): auth: Permission denied for .*; it takes publickey; check User, IdentityFile and PreferredAuthentications$' \
    hop -J gw1,gw2 -o gw2:PreferredAuthentications=password 127.0.0.1 22
got=$(echo | hop -J gw1,gw2 \
    -o gw2:PreferredAuthentications=password,publickey 127.0.0.1 \
    "${PORT[target]}" 2>"$T/err" | head -c 4)
equal "with it" "$got" SSH-
