#!/usr/bin/env python3
"""stranger.py: proxyhop against a gateway that says anything, at any time.

usage: stranger.py [options] seed[-seed] ... -- proxyhop [arguments]

	--hostkey FILE	the stranger's, an ed25519 key in OpenSSH's format
	--before NAME	an honest gateway that can be put before the stranger
	--behind NAME	one behind it, which the stranger has to lead to
	--jobs N	that many at once (4)
	--memory KB	what proxyhop may take at most (32768)
	--time FACTOR	multiplies what it may take in time (1)
	--verbose	what was drawn and what was sent

Each seed is one run: which hop the stranger is, when it begins to break the
rules, and what it sends is drawn from it.  A third of the strangers keep to the
rules, if in an unusual manner, and have to be carried through, byte for byte.
For the others what has to hold is in judge(): an end in time, with status 0, 1
or 2, no wrong byte, few and clean lines, the failure's last, little memory, and
no process left.

ssh_config calls the stranger "stranger", with its own port; its words all hold
MARK, so that nobody can be blamed for them but itself.

Prints a line for each seed that failed, and "N passed, N failed".
"""

import argparse
import base64
import hashlib
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (Encoding,
    PublicFormat, load_ssh_private_key)

MARK = "Stranger"
MOST = 48 << 20			# bytes it sends in all
PACKET = 32768
STAGES = ("lines", "clear", "service", "auth", "between", "open", "carry")

# The numbers of RFC 4253, 4252, 4256 and 4254.
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG = 1, 2, 3, 4
SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = 5, 6, 7
KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 20, 21, 30, 31
AUTH_REQUEST, AUTH_FAILURE, AUTH_SUCCESS, AUTH_BANNER = 50, 51, 52, 53
PK_OK, INFO_REQUEST, INFO_RESPONSE = 60, 60, 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
OPEN, CONFIRM, OPEN_FAILURE, ADJUST = 90, 91, 92, 93
DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = range(94, 101)

KINDS = {
	"kex": b"curve25519-sha256",
	"key": b"ssh-ed25519",
	"cipher": b"aes128-gcm@openssh.com",
	"mac": b"hmac-sha2-256",
	"none": b"none",
}

# What libssh says in its own log or errors, and what a person might believe.
PHRASES = (
    "Received SSH_MSG_DISCONNECT: 2:your password has expired",
    "x maxpacket : 32768",
    "Remote window : 2097152, maxpacket : 32768",
    "Channel opening failure: channel 43 error (1) go away",
    "kex error : no match for method encryption algo client->server: "
    "server [3des-cbc], client [aes128-ctr]",
    "ssh_packet_userauth_failure: Access denied",
    "Packet filter: rejected packet (type 60)",
    "Invalid key type",
    "Socket error: disconnected",
    "HMAC error",
    "the host key has changed: ssh-keygen -R gw1; ssh 'gw1",
    "one\r\ntwo\x1b[2J\x1b]0;title\x07\x9b31m\u202e\n\nthree\x00four",
    "        \t                                    gw1 (hop 1 of 1): password:",
    "\r\n" * 50,
    "%s%n%d%500s",
    "x" * 5000,
    "",
)
NAMES = ("publickey", "password", "keyboard-interactive", "hostbased",
    "gssapi-with-mic", "none", "", "x" * 300, "publickey,password",
    "Invalid key type,publickey", MARK + "-method", ",,,")


BULK = "bulk"

# What one of them does again and again, where others do anything.
THEMES = (
    (DATA, EOF), (DATA, CLOSE), (DATA, EOF, ADJUST), (DATA,), (CONFIRM,),
    (CONFIRM, DATA), (CONFIRM, ADJUST), (ADJUST,), (REQUEST,),
    (REQUEST, CONFIRM), (GLOBAL_REQUEST,), (OPEN,), (OPEN, CLOSE),
    (INFO_REQUEST,), (AUTH_FAILURE,), (AUTH_BANNER,), (AUTH_SUCCESS, DATA),
    (EXTENDED,), (EXTENDED, EOF), (UNIMPLEMENTED,), (KEXINIT,), (DEBUG,),
    (DISCONNECT,), (OPEN_FAILURE,), (EXT_INFO,), (200, 255), (8, 14), (IGNORE,),
    (PK_OK, AUTH_FAILURE), (SUCCESS, FAILURE), (DATA, REQUEST),
    BULK, BULK, BULK, BULK,
)


def u32(n):
	return struct.pack(">I", n & 0xffffffff)


def string(data):
	if isinstance(data, str):
		data = data.encode("utf-8", "surrogateescape")
	return u32(len(data)) + data


def mpint(data):
	data = data.lstrip(b"\0")
	return string((b"\0" if data and data[0] & 128 else b"") + data)


def message(kind, *fields):
	"""One message: numbers, strings and truth values after its byte."""
	parts = [bytes([kind])]
	for field in fields:
		if isinstance(field, bool):
			parts.append(bytes([field]))
		elif isinstance(field, int):
			parts.append(u32(field))
		else:
			parts.append(string(field))
	return b"".join(parts)


class Fields:
	"""What is left of a message to be read."""

	def __init__(self, payload):
		self.rest = payload[1:]

	def take(self, n):
		data, self.rest = self.rest[:n], self.rest[n:]
		return data

	def number(self):
		return struct.unpack(">I", self.take(4))[0]

	def string(self):
		return self.take(self.number())

	def truth(self):
		return self.take(1) != b"\0"


class Cipher:
	"""aes128-gcm@openssh.com, one direction (RFC 5647)."""

	def __init__(self, key, iv):
		self.gcm = AESGCM(key)
		self.fixed = iv[:4]
		self.count = int.from_bytes(iv[4:], "big")

	def nonce(self):
		nonce = self.fixed + self.count.to_bytes(8, "big")
		self.count = (self.count + 1) & (1 << 64) - 1
		return nonce


