#!/usr/bin/env python3
"""fault.py: servers that fail, each in its way and at its moment.

usage: fault.py TABLE [FILE]

Each line of TABLE makes a port, and "NAME listening PORT" is printed:

	NAME refused	nobody listens
	NAME filtered	a connection gets no answer
	NAME silent	takes connections, says nothing
	NAME close	closes them at once
	NAME reset	resets them at the first byte
	NAME http	answers like a web server
	NAME noise	random bytes
	NAME long	greets with 10,000 bytes
	NAME old	greets as an SSH 1 server
	NAME stream	sends FILE, slowly; compares with FILE what comes
	NAME late PORT	refuses until NAME.go is there, then passes all on

	NAME KIND@STAGE PORT [PID] [times=N] [after=BYTES]

The last is a man in the middle, before the server at PORT.  He passes all on
until a stage is reached, prints "NAME at STAGE", and does this to the first N
connections (no N: to all):

	tell	passes on, as before
	freeze	passes nothing more
	close	ends both connections
	reset	resets both
	garbage	sends random bytes instead of the server's
	mangle	sends random bytes instead of the client's
	kill	SIGKILL for the processes of the sshd (its listener is PID)
		that serve this connection
	stop	SIGSTOP for them; SIGKILL when the client has gone

He reads the stages off the packets, for which the cipher must be
aes128-gcm@openssh.com, as it leaves their lengths in clear:

	banner	the server's banner is here, and not passed on
	kex	the client's KEXINIT
	hostkey	the client wants the server's key
	service	the first sealed packet of the client
	auth	the second: its login
	forward	the third: its channel
	next	a kilobyte is through the channel: the next one's banner
	carry	BYTES, or else 300,000 bytes, have come from the server
	asked	the file NAME.go, beside TABLE, is there: a person is asked
	meanwhile  the same, but about the next hop
	N	N milliseconds have passed

Also prints "NAME accepted" and, when the client has gone, "NAME closed"; for
stream with got=, sent=, and wrong=1 if what came is not how FILE begins.
"""

import os
import random
import select
import signal
import socket
import struct
import sys
import threading
import time

CHUNK = 65536
FULL = 4 * CHUNK		# one side waits for the other then
NEWKEYS, ECDH_INIT = 21, 30
TAG = 16			# behind each sealed packet
ESTABLISHED = "01"		# in /proc/net/tcp
NOISE = random.Random(3).randbytes(5000)
HTTP = (b"HTTP/1.1 400 Bad Request\r\nServer: peer\r\n"
    b"Content-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><body>Bad Request</body></html>\r\n")
GREETINGS = {
	"http": HTTP,
	"noise": NOISE,
	"long": b"SSH-2.0-" + b"x" * 9990 + b"\r\n",
	"old": b"SSH-1.5-old\r\n",
}
STAGES = ("banner", "kex", "hostkey", "service", "auth", "forward", "next",
    "carry")

frozen = set()			# processes to be killed at the end


def say(text):
	os.write(1, text.encode() + b"\n")


def reset(sock):
	sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
	    struct.pack("ii", 1, 0))
	sock.close()


def drain(sock):
	"""Read to the end: a close() before it would be a reset."""
	while sock.recv(CHUNK):
		pass


# ---- the processes behind a connection

def descendants(pid):
	try:
		with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
			children = [int(word) for word in file.read().split()]
	except OSError:
		return []
	return children + [p for c in children for p in descendants(c)]


def far_end(sock):
	"""What the kernel says of it: addresses, state, inode ..."""
	pair = ["0100007F:%04X" % address[1]
	    for address in (sock.getpeername(), sock.getsockname())]
	with open("/proc/net/tcp") as file:
		for line in file:
			fields = line.split()
			if fields[1:3] == pair:
				return fields
	return None


def left(sock):
	"""Has the other side closed?  What it sent before may hide its end."""
	try:
		end = far_end(sock)
	except OSError:
		end = None
	return end is None or end[3] != ESTABLISHED


def holds(pid, name):
	folder = "/proc/%d/fd" % pid
	try:
		return any(os.readlink("%s/%s" % (folder, fd)) == name
		    for fd in os.listdir(folder))
	except OSError:
		return False


def serving(sock, listener):
	"""The processes below listener that hold sock's other end."""
	end = far_end(sock)
	name = "socket:[%s]" % (end[9] if end else "")
	return [p for p in descendants(listener) if holds(p, name)]


def stop(sock, listener):
	"""Stop them, those that they fork meanwhile, too; returns them all.

	While others end /proc may leave some out, so it is asked again.
	"""
	stopped = set()
	again = 20
	while again > 0:
		pids = set(serving(sock, listener)) - stopped
		strike(pids, signal.SIGSTOP)
		stopped |= pids
		again = 2 if pids else again - 1
		time.sleep(0.002)
	return stopped


def strike(pids, number):
	for pid in pids:
		try:
			os.kill(pid, number)
		except OSError:
			pass


# ---- the man in the middle

