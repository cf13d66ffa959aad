#!/usr/bin/env bash
# Goal: KnownHostsCommand is run when and as ssh runs it, its output counts as
# one more file, and one that fails or hangs refuses.

. "$(dirname "$0")/harness.sh"

ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$T/rsa" </dev/null
user_key
for name in gw1 gw2; do
	start_sshd $name "HostKey $T/rsa"
done
write_config gw1 gw2
start_peer echo echo
: >"$T/kh"

# a program that notes its words and says what is in $T/says
cat >"$T/command" <<END
#!/bin/sh
echo "\$@" >>"$T/calls"
cat "$T/says"
END
cat >"$T/hangs" <<END
#!/bin/sh
exec sleep 300
END
cat >"$T/dies" <<END
#!/bin/sh
cat "$T/says"
echo "no directory service" >&2
exit 3
END
chmod +x "$T/command" "$T/hangs" "$T/dies"

# passes SENTENCE COMMAND [LINES...]: ssh gets in, and so do we, with the same
# calls of the command.
passes()
{
	local sentence="gw$n: $1" command=$2

	shift 2
	conf "Host gw$n" "UserKnownHostsFile $T/kh" \
	    "KnownHostsCommand $command" "$@"
	: >"$T/calls"
	check "$sentence: ssh gets in" ssh_in "$(seq -s, -f gw%g "$n")"
	mv "$T/calls" "$T/calls.ssh"
	: >"$T/calls"
	carries "$sentence" -J gw1,gw2
	# ssh knows whether somebody has set HostKeyAlgorithms, and looks up no
	# address of its own host
	[[ "$sentence" =~ type|CheckHostIP ]] ||
	    check "$sentence: the calls are ssh's" cmp "$T/calls.ssh" "$T/calls"
}

# stops SENTENCE PATTERN STATUS COMMAND [LINES...]: ssh refuses, and so do we.
stops()
{
	local sentence="gw$n: $1" pattern=$2 status=$3 command=$4

	shift 4
	conf "Host gw$n" "UserKnownHostsFile $T/kh" \
	    "KnownHostsCommand $command" "$@"
	if ssh_in "$(seq -s, -f gw%g "$n")"; then
		fail "$sentence: ssh refuses" "$T/ssh.out"
	else
		ok "$sentence: ssh refuses"
	fi
	refused "$sentence" "$status" \
	    "^proxyhop: gw$n \(hop $n of 2, .*\): hostkey: .*$pattern" \
	    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
}

all='%I %H %t %K %f %h %n %p %r %u %k %L %i %% %d'
for n in 1 2; do
	known gw$n >"$T/says"
	passes "the key" "$T/command $all"
	equal "gw$n: called twice" "$(cut -d' ' -f1 "$T/calls" | tr '\n' ' ')" \
	    "ORDER HOSTNAME "
	(echo '# a'; known gw$n "$T/rsa") >"$T/says"
	passes "another type of key first" "$T/command %I %t" \
	    "HostKeyAlgorithms rsa-sha2-512,ssh-ed25519"
	known gw$n "$T/id" >"$T/says"
	stops "another key" "has changed .*KnownHostsCommand:1 has .*$T/command" \
	    1 "$T/command"
	: >"$T/says"
	stops "no key" "is not known" 1 "$T/command"
	known gw$n >"$T/says"
	stops "an exit status" "KnownHostsCommand failed: $T/dies: exit status 3: no dir" \
	    1 "$T/dies"
done
n=1
known gw1 | sed 's/^/@revoked /' >"$T/says"
stops "@revoked" "is revoked.*KnownHostsCommand:1" 1 "$T/command"
known gw1 >"$T/says"
passes "quotes" "$T/command 'a  b' \"c\\\"d\" e\\ f \\x %%h"
passes "CheckHostIP" "$T/command %I %H" "CheckHostIP yes"
(known gw1; known gw1 | sed 's/127.0.0.1/localhost/') >"$T/says"
passes "CheckHostIP, another name" "$T/command %I %H" "CheckHostIP yes" \
    "HostName localhost" "AddressFamily inet"
equal "CheckHostIP: called three times" \
    "$(cut -d' ' -f1 "$T/calls" | tr '\n' ' ')" "ORDER HOSTNAME ADDRESS "
known gw1 | sed 's/^[^ ]*/gate/' >"$T/says"
passes "HostKeyAlias" "$T/command $all" "HostKeyAlias gate"

# what cannot be started is passed over, as ssh does, and said
known gw1 >"$T/kh"
may_say="KnownHostsCommand \"$T/absent\": No such file.*passed over"
passes "no such program, the key is known" "$T/absent"
may_say=
: >"$T/kh"
conf "Host gw1" "KnownHostsCommand $T/absent" "UserKnownHostsFile $T/kh"
hop -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>"$T/err"
equal "no such program, the key is not known: status" $? 1
check "no such program: both lines" grep -q "is not known" "$T/err"

# one that hangs is waited for, and goes with us
conf "Host gw1" "KnownHostsCommand $T/hangs" "UserKnownHostsFile $T/kh"
hop_exec -J gw1 127.0.0.1 "${PORT[echo]}" </dev/null >"$T/out" 2>&1 &
pid=$!
wait_until "pgrep -P $pid >$T/child"
kill -TERM $pid
wait $pid
wait_gone "$(head -n 1 "$T/child")"
ok "a command that hangs goes with us"