class Wire:
	"""RFC 4253 on a socket: packets, and key exchange as a server."""

	def __init__(self, sock, hostkey):
		self.sock = sock
		self.key = hostkey
		raw = hostkey.public_key().public_bytes(Encoding.Raw,
		    PublicFormat.Raw)
		self.proof = string(KINDS["key"]) + string(raw)
		self.out = bytearray()
		self.got = bytearray()
		self.sealed = self.opened = None
		self.theirs = None		# their version, their KEXINIT
		self.their_kexinit = self.our_kexinit = None
		self.session_id = None
		self.in_kex = False
		self.dead = False
		self.deaf = False
		self.total = 0
		self.version = b"SSH-2.0-OpenSSH_9.2p1"

	# ---- packets

	def raw(self, data):
		self.out += data
		self.total += len(data)

	def send(self, payload):
		block = 16 if self.sealed else 8
		ahead = 1 if self.sealed else 5
		padding = block - (len(payload) + ahead) % block
		padding += block if padding < 4 else 0
		body = bytes([padding]) + payload + os.urandom(padding)
		head = u32(len(body))
		if self.sealed:
			body = self.sealed.gcm.encrypt(self.sealed.nonce(),
			    body, head)
		self.raw(head + body)

	def packet(self):
		"""The next payload that has come whole, or None."""
		if len(self.got) < 4:
			return None
		length = struct.unpack(">I", self.got[:4])[0]
		if length > 300000:
			raise EOFError
		tag = 16 if self.opened else 0
		if len(self.got) < 4 + length + tag:
			return None
		head = bytes(self.got[:4])
		body = bytes(self.got[4:4 + length + tag])
		del self.got[:4 + length + tag]
		if self.opened:
			body = self.opened.gcm.decrypt(self.opened.nonce(),
			    body, head)
		return body[1:len(body) - body[0]]

	def flush(self):
		try:
			while self.out:
				n = self.sock.send(memoryview(self.out)[:1 << 18])
				del self.out[:n]
		except BlockingIOError:
			pass
		except OSError:
			self.dead = True

	def read(self):
		"""Handle what has come; a stranger that is gone says so."""
		try:
			data = self.sock.recv(1 << 18)
		except BlockingIOError:
			return
		except OSError:
			data = b""
		if not data:
			self.dead = True
			return
		self.got += data
		try:
			self.handle_all()
		except (EOFError, struct.error, ValueError):
			self.dead = True

	def handle_all(self):
		if self.theirs is None:
			end = self.got.find(b"\n")
			if end == -1:
				return
			self.theirs = bytes(self.got[:end]).rstrip(b"\r")
			del self.got[:end + 1]
			self.greeted()
		while not self.dead:
			payload = self.packet()
			if payload is None:
				return
			if payload:
				self.handle(payload)

	# ---- key exchange

	def kexinit(self):
		lists = [KINDS[k] for k in ("kex", "key", "cipher", "cipher",
		    "mac", "mac", "none", "none")] + [b"", b""]
		self.our_kexinit = (bytes([KEXINIT]) + os.urandom(16) +
		    b"".join(string(x) for x in lists) + b"\0" + u32(0))
		self.in_kex = True
		self.send(self.our_kexinit)

	def on_kexinit(self, payload):
		self.their_kexinit = payload
		if not self.in_kex:
			self.kexinit()

	def on_ecdh(self, theirs):
		mine = X25519PrivateKey.generate()
		ours = mine.public_key().public_bytes(Encoding.Raw,
		    PublicFormat.Raw)
		secret = mpint(mine.exchange(
		    X25519PublicKey.from_public_bytes(theirs)))
		h = hashlib.sha256(b"".join(string(x) for x in (self.theirs,
		    self.version, self.their_kexinit, self.our_kexinit,
		    self.proof, theirs, ours)) + secret).digest()
		self.session_id = self.session_id or h
		proof = string(KINDS["key"]) + string(self.key.sign(h))
		self.send(message(ECDH_REPLY, self.proof, ours, proof))
		self.send(bytes([NEWKEYS]))

		def derive(letter, n):
			return hashlib.sha256(secret + h + letter +
			    self.session_id).digest()[:n]
		self.next_in = Cipher(derive(b"C", 16), derive(b"A", 12))
		self.sealed = Cipher(derive(b"D", 16), derive(b"B", 12))

	def on_newkeys(self):
		first = self.opened is None
		self.opened = self.next_in
		self.in_kex = False
		if first:
			self.keyed()


