#!/usr/bin/env bash
# Goal: keys in devices log in without an agent of the user's, as with ssh: the
# file of a security key by SecurityKeyProvider, smart cards by PKCS11Provider;
# PIN and touch are asked for by hop, once, and not for nothing.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"

new_key "$T/ca"
gateways "TrustedUserCAKeys $T/ca.pub"
start_peer echo echo
start_sshd few "MaxAuthTries 2"
start_sshd certs "TrustedUserCAKeys $T/ca.pub" "AuthorizedKeysFile none"
mkdir "$T/run"
export XDG_RUNTIME_DIR=$T/run

PIN=1234
DEVICE=$T/skprovider.so
"${CC:-cc}" -w -shared -fPIC -o "$DEVICE" "$TESTS/skprovider.c" -lcrypto \
    2>"$T/cc" || die "the device is built" "$T/cc"

# device NAME TYPE [ssh-keygen arguments]: a security key's file.
device()
{
	ssh-keygen -q -t "$2" -w "$DEVICE" -N '' -C "$1" -f "$T/$1" \
	    "${@:3}" </dev/null 2>"$T/keygen" ||
	    die "ssh-keygen makes $1" "$T/keygen"
}

device round ed25519-sk
device square ecdsa-sk
device sealed ed25519-sk
ssh-keygen -q -p -N "open sesame" -f "$T/sealed" >/dev/null

# with LINE...: the config of gw1 and certs; id is their only other key.
with()
{
	IDENTITY=([gw1]=$T/absent [certs]=$T/absent [few]=$T/absent)
	write_config gw1 gw2 gw3 target certs few
	conf "Host *" "BatchMode ${batch:-no}" "Host gw1 certs few" "$@"
	rm -f "$DEVICE.log"
	forget gw1
}

gone()
{
	wait_until '[ -z "$(hop_pids)" ] && [ -z "$(ls "$T/run")" ] &&
	    ! pgrep -f "ssh-agent -D -a $T" >/dev/null' 5
}

# What the device has done, how often.
device_log()
{
	sort "$DEVICE.log" 2>/dev/null | uniq -c | sed 's/^ *//' | paste -sd,
}

# ssh_gets SENTENCE STATUS STEP...: on a terminal, as talk.
ssh_gets()
{
	local sentence=$1 want=$2

	shift 2
	rm -f "$DEVICE.log"
	"$PYTHON" "$TESTS/terminal.py" --out "$T/ssh" --stderr-tty \
	    --deadline $((20 * TEST_TIME_FACTOR)) "$@" -- \
	    ssh -F "$CONF" gw1 true
	equal "$sentence: ssh, too" \
	    "$(field status "$T/ssh.info") $(field failed "$T/ssh.info")" \
	    "$want "
}

fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2 | sed 's/[+]/[+]/g'
}

touches()
{
	local key may_say='gw1 \(hop 1 of 1\): touch the key '

	for key in round square; do
		takes "$key"
		with "IdentityFile $T/$key" "SecurityKeyProvider $DEVICE"
		carries "$key" -J gw1
		equal "$key: one line" "$(grep -c "touch the key $T/$key\$" \
		    "$T/carries.err")" 1
		equal "$key: one signature" "$(device_log)" "1 signed"
		ssh_gets "$key" 0 --wait 'Confirm user presence'
		equal "$key: no more for ssh" "$(device_log)" "1 signed"
	done
	with "IdentityFile $T/square" 'SecurityKeyProvider $MY_DEVICE'
	MY_DEVICE=$DEVICE carries "its provider in a variable" -J gw1
	refused "in one that is not set" 1 \
	    "auth: .*$T/square is in a device, and SecurityKeyProvider names" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	ssh_gets "in one that is not set" 255
	with "IdentityFile $T/square"
	SSH_SK_PROVIDER=$DEVICE hop -J gw1 127.0.0.1 "${PORT[echo]}" \
	    >"$T/out" 2>"$T/err" </dev/null
	check "no provider, no device: it says so" grep -Eq \
	    "auth: .*$T/square would do, but the agent did not sign: " "$T/err"
	batch=yes with "IdentityFile $T/round" "IdentityFile $T/square" \
	    "SecurityKeyProvider $DEVICE"
	carries "BatchMode, the second of two" -J gw1
	equal "the other was not touched" "$(device_log)" "1 signed"
	takes
	with "IdentityFile $T/round" "SecurityKeyProvider $DEVICE"
	refused "it will not do: no touch" 1 \
	    "auth: .*offered $T/round $(fingerprint "$T/round.pub")" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	equal "no signature" "$(device_log)" ""
	ssh-keygen -q -s "$T/ca" -I it -n "$ME" "$T/round.pub" 2>/dev/null
	with "IdentityFile $T/round" "SecurityKeyProvider $DEVICE"
	may_say='touch the key ' carries "its certificate" -J certs
	rm "$T/round-cert.pub"
	check "nothing is left" gone
}

