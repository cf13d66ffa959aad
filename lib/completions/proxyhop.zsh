#compdef proxyhop
# Completion of proxyhop(1) for zsh: options, the hosts of ssh's configuration,
# and after -o the hops of -J, with a colon, and keywords.

# The names in the Host lines of ssh's configuration, or of -F's file.
_proxyhop_hosts() {
	local -a hosts

	hosts=(${(f)"$(sh -c '
@HOSTS@
' sh "${(Q)opt_args[-F]-}")"})
	_describe -t hosts host hosts "$@"
}

# [user@]host[,...]
_proxyhop_jump() {
	compset -P '*[,@]'
	_proxyhop_hosts -S ''
}

# [hop:]keyword=
_proxyhop_option() {
	local -a hops keywords
	local expl

	keywords=(
@KEYWORDS@
	)
	[[ $PREFIX != *=* ]] || return 1
	if compset -P '*:'; then
		_wanted keywords expl keyword compadd -S = -a keywords
		return
	fi
	hops=(${(s:,:)${(Q)opt_args[-J]-}})
	hops=(${${hops#*@}%:[0-9]*})
	_wanted hops expl 'jump host' compadd -S : -a hops
	_wanted keywords expl keyword compadd -S = -a keywords
}

_proxyhop() {
	_arguments -s -S \
	    '(-6)-4[IPv4 to the first hop]' \
	    '(-4)-6[IPv6 to the first hop]' \
	    '-E+[append messages to a file]:log file:_files' \
	    '-F+[configuration file for ssh]:configuration file:_files' \
	    '-f[hand the connection over to ssh]' \
	    '-G[print the route and all settings]' \
	    '(- *)-h[help]' \
	    '*-i+[a key to offer to every hop]:identity file:_files' \
	    '-J+[the jump hosts, nearest first]:jump hosts:_proxyhop_jump' \
	    '*-o+[a keyword of ssh_config, for all hops or one]:option:_proxyhop_option' \
	    '-q[say nothing]' \
	    '-r+[the route file]:route file:_files' \
	    '-t[try the route, and print timings]' \
	    '*-v[say what is done]' \
	    '(- *)-V[print versions]' \
	    '1:host:_proxyhop_hosts' \
	    '2:port:(22)'
}

_proxyhop "$@"
