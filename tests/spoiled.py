#!/usr/bin/env python3
"""spoiled.py: before an SSH server, one that spoils the first connection.

usage: spoiled.py PORT MODE [PORT]

Prints "listening PORT".  The first connection, in which proxyhop asks for a
certificate, gets MODE, those after it go on to PORT:

silent	nothing at all
close	the connection is closed at once
never	the same, and each other one in which it asks for a certificate
replay	every connection in which it does goes on to PORT, and all others to
	the second PORT: a stranger with another host's certificate
lines	lines before the banner, without an end
huge	a banner and a packet of 4 GiB
ignore	a banner and SSH_MSG_IGNORE without an end
noise	a banner and random bytes
"""

import os
import socket
import struct
import sys

import raw


def asks(client):
	"""Is this the connection in which proxyhop asks for a certificate?"""
	return b"proxyhop" in client.recv(64, socket.MSG_PEEK)


def forward(client, port, mode):
	if mode == "never" and asks(client):
		return
	if mode == "replay" and not asks(client):
		port = int(sys.argv[3])
	raw.join(client, port)


def spoil(client, mode):
	banner = b"SSH-2.0-spoiled\r\n"
	if mode == "silent":
		raw.drain(client)
	elif mode == "lines":
		while True:
			client.sendall(b"not yet\r\n" * 1000)
	elif mode == "huge":
		client.sendall(banner + b"\xff" * 65536)
	elif mode == "ignore":
		client.sendall(banner)
		while True:
			client.sendall(raw.packet(b"\x02" +
			    struct.pack(">I", 8000) + bytes(8000)))
	elif mode == "noise":
		client.sendall(banner + os.urandom(65536))


def serve(client, number, port, mode):
	if number == 1 and mode != "replay":
		spoil(client, mode)
	else:
		forward(client, port, mode)


raw.listen(serve, int(sys.argv[1]), sys.argv[2])
