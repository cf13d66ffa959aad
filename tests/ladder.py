#!/usr/bin/env python3
"""ladder.py: read what proxyhop -t has printed, and see that it makes sense.

usage: ladder.py [--least HOP.STAGE=MS ...] [--below HOP.STAGE=MS ...]
		[--most MS] table|json FILE

Prints a line for each rung, with tabs between: number of the hop (0: the
target), its name, stage, note; a rung that failed has FAILED for a note.

A table has a line for each hop, its rungs below, and the time in all.  A bar
shows where in the whole time the rung was: as the times are whole
milliseconds, and a little may pass between two rungs, it must begin and end in
the columns of one of the times that are possible.

Each line of json is an object.  The times must be those of one rung after the
other.

	--least		this rung took so long at least
	--below		it took no longer
	--most		all took no longer
"""

import argparse
import json
import re
import sys

HEAD = re.compile(r"(?:hop (\d+)|target) ([^ ]+)")
RUNG = re.compile(r"  ([a-z]+) +(\d+) ms \|([ #]*)\|(?: (.*))?")
LAST = re.compile(r"  in all +(\d+) ms")
STAGES = ("resolve", "connect", "banner", "kex", "hostkey", "auth", "forward",
    "carry", "question")
CLOCK = 2		# ms: both ends are rounded
KEYS = ["hop", "name", "stage", "start_ms", "ms", "note", "failed"]


class Rung:
	def __init__(self, hop, name, stage, ms, note, bar=None, start=None):
		self.hop = hop
		self.name = name
		self.stage = stage
		self.ms = ms
		self.note = note
		self.bar = bar
		self.start = start


def wrong(text):
	sys.exit("ladder.py: " + text)


def read_table(text):
	"""The rungs, and the time in all."""
	lines = text.split("\n")
	if len(lines) < 3 or lines.pop() != "":
		wrong("no line at the end")
	last = LAST.fullmatch(lines.pop())
	if not last:
		wrong("no time in all")
	rungs = []
	head = None
	for line in lines:
		found = HEAD.fullmatch(line)
		if found:
			head = (int(found[1] or 0), found[2])
			continue
		found = RUNG.fullmatch(line)
		if not found or head is None:
			wrong("what is this: %r" % line)
		rungs.append(Rung(*head, found[1], int(found[2]), found[4],
		    bar=found[3]))
	return rungs, int(last[1])


def column(ms, total, width):
	"""The column of a time; the last one has the very end, too."""
	return min(ms * width // total, width - 1)


def column_end(ms, total, width):
	return -(-ms * width // total)


def check_bar(rung, earliest, latest, total):
	"""The rung begins at a time between these two."""
	width = len(rung.bar)
	length = len(rung.bar.strip())
	begin = len(rung.bar) - len(rung.bar.lstrip())
	end = begin + length
	if "#" * length != rung.bar.strip():
		wrong("%s: a bar with holes" % rung.stage)
	if length == 0:
		wrong("%s: no bar" % rung.stage)
	if not (column(earliest, total, width) <= begin <=
	    column(latest, total, width)):
		wrong("%s: begins in column %d" % (rung.stage, begin))
	lowest = column_end(earliest + rung.ms, total, width)
	highest = column_end(latest + rung.ms, total, width)
	# what takes no time may have a column, for all that
	if not (lowest <= end <= highest or
	    (rung.ms == 0 and length == 1)):
		wrong("%s: ends in column %d" % (rung.stage, end))


def check_table(rungs, total):
	spent = sum(rung.ms for rung in rungs)
	if spent > total:
		wrong("%d ms in all, but %d in %d" % (total, spent, len(rungs)))
	if len({len(rung.bar) for rung in rungs}) != 1:
		wrong("bars of different width")
	before = 0
	for rung in rungs:
		check_bar(rung, before, before + total - spent, max(total, 1))
		before += rung.ms


def read_json(text):
	rungs = []
	lines = text.split(b"\n")
	if lines.pop() != b"":
		wrong("no line at the end")
	for line in lines:
		thing = json.loads(line)
		if [key for key in KEYS if key in thing] != list(thing):
			wrong("not these keys: %r" % line)
		note = "FAILED" if "failed" in thing else thing.get("note")
		rungs.append(Rung(thing["hop"], thing["name"], thing["stage"],
		    thing["ms"], note, start=thing["start_ms"]))
	if not rungs:
		wrong("nothing")
	return rungs


def check_json(rungs):
	at = 0
	for rung in rungs:
		if rung.start < at:
			wrong("%s: begins at %d, but it is %d" % (rung.stage,
			    rung.start, at))
		at = rung.start + rung.ms
	return at


def took(rungs, limit):
	"""The ms of a rung of that name, and what they are compared with."""
	which, ms = limit.split("=")
	return which, sum(rung.ms for rung in rungs
	    if "%d.%s" % (rung.hop, rung.stage) == which), int(ms)


def check_times(rungs, total, args):
	for limit in args.least:
		which, ms, least = took(rungs, limit)
		if ms < least - CLOCK:
			wrong("%s: only %d ms" % (which, ms))
	for limit in args.below:
		which, ms, most = took(rungs, limit)
		if ms > most:
			wrong("%s: %d ms" % (which, ms))
	if args.most is not None and total > args.most:
		wrong("%d ms in all, but there were only %d" % (total,
		    args.most))


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--least", action="append", default=[])
	parser.add_argument("--below", action="append", default=[])
	parser.add_argument("--most", type=int)
	parser.add_argument("kind", choices=("table", "json"))
	parser.add_argument("file")
	args = parser.parse_args()

	with open(args.file, "rb") as file:
		data = file.read()
	if args.kind == "json":
		rungs = read_json(data)
		total = check_json(rungs)
	else:
		rungs, total = read_table(data.decode())
		check_table(rungs, total)
	for rung in rungs:
		if rung.stage not in STAGES:
			wrong("no stage: %s" % rung.stage)
	for rung in rungs[:-1]:
		if rung.note == "FAILED":
			wrong("%s failed, and then came more" % rung.stage)
	check_times(rungs, total, args)
	for rung in rungs:
		print("%d\t%s\t%s\t%s" % (rung.hop, rung.name, rung.stage,
		    rung.note or ""))


if __name__ == "__main__":
	main()