class Side:
	"""What came from one of the two, and what is to go to the other."""

	def __init__(self, sock):
		self.sock = sock
		self.raw = b""		# not yet understood
		self.out = b""		# for the other
		self.mode = "banner"	# then clear, sealed; or raw
		self.sealed = self.bytes = 0
		self.since = 0		# bytes after the third sealed packet
		self.ended = self.passed = False

	def length(self):
		"""Of the next unit in raw; 0 if it is not all there."""
		if (self.mode == "banner" and
		    not self.raw.startswith(b"SSH-"[:len(self.raw)])):
			self.mode = "raw"
		if self.mode == "banner":
			return self.raw.find(b"\n") + 1
		if self.mode == "raw":
			return len(self.raw)
		if len(self.raw) < 4:
			return 0
		n = 4 + struct.unpack(">I", self.raw[:4])[0]
		return n if self.mode == "clear" else n + TAG

	def units(self):
		"""Banner, packets or bytes, each with what it is."""
		while True:
			n = self.length()
			if n == 0 or n > len(self.raw):
				return
			unit, self.raw = self.raw[:n], self.raw[n:]
			what = self.mode
			self.bytes += n
			if self.sealed >= 3:
				self.since += n
			if self.mode == "banner":
				self.mode = "clear"
			elif self.mode == "clear":
				what = unit[5]
				if what == NEWKEYS:
					self.mode = "sealed"
			elif self.mode == "sealed":
				self.sealed += 1
			yield what, unit


class Middle:
	def __init__(self, port, sock):
		self.port = port
		self.client = Side(sock)
		self.server = Side(socket.create_connection(
		    ("127.0.0.1", port.backend)))
		self.done = False	# the fault
		self.mute = None	# the side that is not passed on
		self.pids = ()		# killed, or stopped
		self.start = time.monotonic()

	def stages(self, side, what):
		"""The stages that begin with this unit."""
		if side is self.server:
			if what == "banner":
				yield "banner"
			if side.bytes >= self.port.after:
				yield "carry"
			return
		if isinstance(what, int):
			yield "kex"
			if what == ECDH_INIT:
				yield "hostkey"
		if what == "sealed" and side.sealed <= 3:
			yield ("service", "auth", "forward")[side.sealed - 1]
		if side.since > 1000:
			yield "next"

	def strike(self):
		"""The fault itself.  Returns False when all is over."""
		kind, client, server = self.port.kind, self.client, self.server
		if kind in ("kill", "stop"):
			self.pids = stop(server.sock, self.port.pid)
			if not self.pids:
				say("%s: no process" % self.port.name)
			if kind == "stop":
				frozen.update(self.pids)
			else:
				strike(self.pids, signal.SIGKILL)
		elif kind == "freeze":
			while not left(client.sock):
				time.sleep(0.05)
			return False
		elif kind == "reset":
			reset(server.sock)
			reset(client.sock)
			return False
		elif kind == "close":
			client.sock.shutdown(socket.SHUT_WR)
			server.sock.close()
			drain(client.sock)
			return False
		elif kind in ("garbage", "mangle"):
			self.mute = (server if kind == "garbage" else client)
			self.mute.out += NOISE
		return True

	def fault(self, side, what):
		"""What this unit begins; False when all is over."""
		for stage in self.stages(side, what):
			if stage == self.port.stage and not self.now():
				return False
		return True

	def now(self):
		"""The moment has come; False when all is over."""
		if self.done:
			return True
		self.done = True
		if not self.port.again():
			return True
		say("%s at %s" % (self.port.name, self.port.stage))
		# what the server has said after its stage is not passed on
		if self.port.kind in ("kill", "stop"):
			if self.port.stage != "carry":
				self.mute = self.server
		return self.strike()

	def timed(self):
		"""Has a moment come that no packet tells?"""
		stage = self.port.stage
		if stage in ("asked", "meanwhile"):
			return os.path.exists(self.port.go)
		return (stage.isdigit() and
		    time.monotonic() - self.start >= int(stage) / 1000)

	def take(self, side):
		"""Read; False when all is over."""
		data = side.sock.recv(CHUNK)
		if not data:
			side.ended = True
			if side is not self.mute:
				side.out += side.raw
			return True
		side.raw += data
		for what, unit in side.units():
			if not self.fault(side, what):
				return False
			if side is not self.mute:
				side.out += unit
		return True

	def give(self, side, other):
		n = other.sock.send(side.out)
		side.out = side.out[n:]

	def turn(self):
		"""Move what can be moved; False when all is over."""
		poll = select.poll()
		sides = ((self.client, self.server), (self.server, self.client))
		for side, other in sides:
			events = 0
			if not side.ended and len(side.out) < FULL:
				events |= select.POLLIN
			if other.out:
				events |= select.POLLOUT
			if events:
				poll.register(side.sock, events)
		ready = dict(poll.poll(self.patience()))
		if self.timed() and not self.now():
			return False
		for side, other in sides:
			event = ready.get(side.sock.fileno(), 0)
			if event & select.POLLERR:
				raise ConnectionResetError
			if event & select.POLLOUT:
				self.give(other, side)
			if (event & (select.POLLIN | select.POLLHUP) and
			    not side.ended and not self.take(side)):
				return False
		for side, other in sides:
			if side.ended and not side.out and not side.passed:
				other.sock.shutdown(socket.SHUT_WR)
				side.passed = True
		# a stopped server would never see that its client has closed
		return not (self.server.passed or
		    self.stopped() and left(self.client.sock))

	def stopped(self):
		return self.port.kind == "stop" and self.done

	def patience(self):
		"""How long poll() may wait."""
		if self.stopped():
			return 50
		return None if self.port.stage in STAGES or self.done else 10

	def run(self):
		try:
			while self.turn():
				pass
			# a server that ended is passed on as an end
			if self.server.passed and not self.client.ended:
				drain(self.client.sock)
			self.server.sock.close()
			self.client.sock.close()
		except OSError:
			reset(self.server.sock)
			reset(self.client.sock)
		finally:
			if self.port.kind == "stop" and self.done:
				strike(self.pids, signal.SIGKILL)


