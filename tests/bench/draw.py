"""draw.py: the main rows of the bench as bars, in SVG."""

from xml.sax.saxutils import escape

WIDTH = 720
LEFT = 140		# where bars begin
BAR = 430		# the longest
STEP = 11		# from bar to bar

STYLE = """
text { font: 11px sans-serif; fill: #222 }
.t { font-weight: bold; font-size: 13px }
.bg { fill: #fff } .a { fill: #1f7a4d } .b { fill: #9aa3ad } .c { fill: #c8a24a }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .bg { fill: #16191d } .a { fill: #3fb57a } .b { fill: #6b747e } .c { fill: #a98433 }
}
"""

# Title; field; rows of the table with their labels; who has bars.
TWO = (("proxyhop", "a"), ("ssh -J", "b"))
THREE = TWO + (("ssh -J gcm", "c"),)
SECTIONS = (
    ("First byte, ms (shorter is better)", "ms", (("setup0", "no delay"),
	("setup100", "100 ms link"), ("setup200", "200 ms link")), TWO),
    ("CPU for a GiB, s (shorter is better)", "cpu", (("cpu-down", "down"),
	("cpu-up", "up")), THREE),
    ("Raw rate over 100 ms, MB/s (longer is better)", "rate",
	(("rate-down", "down"), ("rate-up", "up")), TWO),
    ("Peak memory, MiB (shorter is better)", "mib",
	(("cpu-down", "fast reader"), ("stalled", "stalled reader")), TWO),
)


class Picture:
	def __init__(self):
		self.parts = []
		self.y = 20

	def text(self, x, y, words, kind=""):
		self.parts.append('<text x="%d" y="%d"%s>%s</text>' % (x, y,
		    kind and ' class="%s"' % kind, escape(words)))

	def bar(self, y, width, kind):
		self.parts.append('<rect x="%d" y="%d" width="%.0f" height="9"'
		    ' class="%s"/>' % (LEFT, y, max(width, 1), kind))

	def cell(self, label, values, most):
		"""A bar for each; behind all but ours, the ratio."""
		self.text(10, self.y + 9, label)
		for i, (value, kind) in enumerate(values):
			words = "%.3g" % value if value < 100 else "%.0f" % value
			if i > 0:
				words += "  (ratio %.2f)" % (values[0][0] / value)
			width = value / most * BAR
			self.bar(self.y, width, kind)
			self.text(LEFT + width + 5, self.y + 9, words)
			self.y += STEP
		self.y += 5

	def section(self, median, title, field, rows, who):
		cells = []
		for row, label in rows:
			for hops in (1, 2, 3):
				values = [(median(row, field, peer, hops), kind)
				    for peer, kind in who]
				values = [pair for pair in values if pair[0]]
				if values and values[0][1] == "a":
					cells.append(("%s, %d hop%s" % (label,
					    hops, "s"[:hops > 1]), values))
		if not cells:
			return
		self.y += 12
		self.text(10, self.y, title, "t")
		self.y += 9
		most = max(value for _, values in cells for value, _ in values)
		for label, values in cells:
			self.cell(label, values, most)

	def legend(self):
		x = 10
		for name, kind in (("proxyhop", "a"), ("ssh -J", "b"),
		    ("ssh -J with aes128-gcm", "c")):
			self.parts.append('<rect x="%d" y="%d" width="9" '
			    'height="9" class="%s"/>' % (x, self.y - 8, kind))
			self.text(x + 14, self.y, name)
			x += 30 + 7 * len(name)
		self.y += 12


def picture(median, machine):
	p = Picture()
	p.text(10, p.y, "proxyhop beside ssh -J", "t")
	p.y += 16
	p.text(10, p.y, machine)
	p.y += 18
	p.legend()
	for section in SECTIONS:
		p.section(median, *section)
	height = p.y + 8
	return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
	    'width="%d" height="%d">\n<style>%s</style>\n<rect class="bg" '
	    'width="100%%" height="100%%"/>\n%s\n</svg>\n' % (WIDTH, height,
	    WIDTH, height, STYLE, "\n".join(p.parts)))
