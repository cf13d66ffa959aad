/*
 * Is this the host we meant?  Every hop's key is looked up in the files that
 * ssh names, as sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, describes them.  libssh
 * parses the lines and matches the names; the files, the markers and the
 * verdict are ours, since libssh passes over @revoked.
 */

#include <sys/socket.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <resolv.h>
#include <sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxyhop.h"

#define MAX_PATTERN	1000
#define HASH_B64	28	/* an HMAC-SHA1, or its salt, in base64 */

enum marker {
	PLAIN,
	REVOKED,
	AUTHORITY
};

/* One line that matches the name that was looked for. */
struct entry {
	enum marker	 marker;
	ssh_key		 key;
	const char	*file;
	unsigned	 line;
};

typedef void (*entry_fn)(const struct entry *, void *);

/* Where a line is, and which key it has; all NULL: no such line. */
struct place {
	const char	*file;		/* borrowed from the hop */
	char		*line;		/* file:line */
	char		*key;		/* type and fingerprint */
};

/* What the files say of one key: the first line of each kind. */
struct verdict {
	ssh_key		 key;		/* the server's */
	struct place	 known;
	struct place	 revoked;
	struct place	 changed;	/* another key of its type */
	struct place	 other;		/* a key of another type */
	struct place	 authority;
	char		*name;		/* that changed is about */
};

/* host in lower case, with the port if it is not 22. */
static char *
host_name(const char *host, int port)
{
	char *name, *p;

	name = port == 22 ? xstrdup(host) : xasprintf("[%s]:%d", host, port);
	for (p = name; *p != '\0'; p++)
		*p = tolower((unsigned char)*p);
	return name;
}

