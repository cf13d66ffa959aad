/*
 * What ssh -G says that would be of a hop, and that we do not do: told of with
 * -v.  All else is the session's, or is done by the ssh that is asked.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

static const struct {
	const char	*name;		/* as ssh -G prints it */
	const char	*fine;		/* values that change nothing */
	const char	*instead;	/* what is so without it */
} rows[] = {
	{ "channeltimeout", "none", "no channel is closed for being idle" },
	{ "fingerprinthash", "sha256", "fingerprints are those of SHA256" },
	{ "gssapidelegatecredentials", "no false", "no ticket is passed on" },
	{ "kbdinteractivedevices", "", "none is named to the server" },
	{ "localcommand", "none", "it is not run" },
	{ "versionaddendum", "none", "our version is libssh's" },
	{ "visualhostkey", "no false", "no picture of the key is shown" },
	{ NULL, NULL, NULL }
};

static int
is_one_of(const char *list, const char *value)
{
	char *copy, *rest, *choice;
	int found = 0;

	copy = rest = xstrdup(list);
	while (!found && (choice = strsep(&rest, " ")) != NULL)
		found = strcasecmp(choice, value) == 0;
	free(copy);
	return found;
}

/* Notes in hop what is not done of "name value", which is no setting of it. */
void
ignored_note(struct hop *hop, const char *name, const char *value)
{
	size_t i;

	for (i = 0; rows[i].name != NULL; i++)
		if (strcasecmp(rows[i].name, name) == 0 &&
		    *value != '\0' && !is_one_of(rows[i].fine, value))
			strlist_add(&hop->ignored, xasprintf("%s %s: not for a "
			    "hop: %s", name, value, rows[i].instead));
}

/* Says what has been noted. */
void
ignored_say(const struct hop *hop)
{
	size_t i;

	for (i = 0; i < hop->ignored.n; i++)
		say_debug(1, "%s: %s", hop->name, hop->ignored.v[i]);
}
