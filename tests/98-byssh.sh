#!/usr/bin/env bash
# Goal: a hop that ssh can log in to and libssh cannot (no algorithm of one kind
# in common, certificates alone, hostbased) is logged in to by the user's own
# ssh, for this run alone: in wherever ssh -J is, with as many logins, and
# nothing is left of it.  Where libssh can, or ssh cannot either, none is started.

. "$(dirname "$0")/harness.sh"

unset XDG_RUNTIME_DIR
mkdir -m 700 "$T/tmp" "$T/bin"
export TMPDIR=$T/tmp
REAL=$(command -v ssh)
# Every ssh is noted but those that are only asked.
cat >"$T/bin/ssh" <<-END
#!/bin/sh
case " \$* " in
*" -G "*) ;;
*)	echo "\$*" >>$T/started ;;
esac
exec $REAL "\$@"
END
chmod 755 "$T/bin/ssh"
: >"$T/started"
PATH=$T/bin:$PATH

# started: how many there were since the last time.
started()
{
	wc -l <"$T/started"
	: >"$T/started"
}

# clean SENTENCE: no folder, no ssh and no proxyhop is left.
clean()
{
	check "$1: nothing is left" wait_until \
	    '[ -z "$(ls "$T/tmp")$(left)" ]' 5 || ls -l "$T/tmp"
}

left()
{
	local pid

	for pid in $(marked); do
		tr '\0' ' ' <"/proc/$pid/cmdline" |
		    grep -E '^([^ ]*/)?(ssh|proxyhop) '
	done 2>/dev/null
}

# logins NAME: how many there were since the last time.
logins()
{
	grep -c '^Accepted [a-z]* for ' "$T/$1.log"
	forget "$1"
}

# jumps HOPS: does ssh -J get to the target through them?
jumps()
{
	timeout $((20 * TEST_TIME_FACTOR)) setsid -w "$REAL" -F "$CONF" \
	    -J "$1" target true </dev/null >"$T/ssh.out" 2>&1
}

# ---- algorithms ----------------------------------------------------------------

