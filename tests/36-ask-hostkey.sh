#!/usr/bin/env bash
# Goal: StrictHostKeyChecking ask asks on the terminal, and nowhere else, about
# the right hop, and does what the answer says.

. "$(dirname "$0")/harness.sh"

user_key
start_sshd gw1
start_sshd gw2
write_config gw1 gw2
start_peer echo echo

# pty.py [PATTERN ANSWER]... -- COMMAND: runs it on a terminal of its own, with
# our stdin and stdout.  Each time the terminal shows PATTERN after the last
# answer, types ANSWER; HANGUP takes the terminal away.  What it showed goes to
# $T/seen; ends as the command does, or as a shell says of a signal.
cat >"$T/pty.py" <<'END'
import fcntl, os, re, select, signal, subprocess, sys, termios, time

cut = sys.argv.index("--")
steps, command = sys.argv[1:cut], sys.argv[cut + 1:]
master, slave = os.openpty()

def own_terminal():
	os.setsid()
	fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
	for n in (signal.SIGINT, signal.SIGQUIT):
		signal.signal(n, signal.SIG_DFL)

child = subprocess.Popen(command, preexec_fn=own_terminal)
end = time.monotonic() + float(os.environ["PTY_DEADLINE"])
seen, begin, hung = b"", 0, False
while child.poll() is None and time.monotonic() < end:
	if not hung and select.select([master], [], [], 0.02)[0]:
		seen += os.read(master, 65536)
	elif hung:
		time.sleep(0.02)
	found = steps and re.search(steps[0].encode(), seen[begin:])
	if found:
		begin += found.end()
		answer = steps[1]
		steps = steps[2:]
		if answer == "HANGUP":
			os.close(slave)
			os.close(master)
			hung = True
		else:
			os.write(master,
			    answer.encode().decode("unicode_escape").encode())
if child.poll() is None:
	child.kill()
	child.wait()
	seen += b"\nTIMEOUT\n"
while not hung and select.select([master], [], [], 0)[0]:
	seen += os.read(master, 65536)
if steps:
	seen += b"\nNOT SEEN: " + steps[0].encode() + b"\n"
if not hung and not termios.tcgetattr(slave)[3] & termios.ECHO:
	seen += b"\nNO ECHO\n"
with open(os.environ["PTY_SEEN"], "wb") as f:
	f.write(seen)
sys.exit(child.returncode if child.returncode >= 0 else
    128 - child.returncode)
END
export PTY_SEEN=$T/seen PTY_DEADLINE=$((15 * TEST_TIME_FACTOR))

# asked PATTERN ANSWER...: the chain, with a person at its terminal.
asked()
{
	status=0
	echo there and back | "$PYTHON" "$T/pty.py" "$@" -- $PROXYHOP_WRAP \
	    "$PROXYHOP" -F "$CONF" -J gw1,gw2 127.0.0.1 "${PORT[echo]}" \
	    >"$T/out" 2>"$T/err" || status=$?
}

# setting N [config lines]: hop N asks, about a key that is not known.
setting()
{
	n=$1
	shift
	rm -f "$T/kh"
	conf "Host gw$n" "$@" "StrictHostKeyChecking ask" "BatchMode no" \
	    "UserKnownHostsFile $T/kh"
	print=$(ssh-keygen -l -f "$T/gw$n.key.pub" | cut -d' ' -f2)
}

# goes_on SENTENCE: it was carried, in silence, and is known from now on.
goes_on()
{
	equal "gw$n: $1: status" "$status" 0
	equal "gw$n: $1: carried" "$(cat "$T/out")" "there and back"
	equal "gw$n: $1: no word on stderr" "$(cat "$T/err")" ""
	equal "gw$n: $1: added" "$(cat "$T/kh")" "$(known "gw$n")"
	complete "$1"
	asked
	equal "gw$n: $1: not asked again" "$status$(cat "$T/seen")" 0
}

# goes_not SENTENCE: refused in one line, and nothing is known.
goes_not()
{
	equal "gw$n: $1: status" "$status" 1
	equal "gw$n: $1: nothing on stdout" "$(cat "$T/out")" ""
	equal "gw$n: $1: one line" "$(wc -l <"$T/err")" 1
	check "gw$n: $1: which says so" grep -Eq "^proxyhop: gw$n \(hop $n of \
2, .*\): hostkey: Host key verification failed: ssh-ed25519 key SHA256:[^ ]* is not known for .*" "$T/err"
	check "gw$n: $1: with the fingerprint" grep -qF " $print " "$T/err"
	check "gw$n: $1: nothing was added" [ ! -s "$T/kh" ]
	complete "$1"
}

# The driver met all it waited for, and the terminal is as it was.
complete()
{
	check "gw$n: $1: the conversation" \
	    bash -c "! grep -aE 'TIMEOUT|NOT SEEN|NO ECHO' '$T/seen'"
}

question='yes/no/\[fingerprint\]\)\? $'
again='Please type .*: $'

