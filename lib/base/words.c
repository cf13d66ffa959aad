/*
 * Strings: allocated ones that cannot fail, lists of them, and text from
 * elsewhere made fit to be shown.
 */

#include <ctype.h>
#include <err.h>
#include <locale.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vis.h>
#include <wchar.h>
#include <wctype.h>

#include "base/base.h"

/* As vasprintf(3), but returns the string, which the caller frees. */
char *
xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) == -1)
		errx(RETRY, "out of memory");
	return s;
}

/* As asprintf(3), but returns the string, which the caller frees. */
char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

/* As calloc(3), never NULL. */
void *
xcalloc(size_t n, size_t size)
{
	void *p;

	if ((p = calloc(n, size)) == NULL)
		errx(RETRY, "out of memory");
	return p;
}

/* As strdup(3), never NULL unless s is. */
char *
xstrdup(const char *s)
{
	return s == NULL ? NULL : xstrndup(s, strlen(s));
}

/* As strndup(3), never NULL. */
char *
xstrndup(const char *s, size_t n)
{
	char *p;

	if ((p = strndup(s, n)) == NULL)
		errx(RETRY, "out of memory");
	return p;
}

/* Adds s to the end of w, which owns it from here on. */
void
words_add(struct words *w, char *s)
{
	if ((w->v = reallocarray(w->v, w->n + 1, sizeof(*w->v))) == NULL)
		errx(RETRY, "out of memory");
	w->v[w->n++] = s;
}

/* Empties w and frees what it held. */
void
words_free(struct words *w)
{
	while (w->n > 0)
		free(w->v[--w->n]);
	free(w->v);
	w->v = NULL;
}

/*
 * Appends s to the string *to, with the separator sep between where *to is
 * not empty.  *to may be NULL; it is replaced by an allocated string.
 */
void
words_join(char **to, const char *sep, const char *s)
{
	char *joined;

	if (*to == NULL || **to == '\0')
		joined = xstrdup(s);
	else
		joined = xasprintf("%s%s%s", *to, sep, s);
	free(*to);
	*to = joined;
}

/*
 * Would the character be seen where it stands, and take room there?  Those that
 * turn the direction of writing, have no width or look like a blank would not.
 */
static int
is_seen(wchar_t wc)
{
	static const wchar_t blank[] = { 0x00a0, 0x00ad, 0x115f, 0x1160,
	    0x2007, 0x202f, 0x2800, 0x3164, 0xffa0, 0 };

	return iswprint(wc) && !iswspace(wc) && wcwidth(wc) > 0 &&
	    wcschr(blank, wc) == NULL &&
	    !(wc >= 0x200b && wc <= 0x200f) &&
	    !(wc >= 0x202a && wc <= 0x202e) &&
	    !(wc >= 0x2060 && wc <= 0x206f);
}

/*
 * The characters of the person's locale.  The program itself stays in that of
 * C: keywords have no case but ASCII's.
 */
static locale_t
characters(void)
{
	static locale_t locale;

	if (locale == (locale_t)0)
		locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	return locale;
}

/*
 * Returns s, which may come from a stranger, as one line of printable text: the
 * characters of the locale as they are, all else through vis(3).  The caller
 * frees it.
 */
char *
words_visible(const char *s)
{
	char *text = xcalloc(strlen(s) + 1, 4), *to = text;
	locale_t was = uselocale(characters());
	mbstate_t state = { 0 };
	wchar_t wc;
	size_t n;

	while (*s != '\0') {
		if (*s >= ' ' && *s <= '~') {
			*to++ = *s++;
			continue;
		}
		n = (unsigned char)*s < 0x80 ? 0 :
		    mbrtowc(&wc, s, strlen(s), &state);
		if (n == (size_t)-1 || n == (size_t)-2 || n == 0 ||
		    !is_seen(wc)) {
			memset(&state, 0, sizeof(state));
			to = vis(to, (unsigned char)*s, VIS_OCTAL | VIS_TAB | VIS_NL |
			    VIS_NOSLASH | VIS_NOLOCALE,
			    (unsigned char)s[1]);
			s++;
		} else {
			to = mempcpy(to, s, n);
			s += n;
		}
	}
	(void)uselocale(was);
	*to = '\0';
	return text;
}

/* Copies s without blanks at its ends, and with one wherever there are more. */
static char *
fold(const char *s)
{
	char *folded = xcalloc(1, strlen(s) + 1), *to = folded;

	for (; *s != '\0'; s++)
		if (!isspace((unsigned char)*s))
			*to++ = *s;
		else if (to > folded && to[-1] != ' ')
			*to++ = ' ';
	if (to > folded && to[-1] == ' ')
		to[-1] = '\0';
	return folded;
}

/*
 * Returns what a stranger says, to stand between double quotes in a line of
 * ours: visible, at most SAID_MAX bytes, without a double quote, and without
 * the blanks that could make it look like a line of its own on a terminal.  The
 * caller frees it.
 */
char *
words_said(const char *s)
{
	char *folded = fold(s), *seen = words_visible(folded), *p;
	size_t end = SAID_MAX - strlen("...");

	free(folded);
	for (p = seen; *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	if (strlen(seen) > SAID_MAX) {
		while ((seen[end] & 0xc0) == 0x80)	/* within UTF-8 */
			end--;
		strlcpy(seen + end, "...", 4);
	}
	return seen;
}

/* Returns n bytes in base64 (RFC 4648), which the caller frees. */
char *
words_base64(const void *data, size_t n)
{
	size_t size = (n + 2) / 3 * 4 + 1;
	char *s;

	s = xcalloc(1, size);
	(void)b64_ntop(data, n, s, size);
	return s;
}

/*
 * Decodes base64 into *data, which the caller frees.  Returns how many bytes
 * there are, or -1.
 */
int
words_unbase64(const char *s, unsigned char **data)
{
	size_t size = strlen(s) / 4 * 3 + 3;
	int n;

	*data = xcalloc(1, size);
	n = b64_pton(s, *data, size);
	if (n == -1) {
		free(*data);
		*data = NULL;
	}
	return n;
}

/*
 * Takes the next word off *p, quotes as in a shell, no expansion.  Returns
 * NULL, or what is wrong with it.
 */
static const char *
next_word(const char **p, char *to)
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
 * Splits a line into words, up to a # that begins one.  Returns NULL, or what
 * is wrong with it.
 */
const char *
words_split(struct words *w, const char *line)
{
	const char *why;
	char *word;

	for (;;) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0' || *line == '#')
			return NULL;
		word = xcalloc(1, strlen(line) + 1);
		why = next_word(&line, word);
		words_add(w, word);
		if (why != NULL)
			return why;
	}
}

/*
 * Returns s as one word for a shell of the Bourne kind: between single quotes,
 * unless nothing in it means anything there.  The caller frees it.
 */
char *
words_shell(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	char *quoted, *to;

	if (*s != '\0' && s[strspn(s, plain)] == '\0')
		return xstrdup(s);
	to = quoted = xcalloc(1, strlen(s) * strlen("'\\''") + 3);
	*to++ = '\'';
	for (; *s != '\0'; s++)
		if (*s == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *s;
	*to = '\'';
	return quoted;
}
