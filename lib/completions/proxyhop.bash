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
look() {
	for file; do
		[ -f "$file" ] && [ -r "$file" ] || continue
		while read -r key value; do
			value=${value#=}
			case $key in
			[Hh][Oo][Ss][Tt])
				set -f
				for name in $value; do
					case $name in
					*[*?!]*) ;;
					*) printf "%s\n" "$name" ;;
					esac
				done
				set +f ;;
			[Ii][Nn][Cc][Ll][Uu][Dd][Ee])
				[ ${#depth} -gt 8 ] || (
				depth=$depth.
				case $value in
				"~/"*) value=$HOME${value#"~"} ;;
				esac
				look $value) ;;
			esac
		done <"$file"
	done
}
case ${1:-} in
none) ;;
"")	cd ~/.ssh 2>/dev/null && look config
	cd /etc/ssh 2>/dev/null && look ssh_config ;;
"~/"*)	cd ~/.ssh 2>/dev/null; look "$HOME${1#"~"}" ;;
/*)	cd ~/.ssh 2>/dev/null; look "$1" ;;
*)	here=$PWD; cd ~/.ssh 2>/dev/null; look "$here/$1" ;;
esac
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
	    AddKeysToAgent AddressFamily BatchMode BindAddress BindInterface
	    CASignatureAlgorithms CertificateFile CheckHostIP Ciphers
	    Compression ConnectionAttempts ConnectTimeout ControlMaster
	    ControlPath ControlPersist ForwardCommand
	    GlobalKnownHostsFile GSSAPIAuthentication
	    GSSAPIClientIdentity GSSAPIServerIdentity GSSAPITrustDns
	    HashKnownHosts HostKeyAlgorithms HostKeyAlias HostName
	    IdentitiesOnly IdentityAgent IdentityFile
	    KbdInteractiveAuthentication KexAlgorithms
	    KnownHostsCommand LoginTimeout LogLevel MACs
	    NoHostAuthenticationForLocalhost NumberOfPasswordPrompts
	    PasswordAuthentication PKCS11Provider Port
	    PreferredAuthentications ProxyCommand ProxyJump
	    ProxyUseFdpass PubkeyAcceptedAlgorithms
	    PubkeyAuthentication RekeyLimit RemoteCommand
	    RequiredRSASize RevokedHostKeys SecurityKeyProvider
	    ServerAliveCountMax ServerAliveInterval
	    StrictHostKeyChecking TCPKeepAlive User UserKnownHostsFile
	    VerifyHostKeyDNS
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