class Stranger(Wire):
	"""The gateway: what it should do, and what it does instead."""

	def __init__(self, sock, run, number):
		super().__init__(sock, run.hostkey)
		self.run = run
		self.name = "%s/%d" % (run.seed, number)
		self.draw = random.Random(self.name)
		self.stage = None
		self.timers = []
		self.theirs_channel = None
		self.window = 0		# what we may send
		self.granted = 0	# what they may send
		self.opened_at = None
		self.confirmed = False
		self.ended = False
		self.upstream = None
		self.tries = 0
		self.wants = run.methods	# methods, when asked
		self.last = None
		self.broken = None	# the first rule that was broken
		self.theme = self.draw.choice(THEMES + (None,) * 8)
		self.begin_at = run.begin if number == 0 else self.draw.choice(
		    STAGES)
		self.enter("lines")
		if self.stage == "lines":
			self.raw(self.version + b"\r\n")

	def log(self, text):
		self.run.log("%s: %s" % (self.name, text))

	# ---- what is drawn

	def wild(self):
		"""Is it time to break the rules?"""
		return (not self.run.legal and
		    STAGES.index(self.stage) >= STAGES.index(self.begin_at))

	def enter(self, stage):
		"""A stage begins: what is to happen in it is drawn now."""
		self.stage = stage
		self.log("stage %s" % stage)
		r = self.draw = random.Random("%s/%s" % (self.name, stage))
		if not self.wild() and not self.run.legal:
			return
		for _ in range(r.randint(0, 3)):
			n = r.choice((1, 1, 1, 2, 3, 5, 10, 50, 300, 1500))
			if r.random() < 0.4:
				self.burst(n)
			else:
				self.later(r.random() ** 2 * 0.2, lambda n=n:
				    self.burst(n))
		if self.wild() and r.random() < 0.15:
			self.log("deaf")
			self.deaf = True
			self.later(self.run.flood, self.hear)
			self.later(0, self.flood)
		if self.wild() and self.run.behind and stage == "carry":
			self.later(r.choice((0, r.random() * 0.05)),
			    self.inject)
		if self.wild() and r.random() < 0.06:
			self.later(r.random() * 0.1, self.garbage)
		if self.wild() and r.random() < 0.06:
			self.later(r.random() * 0.2, self.hang_up)

	def skip(self):
		"""Is the honest step left out?"""
		return self.wild() and self.draw.random() < 0.08

	def later(self, delay, what):
		self.timers.append((time.monotonic() + delay, what))

	def hear(self):
		self.deaf = False

	def inject(self):
		"""Words of its own in the session of the hop behind."""
		self.broken = self.broken or "injects"
		self.run.injected = True
		r = self.draw
		data = r.choice((b"", MARK.encode() + b" line\r\n",
		    b"SSH-1.5-" + MARK.encode() + b"\r\n",
		    b"SSH-2.0-" + MARK.encode() + b"\r\n"))
		for _ in range(r.choice((0, 1, 1, 3, 100))):
			payload, _ = self.any(r)
			padding = 12 - (len(payload) + 9) % 8
			data += u32(len(payload) + 1 + padding) + bytes(
			    [padding]) + payload + bytes(padding)
		self.log("injects %d bytes, %s" % (len(data), data[:40]))
		for i in range(0, len(data), PACKET):
			self.send(message(DATA, self.theirs_channel,
			    data[i:i + PACKET]))

	def hang_up(self):
		self.log("hangs up")
		self.broken = self.broken or "hangs up"
		if self.draw.random() < 0.5:
			self.sock.setsockopt(socket.SOL_SOCKET,
			    socket.SO_LINGER, struct.pack("ii", 1, 0))
		self.dead = True

	def garbage(self):
		self.log("garbage")
		self.broken = self.broken or "garbage"
		self.run.uncertain()
		self.raw(self.draw.randbytes(self.draw.choice((1, 5, 16, 100,
		    70000))))

	def flood(self):
		"""One message again and again, as long as there is room."""
		payload, _ = self.any(self.draw)
		self.log("flood of %d, %d bytes" % (payload[0] if payload else
		    -1, len(payload)))
		until = time.monotonic() + self.run.flood

		def more():
			if time.monotonic() > until or self.total > MOST:
				return
			for _ in range(400):
				if len(self.out) > 1 << 20:
					break
				self.say(payload, False)
			self.timers.append((0, more))
		more()

	def bulk(self):
		"""As much as libssh holds of a channel, and an end, repeatedly."""
		payload = message(DATA, self.theirs_channel or 43, bytes(PACKET))
		for _ in range(self.draw.randint(1, 4)):
			for _ in range((4 << 20) // PACKET):
				self.say(payload, False)
			self.say(message(self.draw.choice((EOF, CLOSE)),
			    self.theirs_channel or 43), False)

	def burst(self, n):
		if self.theme == BULK and not self.run.legal:
			if self.total < MOST / 4:
				self.bulk()
			return
		for _ in range(n):
			if self.dead or self.total > MOST:
				return
			if self.run.legal:
				payload = self.allowed(self.draw)
				if payload is not None:
					self.say(payload, True)
			else:
				self.say(*self.any(self.draw))

	def say(self, payload, legal):
		"""Send what was drawn, and note what it means for the bytes."""
		if not legal:
			self.broken = self.broken or "message %d in %s" % (
			    payload[0] if payload else -1, self.stage)
		self.note(payload)
		if payload != self.last:
			self.log("sends %d bytes, %s" % (len(payload),
			    payload[:24].hex()))
		self.last = payload
		self.send(payload)

	def note(self, payload):
		"""What of it the client may have to write, as things are."""
		kind = payload[0] if payload else 0
		if kind not in (DATA, EOF, CLOSE) or len(payload) < 5:
			return
		if self.theirs_channel is None:
			self.run.uncertain()	# it may be on its way
			return
		f = Fields(payload)
		if f.number() != self.theirs_channel:
			return
		if kind != DATA:
			self.run.stream_ends(self)
			return
		try:
			n = f.number()
		except struct.error:
			return
		if n <= len(f.rest):
			self.run.stream_more(self, f.rest[:n])

	# ---- messages

	def text(self, r):
		return MARK + r.choice(PHRASES) + MARK

	def channel(self, r):
		if self.theirs_channel is not None and r.random() < 0.85:
			return self.theirs_channel
		return r.choice((0, 1, 42, 43, 44, 999, 0xffffffff))

	def number(self, r):
		return r.choice((0, 1, 9, 10, 11, 1024, 32768, 1 << 20, 1 << 21,
		    0x7fffffff, 0x80000000, 0xffffffff))

	def list(self, r):
		return ",".join(r.choice(NAMES) for _ in
		    range(r.randint(0, 4)))

	def blob(self, r):
		return r.randbytes(r.choice((0, 1, 4, 100, 1000, 30000, PACKET,
		    PACKET)))

	def allowed(self, r):
		"""A message that no rule forbids now, or None."""
		if self.stage in ("lines", "clear") or self.in_kex:
			return None
		kinds = [IGNORE, IGNORE, DEBUG, UNIMPLEMENTED]
		if self.stage == "auth":
			kinds += [AUTH_BANNER]
		if self.stage in ("between", "open", "carry"):
			kinds += [GLOBAL_REQUEST, OPEN]
		if self.confirmed and not self.ended:
			kinds += [REQUEST, ADJUST, KEXINIT, EXTENDED]
			if not self.run.behind:
				kinds += [DATA]
		kind = r.choice(kinds)
		if kind == ADJUST:
			self.granted += 1000
			return message(ADJUST, self.theirs_channel, 1000)
		if kind in (EXTENDED, DATA):
			size = min(r.choice((0, 1, 100, 5000, PACKET)),
			    self.window)
			self.window -= size
			return self.sized(r, kind, size)
		if kind == KEXINIT:
			self.kexinit()
			return None
		return self.make(r, kind)

	def sized(self, r, kind, size):
		if kind == EXTENDED:
			return message(EXTENDED, self.theirs_channel, 1,
			    "x" * size)
		return message(DATA, self.theirs_channel, r.randbytes(size))

	def any(self, r):
		"""Any message, and whether it is one that is allowed."""
		kind = r.choice(self.kinds() or (DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG,
		    SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO, KEXINIT, NEWKEYS,
		    ECDH_INIT, ECDH_REPLY, AUTH_REQUEST, AUTH_FAILURE,
		    AUTH_FAILURE, AUTH_SUCCESS, AUTH_BANNER, AUTH_BANNER,
		    PK_OK, INFO_REQUEST, INFO_RESPONSE, GLOBAL_REQUEST,
		    REQUEST_SUCCESS, REQUEST_FAILURE, OPEN, CONFIRM, CONFIRM,
		    OPEN_FAILURE, OPEN_FAILURE, ADJUST, ADJUST, DATA, DATA,
		    DATA, DATA, EXTENDED, EOF, EOF, CLOSE, REQUEST, REQUEST,
		    SUCCESS, FAILURE, r.randint(0, 255)))
		# what ends it all is rare, or nothing else would be seen
		if kind in (DISCONNECT, NEWKEYS, KEXINIT) and r.random() < 0.8:
			kind = r.choice(self.kinds() or (DATA, ADJUST, IGNORE,
			    CONFIRM))
		payload = self.make(r, kind)
		if r.random() < 0.1:
			payload = self.mutate(r, payload)
			if payload[:1] == bytes([DATA]):
				self.run.uncertain()
		return payload, kind in (IGNORE, DEBUG)

	def kinds(self):
		return self.theme if self.theme != BULK else None

	def mutate(self, r, payload):
		data = bytearray(payload)
		what = r.randrange(4)
		if what == 0:
			return bytes(data[:r.randint(0, len(data))])
		if what == 1:
			return bytes(data) + self.blob(r)
		if what == 2 and len(data) > 4:
			at = r.randrange(1, min(len(data), 12))
			data[at:at + 4] = u32(self.number(r))
			return bytes(data)
		for _ in range(r.randint(1, 4)):
			if data:
				data[r.randrange(len(data))] = r.randrange(256)
		return bytes(data)

	def make(self, r, kind):
		"""A message of that kind, its fields drawn."""
		c = self.channel(r)
		some = self.number(r)
		make = {
		    DISCONNECT: lambda: message(kind, r.randint(0, 15),
			self.text(r), "en"),
		    IGNORE: lambda: message(kind, self.blob(r)),
		    UNIMPLEMENTED: lambda: message(kind, r.randint(0, 20)),
		    DEBUG: lambda: message(kind, r.random() < 0.5,
			self.text(r), "en"),
		    SERVICE_REQUEST: lambda: message(kind, "ssh-userauth"),
		    SERVICE_ACCEPT: lambda: message(kind, r.choice((
			"ssh-userauth", "ssh-connection", self.text(r)))),
		    EXT_INFO: lambda: message(kind, r.choice((1, 1, 3)),
			"server-sig-algs", self.list(r)),
		    KEXINIT: lambda: bytes([kind]) + r.randbytes(16) +
			b"".join(string(r.choice((KINDS["kex"], KINDS["key"],
			KINDS["cipher"], b"diffie-hellman-group1-sha1",
			b"ssh-rsa", b"3des-cbc", b"none", b"", b"," * 1000)))
			for _ in range(10)) + b"\0" + u32(0),
		    NEWKEYS: lambda: bytes([kind]),
		    ECDH_INIT: lambda: message(kind, self.blob(r)),
		    ECDH_REPLY: lambda: message(kind, self.proof, r.randbytes(
			32), r.randbytes(83)),
		    AUTH_REQUEST: lambda: message(kind, "root",
			"ssh-connection", "none"),
		    AUTH_FAILURE: lambda: message(kind, self.list(r),
			r.random() < 0.3),
		    AUTH_SUCCESS: lambda: bytes([kind]),
		    AUTH_BANNER: lambda: message(kind, self.text(r), "en"),
		    INFO_REQUEST: lambda: message(kind, self.text(r),
			self.text(r), "", r.choice((0, 0, 1, 2, 256,
			0xffffffff)), self.text(r), r.random() < 0.5,
			self.text(r), True),
		    INFO_RESPONSE: lambda: message(kind, 1, "x"),
		    GLOBAL_REQUEST: lambda: message(kind, r.choice((
			"hostkeys-00@openssh.com", "keepalive@openssh.com",
			"tcpip-forward", self.text(r))), r.random() < 0.5,
			self.blob(r)),
		    REQUEST_SUCCESS: lambda: bytes([kind]),
		    REQUEST_FAILURE: lambda: bytes([kind]),
		    OPEN: lambda: message(kind, r.choice(("session", "x11",
			"forwarded-tcpip", "auth-agent@openssh.com",
			"direct-tcpip", self.text(r))), r.randint(0, 2000),
			some, some, "127.0.0.1", 1, "127.0.0.1", 2),
		    CONFIRM: lambda: message(kind, c, r.choice((7, some)),
			self.number(r), r.choice((10, 0, 11, some))),
		    OPEN_FAILURE: lambda: message(kind, c, r.randint(0, 5),
			self.text(r), "en"),
		    ADJUST: lambda: message(kind, c, some),
		    DATA: lambda: message(kind, c, self.blob(r)),
		    EXTENDED: lambda: message(kind, c, r.choice((1, 1, 0, 9)),
			self.text(r)),
		    EOF: lambda: message(kind, c),
		    CLOSE: lambda: message(kind, c),
		    REQUEST: lambda: message(kind, c, r.choice((
			"exit-status", "exit-signal", "keepalive@openssh.com",
			"pty-req", self.text(r))), r.random() < 0.5, some,
			self.text(r)),
		    SUCCESS: lambda: message(kind, c),
		    FAILURE: lambda: message(kind, c),
		}.get(kind)
		return make() if make else bytes([kind]) + self.blob(r)

	# ---- what the client says

	def greeted(self):
		self.enter("clear")
		if not self.in_kex:
			self.kexinit()

	def keyed(self):
		self.enter("service")

	def handle(self, payload):
		f = Fields(payload)
		kind = payload[0]
		if kind == KEXINIT:
			self.on_kexinit(payload)
		elif kind == ECDH_INIT:
			self.on_ecdh(f.string())
		elif kind == NEWKEYS:
			self.on_newkeys()
		elif kind == SERVICE_REQUEST:
			if not self.skip():
				self.send(message(SERVICE_ACCEPT,
				    "ssh-userauth"))
			self.enter("auth")
		elif kind in (AUTH_REQUEST, INFO_RESPONSE):
			self.on_auth(kind, f)
		elif kind == OPEN:
			self.on_open(f)
		elif kind == ADJUST:
			f.number()
			self.window += f.number()
		elif kind == DATA:
			f.number()
			self.on_data(f.string())
		elif kind in (EOF, CLOSE):
			self.on_end(kind)
		elif kind == DISCONNECT:
			self.dead = True

	def on_auth(self, kind, f):
		"""Let them in in the end, by some way."""
		self.log("asked for the login: %d %r" % (kind, f.rest[:60]))
		if self.skip():
			return
		method = b"keyboard-interactive"
		if kind == AUTH_REQUEST:
			f.string(), f.string()
			method = f.string()
		self.tries += 1
		r = self.draw
		if method == b"none":
			self.send(message(AUTH_FAILURE, self.wants, False))
		elif method == b"publickey" and not f.truth():
			algorithm, blob = f.string(), f.string()
			self.send(message(PK_OK, algorithm, blob))
		elif method == b"keyboard-interactive" and (
		    self.tries < 4 or r.random() < 0.3):
			self.send(message(INFO_REQUEST, self.text(r),
			    self.text(r), "", 0) if r.random() < 0.5 else
			    message(INFO_REQUEST, "", "", "", 1, self.text(r),
			    False))
		elif self.run.partial and method == b"publickey":
			self.wants = "keyboard-interactive"
			self.send(message(AUTH_FAILURE, self.wants, True))
		elif self.wild() and r.random() < 0.5:
			self.enter("between")
			self.send(bytes([AUTH_SUCCESS]))
		else:
			self.send(bytes([AUTH_SUCCESS]))
			self.enter("between")

	def on_open(self, f):
		if self.theirs_channel is not None:
			return
		kind = f.string()
		self.theirs_channel = f.number()
		self.window = f.number()
		f.number()
		host, port = f.string().decode(), f.number()
		self.enter("open")
		if self.run.behind:
			self.lead(host, port)
		if self.skip():
			return
		if self.wild() and self.draw.random() < 0.05:
			self.send(message(OPEN_FAILURE, self.theirs_channel,
			    self.draw.randint(0, 5), self.text(self.draw), ""))
			return
		if self.draw.random() < 0.3:
			self.later(self.draw.random() * 0.2, self.confirm)
		else:
			self.confirm()

	def lead(self, host, port):
		self.upstream = socket.create_connection((host, port))
		self.upstream.setblocking(False)

	def confirm(self):
		self.granted = self.draw.choice((1 << 21, 1 << 21, 1 << 15))
		packet = PACKET
		if self.wild() and self.draw.random() < 0.1:
			packet = self.number(self.draw)
		self.send(message(CONFIRM, self.theirs_channel, 7,
		    self.granted, packet))
		self.confirmed = True
		self.enter("carry")
		if not self.run.behind:
			self.left = self.draw.choice((0, 1, 5000, 200000,
			    3000000))
			self.bytes = random.Random(self.name)
			self.feed()

	def feed(self):
		"""Its own bytes, within the window, then the end."""
		while self.left > 0 and self.window > 0 and not self.in_kex:
			if len(self.out) > 1 << 20 or self.ended:
				break
			n = min(self.left, self.window, PACKET,
			    self.draw.choice((PACKET, PACKET, 100)))
			self.left -= n
			self.window -= n
			self.say(message(DATA, self.theirs_channel,
			    self.bytes.randbytes(n)), True)
		if self.left > 0 and not self.ended:
			self.later(0.005, self.feed)
		elif not self.ended:
			self.later(self.draw.random() * 0.3, self.end)

	def end(self):
		"""The honest end, or another."""
		if self.ended or self.dead:
			return
		if self.in_kex:
			self.later(0.01, self.end)
			return
		if self.skip():
			self.hang_up()
			return
		self.ended = True
		self.say(message(EOF, self.theirs_channel), True)
		if self.draw.random() < 0.7:
			self.say(message(CLOSE, self.theirs_channel), True)

	def on_data(self, data):
		if self.upstream:
			self.run.push(self.upstream, data)
		self.granted -= len(data)
		if self.granted < 1 << 14 and not self.in_kex:
			self.granted += 1 << 20
			self.send(message(ADJUST, self.theirs_channel, 1 << 20))

	def on_end(self, kind):
		if self.upstream and kind == EOF:
			self.run.push(self.upstream, b"")

	def pump(self, data):
		"""What comes from behind, if the window has room for it."""
		if data:
			self.window -= len(data)
			self.send(message(DATA, self.theirs_channel, data))
		elif not self.ended:
			self.ended = True
			self.send(message(EOF, self.theirs_channel))
			self.send(message(CLOSE, self.theirs_channel))

	def room(self):
		"""How much may come from behind now."""
		if self.in_kex or not self.confirmed or self.ended:
			return 0
		return max(0, min(self.window, PACKET,
		    (1 << 20) - len(self.out)))

	def step(self):
		"""What is due."""
		due = [t for t in self.timers if t[0] <= time.monotonic()]
		self.timers = [t for t in self.timers if t not in due]
		for _, what in due:
			if not self.dead:
				what()


def is_open(f):
	try:
		return f.fileno() != -1
	except ValueError:
		return False


class Run:
	"""One seed: a proxyhop, its strangers, and what is around it."""

	def __init__(self, seed, args):
		self.seed = seed
		self.args = args
		self.lines = []
		r = self.draw = random.Random(seed)
		with open(args.hostkey, "rb") as f:
			self.hostkey = load_ssh_private_key(f.read(), None)
		self.legal = r.random() < 0.33
		self.begin = r.choice(STAGES[:4] + STAGES[2:] +
		    ("carry", "carry", "carry"))
		shapes = [("", "")]
		if args.before:
			shapes.append((args.before, ""))
		if args.behind:
			shapes.append(("", args.behind))
		if args.before and args.behind:
			shapes.append((args.before, args.behind))
		self.before, self.behind = r.choice(shapes)
		self.methods = r.choice(("publickey", "publickey",
		    "keyboard-interactive,publickey", "keyboard-interactive"))
		self.partial = r.random() < 0.2
		self.reader = r.choice(("fast", "fast", "slow", "stalled"))
		self.to_send = r.choice((0, 10, 50000, 1000000))
		self.close_at = r.choice((0, 0.1, 99))
		self.mode = r.choice((None,) * 8 + ("-vvv", "-t"))
		self.flood = r.choice((0.1, 0.1, 0.5, 0.5, 2))	# seconds
		self.stream = bytearray()	# the bytes to come out
		self.certain = None		# up to where
		self.ends_at = None		# where the end of it is
		self.out = bytearray()
		self.err = bytearray()
		self.injected = False		# into the session behind
		self.strangers = []
		self.queues = {}
		self.peak = 0
		self.target = None

	def log(self, text):
		if self.args.verbose:
			print("%.3f %s" % (time.monotonic() - self.start, text),
			    flush=True)

	# ---- what is to come out

	def stream_more(self, stranger, data):
		if not self.behind and self.ends_at is None:
			self.stream += data

	def stream_ends(self, stranger):
		if not self.behind and self.ends_at is None:
			self.ends_at = len(self.stream)

	def uncertain(self):
		if self.certain is None:
			self.certain = len(self.stream)

	# ---- what is around it

	def listen(self):
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen(16)
		s.setblocking(False)
		return s

	def begin_all(self):
		self.start = time.monotonic()
		self.door = self.listen()
		self.target = self.listen()
		hops = [h for h in (self.before, "stranger:%d" %
		    self.door.getsockname()[1], self.behind) if h]
		mode = [self.mode] if self.mode else []
		command = self.args.command + mode + ["-J", ",".join(hops),
		    "127.0.0.1", str(self.target.getsockname()[1])]
		self.log("%s; legal %s, from %s, reader %s, sends %d, %s" % (
		    " ".join(command), self.legal, self.begin, self.reader,
		    self.to_send, self.methods))
		self.proc = subprocess.Popen(command, bufsize=0,
		    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
		    stderr=subprocess.PIPE, start_new_session=True)
		for f in (self.proc.stdin, self.proc.stdout, self.proc.stderr):
			os.set_blocking(f.fileno(), False)
		self.input = random.Random(7).randbytes(self.to_send)
		self.behind_bytes = random.Random(8).randbytes(
		    self.draw.choice((0, 1, 5000, 300000)))
		self.behind_got = bytearray()
		self.behind_conn = None
		self.behind_left = memoryview(self.behind_bytes)
		self.sent = 0
		self.released = False
		self.over_at = None

	def push(self, sock, data):
		"""Bytes for a socket that may not take them now; b"": its end."""
		self.queues.setdefault(sock, []).append(data)

	def push_on(self, sock):
		queue = self.queues[sock]
		try:
			while queue:
				if queue[0] == b"":
					sock.shutdown(socket.SHUT_WR)
					queue.pop(0)
					continue
				n = sock.send(queue[0])
				queue[0] = queue[0][n:]
				if not queue[0]:
					queue.pop(0)
		except BlockingIOError:
			return
		except OSError:
			queue.clear()

	def duration(self):
		return self.flood + 1.5 if not self.legal else (
		    20 * self.args.time)

	def turn(self):
		r, w = [self.door, self.target, self.proc.stderr], []
		reading = self.reader != "stalled" or self.released
		if reading and not self.proc.stdout.closed:
			r.append(self.proc.stdout)
		if not self.proc.stdin.closed:
			if self.sent < len(self.input):
				w.append(self.proc.stdin)
			elif self.elapsed() > self.close_at or self.released:
				self.proc.stdin.close()
		for s in self.strangers:
			if s.dead:
				continue
			if not s.deaf:
				r.append(s.sock)
			if s.out:
				w.append(s.sock)
			if s.upstream and s.room() > 0:
				r.append(s.upstream)
		if self.behind_conn:
			r.append(self.behind_conn)
			if self.behind_left:
				w.append(self.behind_conn)
		w += [s for s, q in self.queues.items() if q]
		busy = any(s.timers for s in self.strangers)
		r, w, _ = select.select(list(filter(is_open, r)), list(filter(
		    is_open, w)), [], 0.002 if busy else 0.02)
		self.serve(r, w)
		for s in self.strangers:
			if not s.dead:
				s.step()
			if s.out and not s.dead:
				s.flush()
			if s.dead and s.sock.fileno() != -1:
				s.flush()
				s.sock.close()
				if s.upstream:
					s.upstream.close()
					self.queues.pop(s.upstream, None)
					s.upstream = None

	def serve(self, r, w):
		if self.door in r:
			sock, _ = self.door.accept()
			sock.setblocking(False)
			sock.setsockopt(socket.IPPROTO_TCP,
			    socket.TCP_NODELAY, 1)
			self.strangers.append(Stranger(sock, self,
			    len(self.strangers)))
		if self.target in r:
			sock, _ = self.target.accept()
			sock.setblocking(False)
			self.behind_conn = self.behind_conn or sock
		if self.behind_conn and self.behind_conn in r:
			self.from_client()
		if self.behind_conn and self.behind_conn in w:
			self.to_client()
		for s in self.strangers:
			if not s.dead and s.sock in r:
				s.read()
			if not s.dead and s.upstream and s.upstream in r:
				self.from_behind(s)
		for sock in list(self.queues):
			if sock in w and sock.fileno() != -1:
				self.push_on(sock)
		self.pipes(r, w)

	def pipes(self, r, w):
		p = self.proc
		if p.stdout in r:
			data = p.stdout.read(65536)
			if data == b"":
				p.stdout.close()
			self.out += data or b""
			if self.reader == "slow":
				time.sleep(0.002)
		if p.stderr in r:
			data = p.stderr.read(65536)
			if data == b"":
				p.stderr.close()
			self.err += data or b""
		if p.stdin in w:
			try:
				self.sent += p.stdin.write(self.input[
				    self.sent:self.sent + 65536]) or 0
			except BrokenPipeError:
				p.stdin.close()

	def from_behind(self, s):
		try:
			data = s.upstream.recv(s.room())
		except BlockingIOError:
			return
		except OSError:
			data = b""
		s.pump(data)
		if not data:
			s.upstream.close()
			self.queues.pop(s.upstream, None)
			s.upstream = None

	def from_client(self):
		try:
			data = self.behind_conn.recv(65536)
		except OSError:
			data = b""
		self.behind_got += data
		if not data:
			self.behind_conn.close()
			self.behind_conn = None

	def to_client(self):
		try:
			n = self.behind_conn.send(self.behind_left)
			self.behind_left = self.behind_left[n:]
			if not self.behind_left:
				self.behind_conn.shutdown(socket.SHUT_WR)
		except OSError:
			pass

	def elapsed(self):
		return time.monotonic() - self.start

	def sample(self):
		try:
			with open("/proc/%d/status" % self.proc.pid) as f:
				m = re.search(r"VmHWM:\s*(\d+)", f.read())
			self.peak = max(self.peak, int(m.group(1)))
		except (OSError, AttributeError):
			pass

	def go(self):
		"""Until it has ended, or should have long ago."""
		self.begin_all()
		limit = self.duration()
		waited = 0
		while True:
			self.turn()
			self.sample()
			pid, status, usage = os.wait4(self.proc.pid,
			    os.WNOHANG)
			if pid:
				break
			if self.legal and self.elapsed() > 0.7:
				self.released = True
			if self.elapsed() > limit and self.over_at is None:
				self.over()
			if self.over_at is not None and (time.monotonic() -
			    self.over_at > 8 * self.args.time):
				return self.stuck()
		self.proc.returncode = os.waitstatus_to_exitcode(status)
		self.cpu = usage.ru_utime + usage.ru_stime
		self.took = self.elapsed()
		self.drain()
		why = self.judge(self.proc.returncode)
		self.close()
		return why

	def over(self):
		"""All strangers go, and who reads or writes is no obstacle."""
		self.log("over")
		self.over_at = time.monotonic()
		self.released = True
		for s in self.strangers:
			s.dead = True
		self.door.close()

	def stuck(self):
		where = ""
		for what in ("wchan", "syscall", "status"):
			try:
				with open("/proc/%d/%s" % (self.proc.pid,
				    what)) as f:
					where += f.read()[:1500] + "; "
			except OSError:
				pass
		state = re.search(r"State:\s*(.*)", where)
		self.log(where)
		if os.environ.get("STRANGER_STACK"):
			subprocess.run(["gdb", "-p", str(self.proc.pid),
			    "-batch", "-ex", "bt"])
		self.kill()
		return ["does not end (%s): %s" % (state and state.group(1),
		    self.err[-300:])]

	def kill(self):
		os.killpg(self.proc.pid, signal.SIGKILL)
		os.waitpid(self.proc.pid, 0)
		self.proc.returncode = -9
		self.close()

	def drain(self):
		for f in (self.proc.stdout, self.proc.stderr):
			if f.closed:
				continue
			data = f.read() or b""
			if f is self.proc.stdout:
				self.out += data
			else:
				self.err += data

	def close(self):
		for s in self.strangers:
			s.sock.close()
			if s.upstream:
				s.upstream.close()
		for f in (self.proc.stdin, self.proc.stdout, self.proc.stderr,
		    self.door, self.target, self.behind_conn):
			if f:
				try:
					f.close()
				except BrokenPipeError:
					pass

	# ---- what has to hold

	def judge(self, status):
		why = []
		broken = [s.broken for s in self.strangers if s.broken]
		text = self.err.decode("utf-8", "replace")
		self.log("status %d, %d bytes out of %d, %.2f s, cpu %.2f, "
		    "%d kB, broken: %s, says:\n%s" % (status, len(self.out),
		    len(self.stream), self.took, self.cpu, self.peak, broken,
		    text))
		if status not in (0, 1, 2):
			why.append("status %d" % status)
		if re.search("Sanitizer|runtime error", text):
			why.append("sanitizer: " + text[:3000])
			return why
		if self.peak > self.args.memory:
			why.append("%d kB" % self.peak)
		if self.cpu > 2.5 * self.args.time:
			why.append("%.1f s of CPU" % self.cpu)
		try:
			os.killpg(self.proc.pid, 0)
			why.append("leaves a process")
		except ProcessLookupError:
			pass
		if self.mode:
			return why + self.judge_mode(status, text)
		why += self.judge_lines(status, text)
		why += self.judge_bytes(status)
		if self.legal and not broken:
			said = [line for line in text.split("\n")[:-1]
			    if "it says" not in line]
			if status != 0 or said:
				why.append("an honest one failed, %d: %s" %
				    (status, text))
		return why

	def judge_mode(self, status, text):
		"""Of -v and -t only that they are clean, and as good as none."""
		text += self.out.decode("utf-8", "replace") if (
		    self.mode == "-t") else ""
		why = ["unprintable: %r" % line[:300] for line in
		    text.split("\n") if re.search(r"[^ -~]", line)]
		if self.legal and status != 0:
			why.append("an honest one failed, %d: %s" % (status,
			    text[-2000:]))
		return why + (self.judge_bytes(status) if self.mode != "-t"
		    else [])

	def judge_lines(self, status, text):
		why = []
		lines = text.split("\n")[:-1]
		said = [line for line in lines if "it says" in line]
		if len(said) > 20 or len(lines) > len(said) + 2:
			why.append("%d lines: %s" % (len(lines), text[-600:]))
		for line in lines:
			if not line.startswith("proxyhop: "):
				why.append("a line of its own: %.300s" % line)
			if re.search(r"[^ -~]", line):
				why.append("unprintable: %r" % line[:300])
			if len(line) > 1200:
				why.append("%d bytes in a line" % len(line))
			if MARK in self.unquoted(line):
				why.append("not marked as its own: %s" % line)
			if MARK in line and not self.may_quote(line):
				why.append("in another's mouth: %s" % line)
		failures = [line for line in lines if re.match(
		    r"proxyhop: .* \(hop \d of \d, ", line)]
		if status != 0 and (not failures or lines[-1] not in failures):
			why.append("status %d without its line: %s" % (status,
			    text))
		if len(failures) > 1:
			why.append("%d failures: %s" % (len(failures), text))
		if status == 0 and failures:
			why.append("status 0 with a failure: %s" % text)
		return why

	def unquoted(self, line):
		"""The line without what is said to be somebody's words."""
		return re.sub(r'it says(:.*| "[^"]*"?)', "", line)

	def may_quote(self, line):
		"""Is the line about one who may have said such words?"""
		return line.startswith("proxyhop: stranger ") or (
		    self.injected and line.startswith("proxyhop: %s " %
		    self.behind))

	def judge_bytes(self, status):
		stream = self.behind_bytes if self.behind else self.stream
		n = len(self.out)
		certain = len(stream)
		if self.certain is not None and not self.behind:
			certain = self.certain
		known = min(n, certain)
		if self.out[:known] != stream[:known]:
			return ["wrong bytes"]
		if certain == len(stream) and n > len(stream):
			return ["%d bytes, more than %d" % (n, len(stream))]
		if self.behind and self.behind_got != self.input[
		    :len(self.behind_got)]:
			return ["wrong bytes up"]
		if status == 0 and n < certain:
			return ["status 0 with %d of %d bytes" % (n, certain)]
		return []


def seeds(words):
	for word in words:
		first, _, last = word.partition("-")
		yield from range(int(first), int(last or first) + 1)


def work(numbers, args, out):
	"""One worker: a line for each seed."""
	for seed in numbers:
		run = Run(seed, args)
		try:
			why = run.go()
		except Exception:
			why = [traceback.format_exc()]
			run.kill()
		out.write("%d %s\n" % (seed, base64.b64encode("\n".join(
		    why).encode("utf-8", "replace")).decode()))
		out.flush()


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--hostkey", required=True)
	parser.add_argument("--before")
	parser.add_argument("--behind")
	parser.add_argument("--jobs", type=int, default=4)
	parser.add_argument("--memory", type=int, default=32768)
	parser.add_argument("--time", type=float, default=1)
	parser.add_argument("--verbose", action="store_true")
	parser.add_argument("seeds", nargs="+")
	words = sys.argv[1:]
	at = words.index("--")
	args = parser.parse_args(words[:at])
	args.command = words[at + 1:]
	numbers = list(seeds(args.seeds))
	files = []
	for job in range(min(args.jobs, len(numbers))):
		f = tempfile.TemporaryFile("w+")
		files.append(f)
		if os.fork() == 0:
			work(numbers[job::args.jobs], args, f)
			f.flush()
			os._exit(0)
	for _ in files:
		os.wait()
	passed = failed = 0
	for f in files:
		f.seek(0)
		for line in f:
			seed, _, why = line.rstrip("\n").partition(" ")
			why = base64.b64decode(why).decode()
			passed += not why
			failed += bool(why)
			if why:
				print("seed %s: %s" % (seed, why))
	failed += len(numbers) - passed - failed
	print("%d passed, %d failed" % (passed, failed))


if __name__ == "__main__":
	main()
