/*
 * The commands of a hop with their %tokens expanded: the ProxyCommand as ssh
 * does it, and our own ForwardCommand, whose shell is somebody else's.
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/* What the %tokens of a command stand for; NULL: no such token there. */
struct tokens {
	const char	*host, *name, *user, *alias;
	int		 port;
};

/* Writes what %c stands for; returns -1 if that is nothing we know. */
static int
token(FILE *to, const struct tokens *t, int c)
{
	if (c == '%')
		fputc('%', to);
	else if (c == 'h')
		fputs(t->host, to);
	else if (c == 'p')
		fprintf(to, "%d", t->port);
	else if (c == 'k' && t->alias != NULL)
		fputs(t->alias, to);
	else if (c == 'n' && t->name != NULL)
		fputs(t->name, to);
	else if (c == 'r' && t->user != NULL)
		fputs(t->user, to);
	else
		return -1;
	return 0;
}

/* Returns the command, or NULL if it has a token that is none. */
static char *
expand(const char *text, const struct tokens *t)
{
	FILE *to;
	char *command = NULL;
	size_t len;
	int rc = 0;

	if ((to = open_memstream(&command, &len)) == NULL)
		errx(RETRY, "out of memory");
	for (; rc == 0 && *text != '\0'; text++)
		if (*text == '%')
			rc = token(to, t, *++text);
		else
			fputc(*text, to);
	if (fclose(to) != 0)
		errx(RETRY, "out of memory");
	if (rc == 0)
		return command;
	free(command);
	return NULL;
}

/*
 * Returns hop's ProxyCommand with its tokens expanded as ssh does it, or NULL
 * if it has one that is none.  The caller frees it.
 */
char *
tokens_proxy(const struct hop *hop)
{
	struct tokens t = { hop->hostname, hop->name, hop->user,
	    hop->hostkeyalias != NULL ? hop->hostkeyalias : hop->name,
	    hop->port };

	return expand(hop->proxycommand, &t);
}

/*
 * Returns hop's ForwardCommand for host and port, or NULL if it has none.
 * Nothing is quoted for the shell there: hop_bad_host() has let no name through
 * that has a meaning in any.  The caller frees it.
 */
char *
tokens_forward(const struct hop *hop, const char *host, int port)
{
	struct tokens t = { .host = host, .port = port };

	return hop->forwardcommand == NULL ? NULL :
	    expand(hop->forwardcommand, &t);
}

/*
 * Can hop's commands be expanded?  Returns 0, or -1 after saying which one
 * cannot.
 */
int
tokens_check(const struct hop *hop)
{
	char *proxy, *forward;
	int rc = 0;

	if (hop->proxycommand != NULL) {
		if ((proxy = tokens_proxy(hop)) == NULL) {
			say("%s: ProxyCommand %s: unknown %%token", hop->name,
			    hop->proxycommand);
			rc = -1;
		}
		free(proxy);
	}
	if (hop->forwardcommand != NULL && *hop->forwardcommand == '\0') {
		say("%s: ForwardCommand is empty; none is for none",
		    hop->name);
		rc = -1;
	} else if (hop->forwardcommand != NULL) {
		if ((forward = tokens_forward(hop, "", 0)) == NULL) {
			say("%s: ForwardCommand %s: only %%h, %%p and %%%% "
			    "have a meaning", hop->name, hop->forwardcommand);
			rc = -1;
		}
		free(forward);
	}
	return rc;
}
