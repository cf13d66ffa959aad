/*
 * What Linux has, and not every other system.
 */

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <linux/major.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

#define ARGUMENTS_MAX	(128 * 1024)	/* more is passed over */

/* Reads all of path, at most size bytes; returns how many, or -1. */
static ssize_t
read_file(const char *path, char *buffer, size_t size)
{
	ssize_t n;
	size_t len = 0;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	while (len < size && (n = read(fd, buffer + len, size - len)) > 0)
		len += n;
	close(fd);
	return len;
}

/* Is the program of process pid called name, and run by our user? */
static int
is_program(pid_t pid, const char *name)
{
	char *link = xasprintf("/proc/%d/exe", (int)pid), *folder, *slash;
	char file[PATH_MAX];
	struct stat st;
	ssize_t len;
	int rc;

	folder = xasprintf("/proc/%d", (int)pid);
	len = readlink(link, file, sizeof(file) - 1);
	rc = len > 0 && stat(folder, &st) == 0 && st.st_uid == getuid();
	if (rc) {
		file[len] = '\0';
		slash = strrchr(file, '/');
		rc = slash != NULL && strcmp(slash + 1, name) == 0;
	}
	free(folder);
	free(link);
	return rc;
}

/*
 * Adds to argv the arguments of our parent process, if its program is called
 * name.  Returns 0, or -1 if that is another, or cannot be seen.
 */
int
os_parent(const char *name, struct strlist *argv)
{
	pid_t pid = getppid();
	char *path, *buffer, *p;
	ssize_t len;

	if (!is_program(pid, name))
		return -1;
	path = xasprintf("/proc/%d/cmdline", (int)pid);
	buffer = xcalloc(1, ARGUMENTS_MAX + 1);
	len = read_file(path, buffer, ARGUMENTS_MAX);
	free(path);
	/* it must not have ended meanwhile, and another have its number */
	if (len > 0 && len < ARGUMENTS_MAX && getppid() == pid)
		for (p = buffer; p < buffer + len; p += strlen(p) + 1)
			strlist_add(argv, xstrdup(p));
	free(buffer);
	return argv->n > 0 ? 0 : -1;
}

/*
 * Returns a descriptor, which the caller owns, of an empty file that is in no
 * folder; or -1 with errno set.  name is for those who look at our descriptors.
 */
int
os_memory_file(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC);
}

/* In a child: sig is to end this process when its parent is gone. */
void
os_end_with_parent(int sig)
{
	(void)prctl(PR_SET_PDEATHSIG, sig);
}

/* Takes os_end_with_parent() back. */
void
os_outlive_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
}

