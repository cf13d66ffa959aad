/*
 * What known_hosts files say of a name, in the format that sshd(8) describes
 * under SSH_KNOWN_HOSTS FILE FORMAT.  libssh parses the lines and matches the
 * names; the files and the markers are ours, since libssh passes over @revoked.
 */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/known.h"

#define MAX_PATTERN	1000
#define HASH_B64	28	/* an HMAC-SHA1, or its salt, in base64 */

/*
 * Returns host as known_hosts has it: in lower case, with the port if it is not
 * 22.  The caller frees it.
 */
char *
known_host(const char *host, int port)
{
	char *name, *p;

	name = port == 22 ? xstrdup(host) : xasprintf("[%s]:%d", host, port);
	for (p = name; *p != '\0'; p++)
		*p = tolower((unsigned char)*p);
	return name;
}

/*
 * Returns the name that ssh looks up for hop: the alias as it is, or the host.
 * The caller frees it.
 */
char *
known_name(const struct hop *hop, int with_port)
{
	if (hop->hostkeyalias != NULL)
		return xstrdup(hop->hostkeyalias);
	return known_host(hop->hostname, with_port ? hop->port : 22);
}

/*
 * Is name one that a line of known_hosts can begin with, and then means this
 * name alone?  Patterns, lists, comments, markers and hashes are none.
 */
int
known_plain(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || strchr(",*?!", *p) != NULL)
			return 0;
	return *name != '\0' && strchr("#@|", *name) == NULL;
}

/* HMAC-SHA1 of name, with salt as its key: RFC 2104. */
static void
hmac(const unsigned char *salt, const char *name, unsigned char *mac)
{
	unsigned char pad[SHA1_BLOCK_LENGTH];
	SHA1_CTX ctx;
	size_t i;

	memset(pad, 0x36, sizeof(pad));
	for (i = 0; i < SHA1_DIGEST_LENGTH; i++)
		pad[i] ^= salt[i];
	SHA1Init(&ctx);
	SHA1Update(&ctx, pad, sizeof(pad));
	SHA1Update(&ctx, (const uint8_t *)name, strlen(name));
	SHA1Final(mac, &ctx);
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA1Init(&ctx);
	SHA1Update(&ctx, pad, sizeof(pad));
	SHA1Update(&ctx, mac, SHA1_DIGEST_LENGTH);
	SHA1Final(mac, &ctx);
}

/*
 * Returns ssh's hash of a name: |1|salt|HMAC-SHA1(salt, name), in base64.  The
 * caller frees it.
 */
char *
known_hash(const char *name)
{
	unsigned char salt[SHA1_DIGEST_LENGTH], mac[SHA1_DIGEST_LENGTH];
	char *b64salt, *b64mac, *hashed;

	arc4random_buf(salt, sizeof(salt));
	hmac(salt, name, mac);
	b64salt = str_base64(salt, sizeof(salt));
	b64mac = str_base64(mac, sizeof(mac));
	hashed = xasprintf("|1|%s|%s", b64salt, b64mac);
	free(b64salt);
	free(b64mac);
	return hashed;
}

/* Takes what is there of a hashed name's part, up to end; is it one? */
static int
hash_part(const char **p, char end, unsigned char *part)
{
	unsigned char *bytes;
	char text[HASH_B64 + 1];
	int n;

	if (strnlen(*p, HASH_B64 + 1) <= HASH_B64 || (*p)[HASH_B64] != end)
		return 0;
	memcpy(text, *p, HASH_B64);
	text[HASH_B64] = '\0';
	*p += HASH_B64 + 1;
	if ((n = str_unbase64(text, &bytes)) == SHA1_DIGEST_LENGTH)
		memcpy(part, bytes, SHA1_DIGEST_LENGTH);
	free(bytes);
	return n == SHA1_DIGEST_LENGTH;
}

/*
 * Is the line about a hashed name that is not this one?  libssh finds that
 * out, too, but many times slower, and most lines of most files are.
 */
static int
hashed_other(const char *line, const char *name)
{
	unsigned char salt[SHA1_DIGEST_LENGTH], theirs[SHA1_DIGEST_LENGTH];
	unsigned char ours[SHA1_DIGEST_LENGTH];

	if (strncmp(line, "|1|", 3) != 0)
		return 0;
	line += 3;
	if (!hash_part(&line, '|', salt) || !hash_part(&line, ' ', theirs))
		return 0;
	hmac(salt, name, ours);
	return memcmp(ours, theirs, sizeof(ours)) != 0;
}

/* Takes the marker off the line, if it has one; returns what follows. */
static char *
take_marker(char *line, enum marker *marker)
{
	size_t len;

	*marker = MARKER_NONE;
	if (*line != '@')
		return line;
	len = strcspn(line, " ");
	if (len == strlen("@revoked") && strncmp(line, "@revoked", len) == 0)
		*marker = MARKER_REVOKED;
	else if (len == strlen("@cert-authority") &&
	    strncmp(line, "@cert-authority", len) == 0)
		*marker = MARKER_CA;
	else
		return NULL;
	return line + len + strspn(line + len, " ");
}

