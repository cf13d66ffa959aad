#!/usr/bin/env python3
"""clients.py: a Python SSH client takes a file to the target and back.

usage: clients.py [options] paramiko|asyncssh|fabric

	--proxy COMMAND		its ProxyCommand
	--port N, --user NAME	of the target, which is called "target"
	--key FILE		logs in
	--known FILE		known_hosts for "target"
	--put FILE		goes there by sftp,
	--there FILE		under this name,
	--get FILE		and comes back into this
	--timeout S		for what the client wants a limit

The target runs sha256sum on what has arrived; the sum goes to stdout.  When the
client fails, its exception goes to stderr, and so does what the ProxyCommand
has said, if this client lets us read it; then the status is 1.
"""

import argparse
import shlex
import sys
import warnings

# Debian's paramiko and asyncssh name ciphers that their library wants to drop.
warnings.filterwarnings("ignore")


def of_paramiko(args):
	import paramiko
	client = paramiko.SSHClient()
	client.load_host_keys(args.known)
	proxy = paramiko.ProxyCommand(args.proxy)
	try:
		client.connect("target", args.port, args.user,
		    key_filename=args.key, allow_agent=False,
		    look_for_keys=False, sock=proxy,
		    banner_timeout=args.timeout)
		with client.open_sftp() as sftp:
			sftp.put(args.put, args.there)
			sftp.get(args.there, args.get)
		out = client.exec_command(args.sum)[1].read()
		return out.decode()
	except Exception:
		# it never reads what its ProxyCommand says
		proxy.close()
		sys.stderr.write(proxy.process.stderr.read().decode())
		raise
	finally:
		client.close()
		proxy.process.wait()


def of_asyncssh(args):
	import asyncio
	import asyncssh

	async def run():
		async with asyncssh.connect("target", args.port,
		    username=args.user, client_keys=[args.key], config=None,
		    known_hosts=args.known, agent_path=None,
		    login_timeout=args.timeout,
		    proxy_command=args.proxy) as client:
			async with client.start_sftp_client() as sftp:
				await sftp.put(args.put, args.there)
				await sftp.get(args.there, args.get)
			return (await client.run(args.sum, check=True)).stdout

	return asyncio.run(run())


def of_fabric(args):
	import fabric
	with fabric.Connection("target", args.user, args.port,
	    gateway=args.proxy, config=fabric.Config(user_ssh_path="/dev/null",
	    system_ssh_path="/dev/null"),
	    connect_kwargs={"key_filename": args.key, "allow_agent": False,
	    "look_for_keys": False, "banner_timeout": args.timeout}) as client:
		client.client.load_host_keys(args.known)
		client.put(args.put, args.there)
		client.get(args.there, args.get)
		return client.run(args.sum, hide=True, in_stream=False).stdout


def main():
	parser = argparse.ArgumentParser()
	for name in ("proxy", "user", "key", "known", "put", "there", "get"):
		parser.add_argument("--" + name)
	parser.add_argument("--port", type=int)
	parser.add_argument("--timeout", type=float, default=15)
	parser.add_argument("client",
	    choices=("paramiko", "asyncssh", "fabric"))
	args = parser.parse_args()
	args.sum = "sha256sum " + shlex.quote(args.there)
	try:
		print(globals()["of_" + args.client](args).split()[0])
	except Exception as e:
		sys.exit("%s: %s: %s" % (args.client, type(e).__name__, e))


if __name__ == "__main__":
	main()
