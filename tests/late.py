#!/usr/bin/env python3
"""late.py: an SSH server that takes its time.

usage: late.py [--compression NAME] mode seconds port hostkey

Prints "listening PORT".  Each connection goes to the server at that port, but
so many seconds late comes

	banner		the server's banner
	kex		what it says after that
	open		the answer to a channel: a gateway of our own, which
			carries what comes back, and may have one kind of
			compression alone
"""

import argparse
import time

import raw


def serve(near, _, args):
	with raw.reach(near, args.port) as far:
		while args.mode == "kex":
			byte = far.recv(1)
			near.sendall(byte)
			if byte in (b"", b"\n"):
				break
		time.sleep(args.seconds)
		raw.copy(far, near)


def gateway(args):
	import hostile

	class Gate(hostile.Gate):
		def __init__(self, sock, args):
			super().__init__(sock, args)
			if args.compression:
				self._preferred_compression = (args.compression,)

		def do_open(self):
			time.sleep(args.seconds)
			self.do_echo()

	hostile.run(args, Gate)


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--compression")
	parser.add_argument("mode")
	parser.add_argument("seconds", type=int)
	parser.add_argument("port", type=int)
	parser.add_argument("hostkey")
	args = parser.parse_args()
	if args.mode == "open":
		gateway(args)
	else:
		raw.listen(serve, args)


if __name__ == "__main__":
	main()
