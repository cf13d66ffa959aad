#!/usr/bin/env python3
"""others.py: programs of others that ssh works with.

usage: others.py command host port
       others.py agent socket folder

command: a ProxyCommand with one loop for both directions, as many have: what
it reads from is made non-blocking, and what it writes to is expected to block.

agent: agents in front of the one at socket.  folder/late takes six seconds to
list its keys, as one that a person has to unlock; folder/never does not.
Prints "listening 0".
"""

import fcntl
import os
import select
import socket
import struct
import sys
import threading
import time


def down(sock):
	while True:
		data = sock.recv(65536)
		if not data:
			os._exit(0)
		sys.stdout.buffer.write(data)
		sys.stdout.buffer.flush()


def command(host, port):
	fcntl.fcntl(0, fcntl.F_SETFL,
	    fcntl.fcntl(0, fcntl.F_GETFL) | os.O_NONBLOCK)
	sock = socket.create_connection((host, int(port)))
	threading.Thread(target=down, args=(sock,), daemon=True).start()
	while True:
		select.select([0], [], [])
		data = os.read(0, 65536)
		if not data:
			os._exit(0)
		sock.sendall(data)


def message(sock):
	head = sock.recv(4, socket.MSG_WAITALL)
	if len(head) < 4:
		sys.exit()
	return head + sock.recv(struct.unpack(">I", head)[0],
	    socket.MSG_WAITALL)


def serve(sock, real_name, seconds):
	real = socket.socket(socket.AF_UNIX)
	real.connect(real_name)
	while True:
		request = message(sock)
		if request[4] == 11:
			time.sleep(seconds)
		real.sendall(request)
		sock.sendall(message(real))


def listen(name, real_name, seconds):
	sock = socket.socket(socket.AF_UNIX)
	sock.bind(name)
	sock.listen(5)
	def accept():
		while True:
			threading.Thread(target=serve, daemon=True, args=(
			    sock.accept()[0], real_name, seconds)).start()
	threading.Thread(target=accept, daemon=True).start()


def agent(real_name, folder):
	listen(folder + "/late", real_name, 6)
	listen(folder + "/never", real_name, 3600)
	print("listening 0", flush=True)
	while True:
		time.sleep(3600)


if __name__ == "__main__":
	{"command": command, "agent": agent}[sys.argv[1]](*sys.argv[2:])
