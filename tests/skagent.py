#!/usr/bin/env python3
"""skagent.py: an ssh-agent with keys that want a touch, and no device.

usage: skagent.py SOCKET FILE=TYPE ...

For each FILE a key is made, of TYPE ed25519 or ecdsa, as a FIDO device would
have it (PROTOCOL.u2f), and FILE and FILE.pub are written as ssh-keygen would,
with FILE's last part for a comment.  The keys are listed in this order, each
after FILE-cert.pub if there is such a file by then.

What the person at the device does stands in SOCKET.person, which is read again
and again while a signature is wanted:

	waits		nothing, so far
	touches		the key: it signs
	is away		the device signs, and says that nobody was there
	refuses		the agent says no
	leaves		with the agent, which hangs up

Its lines are "listening", "listed", "asked COMMENT" and "signed COMMENT".
"""

import base64
import hashlib
import os
import socket
import struct
import sys
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import (Encoding,
    PublicFormat)


def string(data):
	return struct.pack(">I", len(data)) + data


def mpint(n):
	return string(n.to_bytes(n.bit_length() // 8 + 1, "big"))


def take(data):
	"""The string that data begins with, and the rest."""
	n = struct.unpack(">I", data[:4])[0]
	return data[4:4 + n], data[4 + n:]


FAILURE = b"\x05"
REQUEST_IDENTITIES = 11
IDENTITIES_ANSWER = b"\x0c"
SIGN_REQUEST = 13
SIGN_RESPONSE = b"\x0e"
APPLICATION = b"ssh:"
USER_PRESENT = 1
NO_CIPHER = string(b"none") + string(b"none") + string(b"")


class Ed25519:
	name = b"sk-ssh-ed25519@openssh.com"

	def __init__(self):
		self.key = ed25519.Ed25519PrivateKey.generate()

	def public(self):
		return string(self.key.public_key().public_bytes(Encoding.Raw,
		    PublicFormat.Raw))

	def sign(self, data):
		return self.key.sign(data)


class Ecdsa:
	name = b"sk-ecdsa-sha2-nistp256@openssh.com"

	def __init__(self):
		self.key = ec.generate_private_key(ec.SECP256R1())

	def public(self):
		return string(b"nistp256") + string(
		    self.key.public_key().public_bytes(Encoding.X962,
		    PublicFormat.UncompressedPoint))

	def sign(self, data):
		r, s = utils.decode_dss_signature(self.key.sign(data,
		    ec.ECDSA(hashes.SHA256())))
		return mpint(r) + mpint(s)


class Key:
	"""A key in its device."""

	def __init__(self, file, kind):
		self.file = file
		self.comment = os.path.basename(file)
		self.kind = {"ed25519": Ed25519, "ecdsa": Ecdsa}[kind]()
		self.counter = 0
		self.blob = (string(self.kind.name) + self.kind.public() +
		    string(APPLICATION))
		with open(file + ".pub", "w") as out:
			print(self.kind.name.decode(),
			    base64.b64encode(self.blob).decode(),
			    self.comment, file=out)
		with open(file, "w") as out:
			out.write("-----BEGIN OPENSSH PRIVATE KEY-----\n" +
			    base64.encodebytes(self.private()).decode() +
			    "-----END OPENSSH PRIVATE KEY-----\n")

	def private(self):
		"""As in a file (PROTOCOL.key): a handle, no secret."""
		data = (bytes(8) + self.blob + bytes([USER_PRESENT]) +
		    string(os.urandom(64)) + string(b"") +
		    string(self.comment.encode()))
		data += bytes(range(1, 1 + -len(data) % 8))
		return (b"openssh-key-v1\0" + NO_CIPHER +
		    struct.pack(">I", 1) + string(self.blob) + string(data))

	def blobs(self):
		"""The certificate, if there is one, and the key."""
		try:
			with open(self.file + "-cert.pub") as cert:
				blob = base64.b64decode(cert.read().split()[1])
			return [blob, self.blob]
		except FileNotFoundError:
			return [self.blob]

	def sign(self, data, present):
		self.counter += 1
		tail = struct.pack(">BI", USER_PRESENT if present else 0,
		    self.counter)
		signature = self.kind.sign(hashlib.sha256(APPLICATION).digest()
		    + tail + hashlib.sha256(data).digest())
		return string(self.kind.name) + string(signature) + tail


class Agent:
	def __init__(self, path, keys):
		self.path = path
		self.keys = keys

	def person(self):
		with open(self.path + ".person") as file:
			return file.read().strip()

	def identities(self):
		listed = [(blob, key.comment.encode())
		    for key in self.keys for blob in key.blobs()]
		print("listed", flush=True)
		return IDENTITIES_ANSWER + struct.pack(">I", len(listed)) + \
		    b"".join(string(blob) + string(comment)
		    for blob, comment in listed)

	def sign(self, request):
		blob, rest = take(request)
		data = take(rest)[0]
		key = [k for k in self.keys if blob in k.blobs()][0]
		print("asked", key.comment, flush=True)
		while self.person() == "waits":
			time.sleep(0.02)
		if self.person() == "refuses":
			return FAILURE
		if self.person() == "leaves":
			raise ConnectionAbortedError
		signature = key.sign(data, self.person() == "touches")
		print("signed", key.comment, flush=True)
		return SIGN_RESPONSE + string(signature)

	def answer(self, request):
		if request[0] == REQUEST_IDENTITIES:
			return self.identities()
		if request[0] == SIGN_REQUEST:
			return self.sign(request[1:])
		return FAILURE

	def serve(self, client):
		stream = client.makefile("rwb")
		try:
			while True:
				n = struct.unpack(">I", stream.read(4))[0]
				answer = self.answer(stream.read(n))
				stream.write(string(answer))
				stream.flush()
		except (OSError, struct.error):
			client.shutdown(socket.SHUT_RDWR)

	def run(self):
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(self.path)
		listener.listen(8)
		print("listening", flush=True)
		while True:
			threading.Thread(target=self.serve, daemon=True,
			    args=(listener.accept()[0],)).start()


if __name__ == "__main__":
	if len(sys.argv) < 3:
		sys.exit(__doc__)
	Agent(sys.argv[1], [Key(*word.rsplit("=", 1))
	    for word in sys.argv[2:]]).run()
