/*
 * Logging in with a key: the files that ssh names, then the agent's keys.  A
 * key file that can be read is used to sign at once, without asking the
 * server first whether it would do (a round trip), and the agent is asked for
 * its list only when no key file has done.  A passphrase is asked for only
 * when the server would take the key.
 */

#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/login.h"

/* A key from a file, as far as it could be read. */
struct file_key {
	const char	*file;		/* the hop's */
	ssh_key		 private;	/* NULL: encrypted, or not there */
	ssh_key		 public;	/* NULL: not there either */
	int		 encrypted;
	int		 foreign;	/* libssh has no use for its cipher */
	int		 given_up;	/* asked for its passphrase in vain */
};

/* Has the key been tried, or are there too many?  If not, it is now. */
static int
tried(struct login *login, ssh_key key)
{
	size_t i;

	for (i = 0; i < login->ntried; i++)
		if (key_same(login->tried[i], key))
			return 1;
	if (login->ntried == MAX_KEYS)
		return 1;
	if ((login->tried[login->ntried] = key_public(key)) != NULL)
		login->ntried++;
	return 0;
}

static void
pass_over(struct login *login, const char *file, const char *why)
{
	char *s;

	s = xasprintf("%s %s", file, why);
	if (login->passed_over == NULL ||
	    strstr(login->passed_over, s) == NULL) {
		say_debug(1, "%s (hop %d): %s", login->l->hop->name,
		    login->l->number, s);
		str_append(&login->passed_over, ", ", s);
	}
	free(s);
}

/*
 * Notes a key and how it went, by name and fingerprint: a person can look both
 * up.  A refusal by the server has told what else it takes.
 */
static void
note_offer(struct login *login, const char *name, ssh_key key, int rc)
{
	char *print, *seen, *s;

	if (rc == SSH_AUTH_DENIED && libssh_ruled_out(login->l)) {
		pass_over(login, name, "is not allowed by "
		    "PubkeyAcceptedAlgorithms or RequiredRSASize");
		return;
	}
	if ((rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL) &&
	    ssh_userauth_list(login->l->session, NULL) != 0)
		login->listed = 1;
	print = key_fingerprint(key);
	seen = str_visible(name);
	s = xasprintf("%s %s", seen, print);
	free(seen);
	free(print);
	say_debug(2, "%s (hop %d): offered %s", login->l->hop->name,
	    login->l->number, s);
	str_append(&login->offered, ", ", s);
	free(s);
}

/* libssh asks for a passphrase: so the key has one. */
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

static int
ends_in(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len > n && strcmp(s + len - n, end) == 0;
}

/* The public half: of FILE.pub, or of an encrypted file that shows it. */
static ssh_key
load_public(const char *file)
{
	ssh_key key = NULL;
	char *pub;
	int rc;

	pub = ends_in(file, ".pub") ? xstrdup(file) :
	    xasprintf("%s.pub", file);
	rc = ssh_pki_import_pubkey_file(pub, &key);
	free(pub);
	if (rc == SSH_OK)
		return key;
	return ssh_pki_import_pubkey_file(file, &key) == SSH_OK ? key : NULL;
}

/* The private half is of no use: notes why, if that is final. */
static void
note_unread(struct login *login, struct file_key *fk)
{
	if (fk->public != NULL && key_in_device(fk->public)) {
		fk->encrypted = 0;	/* a passphrase would be for nothing */
		pass_over(login, fk->file, "is in a device, which only an "
		    "agent can use (ssh-add it)");
	} else if (fk->foreign)
		pass_over(login, fk->file, "is sealed with a cipher that "
		    "libssh cannot open (ssh-add it)");
	else if (!fk->encrypted)
		pass_over(login, fk->file,
		    "is no private key that libssh reads");
}

/* Reads what there is of a key, with a note on what cannot be used. */
static void
load(struct login *login, const char *file, struct file_key *fk)
{
	struct stat st;
	int there = !ends_in(file, ".pub") && stat(file, &st) == 0;
	int rc = SSH_ERROR;

	memset(fk, 0, sizeof(*fk));
	fk->file = file;
	if (there && st.st_uid == getuid() && (st.st_mode & 077) != 0) {
		pass_over(login, file, "has permissions too open (chmod 600)");
		return;
	}
	if (there)
		rc = privkey_read(file, NULL, no_passphrase, &fk->encrypted,
		    &fk->private);
	fk->foreign = there && rc == SSH_EOF;
	/* later versions read what stands for a device, and then wait for it */
	if (rc == SSH_OK && !key_in_device(fk->private)) {
		if (ssh_pki_export_privkey_to_pubkey(fk->private,
		    &fk->public) != SSH_OK)
			fk->public = NULL;
		return;
	}
	if (rc == SSH_OK)
		ssh_key_free(fk->private);
	fk->private = NULL;
	fk->public = load_public(file);
	if (there)
		note_unread(login, fk);
}

