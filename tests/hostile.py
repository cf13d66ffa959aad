#!/usr/bin/env python3
"""hostile.py: an SSH gateway that does what sshd cannot be made to do.

usage: hostile.py [--key2 FILE] [--bytes N] [--go FILE] mode hostkey

Prints "listening PORT", and a line for what it does.  Lets everybody in with a
key, and answers a request for direct-tcpip:

	lines		100000 lines before its own banner
	spam		lines without an end, no banner
	echo		send back what comes
	banner		refuse the login, with escapes in the login banner
	bigbanner	a login banner of 1 MiB, refuse the login
	manybanners	1000 login banners of 30 kB, then as echo
	largebanners	60 login banners of 250 kB, then as echo
	prompt		keyboard-interactive with escapes in all its texts
	disconnect	DISCONNECT instead of an answer to the login
	refuse		refuse the channel, with escapes
	early		data before the confirmation of the channel
	tiny		take packets of 10 bytes at most
	overrun		send more than the window
	blink		confirm, BYTES bytes, EOF and CLOSE in one go
	die		BYTES bytes and EOF, then end the connection
	requests	a flood of unknown channel requests, then as blink
	globals		a flood of unknown global requests, then as blink
	opens		a flood of channels of its own, then as blink
	rekey		as echo; then rekey, with the key of --key2 if given

With --go the mode waits for that file before its last step.
"""

import argparse
import fcntl
import hashlib
import logging
import os
import random
import socket
import sys
import termios
import threading
import time

import paramiko
from paramiko.common import (cMSG_CHANNEL_CLOSE, cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_EOF, cMSG_CHANNEL_OPEN, cMSG_CHANNEL_OPEN_FAILURE,
    cMSG_CHANNEL_OPEN_SUCCESS, cMSG_CHANNEL_REQUEST, cMSG_DISCONNECT,
    cMSG_GLOBAL_REQUEST, cMSG_USERAUTH_BANNER, MSG_CHANNEL_DATA,
    MSG_CHANNEL_OPEN)

NASTY = "one\r\ntwo\x1b[2J\x1b]0;title\x07 \x9b31m\u202ethree\x00four\u0007"
FLOOD = 20000
PACKET = 32768
MINE = 7			# our number of its channel


def say(text):
	sys.stdout.write(text + "\n")
	sys.stdout.flush()


def message(kind, *fields):
	"""One packet: numbers, strings and truth values after its byte."""
	m = paramiko.Message()
	m.add_byte(kind)
	for field in fields:
		if isinstance(field, bool):
			m.add_boolean(field)
		elif isinstance(field, int):
			m.add_int(field)
		else:
			m.add_string(field)
	return m


class Server(paramiko.ServerInterface):
	"""Who may log in: everybody with a key, unless the mode refuses."""

	def __init__(self, gate):
		self.gate = gate

	def get_allowed_auths(self, username):
		return {"prompt": "keyboard-interactive"}.get(self.gate.mode,
		    "publickey")

	def check_auth_none(self, username):
		self.gate.before_login()
		return paramiko.AUTH_FAILED

	def check_auth_publickey(self, username, key):
		self.gate.before_login()
		if self.gate.mode in ("banner", "bigbanner", "prompt"):
			return paramiko.AUTH_FAILED
		return paramiko.AUTH_SUCCESSFUL

	def check_auth_interactive(self, username, submethods):
		return paramiko.InteractiveQuery("name " + NASTY,
		    "instruction " + NASTY, ("prompt " + NASTY, True))

	def check_auth_interactive_response(self, responses):
		say("answered %r" % responses)
		return (paramiko.AUTH_SUCCESSFUL if responses == ["42"] else
		    paramiko.AUTH_FAILED)


