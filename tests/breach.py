#!/usr/bin/env python3
"""breach.py: an SSH gateway that breaks the rules of its channel.

usage: breach.py mode hostkey

As hostile.py, which it stands on, with these modes:

	unconfirmed	4 MiB of data and EOF, 4 times, and no confirmation
	uneof		EOF instead of the confirmation
	ends		confirmed; 3 MiB of data and EOF, 4 times
	afterend	confirmed; data, EOF and data
	afterclose	confirmed; data, CLOSE and data
	again		as echo; then a second confirmation, packets of 10 bytes
	instead		packets of 10 bytes, and a request named as libssh's
			log names larger ones
	hidden		as again, then data for a channel that there is not
	failing		as echo; then the channel is refused after all
	farewell	as echo; then DISCONNECT with a text in UTF-8
	honest		confirmed; 3 MiB of data within the window, EOF, CLOSE
"""

import socket
import sys
import threading
import time

import hostile
from hostile import (MINE, PACKET, cMSG_CHANNEL_CLOSE,
    cMSG_CHANNEL_OPEN_FAILURE, cMSG_CHANNEL_OPEN_SUCCESS,
    cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_DATA, cMSG_DISCONNECT, message, say)

MIB = 1 << 20


class Gate(hostile.Gate):
	"""One connection."""

	def much(self, n):
		for _ in range(n // PACKET):
			self.data(b"A" * PACKET)

	def close_channel(self):
		self._send_user_message(message(cMSG_CHANNEL_CLOSE,
		    self.theirs))

	def confirm_again(self):
		self._send_user_message(message(cMSG_CHANNEL_OPEN_SUCCESS,
		    self.theirs, MINE, 1 << 30, 10))

	def do_unconfirmed(self):
		self.channels_seen[0] = True	# as the client names it so far
		for _ in range(4):
			self.much(4 * MIB)
			self.eof()
		say("sent")

	def do_uneof(self):
		self.eof()
		say("sent")

	def do_ends(self):
		self.confirm()
		time.sleep(0.3)		# the client grants its window
		for _ in range(4):
			self.much(3 * MIB)
			self.eof()
		say("sent")

	def do_afterend(self):
		self.confirm()
		self.data(b"in time\n")
		self.eof()
		self.data(b"too late\n")
		say("sent")

	def do_afterclose(self):
		self.confirm()
		self.data(b"in time\n")
		self.close_channel()
		self.data(b"too late\n")
		say("sent")

	def do_again(self):
		self.do_echo()
		time.sleep(0.3)		# the client begins to send
		self.confirm_again()
		say("sent")

	def do_hidden(self):
		self.do_again()
		self._send_user_message(message(cMSG_CHANNEL_DATA, 999, b"x"))

	def do_instead(self):
		self.echo()
		self.confirm(10)
		self._send_user_message(message(cMSG_CHANNEL_REQUEST,
		    self.theirs, "x maxpacket : 32768", False))
		say("sent")

	def do_failing(self):
		self.do_echo()
		time.sleep(0.3)
		self._send_user_message(message(cMSG_CHANNEL_OPEN_FAILURE,
		    self.theirs, 2, "no", "en"))
		say("sent")

	def do_farewell(self):
		self.do_echo()
		self.wait_for_go()
		self._send_message(message(cMSG_DISCONNECT, 11,
		    "Adi\u00f3s", ""))
		self.wait_then_close()

	def do_honest(self):
		self.confirm()
		time.sleep(0.3)
		self.much(3 * MIB)
		self.end()
		say("sent")


if __name__ == "__main__":
	hostile.Gate = Gate
	hostile.main()
