#!/usr/bin/env bash
# Goal: every client that can use a ProxyCommand takes a file through two
# gateways to the target and back, whole; when the second gateway is not there,
# does not take the key, or may not forward, each of them fails, and what
# proxyhop has to say about it can be read.

. "$(dirname "$0")/harness.sh"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

# ---- what there is -----------------------------------------------------------

# gone, alien and closed are each in gw2's place in turn; alien is gw2 itself,
# for somebody with another key.
servers()
{
	user_key
	new_key "$T/other"
	start_sshd gw1
	start_sshd gw2
	start_sshd closed "AllowTcpForwarding no"
	# ssh-copy-id writes to the home directory
	mkdir -p "$T/home"
	start_sshd target "LogLevel VERBOSE" \
	    "SetEnv PROXYHOP_TEST=$T HOME=$T/home" \
	    "AuthorizedKeysFile $T/authorized_keys $T/home/.ssh/authorized_keys"
	start_peer gone bound
	PORT[alien]=${PORT[gw2]}
	cp "$T/gw2.key.pub" "$T/alien.key.pub"
	cp "$T/gw2.key.pub" "$T/gone.key.pub"
	IDENTITY=([alien]=$T/other)
	write_config gw1 gw2 closed target alien gone
}

# Keys and known hosts as the other clients want them.
foreign_files()
{
	local type key

	read -r type key _ <"$T/target.key.pub"
	fingerprint=$(ssh-keygen -l -f "$T/target.key.pub" | cut -d' ' -f2)
	mkdir -p "$T/.ssh"
	# this is dbclient's; it knows no port
	echo "target $type $key" >"$T/.ssh/known_hosts"
	echo "target,[target]:${PORT[target]} $type $key" >"$T/known_python"
	dropbearconvert openssh dropbear "$T/id" "$T/id.dropbear" \
	    >"$T/out" 2>&1 || die "dropbearconvert" "$T/out"
	puttygen "$T/id" -O private -o "$T/id.ppk" >"$T/out" 2>&1 ||
	    die "puttygen" "$T/out"
}

# way GATEWAY: the way to target is gw1 and this one.  ssh and what is built on
# it get a file with a ProxyCommand; the others, which read no ssh_config, a
# command, for which the way is in ssh's ProxyJump.
way()
{
	conf
	conf "Host target" "ProxyCommand $(hop_cmd "gw1,$1")"
	client=$CONF
	printf '%s\n' "Host target" "ProxyJump gw1,$1" |
	    cat - "$T/ssh_config" >"$T/jump"
	proxy="$PROXYHOP_WRAP $PROXYHOP -F $T/jump -r none"
}

# ---- the clients -------------------------------------------------------------
# Each takes $T/data to $T/there and brings that back to $T/back.

# Any client, without a terminal, within a minute.
run()
{
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "$@"
}

client_ssh()
{
	run ssh -F "$client" target "tee $T/there" <"$T/data" >"$T/back"
}

# OpenSSH 7.5, the oldest that Debian has.
client_ssh1()
{
	run ssh1 -F "$client" target "tee $T/there" <"$T/data" >"$T/back"
}

client_scp()
{
	run scp -q -s -F "$client" "$T/data" "target:$T/there" &&
	    run scp -q -s -F "$client" "target:$T/there" "$T/back"
}

# The protocol that scp had before.
client_scp_O()
{
	run scp -q -O -F "$client" "$T/data" "target:$T/there" &&
	    run scp -q -O -F "$client" "target:$T/there" "$T/back"
}

client_sftp()
{
	printf '%s\n' "put $T/data $T/there" "get $T/there $T/back" |
	    run sftp -q -F "$client" -b - target
}

client_rsync()
{
	run rsync -e "ssh -F $client" "$T/data" "target:$T/there" &&
	    run rsync -e "ssh -F $client" "target:$T/there" "$T/back"
}

# This and the next two find their port, and the way, in proxyhop's answer from
# ssh for the name.
client_dbclient()
{
	run dbclient -i "$T/id.dropbear" -p "${PORT[target]}" \
	    -J "$proxy target ${PORT[target]}" "$ME@target" "tee $T/there" \
	    <"$T/data" >"$T/back"
}

# What a proxy says is shown with -v only.
client_plink()
{
	run plink -v -batch -i "$T/id.ppk" -hostkey "$fingerprint" \
	    -P "${PORT[target]}" -l "$ME" -proxycmd "$proxy %host %port" \
	    target "tee $T/there" <"$T/data" >"$T/back"
}

