/*
 * What ssh -G prints as written and ssh expands later: ~, %tokens and ${ENV}
 * in names of files (TOKENS and ENVIRONMENT VARIABLES in ssh_config(5)).
 */

#include <err.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

/*
 * Returns the user's home as the password file has it: ssh does not ask HOME
 * either.  Where that has no line for us, as in many a container, ssh gives
 * up, and HOME counts.  Empty if there is none.
 */
const char *
expand_home(void)
{
	struct passwd *pw;
	const char *home;

	if ((pw = getpwuid(getuid())) != NULL)
		return pw->pw_dir;
	home = getenv("HOME");
	return home != NULL && *home == '/' ? home : "";
}

/*
 * Returns the name of the user who runs us: that of the password file, or else
 * USER, or else the number.
 */
const char *
expand_user(void)
{
	static char number[sizeof("4294967295")];
	struct passwd *pw;
	const char *user;

	if ((pw = getpwuid(getuid())) != NULL)
		return pw->pw_name;
	if ((user = getenv("USER")) != NULL && *user != '\0')
		return user;
	snprintf(number, sizeof(number), "%u", (unsigned)getuid());
	return number;
}

static void
local_host(FILE *to, const char *until)
{
	char name[HOST_NAME_MAX + 1] = "";

	(void)gethostname(name, sizeof(name) - 1);
	name[strcspn(name, until)] = '\0';
	fputs(name, to);
}

/* Returns s with each % doubled, for what ssh expands; the caller frees it. */
char *
expand_not(const char *s)
{
	char *copy = xcalloc(2, strlen(s) + 1), *p = copy;

	for (; *s != '\0'; s++) {
		if (*s == '%')
			*p++ = '%';
		*p++ = *s;
	}
	return copy;
}

/* Writes what %c stands for; returns -1 if that is nothing we know. */
static int
token(FILE *to, const struct hop *hop, int c)
{
	switch (c) {
	case '%':
		fputc('%', to);
		break;
	case 'C':
		/* a hash that only ssh can make; plan.c has asked for it */
		if (hop->remotecommand == NULL)
			return -1;
		fputs(hop->remotecommand, to);
		break;
	case 'd':
		fputs(expand_home(), to);
		break;
	case 'h':
		fputs(hop->hostname, to);
		break;
	case 'i':
		fprintf(to, "%u", (unsigned)getuid());
		break;
	case 'k':
		fputs(hop->hostkeyalias != NULL ?
		    hop->hostkeyalias : hop->name, to);
		break;
	case 'L':
		local_host(to, ".");
		break;
	case 'l':
		local_host(to, "");
		break;
	case 'n':
		fputs(hop->name, to);
		break;
	case 'p':
		fprintf(to, "%d", hop->port);
		break;
	case 'r':
		fputs(hop->user, to);
		break;
	case 'u':
		fputs(expand_user(), to);
		break;
	default:
		return -1;
	}
	return 0;
}

/* Writes a leading ~ or ~user as a home; returns what follows, or NULL. */
static const char *
tilde(FILE *to, const char *s)
{
	struct passwd *pw;
	const char *rest;
	char *user;

	if (*s != '~')
		return s;
	rest = s + strcspn(s, "/");
	if (rest == s + 1) {
		fputs(expand_home(), to);
		return rest;
	}
	user = xstrndup(s + 1, rest - s - 1);
	pw = getpwnam(user);
	free(user);
	if (pw == NULL)
		return NULL;
	fputs(pw->pw_dir, to);
	return rest;
}

/* Writes the value of ${NAME} at s; returns what follows, or NULL. */
static const char *
variable(FILE *to, const char *s)
{
	const char *end, *value;
	char *name;

	if ((end = strchr(s, '}')) == NULL)
		return NULL;
	name = xstrndup(s + 2, end - s - 2);
	value = getenv(name);
	free(name);
	if (value == NULL)
		return NULL;
	fputs(value, to);
	return end + 1;
}

/* Writes what the caller's own %c stands for; returns -1 if it has none. */
static int
extra_token(FILE *to, const struct token *extra, int c)
{
	for (; extra != NULL && extra->c != '\0'; extra++)
		if (extra->c == c) {
			fputs(extra->value, to);
			return 0;
		}
	return -1;
}

/* Writes s with everything expanded; returns NULL or what could not be. */
static const char *
expand(FILE *to, const struct hop *hop, const char *s,
    const struct token *extra)
{
	while (*s != '\0') {
		if (strncmp(s, "${", 2) == 0) {
			if ((s = variable(to, s)) == NULL)
				return "environment variable not set";
		} else if (*s == '%') {
			if (extra_token(to, extra, s[1]) == -1 &&
			    token(to, hop, s[1]) == -1)
				return "unknown %token";
			s += 2;
		} else
			fputc(*s++, to);
	}
	return NULL;
}

/*
 * Returns name with a leading ~ expanded, or as it is if there is no such
 * user.  The caller frees it.
 */
char *
expand_tilde(const char *name)
{
	FILE *to;
	const char *rest;
	char *file = NULL;
	size_t len;

	if ((to = open_memstream(&file, &len)) == NULL)
		errx(RETRY, "out of memory");
	rest = tilde(to, name);
	fputs(rest == NULL ? name : rest, to);
	if (fclose(to) != 0)
		errx(RETRY, "out of memory");
	return file;
}

static char *
expand_string(const struct hop *hop, const char *s, int home,
    const struct token *extra, const char **why)
{
	FILE *to;
	char *text = NULL;
	size_t len;

	if ((to = open_memstream(&text, &len)) == NULL)
		errx(RETRY, "out of memory");
	if (home)
		s = tilde(to, s);
	*why = s == NULL ? "no such user" : expand(to, hop, s, extra);
	if (fclose(to) != 0)
		errx(RETRY, "out of memory");
	if (*why != NULL) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * Returns the name of a file, as ssh -G prints it for hop, with everything
 * expanded, or NULL and in *why what could not be.  The caller frees it.
 */
char *
expand_file(const struct hop *hop, const char *name, const char **why)
{
	return expand_string(hop, name, 1, NULL, why);
}

/*
 * The same for an argument of a command, in which ~ is no home, and which may
 * have the caller's own %tokens, the last of which is one of NUL.
 */
char *
expand_argument(const struct hop *hop, const char *arg,
    const struct token *extra, const char **why)
{
	return expand_string(hop, arg, 0, extra, why);
}
