/*
 * The certificates that hosts have shown, as ssh-keyscan -c prints them: a
 * second key exchange for each is too dear for each login.  Nobody trusts the
 * file: what is in it is verified each time, as if a stranger had sent it.
 */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/cert.h"
#include "trust/known.h"

#define NAME	"proxyhop.certs"
#define FILE_MAX	(8 * 1024 * 1024)	/* bytes; then it begins anew */
#define ADD	(O_RDWR | O_CREAT | O_APPEND)
#define NONE	"none "		/* then the time, where a key has one */

static char *
file_name(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");

	if (cache != NULL && *cache == '/')
		return xasprintf("%s/%s", cache, NAME);
	return xasprintf("%s/.ssh/%s", expand_home(), NAME);
}

/* Takes a line about name: a certificate, or when there was none. */
static void
take_line(struct certs *certs, const char *name, char *line)
{
	size_t len = strlen(name);
	struct pub pub;

	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, name, len) != 0 || line[len] != ' ')
		return;
	line += len + 1;
	if (strncmp(line, NONE, strlen(NONE)) == 0)
		certs->none = strtoll(line + strlen(NONE), NULL, 10);
	if (pub_read(&pub, line) == -1)
		return;
	if (!pub.cert) {
		pub_free(&pub);
		return;
	}
	certs_add(certs, &pub);
}

/* Adds pub, which certs owns from here on. */
void
certs_add(struct certs *certs, struct pub *pub)
{
	struct pub *v = reallocarray(certs->v, certs->n + 1, sizeof(*v));

	if (v == NULL)
		errx(RETRY, "out of memory");
	certs->v = v;
	v[certs->n++] = *pub;
	memset(pub, 0, sizeof(*pub));
}

/*
 * Opens the file, to be read or (ADD) to be added to.  It has to be a regular
 * one: a FIFO would be waited for, and a device may have no end.  Returns -1
 * after telling why not.
 */
static int
open_file(int flags)
{
	char *file = file_name(), *dir = xstrdup(file);
	const char *why = "not a regular file";
	struct stat st;
	int fd;

	if (flags == ADD)
		(void)mkdir(dirname(dir), 0700);
	fd = open(file, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd == -1)
		why = errno == ENOENT && flags != ADD ? NULL : strerror(errno);
	else if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		fd = -1;
	}
	if (fd == -1 && why != NULL)
		say_debug(1, "%s: %s", file, why);
	free(dir);
	free(file);
	return fd;
}

/* Sets certs to those that the file has for name; certs_free() must follow. */
void
certs_read(struct certs *certs, const char *name)
{
	int fd = open_file(O_RDONLY);
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	memset(certs, 0, sizeof(*certs));
	if (fd == -1)
		return;
	if ((f = fdopen(fd, "r")) == NULL)
		errx(RETRY, "out of memory");
	while (getline(&line, &size, f) != -1)
		take_line(certs, name, line);
	fclose(f);
	free(line);
}

/* Empties certs. */
void
certs_free(struct certs *certs)
{
	while (certs->n > 0)
		pub_free(&certs->v[--certs->n]);
	free(certs->v);
	certs->v = NULL;
}

/* Adds a line about name to the file, in one write. */
static void
write_line(const char *name, const char *text)
{
	char last = '\n', *line;
	off_t size;
	int fd;

	if (!known_plain(name) || (fd = open_file(ADD)) == -1)
		return;
	size = lseek(fd, 0, SEEK_END);
	if (size > FILE_MAX)
		size = ftruncate(fd, 0);
	if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
		last = '\0';
	line = xasprintf("%s%s %s\n", last == '\n' ? "" : "\n", name, text);
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		say_debug(1, "%s: not written whole", NAME);
	free(line);
	close(fd);
}

/* Adds a certificate that has been found good to the file. */
void
certs_write(const char *name, const struct pub *pub)
{
	char *text = pub_text(pub);

	write_line(name, text);
	free(text);
}

/* Notes in the file that name had no certificate at the time t. */
void
certs_write_none(const char *name, time_t t)
{
	char *text = xasprintf(NONE "%lld", (long long)t);

	write_line(name, text);
	free(text);
}

/*
 * Locks what the file has about name, so that one of many asks the host and the
 * others find it here.  Returns a descriptor that holds the lock until it is
 * closed, or -1 if somebody else has it, or -2 if there is nothing to lock.
 */
int
certs_lock(const char *name)
{
	uint32_t hash = 2166136261U;	/* FNV-1a */
	int fd, taken;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	if ((fd = open_file(ADD)) == -1)
		return -2;
	if (os_lock_byte(fd, hash >> 1) == 0)
		return fd;
	taken = errno == EAGAIN || errno == EACCES;
	close(fd);
	return taken ? -1 : -2;
}
