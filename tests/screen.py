#!/usr/bin/env python3
"""screen.py: as terminal.py, and what is left on the screen in the end.

usage: screen.py [--columns N] [terminal.py's options and steps] -- command ...

The terminal has N columns, or none that it knows of.  PREFIX.screen gets the
lines that are on it in the end, without those that are empty, and blanks at
the end of one; or what is wrong: something was written that proxyhop should
not, or what was erased had taken more than one line.
"""

import fcntl
import re
import struct
import sys
import termios
import time

sys.dont_write_bytecode = True		# leaves nothing beside terminal.py
from terminal import Terminal, arguments

ERASE = "\x1b[K"
LATE = 0.1		# s: what is written last may come after the end


class Wrong(Exception):
	pass


class Screen:
	def __init__(self, columns):
		self.columns = columns
		self.lines = [""]
		self.at = 0		# column in the last line
		self.wrapped = False	# that line is the rest of another

	def put(self, char):
		if self.columns and self.at == self.columns:
			self.lines.append("")
			self.at = 0
			self.wrapped = True
		line = self.lines[-1].ljust(self.at)
		self.lines[-1] = line[:self.at] + char + line[self.at + 1:]
		self.at += 1

	def write(self, word):
		if word == ERASE and self.wrapped:
			raise Wrong("more than one line was erased")
		elif word == ERASE:
			self.lines[-1] = self.lines[-1][:self.at]
		elif word == "\r":
			self.at = 0
		elif word == "\n":
			self.lines.append("")
			self.at = 0
			self.wrapped = False
		elif len(word) == 1 and word >= " ":
			self.put(word)
		else:
			raise Wrong("this was written: %r" % word)

	def text(self):
		return "".join(line.rstrip() + "\n" for line in self.lines
		    if line.rstrip())


class Watched(Terminal):
	def __init__(self, columns, *args):
		self.columns = columns
		super().__init__(*args)

	def begin(self, options, command):
		super().begin(options, command)
		fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
		    struct.pack("HHHH", 24, self.columns, 0, 0))

	def finish(self):
		status = super().finish()
		self.end = time.monotonic() + LATE
		while self.turn(self.end):
			pass
		return status

	def save(self):
		super().save()
		screen = Screen(self.columns)
		try:
			for word in re.findall(r"\x1b\[.|(?s:.)",
			    self.seen.decode("latin-1")):
				screen.write(word)
			text = screen.text()
		except Wrong as wrong:
			text = "wrong: %s\n" % wrong
		with open(self.prefix + ".screen", "w") as file:
			file.write(text)


def main():
	argv = sys.argv[1:]
	columns = 0
	if argv[:1] == ["--columns"]:
		columns = int(argv[1])
		argv = argv[2:]
	return Watched(columns, *arguments(argv)).play()


if __name__ == "__main__":
	sys.exit(main())
