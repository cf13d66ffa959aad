"""raw.py: what servers have in common that speak no SSH of their own, but say
something in clear, or stand before a real server.
"""

import os
import socket
import struct
import sys
import threading

CHUNK = 65536


def say(text):
	sys.stdout.write(text + "\n")
	sys.stdout.flush()


def string(data):
	return struct.pack(">I", len(data)) + data


def packet(payload):
	"""Before the first keys: RFC 4253, 6."""
	padding = 8 - (5 + len(payload)) % 8
	padding += 8 if padding < 4 else 0
	return (struct.pack(">IB", 1 + len(payload) + padding, padding) +
	    payload + os.urandom(padding))


def drain(sock):
	while sock.recv(CHUNK):
		pass


def copy(source, sink):
	"""One direction; its end is passed on, however it comes."""
	try:
		while data := source.recv(CHUNK):
			sink.sendall(data)
	except OSError:
		pass
	try:
		sink.shutdown(socket.SHUT_WR)
	except OSError:
		pass


def reach(near, port):
	"""A connection to the server at port, to which near's bytes go on."""
	far = socket.create_connection(("127.0.0.1", port))
	threading.Thread(target=copy, args=(near, far), daemon=True).start()
	return far


def join(near, port):
	"""Until both have ended."""
	with reach(near, port) as far:
		copy(far, near)


def listen(serve, *args):
	"""For ever: says "listening PORT", and has each connection served by
	serve(connection, its number, args), which need not mind its end."""
	def serving(sock, number):
		try:
			serve(sock, number, *args)
		except OSError:
			pass
		sock.close()

	listener = socket.create_server(("127.0.0.1", 0), backlog=64)
	say("listening %d" % listener.getsockname()[1])
	number = 0
	while True:
		sock, _ = listener.accept()
		number += 1
		threading.Thread(target=serving, args=(sock, number),
		    daemon=True).start()
