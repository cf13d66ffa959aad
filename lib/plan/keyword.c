/*
 * The settings of a hop, by the names ssh_config(5) gives them: one row each.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

enum kind {
	STRING,
	LINES,			/* may come several times, in order */
	FILES,			/* several on one line */
	CHOICE,			/* one of those in the row */
	ALGORITHMS,		/* a list; with + - ^ only ssh can read it */
	TWO,			/* "bytes seconds" */
	NUMBER,
	COUNT,			/* at least 1 */
	PORT,
	SECONDS,		/* none: 0 */
	YESNO
};

struct keyword {
	const char	*name;		/* lower case, as ssh -G prints it */
	enum kind	 kind;
	int		 print;		/* with -G; not what the walk uses up */
	size_t		 offset;	/* in struct hop */
	const char	*choices;	/* of a CHOICE, with blanks between */
	const char	*instead;	/* of what makes no sense: ssh's default;
					 * NULL: it decides about trust, keys or
					 * the route, and is not guessed */
};

#define MINIMUM(a, b)	((a) < (b) ? (a) : (b))

#define AT(name)	offsetof(struct hop, name)
#define ROW(name, kind)	{ #name, kind, 1, AT(name), NULL, NULL }
#define OWN(name, kind)	{ #name, kind, 0, AT(name), NULL, NULL }
#define ELSE(name, kind, instead) \
			{ #name, kind, 1, AT(name), NULL, instead }
#define ONE(name, choices, instead) \
			{ #name, CHOICE, 1, AT(name), choices, instead }

static const struct keyword keywords[] = {
	ELSE(addkeystoagent, STRING, "no"),
	ONE(addressfamily, "any inet inet6", "any"),
	ELSE(batchmode, YESNO, "no"),
	ROW(bindaddress, STRING),
	ROW(bindinterface, STRING),
	ROW(casignaturealgorithms, STRING),
	ROW(certificatefile, LINES),
	ROW(checkhostip, YESNO),
	ROW(ciphers, ALGORITHMS),
	ELSE(compression, YESNO, "no"),
	ELSE(connectionattempts, COUNT, "1"),
	ELSE(connecttimeout, SECONDS, "none"),
	ONE(controlmaster, "yes no true false ask auto autoask", "no"),
	ROW(controlpath, STRING),
	ELSE(controlpersist, STRING, "no"),
	OWN(forkafterauthentication, STRING),
	ROW(forwardcommand, STRING),
	ROW(globalknownhostsfile, FILES),
	ELSE(gssapiauthentication, YESNO, "no"),
	ROW(gssapiclientidentity, STRING),
	ELSE(gssapikeyexchange, YESNO, "no"),
	ROW(gssapiserveridentity, STRING),
	ELSE(gssapitrustdns, YESNO, "no"),
	ELSE(hashknownhosts, YESNO, "no"),
	ELSE(hostbasedauthentication, YESNO, "no"),
	ROW(hostkeyalgorithms, ALGORITHMS),
	ROW(hostkeyalias, STRING),
	ROW(hostname, STRING),
	ROW(identitiesonly, YESNO),
	ROW(identityagent, STRING),
	ROW(identityfile, LINES),
	ROW(kbdinteractiveauthentication, YESNO),
	ROW(kexalgorithms, ALGORITHMS),
	ROW(knownhostscommand, STRING),
	ROW(logintimeout, SECONDS),
	ONE(loglevel, "QUIET SILENT FATAL ERROR INFO VERBOSE DEBUG "
	    "DEBUG1 DEBUG2 DEBUG3", "INFO"),
	ROW(macs, ALGORITHMS),
	ROW(nohostauthenticationforlocalhost, YESNO),
	ELSE(numberofpasswordprompts, NUMBER, "3"),
	ROW(passwordauthentication, YESNO),
	ROW(pkcs11provider, STRING),
	ROW(port, PORT),
	ROW(preferredauthentications, STRING),
	ROW(proxycommand, STRING),
	OWN(proxyjump, STRING),
	ELSE(proxyusefdpass, YESNO, "no"),
	ROW(pubkeyacceptedalgorithms, ALGORITHMS),
	ONE(pubkeyauthentication,
	    "yes no true false unbound host-bound", NULL),
	ELSE(rekeylimit, TWO, "0 0"),
	OWN(remotecommand, STRING),
	ROW(requiredrsasize, NUMBER),
	ROW(revokedhostkeys, STRING),
	ROW(securitykeyprovider, STRING),
	ELSE(serveralivecountmax, NUMBER, "3"),
	ELSE(serveraliveinterval, SECONDS, "0"),
	ONE(stricthostkeychecking,
	    "yes no true false off ask accept-new", NULL),
	ELSE(tcpkeepalive, YESNO, "yes"),
	ROW(user, STRING),
	ROW(userknownhostsfile, FILES),
	ONE(verifyhostkeydns, "yes no true false ask", NULL),
	{ NULL, STRING, 0, 0, NULL, NULL }
};

/* Names that older versions of ssh print. */
static const struct {
	const char *old, *name;
} renamed[] = {
	{ "challengeresponseauthentication", "kbdinteractiveauthentication" },
	{ "pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms" },
	{ NULL, NULL }
};

static int
is_file(const char *name, size_t len)
{
	char *copy = xstrndup(name, len);
	int rc = access(copy, F_OK) == 0;

	free(copy);
	return rc;
}

/* Does a path begin there, from the root or a home? */
static int
is_path(const char *s)
{
	return *s == '/' || *s == '~';
}

/*
 * ssh prints several names on one line, unquoted: a name goes on over a blank
 * unless what follows begins as a path does.  Where the names themselves do not,
 * what there is decides.  Does the name that begins at p end at end, a blank?
 */
static int
name_ends(const char *p, const char *end)
{
	const char *next = end + 1, *to = end;

	if (is_path(next))
		return 1;
	do {
		to += 1 + strcspn(to + 1, " ");
		if (is_file(p, to - p))
			return 0;
	} while (*to != '\0' && !is_path(to + 1));
	return !is_path(p) || is_file(p, end - p) ||
	    is_file(next, strcspn(next, " "));
}

static void
set_files(struct strlist *w, const char *value)
{
	const char *p, *end;

	for (p = value; *p != '\0'; p = end + strspn(end, " ")) {
		for (end = p + 1; *end != '\0'; end++)
			if (*end == ' ' && name_ends(p, end))
				break;
		strlist_add(w, xstrndup(p, end - p));
	}
}

static int
parse_number(const char *value, int least, int most)
{
	const char *errstr;
	int n = strtonum(value, least, most, &errstr);

	return errstr == NULL && isdigit((unsigned char)*value) ? n : -1;
}

/* As ssh takes a flag. */
static int
parse_yesno(const char *value)
{
	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
		return 1;
	return strcasecmp(value, "no") == 0 ||
	    strcasecmp(value, "false") == 0 ? 0 : -1;
}

static int
parse_int(enum kind kind, const char *value)
{
	if (kind == YESNO)
		return parse_yesno(value);
	if (kind == PORT)
		return parse_number(value, 1, 65535);
	if (kind == SECONDS && strcasecmp(value, "none") == 0)
		return 0;
	return parse_number(value, kind == COUNT, INT32_MAX);
}

static int
set_int(int *n, enum kind kind, const char *value)
{
	int parsed = parse_int(kind, value);

	if (parsed != -1 && *n == -1)
		*n = parsed;
	return parsed == -1 ? -1 : 0;
}

/* Returns value as the row of choices has it, or NULL; case is the same. */
static char *
choose(const char *choices, const char *value)
{
	char *copy, *rest, *choice, *found = NULL;

	copy = rest = xstrdup(choices);
	while (found == NULL && (choice = strsep(&rest, " ")) != NULL)
		if (strcasecmp(choice, value) == 0)
			found = xstrdup(choice);
	free(copy);
	return found;
}

/* Is it "bytes seconds", as ssh -G has it? */
static int
is_two(const char *value)
{
	size_t bytes = strspn(value, "0123456789"), seconds;

	if (bytes == 0 || bytes > 19 || value[bytes] != ' ')
		return 0;
	seconds = strspn(value + bytes + 1, "0123456789");
	return seconds > 0 && seconds < 10 &&
	    value[bytes + 1 + seconds] == '\0';
}

static int
set_string(char **field, const struct keyword *k, const char *value)
{
	char *copy;

	if (k->kind == CHOICE)
		copy = choose(k->choices, value);
	else if ((k->kind == ALGORITHMS && strspn(value, "+-^") > 0) ||
	    (k->kind == TWO && !is_two(value)))
		copy = NULL;
	else
		copy = xstrdup(value);
	if (copy == NULL)
		return -1;
	if (*field == NULL)
		*field = copy;
	else
		free(copy);
	return 0;
}

/* Is what a row's field holds a string? */
static int
is_string(const struct keyword *k)
{
	return k->kind == STRING || k->kind == CHOICE ||
	    k->kind == ALGORITHMS || k->kind == TWO;
}

static int
set(struct hop *hop, const struct keyword *k, const char *value)
{
	void *field = (char *)hop + k->offset;

	if (is_string(k))
		return set_string(field, k, value);
	if (k->kind == LINES)
		strlist_add(field, xstrdup(value));
	else if (k->kind != FILES)
		return set_int(field, k->kind, value);
	else if (((struct strlist *)field)->n == 0)
		set_files(field, value);
	return 0;
}

static const struct keyword *
find(const char *name)
{
	const struct keyword *k;
	size_t i;

	for (i = 0; renamed[i].old != NULL; i++)
		if (strcasecmp(renamed[i].old, name) == 0)
			name = renamed[i].name;
	for (k = keywords; k->name != NULL; k++)
		if (strcasecmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* Is name (any case) the name of a setting we have? */
int
keyword_known(const char *name)
{
	return find(name) != NULL;
}

/* How many letters a and b (any case) differ in, added and missing ones, too. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], old, up, i, j, n = strlen(b);

	if (n >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		old = row[0]++;
		for (j = 0; j < n; j++) {
			up = row[j + 1];
			old += tolower((unsigned char)a[i]) !=
			    tolower((unsigned char)b[j]);
			row[j + 1] = MINIMUM(old, MINIMUM(up, row[j]) + 1);
			old = up;
		}
	}
	return row[n];
}

/*
 * Returns the keyword that name (any case), which is none, was most likely to
 * be: it differs in half of the letters at most, and not more than three.  NULL
 * if there is none.
 */
const char *
keyword_nearest(const char *name)
{
	const struct keyword *k;
	const char *nearest = NULL;
	size_t least = MINIMUM(strlen(name) / 2, 3) + 1, n;

	for (k = keywords; k->name != NULL; k++)
		if ((n = distance(name, k->name)) < least) {
			least = n;
			nearest = k->name;
		}
	return nearest;
}

/*
 * Sets what name (any case) says to value, unless it is set already; a name
 * we have no use for is passed over.  Returns 0, or -1 for a bad value.
 */
int
keyword_set(struct hop *hop, const char *name, const char *value)
{
	const struct keyword *k = find(name);

	return k == NULL ? 0 : set(hop, k, value);
}

/*
 * Sets what name says to ssh's default, and returns that; NULL if there is none
 * that may be guessed.
 */
const char *
keyword_default(struct hop *hop, const char *name)
{
	const struct keyword *k = find(name);

	if (k == NULL || k->instead == NULL || set(hop, k, k->instead) == -1)
		return NULL;
	return k->instead;
}

/* Is it one whose value may hold blanks? */
int
keyword_is_line(const char *name)
{
	const struct keyword *k = find(name);

	return k != NULL && (k->kind == FILES || k->kind == TWO);
}

/* Is it one whose value is a line for a shell, quotes and all? */
int
keyword_is_command(const char *name)
{
	static const char suffix[] = "command";
	size_t len = strlen(name);

	return len > strlen(suffix) &&
	    strcasecmp(name + len - strlen(suffix), suffix) == 0;
}

/* Makes every setting of a new or freed hop one that is not set. */
void
keyword_unset(struct hop *hop)
{
	const struct keyword *k;
	void *field;

	for (k = keywords; k->name != NULL; k++) {
		field = (char *)hop + k->offset;
		if (is_string(k))
			*(char **)field = NULL;
		else if (k->kind == LINES || k->kind == FILES)
			*(struct strlist *)field = (struct strlist){ NULL, 0 };
		else
			*(int *)field = -1;
	}
}

/* Frees every setting of hop, and leaves them not set. */
void
keyword_free(struct hop *hop)
{
	const struct keyword *k;
	void *field;

	for (k = keywords; k->name != NULL; k++) {
		field = (char *)hop + k->offset;
		if (is_string(k))
			free(*(char **)field);
		else if (k->kind == LINES || k->kind == FILES)
			strlist_free(field);
	}
	keyword_unset(hop);
}

static void
each_words(const struct keyword *k, const struct strlist *w,
    void (*fn)(const char *, size_t, const char *, void *), void *arg)
{
	char *line = NULL;
	size_t i;

	for (i = 0; i < w->n; i++)
		if (k->kind == LINES)
			fn(k->name, i, w->v[i], arg);
		else
			str_append(&line, " ", w->v[i]);
	if (line != NULL)
		fn(k->name, 0, line, arg);
	free(line);
}

/*
 * Calls fn for each setting of hop that is set and is printed: its name, the
 * how-manieth of that name (from 0), the value as ssh -G writes it, and arg.
 */
void
keyword_each(const struct hop *hop, void (*fn)(const char *, size_t,
    const char *, void *), void *arg)
{
	const struct keyword *k;
	const void *field;
	char number[sizeof("-2147483648")];

	for (k = keywords; k->name != NULL; k++) {
		if (!k->print)
			continue;
		field = (const char *)hop + k->offset;
		if (k->kind == LINES || k->kind == FILES)
			each_words(k, field, fn, arg);
		else if (is_string(k)) {
			if (*(char *const *)field != NULL)
				fn(k->name, 0, *(char *const *)field, arg);
		} else if (k->kind == YESNO && *(const int *)field != -1)
			fn(k->name, 0, *(const int *)field ? "yes" : "no",
			    arg);
		else if (k->kind != YESNO && *(const int *)field != -1) {
			snprintf(number, sizeof(number), "%d",
			    *(const int *)field);
			fn(k->name, 0, number, arg);
		}
	}
}

/* Is the value of a setting given, and something else than none? */
int
keyword_is_set(const char *value)
{
	return value != NULL && strcasecmp(value, "none") != 0;
}
