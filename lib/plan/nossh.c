/*
 * A hop's settings where there is no ssh to ask: what is typed, then what ssh
 * has for defaults.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

static const struct {
	const char *name, *value;
} defaults[] = {
	{ "port", "22" },
	{ "identityfile", "~/.ssh/id_rsa" },
	{ "identityfile", "~/.ssh/id_ecdsa" },
	{ "identityfile", "~/.ssh/id_ed25519" },
	{ "userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2" },
	{ "globalknownhostsfile",
	    "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2" },
	{ NULL, NULL }
};

/*
 * For ssh a backslash is itself, unless a quote, another or a blank follows; in
 * single quotes it is so for strlist_split(), too.  The caller frees the result.
 */
static char *
keep_backslashes(const char *value)
{
	char *copy = xcalloc(2, strlen(value) + 1), *to = copy;

	for (; *value != '\0'; value++) {
		*to++ = *value;
		if (*value != '\\')
			continue;
		if (value[1] == '\0' || strchr("'\"\\ ", value[1]) == NULL)
			*to++ = '\\';
		else
			*to++ = *++value;
	}
	return copy;
}

/* Sets key to the arguments of value: several only for names of files. */
static int
set_words(struct hop *hop, const char *key, const char *value)
{
	struct strlist w = { NULL, 0 };
	char *copy = strchr(value, '\'') != NULL ? xstrdup(value) :
	    keep_backslashes(value);
	char *line = NULL;
	size_t i;
	int rc = -1;

	if (strlist_split(&w, copy) == NULL && w.n > 0) {
		for (i = 0; i < w.n; i++)
			str_append(&line, " ", w.v[i]);
		if (w.n == 1 || keyword_is_line(key))
			rc = keyword_set(hop, key, line);
	}
	free(line);
	free(copy);
	strlist_free(&w);
	return rc;
}

/* Sets key to value, as ssh would have read it. */
static int
set_value(struct hop *hop, const char *key, const char *value)
{
	if (!keyword_known(key) || *value == '\0' ||
	    (strcasecmp(key, "User") == 0 && hop_bad_user(value) != NULL))
		return -1;
	if (keyword_is_command(key))
		return keyword_set(hop, key, value);
	return set_words(hop, key, value);
}

/* Sets what an option says. */
static int
set_option(struct hop *hop, const struct option *option)
{
	const char *nearest;
	char *key;
	int rc;

	if (option->flag == 'i')
		return keyword_set(hop, "identityfile", option->text);
	key = xstrndup(option->text, strcspn(option->text, "= \t"));
	rc = set_value(hop, key, conf_value(option));
	nearest = keyword_known(key) ? NULL : keyword_nearest(key);
	free(key);
	if (rc == -1 && nearest != NULL)
		say("-o %s: no keyword that is known without ssh; did you mean "
		    "\"%s\"?", option->typed, nearest);
	else if (rc == -1)
		say("-o %s: without ssh to ask, this means nothing",
		    option->typed);
	return rc;
}

static void
set_defaults(struct hop *hop)
{
	int own_key = hop->identityfile.n > 0;
	size_t i;

	(void)keyword_set(hop, "hostname", hop->name);
	(void)keyword_set(hop, "user", expand_user());
	for (i = 0; defaults[i].name != NULL; i++)
		if (!own_key || strcmp(defaults[i].name, "identityfile") != 0)
			(void)keyword_set(hop, defaults[i].name,
			    defaults[i].value);
}

/*
 * Sets hop, number n of the chain, from conf and the defaults alone.  Returns
 * 0, or -1 after saying which option makes no sense.
 */
int
nossh_settings(const struct conf *conf, struct hop *hop, int n)
{
	const struct option *option;
	int rc = 0;

	if (hop->typed_user != NULL)
		(void)keyword_set(hop, "user", hop->typed_user);
	if (hop->typed_port != 0)
		hop->port = hop->typed_port;
	TAILQ_FOREACH(option, &conf->options, entry)
		if (ask_concerns(option, hop, n) &&
		    set_option(hop, option) == -1)
			rc = -1;
	set_defaults(hop);
	return rc;
}
