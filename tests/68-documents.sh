#!/usr/bin/env bash
# Goal: every example of the manual and of the README does what it says, as it
# is written; a block of ssh_config fails with its first jump host gone, and no
# example is left out.
#
# Only names are replaced: port 22 of db1, 2222, ops, ~ and 10.0.0.5 become what
# there is here, and the programs in PATH are given the configuration file.

. "$(dirname "$0")/harness.sh"

TOP=$(dirname "$TESTS")
gateways "LogLevel VERBOSE"
mkdir "$T/bin" "$T/.ssh"
PATH=$T/bin:$PATH
cp "$T/id" "$T/.ssh/ops"
cp "$T/id" "$T/.ssh/gate way"
printf '%s\n' 127.0.0.1 db1 db-east | while read -r name; do
	echo "$name $(cut -d' ' -f1,2 "$T/target.key.pub")"
done >>"$T/known_hosts"
echo "db-west $(cut -d' ' -f1,2 "$T/gw3.key.pub")" >>"$T/known_hosts"
git init -q -b main "$T/project.git"
git -C "$T/project.git" -c user.name=me -c user.email=me@localhost \
    commit -q --allow-empty -m first
echo some >"$T/file"
dropbearconvert openssh dropbear "$T/id" "$T/id.dropbear" >/dev/null 2>&1
puttygen "$T/id" -o "$T/id.ppk" -O private
fingerprint=$(ssh-keygen -lf "$T/target.key.pub" | cut -d' ' -f2)

# wrapper NAME WORDS...: in PATH, NAME becomes these words.
wrapper()
{
	local name=$1

	shift
	printf '#!/bin/sh\nexec %s "$@"\n' "$*" >"$T/bin/$name"
	chmod +x "$T/bin/$name"
}

wrapper proxyhop "$PROXYHOP_WRAP $PROXYHOP -r none -F $T/config"
wrapper ssh "$(command -v ssh) -F $T/config"
wrapper scp "$(command -v scp) -F $T/config"
wrapper dbclient "$(command -v dbclient) -y -y -i $T/id.dropbear -p ${PORT[target]}"
wrapper plink "$(command -v plink) -batch -i $T/id.ppk -hostkey $fingerprint -P ${PORT[target]}"

# configuration FILE LINES...: what the example says comes after these lines.
configuration()
{
	local file=$1

	shift
	{
		[ $# -eq 0 ] || printf '%s\n' "$@" "Match all"
		cat "$file"
		printf '%s\n' "Match all" \
		    "Host db1 db-east 127.0.0.1" "HostName 127.0.0.1" \
		    "Port ${PORT[target]}" "IdentityFile $T/id" \
		    "Host db1 127.0.0.1" "ProxyJump gw1,gw2" \
		    "Host db-west" "Port ${PORT[gw3]}" "IdentityFile $T/id" \
		    "Host gw-east gw-west" "HostName 127.0.0.1" \
		    "HostKeyAlias [127.0.0.1]:${PORT[gw1]}" \
		    "Port ${PORT[gw1]}" "IdentityFile $T/id"
		cat "$T/ssh_config"
	} >"$T/config"
}

# Names of the documents become those of this scenario.
here()
{
	sed -e "s,db1 22\$,127.0.0.1 ${PORT[target]}," \
	    -e "s,db1 22\([^0-9]\),127.0.0.1 ${PORT[target]}\1,g" \
	    -e "s,ops@,$ME@,g" -e "s,\(User[ =]\)ops,\1$ME,g" \
	    -e "s,2222,${PORT[gw3]},g" -e "s,10\.0\.0\.5,127.0.0.1,g" \
	    -e "s,~/,$T/,g" -e "s,db1:project.git,db1:$T/project.git," \
	    -e "s,file db1:\$,$T/file db1:$T/," -e "s,\./proxyhop,proxyhop,g" \
	    -e "s,=keys ,=$T/keys ," -e "s,^\(.*-J 'proxyhop.*\|plink.*\) db1\$,& true,"
}

# blocks FILE: each run of indented lines goes into a file of its own.
blocks_of()
{
	awk -v to="$T/block.$1." '
		/^\.Bd -literal/ { manual = 1; n++; next }
		/^\.Ed/ { manual = 0; next }
		manual { print >(to n); next }
		/^\./ { man = 1 }
		!man && /^    / { if (!inside) n++; inside = 1
		    print substr($0, 5) >(to n) }
		!man && !/^    / && !/^$/ { inside = 0 }
	' "$2"
	sed -i -e 's/\\e/\\/g' -e 's/\\(aq/'"'/g" "$T"/block.$1.*
}

# works SENTENCE COMMAND: as somebody types it, without a terminal.
works()
{
	local status=0

	rm -rf "$T/clone" && mkdir "$T/clone"
	(
		cd "$T/clone" || exit 1
		echo exit | timeout $((60 * TEST_TIME_FACTOR)) \
		    setsid -w bash -c "$2"
	) >"$T/out" 2>"$T/err" || status=$?
	if [ "$status" -eq "${expect:-0}" ]; then
		ok "$1"
	else
		fail "$1 (status $status)" "$T/err" "$T/out"
	fi
}

# commands NAME: lines that begin with $, joined where they go on.
commands()
{
	local line expect

	sed -e ':a' -e '/\\$/{N;s/\\\n *//;ta' -e '}' "$T/block.$1" |
	    sed -n 's/^ *\$ //p' | here >"$T/lines"
	while IFS= read -r line <&3; do
		expect=0
		# it takes the key, and does not log in
		case $line in
		*PreferredAuthentications=none*) expect=255 ;;
		esac
		works "$1: $line" "$line"
		case $line in
		*PreferredAuthentications=none*)
			check "$1: the key is there" grep -q ed25519 "$T/keys" ;;
		esac
	done 3<"$T/lines"
}

