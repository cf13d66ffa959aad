#!/usr/bin/env python3
"""peer.py: the other end of a tunnel, for tests that count bytes.

usage: peer.py [--hold FILE] [--v6] mode [bytes [seed]]

Prints "listening PORT", then "accepted N" for each connection, "sent_all sent=.."
and "read_all got=.." on the way and, when it is over,
"closed N got=.. got_sha=.. sent=.. sent_sha=..".

	echo	send back what comes, close after end of file
	source	send BYTES random bytes, half-close, read till end of file
	closer	send BYTES random bytes, close
	sink	read till end of file, close
	duplex	send BYTES random bytes while reading till end of file, close
	silent	read, say nothing
	mute	say "SSH-2.0-mute", then nothing
	hangup	say "SSH-2.0-hangup", read something, close
	close	close at once
	http	answer like a web server
	garbage	answer with random bytes
	bound	hold the port, but refuse connections

BYTES may be "endless".  With --hold nothing is read before FILE exists.
"""

import argparse
import hashlib
import os
import random
import socket
import sys
import threading
import time

CHUNK = 65536
HTTP = (b"HTTP/1.1 400 Bad Request\r\nServer: peer\r\n"
    b"Content-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><body>Bad Request</body></html>\r\n")


class Side:
	"""Count and hash of one direction."""

	def __init__(self):
		self.count = 0
		self.hash = hashlib.sha256()

	def add(self, data):
		self.count += len(data)
		self.hash.update(data)


def say(text):
	sys.stdout.write(text + "\n")
	sys.stdout.flush()


def send_random(sock, args, sent):
	rand = random.Random(args.seed)
	left = float("inf") if args.bytes == "endless" else int(args.bytes)
	while left > 0:
		data = rand.randbytes(int(min(CHUNK, left)))
		sock.sendall(data)
		sent.add(data)
		left -= len(data)
	say("sent_all sent=%d" % sent.count)


def read_all(sock, args, got, back=None):
	while args.hold and not os.path.exists(args.hold):
		time.sleep(0.01)
	while True:
		data = sock.recv(CHUNK)
		if not data:
			return
		got.add(data)
		if back is not None:
			sock.sendall(data)
			back.add(data)


def quietly(function, *args):
	"""Run; the other side may go away at any time."""
	try:
		function(*args)
	except OSError:
		pass


def answer(sock, args, got, sent, data):
	"""Answer the first bytes, or nothing for a second."""
	sock.settimeout(1)
	try:
		got.add(sock.recv(CHUNK))
	except OSError:
		pass
	sock.sendall(data)
	sent.add(data)


def talk(sock, args, got, sent):
	mode = args.mode
	if mode == "hangup":
		sock.sendall(b"SSH-2.0-hangup\r\n")
		answer(sock, args, got, sent, b"")
	elif mode == "echo":
		read_all(sock, args, got, sent)
	elif mode == "source":
		send_random(sock, args, sent)
		sock.shutdown(socket.SHUT_WR)
		read_all(sock, args, got)
	elif mode == "closer":
		send_random(sock, args, sent)
	elif mode in ("sink", "silent"):
		read_all(sock, args, got)
	elif mode == "duplex":
		sender = threading.Thread(target=quietly,
		    args=(send_random, sock, args, sent), daemon=True)
		sender.start()
		read_all(sock, args, got)
		say("read_all got=%d" % got.count)
		sender.join()
	elif mode == "mute":
		sock.sendall(b"SSH-2.0-mute\r\n")
		read_all(sock, args, got)
	elif mode == "http":
		answer(sock, args, got, sent, HTTP)
	elif mode == "garbage":
		answer(sock, args, got, sent,
		    random.Random(args.seed).randbytes(4096))


def serve(number, sock, args):
	got, sent = Side(), Side()
	quietly(talk, sock, args, got, sent)
	sock.close()
	say("closed %d got=%d got_sha=%s sent=%d sent_sha=%s" % (number,
	    got.count, got.hash.hexdigest(),
	    sent.count, sent.hash.hexdigest()))


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--hold")
	parser.add_argument("--v6", action="store_true")
	parser.add_argument("mode", choices=("echo", "source", "closer", "sink",
	    "duplex", "silent", "mute", "hangup", "close", "http", "garbage", "bound"))
	parser.add_argument("bytes", nargs="?", default="0")
	parser.add_argument("seed", nargs="?", type=int, default=1)
	args = parser.parse_args()

	listener = socket.socket(
	    socket.AF_INET6 if args.v6 else socket.AF_INET)
	listener.bind(("::1" if args.v6 else "127.0.0.1", 0))
	if args.mode != "bound":
		listener.listen(64)
	say("listening %d" % listener.getsockname()[1])
	number = 0
	while args.mode == "bound":
		time.sleep(3600)
	while True:
		sock, _ = listener.accept()
		number += 1
		say("accepted %d" % number)
		threading.Thread(target=serve, args=(number, sock, args),
		    daemon=True).start()


if __name__ == "__main__":
	main()
