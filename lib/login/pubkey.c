/*
 * Logging in with a key.  A key file that can be read is used to sign at once,
 * without asking the server first whether it would do (a round trip).  A
 * passphrase, or a touch, is asked for only when the server would take the
 * key.
 */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/binding.h"
#include "wire/key.h"
#include "wire/libssh.h"

/*
 * Notes a key that libssh does not offer with this algorithm, and what would
 * allow it.  That is never SHA-1: who says that the server has nothing better
 * may be somebody in between.
 */
static void
note_ruled_out(struct login *login, const struct identity *id,
    const char *algorithm)
{
	const char *allowed = login->l->hop->pubkeyacceptedalgorithms;
	char *why;

	if (*algorithm == '\0')
		why = xasprintf("is not allowed by RequiredRSASize (%d), or "
		    "not known to libssh", login->l->hop->requiredrsasize);
	else if (strncmp(algorithm, "ssh-rsa", 7) == 0 && (allowed == NULL ||
	    strstr(allowed, "rsa-sha2-") != NULL))
		why = xasprintf("is not allowed: the server takes it by %s "
		    "alone, and is too old, or somebody is in between",
		    algorithm);
	else
		why = xasprintf("is not allowed by PubkeyAcceptedAlgorithms; "
		    "to allow it, in ssh_config: Host %s, "
		    "PubkeyAcceptedAlgorithms +%s", login->l->hop->name,
		    strncmp(algorithm, "ssh-rsa", 7) == 0 ? "rsa-sha2-512" :
		    algorithm);
	auth_ignore(login, id->name, why);
	free(why);
}

/*
 * Notes a key and how it went, by name and fingerprint: a person can look both
 * up.  A refusal by the server has told what else it takes.
 */
static void
note_offer(struct login *login, const struct identity *id, int rc)
{
	char *print, *seen, *s;

	if (rc == SSH_AUTH_DENIED &&
	    (s = libssh_ruled_out(login->l)) != NULL) {
		note_ruled_out(login, id, s);
		free(s);
		return;
	}
	if ((rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL) &&
	    ssh_userauth_list(login->l->session, NULL) != 0)
		login->listed = 1;
	login->noffered++;
	print = key_fingerprint(id->shown);
	seen = str_visible(id->name);
	s = xasprintf("%s %s", seen, print);
	free(seen);
	free(print);
	link_tell(login->l, 2, "offered %s", s);
	if (login->offered == NULL || strstr(login->offered, s) == NULL)
		str_append(&login->offered, ", ", s);
	free(login->last);
	login->last = s;
}

