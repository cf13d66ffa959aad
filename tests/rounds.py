#!/usr/bin/env python3
"""rounds.py: an SSH server that asks as no sshd does.

usage: rounds.py MODE KEY

Prints "listening PORT".

	rounds	two rounds of two questions, and one of none, but with a text
	change	the password, "secret", has to be changed (RFC 4252, 8) to "fresh"
"""

import sys

import paramiko
from paramiko.auth_handler import AuthHandler

import lead

PASSWD_CHANGEREQ = bytes([60])
MODE = sys.argv[1]


class Server(lead.Server):
	round = 0

	def get_allowed_auths(self, user):
		return "password" if MODE == "change" else "keyboard-interactive"

	def ask(self):
		return paramiko.InteractiveQuery("Two\x1b[31mfold",
		    "Round %d\nof 2" % self.round,
		    ("Name: ", True), ("Secret: ", False))

	def check_auth_interactive(self, user, sub):
		self.round = 1
		return self.ask()

	def check_auth_interactive_response(self, answers):
		if answers != ["me", "secret%d" % self.round]:
			return paramiko.AUTH_FAILED
		self.round += 1
		if self.round == 2:
			return self.ask()
		return paramiko.InteractiveQuery("Last login", "two hours ago")


def answers(self, m):
	"""paramiko takes an answer to nothing for a refusal."""
	got = [m.get_text() for _ in range(m.get_int())]
	server = self.transport.server_object
	if not got and server.round == 3:
		result = paramiko.AUTH_SUCCESSFUL
	else:
		result = server.check_auth_interactive_response(got)
	if isinstance(result, paramiko.InteractiveQuery):
		return self._interactive_query(result)
	return self._send_auth_result(self.auth_username,
	    "keyboard-interactive", result)


original = AuthHandler._parse_userauth_request


def change(self, m):
	start = m.packet.tell()
	user, _, method = m.get_text(), m.get_text(), m.get_text()
	if method != "password":
		m.packet.seek(start)
		return original(self, m)
	if m.get_boolean() and (m.get_text(), m.get_text()) == ("secret",
	    "fresh"):
		return self._send_auth_result(user, method,
		    paramiko.AUTH_SUCCESSFUL)
	reply = paramiko.Message()
	reply.add_byte(PASSWD_CHANGEREQ)
	reply.add_string("Your password has expired")
	reply.add_string("")
	return self.transport._send_message(reply)


lead.answer_login(change if MODE == "change" else None, answers)
lead.run(Server, sys.argv[2])
