#!/usr/bin/env python3
"""terminal.py: run a command on a terminal of its own, and answer it.

usage: terminal.py [options] [steps] -- command ...

The command gets a pseudo-terminal as its controlling terminal; its stdin and
stdout are pipes, as under ssh, and its stderr is a file, or the terminal.

	--out PREFIX	what it wrote: PREFIX.out, .err, .tty (the terminal),
			and PREFIX.info (below)
	--send TEXT	a line for its stdin, which is then closed
	--stderr-tty	its stderr is the terminal
	--deadline S	kill it then (status 124)

Steps, in order:

	--wait RE	a match comes on the terminal, after the one before
	--type TEXT	types a line
	--key C		types ctrl-C for the letter c, ctrl-D for d
	--hold S	the question stays open for so long
	--run COMMAND	the shell runs it; $CHILD is the command's process
	--never RE	at the end, this has not been on the terminal

PREFIX.info has a line for each --wait, "question=N echo=on|off ms=...", and at
the end "echo_after=", "step=" (the last one done), "failed=" (a step that was
not, or nothing), "ms=", "status=" (128 + N for signal N).  The exit status is
0 when all steps were done, whatever the command's.
"""

import fcntl
import os
import re
import selectors
import signal
import subprocess
import sys
import termios
import time

VALUED = ("--out", "--send", "--deadline")
STEPS = ("--wait", "--type", "--key", "--hold", "--run", "--never")


def arguments(argv):
	"""Options as a dict, steps as a list, and the command."""
	options = {"--out": None, "--send": None, "--deadline": "20",
	    "--stderr-tty": False}
	steps = []
	while argv and argv[0] != "--":
		word = argv.pop(0)
		if word == "--stderr-tty":
			options[word] = True
		elif word in VALUED:
			options[word] = argv.pop(0)
		elif word in STEPS:
			steps.append((word[2:], argv.pop(0)))
		else:
			sys.exit(__doc__)
	if len(argv) < 2 or options["--out"] is None:
		sys.exit(__doc__)
	return options, steps, argv[1:]


class Terminal:
	def __init__(self, options, steps, command):
		self.prefix = options["--out"]
		self.steps = steps
		self.start = time.monotonic()
		self.end = self.start + float(options["--deadline"])
		self.seen = b""		# on the terminal, all of it
		self.after = 0		# where the next --wait looks
		self.out = b""
		self.questions = 0
		self.info = []
		self.begin(options, command)
		self.select = selectors.DefaultSelector()
		self.select.register(self.master, selectors.EVENT_READ,
		    self.read_terminal)
		self.select.register(self.proc.stdout, selectors.EVENT_READ,
		    self.read_output)
		if options["--send"] is not None:
			self.proc.stdin.write(options["--send"].encode() +
			    b"\n")
		self.proc.stdin.close()

	def begin(self, options, command):
		"""Start the command; we keep the slave open, to see its echo."""
		self.master, self.slave = os.openpty()

		def own_terminal():
			os.setsid()
			fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
			for number in (signal.SIGHUP, signal.SIGINT,
			    signal.SIGQUIT, signal.SIGTERM):
				signal.signal(number, signal.SIG_DFL)

		err = (self.slave if options["--stderr-tty"]
		    else open(self.prefix + ".err", "wb"))
		self.proc = subprocess.Popen(command, bufsize=0,
		    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
		    preexec_fn=own_terminal)

	def ms(self):
		return int((time.monotonic() - self.start) * 1000)

	def echo(self):
		flags = termios.tcgetattr(self.slave)[3]
		return "on" if flags & termios.ECHO else "off"

	def read_terminal(self):
		self.seen += os.read(self.master, 4096)

	def read_output(self):
		data = os.read(self.proc.stdout.fileno(), 65536)
		if not data:
			self.select.unregister(self.proc.stdout)
		self.out += data

	def turn(self, until):
		"""One turn; False when the time is over."""
		left = min(until, self.end) - time.monotonic()
		if left <= 0:
			return False
		for key, _ in self.select.select(min(left, 0.05)):
			key.data()
		return True

	def wait(self, pattern):
		found = None
		while found is None:
			found = re.search(pattern.encode(),
			    self.seen[self.after:])
			if found is None and (self.proc.poll() is not None or
			    not self.turn(self.end)):
				return False
		self.after += found.end()
		self.questions += 1
		self.info.append("question=%d echo=%s ms=%d" %
		    (self.questions, self.echo(), self.ms()))
		return True

	def type(self, text):
		os.write(self.master, text.encode() + b"\n")
		return True

	def key(self, letter):
		os.write(self.master, bytes([ord(letter) & 31]))
		return True

	def hold(self, seconds):
		until = time.monotonic() + float(seconds)
		while self.turn(until):
			if self.proc.poll() is not None:
				return False
		return time.monotonic() >= until

	def run(self, command):
		return subprocess.call(["/bin/bash", "-c", command],
		    env=dict(os.environ, CHILD=str(self.proc.pid)),
		    stdin=subprocess.DEVNULL) == 0

	def finish(self):
		"""To the command's end; returns its status."""
		while self.proc.poll() is None and self.turn(self.end):
			pass
		if self.proc.poll() is None:
			self.proc.kill()
			self.proc.wait()
			status = 124
		else:
			status = self.proc.returncode
		if status < 0:
			status = 128 - status
		# a child that asks may outlive it by moments
		while self.echo() == "off" and self.turn(self.end):
			pass
		while self.select.select(0):
			for key, _ in self.select.select(0):
				key.data()
		return status

	def play(self):
		failed = ""
		done = 0
		for name, value in self.steps:
			if name == "never":
				continue
			if not getattr(self, name)(value):
				failed = "--%s %s" % (name, value)
				break
			done += 1
		status = self.finish()
		for name, value in self.steps:
			if name == "never" and re.search(value.encode(),
			    self.seen):
				failed = failed or "--never " + value
		self.info += ["echo_after=" + self.echo(), "step=%d" % done,
		    "failed=" + failed.replace(" ", "_"), "ms=%d" % self.ms(),
		    "status=%d" % status]
		self.save()
		return 1 if failed else 0

	def save(self):
		for name, data in (("out", self.out), ("tty", self.seen),
		    ("info", ("\n".join(self.info) + "\n").encode())):
			with open(self.prefix + "." + name, "wb") as file:
				file.write(data)
		if not os.path.exists(self.prefix + ".err"):
			open(self.prefix + ".err", "wb").close()


if __name__ == "__main__":
	sys.exit(Terminal(*arguments(sys.argv[1:])).play())
