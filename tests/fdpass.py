#!/usr/bin/env python3
"""fdpass.py: run a command as ssh does with ProxyUseFdpass, and use what it
hands over.

usage: fdpass.py [options] -- command ...

	--send N	random bytes for the descriptor, and what comes back
	--hold FILE	keep it open after that until FILE exists
	--plain		its stdout is a pipe, not a socket
	--deadline S	give up waiting for it, or for bytes, then

The command's stdin and stdout are one end of a socket pair.  Prints NAME=value
lines: byte and fds (what came, and how many descriptors beside it), more (bytes
that came after them), status and ms (of the command), kind (inet or unix) and
peer (the port) of the descriptor, block (1: reads wait), sent, sent_sha, got,
got_sha, and "held" when --hold begins.
"""

import argparse
import hashlib
import os
import random
import socket
import subprocess
import sys
import threading
import time


def show(**values):
	for name, value in values.items():
		print("%s=%s" % (name, value), flush=True)


def plain(args):
	proc = subprocess.Popen(args.command, stdin=subprocess.DEVNULL,
	    stdout=subprocess.PIPE, start_new_session=True)
	more = proc.stdout.read()
	show(fds=0, more=len(more), status=proc.wait())


def receive(args, start):
	"""The descriptor, or None; it is ssh's way to ask for just one."""
	ours, theirs = socket.socketpair()
	proc = subprocess.Popen(args.command, stdin=theirs, stdout=theirs,
	    start_new_session=True)
	theirs.close()
	ours.settimeout(args.deadline)
	try:
		data, fds, _, _ = socket.recv_fds(ours, 1, 4)
	except TimeoutError:
		proc.kill()
		data, fds = b"", []
	show(byte=data.hex(), fds=len(fds))
	# the command, and whoever goes on for it, lets go of this
	try:
		more = b"x"
		while more:
			more = ours.recv(65536)
			show(more=len(more))
	except TimeoutError:
		show(more="open")
	try:
		status = proc.wait(args.deadline)
	except subprocess.TimeoutExpired:
		proc.kill()
		status = "none"
	show(status=status, ms=round((time.monotonic() - start) * 1000))
	return socket.socket(fileno=fds[0]) if fds else None


def describe(sock):
	inet = sock.family in (socket.AF_INET, socket.AF_INET6)
	show(kind="inet" if inet else "unix", block=int(os.get_blocking(
	    sock.fileno())), peer=sock.getpeername()[1] if inet else 0)


def send(sock, data):
	try:
		sock.sendall(data)
		sock.shutdown(socket.SHUT_WR)
	except OSError:
		pass


def exchange(sock, args):
	data = random.Random(7).randbytes(args.send)
	thread = threading.Thread(target=send, args=(sock, data), daemon=True)
	thread.start()
	got = bytearray()
	try:
		while True:
			part = sock.recv(65536)
			if not part:
				break
			got += part
	except (TimeoutError, ConnectionResetError):
		pass
	show(sent=len(data), sent_sha=hashlib.sha256(data).hexdigest(),
	    got=len(got), got_sha=hashlib.sha256(got).hexdigest())


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--send", type=int)
	parser.add_argument("--hold")
	parser.add_argument("--plain", action="store_true")
	parser.add_argument("--deadline", type=float, default=60)
	parser.add_argument("command", nargs="+")
	args = parser.parse_args()
	if args.plain:
		return plain(args)
	sock = receive(args, time.monotonic())
	if sock is None:
		return
	describe(sock)
	sock.settimeout(args.deadline)
	if args.send is not None:
		exchange(sock, args)
	if args.hold:
		print("held", flush=True)
		while not os.path.exists(args.hold):
			time.sleep(0.01)


if __name__ == "__main__":
	main()
