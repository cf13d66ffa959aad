/*
 * What ssh refuses of a configuration, in words that name what was typed.
 */

#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/* The -o that was typed for keyword, or NULL if it stands in a file. */
static const struct option *
typed(const struct conf *conf, const char *keyword, const char *message)
{
	const struct option *option;

	if (strncmp(message, "command-line", 12) == 0)
		TAILQ_FOREACH(option, &conf->options, entry)
			if (conf_names(option, keyword))
				return option;
	return NULL;
}

/* The keyword that ssh, as message says, does not know, or NULL. */
static char *
unknown_keyword(const char *message)
{
	static const char said[] = "Bad configuration option: ";
	const char *word = strstr(message, said);

	return word == NULL ? NULL : xstrndup(word + strlen(said),
	    strspn(word + strlen(said), LETTERS));
}

/* Says that, if it is so, and which keyword was meant. */
static int
complain_keyword(const struct ask *ask, const char *message)
{
	const struct option *option;
	const char *nearest;
	char *name, *instead;

	if ((name = unknown_keyword(message)) == NULL)
		return 0;
	nearest = keyword_nearest(name);
	instead = nearest == NULL ? xstrdup("") :
	    xasprintf("; did you mean \"%s\"?", nearest);
	if ((option = typed(ask->conf, name, message)) != NULL)
		say("-o %s: Bad configuration option: %s%s", option->typed,
		    name, instead);
	else
		say("%s: ssh refuses its configuration: %s%s", ask->hop->name,
		    message, instead);
	free(instead);
	free(name);
	return 1;
}

/* Says that, where the hop, or the target, is to be reached through itself. */
static int
complain_loop(const struct ask *ask, const char *message)
{
	const char *name = ask->hop->name;

	if (strstr(message, "jumphost loop") == NULL)
		return 0;
	say("%s: it is its own jump host; exclude it in ssh_config: Host * !%s "
	    "(ssh says: %s)", name, name, message);
	return 1;
}

/*
 * Says why ssh has not answered ask, but ended with status, as of waitpid(2),
 * and message, one printable line; with LogLevel QUIET it is NULL.
 */
void
refusal_say(const struct ask *ask, int status, const char *message)
{
	static const char typed_line[] = "line 0: ";
	const struct hop *hop = ask->hop;
	const char *p;

	if (message != NULL && (complain_keyword(ask, message) ||
	    complain_loop(ask, message)))
		return;
	if (message != NULL && (p = strstr(message, typed_line)) != NULL)
		say("%s: ssh refuses an option: %s", hop->name,
		    p + strlen(typed_line));
	else if (message != NULL)
		say("%s: ssh refuses its configuration: %s", hop->name,
		    message);
	else
		say("%s: ssh -G ended with status %d and no message; try: "
		    "ssh -G -o LogLevel=INFO %s", hop->name,
		    WIFEXITED(status) ? WEXITSTATUS(status) : status,
		    hop->name);
}
