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
import threading


def packet(payload):
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return (struct.pack(">IB", 1 + len(payload) + padding, padding) +
            payload + bytes(padding))


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def forward(client, port, mode):
    if mode == "never" and b"proxyhop" in client.recv(64, socket.MSG_PEEK):
        client.close()
        return
    if mode == "replay" and b"proxyhop" not in client.recv(64,
                                                           socket.MSG_PEEK):
        port = int(sys.argv[3])
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=copy, args=(client, server), daemon=True).start()
    copy(server, client)
    client.close()
    server.close()


def spoil(client, mode):
    banner = b"SSH-2.0-spoiled\r\n"
    try:
        if mode == "silent":
            while client.recv(65536):
                pass
        elif mode == "lines":
            while True:
                client.sendall(b"not yet\r\n" * 1000)
        elif mode == "huge":
            client.sendall(banner + b"\xff" * 65536)
        elif mode == "ignore":
            client.sendall(banner)
            while True:
                client.sendall(packet(b"\x02" + struct.pack(">I", 8000) +
                                      bytes(8000)))
        elif mode == "noise":
            client.sendall(banner + os.urandom(65536))
    except OSError:
        pass
    client.close()


def main():
    port, mode = int(sys.argv[1]), sys.argv[2]
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)
    number = 0
    while True:
        client, _ = listener.accept()
        number += 1
        target, args = (spoil, (client, mode)) if number == 1 and (
            mode != "replay") else (
            forward, (client, port, mode))
        threading.Thread(target=target, args=args, daemon=True).start()


main()
