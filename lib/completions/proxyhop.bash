# Completion of proxyhop(1) for bash: options, the hosts of ssh's configuration,
# and after -o the hops of -J, with a colon, and keywords.

# What is before the cursor, in words; bash's own break at : and =, too.
_proxyhop_words()
{
	local line=${COMP_LINE:0:COMP_POINT}

	read -ra words <<<"$line"
	case $line in
	*[[:blank:]])	words+=("") ;;
	esac
}

# _proxyhop_value LETTER: the values of all -LETTER so far.
_proxyhop_value()
{
	local i word

	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		[[ $word =~ ^-[46fGhqtvV]*$1(.*)$ ]] || continue
		word=${BASH_REMATCH[1]}
		[ -n "$word" ] || word=${words[i + 1]}
		echo "$word"
	done
}

# The names in the Host lines of ssh's configuration, or of -F's file.
_proxyhop_hosts()
{
	sh -c '
@HOSTS@
' sh "$(_proxyhop_value F | tail -n 1)"
}

# The jump hosts of -J: what -o may begin with.
_proxyhop_hops()
{
	_proxyhop_value J | tr ',' '\n' | sed 's/^.*@//; s/:[0-9]*$//; s/$/:/'
}

_proxyhop_keywords()
{
	echo '
@KEYWORDS@
' | sed 's/[^[:space:]][^[:space:]]*/&=/g'
}

# _proxyhop_reply PREFIX WORDS: those that go on with what is written after
# PREFIX.  readline replaces only what is after the last of its own breaks.
_proxyhop_reply()
{
	local done=$1 breaks=${COMP_WORDBREAKS//[^:=@]/}

	mapfile -t COMPREPLY < <(compgen -P "$done" -W "$2" -- \
	    "${cur#"$done"}")
	[ -n "$breaks" ] && [[ $cur == *["$breaks"]* ]] || return 0
	done=${cur%"${cur##*["$breaks"]}"}
	COMPREPLY=("${COMPREPLY[@]#"$done"}")
}

_proxyhop_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# After -o: [hop:]keyword=
_proxyhop_option()
{
	local done=

	case $cur in
	*=*)	return ;;
	*:*)	done=${cur%"${cur##*:}"} ;;
	esac
	compopt -o nospace 2>/dev/null
	if [ -n "$done" ]; then
		_proxyhop_reply "$done" "$(_proxyhop_keywords)"
	else
		_proxyhop_reply "" "$(_proxyhop_hops) $(_proxyhop_keywords)"
	fi
}

# [user@]host[,...]
_proxyhop_jump()
{
	compopt -o nospace 2>/dev/null
	_proxyhop_reply "${cur%"${cur##*[,@]}"}" "none $(_proxyhop_hosts)"
}

_proxyhop()
{
	local words cur prev

	COMPREPLY=()
	_proxyhop_words
	cur=${words[${#words[@]} - 1]}
	prev=
	[ ${#words[@]} -lt 2 ] || prev=${words[${#words[@]} - 2]}
	[[ $prev =~ ^-[46fGhqtvV]*[EFiJor]$ ]] || prev=
	case $prev in
	*[EFir])	_proxyhop_files ;;
	*J)		_proxyhop_jump ;;
	*o)		_proxyhop_option ;;
	*)
		case $cur in
		-*)	_proxyhop_reply "" \
			    "-4 -6 -E -F -f -G -h -i -J -o -q -r -t -v -V" ;;
		*)	_proxyhop_reply "" "$(_proxyhop_hosts)" ;;
		esac ;;
	esac
}

complete -F _proxyhop proxyhop
