/*
 * Lists of strings.
 */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Adds s to the end of list, which owns it from here on. */
void
strlist_add(struct strlist *list, char *s)
{
	list->v = reallocarray(list->v, list->n + 1, sizeof(*list->v));
	if (list->v == NULL)
		errx(RETRY, "out of memory");
	list->v[list->n++] = s;
}

/* Empties list and frees what it held. */
void
strlist_free(struct strlist *list)
{
	while (list->n > 0)
		free(list->v[--list->n]);
	free(list->v);
	list->v = NULL;
}

/*
 * Copies the next argument of *p to to, and moves *p behind it.  Quotes are as
 * in a shell; nothing is expanded.  Returns NULL, or what is wrong with it.
 */
static const char *
next_argument(const char **p, char *to)
{
	const char *s = *p;
	char quote = '\0';

	for (; *s != '\0' && (quote != '\0' || strchr(" \t\r\n", *s) == NULL);
	    s++) {
		if (quote == '\0' && (*s == '"' || *s == '\''))
			quote = *s;
		else if (*s == quote)
			quote = '\0';
		else if (*s == '\\' && (quote == '\0' || (quote == '"' &&
		    (s[1] == '"' || s[1] == '\\')))) {
			if (s[1] == '\0' || s[1] == '\n')
				return "nothing after '\\'";
			*to++ = *++s;
		} else
			*to++ = *s;
	}
	*to = '\0';
	*p = s;
	return quote == '\0' ? NULL : "a quote is not closed";
}

/*
 * Splits a line into arguments, up to a # that begins one.  Returns NULL, or
 * what is wrong with it.
 */
const char *
strlist_split(struct strlist *list, const char *line)
{
	const char *why;
	char *argument;

	for (;;) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0' || *line == '#')
			return NULL;
		argument = xcalloc(1, strlen(line) + 1);
		why = next_argument(&line, argument);
		strlist_add(list, argument);
		if (why != NULL)
			return why;
	}
}