/* The name that ssh looks up: the alias as it is, or the host. */
static char *
lookup_name(const struct hop *hop, int with_port)
{
	if (hop->hostkeyalias != NULL)
		return xstrdup(hop->hostkeyalias);
	return host_name(hop->hostname, with_port ? hop->port : 22);
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

/* ssh's hash of a name: |1|salt|HMAC-SHA1(salt, name), in base64. */
static char *
hash_name(const char *name)
{
	unsigned char salt[SHA1_DIGEST_LENGTH], mac[SHA1_DIGEST_LENGTH];
	char *b64salt, *b64mac, *hashed;

	arc4random_buf(salt, sizeof(salt));
	hmac(salt, name, mac);
	b64salt = words_base64(salt, sizeof(salt));
	b64mac = words_base64(mac, sizeof(mac));
	hashed = xasprintf("|1|%s|%s", b64salt, b64mac);
	free(b64salt);
	free(b64mac);
	return hashed;
}

/* Takes what is there of a hashed name's part, up to end; is it one? */
static int
hash_part(const char **p, char end, unsigned char *part)
{
	unsigned char bytes[SHA1_DIGEST_LENGTH + 1];	/* b64_pton's way */
	char text[HASH_B64 + 1];

	if (strnlen(*p, HASH_B64 + 1) <= HASH_B64 || (*p)[HASH_B64] != end)
		return 0;
	memcpy(text, *p, HASH_B64);
	text[HASH_B64] = '\0';
	*p += HASH_B64 + 1;
	if (b64_pton(text, bytes, sizeof(bytes)) != SHA1_DIGEST_LENGTH)
		return 0;
	memcpy(part, bytes, SHA1_DIGEST_LENGTH);
	return 1;
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

	*marker = PLAIN;
	if (*line != '@')
		return line;
	len = strcspn(line, " ");
	if (len == strlen("@revoked") && strncmp(line, "@revoked", len) == 0)
		*marker = REVOKED;
	else if (len == strlen("@cert-authority") &&
	    strncmp(line, "@cert-authority", len) == 0)
		*marker = AUTHORITY;
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

static void
scan_line(char *line, const char *name, struct entry *entry, entry_fn fn,
    void *arg)
{
	struct ssh_knownhosts_entry *e = NULL;
	char *p;
	int rc;

	for (p = line; *p != '\0'; p++)	/* libssh splits at blanks alone */
		if (*p == '\t' || *p == '\n' || *p == '\r')
			*p = ' ';
	line += strspn(line, " ");
	if (*line == '\0' || *line == '#')
		return;
	if ((line = take_marker(line, &entry->marker)) == NULL) {
		say_debug(1, "%s:%u: unknown marker", entry->file, entry->line);
		return;
	}
	if (hashed_other(line, name))
		return;
	rc = ssh_known_hosts_parse_line(name, line, &e);
	if (rc == SSH_ERROR)
		say_debug(2, "%s:%u: not understood", entry->file, entry->line);
	if (rc != SSH_OK)
		return;
	entry->key = e->publickey;
	if (!left_out(name, line))
		fn(entry, arg);
	ssh_knownhosts_entry_free(e);
}

static void
scan_file(const char *file, const char *name, entry_fn fn, void *arg)
{
	struct entry entry = { PLAIN, NULL, file, 0 };
	FILE *f;
	char *line = NULL;
	size_t size = 0;

	if ((f = fopen(file, "re")) == NULL) {
		say_debug(errno == ENOENT ? 2 : 1, "%s: %s", file,
		    strerror(errno));
		return;
	}
	while (getline(&line, &size, f) != -1) {
		entry.line++;
		scan_line(line, name, &entry, fn, arg);
	}
	free(line);
	fclose(f);
}

/* Calls fn for each line of the hop's files that is about name. */
static void
scan(const struct hop *hop, const char *name, entry_fn fn, void *arg)
{
	size_t i;

	for (i = 0; i < hop->userknownhostsfile.n; i++)
		scan_file(hop->userknownhostsfile.v[i], name, fn, arg);
	for (i = 0; i < hop->globalknownhostsfile.n; i++)
		scan_file(hop->globalknownhostsfile.v[i], name, fn, arg);
}

static void
add_type(const struct entry *entry, void *arg)
{
	struct words *types = arg;

	if (entry->marker == PLAIN)
		words_add(types, xstrdup(ssh_key_type_to_char(
		    ssh_key_type(entry->key))));
}

/* Is algorithm one that a key of one of the types can sign with? */
static int
has_type(const struct words *types, const char *algorithm)
{
	size_t i;

	if (strncmp(algorithm, "rsa-sha2-", 9) == 0)
		algorithm = "ssh-rsa";
	for (i = 0; i < types->n; i++)
		if (strcmp(types->v[i], algorithm) == 0)
			return 1;
	return 0;
}

/*
 * Returns the hop's HostKeyAlgorithms with those first that known keys can
 * sign with, and none for certificates; NULL if none are set.  The caller
 * frees it.
 */
char *
hostkey_algorithms(const struct hop *hop)
{
	struct words types = { NULL, 0 };
	char *all, *rest, *name, *first = NULL, *then = NULL;

	if (hop->hostkeyalgorithms == NULL)
		return NULL;
	name = lookup_name(hop, 1);
	scan(hop, name, add_type, &types);
	free(name);
	all = rest = xstrdup(hop->hostkeyalgorithms);
	while ((name = strsep(&rest, ",")) != NULL) {
		if (strstr(name, "-cert-v0") != NULL)
			continue;
		words_join(has_type(&types, name) ? &first : &then, ",", name);
	}
	free(all);
	words_free(&types);
	if (first != NULL && then != NULL)
		words_join(&first, ",", then);
	else if (first == NULL) {
		first = then;
		then = NULL;
	}
	free(then);
	return first;
}

/* Returns the key's fingerprint, SHA256:..., which the caller frees. */
char *
hostkey_fingerprint(ssh_key key)
{
	unsigned char *hash;
	char *text, *copy;
	size_t len;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash,
	    &len) != 0)
		return xstrdup("(no fingerprint)");
	text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
	ssh_clean_pubkey_hash(&hash);
	copy = xstrdup(text == NULL ? "(no fingerprint)" : text);
	ssh_string_free_char(text);
	return copy;
}

/* Type and fingerprint, as a person compares them. */
static char *
describe(ssh_key key)
{
	char *print, *text;

	print = hostkey_fingerprint(key);
	text = xasprintf("%s key %s", ssh_key_type_to_char(ssh_key_type(key)),
	    print);
	free(print);
	return text;
}

