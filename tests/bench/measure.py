#!/usr/bin/env python3
"""measure.py: the rows of the bench.  Started by bench, which has the servers.

usage: bench [--quick] [--runs N] [--peers NAME,...] [--hops N,...]
             [--write DIRECTORY] [ROW ...]

A row is a kind of run that gives one figure or more.
"""

import argparse
import collections
import concurrent.futures
import filecmp
import itertools
import os
import shlex
import signal
import statistics
import subprocess
import sys
import time

import head
import draw
from peers import Peers, GCM

MIB = 1024 * 1024
TWO = ["proxyhop", "ssh -J"]
ALL = TWO + ["dbclient", "plink", "Fabric"]
# What the slow ones are spared, so that they do not take all the time.
LESS = {"down": {"dbclient": 64, "plink": 16, "Fabric": 8},
    "up": {"dbclient": 16, "plink": 8, "Fabric": 16}}

# What a quick bench does once, as it hardly varies or takes long.
ONCE = ("agent100", "stalled", "rate-down", "rate-up", "forty",
    "forty-shared", "calls", "idle")

# fields are (name in what measure gives, title, unit, more is better); quick
# are the hops of that row in a quick bench, which may be none.  Where runs
# mostly wait they are done together: those of a peer over 1, 2 and 3 hops
# ("hops"), the same for the two slowest peers alone ("slow"), or "all".
Row = collections.namedtuple("Row",
    "key fields peers hops quick measure together", defaults=("",))


class Failed(Exception):
	"""A run without the right bytes, or without any."""


