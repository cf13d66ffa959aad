/*
 * Who we are on a hop: the key files that ssh names, then the agent's keys.
 * A key file that can be read is used to sign at once, without asking the
 * server first whether it would do (a round trip), and the agent is asked for
 * its list only when no key file has done.
 */

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxyhop.h"

#define MAX_KEYS	64	/* tried on one hop */

/* One attempt to log in to a hop. */
struct login {
	struct chain	*c;
	struct link	*l;
	ssh_key		 tried[MAX_KEYS];	/* public halves */
	size_t		 ntried;
	char		*offered;	/* which keys, for the failure's line */
	char		*passed_over;	/* which not, and why */
	int		 partial;	/* a method was taken, more is wanted */
};

/* How one key went. */
enum result {
	NO,			/* refused: the next one */
	YES,			/* logged in */
	ENOUGH			/* no further key will do: see status */
};

/*
 * What a return code of ssh_userauth_*() means; an error with the session
 * alive is one key's bad luck (an agent that would not sign).
 */
static enum result
judge(struct login *login, int rc)
{
	switch (rc) {
	case SSH_AUTH_SUCCESS:
		return YES;
	case SSH_AUTH_PARTIAL:
		login->partial = 1;
		return ENOUGH;
	case SSH_AUTH_ERROR:
		return link_gone(login->l) ? ENOUGH : NO;
	default:
		return NO;
	}
}

/* Has the key been tried, or are there too many?  If not, it is now. */
static int
tried(struct login *login, ssh_key key)
{
	size_t i;

	for (i = 0; i < login->ntried; i++)
		if (ssh_key_cmp(login->tried[i], key, SSH_KEY_CMP_PUBLIC) == 0)
			return 1;
	if (login->ntried == MAX_KEYS)
		return 1;
	if (ssh_pki_export_privkey_to_pubkey(key,
	    &login->tried[login->ntried]) != SSH_OK)
		login->tried[login->ntried] = ssh_key_dup(key);
	login->ntried++;
	return 0;
}

static void
pass_over(struct login *login, const char *file, const char *why)
{
	char *s;

	s = xasprintf("%s %s", file, why);
	say_debug(1, "%s (hop %d): %s", login->l->hop->name, login->l->number,
	    s);
	words_join(&login->passed_over, ", ", s);
	free(s);
}

static void
note_offer(struct login *login, const char *name)
{
	say_debug(1, "%s (hop %d): offering %s", login->l->hop->name,
	    login->l->number, name);
	words_join(&login->offered, ", ", name);
}

/* libssh asks for a passphrase: so the key has one, and we have not. */
static int
no_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify,
    void *arg)
{
	int *encrypted = arg;

	(void)prompt;
	(void)buf;
	(void)len;
	(void)echo;
	(void)verify;
	*encrypted = 1;
	return -1;
}

/* Returns the private key in file, or NULL, with a note if it is there. */
static ssh_key
load(struct login *login, const char *file)
{
	struct stat st;
	ssh_key key = NULL;
	int encrypted = 0;

	if (stat(file, &st) == -1)
		return NULL;	/* ssh names many that need not exist */
	if (st.st_uid == getuid() && (st.st_mode & 077) != 0) {
		pass_over(login, file, "has permissions too open (chmod 600)");
		return NULL;
	}
	if (ssh_pki_import_privkey_file(file, NULL, no_passphrase, &encrypted,
	    &key) == SSH_OK)
		return key;
	if (encrypted)
		pass_over(login, file, "is encrypted (ssh-add it)");
	else if (!(strlen(file) > 4 &&
	    strcmp(file + strlen(file) - 4, ".pub") == 0))
		pass_over(login, file, "is no private key that libssh reads");
	return NULL;
}

/* Offers one private key; the chain turns until the server has answered. */
static enum result
offer(struct login *login, const char *file, ssh_key key, int *status)
{
	struct link *l = login->l;
	int rc;

	note_offer(login, file);
	while ((rc = ssh_userauth_publickey(l->session, l->hop->user, key)) ==
	    SSH_AUTH_AGAIN) {
		if ((*status = chain_turn(login->c)) != OK || link_gone(l))
			return ENOUGH;
	}
	return judge(login, rc);
}

static enum result
try_files(struct login *login, int *status)
{
	const struct words *files = &login->l->hop->identityfile;
	enum result result = NO;
	ssh_key key;
	size_t i;

	for (i = 0; i < files->n && result == NO; i++) {
		if ((key = load(login, files->v[i])) == NULL)
			continue;
		if (!tried(login, key))
			result = offer(login, files->v[i], key, status);
		ssh_key_free(key);
	}
	return result;
}

/* Is key one of the identity files', by its public half? */
static int
named(const struct hop *hop, ssh_key key)
{
	ssh_key pub;
	size_t i, len;
	char *file;
	int same = 0, rc;

	for (i = 0; i < hop->identityfile.n && !same; i++) {
		len = strlen(hop->identityfile.v[i]);
		if (len > 4 &&
		    strcmp(hop->identityfile.v[i] + len - 4, ".pub") == 0)
			file = xstrdup(hop->identityfile.v[i]);
		else
			file = xasprintf("%s.pub", hop->identityfile.v[i]);
		rc = ssh_pki_import_pubkey_file(file, &pub);
		free(file);
		if (rc != SSH_OK)
			continue;
		same = ssh_key_cmp(pub, key, SSH_KEY_CMP_PUBLIC) == 0;
		ssh_key_free(pub);
	}
	return same;
}

