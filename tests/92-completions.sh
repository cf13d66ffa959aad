#!/usr/bin/env bash
# Goal: bash, zsh and fish complete proxyhop's options, the hosts of ssh's
# configuration, hops and keywords after -o, and files where a file belongs;
# and know every keyword that the program knows.

. "$(dirname "$0")/harness.sh"

FILES=$T/completions
make -s -C "$(dirname "$TESTS")" O="$T" completions || die "make completions"
mkdir -p "$T/.ssh/conf.d" "$T/etc" "$T/dir"
cat >"$T/.ssh/config" <<-END
	Include conf.d/*
	Include ~/absent
	Host db1 db2 *.example.org !never
	    HostName 127.0.0.1
	host = gw1
	Match host other
	    Port 1
	END
echo "Host gw2 db-inner" >"$T/.ssh/conf.d/one"
echo "Host only-here" >"$T/own.conf"
touch "$T/own.key"
cd "$T" || exit 1

# What each shell offers for a line whose end the cursor is at, whole words.
cat >"$T/bash.run" <<'END'
. "$1/proxyhop.bash"
COMP_LINE=$2 COMP_POINT=${#2}
_proxyhop
# what readline keeps: all up to the last of its breaks
word=${2##* }
kept=
case $word in *[:=]*) kept=${word%"${word##*[:=]}"} ;; esac
[ ${#COMPREPLY[@]} -eq 0 ] || printf "$kept%s\n" "${COMPREPLY[@]}"
END
cat >"$T/fish.run" <<'END'
source $argv[1]/proxyhop.fish
complete -C $argv[2] | string replace -r '\t.*' ''
END
# In a terminal of its own, with a compadd that tells what it is given.
mkdir "$T/zdot"
cat >"$T/zdot/.zshrc" <<END
fpath=($T/fpath \$fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
	local -a given suffix
	builtin compadd -O given "\$@"
	suffix=("\${(@)argv[(r)-S,-1]}")
	(( ! \$#given )) ||
	    print -rl -- "\$IPREFIX"\${^given}"\${\${suffix[2]-}% }" >>$T/zsh.out
	builtin compadd "\$@"
}
completed() { : >$T/zsh.done }
bindkey "^I" complete-word
bindkey -s "^X" "^Ucompleted\n"
PROMPT=READY
END
# A line on stdin, its words on stdout, with a dot below; zsh's start takes time.
cat >"$T/zsh.py" <<'END'
import os, pty, select, sys, time
top = sys.argv[1]
out, done = top + "/zsh.out", top + "/zsh.done"
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", ZDOTDIR=top + "/zdot")
    os.execvp("zsh", ["zsh", "-i"])


def until(there):
    text, end = b"", time.time() + 20
    while not there(text) and time.time() < end:
        if select.select([fd], [], [], 0.02)[0]:
            text += os.read(fd, 4096)


until(lambda text: b"READY" in text)
for line in sys.stdin:
    for name in (out, done):
        if os.path.exists(name):
            os.unlink(name)
    os.write(fd, line.rstrip("\n").encode() + b"\t\x18")
    until(lambda text: os.path.exists(done) and
          text.endswith(b"READY\x1b[?2004h"))
    if os.path.exists(out):
        print(open(out).read(), end="")
    print(".", flush=True)
os.close(fd)
os.waitpid(pid, 0)
END
mkdir "$T/fpath"
cp "$FILES/proxyhop.zsh" "$T/fpath/_proxyhop"

# offers SHELL LINE
offers()
{
	local word

	case $1 in
	bash)	bash --norc "$T/bash.run" "$FILES" "$2" ;;
	fish)	XDG_CONFIG_HOME=$T/fish fish --no-config "$T/fish.run" \
		    "$FILES" "$2" ;;
	zsh)
		echo "$2" >&7
		while read -r -u 8 word && [ "$word" != . ]; do
			echo "$word"
		done ;;
	esac 2>"$T/$1.err" | sort -u
}

# completes SENTENCE LINE WORDS: just these words, by all three.
completes()
{
	local shell

	for shell in bash zsh fish; do
		equal "$shell: $1" "$(offers $shell "$2" | xargs)" "$3"
	done
}

# knows SENTENCE LINE WORDS: these words, among others
knows()
{
	local shell word missing

	for shell in bash zsh fish; do
		offers $shell "$2" >"$T/offers"
		missing=
		for word in $3; do
			grep -qxF -e "$word" "$T/offers" ||
			    missing="$missing $word"
		done
		equal "$shell: $1" "$missing" ""
	done
}

for shell in bash zsh fish; do
	command -v $shell >/dev/null || die "there is $shell"
done
coproc ZSH { exec "$PYTHON" "$T/zsh.py" "$T" 2>"$T/zsh.err"; }
zsh=$ZSH_PID
exec 7>&"${ZSH[1]}" 8<&"${ZSH[0]}" {ZSH[1]}>&- {ZSH[0]}<&-
completes "hosts, also of an included file, no patterns" \
    "proxyhop db" "db-inner db1 db2"
completes "the hosts of -F's file alone" "proxyhop -F own.conf o" only-here
completes "-J: a jump host" "proxyhop -J gw" "gw1 gw2"
completes "-J: the second jump host" "proxyhop -J gw1,db-" "gw1,db-inner"
completes "-o: the jump hosts of -J" "proxyhop -J gw1,ops@gw2:22 -o gw" \
    "gw1: gw2:"
completes "-o: a keyword" "proxyhop -o StrictH" "StrictHostKeyChecking="
completes "-o: a keyword for one jump host" "proxyhop -J gw1 -o gw1:Us" \
    "gw1:User= gw1:UserKnownHostsFile="
completes "-i: a file" "proxyhop -i own." "own.conf own.key"
completes "-F: a file" "proxyhop -F own.c" "own.conf"
completes "-E: a file" "proxyhop -vE own.k" "own.key"

# every keyword in the program's table, but for the one that is always turned
# off, and every option in its usage
wanted=$(sed -nE 's/^\t(ROW|OWN|ELSE|ONE)\(([a-z0-9]+),.*/\2/p' \
    "$TESTS/../lib/plan/keyword.c" | grep -vx forkafterauthentication | sort)
options=$(bare -h | sed -nE 's/^  (-.*)  .*/\1/p' | tr ', ' '\n\n' |
    grep -Eo '^-[A-Za-z46]' | sort -u)
at_least "keywords were found" "$(wc -w <<<"$wanted")" 40
at_least "options were found" "$(wc -w <<<"$options")" 14
for shell in bash zsh fish; do
	equal "$shell: -o: every keyword of the program" \
	    "$(offers $shell "proxyhop -o " | grep '=$' | tr -d = |
	    tr '[:upper:]' '[:lower:]' | sort | comm -13 - <(echo "$wanted"))" ""
	case $shell in
	zsh)	sed -nE 's/.*[^a-z](-[A-Za-z46])\+?\[.*/\1/p' \
		    "$FILES/proxyhop.zsh" ;;
	*)	offers $shell "proxyhop -" ;;
	esac | grep -Eo '^-[A-Za-z46]' | sort -u >"$T/options"
	equal "$shell: every option" "$(comm -13 "$T/options" \
	    <(echo "$options") | xargs)" ""
done
exec 7>&- 8<&-
wait "$zsh"
