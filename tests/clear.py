#!/usr/bin/env python3
"""clear.py: a server that sends a banner and a packet, both in clear, and waits.

usage: clear.py KIND TEXT

Prints "listening PORT".

	goodbye			DISCONNECT, with TEXT
	kex, key, cipher, mac	KEXINIT, whose list of those is TEXT
"""

import os
import struct
import sys

import raw

KEXINIT, DISCONNECT = b"\x14", b"\x01"


def kexinit(kind, text):
	lists = {"kex": b"curve25519-sha256", "key": b"ssh-ed25519",
	    "cipher": b"aes128-ctr", "mac": b"hmac-sha2-256", kind: text}
	both = ("kex", "key", "cipher", "cipher", "mac", "mac")
	return (KEXINIT + os.urandom(16) +
	    b"".join(raw.string(lists[name]) for name in both) +
	    2 * raw.string(b"none") + 2 * raw.string(b"") + b"\0" * 5)


def goodbye(text):
	return (DISCONNECT + struct.pack(">I", 2) + raw.string(text) +
	    raw.string(b""))


def serve(sock, _, kind, text):
	text = text.encode(errors="surrogateescape")
	sock.sendall(b"SSH-2.0-OpenSSH_5.3\r\n" + raw.packet(
	    goodbye(text) if kind == "goodbye" else kexinit(kind, text)))
	raw.drain(sock)


raw.listen(serve, *sys.argv[1:])
