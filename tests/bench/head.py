"""head.py: what the bench says of the machine and of the programs."""

import glob
import os
import platform
import shutil
import subprocess
import sys
import time

from peers import TUNABLE

# What libssh copies at a time.
PACKET = 32768


def words(*argv):
	"""What a command says, in one line."""
	try:
		run = subprocess.run(argv, stdin=subprocess.DEVNULL,
		    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
	except OSError:
		return "missing"
	return " ".join(run.stdout.split())


def cpu(key):
	"""A field of the first processor."""
	with open("/proc/cpuinfo") as info:
		for line in info:
			if line.startswith(key):
				return line.split(":", 1)[1].strip()
	return "?"


def load():
	loads = os.getloadavg()
	return "load average before: %.2f %.2f %.2f%s" % (*loads,
	    loads[0] > 1 and " (busy: trust the ratios alone)" or "")


def machine():
	return "%s, %s (family %s, model %s), %d cores, Linux %s" % (
	    time.strftime("%Y-%m-%d"), cpu("model name"), cpu("cpu family"),
	    cpu("model\t"), os.cpu_count(), platform.release())


def no_strace():
	"""Why system calls cannot be counted, or None."""
	if not shutil.which("strace"):
		return "strace is missing"
	said = words("strace", "-qq", "-o", "/dev/null", "true")
	return said or None


def threshold():
	"""From how many bytes on glibc copies by rep movsb, or None."""
	flags = cpu("flags").split()
	for loader in glob.glob("/lib64/ld-linux-x86-64.so.2"):
		for line in subprocess.run([loader, "--list-tunables"],
		    capture_output=True, text=True).stdout.split("\n"):
			if ("x86_rep_movsb_threshold" in line and
			    ("erms" in flags or "fsrm" in flags)):
				return int(line.split()[1], 0)
	return None


def movsb():
	at = threshold()
	if at is None or at > PACKET:
		return "glibc does not copy packets by rep movsb here."
	text = ("glibc copies %d bytes and more by rep movsb here, and so "
	    "libssh its packets" % at)
	if cpu("vendor_id") == "AuthenticAMD" and cpu("cpu family") == "25":
		text += (";\non this family of processors that is slow, "
		    "depending on the addresses")
	return text + "."


def lines(peers, runs):
	fabric = words(sys.executable, "-c", "import fabric, paramiko; "
	    "print(fabric.__version__, 'paramiko', paramiko.__version__)")
	return [
	    machine(),
	    load(),
	    words(peers.binary, "-V") + "; " +
	    "%s %s" % platform.libc_ver() + "; " + words("ssh", "-V"),
	    words("dbclient", "-V") + "; plink " +
	    words("plink", "-V").partition(" Build")[0].rpartition(" ")[2] +
	    "; Fabric " + fabric,
	    "",
	    "Median (least-most) of %s runs, which take turns; then the ratio, "
	    "ours by theirs." % runs,
	    "proxyhop asks for %s first; gcm is aes128-gcm on every hop, and" %
	    peers.default_cipher(),
	    "compared with proxyhop doing the same.  CPU is user and system, "
	    "of all processes,", "without the set-up.", *movsb().split("\n"),
	    "+t is with GLIBC_TUNABLES=" + TUNABLE, "and the second ratio is "
	    "for it.", ""]
