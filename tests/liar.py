#!/usr/bin/env python3
"""liar.py: an SSH gateway that leads on, with words that are not its own.

usage: liar.py [--after N] [--go FILE] [--last KIND] hostkey WORDS ...

As hostile.py, which it stands on; but what it opens leads where it is asked to.
Once N bytes have come from there and FILE exists, each of the WORDS is the name
or text of whatever libssh may log: a channel request, a global request, a
channel of its own, data on stderr, a debug message, a signal.  "said" is printed
then, and with the last of them the connection is closed, unless KIND is

	stay		it carries on
	disconnect	the first of the WORDS is what it says in DISCONNECT
"""

import argparse
import os
import socket
import threading
import time

from paramiko.common import (cMSG_CHANNEL_DATA, cMSG_CHANNEL_EXTENDED_DATA,
    cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST, cMSG_DEBUG, cMSG_DISCONNECT,
    cMSG_GLOBAL_REQUEST, MSG_CHANNEL_DATA)

import hostile
from hostile import PACKET, message, quietly, say


class Gate(hostile.Gate):
	"""One connection."""

	mode = "lead"
	greeted = True

	def on_open(self, m):
		m.get_text()
		self.theirs = m.get_int()
		self.window = m.get_int()
		m.get_int()
		self.to = m.get_text(), m.get_int()
		self.channels_seen[hostile.MINE] = True
		threading.Thread(target=quietly, args=(self.lead,),
		    daemon=True).start()

	def lead(self):
		behind = socket.create_connection(self.to)
		self.echo()
		table = self._channel_handler_table
		table[MSG_CHANNEL_DATA] = lambda c, m: quietly(
		    lambda: behind.sendall(m.get_binary()))
		table[96] = lambda c, m: quietly(
		    lambda: behind.shutdown(socket.SHUT_WR))
		# paramiko would close the channel, or the connection
		table[99] = table[100] = lambda c, m: None
		for kind in (3, 81, 82, 91, 92):
			self._handler_table[kind] = lambda g, m: None
		self.passed = 0
		self.confirm()
		threading.Thread(target=quietly, args=(self.watch,),
		    daemon=True).start()
		threading.Thread(target=self.close_with, args=(behind,),
		    daemon=True).start()
		while data := behind.recv(PACKET):
			self.passed += len(data)
			self.data(data)
		self.end()

	def close_with(self, behind):
		self.join()
		quietly(lambda: behind.shutdown(socket.SHUT_RDWR))

	def watch(self):
		while self.passed < self.args.after or (
		    self.args.go and not os.path.exists(self.args.go)):
			time.sleep(0.005)
		for words in self.args.words:
			self.lie(words)
		say("said")
		if self.args.last == "disconnect":
			self._send_message(message(cMSG_DISCONNECT, 2,
			    self.args.words[0], ""))
		if self.args.last != "stay":
			self.wait_then_close()

	def lie(self, words):
		c = self.theirs
		for m in (
		    message(cMSG_CHANNEL_REQUEST, c, words, False),
		    message(cMSG_CHANNEL_REQUEST, c, words, True),
		    message(cMSG_CHANNEL_REQUEST, c, "exit-signal", False,
			words, False, words, ""),
		    message(cMSG_CHANNEL_REQUEST, c, "signal", False, words),
		    message(cMSG_GLOBAL_REQUEST, words, False),
		    message(cMSG_GLOBAL_REQUEST, words, True),
		    message(cMSG_CHANNEL_OPEN, words, 99, 1 << 20, PACKET),
		    message(cMSG_CHANNEL_EXTENDED_DATA, c, 1, words + "\n"),
		    message(cMSG_DEBUG, True, words, "en")):
			self._send_message(m)


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--after", type=int, default=0)
	parser.add_argument("--go")
	parser.add_argument("--last", default="close")
	parser.add_argument("hostkey")
	parser.add_argument("words", nargs="+")
	args = parser.parse_args()
	args.mode = "lead"
	hostile.Gate = Gate
	hostile.run(args, Gate)


if __name__ == "__main__":
	main()
