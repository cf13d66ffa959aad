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
#include <sys/sysmacros.h>

#include <linux/major.h>

#include <fcntl.h>
#include <paths.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define TELL	(5 * 1000)	/* ms another may ask before it is said */
#define GO_ON	(65 * 1000)	/* ms until we ask beside it */

static int
open_device(void)
{
	char path[64];
	unsigned dev;
	int fd, known;

	if ((fd = open(_PATH_TTY, O_RDWR | O_CLOEXEC)) == -1)
		return -1;
	known = ioctl(fd, TIOCGDEV, &dev) == 0 &&
	    major(dev) == UNIX98_PTY_SLAVE_MAJOR;
	close(fd);
	if (!known)
		return -1;
	snprintf(path, sizeof(path), "/dev/pts/%u", minor(dev));
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
 * Waits until nobody asks any more; it is then us, until this process ends.
 * Who has the lock may be stopped, and will never give it back: after a while
 * that is said, and in the end we ask beside it, as any two ssh do.
 */
void
terminal_take(void)
{
	const struct timespec pause = { 0, 50 * 1000 * 1000 };
	struct flock lock = our_byte();
	uint64_t began = now();
	int fd = open_device(), told = 0;

	while (fd != -1 && fcntl(fd, F_OFD_SETLK, &lock) == -1 &&
	    now() - began < GO_ON) {
		if (!told && now() - began >= TELL) {
			say("another proxyhop is asking on this terminal; "
			    "this one waits %d seconds for it",
			    (GO_ON - TELL) / 1000);
			told = 1;
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* Does anybody ask? */
int
terminal_taken(void)
{
	struct flock lock = our_byte();
	int fd, taken;

	if ((fd = open_device()) == -1)
		return 0;
	taken = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return taken;
}
