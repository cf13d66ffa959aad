#!/usr/bin/env bash
# Goal: what proxyhop -G says of a hop is, key by key, what the installed ssh
# says of a jump host; the way it goes is ssh's; what ssh refuses is refused.
#
# The cases are plan/*.conf; how one is used stands in its first line.  What is
# expected is asked of ssh at the time of the test: see plan.py.

. "$(dirname "$0")/harness.sh"

CASES=$T/plan
export PROXYHOP_WRAP TEST_TIME_FACTOR

# plan_py ARGUMENTS: the comparer, with our program.
plan_py()
{
	(export PROXYHOP; exec "$PYTHON" "$TESTS/plan.py" "$@")
}

# judge SUBJECT COUNT: that many lines of the comparer on stdin, each one check.
judge()
{
	local verdict name remark n=0

	while read -r verdict name remark; do
		n=$((n + 1))
		if [ "$verdict" = ok ]; then
			ok "$1: $name ($remark)"
		else
			fail "$1: $name ($remark)" "$T/out/$name.diff"
		fi
	done
	[ "$n" -eq "$2" ] || fail "$1: $n cases seen of $2"
}

# together SENTENCE JOB: one check for a job on all cases.
together()
{
	local verdict name remark n=0 bad=0

	while read -r verdict name remark; do
		n=$((n + 1))
		[ "$verdict" = ok ] && continue
		fail "$1: $name ($remark)" "$T/out/$name.diff"
		bad=1
	done < <(plan_py "$2" "$CASES" "$T/out")
	if [ "$n" -ne "$COUNT" ]; then
		fail "$1: $n cases seen of $COUNT"
	elif [ "$bad" -eq 0 ]; then
		ok "$1, in $n cases"
	fi
}

# ---- cases that no file can hold -------------------------------------------

long_lines()
{
	{
		echo "# args: -J gw1,gw2"
		printf 'Host'
		printf ' name%04d' {1..3000}
		echo ' gw1'
		echo '	User at-the-end'
		printf 'Host gw2\n\tUserKnownHostsFile'
		printf ' /etc/known%03d' {1..30}
		printf '\n\tIdentityFile ~/'
		printf 'ninechars/%.0s' {1..80}
		echo id
	} >"$CASES/900-long-lines.conf"
	{
		echo "# args: -J gw1"
		printf 'NoSuchKeyword '
		printf 'word%04d ' {1..2000}
		echo
	} >"$CASES/901-long-line-bad.conf"
}

# Given by -F a file is taken whoever may write it, as ssh does.
group_writable()
{
	printf '%s\n' "# args: -J gw1" "User ops" >"$CASES/902-group-writable.conf"
	chmod 664 "$CASES/902-group-writable.conf"
}

# 17 gateways, one ProxyJump each.
deep()
{
	local i

	echo "# args: -J g17"
	echo "# names: 16"
	for i in {2..17}; do
		printf 'Host g%d\n\tProxyJump g%d\n' "$i" $((i - 1))
	done
}

no_newline()
{
	printf '# args: -J gw1\nHost gw1\n\tUser ops' \
	    >"$CASES/904-no-newline.conf"
}

directory()
{
	printf '# args: -F %s -J gw1\n# no -F\n' "$CASES/inc" \
	    >"$CASES/905-directory.conf"
}

# No byte of a file may reach the terminal as it is.
bytes()
{
	printf '# args: -J gw1\nNoSuch\033[31mKeyword\007 yes\n' \
	    >"$CASES/906-control-characters.conf"
	printf '# args: -J gw1\nHost gw1\n\tUser j\303\266rg\n' \
	    >"$CASES/907-utf8.conf"
}

