/*
 * Loaded before proxyhop's libraries: on SIGUSR2 it tries what such a process
 * may do, and writes the errno of each to stderr, 0 if it can be done.
 *
 * Environment:
 *	PROBE_FILE	a file that it may remove and make again
 *	PROBE_PORT	somebody listens there, on 127.0.0.1
 *	PROBE_NAME	and there: unix(7), abstract
 *	PROBE_PID	a process of the same user
 *	PROBE_ABI	the version of Landlock that the kernel is to have; 0: none
 */

#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef long	(*syscall_fn)(long, ...);

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL ? "" : value;
}

/* The errno of what has returned rc; a descriptor is closed. */
static int
result(int rc, int isfd)
{
	int error = rc == -1 ? errno : 0;

	if (isfd && rc != -1)
		close(rc);
	return error;
}

static int
run(void)
{
	int status = 0;
	pid_t pid;

	if ((pid = fork()) == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(errno);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WEXITSTATUS(status);
}

static int
reach(int family, const void *addr, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	error = result(connect(fd, addr, len), 0);
	close(fd);
	return error;
}

static int
reach_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_port = htons(atoi(variable("PROBE_PORT")));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return reach(AF_INET, &in, sizeof(in));
}

static int
reach_name(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *name = variable("PROBE_NAME");

	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s", name);
	return reach(AF_UNIX, &un, offsetof(struct sockaddr_un, sun_path) + 1 +
	    strlen(name));
}

static void
probe(int sig)
{
	const char *file = variable("PROBE_FILE");
	char line[400];
	int saved = errno;
	int cut, gone, made, seen, list;

	(void)sig;
	cut = result(truncate(file, 0), 0);
	gone = result(unlink(file), 0);
	made = result(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 1);
	seen = result(open("/etc/passwd", O_RDONLY | O_CLOEXEC), 1);
	list = result(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 1);
	snprintf(line, sizeof(line), "probe truncate=%d unlink=%d write=%d "
	    "read=%d list=%d exec=%d tcp=%d abstract=%d signal=%d\n", cut,
	    gone, made, seen, list, run(), reach_port(), reach_name(),
	    result(kill(atoi(variable("PROBE_PID")), 0), 0));
	if (write(STDERR_FILENO, line, strlen(line)) == -1)
		abort();
	errno = saved;
}

static void __attribute__((constructor))
begin(void)
{
	signal(SIGUSR2, probe);
}

/* As libc's, but Landlock is that of PROBE_ABI. */
long
syscall(long number, ...)
{
	syscall_fn real = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
	const char *abi = getenv("PROBE_ABI");
	long arg[6];
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (abi == NULL || number < SYS_landlock_create_ruleset ||
	    number > SYS_landlock_restrict_self)
		return real(number, arg[0], arg[1], arg[2], arg[3], arg[4],
		    arg[5]);
	if (atoi(abi) == 0) {
		errno = ENOSYS;
		return -1;
	}
	if (number == SYS_landlock_create_ruleset && arg[0] == 0)
		return atoi(abi);
	return real(number, arg[0], arg[1], arg[2]);
}
