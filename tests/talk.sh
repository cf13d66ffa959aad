# talk.sh: proxyhop and a person on a terminal, for the scenarios that source it
# after harness.sh.

# talk SENTENCE STATUS STEPS... -- ARGUMENTS: proxyhop on a terminal, to the
# peer called echo; with status 0 a line goes there and back, and stderr has
# nothing but what $may_say matches, else one line more says why not.  STATUS is an
# extended regular expression.
talk()
{
	local sentence=$1 want=$2 why= steps=()

	shift 2
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" \
	    --deadline $((20 * TEST_TIME_FACTOR)) --send "there and back" \
	    "${steps[@]}" -- $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" "$@" \
	    127.0.0.1 "${PORT[echo]}" || why="$(field failed "$T/talk.info")"
	[[ $(field status "$T/talk.info") =~ ^($want)$ ]] ||
	    why="$why status $(field status "$T/talk.info")"
	[ "$(field echo_after "$T/talk.info")" = on ] || why="$why no echo"
	if [ "$want" = 0 ]; then
		[ "$(cat "$T/talk.out")" = "there and back" ] ||
		    why="$why stdout"
		! grep -Evq "${may_say:-^$}" "$T/talk.err" || why="$why stderr"
	else
		[ ! -s "$T/talk.out" ] || why="$why stdout"
		[ "$(grep -Evc "${may_say:-^$}" "$T/talk.err")" -eq 1 ] ||
		    why="$why not one line"
	fi
	if [ -z "$why" ]; then
		ok "$sentence"
	else
		fail "$sentence ($why)" "$T/talk.tty" "$T/talk.err" \
		    "$T/talk.info"
		return 1
	fi
}
