/*
 * Keys that ssh can use and libssh cannot: in files that are sealed with
 * ciphers which libssh does not know, in security keys, and in what a PKCS#11
 * provider reaches.  An ssh-agent of our own has them, until the chain stands;
 * ssh-add fills it.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"
#include "wire/run.h"
#include "wire/key.h"

/* What a PKCS11Provider has. */
struct pkcs11 {
	struct pkcs11		*next;
	char			*provider;	/* its real path */
	struct agent		 agent;		/* our own, with its keys */
	int			 begun;		/* looked at */
	int			 locked;	/* it wants a PIN first */
	int			 given_up;	/* it has been given a wrong one */
};

/* The agent of a run, and what it has. */
struct own {
	struct keeper	*keeper;
	struct agent	 agent;		/* the connection for files' keys */
	struct pkcs11	*tokens;
};

/* A path in a list of patterns (ssh-agent -P). */
static void
allow(char **list, const char *provider)
{
	char *path, *p;

	if (provider == NULL || (path = realpath(provider, NULL)) == NULL)
		return;
	for (p = path; *p != '\0'; p++)
		if (strchr(",*?", *p) != NULL)
			*p = '?';
	str_append(list, ",", path);
	free(path);
}

/*
 * SecurityKeyProvider as ssh has it, where the name of a variable may stand for
 * it; NULL: there is none.
 */
static const char *
sk_provider(const struct hop *hop)
{
	const char *name = hop->securitykeyprovider;

	if (name == NULL)
		return "internal";
	return *name == '$' && name[1] != '\0' ? getenv(name + 1) : name;
}

/* All that any hop has: there is one agent for all of them. */
static char *
allowed(const struct plan *plan)
{
	const struct hop *hop;
	char *list = NULL;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		allow(&list, hop->pkcs11provider);
		allow(&list, sk_provider(hop));
	}
	return list;
}

static int
start(struct login *login)
{
	struct own *own = login->c->own = xcalloc(1, sizeof(*own));
	char *list = allowed(login->c->plan);

	login->status = keeper_start(login->c, list, &own->keeper);
	free(list);
	own->agent.fd = -1;
	own->agent.bound = 1;		/* its keys are for every hop */
	return login->status;
}

/*
 * Has the agent started, if it is not yet, for the key that goes by name.
 * Returns it, or NULL if there is none or the chain has failed meanwhile.
 */
static struct own *
need(struct login *login, const char *name)
{
	struct own *own;
	char *why;

	if (login->c->own == NULL && start(login) != OK)
		return NULL;
	own = login->c->own;
	/* a connection on which an answer was late is not used again */
	if (own->agent.fd == -1 && !own->keeper->over)
		own->agent.fd = agent_connect(own->keeper->standby.path);
	if (own->agent.fd != -1)
		return own;
	why = xasprintf("needs an ssh-agent of our own, which does not start "
	    "(%s)", *own->keeper->said == '\0' ? "it does not answer" :
	    own->keeper->said);
	auth_ignore(login, name, why);
	free(why);
	return NULL;
}

/*
 * Runs ssh-add for a file, with the agent that listens at socket and up to four
 * options, a NULL behind them; its passphrase with a newline, or "", is its
 * stdin, and in no argument, variable or file.  Returns as run_with().
 */
int
ssh_add(struct login *login, const char *socket, char *const options[],
    const char *file, const char *in, struct run *r)
{
	char *argv[8] = { "ssh-add" }, *program = os_program();
	char *sock = xasprintf("SSH_AUTH_SOCK=%s", socket);
	char *askpass = xasprintf("SSH_ASKPASS=%s", program == NULL ? "" :
	    program);
	char *env[] = { sock, askpass, "SSH_ASKPASS_REQUIRE=force",
	    PROMPT_ASKPASS "=", NULL };
	int n;

	for (n = 1; n < 5 && *options != NULL; n++)
		argv[n] = *options++;
	argv[n] = "--";
	argv[n + 1] = (char *)file;
	login->status = run_with(login->c, argv, env, in, r);
	free(program);
	free(sock);
	free(askpass);
	return login->status;
}

/*
 * Has our agent open the file of f with a passphrase, or "".  Returns 1 when it
 * has, 0 when that is not the right one, and -1 when none is, or the chain has
 * failed, as login's status says.
 */