/* Offers a private key; the chain turns until the server has answered. */
static enum result
offer(struct login *login, const struct identity *id, ssh_key key)
{
	const struct link *l = login->l;
	int rc;

	while ((rc = ssh_userauth_publickey(l->session, l->hop->user, key)) ==
	    SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	note_offer(login, id, rc);
	return auth_judge(login, rc);
}

/* Would the server take the key? */
static enum result
probe(struct login *login, const struct identity *id)
{
	const struct link *l = login->l;
	int rc;

	while ((rc = ssh_userauth_try_publickey(l->session, l->hop->user,
	    id->shown)) == SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	if (rc != SSH_AUTH_SUCCESS)
		note_offer(login, id, rc);
	return auth_judge(login, rc);
}

/* An agent has signed, or has not, and why is what it says, or NULL. */
static enum result
judge_signed(struct login *login, const struct identity *id, int rc,
    const char *why)
{
	enum result result;
	char *s;

	note_offer(login, id, rc);
	result = auth_judge(login, rc);
	if (result != AUTH_FAILURE || rc != SSH_AUTH_ERROR)
		return result;
	s = xasprintf("would do, but the agent did not sign%s%s",
	    why == NULL ? "" : ": ", why == NULL ? "" : why);
	auth_ignore(login, id->name, s);
	free(s);
	return result;
}

static void
tell_touch(const struct login *login, const char *name)
{
	char *seen = str_visible(name);

	link_tell(login->l, 0, "touch the key %s", seen);
	free(seen);
}

/* Our own agent has opened the file, and signs. */
static enum result
try_own(struct login *login, struct identity *id)
{
	unsigned char *blob;
	int len, rc;

	if ((len = key_blob(id->shown, &blob)) == -1)
		return AUTH_FAILURE;
	if (key_in_device(id->file->public))
		tell_touch(login, id->file->name);
	rc = own_login(login, id->file, blob, len);
	free(blob);
	return judge_signed(login, id, rc, own_said(login));
}

/* The file signs; a certificate stands in place of its public half. */
static enum result
try_file(struct login *login, struct identity *id)
{
	enum result result = AUTH_FAILURE;
	ssh_key key;

	if (id->file->private == NULL) {
		if ((result = probe(login, id)) != AUTH_SUCCESS)
			return result;
		if (keyfile_unlock(login, id->file) == -1)
			return login->status == OK ? AUTH_FAILURE : AUTH_LOST;
	}
	if (id->file->owned)
		return try_own(login, id);
	if (id->source == IDENTITY_FILE)
		return offer(login, id, id->file->private);
	if ((key = ssh_key_dup(id->file->private)) != NULL &&
	    ssh_pki_copy_cert_to_privkey(id->shown, key) == SSH_OK)
		result = offer(login, id, key);
	ssh_key_free(key);
	return result;
}

/* Why an agent has not signed, as far as that is known, or NULL. */
static const char *
unsigned_by(struct login *login, const struct identity *id)
{
	if (identity_restricted(login, id))
		return "it is restricted to other hosts; add this one with "
		    "ssh-add -h";
	if (binding_of(login->l)->key == NULL && id->holder == &login->agent)
		return "a key that is restricted to hosts (ssh-add -h) can be "
		    "used here by ssh only";
	return NULL;
}

/*
 * An agent signs.  A person is told to touch a key, or asked for the PIN of a
 * token, only where that will do some good: the server is asked first, which
 * costs little beside that.
 */
static enum result
try_agent(struct login *login, struct identity *id)
{
	int device = key_in_device(id->held->key), len, rc;
	enum result result;
	unsigned char *blob;

	if ((device || id->holder != &login->agent) &&
	    (result = probe(login, id)) != AUTH_SUCCESS)
		return result;
	if (own_unlock(login, id->holder) == -1)
		return login->status == OK ? AUTH_FAILURE : AUTH_LOST;
	if (device)
		tell_touch(login, id->held->comment);
	if ((len = key_blob(id->shown, &blob)) == -1)
		return AUTH_FAILURE;
	rc = agent_login(login, id->holder, id->held, blob, len);
	free(blob);
	return judge_signed(login, id, rc, rc == SSH_AUTH_ERROR ?
	    unsigned_by(login, id) : NULL);
}

/* The server has taken the key, which decides what we may do there. */
static void
note_credential(struct login *login, const struct identity *id)
{
	struct credential *credential = &login->credential;

	free(credential->key);
	credential->key = xstrdup(login->last);
	credential->certificate = key_is_certificate(id->shown);
}

static enum result
try_identity(struct login *login, struct identity *id)
{
	enum result result;

	if (id->shown == NULL)
		return identity_reveal(login, id) == 0 ||
		    login->status == OK ? AUTH_FAILURE : AUTH_LOST;
	if (id->held != NULL && id->holder->fd != -1 &&
	    (id->file == NULL || id->file->private == NULL))
		result = try_agent(login, id);
	else
		result = try_file(login, id);
	id->state = result == AUTH_SUCCESS || result == AUTH_PARTIAL ?
	    KEY_ACCEPTED : KEY_REFUSED;
	if (id->state == KEY_ACCEPTED) {
		note_credential(login, id);
		addkey(login, id);
	}
	return result;
}

/* Is a key of any use, by all that the server has said so far? */
static int
keys_wanted(const struct login *login)
{
	return !login->let_in && auth_takes(login, SSH_AUTH_METHOD_PUBLICKEY);
}

/*
 * Offers one key after another.  Returns how it ended; a chain that has failed
 * leaves its status in login.
 */
enum result
pubkey_login(struct login *login)
{
	enum result result = AUTH_FAILURE;
	struct identity *id;

	while (result == AUTH_FAILURE && keys_wanted(login) &&
	    (id = identity_next(login)) != NULL)
		result = try_identity(login, id);
	return login->status == OK ? result : AUTH_LOST;
}