static void
unload(struct file_key *fk)
{
	ssh_key_free(fk->private);	/* wipes it */
	ssh_key_free(fk->public);
}

/* Offers one private key; the chain turns until the server has answered. */
static enum result
offer(struct login *login, const char *name, ssh_key key)
{
	const struct link *l = login->l;
	int rc;

	while ((rc = ssh_userauth_publickey(l->session, l->hop->user, key)) ==
	    SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	note_offer(login, name, key, rc);
	return auth_judge(login, rc);
}

/* Would the server take the key? */
static enum result
probe(struct login *login, const char *name, ssh_key key)
{
	const struct link *l = login->l;
	int rc;

	while ((rc = ssh_userauth_try_publickey(l->session, l->hop->user,
	    key)) == SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	if (rc != SSH_AUTH_SUCCESS)
		note_offer(login, name, key, rc);
	return auth_judge(login, rc);
}

/* Asks for the passphrase until it opens the file, or once in vain. */
static int
unlock(struct login *login, struct file_key *fk)
{
	char answer[ANSWER_MAX], *text, *seen;
	int n = login->l->hop->numberofpasswordprompts;

	if (fk->given_up)
		return -1;
	text = xasprintf("Enter passphrase for key '%s': ", fk->file);
	seen = str_visible(text);
	free(text);
	for (n = n == -1 ? 3 : n; n > 0 && fk->private == NULL; n--) {
		if (auth_ask(login, seen, 0, answer) == -1 ||
		    *answer == '\0')
			break;
		if (privkey_read(fk->file, answer, NULL, NULL, &fk->private) !=
		    SSH_OK)
			fk->private = NULL;
		explicit_bzero(answer, sizeof(answer));
	}
	free(seen);
	if ((fk->given_up = fk->private == NULL))
		pass_over(login, fk->file, login->mute ?
		    "is encrypted, and nobody can be asked (ssh-add it)" :
		    "was not unlocked");
	return fk->private == NULL ? -1 : 0;
}

/* The key with a certificate in place of its public half. */
static enum result
offer_certified(struct login *login, struct file_key *fk, const char *file,
    ssh_key cert)
{
	enum result result;
	ssh_key key;

	if (fk->private == NULL) {
		if ((result = probe(login, file, cert)) != YES)
			return result;
		if (unlock(login, fk) == -1)
			return login->status == OK ? NO : LOST;
	}
	if ((key = ssh_key_dup(fk->private)) == NULL ||
	    ssh_pki_copy_cert_to_privkey(cert, key) != SSH_OK) {
		ssh_key_free(key);
		return NO;
	}
	result = offer(login, file, key);
	ssh_key_free(key);
	return result;
}

/* A certificate file, if it is there and for this key. */
static enum result
try_certificate(struct login *login, struct file_key *fk, const char *file)
{
	enum result result = NO;
	struct stat st;
	ssh_key cert;

	if (stat(file, &st) == -1)
		return NO;
	if (ssh_pki_import_cert_file(file, &cert) != SSH_OK) {
		pass_over(login, file, "is no certificate that libssh reads");
		return NO;
	}
	if (key_certifies(cert, fk->public) && !tried(login, cert))
		result = offer_certified(login, fk, file, cert);
	ssh_key_free(cert);
	return result;
}

/* CertificateFile's, and the one that lies beside the key. */
static enum result
try_certificates(struct login *login, struct file_key *fk)
{
	const struct strlist *files = &login->l->hop->certificatefile;
	enum result result = NO;
	char *file;
	size_t i;

	for (i = 0; i < files->n && result == NO; i++)
		result = try_certificate(login, fk, files->v[i]);
	if (result == NO) {
		file = xasprintf("%s-cert.pub", fk->file);
		result = try_certificate(login, fk, file);
		free(file);
	}
	return result;
}

/* An encrypted key that the agent has open needs no passphrase. */
static int
agent_has(struct login *login, ssh_key key)
{
	size_t i;

	if (!login->agent_asked) {
		login->status = agent_open(login->c, login->l,
		    &login->agent);
		login->agent_asked = 1;
	}
	for (i = 0; i < login->agent.n; i++)
		if (ssh_key_cmp(login->agent.keys[i].key, key,
		    SSH_KEY_CMP_PUBLIC) == 0)
			return 1;
	return 0;
}

/*
 * Is this a key that the file, not the agent, signs with?  PEM shows nothing
 * of an encrypted key: then it is opened before the server is asked.
 */
static int
usable(struct login *login, struct file_key *fk)
{
	if (fk->private != NULL)
		return 1;
	if (!fk->encrypted)
		return 0;
	if (fk->public != NULL)
		return !agent_has(login, fk->public) && login->status == OK;
	return unlock(login, fk) == 0 && ssh_pki_export_privkey_to_pubkey(
	    fk->private, &fk->public) == SSH_OK;
}

static enum result
try_file(struct login *login, struct file_key *fk)
{
	enum result result;

	if (!usable(login, fk))
		return login->status == OK ? NO : LOST;
	if ((result = try_certificates(login, fk)) != NO ||
	    tried(login, fk->public))
		return result;
	if (fk->private == NULL) {
		if ((result = probe(login, fk->file, fk->public)) != YES)
			return result;
		if (unlock(login, fk) == -1)
			return login->status == OK ? NO : LOST;
	}
	return offer(login, fk->file, fk->private);
}

/* Is a key of any use, by all that the server has said so far? */
static int
keys_wanted(const struct login *login)
{
	return !login->listed || (ssh_userauth_list(login->l->session, NULL) &
	    SSH_AUTH_METHOD_PUBLICKEY);
}

static enum result
try_files(struct login *login)
{
	const struct strlist *files = &login->l->hop->identityfile;
	enum result result = NO;
	struct file_key fk;
	size_t i;

	for (i = 0; i < files->n && result == NO && keys_wanted(login); i++) {
		load(login, files->v[i], &fk);
		result = try_file(login, &fk);
		unload(&fk);
	}
	return result;
}

/* Is key one of the identity files', by its public half? */
static int
named(const struct hop *hop, ssh_key key)
{
	ssh_key pub;
	size_t i;
	int same = 0;

	for (i = 0; i < hop->identityfile.n && !same; i++) {
		if ((pub = load_public(hop->identityfile.v[i])) == NULL)
			continue;
		same = ssh_key_cmp(pub, key, SSH_KEY_CMP_PUBLIC) == 0 ||
		    key_certifies(key, pub);
		ssh_key_free(pub);
	}
	return same;
}

/*
 * One key of the agent.  A person is told to touch it only where that will do
 * some good: the server is asked first, which costs little beside a touch.
 */
static enum result
try_agent_key(struct login *login, const struct agent_key *k)
{
	enum result result;
	int rc;

	if (key_in_device(k->key)) {
		if ((result = probe(login, k->comment, k->key)) != YES)
			return result;
		say("%s (hop %d of %d): touch the key %s", login->l->hop->name,
		    login->l->number, login->c->plan->nhops, k->comment);
	}
	rc = agent_login(login, k, k->blob, k->len);
	note_offer(login, k->comment, k->key, rc);
	result = auth_judge(login, rc);
	if (result == NO && rc == SSH_AUTH_ERROR)
		pass_over(login, k->comment, "would do, but the agent did not "
		    "sign");
	return result;
}

/* One pass over the agent's keys: those that files name, or the others. */
static enum result
try_agent_keys(struct login *login, int want_named)
{
	const struct agent_key *k;
	enum result result = NO;
	size_t i;

	for (i = 0; i < login->agent.n && result == NO; i++) {
		if (login->agent.fd == -1 || !keys_wanted(login))
			break;
		k = &login->agent.keys[i];
		if (named(login->l->hop, k->key) == want_named &&
		    !tried(login, k->key))
			result = try_agent_key(login, k);
	}
	return result;
}

/*
 * Tries all keys once, in order.  Returns how it ended; a chain that has
 * failed leaves its status in login.
 */
enum result
pubkey_login(struct login *login)
{
	enum result result;

	if ((result = try_files(login)) != NO || !keys_wanted(login))
		return result;
	if (!login->agent_asked) {
		login->status = agent_open(login->c, login->l,
		    &login->agent);
		login->agent_asked = 1;
	}
	if (login->status != OK)
		return LOST;
	result = try_agent_keys(login, 1);
	if (result == NO && login->l->hop->identitiesonly != 1)
		result = try_agent_keys(login, 0);
	return result;
}

/* Frees the keys that were tried, the agent and the notes. */
void
pubkey_free(struct login *login)
{
	if (login->agent_asked)
		agent_close(&login->agent);
	while (login->ntried > 0)
		ssh_key_free(login->tried[--login->ntried]);
	free(login->offered);
	free(login->passed_over);
}
