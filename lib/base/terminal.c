/*
 * One question at a time on a terminal that several programs share.  Two that
 * read from it get a line's bytes in turns, so that neither has the answer,
 * and the first to be done turns the echo on while the other still asks.
 *
 * They are in one process group, since a terminal stops whoever else reads
 * from it.  So a program that asks locks the byte with the number of its group
 * in the terminal's own device: /dev/tty is one file for all terminals, and
 * anybody could lock that.  Where the device's name is not known, there is no
 * lock, and all is as with other programs.
 */

#include <sys/ioctl.h>

#include <fcntl.h>
#include <paths.h>
#include <unistd.h>

#include "base/base.h"

static int
open_device(void)
{
	char path[64];

	if (os_terminal(path, sizeof(path)) == -1)
		return -1;
	return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static struct flock
our_byte(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	lock.l_start = getpgrp();
	lock.l_len = 1;
	return lock;
}

/*
 * Takes the terminal for questions, until this process ends.  Returns 0, also
 * where there is no lock, or -1 if another program has it.
 */
int
terminal_take(void)
{
	struct flock lock = our_byte();
	int fd;

	if ((fd = open_device()) == -1 || fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	close(fd);
	return -1;
}

/*
 * Does another program have it?  Not for the one that has: a process loses its
 * locks on a file with the first descriptor of it that it closes.
 */
int
terminal_taken(void)
{
	struct flock lock = our_byte();
	int fd, taken;

	if ((fd = open_device()) == -1)
		return 0;
	taken = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return taken;
}

/* Returns how many columns it has, or unknown. */
int
terminal_columns(int unknown)
{
	struct winsize ws;
	int fd, columns = unknown;

	if ((fd = open(_PATH_TTY, O_RDWR | O_NOCTTY | O_CLOEXEC)) == -1)
		return columns;
	if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		columns = ws.ws_col;
	close(fd);
	return columns;
}
