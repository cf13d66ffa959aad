/*
 * RevokedHostKeys: a list of public keys as text, or a KRL.  What is not wholly
 * understood may hold the key in question, and so it refuses every key.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/local.h"
#include "wire/run.h"

#define KRL_MAGIC	"SSHKRL\n"	/* and a NUL: PROTOCOL.krl */

/* What a line of the list is. */
enum entry {
	E_NONE,			/* nothing, or a comment */
	E_OTHER,		/* another key */
	E_REVOKED,		/* one of those asked for */
	E_BAD
};

static enum entry
read_entry(const char *line, const struct pub *key, const struct pub *ca)
{
	struct pub pub;
	enum entry entry = E_OTHER;

	line += strspn(line, " \t");
	if (*line == '#' || *line == '\n' || *line == '\0')
		return E_NONE;
	if (pub_read(&pub, line) == -1)
		return E_BAD;
	if (pub_same(&pub, key) || (ca != NULL && pub_same(&pub, ca)))
		entry = E_REVOKED;
	pub_free(&pub);
	return entry;
}

static int
read_list(FILE *f, const char *file, const struct pub *key,
    const struct pub *ca, char **why)
{
	enum entry entry = E_NONE;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	unsigned number = 0;

	while (entry <= E_OTHER && (n = getline(&line, &size, f)) != -1) {
		number++;
		entry = strlen(line) == (size_t)n ?
		    read_entry(line, key, ca) : E_BAD;
	}
	free(line);
	if (entry == E_REVOKED)
		*why = xasprintf("the key is in %s:%u", file, number);
	else if (entry == E_BAD)
		*why = xasprintf("%s:%u: invalid format: a line is a key's "
		    "type and the key in base64", file, number);
	else if (ferror(f))
		*why = xasprintf("%s: %s", file, strerror(errno));
	return entry == E_REVOKED ? 1 : *why == NULL ? 0 : -1;
}

/* ssh-keygen knows all that a KRL can say of a key or a certificate. */
static int
ask_krl(struct chain *c, const char *file, const struct pub *key, int *found,
    char **why)
{
	char *text = pub_text(key), *in = xasprintf("%s\n", text);
	char *argv[] = { "ssh-keygen", "-Q", "-f", (char *)file, "/dev/stdin",
	    NULL };
	struct run r;
	int status;

	status = run_program(c, argv, in, &r);
	*found = r.exit == 0 ? 0 : r.exit == 1 ? 1 : -1;
	if (*found == 1)
		*why = xasprintf("the key is in %s", file);
	else if (*found == -1)
		*why = xasprintf("%s: %s", file, r.how);
	run_free(&r);
	free(in);
	free(text);
	return status;
}

static int
is_krl(FILE *f)
{
	char magic[sizeof(KRL_MAGIC)];
	int krl = fread(magic, sizeof(magic), 1, f) == 1 &&
	    memcmp(magic, KRL_MAGIC, sizeof(magic)) == 0;

	rewind(f);
	return krl;
}

/* As revoked_check(), of one file. */
static int
check_file(struct chain *c, const char *file, const struct pub *key,
    const struct pub *ca, int *found, char **why)
{
	FILE *f;
	int status = OK;

	if ((f = fopen(file, "re")) == NULL) {
		*found = -1;
		*why = xasprintf("%s: %s", file, strerror(errno));
		return OK;
	}
	if (is_krl(f))
		status = ask_krl(c, file, key, found, why);
	else
		*found = read_list(f, file, key, ca, why);
	fclose(f);
	return status;
}

/*
 * Is the key, which may be a certificate of the key ca, revoked by the hop's
 * RevokedHostKeys?  Returns OK, and in *found 0 if not, 1 if it is, -1 if nobody
 * can know, each of the last two with a reason in *why, which the caller frees;
 * or another status if the chain has failed meanwhile.
 *
 * ssh -G prints several files, which ssh takes from 10 on, in one line without
 * quotes, as it does one whose name has blanks.  So what is there under the
 * whole name is one file; else a blank before a '/' divides two.  Each of them
 * must be there and be understood.
 */
int
revoked_check(struct chain *c, const struct hop *hop, const struct pub *key,
    const struct pub *ca, int *found, char **why)
{
	char *copy, *file, *next;
	int status = OK;

	*found = 0;
	*why = NULL;
	if (hop->revokedhostkeys == NULL ||
	    strcasecmp(hop->revokedhostkeys, "none") == 0)
		return OK;
	copy = xstrdup(hop->revokedhostkeys);
	for (file = copy; file != NULL && status == OK && *found == 0;
	    file = next) {
		next = access(file, F_OK) == 0 ? NULL : strstr(file, " /");
		if (next != NULL)
			*next++ = '\0';
		status = check_file(c, file, key, ca, found, why);
	}
	free(copy);
	return status;
}
