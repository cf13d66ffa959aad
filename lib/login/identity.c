/*
 * Which keys there are for a login, and which of them is next: those that
 * ssh_config names and that need no question, in a file or with the agent;
 * then the agent's others, then the files that ssh looks at by itself, and
 * last what needs a passphrase.  A certificate stands beside its key, whoever
 * has the private half.
 */

#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/key.h"

#define LAST	100		/* behind every rank */

static struct identity *
find(struct login *login, ssh_key shown)
{
	struct identity *id;

	TAILQ_FOREACH(id, &login->identities, entry)
		if (id->shown != NULL && key_same(id->shown, shown))
			return id;
	return NULL;
}

/* Adds what is to be shown, a copy of it; NULL if it is there already. */
static struct identity *
add(struct login *login, ssh_key shown, const char *name)
{
	struct identity *id;

	if (shown != NULL && find(login, shown) != NULL)
		return NULL;
	id = xcalloc(1, sizeof(*id));
	id->name = xstrdup(name);
	if (shown != NULL && (id->shown = key_public(shown)) == NULL)
		id->state = KEY_REFUSED;	/* libssh cannot show it */
	TAILQ_INSERT_TAIL(&login->identities, id, entry);
	return id;
}

static void
add_of_file(struct login *login, struct key_file *f, ssh_key shown,
    const char *name, enum source source)
{
	struct identity *id;

	if ((id = add(login, shown, name)) == NULL)
		return;
	id->file = f;
	id->source = source;
}

/* Returns the certificate in a file, or NULL. */
static ssh_key
read_certificate(struct login *login, const char *file)
{
	ssh_key cert = pubfile_find(file);

	if (cert != NULL && key_is_certificate(cert))
		return cert;
	if (cert != NULL || access(file, F_OK) == 0)
		auth_ignore(login, file, "is no certificate that libssh "
		    "reads");
	ssh_key_free(cert);
	return NULL;
}

/* The certificate of that name, if it is one for the key of f. */
static void
add_certificate(struct login *login, struct key_file *f, const char *file,
    enum source source)
{
	ssh_key cert;

	if ((cert = read_certificate(login, file)) == NULL)
		return;
	if (key_certifies(cert, f->public))
		add_of_file(login, f, cert, file, source);
	ssh_key_free(cert);
}

/*
 * The certificates for the key of f: CertificateFile's, or if there is none,
 * the one that lies beside it, as with ssh.
 */
static void
add_certificates(struct login *login, struct key_file *f)
{
	const struct strlist *files = &login->l->hop->certificatefile;
	int base = strlen(f->name) - (str_ends_in(f->name, ".pub") ? 4 : 0);
	static const char *const ends[] = { "-cert.pub", "-cert" };
	char *beside;
	size_t i;

	for (i = 0; i < files->n; i++)
		add_certificate(login, f, files->v[i], CERTIFICATE_FILE);
	for (i = 0; files->n == 0 && i < 2; i++) {
		beside = xasprintf("%.*s%s", base, f->name, ends[i]);
		add_certificate(login, f, beside, BESIDE_FILE);
		free(beside);
	}
}

/* What a file can show; PEM shows nothing of a key that is encrypted. */
static void
add_file(struct login *login, struct key_file *f)
{
	if (f->cert != NULL && f->public != NULL &&
	    key_certifies(f->cert, f->public))
		add_of_file(login, f, f->cert, f->name, BESIDE_FILE);
	if (f->public != NULL)
		add_certificates(login, f);
	if (f->public != NULL || f->encrypted)
		add_of_file(login, f, f->public, f->name, IDENTITY_FILE);
}

/* A CertificateFile whose key no IdentityFile is: the agent may have it. */
static void
add_others(struct login *login)
{
	const struct strlist *files = &login->l->hop->certificatefile;
	ssh_key cert;
	size_t i;

	for (i = 0; i < files->n; i++) {
		if ((cert = read_certificate(login, files->v[i])) == NULL)
			continue;
		add_of_file(login, NULL, cert, files->v[i], CERTIFICATE_FILE);
		ssh_key_free(cert);
	}
}

static void
load_files(struct login *login)
{
	const struct strlist *names = &login->l->hop->identityfile;
	struct key_file *f;
	size_t i;

	login->files = xcalloc(names->n + 1, sizeof(*login->files));
	for (i = 0; i < names->n; i++) {
		f = &login->files[login->nfiles++];
		keyfile_read(login, names->v[i], f);
		add_file(login, f);
	}
	add_others(login);
}

