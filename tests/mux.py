#!/usr/bin/env python3
"""mux.py: what listens on a ControlPath, if it is not a good ssh.

usage: mux.py [--uid UID] path mode

Prints "listening" and, for each connection, "accepted", "asked HOST PORT" and
"passed N" once N descriptors have come with it.

	good	opens what is asked for, and echoes what comes by it
	version	speaks version 3
	closes	at once
	slow	a byte of its hello each 0.3 s
	huge	a packet of 4 GiB
	flood	sends hellos without end
	garbage	no packet at all
	other	answers another request than it was asked
	dead	cannot answer whether it is alive
	denied	denies what is asked for
	drops	closes once it has been asked
	never	does not answer what it was asked
	refuses	with a long reason, and not all of that can be shown
	chatty	opens it, and then sends without end, and does not read

With --uid the socket is made by us, and listened on by that user.
"""

import argparse
import array
import os
import socket
import struct
import sys
import threading
import time

HELLO, ALIVE_CHECK, FORWARD = 1, 0x10000004, 0x10000008
DENIED, FAILURE, ALIVE, OPENED = (0x80000002, 0x80000003, 0x80000005,
    0x80000006)


def say(text):
	sys.stdout.write(text + "\n")
	sys.stdout.flush()


def packet(*numbers, text=None):
	body = b"".join(struct.pack(">I", n) for n in numbers)
	if text is not None:
		body += struct.pack(">I", len(text)) + text
	return struct.pack(">I", len(body)) + body


def exactly(sock, n):
	data = b""
	while len(data) < n:
		more = sock.recv(n - len(data))
		if not more:
			raise EOFError
		data += more
	return data


def descriptors(sock):
	fds = []
	for _ in range(2):
		_, control, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(4))
		for _, _, data in control:
			fds.append(array.array("i", data)[0])
	say("passed %d" % len(fds))
	return fds


def echo(fd):
	while True:
		try:
			data = os.read(fd, 65536)
		except BlockingIOError:
			time.sleep(0.001)
			continue
		while data:
			try:
				data = data[os.write(fd, data):]
			except BlockingIOError:
				time.sleep(0.001)
				continue
			if not data:
				break
		else:
			return


def forward(sock, mode, body):
	rid, _, length = struct.unpack(">III", body[:12])
	host = body[12:12 + length].decode()
	port, = struct.unpack(">I", body[12 + length:])
	say("asked %s %d" % (host, port))
	fds = descriptors(sock)
	if mode == "denied":
		sock.sendall(packet(DENIED, rid, text=b"Permission denied"))
	elif mode == "refuses":
		sock.sendall(packet(FAILURE, rid,
		    text=b"no\x1b[2J\n" + b"x" * 3000))
	elif mode == "never":
		exactly(sock, 1)
	elif mode == "drops":
		pass
	else:
		sock.sendall(packet(OPENED, rid + (mode == "other"), 1))
		if mode == "chatty":
			threading.Thread(target=flood, args=(sock,),
			    daemon=True).start()
		echo(fds[0])
	for fd in fds:
		os.close(fd)


def flood(sock):
	try:
		while True:
			sock.sendall(packet(HELLO, 4) * 100)
	except OSError:
		pass


def hello(sock, mode):
	if mode == "huge":
		sock.sendall(b"\xff\xff\xff\xff" + b"\0\0\0\1" * 4096)
	elif mode == "garbage":
		sock.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 200)
	elif mode == "flood":
		flood(sock)
	elif mode == "slow":
		for byte in packet(HELLO, 4):
			sock.sendall(bytes([byte]))
			time.sleep(0.3)
	else:
		sock.sendall(packet(HELLO, 3 if mode == "version" else 4))


def serve(sock, mode):
	say("accepted")
	if mode == "closes":
		return
	hello(sock, mode)
	while True:
		length, kind = struct.unpack(">II", exactly(sock, 8))
		body = exactly(sock, length - 4)
		if kind == ALIVE_CHECK:
			rid, = struct.unpack(">I", body)
			sock.sendall(packet(FAILURE, rid, text=b"no") if
			    mode == "dead" else packet(ALIVE, rid, os.getpid()))
		elif kind == FORWARD:
			forward(sock, mode, body)
			return


def one(sock, mode):
	try:
		serve(sock, mode)
	except (EOFError, OSError):
		pass
	sock.close()


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--uid", type=int)
	parser.add_argument("path")
	parser.add_argument("mode")
	args = parser.parse_args()
	listener = socket.socket(socket.AF_UNIX)
	listener.bind(args.path)
	if args.uid is not None:
		os.chmod(args.path, 0o666)
		os.setuid(args.uid)
	listener.listen(64)
	say("listening")
	while True:
		sock, _ = listener.accept()
		threading.Thread(target=one, args=(sock, args.mode),
		    daemon=True).start()


main()