# A passphrase of the file's, a PIN of the device's.
device_pins()
{
	local may_say='gw1 \(hop 1 of 1\): touch the key ' pin signal

	pin='@gw1 \(hop 1 of 1\): Enter PIN .*ED25519-SK key SHA256:.*: '
	takes round sealed
	with "IdentityFile $T/sealed" "SecurityKeyProvider $DEVICE"
	talk "a passphrase" 0 --wait "key '$T/sealed': " \
	    --type "open sesame" -- -J gw1
	ssh_gets "a passphrase" 0 --wait "key '$T/sealed': " \
	    --type "open sesame"
	echo "$PIN" >"$DEVICE.pin"
	with "IdentityFile $T/round" "SecurityKeyProvider $DEVICE"
	talk "a PIN" 0 --wait "$pin" --type "$PIN" -- -J gw1
	equal "no echo" "$(field echo "$T/talk.info")" off
	equal "asked once" "$(grep -o 'Enter PIN' "$T/talk.tty" | wc -l)" 1
	ssh_gets "a PIN" 0 --wait 'Enter PIN for .*: ' --type "$PIN"
	printf '#!/bin/sh\necho "$*" >>%s\necho %s\n' "$T/asked" "$PIN" \
	    >"$T/askpass"
	chmod 700 "$T/askpass"
	SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force \
	    carries "a PIN by SSH_ASKPASS" -J gw1
	equal "asked once, with the hop" \
	    "$(grep -c '^[^ ]*@gw1 (hop 1 of 1): Enter PIN' "$T/asked") $(
	    wc -l <"$T/asked")" "1 1"
	pin_fails "a wrong PIN" 1 --wait "$pin" --type 999 --
	ssh_gets "a wrong PIN" 255 --wait 'Enter PIN for .*: ' --type 999
	pin_fails "no answer" 1 --wait "$pin" --key d --
	for signal in KILL TERM; do
		"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" --wait "$pin" \
		    --run "kill -$signal \$CHILD" -- \
		    "$PROXYHOP" -F "$CONF" -J gw1 127.0.0.1 "${PORT[echo]}"
		equal "SIG$signal while the agent asks: with echo" \
		    "$(field echo_after "$T/talk.info")" on
		check "SIG$signal while the agent asks: nothing is left" gone
	done
	hop -J gw1 127.0.0.1 "${PORT[echo]}" >"$T/out" 2>"$T/err" </dev/null
	check "no terminal" grep -Eq \
	    'would do, but the agent did not sign.*nobody to ask' "$T/err"
	pin_fails "BatchMode" 0 --never "Enter PIN" -- -o BatchMode=yes
	check "BatchMode is named" grep -q 'BatchMode: nobody is' "$T/talk.err"
	rm "$DEVICE.pin"
	check "nothing is left" gone
}