class Bench:
	def __init__(self, args):
		self.args = args
		self.peers = Peers(args.work, args.proxyhop)
		self.runs = args.runs or (3 if args.quick else 5)
		self.cells = {}		# (row, field, peer, hops): values
		self.dead = {}		# (row, peer): why
		self.text = []
		self.status = 0
		self.running = set()

	def say(self, text=""):
		print(text, flush=True)
		self.text.append(text)

	# ---- one run -------------------------------------------------------

	def start(self, argv, env):
		run = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
		    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
		    env={**os.environ, **env})
		self.running.add(run)
		return run

	def start_carry(self, mode, n, argv, env):
		return self.start([self.args.build + "/carry", mode, str(n),
		    *argv], env)

	def stop(self, *_):
		"""A signal: what runs is told, and cleans up after itself."""
		for run in self.running:
			run.terminate()
		sys.exit(1)

	def end(self, run):
		"""The words that carry prints, as a dict."""
		out, err = run.communicate()
		self.running.discard(run)
		if run.returncode != 0:
			raise Failed("; ".join(err.strip().split("\n")[-3:]))
		return {key: float(value) for key, value in
		    (word.split("=") for word in out.split())}

	def carry(self, mode, n, peer, hops, **how):
		argv, env = self.peers.command(peer, hops, **how)
		return self.end(self.start_carry(mode, n, argv, env))

	# ---- what is measured; each gives a function of peer and hops ------

	def size(self, peer, mode, mib):
		if self.args.quick:
			mib //= 2
		return mib * MIB // LESS[mode].get(peer, 1)

	def first_byte(self, rtt, agent=False):
		def measure(peer, hops):
			run = self.carry("hello", 0, peer, hops, rtt=rtt,
			    agent=agent)
			return {"ms": run["first_ms"], "cpu": run["cpu"] * 1e3}
		return measure

	def warm(self, rtt):
		"""Over connections that ssh shares."""
		def measure(peer, hops):
			self.peers.share(hops, rtt)
			run = self.carry("hello", 0, peer, hops, rtt=rtt,
			    shared=True)
			return {"ms": run["first_ms"], "cpu": run["cpu"] * 1e3}
		return measure

	def asks(self, peer, hops):
		"""What is added by a ControlPath where nobody listens: of many
		pairs, as it is little."""
		def pair(turn):
			ms = {asks: self.carry("hello", 0, peer, hops,
			    asks=asks)["first_ms"]
			    for asks in ((True, False), (False, True))[turn % 2]}
			return ms[True] - ms[False]
		return {"ms": statistics.median(map(pair, range(16)))}

	def ride(self, peer, hops):
		"""The CPU is that of the client; the master has its own."""
		self.peers.share(hops)
		n = self.size(peer, "down", 256)
		run = self.carry("down", n, peer, hops, shared=True)
		return {"cpu": run["cpu"] * 1024 * MIB / n, "rate": run["rate"]}

	def filtered(self, peer, _):
		"""Two routes; who is asked first does not answer."""
		argv, env = self.peers.routes(peer)
		run = self.end(self.start_carry("hello", 0, argv, env))
		return {"ms": run["first_ms"]}

	def cpu(self, mode):
		def measure(peer, hops):
			n = self.size(peer, mode, 256 if hops == 1 else 128)
			run = self.carry(mode, n, peer, hops)
			setup = self.carry("hello", 0, peer, hops)
			return {"cpu": (run["cpu"] - setup["cpu"]) * 1024 *
			    MIB / n, "rate": run["rate"],
			    "mib": run["kb"] / 1024}
		return measure

	def rate(self, mode):
		"""Of many times a window; dbclient's is small."""
		def measure(peer, hops):
			n = (MIB // 4 if peer == "dbclient" else 16 * MIB if
			    peer == "plink" else 32 * MIB if peer == "Fabric"
			    or self.args.quick else 64 * MIB)
			return {"rate": self.carry(mode, n, peer, hops,
			    rtt=100)["rate"]}
		return measure

	def ping(self, mode):
		def measure(peer, hops):
			run = self.carry(mode, 3000, peer, hops)
			return {"median": run["median_us"],
			    "p99": run["p99_us"]}
		return measure

	def stalled(self, peer, hops):
		n = self.size(peer, "down", 128)
		return {"mib": self.carry("stall", n, peer, hops)["stalled_kb"]
		    / 1024}

	def idle(self, peer, hops):
		return {"switches": self.carry("idle", 5, peer, hops)
		    ["switches"]}

	def calls(self, peer, hops):
		"""System calls, without those of the set-up."""
		log = self.args.work + "/strace"
		n = self.size(peer, "down", 16)
		argv, env = self.peers.command(peer, hops)
		total = []
		for size in (n, 0):
			self.end(self.start_carry("down" if size else "hello", size,
			    ["strace", "-f", "-c", "-qq", "-o", log, *argv],
			    env))
			with open(log) as file:
				total.append(next(int(line.split()[3]) for line
				    in file if line.endswith(" total\n")))
		return {"calls": (total[0] - total[1]) * MIB / n}

	def forty(self, peer, _, shared=False):
		"""Forty at once through one sshd; how many, and how long."""
		argv, env = self.peers.command(peer, 1, names=["many"],
		    shared=shared)
		begin = time.monotonic()
		runs = [(time.monotonic() - begin, self.start_carry("hello", 0,
		    argv, env)) for _ in range(40)]
		good = []
		for offset, run in runs:
			try:
				good.append(offset + self.end(run)["first_ms"]
				    / 1e3)
			except Failed:
				pass
		return {"good": len(good), "sec": max(good, default=0)}

	def forty_shared(self, peer, hops):
		self.peers.share(1, names=["many"])
		return self.forty(peer, hops, True)

	def scp_words(self, peer, hops):
		"""Options, and the name of the target."""
		names = ",".join(["gw1", "gw2", "gw3"][:hops])
		conf = self.peers.config(100)
		if peer == "straight":
			return ["-F", conf], "straight"
		if peer == "ssh -J":
			return ["-F", conf, "-J", names], "target"
		return ["-F", conf, "-o", "ProxyCommand=%s -F %s -J %s %%h %%p"
		    % (shlex.quote(self.args.proxyhop), conf, names)], "target"

	def scp(self, mode):
		"""The rate at which the file grows after its first quarter."""
		def measure(peer, hops):
			n = self.size(peer, mode, 32)
			here, there = (self.args.work + name
			    for name in ("/data", "/copy"))
			words, name = self.scp_words(peer, hops)
			make_file(here, n)
			if os.path.exists(there):
				os.unlink(there)
			ends = ([here, name + ":" + there] if mode == "up" else
			    [name + ":" + here, there])
			run = self.start(["scp", "-q", *words, *ends], {})
			marks = watch(run, there, n)
			err = run.communicate()[1]
			self.running.discard(run)
			if run.returncode != 0 or not filecmp.cmp(here, there,
			    False):
				raise Failed(err.strip() or "wrong bytes")
			(begin, skipped), (last, _) = marks
			return {"rate": (n - skipped) / 1e6 / (last - begin)}
		return measure

	# ---- rows ----------------------------------------------------------

	def rows(self):
		gcm = ([] if self.peers.default_cipher() == GCM else
		    ["proxyhop gcm", "proxyhop gcm+t"])
		cpu = ["proxyhop", "proxyhop+t", *gcm, "ssh -J", "ssh -J gcm",
		    *ALL[2:]]
		every = [1, 2, 3]
		return [
		    Row("setup0", [("ms", "first byte, no delay", "ms", False),
			("cpu", "CPU of a set-up", "ms", False)],
			ALL, every, every, self.first_byte(0)),
		    Row("setup100", [("ms", "first byte, 100 ms to the first "
			"hop", "ms", False)],
			ALL, every, [1, 3], self.first_byte(100),
			"hops"),
		    Row("setup200", [("ms", "first byte, 200 ms to the first "
			"hop", "ms", False)],
			ALL, every, [], self.first_byte(200),
			"hops"),
		    *(Row("agent%d" % rtt, [("ms", "first byte, key in an "
			"agent, %d ms" % rtt, "ms", False)], TWO, every, quick,
			self.first_byte(rtt, True), "hops")
			for rtt, quick in ((0, []), (100, [1]), (200, []))),
		    *(Row("warm%d" % rtt, [("ms", "first byte, connections "
			"shared, %d ms" % rtt, "ms", False), ("cpu", "CPU of "
			"that", "ms", False)], TWO, every, quick,
			self.warm(rtt)) for rtt, quick in ((0, [1, 3]),
			(100, []))),
		    Row("asks", [("ms", "added to the first byte by asking for "
			"shared connections that are not there", "ms", False)],
			["proxyhop"], every, [1], self.asks),
		    Row("ride", [("cpu", "CPU for a GiB down, shared, without "
			"the master's", "s", False), ("rate", "rate meanwhile",
			"MB/s", True)], TWO, every, [3], self.ride),
		    Row("routes", [("ms", "first byte, the preferred route "
			"filtered", "ms", False)], TWO, [1], [1],
			self.filtered),
		    Row("cpu-down", [("cpu", "CPU for a GiB down", "s", False),
			("rate", "rate meanwhile", "MB/s", True),
			("mib", "peak memory, fast reader", "MiB", False)],
			cpu, every, [1, 3], self.cpu("down")),
		    Row("cpu-up", [("cpu", "CPU for a GiB up", "s", False),
			("rate", "rate meanwhile", "MB/s", True)],
			cpu, every, [3], self.cpu("up")),
		    Row("stalled", [("mib", "peak memory, stalled reader",
			"MiB", False)], ALL, every, [3], self.stalled, "all"),
		    Row("rate-down", [("rate", "raw rate down, 100 ms", "MB/s",
			True)], ALL, every, [3], self.rate("down"), "slow"),
		    Row("rate-up", [("rate", "raw rate up, 100 ms", "MB/s",
			True)], TWO, every, [3], self.rate("up")),
		    *(Row("scp-" + mode, [("rate", "scp %s, 100 ms" % mode,
			"MB/s", True)], ["proxyhop", "ssh -J", "straight"],
			[3], [], self.scp(mode)) for mode in ("down", "up")),
		    Row("ping", [("median", "one byte there and back, median",
			"us", False), ("p99", "one byte there and back, p99",
			"us", False)], ALL, every, [1, 3], self.ping("ping")),
		    Row("beside", [("median", "the same beside 20 MB/s down, "
			"median", "us", False), ("p99", "the same beside 20 "
			"MB/s down, p99", "us", False)],
			ALL, every, [2], self.ping("beside")),
		    Row("forty", [("good", "of forty at once, let in by a "
			"default sshd", "", True), ("sec", "until the last of "
			"them is", "s", False)], ALL, [1], [1], self.forty),
		    Row("forty-shared", [("good", "of forty at once, over one "
			"shared connection", "", True), ("sec", "until the "
			"last of them is", "s", False)], TWO, [1], [1],
			self.forty_shared),
		    Row("calls", [("calls", "system calls for a MiB down", "",
			False)], ALL, every, [3], self.calls),
		    Row("idle", [("switches", "wake-ups in 5 idle seconds", "",
			False)], ALL, every, [3], self.idle, "all"),
		]

	def chosen(self, row):
		"""The row as it is asked for, or None."""
		args = self.args
		hops = args.hops or (row.quick if args.quick and not args.row
		    else row.hops)
		names = args.peers or [peer for peer in row.peers
		    if not args.quick or peer not in LESS["down"]]
		row = row._replace(hops=[n for n in row.hops if n in hops],
		    peers=[peer for peer in row.peers if peer in names])
		wanted = row.key in args.row if args.row else True
		return row if wanted and row.hops and row.peers else None

	def one(self, row, peer, hops):
		if (row.key, peer) in self.dead:
			return
		try:
			values = row.measure(peer, hops)
		except (Failed, OSError) as error:
			self.dead[row.key, peer] = "%d hop%s: %s" % (hops,
			    "s"[:hops > 1], error)
			if "wrong" in str(error) or peer not in LESS["down"]:
				self.status = 1
			return
		for field, value in values.items():
			self.cells.setdefault((row.key, field, peer, hops),
			    []).append(value)

	def measure(self, row):
		"""All runs of a row, one of each peer in turn."""
		for peer in row.peers:
			why = self.peers.missing(peer)
			if row.key == "calls":
				why = why or head.no_strace()
			if why:
				self.dead[row.key, peer] = why
		with concurrent.futures.ThreadPoolExecutor(16) as pool:
			for _ in range(1 if self.args.quick and row.key in ONCE
			    else self.runs):
				for turn in turns(row):
					list(pool.map(lambda cell: self.one(row,
					    *cell), turn))

	# ---- the table -----------------------------------------------------

	def median(self, *key):
		values = self.cells.get(key)
		return statistics.median(values) if values else None

	def ratio(self, row, field, peer, hops):
		"""Our median by theirs, and again with the tunable."""
		theirs = self.median(row, field, peer, hops)
		if peer.startswith("proxyhop") or not theirs:
			return ""
		words = []
		for tunable in ("", "+t"):
			ours = None
			if peer.endswith("gcm"):
				ours = self.median(row, field, "proxyhop gcm" +
				    tunable, hops)
			ours = ours or self.median(row, field, "proxyhop" +
			    tunable, hops)
			if ours is not None:
				x = ours / theirs
				words.append("%.*f" % (2 if x < 10 else 0, x))
		return " " + "/".join(words)

	def cell(self, row, field, peer, hops):
		values = self.cells.get((row, field, peer, hops))
		if not values:
			return "-"
		return "%s (%s-%s)%s" % (number(statistics.median(values)),
		    number(min(values)), number(max(values)),
		    self.ratio(row, field, peer, hops))

	def table(self, row):
		for field, title, unit, more in row.fields:
			self.say("%s%s%s" % (title, unit and ", " + unit,
			    " (more is better)" if more else ""))
			for peer in row.peers:
				self.say(("  %-15s" % peer + "".join("%-30s" %
				    (self.cell(row.key, field, peer, hops)
				    if hops in row.hops else "")
				    for hops in (1, 2, 3))).rstrip())
		for (key, peer), why in self.dead.items():
			if key == row.key:
				self.say("  - %s: %s" % (peer, why))
		self.say()

	def run(self):
		begin = time.monotonic()
		for line in head.lines(self.peers, "%d%s" %
		    (self.runs, " (some: 1)" if self.args.quick else "")):
			self.say(line)
		self.say("%17s%-30s%-30s%s" % ("", "1 hop", "2 hops", "3 hops"))
		for row in filter(None, map(self.chosen, self.rows())):
			start = time.monotonic()
			self.measure(row)
			self.table(row)
			print("# %s: %.0f s" % (row.key, time.monotonic() -
			    start), file=sys.stderr, flush=True)
		self.say("It took %.0f s." % (time.monotonic() - begin))
		return self.status


