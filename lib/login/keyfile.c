/*
 * Files with a private key: what can be read of them without a passphrase, and
 * opening them with one.
 */

#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"
#include "wire/key.h"

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

/* The same as a key; if it is a certificate, that is f's. */
static ssh_key
load_pub(struct key_file *f)
{
	ssh_key key = pubfile_find(f->name), plain;

	if (key == NULL || (plain = key_plain(key)) == NULL)
		return key;
	f->cert = key;
	return plain;
}

/* The public half: of FILE.pub, or of an encrypted file that shows it. */
static ssh_key
load_public(struct key_file *f)
{
	ssh_key key;

	if ((key = load_pub(f)) != NULL)
		return key;
	return ssh_pki_import_pubkey_file(f->name, &key) == SSH_OK ? key :
	    NULL;
}

/* What a private key shows, and FILE.pub, should that be another one. */
static void
load_halves(struct key_file *f)
{
	if (ssh_pki_export_privkey_to_pubkey(f->private, &f->public) !=
	    SSH_OK)
		f->public = NULL;
	f->beside = load_pub(f);
	if (f->beside != NULL && f->public != NULL &&
	    ssh_key_cmp(f->public, f->beside, SSH_KEY_CMP_PUBLIC) == 0) {
		ssh_key_free(f->beside);
		f->beside = NULL;
	}
}

/*
 * libssh has no use for the private half: it is in a device, or sealed with a
 * cipher that authenticates.  Notes what nothing has a use for.
 */
static void
judge_unread(struct login *login, struct key_file *f, int sealed)
{
	f->foreign = f->public != NULL && (sealed ||
	    key_in_device(f->public));
	if (sealed)
		f->encrypted = f->foreign;
	if (!f->foreign && !f->encrypted)
		auth_ignore(login, f->name,
		    "is no private key that libssh reads");
}

/*
 * Reads what can be read of the key in the file of that name, which f borrows;
 * keyfile_free() must follow.  What is of no use is noted.
 */
void
keyfile_read(struct login *login, const char *name, struct key_file *f)
{
	struct stat st;
	int there = !str_ends_in(name, ".pub") && stat(name, &st) == 0;
	int rc = SSH_ERROR;

	f->name = name;
	if (there && st.st_uid == getuid() && (st.st_mode & 077) != 0) {
		auth_ignore(login, name, "has permissions too open (chmod "
		    "600)");
		f->public = load_public(f);	/* the agent may hold it */
		return;
	}
	if (there)
		rc = privkey_read(name, NULL, no_passphrase, &f->encrypted,
		    &f->private);
	/* later versions read what stands for a device, and then wait for it */
	if (rc == SSH_OK && !key_in_device(f->private)) {
		load_halves(f);
		return;
	}
	if (rc == SSH_OK)
		ssh_key_free(f->private);
	f->private = NULL;
	f->public = load_public(f);
	if (there)
		judge_unread(login, f, rc == SSH_EOF);
}

/* Returns 1 when it opens the file, 0 when not, and -1 when none will. */
static int
try_passphrase(struct login *login, struct key_file *f, const char *answer)
{
	if (f->foreign)
		return own_open(login, f, answer);
	if (privkey_read(f->name, answer, NULL, NULL, &f->private) == SSH_OK)
		return 1;
	f->private = NULL;
	return 0;
}

/* Asks for the passphrase until it opens the file; returns as the last try. */
static int
ask_passphrase(struct login *login, struct key_file *f)
{
	char answer[ANSWER_MAX], *text, *seen;
	int n = login->l->hop->numberofpasswordprompts, rc = 0;

	text = xasprintf("Enter passphrase for key '%s': ", f->name);
	seen = str_visible(text);
	free(text);
	for (n = n == -1 ? 3 : n; n > 0 && rc == 0; n--) {
		if (auth_ask(login, seen, 0, answer) == -1 ||
		    *answer == '\0')
			break;
		rc = try_passphrase(login, f, answer);
		if (rc == 1 && login->keep_passphrases)
			f->passphrase = xstrdup(answer);
		explicit_bzero(answer, sizeof(answer));
	}
	free(seen);
	return rc;
}

/*
 * Opens the private half in f, with a passphrase from a person if it has one.
 * Returns 0, or -1 if there was none that opens it; that may be because the
 * chain has failed, as login's status says.
 */
int
keyfile_unlock(struct login *login, struct key_file *f)
{
	int rc;

	if (f->private != NULL || f->owned)
		return 0;
	rc = f->encrypted ? ask_passphrase(login, f) : own_open(login, f, "");
	if (rc == 1)
		return 0;
	f->given_up = 1;
	if (rc == 0)
		auth_ignore(login, f->name, login->mute ?
		    "is encrypted, and nobody can be asked (ssh-add it)" :
		    "was not unlocked");
	return -1;
}

/* Frees what f holds; the private half and the passphrase are wiped. */
void
keyfile_free(struct key_file *f)
{
	ssh_key_free(f->private);
	ssh_key_free(f->public);
	ssh_key_free(f->beside);
	ssh_key_free(f->cert);
	freezero(f->passphrase, f->passphrase == NULL ? 0 :
	    strlen(f->passphrase));
}
