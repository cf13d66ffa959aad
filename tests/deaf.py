#!/usr/bin/env python3
"""deaf.py: an SSH gateway that asks without end and reads nothing.

usage: deaf.py [--reads] mode hostkey

As hostile.py, which it stands on, with these modes:

	before		messages that nobody knows, before key exchange
	globals		global requests, once the channel is confirmed
	requests	channel requests
	opens		channels of its own
	unknown		messages that nobody knows
	unkeyed		2 MiB, so that the client rekeys; that is not answered,
			and global requests
	stalled		the same, but then it only reads

With --reads it reads the answers, asks some thousand times, and then is as blink; a rekey
is answered after a second, and by stalled what comes is sent back.
"""

import hashlib
import socket
import sys
import threading
import time

from paramiko.common import MSG_KEXINIT

import hostile
from hostile import (PACKET, cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST,
    cMSG_GLOBAL_REQUEST, message, say)

READS = "--reads" in sys.argv
UNKNOWN = 222


class Gate(hostile.Gate):
	"""One connection."""

	def ask(self):
		if self.mode in ("globals", "unkeyed"):
			return message(cMSG_GLOBAL_REQUEST, "x@example.com",
			    True)
		if self.mode == "requests":
			return message(cMSG_CHANNEL_REQUEST, self.theirs,
			    "x@example.com", True)
		if self.mode == "opens":
			return message(cMSG_CHANNEL_OPEN, "x11", 100, 1 << 20,
			    PACKET, "127.0.0.1", 1)
		return message(bytes([UNKNOWN]), "x")

	def flood(self):
		self.confirm()
		n = 0
		while not READS or n < 5000:
			self.packetizer.send_message(self.ask())
			n += 1
		self.some_data()
		self.end()

	def unanswered(self):
		"""From here on the client's rekey is not, or late."""
		answer = self._handler_table[MSG_KEXINIT]

		def on_kexinit(gate, m):
			say("rekey")
			if READS:
				time.sleep(1)
				answer(gate, m)
		self._handler_table[MSG_KEXINIT] = on_kexinit

	def do_unkeyed(self):
		self.unanswered()
		self.confirm()
		time.sleep(0.3)		# the client grants its window
		data = bytes(2 << 20)
		say("sent=%d sent_sha=%s" % (len(data),
		    hashlib.sha256(data).hexdigest()))
		for i in range(0, len(data), PACKET):
			self.data(data[i:i + PACKET])
		n = 0
		while not READS or n < 1500:
			self._send_user_message(self.ask())
			n += 1
		self.end()

	def do_stalled(self):
		self.unanswered()
		self.do_echo()

	do_globals = do_requests = do_opens = do_unknown = flood

	def on_open(self, m):
		if not READS and self.mode not in ("unkeyed", "stalled"):
			self.packetizer.read_message = threading.Event().wait
		super().on_open(m)


def before(sock):
	"""Banner, then packets as RFC 4253, 6, has them, without keys."""
	sock.sendall(b"SSH-2.0-deaf\r\n")
	packet = (12).to_bytes(4, "big") + bytes([10, UNKNOWN]) + bytes(10)
	while True:
		sock.sendall(packet * 4096)


def lines(sock, mode):
	"""Before its banner hostile.py asks here; no buffers in the kernel."""
	if mode == "stalled":
		return
	# one that is smaller still drops acknowledgements, too
	for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
		sock.setsockopt(socket.SOL_SOCKET, option, 65536)
	if mode == "before":
		before(sock)


def serve(sock, args, _):
	def run():
		lines(sock, args.mode)
		gate = Gate(sock, args)
		gate._handler_table[3] = lambda g, m: None
		gate._handler_table[82] = lambda g, m: None
		gate._handler_table[92] = lambda g, m: None
		gate._channel_handler_table[100] = lambda c, m: None
		gate.start_server(event=threading.Event(),
		    server=hostile.Server(gate))
		gate.join()
		say("closed")
	hostile.quietly(run)


if __name__ == "__main__":
	sys.argv = [arg for arg in sys.argv if arg != "--reads"]
	hostile.Gate = Gate
	hostile.serve = serve
	hostile.main()
