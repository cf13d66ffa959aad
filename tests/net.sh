# net.sh: the network as a scenario wants it, for those that source it after
# harness.sh: long links, links that come to a halt, and names.

# start_slow NAME [slow.py arguments] SERVER: a link of that kind to a server.
start_slow()
{
	start_python "$1" slow.py "${@:2:$#-2}" "${PORT[${!#}]}"
}

# by NAME LINK: lines of ssh_config that take a server's link to it.
by()
{
	printf '%s\n' "Host $1" "Port ${PORT[$2]}" \
	    "HostKeyAlias [127.0.0.1]:${PORT[$1]}"
}

# names LINES...: what names.c tells proxyhop when it is run by "named".
names()
{
	if [ ! -f "$T/names.so" ]; then
		cc -shared -fPIC -D_GNU_SOURCE -o "$T/names.so" \
		    "$TESTS/names.c" -ldl >"$T/cc.log" 2>&1 ||
		    die "cc builds a resolver" "$T/cc.log"
	fi
	rm -f "$T/names.asked"
	printf '%s\n' "$@" >"$T/names"
}

# named COMMAND...: with these names.
named()
{
	local -x TEST_NAMES=$T/names LD_PRELOAD=$T/names.so
	# it comes before the sanitizer's own library
	local -x ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

	"$@"
}