prepare()
{
	mkdir "$T/out"
	cp -R "$TESTS/plan" "$CASES"
	find "$CASES" -type f -exec sed -i "s,@T@,$CASES,g" {} +
	# what ssh -v would start to reach a jump host
	mkdir "$CASES/bin"
	printf '#!/bin/sh\nread -r line\n' >"$CASES/bin/ssh"
	chmod +x "$CASES/bin/ssh"
	long_lines
	group_writable
	deep >"$CASES/903-seventeen-deep.conf"
	no_newline
	directory
	bytes
	COUNT=$(ls "$CASES"/*.conf | wc -l)
}

# ---- the user's own files --------------------------------------------------

# at_home COMMAND...: where the home of the password file is $T/home.
at_home()
{
	local map=

	[ "$(id -u)" -eq 0 ] || map=-r
	unshare -m $map sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' \
	    sh "$T/home" "$OWN_HOME" "$@"
}

# home_case NAME LINES...: with ~/.ssh/config and no -F.
home_case()
{
	local name=$1

	shift
	printf '# args: -J gw1,gw2\n# no -F\n' >"$T/home-cases/$name.conf"
	printf '%s\n' "$@" >"$T/home/.ssh/config"
}

home_check()
{
	export PROXYHOP
	judge "own files" 1 < <(at_home "$PYTHON" "$TESTS/plan.py" check \
	    "$T/home-cases" "$T/out" "$T/home-cases/$1.conf")
	export -n PROXYHOP
}

own_files()
{
	OWN_HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
	mkdir -p "$T/home/.ssh" "$T/home-cases"
	case $TESTS/:$PROXYHOP in
	"$OWN_HOME"/*|*:"$OWN_HOME"/*)
		echo "	own files: the program is in the home"
		return ;;
	esac
	if ! at_home true 2>/dev/null; then
		echo "	own files: no mount of our own"
		return
	fi
	home_case read "Host gw1" "User at-home" "Include part*"
	echo "Port 2022" >"$T/home/.ssh/part1"
	home_check read
	home_case part-writable "Host gw1" "Include part*"
	chmod 666 "$T/home/.ssh/part1"
	home_check part-writable
	home_case writable "User at-home"
	chmod 666 "$T/home/.ssh/config"
	home_check writable
	equal "own files: ssh refuses the last one" \
	    "$(at_home ssh -G x >/dev/null 2>&1; echo $?)" 255
	home_case bad "NoSuchKeyword yes"
	chmod 600 "$T/home/.ssh/config"
	home_check bad
}

# ---- the comparer can fail -------------------------------------------------

# liar SENTENCE CASE SCRIPT: a program that doctors what proxyhop says is
# found out.  In the script $@ is the true command.
liar()
{
	local lines

	cat >"$T/liar" <<-END
	#!/usr/bin/env bash
	set -- $PROXYHOP_WRAP $PROXYHOP "\$@"
	$3
	END
	chmod +x "$T/liar"
	lines=$(PROXYHOP=$T/liar PROXYHOP_WRAP= plan_py check "$CASES" \
	    "$T/liars" "$CASES"/[0-9][0-9][0-9]-"$2".conf)
	if [[ $lines == FAIL\ * && $lines != *$'\n'* ]]; then
		ok "twin: $1"
	else
		fail "twin: $1 (it says: $lines)"
	fi
}

liars()
{
	mkdir "$T/liars"
	liar "a value of the second hop" host-negation \
	    '"$@" | sed "/^hop 2/,\$s/^port .*/port 2029/"'
	liar "a line less" identities '"$@" | grep -v "for-two"'
	liar "identities changed over" identities \
	    '"$@" | sed "/first\$/{h;d};/second\$/G"'
	liar "hops changed over" host-negation \
	    '"$@" | sed "s/^hop 1.*/hop 1 gw2/;s/^hop 2.*/hop 2 gw1/"'
	liar "a hop less" nested '"$@" | sed "/^hop 3/,/^target/{/^target/!d}"'
	liar "a name not expanded" certificates \
	    '"$@" | sed "/^certificatefile/s,.*/\.ssh/,~/.ssh/,"'
	liar "another target" target-block '"$@" | sed "s/^target.*/target db2 22/"'
	liar "a word more" hostname '"$@"; echo more >&2'
	liar "status" hostname '"$@"; exit 1'
	liar "taken, what ssh refuses" bad-port \
	    '"$@" 2>/dev/null; echo "target target.invalid 22"'
	liar "status 2 for 1" bad-port '"$@"; exit 2'
	liar "other words than ssh's" bad-port \
	    '"$@" 2>/dev/null || { echo proxyhop: no >&2; exit 1; }'
	liar "no word" loglevel-quiet-option '"$@" 2>/dev/null'
	liar "two lines" unknown '"$@" 2>&1 | sed "s/;/\n/" >&2; exit 1'
	liar "nothing at all" empty 'true'
}

# ---- -v, and proxyhop's own file -------------------------------------------

# With -v each line is the plain one and where it comes from.
sources()
{
	local conf args=(-J ops@gw1,gw2 -o gw2:Port=2022 -o Compression=yes
	    -i /dev/null)

	conf=$(ls "$CASES"/*-known-hosts-blanks.conf)
	bare -G -r none -F "$conf" "${args[@]}" db1 22 >"$T/plain" </dev/null
	bare -G -v -r none -F "$conf" "${args[@]}" db1 22 >"$T/more" \
	    2>"$T/more.err" </dev/null
	equal "-v: as many lines" "$(wc -l <"$T/more")" "$(wc -l <"$T/plain")"
	check "-v: the plain lines, with more behind" awk '
		NR == FNR { line[FNR] = $0; next }
		index($0, line[FNR]) != 1 { print; bad = 1 }
		/^(you|hop|target) /{ next }
		length($0) == length(line[FNR]) { print; bad = 1 }
		END { exit bad }' "$T/plain" "$T/more"
}

# like SENTENCE ARGUMENTS -- LINES...: with these lines in its own file
# proxyhop makes the plan it makes with these arguments.
like()
{
	local sentence=$1 args=()

	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	printf '%s\n' "$@" >"$T/routes"
	bare -G -r none -F none "${args[@]}" db1 22 \
	    >"$T/wanted" 2>&1 </dev/null
	bare -G -r "$T/routes" -F none "${EXTRA[@]}" db1 22 \
	    >"$T/got" 2>&1 </dev/null
	grep -q '^hop 1 ' "$T/wanted" ||
	    fail "$sentence: there is a plan" "$T/wanted"
	check "own file: $sentence" diff "$T/wanted" "$T/got"
}

own_file()
{
	local EXTRA=()

	like "one line" -J gw1,gw2 -o gw2:User=ops -- \
	    "# a comment" "" "db* -J gw1,gw2 -o gw2:User=ops"
	like "lines that do not match" -J gw2 -- \
	    "web* -J gw1" "!db1,* -J gw3" "db1 -J gw2"
	like "every line that matches" \
	    -J gw1 -o Port=2022 -o User=first -o User=second -- \
	    "db1 -o Port=2022" "* -o User=first -J gw1" "d* -o User=second"
	like "the first -J" -J gw1 -- "db1 -J gw1" "* -J gw2"
	like "quotes" -J gw1 -o "UserKnownHostsFile /a/b" -- \
	    "db1 -J 'gw1' -o \"UserKnownHostsFile /a/b\""
	EXTRA=(-J gw9 -o Port=2029)
	like "the command line wins" -J gw9 -o Port=2029 -o User=ops -- \
	    "db1 -J gw1 -o Port=2022 -o User=ops"
}

# ---- all of it -------------------------------------------------------------

prepare
at_least "cases" "$COUNT" 60
judge plan "$COUNT" < <(plan_py check "$CASES" "$T/out")
check "no LocalCommand was run" test ! -e "$CASES/trace-local"
together "ssh -v tries the names as they are expanded here" voice
together "every change of what is expected is noticed" twin
liars
sources
own_file
own_files
