#!/usr/bin/env bash
# Goal: where ssh's jump host gets in, proxyhop does, with as many questions and
# tries: what a survey of ssh's keywords, of keys and of logins has found.

. "$(dirname "$0")/harness.sh"

REAL=$(command -v ssh)
user_key
start_peer echo echo
# Who asks is noted; what is asked for is "sealed".
printf '#!/bin/sh\necho "$1" >>%s/asked\necho sealed\n' "$T" >"$T/askpass"
chmod +x "$T/askpass"
export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force

# by_ssh NAME, by_us NAME: into that jump host, and a line there and back?  This
# is the command that ssh -J runs for a jump host.
by_ssh()
{
	echo arrived | timeout $((30 * TEST_TIME_FACTOR)) setsid -w "$REAL" \
	    -F "$CONF" -W "[127.0.0.1]:${PORT[echo]}" "$1" 2>"$T/ssh.err"
}
by_us()
{
	echo arrived | hop -r none -J "$1" 127.0.0.1 "${PORT[echo]}" \
	    2>"$T/us.err"
}

# asked METHOD NAME: requests of that kind in the log of a server.
asked()
{
	grep -Ec "^asked $1|userauth-request for .* method $1 " "$T/$2.log"
}

# both SENTENCE WANT NAME: WANT is yes or no, or ahead: we get in, ssh does not.
# As many questions at most, and as many tries by what is not a key.
both()
{
	local name=$3 ssh=no us=no method counts=() n i=0 why=

	forget "$name"
	: >"$T/asked"
	[ "$(by_ssh "$name")" = arrived ] && ssh=yes
	counts=($(wc -l <"$T/asked"))
	for method in none keyboard-interactive password; do
		counts+=($(asked "$method" "$name"))
	done
	forget "$name"
	: >"$T/asked"
	[ "$(by_us "$name")" = arrived ] && us=yes
	case $2,$ssh,$us in
	yes,yes,yes|no,no,no|ahead,no,yes) ;;
	*)	why="; ssh gets in: $ssh, proxyhop: $us, wanted: $2" ;;
	esac
	for n in $(wc -l <"$T/asked") $(asked none "$name") \
	    $(asked keyboard-interactive "$name") $(asked password "$name"); do
		[ "$n" -le "${counts[i]}" ] ||
		    why="$why; $n of number $i, ssh has ${counts[i]}"
		i=$((i + 1))
	done
	if [ -z "$why" ]; then
		ok "$1: $2"
	else
		fail "$1$why" "$T/us.err" "$T/ssh.err"
	fi
}

# ---- servers that are not OpenSSH's ------------------------------------------

# Some ask for nothing, and take a key for a mistake; some ask a telephone.
strangers()
{
	local mode

	for mode in open push quick empty; do
		start_python "$mode" login.py "$mode" "$T/$mode.key"
	done
	write_config open push quick empty
	both "a server that names nothing that it takes" yes empty
	both "a server that takes \"none\", and hangs up at a key" yes open
	equal "no key was tried there" "$(asked publickey open)" 0
	conf "Host *" "BatchMode no"
	both "a telephone that is answered the second time" yes push
	equal "it was asked twice" "$(asked keyboard-interactive push)" 2
	conf "Host *" "BatchMode no" "NumberOfPasswordPrompts 1"
	both "the twin: it is to be asked once" no push
	conf
	both "BatchMode: nothing but keys is tried" no push
	equal "no such request" "$(asked keyboard-interactive push)" 0
	check "the line says so" grep -q "BatchMode: nobody is asked" "$T/us.err"
	both "the twin: one that takes keys" yes quick
}

# ---- files that are of no use, and say which of the agent's keys is meant ------