# ---- ports

class Port:
	def __init__(self, line):
		words = line.split()
		options = dict(w.split("=") for w in words if "=" in w)
		words = [w for w in words if "=" not in w]
		self.name, self.kind = words[:2]
		self.stage = None
		self.left = int(options.get("times", 1 << 30))
		self.after = int(options.get("after", 300000))
		self.lock = threading.Lock()
		self.go = "%s/%s.go" % (os.path.dirname(sys.argv[1]), self.name)
		if len(words) > 2:
			self.backend = int(words[2])
			self.pid = int(words[3]) if len(words) > 3 else 0
			self.kind, _, self.stage = self.kind.partition("@")
			self.stage = self.stage or "banner"
		self.sock = socket.socket()
		self.sock.bind(("127.0.0.1", 0))
		self.address = self.sock.getsockname()
		if self.kind == "filtered":
			self.fill()
		elif self.kind != "refused":
			if self.kind != "late":
				self.sock.listen(128)
			threading.Thread(target=self.listen,
			    daemon=True).start()
		say("%s listening %d" % (self.name, self.address[1]))

	def again(self):
		with self.lock:
			self.left -= 1
			return self.left >= 0

	def fill(self):
		"""Connections nobody accepts, till one gets no answer."""
		self.sock.listen(0)
		self.waiting = []
		for _ in range(16):
			sock = socket.socket()
			sock.settimeout(0.2)
			try:
				sock.connect(self.address)
			except OSError:
				sock.close()
				return
			self.waiting.append(sock)
		say("%s: cannot be filled" % self.name)

	def listen(self):
		while self.kind == "late" and not os.path.exists(self.go):
			time.sleep(0.01)
		if self.kind == "late":
			self.sock.listen(128)
		while True:
			sock, _ = self.sock.accept()
			say("%s accepted" % self.name)
			threading.Thread(target=self.serve, args=(sock,),
			    daemon=True).start()

	def serve(self, sock):
		more = ""
		try:
			if self.stage:
				Middle(self, sock).run()
			elif self.kind == "stream":
				more = Stream(sock).run()
			elif self.kind == "reset":
				sock.recv(1)
				reset(sock)
			else:
				sock.sendall(GREETINGS.get(self.kind, b""))
				if self.kind in ("close", "http", "noise"):
					sock.shutdown(socket.SHUT_WR)
				drain(sock)
		except OSError:
			pass
		sock.close()
		say("%s closed%s" % (self.name, more))


class Stream:
	"""FILE both ways, 64 KiB each 8 ms, so that it lasts."""

	data = b""

	def __init__(self, sock):
		self.sock = sock
		self.sent = self.got = self.wrong = 0
		self.events = select.POLLIN | select.POLLOUT
		sock.setblocking(False)

	def read(self):
		came = self.sock.recv(CHUNK)
		if not came:
			self.events &= ~select.POLLIN
		if came != self.data[self.got:self.got + len(came)]:
			self.wrong = 1
		self.got += len(came)

	def write(self):
		self.sent += self.sock.send(
		    self.data[self.sent:self.sent + CHUNK])
		if self.sent == len(self.data):
			self.events &= ~select.POLLOUT

	def run(self):
		poll = select.poll()
		try:
			while self.events:
				poll.register(self.sock, self.events)
				for _, event in poll.poll():
					if event & select.POLLOUT:
						self.write()
					if event & ~select.POLLOUT:
						self.read()
				time.sleep(0.008)
		except OSError:
			pass
		return " got=%d sent=%d wrong=%d" % (self.got, self.sent,
		    self.wrong)


def end(*_):
	strike(frozen, signal.SIGKILL)
	os._exit(0)


def main():
	signal.signal(signal.SIGTERM, end)
	if len(sys.argv) > 2:
		with open(sys.argv[2], "rb") as file:
			Stream.data = file.read()
	with open(sys.argv[1]) as table:
		ports = [Port(line) for line in table if line.strip()]
	say("ready")
	while ports:
		signal.pause()


if __name__ == "__main__":
	main()
