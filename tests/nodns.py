#!/usr/bin/env python3
"""nodns.py: run a command where the name server takes questions and says
nothing.

usage: unshare -rmn nodns.py FOLDER [--signal NAME | --leave] -- command ...

In the new namespaces it becomes the name server itself; files that need to be
are written to FOLDER.  At the first question the command gets the signal, or
the reader of its stdout goes away.  Prints NAME=value lines: asked (0 or 1),
status, and ms, from the first question, if something was done then, or else the
start, to the exit.  Exit status 77: there are no such surroundings here.
"""

import argparse
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

IFF_UP = 1
SIOCSIFFLAGS = 0x8914


def surroundings(folder):
	"""Only we are asked, and lo is up."""
	for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"),
	    ("nsswitch.conf", "hosts: dns\npasswd: files\n")):
		with open(os.path.join(folder, name), "w") as file:
			file.write(text)
		os.chmod(file.name, 0o644)
		if os.path.exists("/etc/" + name):
			subprocess.run(["mount", "--bind", file.name,
			    "/etc/" + name], check=True)
	server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo",
	    IFF_UP))
	server.bind(("127.0.0.1", 53))
	return server


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("folder")
	parser.add_argument("--signal")
	parser.add_argument("--leave", action="store_true")
	parser.add_argument("command", nargs="+")
	args = parser.parse_args()
	try:
		server = surroundings(args.folder)
	except (OSError, subprocess.CalledProcessError) as why:
		sys.stderr.write("%s\n" % why)
		sys.exit(77)
	proc = subprocess.Popen(args.command, stdin=subprocess.PIPE,
	    stdout=subprocess.PIPE, start_new_session=True)
	start = [time.monotonic()]
	asked = []

	def listen():
		server.recv(4096)
		asked.append(1)
		if args.signal or args.leave:
			start[0] = time.monotonic()
		if args.signal:
			proc.send_signal(getattr(signal, args.signal))
		if args.leave:
			proc.stdout.close()
	threading.Thread(target=listen, daemon=True).start()
	status = proc.wait()
	for name, value in (("asked", len(asked)), ("status", status),
	    ("ms", round((time.monotonic() - start[0]) * 1000))):
		print("%s=%s" % (name, value))


if __name__ == "__main__":
	main()
