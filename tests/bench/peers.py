"""peers.py: how each of those that the bench compares is started.

All take the gateways in order, are on 127.0.0.1, and log in with one key.
The first gateway may be behind a link of 100 or 200 ms (delay.c).
"""

import os
import shutil
import subprocess
import sys

TUNABLE = "glibc.cpu.x86_rep_movsb_threshold=10000000"
GCM = "aes128-gcm@openssh.com"
HERE = os.path.dirname(os.path.abspath(__file__))


class Peers:
	def __init__(self, work, proxyhop):
		self.work = work
		self.binary = proxyhop
		self.user = subprocess.check_output(["id", "-un"],
		    text=True).strip()
		with open(work + "/ports") as ports:
			self.port = {name: int(port) for name, port in
			    (line.split() for line in ports)}
		self.prints = {}

	def missing(self, peer):
		"""Why a peer cannot be had here, or None."""
		if peer == "Fabric":
			return None if subprocess.run([sys.executable, "-c",
			    "import fabric"], capture_output=True
			    ).returncode == 0 else "python3-fabric is missing"
		name = peer.split()[0]
		return (None if name in ("proxyhop", "proxyhop+t", "straight") or
		    shutil.which(name) else name + " is missing")

	def config(self, rtt, kind=""):
		"""An ssh_config; the kinds are "", ".agent", ".asks", ".gcm"
		and ".shared"."""
		return "%s/conf.%d%s" % (self.work, rtt, kind)

	def default_cipher(self):
		"""What proxyhop asks for first."""
		plan = subprocess.run([self.binary, "-F", self.config(0), "-G",
		    "-J", "gw1", "127.0.0.1", "1"], capture_output=True,
		    text=True).stdout
		return next((line.split()[1].split(",")[0] for line in
		    plan.split("\n") if line.startswith("ciphers ")), "?")

	def command(self, peer, hops, rtt=0, agent=False, names=None,
	    shared=False, asks=False):
		"""How to start it, and what its environment has besides."""
		names = names or ["gw1", "gw2", "gw3"][:hops]
		ports = [self.port["far%d" % rtt if rtt and name == "gw1" else
		    name] for name in names]
		end = self.port["ends"]
		conf = self.config(rtt, ".agent" if agent else
		    ".shared" if shared else ".asks" if asks else
		    ".gcm" if "gcm" in peer else "")
		env = {}
		if agent:
			env["SSH_AUTH_SOCK"] = self.work + "/agent"
		if peer.endswith("+t"):
			env["GLIBC_TUNABLES"] = TUNABLE
		if peer.startswith("proxyhop"):
			return [self.binary, "-F", conf, "-J", ",".join(names),
			    "127.0.0.1", str(end)], env
		if peer.startswith("ssh"):
			jump = ["-J", ",".join(names[:-1])] if names[1:] else []
			return ["ssh", "-F", conf, *jump, "-W",
			    "127.0.0.1:%d" % end, names[-1]], env
		if peer == "dbclient":
			# it starts itself by this name for the other hops
			return [shutil.which(peer), "-y", "-y", "-i",
			    self.work + "/id.dropbear", "-B",
			    "127.0.0.1:%d" % end, ",".join("%s@127.0.0.1^%d" %
			    (self.user, port) for port in ports)], env
		if peer == "plink":
			return self.plink(ports, str(end)), env
		return [sys.executable, HERE + "/fabric_hop.py",
		    self.work + "/id", self.user, str(end),
		    *(str(port) for port in ports)], env

	def share(self, hops, rtt=0, names=None):
		"""Has ssh -J make the masters that are not there yet."""
		argv, _ = self.command("ssh -J", hops, rtt, names=names,
		    shared=True)
		subprocess.run([word for word in argv if word != "-W" and
		    not word.endswith(":%d" % self.port["ends"])] + ["true"],
		    stdin=subprocess.DEVNULL, check=True)

	def unshare(self):
		"""Ends them."""
		for name in os.listdir(self.work):
			if name.startswith("shared."):
				subprocess.run(["ssh", "-F", "none", "-O",
				    "exit", "-S", self.work + "/" + name, "x"],
				    capture_output=True)

	def routes(self, peer):
		"""To gw1, because the route before it is filtered."""
		conf = self.work + "/conf.routes"
		end = str(self.port["ends"])
		if peer == "proxyhop":
			return [self.binary, "-F", conf, "-J", "filtered|gw1",
			    "127.0.0.1", end], {}
		return ["ssh", "-F", conf, "-W", "127.0.0.1:" + end,
		    "probed"], {}

	def fingerprint(self, port):
		"""Of a host key; plink wants it on its command line."""
		if port not in self.prints:
			name = next(name for name in self.port
			    if self.port[name] == port)
			if name.startswith("far"):
				name = "gw1"
			self.prints[port] = subprocess.check_output(
			    ["ssh-keygen", "-l", "-f", "%s/%s.key.pub" %
			    (self.work, name)], text=True).split()[1]
		return self.prints[port]

	def plink(self, ports, to):
		words = ["plink", "-batch", "-ssh", "-noagent", "-i",
		    self.work + "/id.ppk", "-hostkey",
		    self.fingerprint(ports[-1]), "-l", self.user, "-P",
		    str(ports[-1]), "-nc", "127.0.0.1:" + to]
		if not ports[1:]:
			return words + ["127.0.0.1"]
		# to a host with a local address it would take no proxy
		return words + ["-proxycmd", self.script(ports[:-1]) + " %port",
		    "gateway"]

	def script(self, ports):
		"""plink through ports to port $1, without words to quote."""
		name = "%s/plink.%s" % (self.work, "-".join(map(str, ports)))
		if not os.path.exists(name):
			words = ["'%s'" % word if "%" in word else word
			    for word in self.plink(ports, '"$1"')]
			with open(name, "w") as file:
				file.write("#!/bin/sh\nexec %s\n" %
				    " ".join(words))
			os.chmod(name, 0o700)
		return name