/* Is what the agent has key, or a certificate for it? */
static int
is_for(ssh_key held, ssh_key key)
{
	return key != NULL && (ssh_key_cmp(key, held, SSH_KEY_CMP_PUBLIC) ==
	    0 || key_certifies(held, key));
}

/* Is the agent's key, or certificate, for the key of one of the files? */
static int
named(const struct login *login, ssh_key key)
{
	const struct key_file *f;
	size_t i;

	for (i = 0; i < login->nfiles; i++) {
		f = &login->files[i];
		if (is_for(key, f->public) || is_for(key, f->beside))
			return 1;
	}
	return 0;
}

/* Only the first agent counts. */
static void
hold(struct identity *id, struct agent *agent, const struct agent_key *k)
{
	if (id->held != NULL)
		return;
	id->held = k;
	id->holder = agent;
}

/* The agent holds k: it can sign with k, and for certificates over it. */
static void
add_held(struct login *login, struct agent *agent, const struct agent_key *k)
{
	int only = login->l->hop->identitiesonly == 1, of_file;
	struct identity *id;

	TAILQ_FOREACH(id, &login->identities, entry)
		if (id->held == NULL && id->source != IDENTITY_FILE &&
		    (id->file != NULL || !only) && id->shown != NULL &&
		    key_certifies(id->shown, k->key))
			hold(id, agent, k);
	if ((id = find(login, k->key)) != NULL) {
		hold(id, agent, k);
		return;
	}
	if (!(of_file = named(login, k->key)) && only)
		return;
	if ((id = add(login, k->key, k->comment)) == NULL)
		return;
	hold(id, agent, k);
	id->source = of_file ? IDENTITY_FILE : AGENT;
}

static void
ask_agent(struct login *login)
{
	size_t i;

	login->agent_asked = 1;
	login->status = agent_open(login->c, login->l, &login->agent);
	for (i = 0; i < login->agent.n; i++)
		add_held(login, &login->agent, &login->agent.keys[i]);
}

/* What a PKCS11Provider has may want a PIN: it is looked at last. */
static void
ask_token(struct login *login)
{
	struct agent *agent = own_token(login);
	size_t i;

	login->token_asked = 1;
	for (i = 0; agent != NULL && i < agent->n; i++)
		add_held(login, agent, &agent->keys[i]);
}

/*
 * ssh -G does not tell its own list of files from one that is written: it is
 * the one with all of these, and nobody writes that.
 */
static int
own_list(const struct hop *hop)
{
	static const char *const all[] = { "/.ssh/id_rsa", "/.ssh/id_ecdsa",
	    "/.ssh/id_ed25519" };
	size_t i, n, found = 0;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (n = 0; n < hop->identityfile.n; n++)
			found += str_ends_in(hop->identityfile.v[n], all[i]);
	return found == i;
}

static int
signs(const struct identity *id)
{
	if (id->file != NULL && id->file->private != NULL)
		return 1;
	if (id->held != NULL && id->holder->fd != -1)
		return 1;
	return id->file != NULL && !id->file->given_up &&
	    (id->file->encrypted || id->file->foreign);
}

/* The order of ssh, which a server may be as patient as. */
static int
rank_of_ssh(const struct identity *id)
{
	if (id->source == CERTIFICATE_FILE)
		return 0;
	if (id->held != NULL && id->source != BESIDE_FILE)
		return id->source == AGENT ? 2 : 1;
	return 3;
}

static int
rank(const struct login *login, const struct identity *id)
{
	if (id->state == KEY_REFUSED || id->state == KEY_ACCEPTED || !signs(id))
		return LAST;
	if (id->state == KEY_STALE)
		return 10;
	if (login->returned)
		return rank_of_ssh(id);
	if (id->held != NULL && id->holder != &login->agent)
		return 6;
	if (id->held != NULL && id->source != AGENT)
		return 0;
	if (id->held != NULL)
		return 2;
	if (id->file->private == NULL && id->file->encrypted &&
	    !id->file->owned)
		return 5;
	/* what has to be touched comes behind what has not */
	if (own_list(login->l->hop))
		return id->file->private != NULL ? 3 : 4;
	return 1;
}

static struct identity *
best(struct login *login)
{
	struct identity *id, *first = NULL;
	int least = LAST, r;

	TAILQ_FOREACH(id, &login->identities, entry)
		if ((r = rank(login, id)) < least) {
			least = r;
			first = id;
		}
	return first;
}

/* Is there one file that says which key it is, so that no agent is asked? */
static int
one_file(const struct login *login)
{
	const struct key_file *f, *one = NULL;
	size_t i;

	for (i = 0; i < login->nfiles; i++) {
		f = &login->files[i];
		if (f->public == NULL && !f->encrypted)
			continue;
		if (one != NULL)
			return 0;
		one = f;
	}
	return one != NULL && one->private != NULL &&
	    !own_list(login->l->hop);
}

