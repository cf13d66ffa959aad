/*
 * KnownHostsCommand: a program of the user's whose output is one more file of
 * known hosts.
 */

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trust/known.h"
#include "wire/run.h"

/* Takes an argument off the command as ssh does: few bytes need a '\'. */
static const char *
take_argument(const char *s, char *to)
{
	char quote = '\0';

	for (; *s != '\0' && (quote != '\0' || (*s != ' ' && *s != '\t'));
	    s++) {
		if (*s == '\\' && s[1] != '\0' && (strchr("'\"\\", s[1]) !=
		    NULL || (quote == '\0' && s[1] == ' ')))
			*to++ = *++s;
		else if (quote == '\0' && (*s == '"' || *s == '\''))
			quote = *s;
		else if (quote != '\0' && *s == quote)
			quote = '\0';
		else
			*to++ = *s;
	}
	*to = '\0';
	return quote == '\0' ? s : NULL;
}

/* Splits command into argv; returns NULL or what is wrong. */
static const char *
split(struct strlist *argv, const char *command)
{
	char *arg;

	for (;;) {
		command += strspn(command, " \t");
		if (*command == '\0')
			return argv->n == 0 ? "no command" : NULL;
		arg = xcalloc(1, strlen(command) + 1);
		strlist_add(argv, arg);
		if ((command = take_argument(command, arg)) == NULL)
			return "a quote is not closed";
	}
}

/* Expands all arguments but the first; returns NULL or what could not be. */
static const char *
expand_all(struct strlist *argv, const struct hop *hop,
    const struct known_query *q)
{
	char *print = NULL, *text = NULL, *arg;
	const char *why = NULL, *b64 = NULL;
	struct token tokens[] = {
		{ 'H', q->name }, { 'I', q->invocation }, { 't', "NONE" },
		{ 'f', "NONE" }, { 'K', "NONE" }, { '\0', NULL }
	};
	size_t i;

	if (q->key != NULL) {
		tokens[2].value = pub_name(q->key);
		tokens[3].value = print = pub_fingerprint(q->key);
		text = pub_text(q->key);
		b64 = strchr(text, ' ') + 1;
		tokens[4].value = b64;
	}
	for (i = 1; i < argv->n && why == NULL; i++) {
		arg = expand_argument(hop, argv->v[i], tokens, &why);
		if (arg != NULL) {
			free(argv->v[i]);
			argv->v[i] = arg;
		}
	}
	free(print);
	free(text);
	return why;
}

/* As ssh: what cannot be started at all is passed over, and said. */
static const char *
no_program(const char *file)
{
	struct stat st;

	if (*file != '/')
		return "path is not absolute";
	return stat(file, &st) == -1 ? strerror(errno) : NULL;
}

/* Every line of text to those about the name of to. */
static void
take_lines(struct knowns *to, char *text)
{
	unsigned number = 0;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL)
		known_line(to, 1, line, KNOWN_COMMAND, ++number);
}

static int
run_command(struct chain *c, struct strlist *argv, struct knowns *to,
    char **why, int *late)
{
	struct run r;
	int status;

	strlist_add(argv, NULL);
	status = run_program(c, argv->v, "", &r);
	*late = r.exit == -1;
	if (status == OK && r.exit != 0)
		*why = xasprintf("KnownHostsCommand failed: %s", r.how);
	else if (status == OK)
		take_lines(to, r.out);
	run_free(&r);
	return status;
}

/*
 * Runs hop's KnownHostsCommand, if it has one, for q, and adds what it says of
 * the name in to.  Returns OK; the caller frees *why, which is NULL if it went
 * well.  Else q->late tells whether that is for want of time, q->over whether
 * ssh would go on without.  Or returns another status if the chain has failed.
 */
int
known_command(struct chain *c, const struct hop *hop, struct known_query *q,
    struct knowns *to, char **why)
{
	struct strlist argv = { NULL, 0 };
	const char *wrong;
	int status = OK;

	*why = NULL;
	q->late = q->over = 0;
	if (hop->knownhostscommand == NULL ||
	    strcasecmp(hop->knownhostscommand, "none") == 0)
		return OK;
	if ((wrong = split(&argv, hop->knownhostscommand)) != NULL ||
	    (wrong = no_program(argv.v[0])) != NULL) {
		q->over = 1;
		*why = xasprintf("KnownHostsCommand \"%s\": %s",
		    hop->knownhostscommand, wrong);
	} else if ((wrong = expand_all(&argv, hop, q)) != NULL)
		*why = xasprintf("KnownHostsCommand \"%s\": %s",
		    hop->knownhostscommand, wrong);
	else
		status = run_command(c, &argv, to, why, &q->late);
	strlist_free(&argv);
	return status;
}
