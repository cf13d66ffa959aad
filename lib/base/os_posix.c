/*
 * A system of which no more is known than POSIX.1-2024: what os_linux.c does
 * is done with that, or left out.  Contracts are there.
 */

#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <paths.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/base.h"

/* Left out: -F and -v of the ssh that has started us are not taken over. */
int
os_parent(const char *name, struct strlist *argv)
{
	(void)name;
	(void)argv;
	return -1;
}

/* Left out: what is done once is done by each. */
int
os_claim(const char *name, int *fd)
{
	(void)name;
	*fd = -1;
	return -1;
}

static int
unlinked_file(const char *dir, const char *name)
{
	char *path = xasprintf("%s/proxyhop-%s.XXXXXXXXXX", dir, name);
	int fd;

	if ((fd = mkostemp(path, O_CLOEXEC)) != -1)
		(void)unlink(path);
	free(path);
	return fd;
}

/* A file in the folder for temporary ones, unlinked at once. */
int
os_memory_file(const char *name)
{
	const char *dir = getenv("TMPDIR");
	int fd = -1;

	if (dir != NULL && *dir == '/')
		fd = unlinked_file(dir, name);
	return fd != -1 ? fd : unlinked_file(_PATH_TMP, name);
}

/*
 * Left out: where we are killed, a child ends when it notices that its pipe
 * is closed, or has done what it was to do.
 */
void
os_end_with_parent(int sig)
{
	(void)sig;
}

void
os_outlive_parent(void)
{
}

/* Left out; there is no core file all the same. */
void
os_no_dump(void)
{
}

/*
 * If one of our streams is our terminal.  The name is found once: a signal
 * handler may not call ttyname_r(3).
 */
int
os_terminal(char *path, size_t size)
{
	static char name[64];
	static int looked;
	int fd;

	for (fd = 0; !looked && *name == '\0' && fd <= STDERR_FILENO; fd++)
		if (tcgetsid(fd) != getsid(0) ||
		    ttyname_r(fd, name, sizeof(name)) != 0)
			*name = '\0';
	looked = 1;
	return *name != '\0' && strlcpy(path, name, size) < size ? 0 : -1;
}

/* Left out: answers to small packets may take the system's delay longer. */
void
os_ack_now(int fd)
{
	(void)fd;
}

/* Left out: the keepalives find out, a little later. */
void
os_tcp_timeout(int fd, unsigned ms)
{
	(void)fd;
	(void)ms;
}

/* Left out: the ciphers stand in ssh's own order. */
int
os_has_aes(void)
{
	return 0;
}

/* Where there is more to read than n bytes, and yet no more, it is the end. */
int
os_closed(int fd, size_t n)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	int more = n + 1, one = 1, there, readable;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more)) == -1)
		return 0;
	readable = poll(&pfd, 1, 0) == 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	return readable && ioctl(fd, FIONREAD, &there) == 0 &&
	    (size_t)there == n;
}

/* Locks the whole file: who wants another byte waits, too. */
int
os_lock_byte(int fd, off_t at)
{
	(void)at;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static const char *started_as;

void
os_started_as(const char *name)
{
	started_as = name;
}

/* The first of our name in PATH, as the shell has found us; NULL if none is. */
static char *
in_path(const char *name)
{
	const char *path = getenv("PATH");
	char *all, *rest, *folder, *file, *found = NULL;

	if (path == NULL)
		return NULL;
	rest = all = xstrdup(path);
	while (found == NULL && (folder = strsep(&rest, ":")) != NULL) {
		file = xasprintf("%s/%s", *folder == '\0' ? "." : folder, name);
		if (access(file, X_OK) == 0)
			found = realpath(file, NULL);
		free(file);
	}
	free(all);
	return found;
}

/* By the name we were started with, where that is true. */
char *
os_program(void)
{
	if (started_as == NULL)
		return NULL;
	return strchr(started_as, '/') == NULL ? in_path(started_as) :
	    realpath(started_as, NULL);
}

/* Left out. */
void
os_confine(int children)
{
	(void)children;
}
