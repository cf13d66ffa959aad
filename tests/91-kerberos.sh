#!/usr/bin/env bash
# Goal: gssapi-with-mic gets in where ssh gets in, with a real KDC; without a
# ticket it costs nothing, and whatever is wrong with it is one method less.

. "$(dirname "$0")/harness.sh"

PATH=$PATH:/usr/sbin:/sbin
for program in krb5kdc kadmin.local kdb5_util kinit; do
	command -v $program >/dev/null || skip "no $program"
done
# libssh frees neither its GSS-API context nor what it has for it
cat "$TESTS/lsan.supp" - >"$T/lsan.supp" <<'END'
leak:libssh.so
leak:libgssapi_krb5.so
leak:libkrb5.so
leak:libk5crypto.so
END
[ -z "${LSAN_OPTIONS:-}" ] ||
    export LSAN_OPTIONS=suppressions=$T/lsan.supp:print_suppressions=0
export KRB5_CONFIG=$T/krb5.conf KRB5_KDC_PROFILE=$T/kdc.conf
export KRB5CCNAME=FILE:$T/cache

# realm FILE PORT: a krb5.conf whose KDC is at that port.
realm()
{
	cat >"$T/$1" <<-END
	[libdefaults]
		default_realm = HOP.TEST
		dns_lookup_kdc = false
		dns_lookup_realm = false
		dns_canonicalize_hostname = false
		rdns = false
	[realms]
		HOP.TEST = {
			kdc = 127.0.0.1:$2
		}
	[domain_realm]
		localhost = HOP.TEST
		.test = HOP.TEST
		.elsewhere = ELSEWHERE.TEST
	[logging]
		kdc = STDERR
	END
}

fill_kdc()
{
	{
		kdb5_util create -s -r HOP.TEST -P master
		kadmin.local -r HOP.TEST <<-END
		addprinc -pw secret $ME
		addprinc -pw secret somebody
		addprinc -randkey host/127.0.0.1
		addprinc -randkey host/localhost
		addprinc -randkey host/moved.test
		addprinc -randkey robot
		ktadd -k $T/client.keytab robot
		ktadd -k $T/keytab host/127.0.0.1
		ktadd -k $T/keytab host/localhost
		ktadd -k $T/keytab host/moved.test
		cpw -randkey -keepold host/moved.test
		cpw -randkey host/moved.test
		END
	} >"$T/kadmin.log" 2>&1
}

start_kdc()
{
	local port try

	for try in 1 2 3 4 5 6 7 8 9; do
		port=$((10000 + RANDOM % 22000))
		realm krb5.conf $port
		cat >"$T/kdc.conf" <<-END
		[kdcdefaults]
			kdc_listen = 127.0.0.1:$port
			kdc_tcp_listen = 127.0.0.1:$port
		[realms]
			HOP.TEST = {
				database_name = $T/principal
				key_stash_file = $T/stash
			}
		END
		[ -f "$T/stash" ] || fill_kdc
		: >"$T/kdc.log"
		krb5kdc -n </dev/null >"$T/kdc.log" 2>&1 &
		PID[kdc]=$!
		! listens kdc 'commencing operation' || return 0
	done
	die "krb5kdc starts" "$T/kdc.log" "$T/kadmin.log"
}

