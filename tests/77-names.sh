#!/usr/bin/env bash
# Goal: the names of hops and of the target, and what -o, -i, -F and -J hold,
# reach ssh, whose configuration may run commands with them, only if nothing in
# them can be run; what ssh takes for a name and a resolver may know is taken.
#
# ssh says of each name whether it takes it.

. "$(dirname "$0")/harness.sh"

gateways
start_peer echo echo
REAL=$(command -v ssh)

# An ssh that notes the name that it is asked about, as an old one would give
# it to a shell (Match exec "test %h = foo").
mkdir "$T/bin"
cat >"$T/bin/ssh" <<END
#!/bin/sh
echo "\$*" >>$T/asked
exec $REAL "\$@"
END
chmod +x "$T/bin/ssh"

# noted ARGUMENTS: proxyhop -G with that ssh.
noted()
{
	: >"$T/asked"
	(PATH=$T/bin:$PATH; hop -r none -G "$@") </dev/null
}

# ssh_takes WORDS: does ssh take it for a name?
ssh_takes()
{
	ssh -G -F none "$@" </dev/null >/dev/null 2>&1
}

# taken NAME: ssh takes it, and so do we, as a hop, as the target and as the
# HostName of both; through a hop of that name something is carried.
taken()
{
	local name=$1 q

	printf -v q %q "$name"
	check "ssh takes $q" ssh_takes -J "$name" -- x
	conf "Host $name" "HostName 127.0.0.1" "Port ${PORT[gw1]}" "User $ME" \
	    "HostKeyAlias gw1" "IdentityFile $T/id" \
	    "UserKnownHostsFile $T/alias"
	check "ssh goes through $q" \
	    ssh -F "$CONF" -J "$name" target true </dev/null
	carries "$q is taken for a hop" -r none -J "$name"
	conf "Host gw1" "HostName $name"
	check "$q is taken for the target and for a HostName" \
	    noted -J gw1 -- "$name" 22
	conf "Host $name" "HostName 127.0.0.1" "ProxyJump gw1"
	check "$q is taken for a target that ssh is asked about" \
	    noted -- "$name" 22
}

