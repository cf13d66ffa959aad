/*
 * The settings of a hop, by the names ssh_config(5) gives them: one row each.
 */

#include <stdlib.h>
#include <string.h>

#include "proxyhop.h"

enum kind {
	STRING,
	LINES,			/* may come several times, in order */
	FILES,			/* several on one line; none: no file */
	NUMBER,
	SECONDS,		/* none: 0 */
	YESNO
};

struct keyword {
	const char	*name;		/* lower case, as ssh -G prints it */
	enum kind	 kind;
	size_t		 offset;	/* in struct hop */
};

#define ROW(name, kind)	{ #name, kind, offsetof(struct hop, name) }

static const struct keyword keywords[] = {
	ROW(addressfamily, STRING),
	ROW(bindaddress, STRING),
	ROW(ciphers, STRING),
	ROW(connecttimeout, SECONDS),
	ROW(globalknownhostsfile, FILES),
	ROW(hashknownhosts, YESNO),
	ROW(hostkeyalgorithms, STRING),
	ROW(hostkeyalias, STRING),
	ROW(hostname, STRING),
	ROW(identitiesonly, YESNO),
	ROW(identityagent, STRING),
	ROW(identityfile, LINES),
	ROW(kexalgorithms, STRING),
	ROW(macs, STRING),
	ROW(port, NUMBER),
	ROW(preferredauthentications, STRING),
	ROW(proxycommand, STRING),
	ROW(proxyjump, STRING),
	ROW(pubkeyacceptedalgorithms, STRING),
	ROW(pubkeyauthentication, STRING),
	ROW(rekeylimit, STRING),
	ROW(stricthostkeychecking, STRING),
	ROW(user, STRING),
	ROW(userknownhostsfile, FILES),
	{ NULL, STRING, 0 }
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

/*
 * Sets what name (any case) says to value, unless it is set already; a name
 * we have no use for is passed over.  Returns 0, or -1 for a bad value.
 */
int
keyword_set(struct hop *hop, const char *name, const char *value)
{
	const struct keyword *k;

	for (k = keywords; k->name != NULL; k++)
		if (strcasecmp(k->name, name) == 0)
			return set(hop, k, value);
	return 0;
}

/* Frees every setting of hop. */
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
}
