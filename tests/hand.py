#!/usr/bin/env python3
"""hand.py: a ProxyCommand for ProxyUseFdpass, which hands over a connection
through its standard output, or something else.

usage: hand.py mode host port

	connection	as nc -F does
	unix		one end of a socket pair, somebody behind it
	connecting	one that is not up yet
	two, many	others beside it: pipes of our own, which must be let go
	three		it ends with status 3 afterwards
	stays		it does not end afterwards
	late		a second later
	nothing, one	none at all, with this status (0, 1)
	text		a line
	hangs		never anything
	shut		closes its output, and goes on
	gone		one that the far end has closed
	lonely		a socket that is not connected
	listening	one that waits for others
	packets		one that is no stream
	file		none that is a socket

Pipes that were handed over are read to their end: hand.py lasts until nobody
has the other end.
"""

import os
import socket
import sys
import time

import raw

mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def out():
	return socket.socket(fileno=os.dup(1))


def give(*fds, data=b"\0"):
	socket.send_fds(out(), [data], [fd if isinstance(fd, int) else
	    fd.fileno() for fd in fds])


def connect():
	return socket.create_connection((host, port))


def behind():
	ours, theirs = socket.socketpair()
	if os.fork() > 0:
		return theirs
	theirs.close()
	os.dup2(os.open(os.devnull, os.O_RDWR), 0)
	os.dup2(0, 1)
	raw.join(ours, port)
	os._exit(0)


def with_pipes(n):
	pipes = [os.pipe() for _ in range(n)]
	give(connect(), *(pipe[1] for pipe in pipes))
	for end, other in pipes:
		os.close(other)
	if os.fork() > 0:
		os._exit(0)
	os.dup2(os.open(os.devnull, os.O_RDWR), 0)
	os.dup2(0, 1)
	for end, _ in pipes:
		os.read(end, 1)
	print("let go", file=sys.stderr, flush=True)


def connecting():
	sock = socket.socket()
	sock.setblocking(False)
	sock.connect_ex((host, port))
	return sock


def gone():
	with socket.create_server(("127.0.0.1", 0)) as server:
		sock = socket.create_connection(server.getsockname())
		server.accept()[0].close()
	time.sleep(0.1)
	return sock


def main():
	if mode == "late":
		time.sleep(1)
	if mode in ("connection", "late", "three", "stays"):
		give(connect())
	elif mode in ("two", "many"):
		with_pipes(1 if mode == "two" else 200)
	elif mode == "unix":
		give(behind())
	elif mode == "connecting":
		give(connecting())
	elif mode == "text":
		os.write(1, b"no \x1b[31mconnection\nat all\n")
	elif mode == "shut":
		os.dup2(2, 1)
		os.dup2(2, 0)
	elif mode == "gone":
		give(gone())
	elif mode == "lonely":
		give(socket.socket())
	elif mode == "listening":
		give(socket.create_server(("127.0.0.1", 0)))
	elif mode == "packets":
		sock = socket.socket(type=socket.SOCK_DGRAM)
		sock.connect((host, port))
		give(sock)
	elif mode == "file":
		give(os.open(__file__, os.O_RDONLY))
	if mode in ("stays", "hangs", "shut"):
		time.sleep(1000)
	return {"one": 1, "three": 3}.get(mode, 0)


sys.exit(main())
