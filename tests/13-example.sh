#!/usr/bin/env bash
# Goal: every block of ssh_config.example works as it is written; with one key
# of a gateway unknown, or one of its lines gone, it does not, and the line
# about it names that gateway.
#
# A block is changed in four words only: proxyhop becomes this program with -F
# and without a route file, ~ and 2222 and ops become what there is here.  Where
# the names of the example are is said in a file before it, which says nothing
# of what the block says.

. "$(dirname "$0")/harness.sh"

EXAMPLE=$(dirname "$TESTS")/ssh_config.example
DOMAIN=example.org
DB1=db1.$DOMAIN

# The names of all blocks.
blocks()
{
	sed -n 's/^# == \([a-z]*\): .*/\1/p' "$EXAMPLE"
}

# cut_out NAME PORT: one block, with what is there for 2222.
cut_out()
{
	sed -n "/^# == $1: /,/^# == /{/^# == /!p;}" "$EXAMPLE" |
	    sed -e "s|proxyhop \([-%]\)|$PROXYHOP_WRAP $PROXYHOP -F $T/config -r none \1|" \
		-e "s,~/,$T/,g" -e "s,2222,$2,g" \
		-e "s,\(User[ =]\)ops,\1$ME,g"
}

# place NAME LINES...: where a name of the example is, and what else is said.
place()
{
	local name=$1.$DOMAIN

	echo "Host $name"
	echo "HostName 127.0.0.1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@"
}

# before NAME: the file before the block.  Of the gateway that has its own user,
# port and key in the block, only the address is said.
before()
{
	local name own=

	[ "$1" = own ] && own=gw1
	[ "$1" = options ] && own=gw2
	for name in gw1 gw2 gw3; do
		if [ "$name" = "$own" ]; then
			place "$name"
		else
			place "$name" "Port ${PORT[$name]}" "User $ME" \
			    "IdentityFile $T/id"
		fi
	done
	place db1 "Port ${PORT[target]}" "User $ME" "IdentityFile $T/id"
	cat <<-END
	Host *
	IdentityFile $T/absent
	IdentitiesOnly yes
	UserKnownHostsFile $T/known
	GlobalKnownHostsFile /dev/null
	StrictHostKeyChecking yes
	BatchMode yes
	ConnectTimeout 10
	Match all
	Include $T/block
	END
	# the last word on what no block has said
	echo "User nobody-here"
}

# use NAME: write the file and the block, with every key known.
use()
{
	local port=${PORT[gw1]}

	[ "$1" = options ] && port=${PORT[gw2]}
	before "$1" >"$T/config"
	cut_out "$1" "$port" >"$T/block"
	cp "$T/known_hosts" "$T/known"
}

# client HOST COMMAND: a real ssh.
client()
{
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w ssh -F "$T/config" "$@" \
	    </dev/null >"$T/out" 2>"$T/err"
}

# Servers whose log shows a login since they were last forgotten.
visited()
{
	local name list=

	for name in gw1 gw2 gw3 target; do
		grep -q '^Accepted publickey' "$T/$name.log" &&
		    list="$list $name"
	done
	echo $list
}

# arrives SENTENCE HOST SERVER...: the command runs, by way of these servers
# and no others.
arrives()
{
	local sentence=$1 host=$2 name

	shift 2
	for name in gw1 gw2 gw3 target; do
		forget "$name"
	done
	host=$host.$DOMAIN
	if client "$host" echo arrived && [ ! -s "$T/err" ]; then
		equal "$sentence" "$(cat "$T/out") $(visited)" "arrived $*"
	else
		fail "$sentence" "$T/err" "$T/config" "$T/block"
	fi
}

# stops SENTENCE GATEWAY N STAGE-AND-MORE: ssh fails, after one line of ours.
stops()
{
	fails "$1" "$2\.example\.org \(hop $3 of [0-9], .*\): $4"
}

# fails SENTENCE PATTERN: the same, whatever the line is about.
fails()
{
	local sentence=$1 status=0 want="^proxyhop: $2"

	client "$DB1" echo arrived || status=$?
	if [ "$status" -eq 255 ] && [ ! -s "$T/out" ] &&
	    [ "$(grep -c '^proxyhop: ' "$T/err")" -eq 1 ] &&
	    grep -Eq "$want" "$T/err"; then
		ok "$sentence"
	else
		fail "$sentence (status $status, wanted $want)" "$T/err"
	fi
}

# unknown BLOCK GATEWAY N: the gateway's key is not known.
unknown()
{
	known "$2" | grep -vxFf - "$T/known_hosts" >"$T/known"
	stops "$1: key of $2 unknown" "$2" "$3" "hostkey: .* not known"
	cp "$T/known_hosts" "$T/known"
}

# without BLOCK EXPRESSION: the block with an edit.
without()
{
	sed -i.whole -e "$2" "$T/block"
	if cmp -s "$T/block" "$T/block.whole"; then
		fail "$1: '$2' has something to edit" "$T/block"
	fi
}

