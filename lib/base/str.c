/*
 * Strings: allocation that does not fail, text from elsewhere made printable,
 * base64, and quoting for a shell.
 */

#include <ctype.h>
#include <err.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vis.h>
#include <wchar.h>
#include <wctype.h>

#include "base/base.h"

/* RFC 4648, 4 */
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

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

/*
 * Appends s to the string *to, with the separator sep between where *to is
 * not empty.  *to may be NULL; it is replaced by an allocated string.
 */
void
str_append(char **to, const char *sep, const char *s)
{
	char *joined;

	if (*to == NULL || **to == '\0')
		joined = xstrdup(s);
	else
		joined = xasprintf("%s%s%s", *to, sep, s);
	free(*to);
	*to = joined;
}

/* Is there something in s before end, which is the end of it? */
int
str_ends_in(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len > n && strcmp(s + len - n, end) == 0;
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
str_visible(const char *s)
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
			to = vis(to, (unsigned char)*s, VIS_OCTAL | VIS_TAB |
			    VIS_NL | VIS_NOSLASH | VIS_NOLOCALE,
			    (unsigned char)s[1]);
			s++;
		} else {
			memcpy(to, s, n);
			to += n;
			s += n;
		}
	}
	(void)uselocale(was);
	*to = '\0';
	return text;
}

/*
 * Returns the length of the character at s, and leaves it in *wc, or 0 there if
 * the byte is none in this locale.
 */
static size_t
decode(const char *s, wchar_t *wc)
{
	mbstate_t state = { 0 };
	size_t n = mbrtowc(wc, s, strlen(s), &state);

	if (n != 0 && n != (size_t)-1 && n != (size_t)-2)
		return n;
	*wc = 0;
	return 1;
}

/* Returns the length of the character at s, and adds to *columns its width. */
static size_t
one_character(const char *s, size_t *columns)
{
	wchar_t wc;
	size_t n = decode(s, &wc);

	if (wc == 0)
		++*columns;
	else
		*columns += wcwidth(wc) > 0 ? wcwidth(wc) : 0;
	return n;
}

/* Returns how many columns of a terminal s takes. */
size_t
str_columns(const char *s)
{
	locale_t was = uselocale(characters());
	size_t columns = 0;

	while (*s != '\0')
		s += one_character(s, &columns);
	(void)uselocale(was);
	return columns;
}

/* Appends the n bytes at s as a line, without the blanks at their end. */
static void
add_piece(char **to, const char *s, size_t n)
{
	char *piece;

	while (n > 0 && s[n - 1] == ' ')
		n--;
	if (n == 0)
		return;
	piece = xstrndup(s, n);
	str_append(to, "\n", piece);
	free(piece);
}

/* Returns a stranger's line, printable, at most QUOTE_MAX columns of it. */
static char *
cut_line(const char *s)
{
	char *line = xstrdup(s), *seen, *p;
	size_t columns = 0;

	for (p = line; *p != '\0'; p++)
		if (*p == '\t')
			*p = ' ';
	p = seen = str_visible(line);
	free(line);
	while (*p != '\0' && columns < QUOTE_MAX)
		p += one_character(p, &columns);
	*p = '\0';
	return seen;
}

/*
 * Appends to the lines in *to (NULL: none) what a stranger says in one line,
 * printable and cut, in pieces of at most width columns, none if it is blank.
 * It is broken at blanks alone: a word may be wider, but what the terminal then
 * begins a line with is only a part of that.
 */
void
str_wrap(char **to, const char *s, size_t width)
{
	char *seen, *p, *start, *blank = NULL;
	locale_t was = uselocale(characters());
	size_t columns = 0;

	for (p = start = seen = cut_line(s); *p != '\0';) {
		if (*p == ' ' && p > start)
			blank = p;
		p += one_character(p, &columns);
		if (columns <= width || blank == NULL)
			continue;
		add_piece(to, start, blank - start);
		p = start = blank + strspn(blank, " ");
		columns = 0;
		blank = NULL;
	}
	add_piece(to, start, p - start);
	(void)uselocale(was);
	free(seen);
}

