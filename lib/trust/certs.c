/*
 * The certificates that hosts have shown, as ssh-keyscan -c prints them: a
 * second key exchange for each is too dear for each login.  Nobody trusts the
 * file: what is in it is verified each time, as if a stranger had sent it.
 */

#include <sys/file.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/local.h"

#define NAME	"proxyhop.certs"

static char *
file_name(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");

	if (cache != NULL && *cache == '/')
		return xasprintf("%s/%s", cache, NAME);
	return xasprintf("%s/.ssh/%s", expand_home(), NAME);
}

/* Adds the certificate in a line about name, if it is one. */
static void
take_line(struct certs *certs, const char *name, char *line)
{
	size_t len = strlen(name);
	struct pub pub;

	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, name, len) != 0 || line[len] != ' ' ||
	    pub_read(&pub, line + len + 1) == -1)
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

/* Sets certs to those that the file has for name; certs_free() must follow. */
void
certs_read(struct certs *certs, const char *name)
{
	char *file = file_name(), *line = NULL;
	size_t size = 0;
	FILE *f;

	memset(certs, 0, sizeof(*certs));
	if ((f = fopen(file, "re")) != NULL) {
		while (getline(&line, &size, f) != -1)
			take_line(certs, name, line);
		fclose(f);
	}
	free(line);
	free(file);
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

static int
open_file(void)
{
	char *file = file_name(), *dir = xstrdup(file);
	int fd;

	(void)mkdir(dirname(dir), 0700);
	fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		say_debug(1, "%s: %s", file, strerror(errno));
	free(dir);
	free(file);
	return fd;
}

/* Adds a certificate that has been found good to the file, in one write. */
void
certs_write(const char *name, const struct pub *pub)
{
	char last = '\n', *text, *line;
	off_t size;
	int fd;

	if (!known_plain(name) || (fd = open_file()) == -1)
		return;
	if ((size = lseek(fd, 0, SEEK_END)) > 0 &&
	    pread(fd, &last, 1, size - 1) != 1)
		last = '\0';
	text = pub_text(pub);
	line = xasprintf("%s%s %s\n", last == '\n' ? "" : "\n", name, text);
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		say_debug(1, "%s: not written whole", NAME);
	free(line);
	free(text);
	close(fd);
}

/*
 * Locks the file, so that one of many asks a host and the others find it here.
 * Returns a descriptor that holds the lock until it is closed, or -1 if somebody
 * else has it, or -2 if there is nothing to lock.
 */
int
certs_lock(void)
{
	int fd, taken;

	if ((fd = open_file()) == -1)
		return -2;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	taken = errno == EWOULDBLOCK;
	close(fd);
	return taken ? -1 : -2;
}