def turns(row):
	"""Lists of (peer, hops): what is done at the same time."""
	if row.together == "all":
		return [list(itertools.product(row.peers, row.hops))]
	each = [[(peer, hops)] for hops in row.hops for peer in row.peers]
	many = {"hops": row.peers, "slow": ["dbclient", "plink"]}.get(
	    row.together, [])
	return ([turn for turn in each if turn[0][0] not in many] +
	    [[(peer, hops) for hops in row.hops] for peer in row.peers
	    if peer in many])


def number(x):
	"""Three digits at least."""
	if x == round(x) or abs(x) >= 100:
		return "%.0f" % x
	return "%#.3g" % x


def make_file(name, n):
	if not os.path.exists(name) or os.path.getsize(name) != n:
		with open(name, "wb") as file:
			file.write(os.urandom(n))


def watch(run, name, n):
	"""When a file had a quarter of n bytes, and when it had all."""
	marks = []
	deadline = time.monotonic() + 120
	while len(marks) < 2 and run.poll() is None:
		if time.monotonic() > deadline:
			run.terminate()
		try:
			size = os.path.getsize(name)
		except OSError:
			size = 0
		if size >= (n if marks else n / 4):
			marks.append((time.monotonic(), size))
		time.sleep(0.002)
	while len(marks) < 2:
		marks.append((time.monotonic(), 0))
	return marks


def write(name, text):
	with open(name, "w") as file:
		file.write(text)
	os.chmod(name, 0o644)


def main():
	def names(text):
		return text.split(",")

	def numbers(text):
		return [int(word) for word in text.split(",")]

	parser = argparse.ArgumentParser()
	parser.add_argument("--work", required=True)
	parser.add_argument("--build", required=True)
	parser.add_argument("--proxyhop", required=True)
	parser.add_argument("--write", metavar="DIRECTORY")
	parser.add_argument("--quick", action="store_true")
	parser.add_argument("--runs", type=int)
	parser.add_argument("--peers", type=names)
	parser.add_argument("--hops", type=numbers)
	parser.add_argument("row", nargs="*")
	args = parser.parse_args()
	bench = Bench(args)
	signal.signal(signal.SIGTERM, bench.stop)
	try:
		status = bench.run()
	finally:
		bench.peers.unshare()
	if args.write and status == 0:
		write(args.write + "/RESULTS", "\n".join(bench.text) + "\n")
		write(args.write + "/RESULTS.svg", draw.picture(bench.median,
		    head.machine()))
	return status


if __name__ == "__main__":
	sys.exit(main())