int
own_open(struct login *login, struct key_file *f, const char *passphrase)
{
	const char *provider = sk_provider(login->l->hop);
	char *options[] = { "-qk", key_in_device(f->public) ? "-S" : NULL,
	    (char *)provider, NULL }, in[ANSWER_MAX + 1];
	struct own *own;
	struct run r;
	int rc = -1;

	if (options[1] != NULL && provider == NULL) {
		auth_ignore(login, f->name, "is in a device, and "
		    "SecurityKeyProvider names a variable that is not set");
		return -1;
	}
	if ((own = need(login, f->name)) == NULL)
		return -1;
	snprintf(in, sizeof(in), "%s%s", passphrase,
	    *passphrase == '\0' ? "" : "\n");
	if (ssh_add(login, own->keeper->standby.path, options, f->name, in, &r) != OK)
		;		/* the chain has failed */
	else if (r.exit == 0)
		rc = f->owned = 1;
	else if (r.said == NULL && r.exit == 1 && *passphrase != '\0')
		rc = 0;
	else
		auth_ignore(login, f->name, r.how);
	explicit_bzero(in, sizeof(in));
	run_free(&r);
	return rc;
}

/* The keys that it shows without a PIN, one a line. */
static void
parse_keys(struct pkcs11 *t, char *text)
{
	char *line, *type, *b64;
	struct agent_key *k;
	unsigned char *blob;
	int len;

	t->agent.keys = xcalloc(strlen(text) / 16 + 1, sizeof(*k));
	while ((line = strsep(&text, "\n")) != NULL) {
		k = &t->agent.keys[t->agent.n];
		if ((type = strsep(&line, " ")) == NULL ||
		    (b64 = strsep(&line, " ")) == NULL ||
		    ssh_pki_import_pubkey_base64(b64,
		    ssh_key_type_from_name(type), &k->key) != SSH_OK)
			continue;
		if ((len = str_unbase64(b64, &blob)) <= 0) {
			ssh_key_free(k->key);
			continue;
		}
		k->blob = (char *)blob;
		k->len = len;
		k->comment = str_visible(line == NULL || *line == '\0' ?
		    t->provider : line);
		t->agent.n++;
	}
}

/*
 * What is in a token can be seen, mostly, before a PIN is given.  Leaves in
 * *hidden whether it is one where it cannot.
 */
static int
look(struct login *login, struct pkcs11 *t, int *hidden)
{
	char *argv[] = { "ssh-keygen", "-D", t->provider, NULL };
	char *env[] = { "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=force",
	    NULL };
	struct run r;

	if ((login->status = run_with(login->c, argv, env, "", &r)) == OK) {
		if (r.exit == 0)
			parse_keys(t, r.out);
		*hidden = t->agent.n == 0 && r.said != NULL &&
		    strstr(r.said, "login failed") != NULL;
		if (t->agent.n == 0 && !*hidden)
			auth_ignore(login, t->provider, r.exit == 0 ?
			    "shows no key" : r.how);
	}
	run_free(&r);
	return login->status;
}

/* Has the agent load the token's keys; "" is the PIN of one that wants none. */
static int
load(struct login *login, struct pkcs11 *t, const char *pin)
{
	(void)keeper_said(login->c->own->keeper);
	return agent_add_provider(login, &t->agent, t->provider, pin);
}

static struct pkcs11 *
find(struct own *own, const char *provider)
{
	struct pkcs11 *t;

	for (t = own->tokens; t != NULL; t = t->next)
		if (strcmp(t->provider, provider) == 0)
			return t;
	t = xcalloc(1, sizeof(*t));
	t->provider = xstrdup(provider);
	t->agent.fd = agent_connect(own->keeper->standby.path);
	t->agent.bound = 1;
	t->next = own->tokens;
	own->tokens = t;
	return t;
}

/*
 * Asks for the PIN of a token, once: some lock after three wrong ones.  Returns
 * 0, or -1.
 */
static int
unlock(struct login *login, struct pkcs11 *t)
{
	char answer[ANSWER_MAX], *text, *seen, *why;
	const char *said;

	if (!t->locked || t->given_up)
		return t->given_up ? -1 : 0;
	text = xasprintf("Enter PIN for '%s': ", t->provider);
	seen = str_visible(text);
	free(text);
	t->given_up = 1;
	if (auth_ask(login, seen, 0, answer) == 0 && *answer != '\0') {
		t->given_up = !load(login, t, answer);
		explicit_bzero(answer, sizeof(answer));
	}
	free(seen);
	t->locked = t->given_up;
	if (t->given_up && login->status == OK) {
		said = keeper_said(login->c->own->keeper);
		why = xasprintf("did not take the PIN%s%s",
		    said == NULL ? "" : ": ", said == NULL ? "" : said);
		auth_ignore(login, t->provider, why);
		free(why);
	}
	return t->given_up ? -1 : 0;
}