/* Keeps the first line of a kind. */
static void
keep(struct place *place, const struct entry *entry)
{
	if (place->file != NULL)
		return;
	place->file = entry->file;
	place->line = xasprintf("%s:%u", entry->file, entry->line);
	place->key = describe(entry->key);
}

static void
place_free(struct place *place)
{
	free(place->line);
	free(place->key);
	memset(place, 0, sizeof(*place));
}

/* Moves what is there to where nothing is yet. */
static void
place_move(struct place *to, struct place *from)
{
	if (to->file != NULL)
		return;
	*to = *from;
	memset(from, 0, sizeof(*from));
}

static void
judge(const struct entry *entry, void *arg)
{
	struct verdict *v = arg;
	int same = ssh_key_cmp(entry->key, v->key, SSH_KEY_CMP_PUBLIC) == 0;

	if (entry->marker == AUTHORITY)
		keep(&v->authority, entry);
	else if (entry->marker == REVOKED) {
		if (same)
			keep(&v->revoked, entry);
	} else if (same)
		keep(&v->known, entry);
	else if (ssh_key_type(entry->key) == ssh_key_type(v->key))
		keep(&v->changed, entry);
	else
		keep(&v->other, entry);
}

static void
verdict_free(struct verdict *v)
{
	place_free(&v->known);
	place_free(&v->revoked);
	place_free(&v->changed);
	place_free(&v->other);
	place_free(&v->authority);
	free(v->name);
}

