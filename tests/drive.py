#!/usr/bin/env python3
"""drive.py: run a command with pipes, move bytes both ways, measure.

usage: drive.py [options] -- command ...

	--send N	random bytes for its stdin, "endless" allowed
	--seed S	of those bytes
	--keep		leave stdin open after them
	--hold FILE	read nothing from stdout before FILE exists
	--pause MS	wait after each read: a slow reader
	--flip		change one byte on the way in, behind the count
	--socket	its stdin and stdout are one socket, not two pipes
	--leave FILE	close both when FILE exists: nobody is left
	--deadline S	kill it then (status 124)

Prints NAME=value lines: sent, sent_sha, got, got_sha, status, peak_kb (VmHWM),
last_kb (VmRSS), cpu_ms (user and system, of the process alone), ms (whole run),
tail_ms (from the last byte read, or the start, to the exit).
"""

import argparse
import hashlib
import os
import random
import selectors
import socket
import subprocess
import sys
import time

CHUNK = 65536
TICKS = os.sysconf("SC_CLK_TCK")


def memory(pid):
	"""VmHWM and VmRSS in kB, or None when the process is gone."""
	try:
		with open("/proc/%d/status" % pid) as status:
			lines = dict(line.split(":", 1) for line in status)
		return [int(lines[key].split()[0])
		    for key in ("VmHWM", "VmRSS")]
	except (OSError, KeyError):
		return None


def processor(pid):
	"""Milliseconds of it so far, or None when the process is gone."""
	try:
		with open("/proc/%d/stat" % pid) as stat:
			fields = stat.read().rsplit(")", 1)[1].split()
		return (int(fields[11]) + int(fields[12])) * 1000 // TICKS
	except OSError:
		return None


class Run:
	def __init__(self, args):
		self.args = args
		self.rand = random.Random(args.seed)
		self.left = (float("inf") if args.send == "endless"
		    else int(args.send))
		self.pending = b""
		self.sent = self.got = 0
		self.sent_sha = hashlib.sha256()
		self.got_sha = hashlib.sha256()
		self.memory = [0, 0]
		self.processor = 0
		self.sampled = 0
		self.begin()
		self.start = self.last = time.monotonic()
		self.select = selectors.DefaultSelector()
		for end in (self.input, self.output):
			os.set_blocking(end.fileno(), False)
		if self.left > 0:
			self.select.register(self.input,
			    selectors.EVENT_WRITE, self.write)
		elif not args.keep:
			self.end_input()
		self.reading = False
		self.eof = False

	def begin(self):
		"""Start the command with our ends of its stdin and stdout."""
		ends = subprocess.PIPE
		if self.args.socket:
			ours, ends = socket.socketpair()
		self.proc = subprocess.Popen(self.args.command, bufsize=0,
		    stdin=ends, stdout=ends, start_new_session=True)
		if self.args.socket:
			ends.close()
			self.input, self.output = ours.dup(), ours
		else:
			self.input, self.output = (self.proc.stdin,
			    self.proc.stdout)

	def end_input(self):
		if self.args.socket:
			self.input.shutdown(socket.SHUT_WR)
		self.input.close()

	def leave(self):
		"""Close everything, when we are told to."""
		if not self.args.leave or not os.path.exists(self.args.leave):
			return
		for end in (self.input, self.output):
			if end in [key.fileobj
			    for key in self.select.get_map().values()]:
				self.select.unregister(end)
			end.close()
		self.args.leave = None
		self.last = time.monotonic()
		self.reading = self.eof = True

	def fill(self):
		"""The next bytes for stdin; hashed before a flip."""
		data = self.rand.randbytes(int(min(CHUNK, self.left)))
		self.left -= len(data)
		self.sent_sha.update(data)
		if self.args.flip:
			data = bytes([data[0] ^ 1]) + data[1:]
			self.args.flip = False
		self.pending = memoryview(data)

	def stop_writing(self):
		self.select.unregister(self.input)
		if not self.args.keep:
			self.end_input()

	def write(self):
		try:
			if not self.pending:
				self.fill()
			n = os.write(self.input.fileno(), self.pending)
			self.pending = self.pending[n:]
			self.sent += n
		except BlockingIOError:
			return
		except BrokenPipeError:
			self.select.unregister(self.input)
			return
		if not self.pending and self.left <= 0:
			self.stop_writing()

	def read(self):
		try:
			data = os.read(self.output.fileno(), CHUNK)
		except BlockingIOError:
			return
		except ConnectionResetError:
			data = b""
		if not data:
			self.eof = True
			self.select.unregister(self.output)
			return
		self.last = time.monotonic()
		self.got += len(data)
		self.got_sha.update(data)
		if self.args.pause:
			time.sleep(self.args.pause / 1000)

	def sample(self):
		now = time.monotonic()
		if now - self.sampled < 0.02:
			return
		self.sampled = now
		self.memory = memory(self.proc.pid) or self.memory
		self.processor = processor(self.proc.pid) or self.processor

	def may_read(self):
		"""Begin to read when the hold is over."""
		if not self.reading and (not self.args.hold or
		    os.path.exists(self.args.hold)):
			self.select.register(self.output,
			    selectors.EVENT_READ, self.read)
			self.reading = True

	def turn(self):
		self.may_read()
		self.leave()
		self.sample()
		if self.select.get_map():
			for key, _ in self.select.select(0.005):
				key.data()
		else:
			time.sleep(0.001)

	def run(self):
		end = self.start + self.args.deadline
		late = False
		while not self.eof or self.proc.poll() is None:
			self.turn()
			if self.proc.poll() is not None and not self.reading:
				break
			if time.monotonic() > end and not late:
				late = True
				self.proc.kill()
		stop = time.monotonic()
		status = 124 if late else self.proc.returncode
		for name, value in (
		    ("sent", self.sent), ("sent_sha", self.sent_sha.hexdigest()),
		    ("got", self.got), ("got_sha", self.got_sha.hexdigest()),
		    ("status", status), ("peak_kb", self.memory[0]),
		    ("last_kb", self.memory[1]), ("cpu_ms", self.processor),
		    ("ms", round((stop - self.start) * 1000)),
		    ("tail_ms", round((stop - self.last) * 1000))):
			print("%s=%s" % (name, value))


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--send", default="0")
	parser.add_argument("--seed", type=int, default=2)
	parser.add_argument("--keep", action="store_true")
	parser.add_argument("--hold")
	parser.add_argument("--pause", type=float, default=0)
	parser.add_argument("--flip", action="store_true")
	parser.add_argument("--socket", action="store_true")
	parser.add_argument("--leave")
	parser.add_argument("--deadline", type=float, default=120)
	parser.add_argument("command", nargs="+")
	Run(parser.parse_args()).run()


if __name__ == "__main__":
	main()
