#!/usr/bin/env bash
# Goal: scp, sftp, rsync and git move files through three gateways; when the
# second gateway is not running each of them fails, and the reason is told.

. "$(dirname "$0")/harness.sh"
gateways

# The clients read a file in which target has its ProxyCommand.
conf "Host target" "ProxyCommand $(hop_cmd gw1,gw2,gw3)"
client=$CONF
export GIT_SSH_COMMAND="ssh -F $client"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

# Any client, without a terminal, within a minute.
run()
{
	timeout $((60 * TEST_TIME_FACTOR)) setsid -w "$@"
}

# A git command with a name.
as_git()
{
	git -c user.name=test -c user.email=test@localhost \
	    -c init.defaultBranch=main "$@"
}

# scp, up and down, both of its protocols.
scp_both()
{
	local old

	for old in '' -O; do
		rm -f "$T/there" "$T/back"
		check "scp $old up" \
		    run scp -q $old -F "$client" "$T/data" "target:$T/there"
		check "scp $old up: same bytes" cmp "$T/data" "$T/there"
		check "scp $old down" \
		    run scp -q $old -F "$client" "target:$T/there" "$T/back"
		check "scp $old down: same bytes" cmp "$T/data" "$T/back"
	done
}

# An sftp batch.
sftp_batch()
{
	rm -f "$T/there" "$T/back"
	printf '%s\n' "put $T/data $T/there" "get $T/there $T/back" >"$T/batch"
	check "sftp batch" run sftp -q -F "$client" -b "$T/batch" target
	check "sftp up: same bytes" cmp "$T/data" "$T/there"
	check "sftp down: same bytes" cmp "$T/data" "$T/back"
}

# A tree there and back.
rsync_tree()
{
	mkdir -p "$T/tree/a/b"
	cp "$T/data" "$T/tree/a/b/data"
	echo small >"$T/tree/a/small"
	check "rsync up" run rsync -a -e "ssh -F $client" \
	    "$T/tree/" "target:$T/tree.there/"
	check "rsync down" run rsync -a -e "ssh -F $client" \
	    "target:$T/tree.there/" "$T/tree.back/"
	check "rsync: same trees" diff -r "$T/tree" "$T/tree.back"
}

# Clone, commit, push.
git_clone()
{
	as_git init -q "$T/origin"
	as_git -C "$T/origin" config receive.denyCurrentBranch ignore
	cp "$T/data" "$T/origin/data"
	as_git -C "$T/origin" add data
	as_git -C "$T/origin" commit -qm first
	check "git clone" run git clone -q "ssh://target$T/origin" "$T/clone"
	check "git clone: whole" git -C "$T/clone" fsck --full --strict
	check "git clone: same bytes" cmp "$T/data" "$T/clone/data"
	as_git -C "$T/clone" commit -q --allow-empty -m second
	check "git push" run git -C "$T/clone" push -q origin HEAD:main
	check "git push: whole" git -C "$T/origin" fsck --full --strict
	equal "git push: same commit" \
	    "$(git -C "$T/origin" rev-parse main)" \
	    "$(git -C "$T/clone" rev-parse HEAD)"
}

# fails NAME COMMAND...: the client fails and shows proxyhop's one line.
fails()
{
	local name=$1 status=0 lines

	shift
	run "$@" >"$T/out" 2>"$T/err" || status=$?
	lines=$(grep -c '^proxyhop: ' "$T/err")
	if [ "$status" -ne 0 ] && [ "$lines" -eq 1 ] && grep -Eq "$why" "$T/err"
	then
		ok "$name without gw2 fails, and says why"
	else
		fail "$name without gw2 fails, and says why (status $status)" \
		    "$T/err"
	fi
}

head -c 5000000 /dev/urandom >"$T/data"
scp_both
sftp_batch
rsync_tree
git_clone

stop gw2
# gw1 was asked to open gw2's address, and could not.
why="^proxyhop: gw1 \(hop 1 of 3, .*\): forward: gw1 .*127\.0\.0\.1:${PORT[gw2]}.*[Rr]efused"
fails scp scp -q -F "$client" "$T/data" "target:$T/never"
fails sftp sftp -q -F "$client" -b "$T/batch" target
fails rsync rsync -a -e "ssh -F $client" "$T/tree/" "target:$T/never/"
fails git git clone -q "ssh://target$T/origin" "$T/never"
check "nothing was written" test ! -e "$T/never"
refused "gw2 not running" 2 "$why" \
    hop -J gw1,gw2,gw3 127.0.0.1 "${PORT[target]}"