# ticket FILE [NAME [kinit arguments]]: a cache with that ticket alone.
ticket()
{
	local file=$1 name=${2:-$ME}

	shift $(($# < 2 ? $# : 2))
	echo secret | kinit -c "$T/$file" "$@" "$name" >"$T/kinit.log" 2>&1 ||
	    die "kinit $name" "$T/kinit.log"
}

# with FILE: from here on its ticket, as it was at first.
with()
{
	rm -f "$T/cache"
	[ "$1" = none ] || cp "$T/$1" "$T/cache"
}

start_kdc
PEAKS=$T/peaks
user_key
gss=("GSSAPIAuthentication yes" "GSSAPIStrictAcceptorCheck no")
export KRB5_KTNAME=$T/keytab
start_sshd gw1 "${gss[@]}"
start_sshd gw2 "${gss[@]}"
start_sshd first "${gss[@]}" "AuthenticationMethods gssapi-with-mic,publickey"
start_sshd then "${gss[@]}" "AuthenticationMethods publickey,gssapi-with-mic"
start_sshd kex "${gss[@]}" "GSSAPIKeyExchange yes"
start_sshd plain
unset KRB5_KTNAME
write_config gw1 gw2 first then plain kex
start_peer echo echo
ticket mine
ticket others somebody
ticket short "$ME" -l 2s
realm refused.conf 9

# settings LINES...: for every hop.
settings()
{
	conf "Host *" "GSSAPIAuthentication yes" "$@"
}

# methods NAME: the requests that its log has, but for "none".
methods()
{
	sed -n 's/.*userauth-request for user .* method \([^ ]*\).*/\1/p' \
	    "$T/$1.log" | grep -v '^none$' | tr '\n' ' '
}

# passes SENTENCE HOPS METHODS: ssh gets in at the last of HOPS, and so do we,
# with these methods, each once, and no more requests than ssh.
passes()
{
	local sentence=$1 hops=$2 wanted=$3 name=${2##*,} way=() theirs

	[ "$hops" = "$name" ] || way=(-J "${hops%,*}")
	forget "$name"
	rm -f "$T/before"
	[ ! -f "$T/cache" ] || cp "$T/cache" "$T/before"
	check "$sentence: ssh gets in" timeout 20 setsid -w ssh -F "$CONF" \
	    "${way[@]}" "$name" true
	theirs=$(methods "$name" | wc -w)
	rm -f "$T/cache"
	[ ! -f "$T/before" ] || cp "$T/before" "$T/cache"
	forget "$name"
	: >"$T/trace"
	KRB5_TRACE=$T/trace carries "$sentence" -J "$hops"
	equal "$sentence: methods" "$(methods "$name")" "$wanted"
	at_most "$sentence: requests" "$(methods "$name" | wc -w)" "$theirs"
}

# stops SENTENCE NAME PATTERN: ssh is refused, and so are we.
stops()
{
	if timeout 20 setsid -w ssh -F "$CONF" "$2" true </dev/null \
	    >"$T/ssh.out" 2>&1; then
		fail "$1: ssh is refused" "$T/ssh.out"
	fi
	refused "$1" 1 "^proxyhop: $2 \(hop 1 of 1, .*: auth: Permission denied.*$3" \
	    hop -J "$2" 127.0.0.1 "${PORT[echo]}"
}

# A KDC that is silent, asked for hop 2 while hop 1 is kept alive.
"$PYTHON" - </dev/null >"$T/silent.log" <<'END' &
import socket, signal
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
	udp.bind(("127.0.0.1", 0))
	tcp = socket.socket()
	try:
		tcp.bind(udp.getsockname())
		break
	except OSError:
		udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp.listen(9)
print("listening", tcp.getsockname()[1], flush=True)
signal.pause()
END
PID[silent]=$!
SERVERS+=("${PID[silent]}")
wait_for "$T/silent.log" '^listening ' || exit 1
realm silent.conf "$(sed -n 's/^listening //p' "$T/silent.log")"
cp "$T/mine" "$T/silent"
start_sshd alive
write_config gw1 gw2 first then plain alive kex
conf "Host alive" "ServerAliveInterval 1" "GSSAPIAuthentication no"
cp "$CONF" "$T/silent_config"
begun=$(now)
echo there and back | CONF=$T/silent_config KRB5_CONFIG=$T/silent.conf \
    KRB5CCNAME=FILE:$T/silent hop_exec -J alive,gw2 \
    -o gw2:GSSAPIAuthentication=yes 127.0.0.1 "${PORT[echo]}" >"$T/silent.out" 2>"$T/silent.err" &
silent=$!

with mine
settings
passes "a ticket" gw1 "gssapi-with-mic "
check "a ticket: a KDC is asked" grep -q Sending "$T/trace"
passes "a ticket, at hop 2" gw1,gw2 "gssapi-with-mic "
conf "Host gw2" "GSSAPIAuthentication yes" "HostName localhost" \
    "AddressFamily inet" "HostKeyAlias [127.0.0.1]:${PORT[gw2]}"
passes "a ticket, at hop 2 alone" gw1,gw2 "gssapi-with-mic "
settings "IdentityFile $T/absent"
passes "a ticket and no key" gw1 "gssapi-with-mic "
hop -v -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
check "-v names method and principal" grep -q \
    "auth, .*: gssapi-with-mic $ME@HOP.TEST\$" "$T/err"
hop -t -J gw1 127.0.0.1 "${PORT[gw2]}" </dev/null >"$T/out" 2>&1
check "-t names method and principal" grep -q \
    "auth .*gssapi-with-mic $ME@HOP.TEST\$" "$T/out"
settings "GSSAPIDelegateCredentials yes"
hop -v -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
check "-v: nothing is delegated" grep -qi \
    "gssapidelegatecredentials yes: .*no ticket is passed on" "$T/err"
check "nothing is delegated" grep -q "Got no client credentials" "$T/gw1.log"
settings "PreferredAuthentications publickey,gssapi-with-mic"
passes "a ticket, and the key preferred" gw1 "publickey "
conf "Host *" "GSSAPIAuthentication no"
passes "a ticket, and GSSAPIAuthentication no" gw1 "publickey "
settings
passes "a ticket, and then a key" first "gssapi-with-mic publickey "
passes "a key, and then a ticket" then "publickey gssapi-with-mic "
passes "a ticket, and a server that takes none" plain "publickey "
settings "GSSAPIServerIdentity localhost"
passes "GSSAPIServerIdentity" gw1 "gssapi-with-mic "
settings "GSSAPIClientIdentity $ME@HOP.TEST"
passes "GSSAPIClientIdentity" gw1 "gssapi-with-mic "
settings "GSSAPIClientIdentity somebody"
passes "GSSAPIClientIdentity that is nobody here" gw1 "publickey "
if [ "$("$PYTHON" -c 'import socket
print(socket.getnameinfo(("127.0.0.1", 1), 0)[0])')" = localhost ]; then
	settings "GSSAPITrustDns yes"
	passes "GSSAPITrustDns" gw1 "gssapi-with-mic "
	check "GSSAPITrustDns: the name that DNS has" \
	    grep -q 'Getting credentials .*host/localhost@' "$T/trace"
fi
hop -G -J gw1 127.0.0.1 1 >"$T/out"
check "-G" grep -q '^gssapiauthentication yes' "$T/out"

# GSSAPIKeyExchange: who has no known key is proved by the KDC; ssh does that.
if ssh -F none -G x | grep -q '^gssapikeyexchange '; then
	settings "GSSAPIKeyExchange yes"
	passes "GSSAPIKeyExchange, and a key that is known" kex \
	    "gssapi-with-mic "
	for hops in kex gw1,kex; do
		conf "Host kex" "UserKnownHostsFile $T/nobody" \
		    "GSSAPIKeyExchange yes" "Host *" "GSSAPIAuthentication yes"
		check "GSSAPIKeyExchange: ssh gets in" timeout 20 setsid -w \
		    ssh -F "$CONF" kex true
		carries "GSSAPIKeyExchange, and no key is known: $hops" -J $hops
	done
	refused "the twin: without" 1 'kex .*: hostkey: Host key verification' \
	    hop -J kex -o GSSAPIKeyExchange=no 127.0.0.1 "${PORT[echo]}"
	refused "the twin: a server without it" 1 \
	    'gw1 .*: hostkey: Host key verification' hop -J gw1 \
	    -o GSSAPIKeyExchange=yes -o UserKnownHostsFile="$T/nobody" \
	    127.0.0.1 "${PORT[echo]}"
	known kex "$T/id" >"$T/changed"
	refused "the twin: another key is known" 1 'kex .*: hostkey: ' \
	    hop -J kex -o UserKnownHostsFile="$T/changed" \
	    127.0.0.1 "${PORT[echo]}"
	with none
	hop -J kex 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
	equal "the twin: no ticket" "$? $(tail -n 1 "$T/err" |
	    grep -c 'kex .*: hostkey: ssh, .*Host key verification failed')" "1 1"
	with mine
else
	echo "skip $NAME: ssh has no GSSAPIKeyExchange"
fi

# What is wrong with it is one method less.
with others
settings
passes "another one's ticket" gw1 "gssapi-with-mic publickey "
with mine
settings "GSSAPIServerIdentity moved.test"
passes "a key that the server has no more" gw1 \
    "gssapi-with-mic publickey "
with none
settings
export KRB5_CLIENT_KTNAME=FILE:$T/client.keytab
passes "another one's client keytab" gw1 "gssapi-with-mic publickey "
check "a client keytab gets a ticket" klist -s
unset KRB5_CLIENT_KTNAME
with mine
settings "GSSAPIServerIdentity absent.test"
passes "a host without a principal" gw1 "publickey "
settings "GSSAPIServerIdentity host.elsewhere"
passes "a realm that nobody knows" gw1 "publickey "
settings "GSSAPIServerIdentity @//@"
passes "a name that makes no sense" gw1 "publickey "
with none
settings
passes "no ticket" gw1 "publickey "
equal "no ticket: no KDC is asked" "$(grep 'Sending' "$T/trace")" ""
settings "IdentityFile $T/absent" "IdentitiesOnly yes"
cp "$T/ssh_config" "$T/ssh_config.keys"
sed '/IdentityFile/d' "$T/ssh_config.keys" >"$T/ssh_config"
settings "IdentityFile $T/absent"
with others
stops "another one's ticket, and no key" gw1 \
    "offered the Kerberos ticket of somebody@HOP.TEST"
with none
stops "no ticket, and no key" gw1 "no Kerberos ticket \(kinit\): No Kerb"
stops "no ticket, no key, and a server that takes none" plain \
    ": no key to offer; it takes"
with mine
settings "IdentityFile $T/absent" "GSSAPIServerIdentity absent.test"
stops "a host without a principal, and no key" gw1 \
    "gssapi-with-mic: no ticket for host/absent.test: .*not found"
settings "IdentityFile $T/absent" "GSSAPIServerIdentity host.elsewhere"
stops "a realm that nobody knows, and no key" gw1 \
    "gssapi-with-mic: no ticket for host/host.elsewhere: .*ELSEWHERE.TEST"
settings "IdentityFile $T/absent"
export KRB5_CONFIG=$T/refused.conf
stops "a KDC that refuses, and no key" gw1 \
    "gssapi-with-mic: no ticket for .*contact any KDC for realm 'HOP.TEST'"
cp "$T/ssh_config.keys" "$T/ssh_config"
settings
passes "a KDC that refuses" gw1 "publickey "
export KRB5_CONFIG=$T/krb5.conf
wait_until "! klist -s -c $T/short" || fail "a ticket of two seconds ends"
with short
passes "a ticket that has ended" gw1 "publickey "
equal "a ticket that has ended: no KDC is asked" "$(grep Sending "$T/trace")" ""
sed '/IdentityFile/d' "$T/ssh_config.keys" >"$T/ssh_config"
settings "IdentityFile $T/absent"
stops "a ticket that has ended, and no key" gw1 \
    "no Kerberos ticket \(kinit\): .*expired"
cp "$T/ssh_config.keys" "$T/ssh_config"

# A server that breaks the rules of the method: bounded, and no more than one
# line; ssh says as much of it.
if "$PYTHON" -c 'import paramiko' 2>/dev/null; then
	with mine
	new_key "$T/bad.key" -t ecdsa -m PEM
	for mode in oid empty huge spnego twice token tokens errors early \
	    complete noise; do
		"$PYTHON" "$TESTS/badgss.py" "$T/bad.key" $mode </dev/null \
		    >"$T/$mode.log" 2>"$T/$mode.err" &
		PID[$mode]=$!
		SERVERS+=("${PID[$mode]}")
		PORT[$mode]=
	done
	for mode in oid empty huge spnego twice token tokens errors early \
	    complete noise; do
		wait_for "$T/$mode.log" '^listening ' || exit 1
		PORT[$mode]=$(sed -n 's/^listening //p' "$T/$mode.log")
		known $mode "$T/bad.key" >>"$T/known_hosts"
		conf "$(host_block $mode)" "GSSAPIAuthentication yes"
		case $mode in
		twice|tokens|early)
			refused "a server that sends $mode" 2 \
			    "^proxyhop: $mode .*: auth: it sent a message out of turn" \
			    hop -J $mode 127.0.0.1 "${PORT[echo]}"
			;;
		*)	carries "a server that sends $mode: and then a key" \
			    -J $mode
			;;
		esac
	done
	settings
	carries "and then an honest one" -J gw1
else
	echo "skip $NAME: servers that break the rules: no python3-paramiko"
fi

# No network is touched where there is no ticket.
if command -v strace >/dev/null; then
	with none
	settings
	export KRB5_CONFIG=/dev/null
	strace -f -o "$T/calls" -e trace=socket "$PROXYHOP" -F "$CONF" -J gw1 \
	    127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>&1
	export KRB5_CONFIG=$T/krb5.conf
	equal "no ticket: one socket, the hop's" \
	    "$(grep -c 'AF_INET' "$T/calls")" 1
fi

wait $silent
equal "a silent KDC: and then a key" $? 0
equal "a silent KDC: carried" "$(cat "$T/silent.out")" "there and back"
check "a silent KDC is named" grep -Eq "^proxyhop: gw2 \(hop 2 of 2\): \
gssapi-with-mic: no ticket for host/127.0.0.1: Cannot contact any KDC for realm \
'HOP.TEST'; it took 2[0-9] s to find out; .*-o gw2:GSSAPIAuth" "$T/silent.err"
equal "a silent KDC: one line" "$(wc -l <"$T/silent.err")" 1
at_least "a silent KDC: hop 1 was kept alive" \
    "$(grep -c 'keepalive@openssh.com' "$T/alive.log")" 10
at_most "a silent KDC: ms" $(($(now) - begun)) $((60000 * TEST_TIME_FACTOR))
little_memory 8