# hosts NAME: a block of ssh_config, and a login to each data base in it.
hosts()
{
	local host expect=0

	sed -e ':a' -e '/\\$/{N;s/\\\n[ 	]*//;ta' -e '}' "$T/block.$1" |
	    here >"$T/first"
	configuration "$T/first"
	for host in $(sed -n 's/^Host \(db.*\)/\1/p' "$T/first") \
	    $(sed -n 's/^Match .*/db1/p' "$T/first"); do
		works "$1: ssh $host" "ssh $host true"
		if grep -q ControlPersist "$T/first"; then
			works "$1: its master" \
			    "ssh -O check $host && ssh -O exit $host"
		fi
	done
	if grep -q '^Host gw1' "$T/first"; then
		works "$1: a shared gw1" "ssh gw1 true &&
		    ssh -v -o ProxyCommand='proxyhop -v -J gw1 %h %p' db1 true \
			2>&1 | grep 'gw1 (hop 1): shared' &&
		    ssh -O check gw1 && ssh -O exit gw1"
	fi
	configuration "$T/first" "Host gw1 gw-east gw-west" \
	    "Port ${PORT[closed]}"
	for host in $(sed -n 's/^Host \(db.*\)/\1/p' "$T/first"); do
		expect=255
		! grep -q "'none|" "$T/first" || expect=0
		works "$1: $host with gw1 gone" "ssh $host true"
	done
	configuration /dev/null
}

# routes NAME: lines of the route file.
routes()
{
	here <"$T/block.$1" >"$T/routes"
	hop=$(command -v proxyhop)
	works "$1: db1" "$PROXYHOP -r $T/routes -F $T/config -G db1 22 |
	    grep -x 'you -> gw1:${PORT[gw1]} -> gw2:${PORT[gw2]} -> db1:22'"
	if grep -q ^db9 "$T/routes"; then
		works "$1: db9" "$PROXYHOP -r $T/routes -F $T/config -G db9 22 |
		    head -n 1 | grep -x 'you -> db9:22'"
	fi
	expect=1 works "$1: another" \
	    "$PROXYHOP -r $T/routes -F $T/config -G other 22"
}

# paramiko NAME: a line of Python.
paramiko()
{
	here <"$T/block.$1" | sed "s|\"db1\", |&port=${PORT[target]}, username='$ME', key_filename='$T/id', |" >"$T/line"
	cat - "$T/line" >"$T/client.py" <<-END
	import paramiko
	client = paramiko.SSHClient()
	client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
	END
	echo "print(client.exec_command('echo arrived')[1].read()); client.close()" >>"$T/client.py"
	works "$1: paramiko" "$PYTHON $T/client.py"
	check "$1: paramiko: arrived" grep -q arrived "$T/out"
}