files()
{
	start_sshd gw "MaxAuthTries 2"
	start_agent agent
	SSH_AUTH_SOCK=$T/agent ssh-add -q "$T/id"
	new_key "$T/wrong"
	cp "$T/id" "$T/open"
	cp "$T/id.pub" "$T/open.pub"
	chmod 644 "$T/open"
	cp "$T/wrong" "$T/mixed"
	cp "$T/id.pub" "$T/mixed.pub"
	for key in open mixed; do
		IDENTITY[gw]=$T/$key
		write_config gw
		both "$key: nothing else" no gw
		conf "Host *" "IdentityAgent $T/agent"
		both "$key: the agent has the key of the .pub" yes gw
	done
	IDENTITY[gw]=$T/wrong
	write_config gw
	conf "Host *" "IdentityAgent $T/agent"
	both "the twin: a .pub of another key, IdentitiesOnly" no gw
}

# ---- no keyword is lost --------------------------------------------------------

# Each keyword that ssh -G prints is a setting of a hop, which -G shows, or is
# named with -v, or is ssh's own to work with, or the session's.
ASKED="canonicaldomains canonicalizefallbacklocal canonicalizehostname
    canonicalizemaxdots canonicalizepermittedcnames host ignoreunknown proxyjump
    proxyusefdpass tag"
SESSION="clearallforwardings dynamicforward enableescapecommandline escapechar
    exitonforwardfailure forkafterauthentication forwardagent forwardx11
    forwardx11timeout forwardx11trusted gatewayports localforward
    obscurekeystroketiming permitremoteopen remotecommand remoteforward
    requesttty sendenv sessiontype setenv stdinnull streamlocalbindmask
    streamlocalbindunlink tunnel tunneldevice xauthlocation"
# of other settings, or without effect here: in the manual
WITHOUT="enablesshkeysign gssapikexalgorithms gssapirenewalforcesrekey
    hostbasedacceptedalgorithms ipqos logverbose permitlocalcommand
    syslogfacility updatehostkeys warnweakcrypto"

keywords()
{
	local key lost= n=0
	local probes=("BindAddress 127.0.0.1" "BindInterface lo"
	    "CertificateFile $T/x" "ControlPath $T/c" "HostKeyAlias x"
	    "IdentityAgent none" "KbdInteractiveDevices pam"
	    "KnownHostsCommand /bin/true" "LocalCommand true"
	    "PKCS11Provider /x" "PreferredAuthentications publickey"
	    "RevokedHostKeys $T/x" "FingerprintHash md5" "VisualHostKey yes"
	    "HostbasedAuthentication yes" "GSSAPIKeyExchange yes"
	    "GSSAPIDelegateCredentials yes" "RemoteCommand x" "SetEnv A=b"
	    "SendEnv A" "LocalForward 1 [::1]:2" "RemoteForward 1 [::1]:2"
	    "DynamicForward 1" "LogVerbose x" "ForkAfterAuthentication yes"
	    "ProxyCommand nc %h %p" "ChannelTimeout *=1m" "VersionAddendum x")

	printf '%s\n' "IgnoreUnknown ChannelTimeout,VersionAddendum,GSSAPI*" \
	    "${probes[@]}" "User x" "Host hop" "Port 22" >"$T/probes"
	"$REAL" -G -W '[x]:22' -F "$T/probes" hop </dev/null 2>"$T/err" |
	    cut -d' ' -f1 | tr '[:upper:]' '[:lower:]' | sort -u >"$T/keys"
	bare -r none -F "$T/probes" -v -G -J hop x 22 >"$T/plan" 2>"$T/said"
	for key in $(cat "$T/keys"); do
		n=$((n + 1))
		case " $(echo $ASKED $SESSION $WITHOUT) " in
		*" $key "*) continue ;;
		esac
		grep -qi "^$key " "$T/plan" || grep -qi \
		    ": $key .*: not for a hop" "$T/said" || lost="$lost $key"
	done
	equal "keywords of ssh -G that are lost" "$lost" ""
	at_least "keywords" "$n" 90
}

for mode in open push quick empty; do
	new_key "$T/$mode.key"
done
strangers
files
keywords