# python_client NAME COMMAND [arguments]
python_client()
{
	local name=$1 command=$2

	shift 2
	run "$PYTHON" "$TESTS/clients.py" --port "${PORT[target]}" \
	    --user "$ME" --key "$T/id" --known "$T/known_python" \
	    --put "$T/data" --there "$T/there" --get "$T/back" \
	    --timeout "$patience" --proxy "$command" "$name"
}

# It does not read what its ProxyCommand says; the program that uses it can.
client_paramiko()
{
	python_client paramiko "$proxy target ${PORT[target]}"
}

# It hides what its ProxyCommand says among the words of the server.
client_asyncssh()
{
	python_client asyncssh "$proxy -E $T/said target ${PORT[target]}"
}

# Its gateway may be a ProxyCommand with ssh's tokens; the port must be one
# that ssh's configuration could have.
client_fabric()
{
	python_client fabric "$proxy -E $T/said %h ${PORT[target]}"
}

# ---- what they do ------------------------------------------------------------

# passes NAME: the file goes there and comes back, by way of both gateways.
passes()
{
	rm -f "$T/there" "$T/back"
	forget gw1
	forget gw2
	check "$1 passes" "client_$1" || return
	cp "$T/check.out" "$T/passes"
	check "$1: by way of gw1" grep -q '^Accepted publickey' "$T/gw1.log"
	check "$1: by way of gw2" grep -q '^Accepted publickey' "$T/gw2.log"
	check "$1: the same bytes arrive" cmp "$T/data" "$T/there"
	check "$1: the same bytes come back" cmp "$T/data" "$T/back"
	check "$1: proxyhop has nothing to say" bash -c \
	    "! grep -E '(^|: )proxyhop: |Sanitizer' '$T/passes'"
}

# told SENTENCE STATUS: the client has failed with this status, left nothing at
# the target, and one line of ours, which matches $why, can be read.
told()
{
	local said

	said=$(cat "$T/err" "$T/said" 2>/dev/null | grep 'proxyhop: ')
	if [ "$2" -ne 0 ] && [ ! -s "$T/there" ] &&
	    [ "$(echo "$said" | wc -l)" -eq 1 ] &&
	    [[ $said =~ proxyhop:\ $why ]]; then
		ok "$1"
	else
		fail "$1 (status $2)" "$T/err" "$T/said"
	fi
}

# stopped NAME WHAT: the same for one of the clients, now.
stopped()
{
	local status=0

	rm -f "$T/there" "$T/back" "$T/said"
	"client_$1" </dev/null >"$T/out" 2>"$T/err" || status=$?
	told "$1, $2: fails and tells" "$status"
}

# A git command with a name.
as_git()
{
	git -c user.name=test -c user.email=test@localhost \
	    -c init.defaultBranch=main "$@"
}

commit()
{
	head -c 300000 /dev/urandom >"$1/$2"
	as_git -C "$1" add "$2"
	as_git -C "$1" commit -q -m "$2"
}

# same_head SENTENCE REVISION: origin's main is this one of the clone.
same_head()
{
	equal "$1" "$(git -C "$T/clone" rev-parse "$2")" \
	    "$(git -C "$T/origin" rev-parse main)"
}

# Clone, fetch, push.
git_all()
{
	export GIT_SSH_COMMAND="ssh -F $client"
	as_git init -q "$T/origin"
	as_git -C "$T/origin" config receive.denyCurrentBranch ignore
	commit "$T/origin" first
	check "git clone" run git clone -q "ssh://target$T/origin" "$T/clone"
	same_head "git clone: the same commit" HEAD
	commit "$T/origin" second
	check "git fetch" run git -C "$T/clone" fetch -q
	same_head "git fetch: the same commit" origin/main
	as_git -C "$T/clone" merge -q --ff-only origin/main
	commit "$T/clone" third
	check "git push" run git -C "$T/clone" push -q origin HEAD:main
	same_head "git push: the same commit" HEAD
	check "git: all is whole there" git -C "$T/origin" fsck --full --strict
	check "git: all is whole here" git -C "$T/clone" fsck --full --strict
}

