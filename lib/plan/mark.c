/*
 * The mark in the environment of all that we start: each route that is being
 * taken there, from the outermost on, so that one that leads to itself is seen.
 */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

#define PLAIN	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
		"0123456789._-:@,/=+%"

/*
 * The route asked for, without blanks, since nobody quotes it, as in
 * Match exec "test -z $PROXYHOP".
 */
static char *
mark_text(const struct conf *conf)
{
	char *route, *p;

	route = xasprintf("%s=%s=%s:%d",
	    conf->configfile == NULL ? "" : conf->configfile,
	    conf->jump == NULL ? "" : conf->jump, conf->host, conf->port);
	for (p = route; *p != '\0'; p++)
		if (strchr(PLAIN, *p) == NULL)
			*p = '_';
	return route;
}

/*
 * Adds what conf asks for to the mark.  Returns 0, or -1 after saying that we
 * have been started for just that by ourselves, or too many times.
 */
int
mark_set(const struct conf *conf)
{
	const char *old = getenv(MARK);
	char *route = mark_text(conf), *mark, *rest, *entry;
	int depth = 0, again = 0;

	mark = rest = xstrdup(old == NULL ? "" : old);
	while ((entry = strsep(&rest, ";")) != NULL) {
		again |= strcmp(entry, route) == 0;
		depth++;
	}
	if (again || depth > MAX_HOPS)
		say("started by itself: the route to %s:%d leads through a "
		    "ProxyCommand that takes it again; exclude the jump "
		    "hosts there: Host * !gw1", conf->host, conf->port);
	free(mark);
	mark = old == NULL ? xstrdup(route) : xasprintf("%s;%s", old, route);
	if (setenv(MARK, mark, 1) == -1)
		err(RETRY, "setenv");
	free(mark);
	free(route);
	return again || depth > MAX_HOPS ? -1 : 0;
}