# pin_fails SENTENCE QUESTIONS STEP... -- ARGUMENT...: and the key is named.
pin_fails()
{
	local sentence=$1 n=$2 steps=()

	shift 2
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	"$PYTHON" "$TESTS/terminal.py" --out "$T/talk" \
	    --deadline $((20 * TEST_TIME_FACTOR)) "${steps[@]}" -- \
	    "$PROXYHOP" -F "$CONF" -J gw1 "$@" 127.0.0.1 "${PORT[echo]}"
	equal "$sentence: status" "$(field status "$T/talk.info")" 1
	equal "$sentence: questions" \
	    "$(grep -o 'Enter PIN' "$T/talk.tty" | wc -l)" "$n"
	check "$sentence: the key is named" grep -Eq \
	    "auth: .*$T/round would do, but the agent did not sign" \
	    "$T/talk.err"
}

# ---- PKCS#11 ----------------------------------------------------------------

MODULE=$(ls /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
    2>/dev/null | head -n 1)

# token NAME: a new one, the only one from now on.
token()
{
	mkdir "$T/tokens-$1"
	export SOFTHSM2_CONF=$T/$1.conf
	echo "directories.tokendir = $T/tokens-$1" >"$SOFTHSM2_CONF"
	softhsm2-util --init-token --free --label "$1" --pin "$PIN" \
	    --so-pin 5678 >"$T/util" 2>&1 || die "SoftHSM makes $1" "$T/util"
}

pkcs11()
{
	pkcs11-tool --module "$MODULE" --login --pin "$PIN" "$@" \
	    >"$T/tool" 2>&1 || die "pkcs11-tool $*" "$T/tool"
}

# import NAME: a key goes into the token.
import()
{
	ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -C "$1" -f "$T/$1" </dev/null
	softhsm2-util --import "$T/$1" --token "$2" --label "$1" --id "$3" \
	    --pin "$PIN" >"$T/util" 2>&1 || die "SoftHSM takes $1" "$T/util"
	rm "$T/$1"
}

cards()
{
	local question="@gw1 \\(hop 1 of 2\\): Enter PIN for '.*libsofthsm2.so': "

	token plain
	import first plain 01
	import second plain 02
	takes second
	with "PKCS11Provider $MODULE"
	conf "Host *" "BatchMode no" "Host gw1 gw2" "PKCS11Provider $MODULE" \
	    "IdentitiesOnly no" "IdentityFile $T/absent"
	sed -i "s|IdentityFile $T/id|IdentityFile $T/absent|" "$CONF"
	talk "two hops, one PIN" 0 --wait "$question" --type "$PIN" -- -J gw1,gw2
	equal "no echo" "$(field echo "$T/talk.info")" off
	equal "asked once" "$(grep -o 'Enter PIN' "$T/talk.tty" | wc -l)" 1
	ssh_gets "one PIN" 0 --wait "Enter PIN for 'plain': " --type "$PIN"
	talk "a wrong PIN" 1 --wait "$question" --type 9999 -- -J gw1,gw2
	check "a wrong PIN: it says so" grep -Eq \
	    'auth: .*libsofthsm2.so did not take the PIN' "$T/talk.err"
	equal "asked once" "$(grep -o 'Enter PIN' "$T/talk.tty" | wc -l)" 1
	ssh_gets "a wrong PIN" 255 --wait "Enter PIN for 'plain': " --type 9999
	talk "no answer" 1 --wait "$question" --key d -- -J gw1,gw2
	refused "no terminal" 1 \
	    'auth: .*libsofthsm2.so wants a PIN, and nobody can be asked' \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
	talk "BatchMode" 1 --never "Enter PIN" -- -J gw1 -o BatchMode=yes
	check "BatchMode is named" grep -q 'BatchMode: nobody is' "$T/talk.err"
	ssh -F "$CONF" -o BatchMode=yes gw1 true 2>"$T/err" </dev/null
	equal "BatchMode: nor does ssh get in" $? 255
	talk "IdentitiesOnly" 1 --never "Enter PIN" -- -J gw1 \
	    -o IdentitiesOnly=yes
	ssh -F "$CONF" -o IdentitiesOnly=yes gw1 true 2>"$T/err" </dev/null
	equal "IdentitiesOnly: nor does ssh get in" $? 255
	talk "IdentitiesOnly, and its .pub is named" 0 --wait "$question" \
	    --type "$PIN" -- -J gw1,gw2 -o IdentitiesOnly=yes \
	    -i "$T/second.pub"
	takes
	talk "none that the server takes: not asked" 1 --never "Enter PIN" -- \
	    -J gw1
	check "both are named" grep -Eq \
	    "first $(fingerprint "$T/first.pub"), second SHA256|second SHA256.*, first SHA256" \
	    "$T/talk.err"
	takes second
	new_key "$T/wrong1"
	new_key "$T/wrong2"
	with "IdentitiesOnly no" "PKCS11Provider $MODULE" \
	    "IdentityFile $T/wrong1" "IdentityFile $T/wrong2"
	talk "a server that hangs up after two files: back with the token" 0 \
	    --wait '@few \(hop 1 of 1\): Enter PIN for .*: ' \
	    --type "$PIN" -- -J few
	check "a server that hangs up after two files: ssh" \
	    env SSH_ASKPASS="$T/askpass" SSH_ASKPASS_REQUIRE=force \
	    ssh -F "$CONF" few true
	takes
	with "IdentitiesOnly no" "PKCS11Provider $MODULE" "IdentityFile $T/id"
	talk "a file that will do: the token is not used" 0 \
	    --never "Enter PIN" -- -J gw1
	check "nothing is left" gone
}

