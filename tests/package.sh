#!/usr/bin/env bash
# Goal: make deb makes a Debian package that lintian has nothing against; in a
# bare system apt installs it with what it depends on, the program runs there,
# and its removal leaves nothing; and with the packages that it declares, and no
# more, its source builds there to the same.  make check runs this once; it
# takes packages from the machine's own sources.

. "$(dirname "$0")/harness.sh"

TOP=$(dirname "$TESTS")
git -C "$TOP" rev-parse 2>/dev/null || die "this is a git tree"

git clone -q "$TOP" "$T/clone" 2>"$T/clone.log" || die "clone" "$T/clone.log"
check "make deb" env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
    make -s -C "$T/clone" deb || exit 1
cp "$T/check.out" "$T/deb.out"
deb=$T/clone/$(sed -n "s/^deb: //p" "$T/deb.out")
check "make deb: says what it has made" test -f "$deb" || exit 1
equal "make deb: nothing new at the top level" \
    "$(git -C "$T/clone" status --porcelain)" ""
version=$(dpkg-deb -f "$deb" Version)
equal "the version is that of the program" "${version%-*}" \
    "$("$PROXYHOP" -V | sed 's/^proxyhop \([^,]*\),.*/\1/;q')"
equal "the changelog is that of CHANGES" \
    "$(dpkg-deb --fsys-tarfile "$deb" |
    tar -xO ./usr/share/doc/proxyhop/changelog.Debian.gz | zcat |
    grep -c '^  \* ')" "$(sed '1,/^[0-9]/d; /^[0-9]/,$d' "$TOP/CHANGES" |
    grep -c '^- ')"
lintian --allow-root --fail-on error,warning --info \
    "${deb%/*}"/proxyhop_*.changes >"$T/lintian" 2>&1
equal "lintian: status" $? 0
equal "lintian: no word" "$(cat "$T/lintian")" ""

# ---- in a bare system ----------------------------------------------------------

mkdir "$T/deb"
cp "${deb%/*}"/proxyhop_* "$T/deb"
# It leaves what it finds in /deb, one file for each question.
cat >"$T/deb/inside" <<'END'
set -eu
cd /deb
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
get="apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0"

everything()
{
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o \
	    -path /deb -o -path /tmp -o -path /run -o -path /var/log -o \
	    -path /var/lib/apt -o -path /var/lib/dpkg -o \
	    -path /var/cache \) -prune -o -print | sort
}

everything >before
$get install ./proxyhop_*.deb
proxyhop -V >version
proxyhop -J gw1 -G db1 22 >plan 2>plan.err
dpkg -L proxyhop | while read -r file; do
	[ -d "$file" ] || echo "$file"
done | sort >installed
dpkg --verify proxyhop >changed
zcat /usr/share/man/man1/proxyhop.1.gz >manual
$get autoremove --purge proxyhop
everything | diff before - >left || :
$get build-dep ./proxyhop_*.dsc
dpkg-source -x proxyhop_*.dsc source
cd source
dpkg-buildpackage -b -us -uc
dpkg -c ../proxyhop_*.deb | sed 's/.* //' >../built
$get install ../proxyhop_*.deb
proxyhop -V >../built.version
END

# The machine's own sources, whatever their form.
sources()
{
	local file

	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
	    /etc/apt/sources.list.d/*.sources; do
		[ ! -s "$file" ] || echo "$file"
	done
}

command -v mmdebstrap >/dev/null || die "there is mmdebstrap (make deps)"
dpkg-deb -c "$deb" | sed 's/.* //' >"$T/contents"
mapfile -t sources < <(sources)
(
	umask 022
	timeout 480 mmdebstrap --variant=apt --format=null \
	    --dpkgopt=force-unsafe-io \
	    --customize-hook="copy-in $T/deb /" \
	    --customize-hook='chroot "$1" sh -x /deb/inside' \
	    --customize-hook="sync-out /deb $T/deb" \
	    "" - "${sources[@]}" </dev/null >"$T/mmdebstrap" 2>&1
)
equal "a bare system is made, and all in it is done" $? 0 ||
    die "in a bare system" "$T/mmdebstrap"
cd "$T/deb" || exit 1
equal "installed: what is in the package" "$(cat installed)" \
    "$(grep -v '/$' "$T/contents" | cut -c 2- | sort)"
for file in bin/proxyhop share/man/man1/proxyhop.1.gz \
    share/doc/proxyhop/{README.gz,copyright,changelog.gz,ssh_config.example} \
    share/bash-completion/completions/proxyhop \
    share/zsh/vendor-completions/_proxyhop \
    share/fish/vendor_completions.d/proxyhop.fish; do
	check "installed: $file" grep -qx "/usr/$file" installed
done
equal "installed: unchanged" "$(cat changed)" ""
check "installed: the manual is whole" cmp manual "$TOP/proxyhop.1"
check "the program runs" grep -q "^proxyhop ${version%-*}, libssh " version
equal "the program runs without an ssh" "$(head -n 1 plan)" \
    "you -> gw1:22 -> db1:22"
equal "removed, and what it brought: nothing is left" "$(cat left)" ""
equal "built there: the same files" "$(sort built)" "$(sort "$T/contents")"
check "built there: it runs" cmp built.version version
