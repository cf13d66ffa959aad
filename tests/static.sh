#!/usr/bin/env bash
# Goal: the program of make static needs nothing but itself: in a folder that
# is all it sees, with a route file, a key and known_hosts, it carries through
# two gateways, looks a name up, and refuses a wrong host key.  make
# check-static runs it.

. "$(dirname "$0")/harness.sh"

gateways
start_peer echo echo

check "it is linked with nothing" sh -c "! readelf -d '$PROXYHOP' |
    grep NEEDED"
check "no program is needed to start it" sh -c "! readelf -l '$PROXYHOP' |
    grep INTERP"
"$PROXYHOP" -V >"$T/version"
for part in musl zlib openssl libmd libbsd libssh; do
	check "-V names $part and its version" \
	    grep -Eq "^linked with .*$part [0-9]" "$T/version"
done

mkdir "$T/empty"
cp "$PROXYHOP" "$T/empty/proxyhop"
cp "$T/id" "$T/known_hosts" "$T/empty"
cat >"$T/empty/routes" <<END
* -J gw1,gw2 -o gw1:Port=${PORT[gw1]} -o gw2:Port=${PORT[gw2]}
* -o User=$ME -o IdentityFile=/id -o IdentitiesOnly=yes -o BatchMode=yes
* -o HostName=127.0.0.1 -o UserKnownHostsFile=/known_hosts
* -o StrictHostKeyChecking=yes
END
sed "s/ .*/ $(cut -d' ' -f1,2 "$T/target.key.pub" | sed 's|/|\\/|g')/" \
    "$T/known_hosts" >"$T/empty/wrong"

# alone ARGUMENTS: in a folder that is all it sees
alone()
{
	local as=()

	[ "$(id -u)" -eq 0 ] || as=(unshare -r)
	timeout $((20 * TEST_TIME_FACTOR)) "${as[@]}" env -i \
	    PROXYHOP_TEST="$T" HOME=/ "$(command -v chroot)" "$T/empty" /proxyhop \
	    -r /routes "$@"
}

equal "all there is" "$(cd "$T/empty" && echo *)" \
    "id known_hosts proxyhop routes wrong"
echo there and back | alone 127.0.0.1 "${PORT[echo]}" >"$T/out" 2>"$T/err"
equal "alone: status" "${PIPESTATUS[1]}" 0
equal "alone: carries through two gateways" "$(cat "$T/out")" "there and back"
equal "alone: no word but that there is no ssh" "$(cat "$T/err")" \
    "proxyhop: no ssh that knows -G: ssh_config is not read"
alone -o UserKnownHostsFile=/wrong 127.0.0.1 "${PORT[echo]}" </dev/null \
    >"$T/out" 2>"$T/err" && fail "alone: a wrong host key is refused"
check "alone: a wrong host key is refused" \
    grep -q "gw1 .*Host key verification failed" "$T/err"
alone -o gw1:HostName=no.such.name.invalid 127.0.0.1 "${PORT[echo]}" \
    </dev/null >"$T/out" 2>"$T/err" && fail "alone: a name that is nowhere"
check "alone: a name that is nowhere" grep -q "gw1 .*: resolve: " "$T/err"