# not_taken NAME [HOW]: nobody is asked about it, and ssh refuses it as well,
# or no shell and no resolver is known that would take it for a name.
not_taken()
{
	local name=$1 q

	printf -v q %q "$name"
	if [ $# -eq 1 ]; then
		check "ssh refuses $q" bash -c '! "$@" 2>/dev/null' - \
		    ssh -G -F none -- "$name"
	fi
	conf
	refused "$q for a hop" 1 '^proxyhop: -J ' noted -J "gw1,$name" -- x 22
	equal "$q for a hop: ssh is not asked" "$(cat "$T/asked")" ""
	refused "$q for the target" 1 '^proxyhop: ' noted -J gw1 -- "$name" 22
	equal "$q for the target: ssh is not asked" "$(cat "$T/asked")" ""
	refused "$q for the target, without -J" 1 '^proxyhop: ' \
	    noted -- "$name" 22
	equal "$q for the target, without -J: ssh is not asked" \
	    "$(cat "$T/asked")" ""
	check "$q is not shown raw" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
}

# bad_hostname NAME: ssh's configuration has it for a HostName.
bad_hostname()
{
	local q

	printf -v q %q "$1"
	conf "Host gw2" "HostName \"$1\""
	refused "HostName $q of a hop" 1 '^proxyhop: gw2: HostName ' \
	    hop -r none -J gw1,gw2 127.0.0.1 22
	conf "Host there" "HostName \"$1\"" "ProxyJump gw1"
	refused "HostName $q of the target" 1 '^proxyhop: there: HostName ' \
	    hop -r none there 22
	refused "HostName $q of the target, connected to by itself" 1 \
	    '^proxyhop: there: HostName ' hop -r none -J none there 22
	refused "HostName $q, without ssh" 1 \
	    '^proxyhop: (gw2: HostName |-o gw2:HostName=)' \
	    env PATH="$T/empty" $PROXYHOP_WRAP "$PROXYHOP" -r none -F none \
	    -J gw1,gw2 -o "gw2:HostName=$1" there 22
	conf
}

names()
{
	local name

	echo "gw1 $(cut -d' ' -f1,2 "$T/gw1.key.pub")" >"$T/alias"
	for name in under_score trailing.dot. a..b+UPPER-1 _service; do
		taken "$name"
	done
	conf
	for name in site/db1 a=b fe80::1%lo ::1; do
		check "ssh takes $name" ssh_takes -- "$name"
		check "$name is taken for the target" noted -J gw1 -- "$name" 22
	done
	check "a scope is taken for a hop" noted -J '[fe80::1%lo]' -- x 22
	mkdir "$T/empty"
	for name in 'x;id' 'x&id' 'x`id`' 'x$(id)' 'x$IFS' "x'" 'x"' \
	    'x\y' 'x<y' 'x>y' 'x(y)' 'x{y' 'x y' $'x\ty' $'x\ny' $'x\033[1m'; do
		not_taken "$name"
	done
	for name in 'x*' 'x?' '~x' 'x~' 'x!y' '#x' 'x#y' 'x^y' '=x' '%x' 'a%b%c' \
	    'x[y' $'x\303\244' $'\261\\;x'; do
		not_taken "$name" here
	done
	for name in '-oProxyCommand=x' 'x;id' 'a b' '#x' '@x' 'a,b' 'x*' \
	    $'x\303\244' '|1|x'; do
		bad_hostname "$name"
	done
}

# Users, as ssh takes them after -l.
users()
{
	local user q

	for user in 'DOM\me' 'a$b' 'a@b' 'a%b' 'a.b-c' 'a~' $'\303\244'; do
		printf -v q %q "$user"
		check "ssh takes user $q" ssh_takes -l "$user" x
		conf
		check "user $q is taken" noted -J "$user@gw1" x 22
	done
	for user in 'a;b' 'a`b' "a'b" 'a"b' 'a&b' 'a(b' 'a{b' 'a<b' 'a\' \
	    'a -b' -a $'a\nb' $'a\tb'; do
		printf -v q %q "$user"
		check "ssh refuses user $q" bash -c '! "$@" 2>/dev/null' - \
		    ssh -G -F none -l "$user" x
		refused "user $q" 1 '^proxyhop: -J ' noted -J "$user@gw1" x 22
		equal "user $q: ssh is not asked" "$(cat "$T/asked")" ""
	done
}

# control WORD ARGUMENTS: refused with the word as typed, and before ssh knows.
control()
{
	local word=$1

	shift
	refused "a control character in $1" 1 "^proxyhop: $word: control" \
	    noted "$@" -J gw1 x 22
	equal "a control character in $1: ssh is not asked" \
	    "$(cat "$T/asked")" ""
}

# What would be a line of its own in ssh -G's answer.
lines()
{
	local evil=$'a\nproxycommand touch '"$T/run" word

	mkdir -p "$T/$evil"
	cp "$CONF" "$T/$evil/f"
	control '-o HostKeyAlias="a\\012proxycommand touch .*/run"' \
	    -o "HostKeyAlias=\"$evil\""
	control '-o gw1:User="a\\012.*"' -o "gw1:User=\"$evil\""
	control '-o RemoteCommand=a\\012.*' -o "RemoteCommand=$evil"
	control "-i .*\\\\012proxycommand touch .*" -i "$T/$evil/f"
	control "-F .*\\\\012proxycommand touch .*" -F "$T/$evil/f"
	control "-E .*\\\\033\[1m" -E "$T/x"$'\033[1m'
	control '-J gw2\\015' -J $'gw2\r'
	control '-o User=a\\177' -o $'User=a\177'
	printf '* -o "HostKeyAlias=%s' "$evil" >"$T/routes"
	printf '"\n* -J "gw1\001"\nother -i "a\rb"\n' >>"$T/routes"
	: >"$T/asked"
	(PATH=$T/bin:$PATH; hop -r "$T/routes" -G x 22) </dev/null \
	    >"$T/out" 2>"$T/err"
	equal "the route file: status" "$?" 1
	check "the route file: a control character, its line" \
	    grep -q '^proxyhop: .*/routes:3: -J gw1\\001: control' "$T/err"
	check "the route file: a carriage return, its line" \
	    grep -q '^proxyhop: .*/routes:4: -i a\\015b: control' "$T/err"
	equal "the route file: ssh is not asked" "$(cat "$T/asked")" ""
	check "nothing was run" test ! -e "$T/run"
	check "a tab is white space" noted -J gw1 -o $'User\tops' x 22
}

names
users
lines