# git_stopped WHAT: fetch and push fail, and origin stays as it is.
git_stopped()
{
	local before action status

	export GIT_SSH_COMMAND="ssh -F $client"
	before=$(git -C "$T/origin" rev-parse main)
	as_git -C "$T/clone" commit -q --allow-empty -m "$1"
	for action in "fetch" "push origin HEAD:main"; do
		status=0
		rm -f "$T/there" "$T/said"
		run git -C "$T/clone" $action >"$T/out" 2>"$T/err" || status=$?
		told "git ${action%% *}, $1: fails and tells" "$status"
	done
	equal "git push, $1: nothing is pushed" \
	    "$(git -C "$T/origin" rev-parse main)" "$before"
}

# scan FILE: ssh-keyscan has no ProxyCommand; this is what does instead.
scan()
{
	rm -f "$1"
	run ssh -F "$client" -o StrictHostKeyChecking=accept-new \
	    -o UserKnownHostsFile="$1" -o HashKnownHosts=no \
	    -o PreferredAuthentications=none -o LogLevel=ERROR target \
	    </dev/null >"$T/out" 2>"$T/err"
}

# The target's key through the chain.
keyscan()
{
	scan "$T/scanned"
	equal "the target's host key can be fetched" \
	    "$(cat "$T/scanned" 2>/dev/null)" "$(known target)"
}

# keyscan_stopped WHAT
keyscan_stopped()
{
	local status=0

	rm -f "$T/there" "$T/said"
	scan "$T/scanned" || status=$?
	told "host key, $1: fails and tells" "$status"
	check "host key, $1: none is written" test ! -e "$T/scanned"
}

# copied KEY: a file in which target knows this key only; it may be in the agent.
copied()
{
	sed "/^Host target/,/^Host \*/s,$T/id\$,$1," "$client" |
	    sed "1i IdentitiesOnly no"
}

copied_key_works()
{
	copied "$T/copy" >"$T/copied"
	run ssh -F "$T/copied" target true </dev/null >"$T/out" 2>"$T/err"
}

# The key that is in the agent opens the door for the one that is copied.
copy_id()
{
	copied "$T/absent" >"$T/copied"
	SSH_AUTH_SOCK=$T/agent run ssh-copy-id -F "$T/copied" \
	    -i "$T/copy.pub" target </dev/null >"$T/out" 2>"$T/err"
}

# A new key, first refused, is copied, and then taken.
copy_id_all()
{
	start_agent agent
	SSH_AUTH_SOCK=$T/agent ssh-add -q "$T/id"
	new_key "$T/copy"
	# it must be nobody's real home that ssh-copy-id writes to
	equal "ssh-copy-id: where" "$(run ssh -F "$client" target \
	    'cd; pwd' </dev/null 2>&1)" "$T/home" || return
	copied_key_works
	equal "ssh-copy-id: the key is not there yet" "$?" 255
	copy_id || fail "ssh-copy-id" "$T/err"
	check "ssh-copy-id: this key is there, and no other" \
	    cmp "$T/home/.ssh/authorized_keys" "$T/copy.pub"
	check "ssh-copy-id: the key is taken" copied_key_works
}

# copy_id_stopped WHAT
copy_id_stopped()
{
	local status=0

	rm -f "$T/there" "$T/said"
	: >"$T/home/.ssh/authorized_keys"
	copy_id || status=$?
	told "ssh-copy-id, $1: fails and tells" "$status"
}

# all_stopped WHAT CLIENT...: now the way is no way.  paramiko does not see that
# its ProxyCommand has ended and waits for its banner_timeout, and Fabric with
# it; so not all clients see each of these ways.
all_stopped()
{
	local what=$1 name

	shift
	for name in ssh ssh1 scp scp_O sftp rsync dbclient plink asyncssh "$@"
	do
		stopped "$name" "$what"
	done
	git_stopped "$what"
	keyscan_stopped "$what"
	copy_id_stopped "$what"
}

servers
foreign_files
head -c 2000000 /dev/urandom >"$T/data"

way gw2
patience=$((15 * TEST_TIME_FACTOR))
for name in ssh ssh1 scp scp_O sftp rsync dbclient plink paramiko asyncssh \
    fabric; do
	passes "$name"
done
git_all
keyscan
copy_id_all

patience=$((2 + TEST_TIME_FACTOR))
way gone
why="gw1 \(hop 1 of 2, .*\): forward: .*127\.0\.0\.1:${PORT[gone]}.*refused"
all_stopped "gateway down" paramiko
way alien
why="alien \(hop 2 of 2, .*\): auth: .*$T/other SHA256:"
all_stopped "key refused" fabric
way closed
why="closed \(hop 2 of 2, .*\): forward: .*prohibited"
all_stopped "forwarding forbidden"
