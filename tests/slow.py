#!/usr/bin/env python3
"""slow.py: a long link to a server, or one that comes to a halt.

usage: slow.py [--rtt MS] [--hold FILE] port

Prints "listening PORT", then "accepted N" for each connection, and passes it on
to the port, each byte half a round trip later.  What the server sends is
held back until FILE exists.
"""

import argparse
import os
import queue
import socket
import threading
import time

import raw

FULL = 1024		# chunks on their way


def read(source, way, delay):
	"""What comes, with the time it arrives; nothing is the end."""
	data = b"-"
	while data:
		try:
			data = source.recv(raw.CHUNK)
		except OSError:
			data = b""
		way.put((time.monotonic() + delay, data))


def write(way, sink, hold):
	data = b"-"
	while data:
		due, data = way.get()
		time.sleep(max(0, due - time.monotonic()))
		while hold and not os.path.exists(hold):
			time.sleep(0.01)
		try:
			sink.sendall(data)
		except OSError:		# it has gone: nobody wants the rest
			pass
	try:
		sink.shutdown(socket.SHUT_WR)
	except OSError:
		pass


def carry(source, sink, delay, hold):
	"""One direction, until its end."""
	way = queue.Queue(FULL)
	threading.Thread(target=read, args=(source, way, delay),
	    daemon=True).start()
	write(way, sink, hold)


def serve(client, number, args):
	raw.say("accepted %d" % number)
	delay = args.rtt / 2000
	server = socket.create_connection(("127.0.0.1", args.port))
	for sock in (client, server):
		sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	up = threading.Thread(target=carry,
	    args=(client, server, delay, None), daemon=True)
	up.start()
	carry(server, client, delay, args.hold)
	up.join()
	server.close()


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--rtt", type=float, default=0)
	parser.add_argument("--hold")
	parser.add_argument("port", type=int)
	raw.listen(serve, parser.parse_args())


if __name__ == "__main__":
	main()
