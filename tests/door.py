#!/usr/bin/env python3
"""door.py: before an SSH server, one that says something first.

usage: door.py busy LINE TIMES PORT
       door.py lines NUMBER LENGTH PORT

Prints "listening PORT", and "connection" for each.

	busy	the first TIMES connections get LINE, if it is not empty, and
		are closed; all others go on to PORT
	lines	each gets NUMBER lines of LENGTH bytes before the banner, which
		comes in pieces, and goes on to PORT
"""

import socket
import sys

import raw


def busy(sock, number, line, times, port):
	raw.say("connection")
	if number > int(times):
		raw.join(sock, int(port))
	elif line:
		sock.sendall(line.encode() + b"\r\n")


def text(number, length):
	return b"".join((b"line %d \x1b[31m" % i).ljust(length, b"x")[:length] +
	    (b"\r\n", b"\n")[i % 2] for i in range(number))


def lines(sock, _, number, length, port):
	raw.say("connection")
	sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	with raw.reach(sock, int(port)) as far:
		try:
			sock.sendall(text(int(number), int(length)))
			for _ in range(10):	# of the banner
				sock.sendall(far.recv(1))
		except OSError:			# too much, for the client
			far.shutdown(socket.SHUT_RDWR)
		raw.copy(far, sock)


raw.listen({"busy": busy, "lines": lines}[sys.argv[1]], *sys.argv[2:])
