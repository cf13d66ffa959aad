/*
 * What only Linux shows.
 */

#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
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
