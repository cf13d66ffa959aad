/*
 * The settings of a hop, by the names ssh_config(5) gives them: one row each.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

enum kind {
	STRING,
	LINES,			/* may come several times, in order */
	FILES,			/* several on one line */
	NUMBER,
	SECONDS,		/* none: 0 */
	YESNO
};

struct keyword {
	const char	*name;		/* lower case, as ssh -G prints it */
	enum kind	 kind;
	int		 print;		/* with -G; not what the walk uses up */
	size_t		 offset;	/* in struct hop */
};

#define ROW(name, kind)	{ #name, kind, 1, offsetof(struct hop, name) }
#define OWN(name, kind)	{ #name, kind, 0, offsetof(struct hop, name) }

static const struct keyword keywords[] = {
	ROW(addressfamily, STRING),
	ROW(batchmode, YESNO),
	ROW(bindaddress, STRING),
	ROW(bindinterface, STRING),
	ROW(certificatefile, LINES),
	ROW(checkhostip, YESNO),
	ROW(ciphers, STRING),
	ROW(compression, YESNO),
	ROW(connectionattempts, NUMBER),
	ROW(connecttimeout, SECONDS),
	ROW(forwardcommand, STRING),
	ROW(globalknownhostsfile, FILES),
	ROW(hashknownhosts, YESNO),
	ROW(hostkeyalgorithms, STRING),
	ROW(hostkeyalias, STRING),
	ROW(hostname, STRING),
	ROW(identitiesonly, YESNO),
	ROW(identityagent, STRING),
	ROW(identityfile, LINES),
	ROW(kbdinteractiveauthentication, YESNO),
	ROW(kexalgorithms, STRING),
	ROW(knownhostscommand, STRING),
	ROW(loglevel, STRING),
	ROW(macs, STRING),
	ROW(nohostauthenticationforlocalhost, YESNO),
	ROW(numberofpasswordprompts, NUMBER),
	ROW(passwordauthentication, YESNO),
	ROW(pkcs11provider, STRING),
	ROW(port, NUMBER),
	ROW(preferredauthentications, STRING),
	ROW(proxycommand, STRING),
	OWN(proxyjump, STRING),
	OWN(proxyusefdpass, STRING),
	ROW(pubkeyacceptedalgorithms, STRING),
	ROW(pubkeyauthentication, STRING),
	ROW(rekeylimit, STRING),
	OWN(remotecommand, STRING),
	ROW(requiredrsasize, NUMBER),
	ROW(revokedhostkeys, STRING),
	ROW(serveralivecountmax, NUMBER),
	ROW(serveraliveinterval, SECONDS),
	ROW(stricthostkeychecking, STRING),
	ROW(tcpkeepalive, YESNO),
	ROW(user, STRING),
	ROW(userknownhostsfile, FILES),
	ROW(verifyhostkeydns, STRING),
	{ NULL, STRING, 0, 0 }
};

/* Names that older versions of ssh print. */
static const struct {
	const char *old, *name;
} renamed[] = {
	{ "challengeresponseauthentication", "kbdinteractiveauthentication" },
	{ "pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms" },
	{ NULL, NULL }
};

/*
 * ssh prints several names on one line, unquoted: a name goes on over a blank
 * unless what follows begins as a path does.
 */
static void
set_files(struct words *w, const char *value)
{
	const char *p, *end;

	for (p = value; *p != '\0'; p = end + strspn(end, " ")) {
		for (end = p + 1; *end != '\0'; end++)
			if (*end == ' ' && (end[1] == '/' || end[1] == '~'))
				break;
		words_add(w, xstrndup(p, end - p));
	}
}

static int
parse_number(const char *value, int *n)
{
	const char *errstr;

	*n = strtonum(value, 0, INT32_MAX, &errstr);
	return errstr == NULL ? 0 : -1;
}

static int
parse_yesno(const char *value, int *n)
{
	*n = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
	return *n || strcmp(value, "no") == 0 ||
	    strcmp(value, "false") == 0 ? 0 : -1;
}

static int
set_int(int *n, enum kind kind, const char *value)
{
	if (*n != -1)
		return 0;
	if (kind == YESNO)
		return parse_yesno(value, n);
	if (kind == SECONDS && strcmp(value, "none") == 0)
		value = "0";
	return parse_number(value, n);
}

static int
set(struct hop *hop, const struct keyword *k, const char *value)
{
	void *field = (char *)hop + k->offset;

	switch (k->kind) {
	case STRING:
		if (*(char **)field == NULL)
			*(char **)field = xstrdup(value);
		return 0;
	case LINES:
		words_add(field, xstrdup(value));
		return 0;
	case FILES:
		if (((struct words *)field)->n == 0)
			set_files(field, value);
		return 0;
	default:
		return set_int(field, k->kind, value);
	}
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

/* Makes every setting of a new or freed hop one that is not set. */
void
keyword_unset(struct hop *hop)
{
	const struct keyword *k;
	void *field;

	for (k = keywords; k->name != NULL; k++) {
		field = (char *)hop + k->offset;
		if (k->kind == STRING)
			*(char **)field = NULL;
		else if (k->kind == LINES || k->kind == FILES)
			*(struct words *)field = (struct words){ NULL, 0 };
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
		if (k->kind == STRING)
			free(*(char **)field);
		else if (k->kind == LINES || k->kind == FILES)
			words_free(field);
	}
	keyword_unset(hop);
}

static void
each_words(const struct keyword *k, const struct words *w,
    void (*fn)(const char *, size_t, const char *, void *), void *arg)
{
	char *line = NULL;
	size_t i;

	for (i = 0; i < w->n; i++)
		if (k->kind == LINES)
			fn(k->name, i, w->v[i], arg);
		else
			words_join(&line, " ", w->v[i]);
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
		else if (k->kind == STRING && *(char *const *)field != NULL)
			fn(k->name, 0, *(char *const *)field, arg);
		else if (k->kind == YESNO && *(const int *)field != -1)
			fn(k->name, 0, *(const int *)field ? "yes" : "no",
			    arg);
		else if (k->kind != STRING && k->kind != YESNO &&
		    *(const int *)field != -1) {
			snprintf(number, sizeof(number), "%d",
			    *(const int *)field);
			fn(k->name, 0, number, arg);
		}
	}
}