# goes HOPS: as ssh -J, and byte by byte.
goes()
{
	local name

	check "$1: ssh -J gets in" jumps "$1"
	for name in ${1//,/ }; do
		forget "$name"
	done
	: >"$T/started"
	moves "$1" -J "$1"
	for name in ${1//,/ }; do
		equal "$1: one login to $name" "$(logins "$name")" 1
	done
	clean "$1"
}

everywhere()
{
	local hops

	for hops in kex:1 mac:1 cert:1 kex,gw1,gw2:1 gw1,cert,gw2:1 \
	    gw1,gw2,mac:1 gw1,kex,mac:2 mac,cert,kex:3; do
		goes "${hops%:*}"
		equal "${hops%:*}: ssh started" "$(started)" "${hops#*:}"
	done
	moves "the twin: gateways that libssh can log in to" -J gw1,gw2,gw3
	equal "the twin: no ssh is started" "$(started)" 0
	# not the server's list, but ours
	moves "what is set for the hop, libssh lacks" -J gw1,gw2 \
	    -o gw2:KexAlgorithms=sntrup761x25519-sha512@openssh.com
	equal "what is set for the hop: ssh started" "$(started)" 1
	moves "settings of the hop alone" -J gw1,gw2 -o gw1:MACs=umac-64@openssh.com \
	    -o gw1:Ciphers=aes128-ctr
	equal "settings of the hop alone: ssh started" "$(started)" 1
}

told()
{
	hop -t -J gw1,kex 127.0.0.1 "${PORT[target]}" >"$T/out" 2>"$T/err"
	equal "-t: status, and no word" "$?$(cat "$T/err")" 0
	check "-t: why not libssh" grep -Eq \
	    '^  kex .* libssh has no KexAlgorithms in common with it$' "$T/out"
	check "-t: by whom" grep -Eq '^  shared .* ssh, pid [0-9]+$' "$T/out"
	check "-t: what comes next" grep -q '^  banner .* SSH-2.0-' "$T/out"
	hop -v -J cert 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	check "-v: why, and by whom" grep -q ": cert (hop 1): libssh has no \
HostKeyAlgorithms in common with it: ssh is to log in\$" "$T/err"
	clean "-t"
}

# A stranger's banner comes through ssh: as many lines as of any hop.
bounded()
{
	hop -J loud 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	equal "a banner of 60 lines: lines shown" "$(wc -l <"$T/err")" 21
	check "a banner of 60 lines: that is said" grep -q \
	    "what else it says is not shown$" "$T/err"
}

# The descriptor is ssh's own, and the chain goes on in the background.
passed()
{
	local hops

	for hops in kex gw1,mac kex,gw1; do
		check "-f: $hops" timeout $((20 * TEST_TIME_FACTOR)) "$REAL" \
		    -F "$CONF" -o ProxyUseFdpass=yes -o ProxyCommand="\
$PROXYHOP_WRAP $PROXYHOP -f -F $CONF -J $hops %h %p" target true
		clean "-f: $hops"
	done
}

routes()
{
	moves "routes: the first by ssh" -J 'kex|gw1'
	moves "routes: the second by ssh" -J "$ME@gw1:${PORT[bound]}|cert"
	clean "routes"
	refused "routes: a login that ssh was refused is not tried elsewhere" 1 \
	    '^proxyhop: kex \(hop 1 of 1, .*\): auth: ' \
	    hop -J 'kex|gw1' -o kex:IdentityFile=none -o kex:IdentitiesOnly=yes \
	    -o "kex:User=nobody" 127.0.0.1 "${PORT[echo]}"
	clean "routes, refused"
}

# ---- the refused twins -----------------------------------------------------------

refusals()
{
	local mode key=$T/gw2.key

	new_key "$T/other" -t ecdsa
	for mode in yes accept-new no; do
		forget kex
		{
			grep -v ":${PORT[kex]} " "$T/known_hosts"
			known kex "$key"
		} >"$T/kh"
		cp "$T/kh" "$T/kh.before"
		refused "another host key, $mode" 1 \
		    '^proxyhop: kex \(hop 2 of 2, .*\): hostkey: ssh, which was to log in since libssh has no KexAlgorithms .*failed: it says "Host key verification failed."; try: ssh .*-J gw1 ' \
		    only_last hop -J gw1,kex -o "kex:UserKnownHostsFile=$T/kh" \
		    -o kex:StrictHostKeyChecking=$mode 127.0.0.1 "${PORT[echo]}"
		equal "another host key, $mode: no login" "$(logins kex)" 0
		check "another host key, $mode: none is added" \
		    cmp "$T/kh" "$T/kh.before"
		clean "another host key, $mode"
		# a key of another type: a person has to say so
		sed -i '$d' "$T/kh"
		known kex "$T/other" >>"$T/kh"
		refused "a key of another type, $mode" 1 ': hostkey: ssh, ' \
		    only_last hop -J gw1,kex -o "kex:UserKnownHostsFile=$T/kh" \
		    -o kex:StrictHostKeyChecking=$mode 127.0.0.1 "${PORT[echo]}"
	done
	: >"$T/kh"
	may_say='^proxyhop: kex \(hop 2\): ssh: Warning: Permanently added' \
	    carries "the twin: no key is known, accept-new" -J gw1,kex \
	    -o "kex:UserKnownHostsFile=$T/kh" -o kex:StrictHostKeyChecking=accept-new
	refused "a login that is refused" 1 \
	    '^proxyhop: kex \(hop 1 of 1, .*\): auth: ssh, .*failed: it says ".*Permission denied \(publickey.*; try: ssh .* kex$' \
	    hop -J kex -o "IdentityFile=$T/absent" -o kex:User=nobody \
	    127.0.0.1 "${PORT[echo]}"
	clean "a login that is refused"
	: >"$T/started"
	refused "nothing in common with ssh, either" 1 \
	    '^proxyhop: old \(hop 1 of 1, .*\): kex: no KexAlgorithms in common; the server.s: diffie-hellman-group1-sha1' \
	    hop -J old 127.0.0.1 "${PORT[echo]}"
	refused "a ForwardCommand, which needs a session of ours" 1 \
	    '^proxyhop: kex \(hop 1 of 1, .*\): kex: no KexAlgorithms in common' \
	    hop -J kex -o "ForwardCommand=nc -N %h %p" 127.0.0.1 "${PORT[echo]}"
	equal "no ssh is started for that" "$(started)" 0
	# a server that could have ssh started for nothing, and for ever
	start_python clear clear.py kex sntrup761x25519-sha512@openssh.com
	conf "$(host_block clear)"
	refused "a server that has a kex of ssh's, and says nothing more" 2 \
	    '^proxyhop: clear \(hop 2 of 2, .*\): shared: ssh, which was to log in since .*, has not within 2 seconds; ' \
	    hop -J gw1,clear -o clear:ConnectTimeout=1 -o clear:LoginTimeout=1 \
	    127.0.0.1 1
	equal "it is started once" "$(started)" 1
	refused "the same, without BatchMode: there is nobody to ask" 2 \
	    '^proxyhop: clear \(hop 2 of 2, .*\): shared: ssh, which was to log in since .*, has not within 2 seconds; ' \
	    setsid -w $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J gw1,clear \
	    -o clear:BatchMode=no -o clear:ConnectTimeout=1 \
	    -o clear:LoginTimeout=1 127.0.0.1 1
	equal "without BatchMode it is started once" "$(started)" 1
	conf
	clean "a server that says nothing more"
	refused "what comes next refuses" 2 \
	    '^proxyhop: kex \(hop 1 of 1, .*\): forward: kex could not open 127.0.0.1:[0-9]+: ssh says ".*Connection refused"; check' \
	    hop -J kex 127.0.0.1 "${PORT[bound]}"
	refused "what comes next is not permitted" 1 \
	    '^proxyhop: kex \(hop 1 of 1, .*\): forward: kex refused to open localhost:1: ssh says ".*administratively prohibited' \
	    hop -J kex localhost 1
	clean "refusals"
}

# only_last COMMAND...: of what it says on stderr the last line, where ssh has
# more to say about a key.
only_last()
{
	local status=0

	"$@" 2>"$T/said" || status=$?
	grep -v '): ssh: ' "$T/said" >&2
	return $status
}

# ---- ended -----------------------------------------------------------------------

# carrying HOPS: one that carries, in $pid.
carrying()
{
	mkfifo "$T/in"
	hop_exec -J "$1" 127.0.0.1 "${PORT[echo]}" <"$T/in" >"$T/out" 2>"$T/err" &
	pid=$!
	exec 9>"$T/in"
	rm "$T/in"
	echo there >&9
	wait_for "$T/out" there
}

ended()
{
	local signal hops pid

	for signal in TERM KILL HUP; do
		carrying gw1,kex
		kill -$signal $pid
		wait $pid 2>/dev/null
		exec 9>&-
		clean "SIG$signal while it carries"
	done
	carrying gw1,kex
	drop kex
	wait $pid
	equal "the session is lost: status" $? 2
	exec 9>&-
	check "the session is lost: who, and how" grep -Eq ": kex \(hop 2 of 2, .*: \
carry: connection lost: its ssh \(pid [0-9]+\) has ended" "$T/err"
	clean "the session is lost"
	carrying kex,gw1
	drop gw1
	wait $pid
	equal "the one behind is lost: status" $? 2
	exec 9>&-
	check "the one behind is lost: who" \
	    grep -Eq '^proxyhop: gw1 \(hop 2 of 2, .*\): carry: ' "$T/err"
	clean "the one behind is lost"
}

# Whoever asks is ssh, once; ended meanwhile, nothing is left.
asked()
{
	local pid

	printf '#!/bin/sh\necho "$1" >>%s/asked\n. %s/answer\n' "$T" "$T" \
	    >"$T/askpass"
	chmod +x "$T/askpass"
	: >"$T/asked"
	new_key "$T/sealed" -N sealed
	cat "$T/sealed.pub" >>"$T/authorized_keys"
	export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
	conf "Host kex" "BatchMode no" "Match all"
	sed -i "/^Host kex$/,/^Host /s,IdentityFile .*,IdentityFile $T/sealed," "$CONF"
	echo 'echo sealed' >"$T/answer"
	carries "a passphrase" -J gw1,kex
	equal "a passphrase: asked once, by ssh" "$(cat "$T/asked")" \
	    "Enter passphrase for key '$T/sealed': "
	: >"$T/asked"
	echo 'exec sleep 600' >"$T/answer"
	hop_exec -J gw1,kex 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" \
	    2>"$T/err" &
	pid=$!
	wait_until "[ -s $T/asked ]"
	kill -TERM $pid
	wait $pid 2>/dev/null
	clean "ended while ssh asks"
	end_sleep
	unset SSH_ASKPASS SSH_ASKPASS_REQUIRE
	conf
}

# ---- hostbased -------------------------------------------------------------------

# In a namespace of its own, whose /etc/ssh and /etc/passwd are ours.
hostbased()
{
	mkdir -p "$T/etc" "$T/home"
	new_key "$T/etc/ssh_host_ed25519_key"
	printf '%s\n' "EnableSSHKeysign yes" "HostbasedAuthentication yes" \
	    >"$T/etc/ssh_config"
	echo "127.0.0.1 $(cut -d' ' -f1,2 "$T/etc/ssh_host_ed25519_key.pub")" \
	    >"$T/etc/ssh_known_hosts"
	echo "127.0.0.1 $ME" >"$T/home/.shosts"
	chmod 600 "$T/home/.shosts"
	{
		getent passwd "$ME" | awk -F: -v OFS=: -v home="$T/home" \
		    '{ $6 = home; print }'
		grep -v "^$ME:" /etc/passwd
	} >"$T/passwd"
	chmod 644 "$T/passwd"
	mount --bind "$T/etc" /etc/ssh &&
	    mount --bind "$T/passwd" /etc/passwd ||
	    skip "no mounts of one's own"
	cd / || exit 1
	local host=("HostbasedAuthentication yes" "IgnoreRhosts no"
	    "LogLevel DEBUG1")
	user_key
	start_sshd gw1
	start_sshd hb "AuthenticationMethods hostbased" "${host[@]}"
	start_sshd both "AuthenticationMethods publickey,hostbased" "${host[@]}"
	start_sshd either "${host[@]}" "PasswordAuthentication yes"
	start_sshd target "LogLevel VERBOSE"
	start_peer echo echo
	IDENTITY=([hb]=$T/absent [either]=$T/absent)
	write_config gw1 hb both either target
	conf "Host hb both either" "HostbasedAuthentication yes" "Match all"
	goes hb
	goes gw1,hb
	goes hb,gw1
	goes both
	goes gw1,either
	equal "hostbased: ssh started" "$(started)" 1
	# the twin: a key that gets in, and needs no question
	moves "the twin: a key gets in as well" -J either -o "IdentityFile=$T/id"
	equal "the twin: no ssh is started" "$(started)" 0
	# before any question, as with ssh
	printf '#!/bin/sh\necho "$1" >>%s/asked\necho wrong\n' "$T" >"$T/askpass"
	chmod +x "$T/askpass"
	: >"$T/asked"
	export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
	new_key "$T/sealed" -N sealed
	cat "$T/sealed.pub" >>"$T/authorized_keys"
	may_say='no such identity' carries "before a passphrase" -J either \
	    -o BatchMode=no -o "IdentityFile=$T/sealed"
	may_say='no such identity' carries "before a password" -J either \
	    -o BatchMode=no
	equal "nobody was asked" "$(cat "$T/asked")" ""
	: >"$T/started"
	# it is not to be tried: as without
	refused "not in PreferredAuthentications" 1 \
	    '^proxyhop: hb .*: auth: Permission denied for .*it takes hostbased' \
	    hop -J hb -o PreferredAuthentications=publickey 127.0.0.1 22
	refused "HostbasedAuthentication no" 1 \
	    '^proxyhop: hb .*: auth: Permission denied for .*it takes hostbased' \
	    hop -J hb -o HostbasedAuthentication=no 127.0.0.1 22
	equal "no ssh is started for that" "$(started)" 0
	echo "192.0.2.1 $ME" >"$T/home/.shosts"
	check "a host that the server does not trust: nor ssh -J" \
	    bash -c "! timeout 20 setsid -w $REAL -F $CONF -J hb target true \
	    </dev/null >$T/ssh.out 2>&1"
	refused "a host that the server does not trust" 1 \
	    '^proxyhop: hb .*: auth: ssh, which was to log in since it takes hostbased, which libssh lacks, failed: it says ".*Permission denied \(hostbased\)' \
	    only_last hop -J hb 127.0.0.1 "${PORT[echo]}"
	clean "hostbased"
}

if [ "${1:-}" = hostbased ]; then
	hostbased
	exit
fi

gateways "LogLevel VERBOSE"
start_sshd kex "LogLevel VERBOSE" "PermitOpen 127.0.0.1:*" \
    "KexAlgorithms sntrup761x25519-sha512@openssh.com"
start_sshd mac "LogLevel VERBOSE" "Ciphers aes128-ctr" "MACs umac-128@openssh.com"
start_sshd old "KexAlgorithms diffie-hellman-group1-sha1"
new_key "$T/ca"
new_key "$T/cert.key"
ssh-keygen -q -s "$T/ca" -I cert -h -n 127.0.0.1 "$T/cert.key.pub"
start_sshd cert "LogLevel VERBOSE" "HostCertificate $T/cert.key-cert.pub" \
    "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com"
start_peer echo echo
start_peer bound bound
seq 60 >"$T/banner"
start_sshd loud "KexAlgorithms sntrup761x25519-sha512@openssh.com" \
    "Banner $T/banner"
write_config gw1 gw2 gw3 target kex mac cert old loud
sed -i "/:${PORT[cert]} /d" "$T/known_hosts"
echo "@cert-authority [127.0.0.1]:${PORT[cert]} $(cut -d' ' -f1,2 "$T/ca.pub")" \
    >>"$T/known_hosts"
everywhere
told
bounded
passed
routes
refusals
ended
asked
if [ "$(id -u)" -eq 0 ]; then
	alone="unshare -m"
else
	alone="unshare --map-current-user --keep-caps -m"
fi
if ! $alone true 2>"$T/err"; then
	skip "hostbased: no namespace of one's own: $(cat "$T/err")"
fi
PROXYHOP=$PROXYHOP $alone "$BASH" "$0" hostbased >"$T/hostbased" 2>&1 || FAILED=$((FAILED + 1))
cat "$T/hostbased"