class Gate(paramiko.Transport):
	"""One connection."""

	def __init__(self, sock, args):
		super().__init__(sock)
		self.args = args
		self.mode = args.mode
		self.greeted = False
		self.daemon = True
		self.add_server_key(key_of(args.hostkey))
		self._handler_table = dict(self._handler_table)
		self._handler_table[MSG_CHANNEL_OPEN] = Gate.on_open
		self._channel_handler_table = dict(self._channel_handler_table)

	def before_login(self):
		"""What comes before the first answer about the login."""
		if self.greeted:
			return
		self.greeted = True
		if self.mode == "banner":
			self.banner(NASTY)
		elif self.mode == "bigbanner":
			self.banner("x" * (1 << 20))
		elif self.mode == "manybanners":
			for _ in range(1000):
				self.banner("y" * 30000)
		elif self.mode == "largebanners":
			for _ in range(60):
				self.banner("y" * 250000)
		elif self.mode == "disconnect":
			self._send_message(message(cMSG_DISCONNECT, 2, NASTY,
			    ""))
			self.wait_then_close()

	def banner(self, text):
		self._send_message(message(cMSG_USERAUTH_BANNER, text, ""))

	def wait_then_close(self):
		"""Closing at once might cost it our last words."""
		time.sleep(0.2)
		self.close()

	def on_open(self, m):
		m.get_text()
		self.theirs = m.get_int()
		self.window = m.get_int()
		self.channels_seen[MINE] = True
		threading.Thread(target=quietly, args=(getattr(self,
		    "do_" + self.mode, self.do_echo),), daemon=True).start()

	# ---- the channel

	def confirm(self, packet=PACKET):
		self._send_message(message(cMSG_CHANNEL_OPEN_SUCCESS,
		    self.theirs, MINE, 1 << 30, packet))

	def data(self, data):
		self._send_user_message(message(cMSG_CHANNEL_DATA, self.theirs,
		    data))

	def some_data(self):
		"""BYTES bytes within the first window, and their hash."""
		data = random.Random(5).randbytes(self.args.bytes)
		say("sent=%d sent_sha=%s" % (len(data),
		    hashlib.sha256(data).hexdigest()))
		for i in range(0, len(data), PACKET):
			self.data(data[i:i + PACKET])

	def eof(self):
		self._send_user_message(message(cMSG_CHANNEL_EOF, self.theirs))

	def end(self):
		self.eof()
		self._send_user_message(message(cMSG_CHANNEL_CLOSE,
		    self.theirs))

	def wait_for_go(self):
		while self.args.go and not os.path.exists(self.args.go):
			time.sleep(0.02)

	def echo(self):
		"""From here on what comes is sent back, and counted."""
		def on_data(_, m):
			m.get_int()
			self.data(m.get_binary())
		channel = paramiko.Channel(MINE)
		channel._set_transport(self)
		channel._set_window(1 << 30, PACKET)
		channel._set_remote_channel(self.theirs, self.window, PACKET)
		channel._handle_close = lambda m: None
		channel._handle_eof = lambda m: self.end()
		self._channels.put(MINE, channel)
		self.kept = channel
		table = self._channel_handler_table
		table[MSG_CHANNEL_DATA] = lambda c, m: self.data(m.get_binary())
		table[96] = lambda c, m: self.end()

	# ---- the modes

	def do_echo(self):
		self.echo()
		self.confirm()

	def do_refuse(self):
		self._send_message(message(cMSG_CHANNEL_OPEN_FAILURE,
		    self.theirs, 2, NASTY, "en"))

	def do_early(self):
		self.data(b"too early")
		self.confirm()
		self.data(b"in time\n")
		self.end()

	def do_tiny(self):
		self.confirm(10)

	def do_overrun(self):
		self.confirm()
		for _ in range(1024):		# 32 MiB, nobody asked
			self.data(b"z" * PACKET)
		say("overrun")

	def do_blink(self):
		self.confirm()
		self.some_data()
		self.end()

	def do_die(self):
		self.confirm()
		self.wait_for_window()
		self.some_data()
		self.eof()
		self.wait_for_sent()
		say("died")
		self.close()

	def wait_for_window(self):
		"""The client grants its real window after the confirmation."""
		time.sleep(0.3)

	def wait_for_sent(self):
		"""Until the client's side has all of it, if not the client."""
		none = b"\0" * 4
		while fcntl.ioctl(self.sock, termios.TIOCOUTQ, none) != none:
			time.sleep(0.005)
		self.sock.shutdown(socket.SHUT_WR)

	def do_requests(self):
		self.confirm()
		for i in range(FLOOD):
			self._send_user_message(message(cMSG_CHANNEL_REQUEST,
			    self.theirs, "nonsense@example.com", i % 2 == 0,
			    "x" * 1000))
		self.some_data()
		self.end()

	def do_globals(self):
		self.confirm()
		for i in range(FLOOD):
			self._send_user_message(message(cMSG_GLOBAL_REQUEST,
			    "nonsense@example.com", i % 2 == 0, "x" * 1000))
		self.some_data()
		self.end()

	def do_opens(self):
		self.confirm()
		for i in range(FLOOD // 10):
			self._send_user_message(message(cMSG_CHANNEL_OPEN,
			    ("session", "x11", "forwarded-tcpip",
			    "auth-agent@openssh.com")[i % 4], i + 100, 1 << 20,
			    PACKET, "127.0.0.1", 1, "127.0.0.1", 2))
		self.some_data()
		self.end()

	def do_rekey(self):
		self.do_echo()
		self.data(b"before\n")
		self.wait_for_go()
		if self.args.key2:
			self.server_key_dict.clear()
			self.add_server_key(key_of(self.args.key2))
		self.renegotiate_keys()
		say("rekeyed")
		self.data(b"after\n")
		self.end()


def quietly(function):
	"""Run; the client may go away at any time."""
	try:
		function()
	except (OSError, EOFError, paramiko.SSHException):
		pass


def key_of(file):
	return paramiko.Ed25519Key(filename=file)


def lines(sock, mode):
	"""RFC 4253, 4.2: lines may come before the banner."""
	if mode == "lines":
		sock.sendall(b"".join(b"line %d \x1b[31m\r\n" % i
		    for i in range(100000)))
	while mode == "spam":
		sock.sendall(b"x" * 65536)


def serve(sock, args, gate_class):
	def serving():
		if args.mode in ("lines", "spam"):
			lines(sock, args.mode)
		gate = gate_class(sock, args)
		gate.start_server(event=threading.Event(), server=Server(gate))
		gate.join()
		say("closed")
	quietly(serving)


def run(args, gate_class):
	"""Serves for ever, each connection by one of gate_class."""
	logging.getLogger("paramiko").addHandler(logging.NullHandler())
	if os.environ.get("HOSTILE_DEBUG"):
		logging.basicConfig(level=logging.DEBUG)
	listener = socket.socket()
	listener.bind(("127.0.0.1", 0))
	listener.listen(64)
	say("listening %d" % listener.getsockname()[1])
	while True:
		sock, _ = listener.accept()
		threading.Thread(target=serve, args=(sock, args, gate_class),
		    daemon=True).start()


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--key2")
	parser.add_argument("--bytes", type=int, default=40000)
	parser.add_argument("--go")
	parser.add_argument("mode")
	parser.add_argument("hostkey")
	run(parser.parse_args(), Gate)


if __name__ == "__main__":
	main()
