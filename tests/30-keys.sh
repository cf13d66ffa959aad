#!/usr/bin/env bash
# Goal: key files log in as ssh would use them: in order, none twice, encrypted
# ones opened by a passphrase that is asked for only when it will be of use.

. "$(dirname "$0")/harness.sh"
. "$TESTS/talk.sh"

gateways "LogLevel DEBUG2"
start_peer echo echo
start_sshd few "MaxAuthTries 3" "LogLevel DEBUG2"
write_config gw1 gw2 gw3 target few

PASSPHRASE="open sesame"

# passphrase [ANSWER]: steps that answer one question of gw1's.
passphrase()
{
	steps+=(--wait "gw1 \\(hop 1 of 1\\): .*[Pp]assphrase.*: "
	    --type "${1-$PASSPHRASE}")
}

# files FILE...: gw1's IdentityFile lines; somebody may be asked.
files()
{
	local file lines=()

	IDENTITY=([gw1]=$1)
	shift
	for file; do
		lines+=("IdentityFile $file")
	done
	write_config gw1 gw2 gw3 target few
	conf "Host *" "BatchMode no" "Host gw1"
	[ ${#lines[@]} -eq 0 ] || sed -i "/^Host gw1$/,/^Host gw2$/{
	    /IdentityFile/a $(printf '\\\tIdentityFile %s\\n' "$@")
	    }" "$T/ssh_config.new"
}

fingerprint()
{
	ssh-keygen -l -f "$1" | cut -d' ' -f2
}

# The keys a server was shown, in order.
shown()
{
	grep -Eo '(Failed|Accepted) publickey .*SHA256:[A-Za-z0-9+/]*' \
	    "$T/$1.log" | grep -o 'SHA256:.*'
}

# sealed FILE [ssh-keygen arguments]: an encrypted key that gw1 takes.
sealed()
{
	local file=$1

	shift
	ssh-keygen -q -t ed25519 -N "$PASSPHRASE" -C "${file##*/}" "$@" \
	    -f "$file" </dev/null
	cat "$file.pub" >>"$T/authorized_keys"
}

order()
{
	local n wanted=

	for n in 1 2 3; do
		new_key "$T/k$n"
	done
	files "$T/k2" "$T/k1" "$T/k2" "$T/k3" "$T/id"
	forget gw1
	carries "five files, the last is right" -J gw1
	for n in k2 k1 k3 id; do
		wanted="$wanted$(fingerprint "$T/$n")"$'\n'
	done
	wait_for "$T/gw1.log" 'Accepted publickey'
	equal "they were offered in order, none twice" \
	    "$(shown gw1)" "${wanted%?}"
	files "$T/id" "$T/k1"
	forget gw1
	carries "two files, the first is right" -J gw1
	wait_for "$T/gw1.log" 'Accepted publickey'
	equal "the second one was not offered" "$(shown gw1)" \
	    "$(fingerprint "$T/id")"
	files "$T/k2" "$T/k1"
	refused "only wrong files: each is named with its fingerprint" 1 \
	    "auth: .*$T/k2 $(fingerprint "$T/k2" | sed 's/[+]/[+]/g').*$T/k1 SHA256:.*publickey" \
	    hop -J gw1 -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
}

# Every kind of key, encrypted in every format.
kinds()
{
	local kind steps

	while read -r kind; do
		set -- $kind
		sealed "$T/sealed-$1" "${@:2}"
		files "$T/sealed-$1"
		steps=()
		passphrase
		talk "encrypted $1" 0 "${steps[@]}" -- -J gw1
		equal "encrypted $1: no echo while it was typed" \
		    "$(field echo "$T/talk.info")" off
	done <<-END
	ed25519 -t ed25519
	ecdsa -t ecdsa
	ecdsa521 -t ecdsa -b 521
	rsa -t rsa -b 2048
	rsa-pem -t rsa -b 2048 -m PEM
	ecdsa-pem -t ecdsa -m PEM
	rsa-pkcs8 -t rsa -b 2048 -m PKCS8
	END
	check "rsa signs with SHA-2" grep -q 'pkalg rsa-sha2-' "$T/gw1.log"
	# without its public half beside it
	for kind in ed25519 rsa rsa-pem ecdsa-pem; do
		cp "$T/sealed-$kind" "$T/alone-$kind"
		files "$T/alone-$kind"
		steps=()
		passphrase
		talk "encrypted $kind, no .pub" 0 "${steps[@]}" -- -J gw1
	done
}

# When the question is asked, and how often.
questions()
{
	local steps=()

	files "$T/sealed-ed25519"
	passphrase wrong
	passphrase "wrong again"
	passphrase
	talk "the third passphrase is right" 0 "${steps[@]}" -- -J gw1
	steps=()
	passphrase wrong
	passphrase wrong
	passphrase wrong
	talk "three wrong ones" 1 "${steps[@]}" -- -J gw1
	check "three wrong ones: the file is named" \
	    grep -q "auth: .*$T/sealed-ed25519" "$T/talk.err"
	check "three wrong ones: asked no fourth time" \
	    [ "$(grep -o 'assphrase' "$T/talk.tty" | wc -l)" -eq 3 ]
	steps=()
	passphrase wrong
	talk "NumberOfPasswordPrompts 1" 1 "${steps[@]}" -- -J gw1 \
	    -o NumberOfPasswordPrompts=1
	check "asked once" [ "$(grep -c 'assphrase' "$T/talk.tty")" -eq 1 ]
	talk "NumberOfPasswordPrompts 0: not asked" 1 \
	    --never '[Pp]assphrase' -- -J gw1 -o NumberOfPasswordPrompts=0
	steps=()
	passphrase ""
	talk "an empty answer passes the key over" 1 "${steps[@]}" -- -J gw1
	files "$T/sealed-ed25519" "$T/sealed-ecdsa"
	steps=()
	passphrase ""
	passphrase
	talk "the next key is taken then" 0 "${steps[@]}" -- -J gw1
	files "$T/sealed-ed25519" "$T/id"
	talk "not asked where a key needs no question" 0 \
	    --never '[Pp]assphrase' -- -J gw1
	# a key the server does not want is not worth a question
	ssh-keygen -q -t ed25519 -N "$PASSPHRASE" -f "$T/unwanted" </dev/null
	files "$T/unwanted" "$T/id"
	talk "not asked for a key the server refuses" 0 \
	    --never '[Pp]assphrase' -- -J gw1
	files "$T/unwanted"
	talk "nor when it is the only one" 1 --never '[Pp]assphrase' -- -J gw1
	check "it is named with its fingerprint" \
	    grep -qF "$T/unwanted $(fingerprint "$T/unwanted")" "$T/talk.err"
	refused "BatchMode: the encrypted key is named" 1 \
	    "auth: .*$T/sealed-ed25519.*encrypted" \
	    hop -J gw1 -i "$T/sealed-ed25519" -o BatchMode=yes \
	    127.0.0.1 "${PORT[echo]}"
	cp "$T/sealed-rsa-pem" "$T/pem-batch"
	files "$T/pem-batch"
	refused "the same, PEM without .pub" 1 \
	    "auth: .*$T/pem-batch.*encrypted" \
	    hop -J gw1 -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
}

# Public halves: a .pub alone is for the agent; a wrong one beside is no help.
halves()
{
	cp "$T/id.pub" "$T/half.pub"
	start_agent agent
	SSH_AUTH_SOCK=$T/agent ssh-add -q "$T/id"
	files "$T/half"
	SSH_AUTH_SOCK=$T/agent carries "only .pub, the agent has the key" -J gw1
	refused ".pub alone, no agent" 1 "auth: " \
	    hop -J gw1 -o BatchMode=yes 127.0.0.1 "${PORT[echo]}"
	files "$T/half.pub"
	SSH_AUTH_SOCK=$T/agent carries "IdentityFile is a .pub" -J gw1
	cp "$T/id" "$T/odd"
	cp "$T/k1.pub" "$T/odd.pub"
	files "$T/odd"
	carries "a key with another one's .pub beside it" -J gw1
	cp "$T/id" "$T/broken"
	echo "ssh-ed25519 no-key" >"$T/broken.pub"
	files "$T/broken"
	carries "a key with a broken .pub beside it" -J gw1
}

# No more tries are spent than there are keys.
tries()
{
	local n

	files "$T/id"
	forget few
	IDENTITY=([few]="$T/k1")
	write_config gw1 gw2 gw3 target few
	refused "three wrong keys where three are let try" "1|2" \
	    "few \(hop 1 of 1, .*auth: .*$T/k1.*$T/k2.*$T/k3" \
	    hop -J few -o BatchMode=yes -i "$T/k1" -i "$T/k2" -i "$T/k3" \
	    127.0.0.1 "${PORT[echo]}"
	files "$T/id"
	carries "two wrong ones leave one try for the right one" \
	    -J few -i "$T/k1" -i "$T/k2" -i "$T/id"
	conf "Host gw1" "PubkeyAcceptedAlgorithms rsa-sha2-512"
	refused "a key type that ssh_config does not allow" 1 \
	    "gw1 .*auth: .*(PubkeyAccepted|not allowed)" \
	    hop -J gw1 127.0.0.1 "${PORT[echo]}"
}

# Nothing that is typed is to be seen anywhere.
secrets()
{
	local steps=()

	files "$T/sealed-ed25519"
	passphrase "wrong-and-secret"
	steps+=(--run 'for p in $CHILD $(pgrep -P $CHILD); do
	    cat /proc/$p/cmdline /proc/$p/environ
	    done >"'"$T"'/cmdlines"; grep "^Max core" \
	    /proc/$CHILD/limits >"'"$T"'/limits"')
	passphrase
	talk "with -vvv" 0 "${steps[@]}" -- -J gw1 -vvv -E "$T/vvv"
	check "no passphrase in -vvv" \
	    bash -c "[ -s '$T/vvv' ] &&
	    ! grep -Eqa 'secret|sesame' '$T/vvv' '$T/talk.tty' '$T/talk.err'"
	check "none in anybody's arguments" \
	    bash -c "[ -s '$T/cmdlines' ] &&
	    ! grep -qa 'wrong-and-secret' '$T/cmdlines'"
	check "no core is dumped" grep -Eq 'size +0 +0' "$T/limits"
}

order
kinds
questions
halves
tries
secrets
