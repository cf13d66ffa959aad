#!/usr/bin/python3
"""fabric_hop.py: a chain of Fabric's gateways as a ProxyCommand.

usage: fabric_hop.py KEY USER TARGET-PORT HOP-PORT ...

All of them are on 127.0.0.1.  Host keys are accepted as they come.
"""

import os
import sys
import threading

import fabric

key, user, target = sys.argv[1:4]
gateway = None
for port in sys.argv[4:]:
	gateway = fabric.Connection("127.0.0.1", user=user, port=int(port),
	    gateway=gateway, connect_kwargs={"key_filename": key,
	    "allow_agent": False, "look_for_keys": False})
gateway.open()
channel = gateway.transport.open_channel("direct-tcpip",
    ("127.0.0.1", int(target)), ("", 0))


def upload():
	while True:
		data = os.read(0, 65536)
		if not data:
			channel.shutdown_write()
			return
		channel.sendall(data)


threading.Thread(target=upload, daemon=True).start()
while True:
	data = channel.recv(65536)
	if not data:
		os._exit(0)
	view = memoryview(data)
	while view:
		view = view[os.write(1, view):]