/*
 * Returns a copy of s without blanks at its ends, and with one wherever there
 * are more, which the caller frees.
 */
char *
str_fold(const char *s)
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
 * Returns what a stranger says, for a quotation between double quotes in a
 * message: printable, at most QUOTE_MAX bytes, without a double quote, and
 * without the blanks that could make it look like a line of its own on a
 * terminal.  The caller frees it.
 */
char *
str_quote(const char *s)
{
	char *folded = str_fold(s), *seen = str_visible(folded), *p;
	size_t end = QUOTE_MAX - strlen("...");

	free(folded);
	for (p = seen; *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	if (strlen(seen) > QUOTE_MAX) {
		while ((seen[end] & 0xc0) == 0x80)	/* within UTF-8 */
			end--;
		strlcpy(seen + end, "...", 4);
	}
	return seen;
}

/* Returns n bytes in base64, which the caller frees. */
char *
str_base64(const void *data, size_t n)
{
	const unsigned char *p = data;
	char *s = xcalloc(1, (n + 2) / 3 * 4 + 1), *out = s;
	uint32_t bits;
	size_t i, left;

	for (i = 0; i < n; i += 3) {
		left = n - i;
		bits = (uint32_t)p[i] << 16;
		bits |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		bits |= left > 2 ? p[i + 2] : 0;
		*out++ = base64[bits >> 18];
		*out++ = base64[bits >> 12 & 63];
		*out++ = left > 1 ? base64[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? base64[bits & 63] : '=';
	}
	return s;
}

/*
 * Decodes base64 into *data, which the caller frees.  Returns how many bytes
 * there are; or -1, with NULL in *data, for what is not base64 to its end, has
 * not all of its padding, or bits left over that are not 0.
 */
int
str_unbase64(const char *s, unsigned char **data)
{
	size_t len = strlen(s), digits = strspn(s, base64), i;
	size_t padding = strspn(s + digits, "=");
	uint32_t bits = 0;
	int n = 0;

	*data = NULL;
	if (len % 4 != 0 || digits + padding != len || padding > 2 ||
	    len > INT_MAX)
		return -1;
	*data = xcalloc(1, len / 4 * 3 + 1);
	for (i = 0; i < digits; i++) {
		bits = bits << 6 | (uint32_t)(strchr(base64, s[i]) - base64);
		if (i % 4 != 0)
			(*data)[n++] = bits >> (6 - i % 4 * 2);
	}
	if ((padding == 2 && bits & 15) || (padding == 1 && bits & 3)) {
		free(*data);
		*data = NULL;
		return -1;
	}
	return n;
}

/*
 * Returns s as one argument for a Bourne shell: between single quotes, unless
 * nothing in it means anything there.  The caller frees it.
 */
char *
str_shell(const char *s)
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

/* Writes a UTF-16 code unit as JSON has it; returns what is behind it. */
static char *
put_unit(char *to, unsigned unit)
{
	return to + snprintf(to, sizeof("\\u0000"), "\\u%04x", unit);
}

/* Writes a character as JSON has it, in ASCII; returns what is behind it. */
static char *
put_json(char *to, wchar_t wc)
{
	uint32_t u = wc == 0 ? 0xfffd : (uint32_t)wc;	/* U+FFFD: none */

	if (u > 0xffff) {
		to = put_unit(to, 0xd800 + (u - 0x10000) / 0x400);
		return put_unit(to, 0xdc00 + u % 0x400);
	}
	if (u < ' ' || u > '~')
		return put_unit(to, u);
	if (u == '"' || u == '\\')
		*to++ = '\\';
	*to++ = u;
	return to;
}

/*
 * Returns s as a string of JSON (RFC 8259, 7), which the caller frees.  It is
 * ASCII: JSON is UTF-8, and the characters of s are those of the locale.
 */
char *
str_json(const char *s)
{
	char *text = xcalloc(strlen(s) + 1, strlen("\\u0000")), *to = text;
	locale_t was = uselocale(characters());
	wchar_t wc;

	*to++ = '"';
	while (*s != '\0') {
		s += decode(s, &wc);
		to = put_json(to, wc);
	}
	*to = '"';
	(void)uselocale(was);
	return text;
}
