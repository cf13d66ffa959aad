#!/usr/bin/env bash
# Goal: the own file says what the command line could say, for the hosts its
# patterns match and no others; the command line wins over it and it wins over
# ssh; what is wrong in it is said all at once; nobody else may write it.

. "$(dirname "$0")/harness.sh"

mkdir "$T/own"
OWN=$T/own/routes
for key in one two three "a b" 'a"b' "a'b" 'a\b' 'a#b' '$HOME'; do
	echo "no key" >"$T/own/$key"
done
cat >"$CONF" <<END
Host gw1
	ConnectTimeout 5
	User from-ssh
	IdentityFile $T/own/three
Host db1
	ProxyJump gw3
Host *
	IdentityFile none
END
echo "Host gw1" >"$T/other"
echo "	ConnectTimeout 6" >>"$T/other"

# own LINES...: they are the own file.
own()
{
	[ $# -eq 0 ] || printf '%s\n' "$@" >"$OWN"
}

# plan ARGUMENTS: what -G prints goes to $T/plan.
plan()
{
	bare -r "$OWN" -G "$@" </dev/null >"$T/plan" 2>"$T/plan.err"
}

# The hops of the last plan.
hops()
{
	echo $(sed -n 's/^hop [0-9]* //p' "$T/plan")
}

# value N KEY: what hop N of the last plan has for it; several on one line.
value()
{
	echo $(awk -v n="$1" -v key="$2" '
		$1 == "hop" { hop = $2 }
		$1 == "target" { hop = 0 }
		hop == n && $1 == key { sub(/^[^ ]* /, ""); print }' "$T/plan")
}

# planned SENTENCE WANTED N KEY ARGUMENTS...: the plan has this value.
planned()
{
	local sentence=$1 want=$2 n=$3 key=$4

	shift 4
	if plan -F "$CONF" "$@"; then
		equal "$sentence" "$(value "$n" "$key")" "$want"
	else
		fail "$sentence" "$T/plan.err" "$OWN"
	fi
}

# matches PATTERNS HOST YES-OR-NO
matches()
{
	own "$1 -J mine" "* -J none"
	plan -F "$CONF" "$2" 22
	equal "does $1 match $2? $3" "$(hops)" "$([ "$3" = no ] || echo mine)"
}

patterns()
{
	matches db1 db1 yes
	matches db1 db2 no
	matches 'db*' db1 yes
	matches 'db*' adb1 no
	matches 'd?1' db1 yes
	matches 'd?1' d1 no
	matches '*' db1 yes
	matches db db1 no
	matches b1 db1 no
	matches DB1 db1 yes
	matches db1 DB1 yes
	matches 'D*' db1 yes
	matches x,db1 db1 yes
	matches x,y db1 no
	matches '!db1' db1 no
	matches '!db1' db2 no
	matches '*,!db1' db1 no
	matches '!db1,*' db1 no
	matches '*,!db1' db2 yes
	matches '!db1,*' db2 yes
	matches '*,!DB*' db1 no
	matches '*.example.org' db1.example.org yes
	matches '*.example.org' db1.example.com no
	matches '10.1.*' 10.1.2.3 yes
	matches '::1' ::1 yes
	matches '::1' ::2 no
	matches '"d*"' db1 yes
	matches "'x,db1'" db1 yes
}

# The command line, then the own file, then ssh.
order()
{
	own "db1 -J gw1 -o ConnectTimeout=4"
	planned "-o: the command line wins" 3 1 connecttimeout \
	    -o ConnectTimeout=3 db1 22
	planned "-o: then the own file" 4 1 connecttimeout db1 22
	planned "-o: then ssh" 5 1 connecttimeout -J gw1 db2 22
	plan -F "$CONF" -J gw2 db1 22
	equal "-J: the command line wins" "$(hops)" gw2
	plan -F "$CONF" db1 22
	equal "-J: then the own file" "$(hops)" gw1
	plan -F "$CONF" -J none db1 22
	equal "-J none on the command line wins" "$(hops)" ""
	own "db1 -J none"
	plan -F "$CONF" db1 22
	equal "-J none in the own file wins over ssh" "$(hops)" ""
	own "db2 -J gw1"
	plan -F "$CONF" db1 22
	equal "-J: then ssh" "$(hops)" gw3
	own "* -6 -J gw1"
	planned "-4 wins over the file's -6" inet 1 addressfamily -4 db1 22
	planned "-6 in the file" inet6 1 addressfamily db1 22
	own "* -J gw1 -i $T/own/two -i '$T/own/a b'"
	planned "-i: in this order" \
	    "$T/own/one $T/own/two $T/own/a b $T/own/three" \
	    1 identityfile -i "$T/own/one" db1 22
	own "* -J me@gw1"
	planned "a user with the hop wins" me 1 user -o User=x db1 22
	own "* -J gw1,gw2 -o gw2:User=two -o 1:User=one -o User=all"
	planned "for one hop by number" one 1 user db1 22
	planned "for one hop by name" two 2 user db1 22
	own "* -J gw1,gw2 -o User=all -o gw2:User=two"
	planned "the first one counts" all 2 user db1 22
}

# Several lines, in order.
lines()
{
	own "db1 -o ConnectTimeout=4" "x* -o User=x" "db* -J gw1 -o User=b" \
	    "* -J gw2 -o User=c -o ConnectTimeout=9 -o Port=77" \
	    "* -i $T/own/one" "d* -i $T/own/two"
	planned "several lines: the first's value" 4 1 connecttimeout db1 22
	planned "several lines: not that of another host" b 1 user db1 22
	planned "several lines: the last's, too" 77 1 port db1 22
	planned "several lines: -i in order" \
	    "$T/own/one $T/own/two $T/own/three" 1 identityfile db1 22
	equal "several lines: the first -J" "$(hops)" gw1
	planned "several lines: another host" c 1 user elsewhere 22
	equal "several lines: another host's -J" "$(hops)" gw2
	printf '\n\t\n# * -J gw9\n   # * -J gw9\n* -J gw1 # gw9 -Z\n' >"$OWN"
	printf '*\t-o\tUser=tab\r\n* -o HostKeyAlias=a#b' >>"$OWN"
	planned "comments, blanks, no newline at the end" 'a#b' 1 \
	    hostkeyalias db1 22
	equal "comments: not seen" "$(hops)" gw1
	equal "tabs and a carriage return" "$(value 1 user)" tab
	own "* -4J gw1 -oUser=x"
	planned "options in one word" x 1 user db1 22
	own "db1 -J gw1" "* -o gw9:User=x -o 7:User=x"
	planned "-o for a hop that is not in the chain" from-ssh 1 user db1 22
	equal "-o for such a hop: no word" "$(cat "$T/plan.err")" ""
	plan -F "$CONF" -v db1 22
	check "-o for such a hop: a line with -v" grep -qxF "proxyhop: $OWN:2:\
 -o gw9:User=x: not used, no hop is called \"gw9\"" "$T/plan.err"
	own "* -J gw1,gw2 -o gw2:User=x" "* -J gw1 -o gw9:User=x"
	planned "-o for a hop of a line that is not used" from-ssh 1 user db1 22
	own "db1 -J gw1 -o gw9:User=x"
	refused "-o for a hop that its own line does not have" 1 \
	    "^proxyhop: $OWN:1: -o gw9:User=x: no hop of -J gw1 is called" \
	    bare -F "$CONF" -r "$OWN" -G db1 22
	refused "-o for such a hop on the command line" 1 'gw9' \
	    bare -F "$CONF" -r "$OWN" -o gw9:User=x db1 22
	: >"$OWN"
	planned "an empty file" from-ssh 1 user -J gw1 db1 22
}

# quoted SENTENCE WORD FILE: -i WORD means the file.
quoted()
{
	own "* -J gw1 -i $2"
	planned "quotes: $1" "$T/own/$3 $T/own/three" 1 identityfile db1 22
}

quotes()
{
	local at=$T/own

	quoted "none" "$at/one" one
	quoted "double" "\"$at/a b\"" "a b"
	quoted "single" "'$at/a b'" "a b"
	quoted "backslash" "$at/a\\ b" "a b"
	quoted "in a word" "$at/a' 'b" "a b"
	quoted "double in single" "'$at/a\"b'" 'a"b'
	quoted "single in double" "\"$at/a'b\"" "a'b"
	quoted "double with backslash" "\"$at/a\\\"b\"" 'a"b'
	quoted "double after backslash" "$at/a\\\"b" 'a"b'
	quoted "backslash in single" "'$at/a\\b'" 'a\b'
	quoted "backslash in double" "\"$at/a\\b\"" 'a\b'
	quoted "two backslashes in double" "\"$at/a\\\\b\"" 'a\b'
	quoted "# in a word" "$at/a#b" 'a#b'
	quoted "# in quotes" "'$at/a#b'" 'a#b'
	quoted "no expansion" "$at/\$HOME" '$HOME'
	own "* -J gw1 -i $at/one b"
	refused "quotes: without them" 1 "^proxyhop: $OWN:1: " \
	    bare -F "$CONF" -r "$OWN" -G db1 22
	own '* -J "gw1" -o "ProxyJump=none" -o '"'User=q'"
	planned "quotes: any word" q 1 user db1 22
}

# wrong SENTENCE PATTERN LINE: refused, with file and line.
wrong()
{
	own "* -J gw1" "$3"
	refused "$1" 1 "^proxyhop: $OWN:2: .*$2" \
	    bare -F "$CONF" -r "$OWN" -G db1 22
}

mistakes()
{
	local status=0 want line

	wrong "a quote that is not closed" "quote" '* -o "User=x'
	wrong "the other quote" "quote" "* -o User='x"
	wrong "a backslash at the end" '\\' '* -o User=x \'
	wrong "an option without its argument" "-J .*argument" "* -4 -J"
	wrong "an unknown option" "-Z" "* -Z"
	wrong "-G" "-G" "* -G"
	wrong "-r" "-r" "* -r"
	wrong "-V" "-V" "* -V"
	wrong "a bare word" "gw1" "* -4 gw1"
	wrong "a pattern alone" "db1" "db1"
	wrong "a bad hop" "gw1:0" "* -J gw1,gw1:0"
	wrong "an empty hop" "gw1,,gw2: a hop is missing" "* -J gw1,,gw2"
	own $'\xef\xbb\xbf* -J gw1'
	refused "a byte order mark" 1 "^proxyhop: $OWN:1: .* byte order mark" \
	    bare -F "$CONF" -r "$OWN" -G db1 22
	wrong "a configuration that is not there" "$T/absent" "* -F $T/absent"
	wrong "-o without a value" "User" "* -o User"
	wrong "a line for another host" "-Z" "elsewhere -Z"
	wrong "a control character" 'M|\\' "$(printf '* x\033[1m')"
	check "a control character is not shown raw" \
	    bash -c "! grep -q '[^[:print:]]' '$T/refused.err'"
	printf '* -J gw1\n* -o User=x\0y\n' >"$OWN"
	refused "a NUL byte" 1 "^proxyhop: $OWN:2: " \
	    bare -F "$CONF" -r "$OWN" -G db1 22
	own '# all of it' 'db1' '* -o "User=x' '* -J' '* -Z' '' '* -J gw1' \
	    '* word' '* -J a,,b' "* -i $T/absent" 'else -o User' \
	    "* -Z -J a: -i $T/absent -o =x -4 word"
	bare -F "$CONF" -r "$OWN" -v db1 22 </dev/null \
	    >"$T/out" 2>"$T/err" || status=$?
	equal "all complaints: status" "$status" 1
	want="2 3 4 5 8 9 10 11 12 12 12 12 12"
	line=$(sed -n "s,^proxyhop: $OWN:\([0-9]*\): .*,\1,p" "$T/err")
	equal "all complaints at once" "$(echo $line)" "$want"
	equal "all complaints: nothing else" \
	    "$(cat "$T/out"; wc -l <"$T/err")" "$(wc -w <<<"$want")"
	# The command line's own mistakes come first, as usual.
	own '* -Z'
	refused "a bad target before the file" 1 '"0"' \
	    bare -F "$CONF" -r "$OWN" db1 0
}

# not_safe SENTENCE WHERE NAME: refused, for what others can write there.
not_safe()
{
	refused "$1" 1 "^proxyhop: $2: can be written by others" \
	    bare -F "$CONF" -G -r "$3" db1 22
}

# What the name leads to counts, and every folder and link on the way.
links()
{
	local run="bare -F $CONF -G -r" wide=$T/own/wide

	mkdir -p "$T/own/safe/deep" "$wide/in"
	cp "$OWN" "$T/own/safe/deep/routes"
	cp "$OWN" "$wide/in/routes"
	chmod 777 "$wide"
	ln -s ../wide/in/routes "$T/own/safe/link"
	ln -s deep/routes "$T/own/safe/good"
	ln -s "$T/own/safe/good" "$T/own/safe/twice"
	ln -s "$T/own/safe/deep" "$wide/folder"
	ln -s "$T/own/safe/good" "$wide/back"
	ln -s "$wide/back" "$T/own/safe/round"
	ln -s loop "$T/own/safe/loop"
	check "a link to a safe file" $run "$T/own/safe/good" db1 22
	check "a link to a link" $run "$T/own/safe/twice" db1 22
	check "back and forth" $run "$T/own/safe/deep/../../safe//./good" db1 22
	not_safe "a link out of a safe folder" "$wide" "$T/own/safe/link"
	not_safe "a folder above" "$wide" "$wide/in/routes"
	not_safe "a link that others can put another in place of" "$wide" \
	    "$wide/back"
	not_safe "a folder that is such a link" "$wide" "$wide/folder/routes"
	not_safe "such a link on the way" "$wide" "$T/own/safe/round"
	not_safe "such a folder, and out of it again" "$wide" \
	    "$wide/../safe/good"
	refused "a link to itself" 1 "^proxyhop: $T/own/safe/loop: Too many" \
	    $run "$T/own/safe/loop" db1 22
	# as /tmp: others can put nothing in the place of what is ours
	chmod 1777 "$wide"
	check "above it a folder with the sticky bit" $run "$wide/in/routes" \
	    db1 22
	check "a link in such a folder" $run "$wide/back" db1 22
	cp "$OWN" "$wide/routes"
	not_safe "in a folder with the sticky bit" "$wide" "$wide/routes"
	[ "$(id -u)" -eq 0 ] || return
	chown -h 65534 "$wide/back"
	not_safe "a link there that is another's" "$wide/back" "$wide/back"
	chown 65534 "$wide/in"
	not_safe "a folder there that is another's" "$wide/in" "$wide/in/routes"
}

# What is no file is not waited for.
fifos()
{
	local line

	mkfifo "$T/fifo"
	refused "-r: a FIFO" 1 "^proxyhop: $T/fifo: not a plain file" \
	    bare -F "$CONF" -G -r "$T/fifo" db1 22
	refused "-r: a device" 1 "^proxyhop: /dev/zero: not a plain file" \
	    bare -F "$CONF" -G -r /dev/zero db1 22
	refused "-E: a FIFO that nobody reads" 1 \
	    "^proxyhop: -E $T/fifo: nobody reads" \
	    bare -F "$CONF" -E "$T/fifo" -r "$OWN" db1 22
	exec 8<>"$T/fifo"
	bare -F "$CONF" -E "$T/fifo" -r none -J gw9 -o Port=0 db1 22 \
	    </dev/null >"$T/out" 2>"$T/err"
	equal "-E: a FIFO that is read: nothing elsewhere" \
	    "$(cat "$T/out" "$T/err")" ""
	IFS= read -r -t 10 -u 8 line
	exec 8>&-
	check "-E: a FIFO that is read" grep -q '^proxyhop: ' <<<"$line"
}

# -r, and who may write the file.
files()
{
	local run="bare -F $CONF -G -r" what mode

	own "* -J gw1"
	check "-r: a file" $run "$OWN" db1 22
	refused "-r: a file that is not there" 1 "^proxyhop: $T/absent: No such" \
	    $run "$T/absent" db1 22
	refused "-r: a folder" 1 "^proxyhop: $T/own: " $run "$T/own" db1 22
	plan -F "$CONF" -r "$T/absent" db1 22
	equal "-r: the first counts" "$(hops)" gw1
	OWN=none plan -F "$CONF" db1 22
	equal "-r none: ssh alone" "$(hops)" gw3
	(cd "$T/own" && bare -F "$CONF" -G -r routes db1 22) >"$T/plan"
	equal "-r: a file here" "$(hops)" gw1
	for what in "$OWN" "$T/own"; do
		for mode in g+w o+w; do
			chmod $mode "$what"
			refused "$mode ${what##*/}" 1 \
			    "^proxyhop: $what: .*written by others" \
			    $run "$OWN" db1 22
			chmod go-w "$what"
			check "go-w ${what##*/}" $run "$OWN" db1 22
		done
	done
	chmod go+rx "$T/own" "$OWN"
	check "others may read it" $run "$OWN" db1 22
	links
	fifos
	chmod g+w "$T/own"
	pushd "$T/own" >/dev/null
	refused "g+w, the folder we are in" 1 "written by others" \
	    $run routes db1 22
	popd >/dev/null
	chmod g-w "$T/own"
	[ "$(id -u)" -eq 0 ] || return
	for what in "$OWN" "$T/own"; do
		chown 65534 "$what"
		refused "another user's ${what##*/}" 1 "^proxyhop: $what: " \
		    $run "$OWN" db1 22
		chown 0 "$what"
	done
	check "our own again" $run "$OWN" db1 22
}

# Where no -r is given it is the one in the home that the password file says.
home()
{
	local inside run

	mkdir -p "$T/house/.ssh"
	getent passwd "$(id -u)" | cut -d: -f1-5 |
	    sed "s,^[^:]*:[^:]*:[^:]*:\(.*\),root:x:0:\1:$T/house:/bin/sh," \
	    >"$T/passwd"
	cat >"$T/inside" <<-'END'
	mount --bind "$1" /etc/passwd || exit 77
	shift
	exec "$@"
	END
	inside="unshare -rm sh $T/inside $T/passwd"
	if ! $inside true 2>"$T/err"; then
		echo "	no other password file"
		return
	fi
	run="$inside timeout $((20 * TEST_TIME_FACTOR)) $PROXYHOP_WRAP
	    $PROXYHOP -F $CONF -G"
	$run db1 22 >"$T/plan" 2>"$T/plan.err"
	equal "home: no file there" "$(hops)" gw3
	echo "* -J gw1" >"$T/house/.ssh/proxyhop.conf"
	$run db1 22 >"$T/plan" 2>"$T/plan.err"
	equal "home: a file there" "$(hops)" gw1
	$run -r none db1 22 >"$T/plan" 2>"$T/plan.err"
	equal "home: -r none" "$(hops)" gw3
	own "* -J gw2"
	$run -r "$OWN" db1 22 >"$T/plan" 2>"$T/plan.err"
	equal "home: -r instead" "$(hops)" gw2
	echo "* -Z" >"$T/house/.ssh/proxyhop.conf"
	refused "home: a bad file there" 1 \
	    "^proxyhop: $T/house/.ssh/proxyhop.conf:1: " $run db1 22
	check "home: a bad file there, -r none" $run -r none db1 22
}

# -F, -E, -q and -v in the file.
others()
{
	own "* -J gw1 -F $T/other"
	plan db1 22
	equal "-F in the file" "$(value 1 connecttimeout)" 6
	planned "-F of the command line wins" 5 1 connecttimeout db1 22
	own "* -J gw1 -o gw1:HostName=127.0.0.1 -o gw1:Port=1 -E $T/log"
	bare -F "$CONF" -r "$OWN" db1 22 </dev/null >"$T/out" 2>&1
	equal "-E in the file: nothing elsewhere" "$(cat "$T/out")" ""
	check "-E in the file" grep -q '^proxyhop: gw1 .*: connect: ' "$T/log"
	own "* -J gw1 -o gw1:HostName=127.0.0.1 -o gw1:Port=1"
	refused "without" 2 '^proxyhop: gw1 .*: connect: ' \
	    bare -F "$CONF" -r "$OWN" db1 22
	own "* -J gw1 -o gw1:HostName=127.0.0.1 -o gw1:Port=1 -q"
	bare -F "$CONF" -r "$OWN" db1 22 </dev/null >"$T/out" 2>&1
	equal "-q in the file" "$? $(cat "$T/out")" "2 "
	own "* -J gw1 -v"
	plan -F "$CONF" db1 22
	check "-v in the file" grep -q "^user from-ssh	(ssh)$" "$T/plan"
}

# -G -v says where each value is from.
sources()
{
	own "# first" "db1 -J ops@gw1,gw2:77" \
	    "* -o ConnectTimeout=4 -i $T/own/two -6 -o gw2:User=two"
	plan -F "$CONF" -v -o Port=2222 -i "$T/own/one" db1 22
	while IFS= read -r line; do
		check "-G -v: $(sed "s,$T/own/,,g" <<<"$line")" grep -qxF \
		    -e "$(printf '%b' "${line/ (/\\t(}")" "$T/plan"
	done <<-END
	user ops ($OWN:2)
	port 2222 (command line)
	port 77 ($OWN:2)
	user two ($OWN:3)
	connecttimeout 4 ($OWN:3)
	addressfamily inet6 ($OWN:3)
	identityfile $T/own/one (command line)
	identityfile $T/own/two ($OWN:3)
	identityfile $T/own/three (ssh)
	tcpkeepalive yes (default)
	user two ($OWN:3)
	hop 1 gw1
	hop 2 gw2
	target db1 22
	END
	plan -F "$CONF" -v -J me@gw1 db1 22
	check "-G -v: a user of -J" \
	    grep -qxF "$(printf 'user me\t(command line)')" "$T/plan"
	own "* -o User=x"
	plan -F "$CONF" -v db1 22
	check "-G -v: ssh's ProxyJump and the file's user" \
	    grep -qxF "$(printf 'user x\t(%s:1)' "$OWN")" "$T/plan"
	plan -F "$CONF" db1 22
	check "-G: without -v no source" bash -c "! grep -q '(' '$T/plan'"
}

patterns
order
lines
quotes
mistakes
files
home
others
sources

# And with real servers.
gateways
start_peer echo echo
own "127.* -J gw1,gw2"
carries "a way from the own file" -r "$OWN"
own "127.* -J gw1,gw2 -o gw2:User=nobody-here"
refused "a user from the own file" 1 '^proxyhop: gw2 \(hop 2 of 2, .*: auth: ' \
    hop -r "$OWN" 127.0.0.1 "${PORT[echo]}"
carries "the command line wins, as seen by the server" -r "$OWN" \
    -o "gw2:User=$ME"
own "128.* -J gw1,gw2"
refused "a way for another host" 1 '^proxyhop: no jump host for 127' \
    hop -r "$OWN" 127.0.0.1 "${PORT[echo]}"
