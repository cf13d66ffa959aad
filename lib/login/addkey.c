/*
 * AddKeysToAgent: a key file that has been taken is handed to the user's agent,
 * so that the next run asks nothing.  ssh-add does it, as it knows what an agent
 * wants to hear of each kind of key.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/run.h"

/* The value as ssh -G has it: a word, seconds, or confirm and seconds. */
struct adding {
	int		 wanted;
	int		 ask;		/* a person, each time */
	int		 confirm;	/* the agent asks when it is used */
	const char	*seconds;	/* NULL: until the agent ends */
};

static struct adding
setting(const struct hop *hop)
{
	const char *value = hop->addkeystoagent;
	struct adding a = { 0 };

	if (value == NULL || strcasecmp(value, "no") == 0 ||
	    strcasecmp(value, "false") == 0)
		return a;
	a.wanted = 1;
	a.ask = strcasecmp(value, "ask") == 0;
	if (strncasecmp(value, "confirm", 7) == 0) {
		a.confirm = 1;
		value += 7 + strspn(value + 7, " ");
	}
	if (isdigit((unsigned char)*value))
		a.seconds = value;
	return a;
}

/* As ssh takes an answer: nothing, or "yes", is yes. */
static int
agreed(struct login *login, const char *file)
{
	char answer[ANSWER_MAX], *text, *seen;
	int yes = 0;

	if (!prompt_possible(login->l->hop))
		return 0;
	text = xasprintf("Add key %s to the agent (yes/no)? ", file);
	seen = str_visible(text);
	free(text);
	if (auth_ask(login, seen, 1, answer) == 0)
		yes = *answer == '\0' || strcasecmp(answer, "yes") == 0;
	free(seen);
	return yes;
}

static void
add(struct login *login, const struct key_file *f, const struct adding *a)
{
	char *options[5] = { "-qk" }, in[ANSWER_MAX + 1];
	struct run r;
	int n = 1;

	if (a->confirm)
		options[n++] = "-c";
	if (a->seconds != NULL) {
		options[n++] = "-t";
		options[n++] = (char *)a->seconds;
	}
	snprintf(in, sizeof(in), "%s%s", f->passphrase == NULL ? "" :
	    f->passphrase, f->passphrase == NULL ? "" : "\n");
	if (ssh_add(login, login->agent.path, options, f->name, in, &r) == OK)
		say_debug(1, "%s (hop %d): %s: %s%s", login->l->hop->name,
		    login->l->number, f->name, r.exit == 0 ?
		    "added to the agent" : "not added to the agent: ",
		    r.exit == 0 ? "" : r.how);
	explicit_bzero(in, sizeof(in));
	run_free(&r);
}

/* Is the passphrase of a file wanted once more, when the login is through? */
int
addkey_wanted(const struct login *login)
{
	return setting(login->l->hop).wanted;
}

/*
 * The server has taken id.  Adds its key to the user's agent if it is from a
 * file, the agent does not have it, and AddKeysToAgent says so.  That it could
 * not be added is told with -v; a chain that has failed meanwhile leaves its
 * status in login.
 */
void
addkey(struct login *login, const struct identity *id)
{
	const struct adding a = setting(login->l->hop);
	const struct key_file *f = id->file;

	if (!a.wanted || f == NULL || f->public == NULL ||
	    (f->private == NULL && !f->owned) ||
	    identity_held(login, f->public) || login->agent.fd == -1)
		return;
	if (!a.ask || agreed(login, f->name))
		add(login, f, &a);
}