/* The line for the key, on a line of its own even if the last had no end. */
static char *
new_line(int fd, const struct hop *hop, ssh_key key)
{
	char *name, *hashed, *b64 = NULL, *line;
	char last = '\n';
	off_t size;

	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return NULL;
	name = lookup_name(hop, 1);
	if (hop->hashknownhosts == 1) {
		hashed = hash_name(name);
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

/* Adds the key to the first user file: whole, or not at all. */
static int
add(const struct hop *hop, ssh_key key)
{
	const char *file;
	char *line, *dir;
	int fd, rc = -1;

	if (hop->userknownhostsfile.n == 0) {
		errno = ENOENT;
		return -1;
	}
	file = hop->userknownhostsfile.v[0];
	dir = xstrdup(file);
	(void)mkdir(dirname(dir), 0700);	/* ~/.ssh, the first time */
	free(dir);
	fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if ((line = new_line(fd, hop, key)) != NULL)
		rc = append(fd, line);
	free(line);
	close(fd);
	return rc;
}

static int
accept_new(struct chain *c, struct link *l, ssh_key key)
{
	char *text;

	text = describe(key);
	if (add(l->hop, key) == -1)
		say("%s (hop %d of %d): cannot add its %s to %s: %s",
		    l->hop->name, l->number, c->plan->nhops, text,
		    l->hop->userknownhostsfile.n == 0 ? "a known_hosts file" :
		    l->hop->userknownhostsfile.v[0], strerror(errno));
	else
		say_debug(1, "%s (hop %d): added its %s to %s", l->hop->name,
		    l->number, text, l->hop->userknownhostsfile.v[0]);
	free(text);
	return OK;
}

static int
changed(struct chain *c, struct link *l, const struct verdict *v)
{
	char *text;

	text = describe(v->key);
	(void)fail(c, l, GIVEUP, "the host key has changed: %s offers "
	    "%s, but %s has %s; somebody may be listening in; if it is right, "
	    "remove the old one: ssh-keygen -R '%s' -f '%s'", l->hop->name,
	    text, v->changed.line, v->changed.key, v->name, v->changed.file);
	free(text);
	return GIVEUP;
}

/* What there is instead of the line that we miss. */
static char *
instead(const struct verdict *v)
{
	if (v->other.file != NULL)
		return xasprintf(", but %s has %s", v->other.line,
		    v->other.key);
	if (v->authority.file != NULL)
		return xasprintf(", and libssh cannot honour the "
		    "@cert-authority of %s", v->authority.line);
	return xstrdup("");
}

/* What the answer means, as ssh takes it: 1 yes, 0 no, -1 neither. */
static int
meaning(char *answer, const char *print)
{
	answer += strspn(answer, " \t");
	answer[strcspn(answer, " \t")] = '\0';
	if (*answer == '\0' || strcasecmp(answer, "no") == 0)
		return 0;
	return strcasecmp(answer, "yes") == 0 || strcmp(answer, print) == 0 ?
	    1 : -1;
}

/* Is the answer yes: the word, or the fingerprint itself? */
static int
agreed(struct chain *c, struct link *l, ssh_key key, const char *question,
    int *status)
{
	char answer[ANSWER_MAX], *print, *first;
	const char *text;
	int got, yes = -1;

	print = hostkey_fingerprint(key);
	first = xasprintf("%s. Go on connecting (yes/no/fingerprint)? ",
	    question);
	for (text = first; yes == -1;
	    text = "Please type yes, no or the fingerprint: ") {
		*status = prompt(c, l, text, 1, answer, &got);
		yes = *status == OK && got ? meaning(answer, print) : 0;
	}
	free(first);
	free(print);
	return yes;
}

static int
mode_is(const struct hop *hop, const char *mode)
{
	return hop->stricthostkeychecking != NULL &&
	    strcmp(hop->stricthostkeychecking, mode) == 0;
}

/* Nobody has accepted the key; ssh, going the same way, can ask. */
static int
refuse(struct chain *c, struct link *l, const char *question)
{
	const struct hop *hop;
	char *way = NULL;

	TAILQ_FOREACH(hop, &c->plan->hops, entry) {
		if (hop == l->hop)
			break;
		words_join(&way, ",", hop->spec);
	}
	(void)fail(c, l, GIVEUP, "%s; compare it, and accept it with: ssh "
	    "%s%s%s%s", question, way == NULL ? "" : "-J ",
	    way == NULL ? "" : way, way == NULL ? "" : " ", l->hop->name);
	free(way);
	return GIVEUP;
}

/* No line has this key: the mode decides, or the person. */
static int
unknown(struct chain *c, struct link *l, const struct verdict *v)
{
	const struct hop *hop = l->hop;
	char *text, *name, *known, *question;
	int status = OK;

	if (v->other.file == NULL && (mode_is(hop, "accept-new") ||
	    mode_is(hop, "no") || mode_is(hop, "off") ||
	    mode_is(hop, "false")))
		return accept_new(c, l, v->key);
	text = describe(v->key);
	name = lookup_name(hop, 1);
	known = instead(v);
	question = xasprintf("%s is not known for %s%s", text, name, known);
	if ((hop->stricthostkeychecking == NULL || mode_is(hop, "ask")) &&
	    agreed(c, l, v->key, question, &status))
		status = accept_new(c, l, v->key);
	else if (status == OK && link_gone(l))
		status = fail(c, l, RETRY, "connection closed while its host "
		    "key was in question; answer it before its "
		    "LoginGraceTime is over");
	else if (status == OK)
		status = refuse(c, l, question);
	free(question);
	free(known);
	free(name);
	free(text);
	return status;
}

/*
 * RevokedHostKeys: a file of public keys, one a line.  Returns OK, or GIVEUP
 * after saying that the key is there, or that nobody can know.
 */
static int
check_revoked(struct chain *c, struct link *l, ssh_key key)
{
	const char *file = l->hop->revokedhostkeys;
	struct entry entry = { PLAIN, NULL, file, 0 };
	struct verdict v = { .key = key };
	FILE *f;
	char *line = NULL, *s;
	size_t size = 0;
	int status = OK;

	if (file == NULL || strcasecmp(file, "none") == 0)
		return OK;
	if ((f = fopen(file, "re")) == NULL)
		return fail(c, l, GIVEUP, "RevokedHostKeys %s: %s", file,
		    strerror(errno));
	while (status == OK && getline(&line, &size, f) != -1) {
		if (++entry.line == 1 && strncmp(line, "SSHKRL", 6) == 0) {
			status = fail(c, l, GIVEUP, "RevokedHostKeys %s: "
			    "a KRL, which libssh cannot read; write the keys "
			    "as text", file);
			break;
		}
		s = xasprintf("@revoked * %s", line);
		scan_line(s, "*", &entry, judge, &v);
		free(s);
		if (v.revoked.file != NULL)
			status = fail(c, l, GIVEUP, "the host key is "
			    "revoked: %s is in %s; ask who runs %s",
			    v.revoked.key, v.revoked.line, l->hop->name);
	}
	if (status == OK && ferror(f))
		status = fail(c, l, GIVEUP, "RevokedHostKeys %s: %s",
		    file, strerror(errno));
	free(line);
	fclose(f);
	verdict_free(&v);
	return status;
}

/*
 * As ssh: a line for the name without port is good enough to accept.  Unlike
 * ssh, we also take such a line's word if it revokes.
 */
static void
look_up(const struct hop *hop, struct verdict *v)
{
	struct verdict plain = { .key = v->key };
	char *name;

	v->name = lookup_name(hop, 1);
	scan(hop, v->name, judge, v);
	if (hop->port == 22 || hop->hostkeyalias != NULL)
		return;
	name = lookup_name(hop, 0);
	scan(hop, name, judge, &plain);
	free(name);
	if (v->changed.file == NULL)
		place_move(&v->known, &plain.known);
	place_move(&v->revoked, &plain.revoked);
	place_move(&v->authority, &plain.authority);
	verdict_free(&plain);
}

/*
 * CheckHostIP: may the address have another key?  Only the first hop's is
 * known to us.
 */
static void
look_up_address(const struct link *l, struct verdict *v)
{
	struct verdict of_address = { .key = v->key };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST];

	if (l->hop->checkhostip != 1 || l->number != 1 || l->pid != 0 ||
	    l->hop->hostkeyalias != NULL ||
	    getpeername(ssh_get_fd(l->session), (struct sockaddr *)&ss,
	    &len) == -1 || getnameinfo((struct sockaddr *)&ss, len, host,
	    sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		return;
	of_address.name = host_name(host, l->hop->port);
	scan(l->hop, of_address.name, judge, &of_address);
	place_move(&v->revoked, &of_address.revoked);
	if (of_address.known.file == NULL && of_address.changed.file != NULL) {
		place_free(&v->changed);
		place_free(&v->known);
		place_move(&v->changed, &of_address.changed);
		free(v->name);
		v->name = xstrdup(of_address.name);
	}
	verdict_free(&of_address);
}

/* Notes the key and where it is known. */
static void
note_key(struct link *l, const struct verdict *v)
{
	char *text = describe(v->key);

	link_note(l, "%s%s%s", text, v->known.file == NULL ? ", accepted" :
	    " in ", v->known.file == NULL ? "" : v->known.line);
	free(text);
}

/*
 * Decides whether the key that l's server has proved to own is its own.
 * Nothing is sent to the server before that.  Returns OK, or GIVEUP after
 * saying why.
 */
int
hostkey_check(struct chain *c, struct link *l)
{
	struct verdict v = { .key = NULL };
	int status = OK;

	link_stage(l, STAGE_HOSTKEY);
	if (ssh_get_server_publickey(l->session, &v.key) != SSH_OK)
		return fail(c, l, GIVEUP, "it has shown no host key");
	l->hostkey = v.key;	/* from here on it must stay the same */
	look_up(l->hop, &v);
	look_up_address(l, &v);
	if (v.revoked.file != NULL)
		status = fail(c, l, GIVEUP, "the host key is revoked: "
		    "%s is @revoked in %s; ask who runs %s", v.revoked.key,
		    v.revoked.line, l->hop->name);
	else if (v.changed.file != NULL && v.known.file == NULL)
		status = changed(c, l, &v);
	else if ((status = check_revoked(c, l, v.key)) == OK &&
	    v.known.file == NULL)
		status = unknown(c, l, &v);
	if (status == OK)
		note_key(l, &v);
	verdict_free(&v);
	return status;
}

/* After another key exchange: is the key still the one that was checked? */
int
hostkey_same(const struct link *l)
{
	ssh_key key;
	int same;

	if (ssh_get_server_publickey(l->session, &key) != SSH_OK)
		return 0;
	same = ssh_key_cmp(key, l->hostkey, SSH_KEY_CMP_PUBLIC) == 0;
	ssh_key_free(key);
	return same;
}
