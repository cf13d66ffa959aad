#!/usr/bin/env python3
"""peak.py: run a command and note the most memory that it has taken.

usage: peak.py FILE command ...

Adds a line to FILE: the resident set, at its largest, of the command and of
what it has run and waited for, in kB.  The exit status is the command's.
"""

import os
import sys

pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ,
    setsigdef=(13, 25))		# SIGPIPE, SIGXFSZ, which Python ignores
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "a") as file:
	file.write("%d\n" % usage.ru_maxrss)
status = os.waitstatus_to_exitcode(status)
if status < 0:
	os.kill(os.getpid(), -status)
sys.exit(status)