/*
 * Is name one of those that the line leaves out with '!'?  libssh takes each
 * pattern of the list by itself, so that "!gw,*" would match gw.
 */
static int
left_out(const char *name, const char *line)
{
	struct ssh_knownhosts_entry *e;
	const char *key = line + strcspn(line, " ");
	char *list, *rest, *pattern, *single;
	int out = 0, rc;

	list = rest = xstrndup(line, key - line);
	while (!out && (pattern = strsep(&rest, ",")) != NULL) {
		if (*pattern != '!')
			continue;
		if (strlen(pattern) > MAX_PATTERN)	/* libssh gives up */
			out = 1;
		single = xasprintf("%s%s", pattern + 1, key);
		e = NULL;
		rc = ssh_known_hosts_parse_line(name, single, &e);
		if (rc == SSH_OK)
			ssh_knownhosts_entry_free(e);
		out |= rc == SSH_OK;
		free(single);
	}
	free(list);
	return out;
}

/* Adds a line to those about its name; takes over the key. */
static void
add(struct knowns *knowns, const struct known *known)
{
	knowns->v = reallocarray(knowns->v, knowns->n + 1, sizeof(*known));
	if (knowns->v == NULL)
		errx(RETRY, "out of memory");
	knowns->v[knowns->n++] = *known;
}

/* Adds the line, without its marker, if it is about the name of knowns. */
static void
match(struct knowns *knowns, const char *line, struct known *known)
{
	struct ssh_knownhosts_entry *e = NULL;
	int rc;

	if (hashed_other(line, knowns->name))
		return;
	rc = ssh_known_hosts_parse_line(knowns->name, line, &e);
	if (rc == SSH_ERROR)
		say_debug(2, "%s:%u: not understood", known->file,
		    known->line);
	if (rc != SSH_OK)
		return;
	if (!left_out(knowns->name, line)) {
		known->key = e->publickey;
		e->publickey = NULL;
		add(knowns, known);
	}
	ssh_knownhosts_entry_free(e);
}

/*
 * Adds what line number of file says to each of n lists whose name it is about.
 * Blanks in line are changed; file is borrowed for as long as the lists live.
 */
void
known_line(struct knowns *knowns, size_t n, char *line, const char *file,
    unsigned number)
{
	struct known known = { MARKER_NONE, NULL, file, number };
	char *p;
	size_t i;

	for (p = line; *p != '\0'; p++)	/* libssh splits at blanks alone */
		if (*p == '\t' || *p == '\n' || *p == '\r')
			*p = ' ';
	line += strspn(line, " ");
	if (*line == '\0' || *line == '#')
		return;
	if ((line = take_marker(line, &known.marker)) == NULL) {
		say_debug(1, "%s:%u: unknown marker", file, number);
		return;
	}
	for (i = 0; i < n; i++)
		match(&knowns[i], line, &known);
}

static void
read_file(struct knowns *knowns, size_t n, const char *file)
{
	FILE *f;
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;

	if ((f = fopen(file, "re")) == NULL) {
		say_debug(errno == ENOENT ? 2 : 1, "%s: %s", file,
		    strerror(errno));
		return;
	}
	while (getline(&line, &size, f) != -1)
		known_line(knowns, n, line, file, ++number);
	free(line);
	fclose(f);
}

/* Adds what hop's files say to each of n lists, about its name. */
void
known_read(const struct hop *hop, struct knowns *knowns, size_t n)
{
	size_t i;

	for (i = 0; i < hop->userknownhostsfile.n; i++)
		read_file(knowns, n, hop->userknownhostsfile.v[i]);
	for (i = 0; i < hop->globalknownhostsfile.n; i++)
		read_file(knowns, n, hop->globalknownhostsfile.v[i]);
}

static int
has_authority(const char *file)
{
	FILE *f;
	char *line = NULL, *p;
	size_t size = 0;
	int found = 0;

	if ((f = fopen(file, "re")) == NULL)
		return 0;
	while (!found && getline(&line, &size, f) != -1) {
		p = line + strspn(line, " \t");
		found = strncmp(p, "@cert-authority", 15) == 0;
	}
	free(line);
	fclose(f);
	return found;
}

/*
 * Does a file of hop's have a CA, whatever host that is for?  This is cheap
 * beside known_read().
 */
int
known_has_authority(const struct hop *hop)
{
	size_t i;

	for (i = 0; i < hop->userknownhostsfile.n; i++)
		if (has_authority(hop->userknownhostsfile.v[i]))
			return 1;
	for (i = 0; i < hop->globalknownhostsfile.n; i++)
		if (has_authority(hop->globalknownhostsfile.v[i]))
			return 1;
	return 0;
}

/* Empties a list, its name as well. */
void
known_free(struct knowns *knowns)
{
	while (knowns->n > 0)
		ssh_key_free(knowns->v[--knowns->n].key);
	free(knowns->v);
	free(knowns->name);
	memset(knowns, 0, sizeof(*knowns));
}