# shown NAME: what proxyhop -G prints, in the places that it names.
shown()
{
	local routes=/home/me/.ssh/proxyhop.conf

	printf '%s\n' "# the data bases" "db* -J gw1,gw2 -o gw2:User=ops" \
	    >"$T/routes"
	printf '%s\n' "Host gw1" "Port 2222" "User ops" >"$T/first"
	wrapper proxyhop "$PROXYHOP_WRAP $PROXYHOP -r $T/routes -F $T/first"
	sed "1d; s,$routes,$T/routes," "$T/block.$1" >"$T/want"
	works "$1: $(head -n 1 "$T/block.$1")" \
	    "$(sed -n '1s/^\$ //p' "$T/block.$1")"
	check "$1: it prints what is shown" cmp "$T/want" "$T/out"
	wrapper proxyhop "$PROXYHOP_WRAP $PROXYHOP -r none -F $T/config"
}

# shape FILE: a table of -t without its times, and what came of each stage.
shape()
{
	sed -e '/^\$/d' -e 's/  *[0-9]* ms .*|.*/ |/' -e 's/  *[0-9]* ms$//' \
	    -e 's/^target .*/target/' "$1"
}

# timed NAME: what proxyhop -t prints.
timed()
{
	commands "$1"
	shape "$T/block.$1" >"$T/want"
	shape "$T/out" >"$T/shape"
	check "$1: it prints what is shown" cmp "$T/want" "$T/shape"
}

# said NAME: the line about a failure.
said()
{
	proxyhop -J gw1,gw2 127.0.0.1 "${PORT[closed]}" </dev/null \
	    >"$T/out" 2>"$T/err"
	sed -e "s/$ME@127\.0\.0\.1:${PORT[gw2]}/ops@10.0.0.5:22/" \
	    -e "s/127\.0\.0\.1:${PORT[closed]}/db1:22/" \
	    -e 's/127\.0\.0\.1/db1/' "$T/err" >"$T/line"
	equal "$1: what is said" "$(cat "$T/line")" "$(xargs -d '\n' echo \
	    <"$T/block.$1")"
}

# try NAME: what kind of example is it?
try()
{
	case $(head -n 1 "$T/block.$1") in
	'$ proxyhop -G -v '*)		shown "$1" ;;
	'$ proxyhop -J gw1 -t '*)	timed "$1" ;;
	'$ '*)				commands "$1" ;;
	'Host '*|'Match '*)		hosts "$1" ;;
	'# all data bases '*|'db*'*|'db1 '*)	routes "$1" ;;
	client.connect*)		paramiko "$1" ;;
	# patterns and pictures, which other scenarios check
	'proxyhop: name (hop'*|*'Verification code:')	;;
	'proxyhop: gw2 (hop 2 of 2, '*)	said "$1" ;;
	'make deps demo'*|'first byte, no delay'*)	;;
	'apt install '*)
		# those before what only the tests need
		sed -n -e '/^look()/,/return 0/s/^	need \("[^"]*"\|[^ ]*\) .*/\1/p' \
		    "$TESTS/deps" | tr -d '"' | tr '\n' ' ' >"$T/needed"
		equal "$1: what make deps-build installs" \
		    "$(sed 's/^apt install //' "$T/block.$1")" \
		    "$(sed 's/ $//' "$T/needed")" ;;
	'make deps-build all'*)
		sed -n 's/^\.\/proxyhop/$ &/p' "$T/block.$1" >"$T/block.$1.run"
		commands "$1.run" ;;
	*)	fail "$1: there is a test for it" "$T/block.$1" ;;
	esac
}