one()
{
	arrives "one: one gateway" db1 gw1 target
	unknown one gw1 1
	cp "$T/known" "$T/known_hosts.all"
	known target | grep -vxFf - "$T/known_hosts.all" >"$T/known"
	client "db1.$DOMAIN" true
	equal "one: the target's key is ssh's to verify: status" "$?" 255
	check "one: the target's key is ssh's to verify" \
	    grep -q '^Host key verification failed' "$T/err"
}

chain()
{
	local n

	arrives "chain: three gateways" db1 gw1 gw2 gw3 target
	for n in 1 2 3; do
		unknown chain gw$n $n
	done
}

own()
{
	arrives "own: user, port and key" db1 gw1 target
	unknown own gw1 1
	without own '/^[[:blank:]]User/d'
	stops "own: without User" gw1 1 "auth: .* nobody-here"
	use own
	without own '/IdentityFile/d'
	stops "own: without IdentityFile" gw1 1 "auth: .*no key"
	use own
	without own "s/Port .*/Port ${PORT[closed]}/"
	stops "own: another Port" gw1 1 "connect: .*refused"
}

options()
{
	arrives "options: for gw2 alone" db1 gw1 gw2 target
	unknown options gw1 1
	unknown options gw2 2
	without options "s/-o [^ ]*User=[^ ]*//"
	stops "options: without User" gw2 2 "auth: .* nobody-here"
	use options
	without options "s/-o [^ ]*IdentityFile=[^ ]*//"
	stops "options: without IdentityFile" gw2 2 "auth: .*no key"
	use options
	without options "s/Port=[0-9]*/Port=${PORT[closed]}/"
	stops "options: another Port" gw1 1 "forward: .*refused"
}

all()
{
	arrives "all: a host of the domain" db1 gw1 gw2 target
	arrives "all: a gateway, directly" gw1 gw1
	arrives "all: the other gateway, directly" gw2 gw2
	unknown all gw1 1
	unknown all gw2 2
	without all 's/ !gw2[^ ]*//'
	arrives "all: gw2 not left out goes round" gw2 gw1 gw2
}

jump()
{
	arrives "jump: the route of ProxyJump" db1 gw1 gw2 target
	client -v "$DB1" true
	check "jump: taken by proxyhop, not by ssh" \
	    grep -q "Executing proxy command: exec .*$PROXYHOP" "$T/err"
	arrives "jump: a jump host, without proxyhop" gw1 gw1
	unknown jump gw1 1
	unknown jump gw2 2
	without jump '/ProxyJump/d'
	arrives "jump: without ProxyJump, directly" db1 target
}

command()
{
	arrives "command: through nc" db1 gw1 gw2 target
	unknown command gw1 1
	without command 's/nc %h %p/false/'
	stops "command: one that ends" gw1 1 "connect: its ProxyCommand .false"
}

forward()
{
	arrives "forward: by a command on gw1" db1 gw1 gw2 target
	check "forward: the command was run there" \
	    grep -q "^Starting session: command " "$T/gw1.log"
	unknown forward gw2 2
	without forward 's/=nc /=false /'
	stops "forward: one that ends" gw1 1 "forward: its ForwardCommand .false"
}

routes()
{
	arrives "routes: directly" db1 target
	without routes 's/none|//'
	arrives "routes: without none" db1 gw1 target
	unknown routes gw1 1
	use routes
	without routes "s/none|gw1/none|closed/"
	without routes 's/none|//'
	printf '%s\n' "Host closed.$DOMAIN" "HostName 127.0.0.1" \
	    "Port ${PORT[closed]}" >>"$T/block"
	arrives "routes: with gw1 down" db1 gw2 gw3 target
}

shared()
{
	arrives "shared: the first logs in to all" db1 gw1 gw2 target
	arrives "shared: the second does without gw1" db1 gw2 target
	client -O exit "gw1.$DOMAIN"
	unknown shared gw2 2
	client -O exit "gw1.$DOMAIN"
	without shared '/^[[:blank:]]Control/d'
	arrives "shared: without it" db1 gw1 gw2 target
	arrives "shared: without it, again" db1 gw1 gw2 target
}

pass()
{
	arrives "pass: the connection is handed over" db1 gw1 gw2 target
	unknown pass gw2 2
	without pass '/ProxyUseFdpass/d'
	fails "pass: to an ssh that does not ask for it" "-f: .*ProxyUseFdpass"
}

# Not at DEBUG1: sshd would talk on the command's stderr as well.
gateways "LogLevel VERBOSE"
start_peer closed bound
mkdir "$T/.ssh"
cp "$T/id" "$T/.ssh/gateway"
for block in $(blocks); do
	if declare -F "$block" >/dev/null; then
		use "$block"
		$block
	else
		fail "$block: there is a test for it"
	fi
done
equal "blocks seen" "$(blocks | wc -w)" 11
check "blocks: every ProxyCommand is in one" test \
    "$(grep -c '^[[:blank:]]ProxyCommand proxyhop ' "$EXAMPLE")" -eq 11
