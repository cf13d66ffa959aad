#!/usr/bin/env python3
"""login.py: an SSH gateway whose login does what sshd cannot be made to do.

usage: login.py [--tries N] [--seconds S] [--go FILE] mode hostkey

Prints "listening PORT", and a line for each request to log in: "asked METHOD".
Takes any key and the password "secret", and carries what comes back.  Modes:

	rounds		keyboard-interactive without prompts, without an end
	rush		the same, without waiting for an answer
	partial		"partial success" to everything, without waiting
	slow		answers a key after S seconds, with a banner at once
			and, with --drip, one each second
	mute		never answers
	tries		hangs up after N refusals
	cuts		the same, without a word
	quick		a banner, and in at once
	old		takes a key by ssh-rsa alone, and names no algorithms
	empty		names no method that it takes, and takes a key
	open		in without anything (method none); hangs up at a key
	push		asks a telephone: keyboard-interactive without prompts,
			which fails the first time and is in at the second
	listed		refuses all, with a list of methods as libssh would put
			it that a key cannot be used
	sixty		message 60 at once, as if a password were to be changed
	menu		keyboard-interactive with a menu; in with "1"
	paint		the same, with what could pass for the lines of others
	chatter		banners, rounds without questions, and menus without end
"""

import argparse
import os
import threading
import time

import paramiko
from paramiko.common import cMSG_DISCONNECT, cMSG_USERAUTH_BANNER

import hostile
from hostile import message, quietly, say

FAILURE, SUCCESS, PK_OK, INFO_REQUEST = b"\x33", b"\x34", b"\x3c", b"\x3c"
WORDS = "To authenticate, visit https://login.example/abc\r\nwithin a minute\n"
MENU = """Enter a passcode, or select one of the following options:

 1. Push to XXX-1234
 2. SMS     (next: 3)
\u2588\u2580\u2580 \u2584  \u2580 \u2588
"""


class Done:
	"""What paramiko asks about the login."""

	def is_authenticated(self):
		return True

	def abort(self):
		pass


class Gate(hostile.Gate):
	refusals = 0

	def __init__(self, sock, args):
		super().__init__(sock, args)
		self.server_sig_algs = self.mode != "old"
		self._handler_table[5] = Gate.on_service
		self._handler_table[50] = Gate.on_request
		self._handler_table[61] = Gate.on_answers

	def on_service(self, m):
		reply = message(b"\x06", m.get_text())
		self._send_message(reply)

	def on_request(self, m):
		m.get_text()
		m.get_text()
		method = m.get_text()
		say("asked " + method)
		threading.Thread(target=quietly, args=(lambda: getattr(self,
		    "on_" + self.mode)(method, m),), daemon=True).start()

	def accept(self):
		self.auth_handler = Done()
		self._send_message(message(SUCCESS))

	def refuse(self, methods="publickey", partial=False):
		self._send_message(message(FAILURE, methods, partial))

	def ask_nothing(self):
		# more than libssh reads at once, so that none is out of turn
		text = ("round\r\n" + "x" * 500 + "\n") * 10
		self._send_message(message(INFO_REQUEST, text, text, "", 0))

	def on_answers(self, m):
		if self.mode == "rounds":
			self.ask_nothing()
		elif self.mode == "push":
			self.refusals += 1
			if self.refusals > 1:
				return self.accept()
			self.refuse("keyboard-interactive")
		elif self.mode == "chatter":
			self.ask("menu\n" * 9, "Code: ")
		elif self.mode in ("menu", "paint"):
			right = m.get_int() == 1 and m.get_text() == "1"
			if right:
				self.accept()
			else:
				self.refuse("keyboard-interactive")

	def on_rounds(self, method, m):
		if method != "keyboard-interactive":
			return self.refuse("keyboard-interactive")
		self.ask_nothing()

	def on_rush(self, method, m):
		self.on_rounds(method, m)
		while method == "keyboard-interactive":
			self.ask_nothing()

	def on_partial(self, method, m):
		if self.refusals == 0:
			self.refusals = 1
			while True:
				self.refuse("publickey,keyboard-interactive",
				    True)

	def on_slow(self, method, m):
		if method != "publickey":
			return self.refuse()
		if not m.get_boolean():		# only asked about: good
			return self._send_message(message(PK_OK,
			    m.get_string(), m.get_string()))
		end = time.time() + self.args.seconds
		self.banner(WORDS)
		while time.time() < end:
			time.sleep(min(1, self.args.seconds))
			if self.args.drip:
				self.banner("still waiting")
		self.accept()

	def on_quick(self, method, m):
		if method != "publickey":
			return self.refuse()
		self.banner(WORDS)
		self.accept()

	def on_old(self, method, m):
		if method != "publickey":
			return self.refuse()
		signed, algorithm = m.get_boolean(), m.get_text()
		if algorithm != "ssh-rsa":
			return self.refuse()
		if not signed:
			return self._send_message(message(PK_OK, algorithm,
			    m.get_string()))
		self.accept()

	def on_empty(self, method, m):
		if method != "publickey":
			return self.refuse("")
		if not m.get_boolean():
			return self._send_message(message(PK_OK,
			    m.get_string(), m.get_string()))
		self.accept()

	def on_open(self, method, m):
		if method != "none":
			return self.close()
		self.accept()

	def on_push(self, method, m):
		if method != "keyboard-interactive":
			return self.refuse("publickey,keyboard-interactive")
		self._send_message(message(INFO_REQUEST, "", "push", "", 0))

	def on_listed(self, method, m):
		self.refuse("Invalid key type,publickey")

	def on_sixty(self, method, m):
		self._send_message(message(PK_OK, "your password has expired",
		    ""))

	def ask(self, instruction, question):
		self._send_message(message(INFO_REQUEST, "", instruction, "",
		    1, question, True))

	def on_menu(self, method, m):
		if method != "keyboard-interactive":
			return self.refuse("keyboard-interactive")
		self.ask(MENU, "Pass\r\nPasscode or option (1-2): ")

	def on_paint(self, method, m):
		if method != "keyboard-interactive":
			return self.refuse("keyboard-interactive")
		other = "root@gw2 (hop 2 of 2): root@gw2's password: "
		self.ask("\n".join("x" * n + " " * (80 - n % 80) + other
		    for n in (1, 70, 78, 80, 100)) + "\n" + "\t" * 10 + other,
		    "y" * 50 + " " + other)

	def on_chatter(self, method, m):
		if method != "keyboard-interactive":
			return self.refuse("keyboard-interactive")
		for i in range(8):
			self.banner("banner %d\n" % i * 8)
		self._send_message(message(INFO_REQUEST, "name",
		    "told\n" * 9, "", 0))

	def on_mute(self, method, m):
		pass

	def on_tries(self, method, m):
		if method == "publickey":
			self.refusals += 1
		if self.refusals >= self.args.tries:
			self._send_message(message(cMSG_DISCONNECT, 2,
			    "Too many authentication failures", ""))
			return self.wait_then_close()
		self.refuse()


	def on_cuts(self, method, m):
		if method == "publickey":
			self.refusals += 1
		if self.refusals >= self.args.tries:
			return self.close()
		self.refuse()


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--tries", type=int, default=3)
	parser.add_argument("--seconds", type=float, default=5)
	parser.add_argument("--drip", action="store_true")
	parser.add_argument("mode")
	parser.add_argument("hostkey")
	hostile.run(parser.parse_args(), Gate)


if __name__ == "__main__":
	main()