/* One pass over the agent's keys: those that files name, or the others. */
static enum result
try_agent_keys(struct login *login, struct agent *agent, int want_named,
    int *status)
{
	const struct hop *hop = login->l->hop;
	const struct agent_key *k;
	enum result result = NO;
	size_t i;
	int rc;

	for (i = 0; i < agent->n && result == NO; i++) {
		k = &agent->keys[i];
		if (named(hop, k->key) != want_named || tried(login, k->key))
			continue;
		note_offer(login, k->comment);
		*status = agent_login(login->c, login->l, agent, k, &rc);
		if (*status != OK)
			return ENOUGH;
		result = judge(login, rc);
	}
	return result;
}

static enum result
try_agent(struct login *login, int *status)
{
	const struct hop *hop = login->l->hop;
	struct agent agent;
	enum result result = NO;

	if ((*status = agent_open(login->c, login->l, &agent)) != OK)
		result = ENOUGH;
	if (result == NO)
		result = try_agent_keys(login, &agent, 1, status);
	if (result == NO && hop->identitiesonly != 1)
		result = try_agent_keys(login, &agent, 0, status);
	agent_close(&agent);
	return result;
}

/* Is publickey among the methods that ssh would use here? */
static int
may_publickey(const struct hop *hop)
{
	const char *methods = hop->preferredauthentications;

	if (hop->pubkeyauthentication != NULL &&
	    (strcmp(hop->pubkeyauthentication, "no") == 0 ||
	    strcmp(hop->pubkeyauthentication, "false") == 0))
		return 0;
	return methods == NULL || strstr(methods, "publickey") != NULL;
}

/* The methods that the server would still take, as it named them. */
static char *
still_taken(ssh_session session)
{
	static const struct {
		int	 method;
		const char *name;
	} names[] = {
		{ SSH_AUTH_METHOD_PUBLICKEY, "publickey" },
		{ SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive" },
		{ SSH_AUTH_METHOD_PASSWORD, "password" },
		{ SSH_AUTH_METHOD_HOSTBASED, "hostbased" },
		{ SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic" },
	};
	int taken = ssh_userauth_list(session, NULL);
	char *list = NULL;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (taken & names[i].method)
			words_join(&list, ",", names[i].name);
	return list == NULL ? xstrdup("nothing") : list;
}

/* What was offered, and what not, for the line about it. */
static char *
account(const struct login *login)
{
	char *s = NULL;

	if (login->offered != NULL)
		s = xasprintf("offered %s", login->offered);
	if (login->passed_over != NULL)
		words_join(&s, "; ", login->passed_over);
	return s == NULL ? xstrdup("there is none") : s;
}

/* The line about a login that did not succeed. */
static int
refused(struct login *login)
{
	struct link *l = login->l;
	const char *user = l->hop->user;
	char *keys, *taken, *words;
	int status = GIVEUP;

	keys = account(login);
	taken = still_taken(l->session);
	words = link_words(l);
	if (!may_publickey(l->hop))
		(void)link_fail(login->c, l, status, "publickey is switched "
		    "off, and this version does nothing else; check "
		    "PreferredAuthentications and PubkeyAuthentication");
	else if (link_gone(l))
		status = link_fail(login->c, l, login->offered == NULL ?
		    RETRY : GIVEUP, "%s, logging in as %s (%s); name the right "
		    "key with IdentityFile and IdentitiesOnly", words, user,
		    keys);
	else if (login->offered == NULL)
		(void)link_fail(login->c, l, status, "no key to offer for %s "
		    "(%s); check IdentityFile, or ssh-add one", user, keys);
	else if (login->partial)
		(void)link_fail(login->c, l, status, "the key is taken for "
		    "%s, but it also wants %s, which this version cannot do; "
		    "ask for another way in", user, taken);
	else
		(void)link_fail(login->c, l, status, "no key was taken for %s "
		    "(%s); it takes %s, this version publickey alone; check "
		    "User and IdentityFile", user, keys, taken);
	free(words);
	free(taken);
	free(keys);
	return status;
}

static void
login_free(struct login *login)
{
	while (login->ntried > 0)
		ssh_key_free(login->tried[--login->ntried]);
	free(login->offered);
	free(login->passed_over);
}

/*
 * Logs in to l's hop, whose host key has been checked.  Returns OK, or
 * another status after saying why not.
 */
int
auth(struct chain *c, struct link *l)
{
	struct login login = { .c = c, .l = l };
	enum result result = NO;
	int status = OK;

	link_stage(l, STAGE_AUTH);
	if (may_publickey(l->hop)) {
		result = try_files(&login, &status);
		if (result == NO)
			result = try_agent(&login, &status);
	}
	if (status == OK && result != YES)
		status = refused(&login);
	login_free(&login);
	return status;
}