/*
 * Returns the key to be offered next, which stays login's, or NULL: there is
 * none, or the chain has failed meanwhile, as login's status says.  Files are
 * read when the first is wanted, and the agent is asked when it matters what it
 * holds.
 */
struct identity *
identity_next(struct login *login)
{
	struct identity *id = NULL;

	if (login->files == NULL)
		load_files(login);
	if (login->noffered >= MAX_KEYS)
		return NULL;
	if (!login->agent_asked && !login->returned && one_file(login))
		id = best(login);
	if (id == NULL && !login->agent_asked)
		ask_agent(login);
	if (id == NULL && login->status == OK)
		id = best(login);
	if (id == NULL && login->status == OK && !login->token_asked) {
		ask_token(login);
		id = login->status == OK ? best(login) : NULL;
	}
	return id;
}

/*
 * Opens a file of which nothing could be shown (PEM); what it has is then
 * among the others, and id is done with.  Returns as keyfile_unlock().
 */
int
identity_reveal(struct login *login, struct identity *id)
{
	struct key_file *f = id->file;

	id->state = KEY_REFUSED;
	if (keyfile_unlock(login, f) == -1 ||
	    ssh_pki_export_privkey_to_pubkey(f->private, &f->public) !=
	    SSH_OK)
		return -1;
	add_file(login, f);
	return 0;
}

static int
listed(const struct agent *agent, ssh_key key)
{
	size_t i;

	for (i = 0; i < agent->n; i++)
		if (key_same(agent->keys[i].key, key))
			return 1;
	return 0;
}

/*
 * The agent has not signed with id.  If it knows the session, it is asked what
 * it has for that: what it now leaves out is not offered.  Returns whether id
 * is left out.
 */
int
identity_restricted(struct login *login, const struct identity *id)
{
	struct agent *agent = &login->agent, again;
	struct identity *other;
	int restricted;

	if (id->holder != agent || !agent->bound || agent->fd == -1)
		return 0;
	if (agent_again(login, agent, &again) == -1) {
		agent_close(&again);
		return 0;
	}
	restricted = !listed(&again, id->held->key);
	TAILQ_FOREACH(other, &login->identities, entry)
		if (other->held != NULL && other->holder == agent &&
		    !listed(&again, other->held->key))
			other->state = KEY_REFUSED;
	agent_close(&again);
	return restricted;
}

/*
 * A method was taken, and the server wants more.  ssh now offers all its keys
 * again; here those that were not offered come first.
 */
void
identity_partial(struct login *login)
{
	struct identity *id;

	TAILQ_FOREACH(id, &login->identities, entry)
		if (id->state != KEY_UNTRIED && id->shown != NULL)
			id->state = KEY_STALE;
}

/* Is there a key, by all that is known, which the server has not seen? */
int
identity_left(const struct login *login)
{
	const struct identity *id;

	if (!login->agent_asked || (!login->token_asked &&
	    login->l->hop->pkcs11provider != NULL))
		return 1;
	TAILQ_FOREACH(id, &login->identities, entry)
		if (id->state == KEY_UNTRIED && signs(id))
			return 1;
	return 0;
}

/*
 * From now on, on a connection of its own, only what the server has not seen
 * is offered, in the order that ssh has, and again what it has taken.
 */
void
identity_return(struct login *login)
{
	struct identity *id;

	login->returned = 1;
	login->noffered = 0;
	agent_renew(&login->agent);
	TAILQ_FOREACH(id, &login->identities, entry)
		if (id->state == KEY_STALE)
			id->state = KEY_REFUSED;
		else if (id->state == KEY_ACCEPTED)
			id->state = KEY_UNTRIED;
}

/* Does the user's agent hold the key, with a certificate or without? */
int
identity_held(struct login *login, ssh_key key)
{
	size_t i;

	if (!login->agent_asked)
		ask_agent(login);
	for (i = 0; i < login->agent.n; i++)
		if (key_same(login->agent.keys[i].key, key))
			return 1;
	return 0;
}

/* Frees all keys, and the agent. */
void
identity_free(struct login *login)
{
	struct identity *id;

	while ((id = TAILQ_FIRST(&login->identities)) != NULL) {
		TAILQ_REMOVE(&login->identities, id, entry);
		ssh_key_free(id->shown);
		free(id->name);
		free(id);
	}
	while (login->nfiles > 0)
		keyfile_free(&login->files[--login->nfiles]);
	free(login->files);
	if (login->agent_asked)
		agent_close(&login->agent);
}