for n in 1 2; do
	setting $n
	asked "$question" 'yes\n'
	goes_on "yes"
	setting $n
	asked "$question" 'yes\n'
	check "gw$n: the question begins with the hop" \
	    grep -aEq "^[^ ]*@gw$n \(hop $n of 2\): " "$T/seen"
	check "gw$n: the question has the key" \
	    grep -aqF "ssh-ed25519 key $print" "$T/seen"
	check "gw$n: the question has the name" \
	    grep -aqF "[127.0.0.1]:${PORT[gw$n]}" "$T/seen"
	setting $n
	asked "$question" "$print\\n"
	goes_on "the fingerprint"
	setting $n
	asked "$question" ' YES \n'
	goes_on "yes in capitals, with blanks"
	setting $n
	asked "$question" 'what?\n' "$again" 'y\n' "$again" 'yes\n'
	goes_on "garbage, then yes"
	setting $n
	asked "$question" "${print%?}\\n" "$again" 'no\n'
	goes_not "a fingerprint that is not whole, then no"
	setting $n
	asked "$question" 'no\n'
	goes_not "no"
	check "gw$n: no: the line says that it was the answer" \
	    grep -Eq "and the answer was no; ask who runs gw$n" "$T/err"
	setting $n
	asked "$question" '\n'
	goes_not "an empty line"
	setting $n
	asked "$question" '\x04'
	goes_not "end of file"
	setting $n
	asked "$question" '\x03'
	equal "gw$n: ctrl-C: ends by it" "$status" 130
	equal "gw$n: ctrl-C: quiet" "$(cat "$T/out" "$T/err")" ""
	check "gw$n: ctrl-C: nothing was added" [ ! -s "$T/kh" ]
	complete "ctrl-C"
	setting $n
	asked "$question" HANGUP
	check "gw$n: the terminal goes away: ends" [ "$status" -ne 0 ]
	check "gw$n: the terminal goes away: nothing was added" \
	    [ ! -s "$T/kh" ]
done

# An answer longer than any is asked for again, and harms nobody.
setting 1
asked "$question" "$(printf '%03000d' 0)\\n" "$again" 'no\n'
goes_not "an answer of 3000 characters, then no"

# Both hops ask, one after the other.
conf "Host *" "StrictHostKeyChecking ask" "BatchMode no" \
    "UserKnownHostsFile $T/kh"
rm -f "$T/kh"
asked 'gw1 \(hop 1 of 2\): [^?]*\? $' 'yes\n' \
    'gw2 \(hop 2 of 2\): [^?]*\? $' 'yes\n'
n=both
equal "both: status" "$status" 0
complete "both"
equal "both: added" "$(cat "$T/kh")" "$(known gw1; known gw2)"
rm -f "$T/kh"
asked 'gw1 \(hop 1 of 2\): [^?]*\? $' 'yes\n' \
    'gw2 \(hop 2 of 2\): [^?]*\? $' 'no\n'
equal "yes, then no: status" "$status" 1
equal "yes, then no: added" "$(cat "$T/kh")" "$(known gw1)"

# What ask does not ask about.
setting 2
new_key "$T/wrong"
known gw2 "$T/wrong" >"$T/kh"
asked
equal "a changed key: status" "$status" 1
equal "a changed key: not asked" "$(cat "$T/seen")" ""
check "a changed key: said" grep -q "has changed.*$T/kh:1" "$T/err"
bash -c "$(grep -o 'ssh-keygen -R .*' "$T/err")" >/dev/null 2>&1
rm -f "$T/kh.old"
asked "$question" 'yes\n'
goes_on "after the command of that line"
setting 2
(printf '@revoked '; known gw2) >"$T/kh"
asked
equal "a revoked key: status" "$status" 1
equal "a revoked key: not asked" "$(cat "$T/seen")" ""
setting 2 "BatchMode yes"
asked
equal "BatchMode: not asked" "$(cat "$T/seen")" ""
goes_not "BatchMode"
setting 2 "StrictHostKeyChecking yes"
asked
equal "StrictHostKeyChecking yes: not asked" "$(cat "$T/seen")" ""
goes_not "StrictHostKeyChecking yes"
setting 2
refused "no terminal" 1 "^proxyhop: gw2 \(hop 2 of 2, .*is not known" \
    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"

# What else the question has to say.
new_key "$T/other" -t ecdsa
setting 2
known gw2 "$T/other" >"$T/kh"
asked "but $T/kh:1 has ecdsa-sha2-nistp256 key[^?]*\? \$" 'yes\n'
equal "another type is known: asked, status" "$status" 0
complete "another type is known"
setting 2
known gw2 "$T/other" | sed 's/^/@cert-authority /' >"$T/kh"
asked "no certificate of the CA in $T/kh:1[^?]*\? \$" 'yes\n'
equal "@cert-authority: asked, status" "$status" 0
complete "@cert-authority"
setting 2 "HashKnownHosts yes"
asked "$question" 'yes\n'
check "HashKnownHosts: hashed" grep -q '^|1|' "$T/kh"
check "HashKnownHosts: ssh finds it" \
    ssh-keygen -F "[127.0.0.1]:${PORT[gw2]}" -f "$T/kh"

# A person who takes longer than ConnectTimeout: the clock stands still.
setting 2 "ConnectTimeout 1"
askpass=$T/askpass
printf '#!/bin/sh\necho "$1" >%s\nsleep 2\necho yes\n' "$T/asked" >"$askpass"
chmod +x "$askpass"
SSH_ASKPASS=$askpass SSH_ASKPASS_REQUIRE=force \
    carries "an answer after ConnectTimeout, by SSH_ASKPASS" -J gw1,gw2
check "SSH_ASKPASS has the question" \
    grep -q "^[^ ]*@gw2 (hop 2 of 2): .*fingerprint" "$T/asked"
setting 2
printf '#!/bin/sh\necho no\n' >"$askpass"
SSH_ASKPASS=$askpass SSH_ASKPASS_REQUIRE=force \
    refused "SSH_ASKPASS says no" 1 "gw2 .*is not known" \
    hop -J gw1,gw2 127.0.0.1 "${PORT[echo]}"