/* No other process of the same user may look into this one. */
void
os_no_dump(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/*
 * Writes to path, of size bytes, the name of our terminal's own device.
 * Returns 0, or -1 if there is none or its name is not known.  A signal
 * handler may call it.
 */
int
os_terminal(char *path, size_t size)
{
	unsigned dev;
	int fd, known;

	if ((fd = open(_PATH_TTY, O_RDWR | O_CLOEXEC)) == -1)
		return -1;
	known = ioctl(fd, TIOCGDEV, &dev) == 0 &&
	    major(dev) == UNIX98_PTY_SLAVE_MAJOR;
	close(fd);
	if (!known)
		return -1;
	snprintf(path, size, "/dev/pts/%u", minor(dev));
	return 0;
}

/* What has come on the TCP connection fd is acknowledged without delay. */
void
os_ack_now(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/*
 * The TCP connection fd fails when nothing it has sent is acknowledged for ms
 * milliseconds.
 */
void
os_tcp_timeout(int fd, unsigned ms)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/*
 * Returns whether the processor has instructions for AES: whether aes is one of
 * its features.  The first processor speaks for all.
 */
int
os_has_aes(void)
{
	char *line = NULL, *rest, *name;
	size_t size = 0;
	FILE *f;
	int found = 0;

	if ((f = fopen("/proc/cpuinfo", "re")) == NULL)
		return 0;
	while (getline(&line, &size, f) != -1)
		if (strncmp(line, "flags", 5) == 0 ||
		    strncmp(line, "Features", 8) == 0)
			break;
	for (rest = line; !found && (name = strsep(&rest, " \t\n")) != NULL;)
		found = strcmp(name, "aes") == 0;
	free(line);
	fclose(f);
	return found;
}

/*
 * Has the far end of the TCP connection fd closed?  n bytes, one at least, were
 * there to be read when the caller looked, and are not read.
 */
int
os_closed(int fd, size_t n)
{
	struct pollfd pfd = { fd, POLLRDHUP, 0 };

	(void)n;
	return poll(&pfd, 1, 0) == 1;
}

/*
 * Locks the byte at of fd's file, for fd alone and until it is closed.  Returns
 * 0, or -1 with errno set: EAGAIN if somebody else has it.
 */
int
os_lock_byte(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
	    .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock);
}

/* main() tells its argv[0], which has to stay; Linux knows better. */
void
os_started_as(const char *name)
{
	(void)name;
}

/*
 * The file that we are, for those whom we have start us again; the caller
 * frees it.  Returns NULL if it is not known, or has been replaced meanwhile.
 */
char *
os_program(void)
{
	char file[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", file, sizeof(file) - 1);

	if (len <= 0)
		return NULL;
	file[len] = '\0';
	return access(file, X_OK) == 0 ? xstrdup(file) : NULL;
}

/* A name among those of our user that is no file: unix(7), abstract. */
static socklen_t
abstract(struct sockaddr_un *addr, const char *name)
{
	size_t room = sizeof(addr->sun_path) - 1, len = strlen(name);
	int n;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	n = snprintf(addr->sun_path + 1, room, "proxyhop/%u/",
	    (unsigned)geteuid());
	/* the end of a path tells most; two that share it only wait */
	if (len > room - n)
		name += len - (room - n);
	memcpy(addr->sun_path + 1 + n, name, strlen(name));
	return offsetof(struct sockaddr_un, sun_path) + 1 + n + strlen(name);
}

/* Is it our own user who is at the other end of fd? */
static int
is_ours(int fd)
{
	uid_t uid;
	gid_t gid;

	return getpeereid(fd, &uid, &gid) == 0 && uid == geteuid();
}

/*
 * Claims name for this process, of all those of our user.  Returns 1 with a
 * descriptor in *fd that holds it until it is closed; 0 if another process has
 * it, with one that hangs up as soon as that lets go of it; or -1 if neither
 * can be had.
 */
int
os_claim(const char *name, int *fd)
{
	struct sockaddr_un addr;
	socklen_t len = abstract(&addr, name);

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd == -1)
		return -1;
	if (bind(*fd, (struct sockaddr *)&addr, len) == 0 &&
	    listen(*fd, SOMAXCONN) == 0)
		return 1;
	if (errno == EADDRINUSE &&
	    connect(*fd, (struct sockaddr *)&addr, len) == 0 && is_ours(*fd))
		return 0;
	close(*fd);
	*fd = -1;
	return -1;
}

/* landlock(7); the system's header may be older than the kernel. */
#define LANDLOCK_VERSION	1	/* a flag: which one is it? */
#define LANDLOCK_READ		(1u << 2 | 1u << 3)
#define LANDLOCK_SIGNAL		(1u << 1)

struct ruleset {
	uint64_t	 files, net, scopes;	/* refused, if no rule allows */
};

/* What can be refused, by the version that has brought it. */
static const struct right {
	int		 version;
	struct ruleset	 set;
} rights[] = {
	{ 1, { .files = 0x1fff } },	/* execute, read, write, make, remove */
	{ 2, { .files = 1u << 13 } },	/* link or rename elsewhere */
	{ 3, { .files = 1u << 14 } },	/* truncate */
	{ 4, { .net = 0x3 } },		/* TCP: bind, connect */
	{ 5, { .files = 1u << 15 } },	/* ioctl(2) of a device */
	{ 6, { .scopes = 0x3 } },	/* abstract sockets, signals */
	{ 9, { .files = 1u << 16 } },	/* connect to a socket in a folder */
	{ 10, { .net = 0xc } }		/* UDP: bind; connect and send */
};

/* A sanitizer's, where the program has one. */
extern void __lsan_do_leak_check(void) __attribute__((weak));

/* All that the kernel, whose Landlock has this version, can refuse. */
static struct ruleset
refusals(int version)
{
	struct ruleset all = { 0, 0, 0 };
	size_t i;

	for (i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		if (rights[i].version > version)
			break;
		all.files |= rights[i].set.files;
		all.net |= rights[i].set.net;
		all.scopes |= rights[i].set.scopes;
	}
	return all;
}

/*
 * From now on this process opens no file, runs no program and makes no
 * connection, as far as the kernel has Landlock; without it, nothing happens.
 * What is open stays so.  children: there is one that it may have to signal.
 * It cannot be undone.
 */
void
os_confine(int children)
{
	struct ruleset all;
	long fd;

	all = refusals(syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_VERSION));
	if (children)
		all.scopes &= ~(uint64_t)LANDLOCK_SIGNAL;
	/* which looks for leaks in /proc when the program ends */
	if (__lsan_do_leak_check != NULL)
		all.files &= ~(uint64_t)LANDLOCK_READ;
	fd = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd == -1)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		(void)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}
