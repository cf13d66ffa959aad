#!/usr/bin/env bash
# Goal: little things that come one after the other, as what a shell writes, are
# not held up by Nagle's algorithm in the sshd next to us, as they are for ssh.

. "$(dirname "$0")/harness.sh"

gateways

cat >"$T/trips.py" <<'END'
import socket, statistics, subprocess, sys, threading, time

listener = socket.create_server(("127.0.0.1", 0))
port = str(listener.getsockname()[1])

def serve():
	sock = listener.accept()[0]
	sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	while sock.recv(1):
		for byte in (b"1", b"2", b"3"):
			sock.sendall(byte)
			time.sleep(0.005)

threading.Thread(target=serve, daemon=True).start()
run = subprocess.Popen([word.replace("PORT", port) for word in sys.argv[1:]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
took = []
for _ in range(20):
	run.stdin.write(b"?")
	if run.stdout.read(1) != b"1":
		sys.exit("no answer")
	begin = time.monotonic()
	run.stdout.read(1)
	run.stdout.read(1)
	took.append((time.monotonic() - begin) * 1000)
	time.sleep(0.02)	# the pace of somebody who types fast
run.stdin.close()
run.wait(10)
print(round(statistics.median(took)))
END

# trips COMMAND...: a target that answers each byte with three, 5 ms apart;
# the median of the time from the first to the third, in ms.
trips()
{
	"$PYTHON" "$T/trips.py" "$@" 2>"$T/err" ||
	    die "three bytes come back" "$T/err"
}

ours=$(trips $PROXYHOP_WRAP "$PROXYHOP" -F "$CONF" -J gw1 127.0.0.1 PORT)
theirs=$(trips ssh -F "$CONF" -W 127.0.0.1:PORT gw1)
at_most "from the first of three bytes to the last, ms" "$ours" 25
if [ "$theirs" -gt 25 ]; then
	ok "ssh has them held up for $theirs ms: it can be told"
else
	echo "	this sshd holds nothing up, not for ssh either: $theirs ms"
fi