/* The keys that the agent has of a token. */
static void
read_keys(struct login *login, struct pkcs11 *t)
{
	agent_close(&t->agent);
	login->status = agent_read(login->c, login->l, &t->agent,
	    login->c->own->keeper->standby.path);
	t->agent.bound = 1;
}

/* Finds out what is in a token, and whether it wants a PIN. */
static void
begin(struct login *login, struct pkcs11 *t)
{
	int hidden = 0;

	t->begun = 1;
	if (load(login, t, ""))
		read_keys(login, t);
	else if (login->status == OK && look(login, t, &hidden) == OK)
		t->locked = t->agent.n > 0 || hidden;
}

static int
may_ask(struct login *login, const struct pkcs11 *t)
{
	if (prompt_possible(login->l->hop))
		return 1;
	login->mute = 1;
	auth_ignore(login, t->provider, "wants a PIN, and nobody can be "
	    "asked (ssh-add -s it)");
	return 0;
}

/*
 * Returns our own agent with the keys of the hop's PKCS11Provider, which may
 * want a PIN before they sign; NULL if there are none, or the chain has failed
 * meanwhile, as login's status says.
 */
struct agent *
own_token(struct login *login)
{
	const char *name = login->l->hop->pkcs11provider;
	struct pkcs11 *t;
	struct own *own;
	char *path;

	if (name == NULL || strcmp(name, "none") == 0)
		return NULL;
	if ((path = realpath(name, NULL)) == NULL) {
		auth_ignore(login, name, "is not there (PKCS11Provider)");
		return NULL;
	}
	t = (own = need(login, name)) == NULL ? NULL : find(own, path);
	free(path);
	if (t != NULL && !t->begun)
		begin(login, t);
	if (t == NULL || login->status != OK ||
	    (t->locked && !may_ask(login, t)))
		return NULL;
	if (t->locked && t->agent.n == 0 && unlock(login, t) == 0)
		read_keys(login, t);
	return t->agent.n == 0 ? NULL : &t->agent;
}

/* As unlock(), for whatever token the agent is of. */
int
own_unlock(struct login *login, const struct agent *agent)
{
	struct own *own = login->c->own;
	struct pkcs11 *t;

	if (own != NULL)
		for (t = own->tokens; t != NULL; t = t->next)
			if (&t->agent == agent)
				return unlock(login, t);
	return 0;
}

/*
 * Logs in with the key of f, which our agent has opened, as agent_login() does.
 * A security key may want a PIN: the agent asks then, where somebody can be
 * asked.
 */
int
own_login(struct login *login, const struct key_file *f, const void *blob,
    size_t len)
{
	struct own *own = need(login, f->name);
	struct agent_key k = { .key = f->public };
	unsigned char *name;
	char *text = NULL;
	int n, rc;

	if (own == NULL || (n = key_blob(f->public, &name)) == -1)
		return SSH_AUTH_DENIED;
	k.blob = (char *)name;
	k.len = n;
	if (prompt_possible(login->l->hop))
		text = prompt_text(login->c, login->l, "");
	(void)keeper_said(own->keeper);
	keeper_allow(own->keeper, text);
	rc = agent_login(login, &own->agent, &k, blob, len);
	keeper_allow(own->keeper, NULL);
	login->mute |= rc == SSH_AUTH_ERROR && text == NULL &&
	    key_in_device(f->public);
	free(text);
	free(name);
	return rc;
}

/* What our agent has said last, or NULL; good until it is used again. */
const char *
own_said(const struct login *login)
{
	return keeper_said(login->c->own->keeper);
}

/* Ends the agent of a run, if there is one, and frees all that it had. */
void
own_end(struct chain *c)
{
	struct own *own = c->own;
	struct pkcs11 *t;

	if (own == NULL)
		return;
	c->own = NULL;
	while ((t = own->tokens) != NULL) {
		own->tokens = t->next;
		agent_close(&t->agent);
		free(t->provider);
		free(t);
	}
	agent_close(&own->agent);
	keeper_end(own->keeper);
	free(own);
}
