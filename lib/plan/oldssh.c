/*
 * What an ssh older than 6.8, which has no -G, tells without connecting: user,
 * host name and port as part of the ControlPath that it looks for, and with -v
 * the names of the identity files, before a ProxyCommand that ends at once.
 * Tried with 5.3, 6.6 and 7.2.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

#define NOWHERE	"/nonexistent/"

/* Takes "user,host,port"; a user's name may hold a comma itself. */
static int
take_names(struct hop *hop, char *names)
{
	char *host, *port;

	if ((port = strrchr(names, ',')) == NULL)
		return -1;
	*port++ = '\0';
	if ((host = strrchr(names, ',')) == NULL)
		return -1;
	*host++ = '\0';
	return keyword_set(hop, "user", names) == -1 ||
	    keyword_set(hop, "hostname", host) == -1 ||
	    keyword_set(hop, "port", port) == -1 ? -1 : 0;
}

/* "Control socket connect(/nonexistent/user,host,port): No such ..." */
static int
ask_names(struct hop *hop, const struct question *q)
{
	static const char *const flags[] = { "-O", "check",
	    "-oControlPath=" NOWHERE "%r,%h,%p", NULL };
	char *message = ask_stderr(hop, q, flags), *from, *end;
	int rc = -1;

	if ((from = strstr(message, "(" NOWHERE)) != NULL &&
	    (end = strstr(from, "): ")) != NULL) {
		*end = '\0';
		rc = take_names(hop, from + strlen("(" NOWHERE));
	}
	free(message);
	return rc;
}

/* "debug1: identity file FILE type N", a line each. */
static void
ask_identities(struct hop *hop, const struct question *q, struct strlist *files)
{
	static const char begin[] = "debug1: identity file ";
	static const char *const flags[] = { "-v", "-oProxyCommand=false",
	    "-oControlPath=none", "-oBatchMode=yes", NULL };
	char *message = ask_stderr(hop, q, flags), *rest = message, *line, *end;

	while ((line = strsep(&rest, "\r\n")) != NULL) {
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		line += strlen(begin);
		for (end = line; strstr(end + 1, " type ") != NULL;)
			end = strstr(end + 1, " type ");
		*end = '\0';
		/* those that ssh looks for beside each */
		if (end - line < 5 || strcmp(end - 5, "-cert") != 0)
			strlist_add(files, xstrdup(line));
	}
	free(message);
}

/*
 * Sets what ssh tells of hop, and puts its identity files into files, which the
 * caller frees.  Returns 0, or -1 if it tells nothing.
 */
int
oldssh_ask(struct hop *hop, const struct question *q, struct strlist *files)
{
	if (ask_names(hop, q) == -1)
		return -1;
	ask_identities(hop, q, files);
	return 0;
}
