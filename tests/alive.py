#!/usr/bin/env python3
"""alive.py: an SSH gateway that answers keepalives as sshd does not.

usage: alive.py [--answers N] mode hostkey

Prints "listening PORT", and "keepalive N" for each; carries what comes back.
The first N keepalives are answered as by sshd, the others by the mode:

	ignore		not at all
	unimplemented	by SSH_MSG_UNIMPLEMENTED
"""

import argparse

import hostile
from hostile import message, say

FAILURE, UNIMPLEMENTED = b"\x52", b"\x03"


class Gate(hostile.Gate):
	keepalives = 0

	def __init__(self, sock, args):
		super().__init__(sock, args)
		self._handler_table[80] = Gate.on_global

	def on_global(self, m):
		m.get_text()
		if not m.get_boolean():
			return
		self.keepalives += 1
		say("keepalive %d" % self.keepalives)
		if self.keepalives <= self.args.answers:
			self._send_message(message(FAILURE))
		elif self.mode == "unimplemented":
			self._send_message(message(UNIMPLEMENTED, m.seqno))


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--answers", type=int, default=0)
	parser.add_argument("mode")
	parser.add_argument("hostkey")
	hostile.run(parser.parse_args(), Gate)


if __name__ == "__main__":
	main()
