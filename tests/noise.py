#!/usr/bin/env python3
"""noise.py: an SSH gateway from which comes what is no SSH packet, or nothing
more.

usage: noise.py [--bytes N] mode hostkey

As hostile.py, which it stands on, with these modes:

	keyed		noise, once keys are exchanged
	ended		BYTES bytes, EOF, and then noise; it stays open
	mute		BYTES bytes, EOF, and it answers nothing any more
	open		BYTES bytes, EOF, and it answers what it is asked
	breach		leads on, and once BYTES bytes have come from there and
			nothing more, confirms its channel a second time
	lead		the same without that

It prints "noise" when that has been sent.
"""

import os
import sys
import threading
import time

from paramiko.common import MSG_GLOBAL_REQUEST, MSG_NEWKEYS

import hostile
import liar
from hostile import PACKET, cMSG_CHANNEL_OPEN_SUCCESS, message, say


class Gate(hostile.Gate):
	"""One connection."""

	def __init__(self, sock, args):
		super().__init__(sock, args)
		if self.mode == "keyed":
			self._handler_table[MSG_NEWKEYS] = Gate.on_newkeys

	def on_newkeys(self, m):
		self._parse_newkeys(m)
		threading.Thread(target=hostile.quietly, args=(self.noise,),
		    daemon=True).start()

	def noise(self):
		"""More of it than is read before it is found to be none."""
		time.sleep(0.3)
		for _ in range(10):
			self.sock.sendall(os.urandom(1000))
			time.sleep(0.05)
		say("noise")

	def end_of_data(self):
		self.confirm()
		self.wait_for_window()
		self.some_data()
		self.eof()

	def do_ended(self):
		self.end_of_data()
		self.noise()

	def do_mute(self):
		self._handler_table[MSG_GLOBAL_REQUEST] = lambda *_: None
		self.end_of_data()

	def do_open(self):
		self.end_of_data()


class Lead(liar.Gate):
	"""One that leads to the next hop."""

	def watch(self):
		while self.passed < self.args.bytes:
			time.sleep(0.01)
		time.sleep(0.5)
		if self.args.mode == "breach":
			self._send_message(message(cMSG_CHANNEL_OPEN_SUCCESS,
			    self.theirs, hostile.MINE, 1 << 30, PACKET))
		say("noise")


if __name__ == "__main__":
	leads = "breach" in sys.argv or "lead" in sys.argv
	hostile.Gate = Lead if leads else Gate
	hostile.main()
