#!/usr/bin/env bash
# Goal: make install brings the program, the manual, the documents and the
# completions to where they belong, and make uninstall takes just these away;
# make dist makes one tar file, always the same, of a clean tree, and what is in
# it builds and installs without git.

. "$(dirname "$0")/harness.sh"

TOP=$(dirname "$TESTS")

# make_in DIR ARGUMENTS: without the variables of a make that started us.
make_in()
{
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$@"
}

# files DIR: all that is not a folder
files()
{
	(cd "$1" && find . ! -type d | sort | cut -c 2- | xargs)
}

# wanted PREFIX: what make install installs
wanted()
{
	printf "$1/%s\n" bin/proxyhop share/man/man1/proxyhop.1 \
	    share/doc/proxyhop/{README,LICENSE,CHANGES,ssh_config.example} \
	    share/bash-completion/completions/proxyhop \
	    share/zsh/site-functions/_proxyhop \
	    share/fish/vendor_completions.d/proxyhop.fish | sort | xargs
}

installs()
{
	check "install, PREFIX=$1" make_in "$TOP" PROG="$PROXYHOP" \
	    O="$T/none" DESTDIR="$T/root" PREFIX="$1" -o "$PROXYHOP" install
	equal "install, PREFIX=$1: just these files" "$(files "$T/root")" \
	    "$(wanted "$1")"
}

installs /usr
check "the installed program is the one that was built" \
    cmp "$T/root/usr/bin/proxyhop" "$PROXYHOP"
equal "who may do what" "$(cd "$T/root/usr" && stat -c '%a' bin/proxyhop \
    share/man/man1/proxyhop.1 share/zsh/site-functions/_proxyhop | xargs)" \
    "755 644 644"
echo mine >"$T/root/usr/share/doc/proxyhop/notes"
check "uninstall" make_in "$TOP" DESTDIR="$T/root" PREFIX=/usr uninstall
equal "uninstall: another's file is left, and nothing else" \
    "$(files "$T/root")" /usr/share/doc/proxyhop/notes
rm -rf "$T/root"
installs /opt/p
check "uninstall" make_in "$TOP" DESTDIR="$T/root" PREFIX=/opt/p uninstall
equal "uninstall: nothing is left" "$(files "$T/root")" ""

git -C "$TOP" rev-parse 2>/dev/null || skip "make dist: this is no git tree"
git clone -q "$TOP" "$T/clone" 2>"$T/clone.log" || die "clone" "$T/clone.log"
check "dist" make_in "$T/clone" dist
tar=$(echo "$T/clone"/build/proxyhop-*.tar.gz)
sum=$(sha256sum <"$tar")
rm "$tar"
(umask 022; TZ=Asia/Tokyo make_in "$T/clone" dist) >/dev/null 2>&1
equal "dist: again the same" "$(sha256sum <"$tar")" "$sum"
rm "$tar"
echo >>"$T/clone/README"
make_in "$T/clone" dist >"$T/dist.out" 2>"$T/dist.err" &&
    fail "dist: a tree with changes is refused"
grep -q 'not committed' "$T/dist.err" && [ ! -e "$tar" ] &&
    ok "dist: a tree with changes is refused"
git -C "$T/clone" checkout -q README
touch "$T/clone/lib/base/new.c"
make_in "$T/clone" dist >/dev/null 2>&1 || :
check "dist: so is one with a new file" test ! -e "$tar"
rm "$T/clone/lib/base/new.c"
make_in "$T/clone" dist >/dev/null 2>&1
mkdir "$T/unpacked"
tar -C "$T/unpacked" -xzf "$tar"
equal "dist: one folder, named after the version" "$(ls "$T/unpacked")" \
    "proxyhop-$("$PROXYHOP" -V | sed 's/^proxyhop \([^,]*\),.*/\1/')"
dir=$(echo "$T"/unpacked/*)
check "dist: builds where there is no git" make_in "$dir" -j2 CFLAGS=-O0 all
check "dist: installs" make_in "$dir" DESTDIR="$T/root" PREFIX=/usr install
equal "dist: the same files" "$(files "$T/root")" "$(wanted /usr)"
check "dist: it runs" "$T/root/usr/bin/proxyhop" -V