start_peer closed bound
configuration /dev/null
blocks_of manual "$TOP/proxyhop.1"
blocks_of README "$TOP/README"
number=0
for block in "$T"/block.*; do
	block=${block#"$T/block."}
	try "$block"
	number=$((number + 1))
done
at_least "examples found" "$number" 18

# What is to be typed within a sentence: a command, or a part of one.  first
# LINE: what -G says of the first hop, or of the route.
route()
{
	works "within a sentence: $1" "proxyhop -G $2 db1 22 | head -n 1 | grep -xF '$3'"
}

to1="you -> gw1:${PORT[gw1]} -> db1:22"
to2="you -> gw1:${PORT[gw1]} -> gw2:${PORT[gw2]} -> db1:22"
# within WORDS: each is tried here, or one of these scenarios does.
within()
{
	case $1 in
	'ops@[2001:db8::7]:22')
		route "$1" "-J $1" "you -> ops@[2001:db8::7]:22 -> db1:22" ;;
	'-J gw1')	route "$1" "$1" "$to1" ;;
	"-J 'none|gw1|gw2,gw3'")
		works "within a sentence: $1" \
		    "proxyhop -G $1 db1 22 | grep -c '^you' | grep -x 3" ;;
	'-o gw2:User=ops')
		works "within a sentence: $1" \
		    "proxyhop -G -J gw1,gw2 $1 db1 22 | grep -x 'user ops'" ;;
	"-o 'gw2:ForwardCommand=nc %h %p'")
		works "within a sentence: $1" "proxyhop -G -J gw1,gw2 $1 \
		    db1 22 | grep -x 'forwardcommand nc %h %p'" ;;
	'-o ControlPath=none'|'-o gw1:ControlPath=none')
		works "within a sentence: $1" "! proxyhop -G -J gw1 \
		    -o ControlPath=/a $1 db1 22 | grep '^controlpath /'
		    ! proxyhop -G -J gw1 $1 -o ControlPath=/a db1 22 |
		    grep '^controlpath /'" ;;
	'proxyhop -G db1 22'|'proxyhop -t db1 22')
		works "within a sentence: $1" "$(echo "$1" | here)" ;;
	'ssh -G db1'*)
		works "within a sentence: $1" "ssh -G db1 | grep ." ;;
	'proxyhop -G'|'proxyhop -t'|'proxyhop -V'|'proxyhop -h')
		check "within a sentence: $1: there is such an option" \
		    grep -Eq "^  ${1#proxyhop }(,| )" "$T/help" ;;
	'ssh-keygen -Z aes256-gcm@openssh.com')
		works "within a sentence: $1" "$1 -q -N x -f $T/sealed" ;;
	'man ./proxyhop.1')
		works "within a sentence: $1" "cd $TOP && $1 | grep -q PROXYHOP" ;;
	# 64-migration, 66-sharing, 67-making, 72-private-agent, 88-certificates
	'-o ProxyCommand=none'|'ssh -O exit gw1'|'ssh-add -s'|'ssh-add -h'| \
	'ssh-keyscan -c'|'nc -F'|'nc %%h %%p'|'ssh -G'|'ssh -J') ;;
	# parts of a block, and what is no command
	'proxyhop -J'|'proxyhop -qG'|'Host *'|'it says '*|'do not trust it'| \
	'kex_exchange_identification: '*|'hop Ar number name'| \
	'target Ar host port') ;;
	*)	fail "within a sentence: '$1': there is a test for it" ;;
	esac
}

proxyhop -h >"$T/help"
{
	sed -n 's/^\.\(Pq \)\{0,1\}Ql //p' "$TOP/proxyhop.1" |
	    sed 's/ [.,;]$//' | grep '[^ ] \|@'
	tr '\n' ' ' <"$TOP/README" | sed 's/  */ /g' |
	    grep -oE "(proxyhop|ssh) -[A-Za-z]+( db1( 22)?)?|man [./a-z]*[0-9]|-[oJ] ('[^']*'|[^ ,;)]+)"
} | sort -u >"$T/sentences"
at_least "examples within sentences" "$(wc -l <"$T/sentences")" 20
while IFS= read -r words <&4; do
	within "$words"
done 4<"$T/sentences"

# whatever README and lib/README have make do, it can
sed -e '/^What it does not do/,$d' -e '/apt install/d' "$TOP/README" | cat - "$TOP/lib/README" |
    tr '\n' ' ' | sed 's/  */ /g' |
    grep -oE '\bmake (install|uninstall|demo|dist|static|test|layers|bench|[a-z]+-[a-z]+|deps( check| demo)?|check)' |
    sort -u >"$T/targets"
at_least "README: targets of make" "$(wc -l <"$T/targets")" 12
while read -r make words <&4; do
	for word in $words; do
		check "README: make $word" \
		    grep -Eq "^([a-z-]+ )*$word( [a-z-]+)*:" "$TOP/Makefile"
	done
done 4<"$T/targets"

# with groff, as man(1) has it, and with mandoc
for roff in "nroff -mandoc -rLL=78n" "mandoc -T ascii -O width=78"; do
	$roff "$TOP/proxyhop.1" 2>"$T/err" | sed "s/$(printf '\033')\[[0-9;]*m//g" |
	    col -b -x >"$T/out"
	equal "80 columns: ${roff%% *}: warnings" "$(wc -l <"$T/err")" 0
	at_most "80 columns: ${roff%% *}: the widest line" \
	    "$(awk '{ if (length > n) n = length } END { print n + 0 }' "$T/out")" 80
	at_least "80 columns: ${roff%% *}: lines" "$(wc -l <"$T/out")" 500
done