# Some tokens show nothing without a PIN, and some providers are none.
odd_cards()
{
	local question='@gw1 \(hop 1 of 1\): Enter PIN for .*: '

	token hidden
	ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f "$T/shy" </dev/null
	openssl rsa -in "$T/shy" -pubout -outform DER -out "$T/shy.der" \
	    2>/dev/null
	softhsm2-util --import "$T/shy" --token hidden --label shy --id 01 \
	    --pin "$PIN" >/dev/null
	rm "$T/shy"
	pkcs11 --delete-object --type pubkey --id 01
	pkcs11 --private --write-object "$T/shy.der" --type pubkey --id 01 \
	    --label shy
	takes shy
	with "IdentitiesOnly no" "PKCS11Provider $MODULE"
	talk "a token that hides its keys" 0 --wait "$question" \
	    --type "$PIN" -- -J gw1
	ssh_gets "a token that hides its keys" 0 \
	    --wait "Enter PIN for 'hidden': " --type "$PIN"
	talk "the same, a wrong PIN" 1 --wait "$question" --type 9999 -- -J gw1
	equal "asked once" "$(grep -o 'Enter PIN' "$T/talk.tty" | wc -l)" 1
	with "IdentitiesOnly no" "PKCS11Provider $DEVICE"
	talk "a provider that is none" 1 --never "Enter PIN" -- -J gw1
	check "it says so" grep -Eq "auth: .*$DEVICE ssh-keygen: " "$T/talk.err"
	with "IdentitiesOnly no" "PKCS11Provider $T/absent.so"
	talk "one that is not there" 1 --never "Enter PIN" -- -J gw1
	check "it says so" grep -q "auth: .*$T/absent.so is not there" \
	    "$T/talk.err"
	with "IdentitiesOnly no" "PKCS11Provider $T/absent.so" "IdentityFile $T/id"
	carries "the same, but a file" -J gw1
	equal "-G prints both providers" "$(hop -G -J gw1 \
	    -o gw1:SecurityKeyProvider=/lib/x.so x 22 |
	    grep -E '^ *(pkcs11|securitykey)provider' | tr -s ' ' | paste -sd' ')" \
	    "pkcs11provider $T/absent.so securitykeyprovider /lib/x.so"
	check "nothing is left" gone
}

touches
device_pins
if [ -n "$MODULE" ] && command -v pkcs11-tool >/dev/null; then
	cards
	odd_cards
else
	skip "no SoftHSM or no pkcs11-tool here (tests/deps)"
fi
