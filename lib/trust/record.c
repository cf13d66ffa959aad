/*
 * Adds a host key to a known_hosts file: whole, or not at all.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/local.h"

/*
 * Returns the line for the key, or NULL if it has no such form; it begins with
 * a newline where the last line of the file has none.
 */
static char *
new_line(int fd, const struct hop *hop, ssh_key key)
{
	char *name, *hashed, *b64 = NULL, *line;
	char last = '\n';
	off_t size;

	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return NULL;
	name = known_name(hop, 1);
	if (hop->hashknownhosts == 1) {
		hashed = known_hash(name);
		free(name);
		name = hashed;
	}
	if ((size = lseek(fd, 0, SEEK_END)) > 0 &&
	    pread(fd, &last, 1, size - 1) != 1)
		last = '\0';	/* an empty line does no harm */
	line = xasprintf("%s%s %s %s\n", last == '\n' ? "" : "\n", name,
	    ssh_key_type_to_char(ssh_key_type(key)), b64);
	free(name);
	ssh_string_free_char(b64);
	return line;
}

/*
 * Writes the line in one go, so that those of several programs do not mix.  A
 * part of it, on a full disk, is taken back, unless another line is behind it.
 */
static int
append(int fd, const char *line)
{
	ssize_t n, len = strlen(line);
	struct stat st;
	off_t end;

	if ((n = write(fd, line, len)) == len)
		return 0;
	if (n == -1)
		return -1;
	end = lseek(fd, 0, SEEK_CUR);
	if (fstat(fd, &st) == 0 && st.st_size == end &&
	    ftruncate(fd, end - n) == -1)
		say_debug(1, "known hosts: a cut line is left");
	errno = ENOSPC;
	return -1;
}

/*
 * Adds the key of hop to the first of its UserKnownHostsFiles.  Returns NULL,
 * or why it could not be done.
 */
const char *
record_key(const struct hop *hop, ssh_key key)
{
	const char *file;
	char *line, *dir, *name = known_name(hop, 1);
	int fd, rc = -1, plain = known_plain(name);

	free(name);
	if (!plain)
		return "the name would be read as a pattern there";
	file = hop->userknownhostsfile.v[0];
	dir = xstrdup(file);
	(void)mkdir(dirname(dir), 0700);	/* ~/.ssh, the first time */
	free(dir);
	fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return strerror(errno);
	if ((line = new_line(fd, hop, key)) != NULL)
		rc = append(fd, line);
	free(line);
	close(fd);
	return rc == -1 ? strerror(errno) : NULL;
}
