/*
 * Private keys from files.  libssh reads a file into memory that it frees as
 * it is, and takes copies of it apart that it frees as they are: the text of a
 * key without a passphrase would lie there as long as the program runs.  So
 * the file is read here, and what was freed is written over.
 */

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"
#include "wire/watchdog.h"

#define KEY_MAX		(256 * 1024)	/* bytes of a file */
#define SMALL		1040		/* bytes: malloc(3) keeps up to this ... */
#define SPARE		8		/* ... more than so many for itself */
#define MAGIC		"openssh-key-v1"

/* Reads up to size bytes of fd; returns how many there were. */
static size_t
read_up_to(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, text + len, size - len)) > 0)
		len += n;
	return len;
}

/*
 * Returns what is in a file, with a NUL behind it and its length, or NULL.  A
 * file has its size; what has none, a FIFO, is read as far as a key may go.
 */
static char *
read_all(const char *file, size_t *len)
{
	struct stat st;
	size_t size = KEY_MAX;
	char *text;
	int fd;

	*len = 0;
	if ((fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < KEY_MAX)
		size = st.st_size;
	text = xcalloc(1, size + 1);
	*len = read_up_to(fd, text, size);
	close(fd);
	if (*len > 0)
		return text;
	free(text);
	return NULL;
}

static void
scrub_size(size_t size, int n)
{
	void *spare[SPARE];
	int i;

	for (i = 0; i < n; i++)
		if ((spare[i] = malloc(size)) != NULL)
			explicit_bzero(spare[i], size);
	for (i = 0; i < n; i++)
		free(spare[i]);
}

/*
 * Writes over memory that was freed: takes all that malloc(3) has put by of
 * each small size, and of larger ones twice what a key of len bytes may take.
 */
static void
scrub(size_t len)
{
	size_t size;

	for (size = 24; size <= SMALL; size += 16)
		scrub_size(size, SPARE);
	for (size = SMALL; size < 2 * len; size += size / 4)
		scrub_size(size, SPARE / 2);
}

/* The name of the cipher in the blob of an OpenSSH key (PROTOCOL.key). */
static int
is_aead(const unsigned char *blob, size_t len)
{
	const char *name = (const char *)blob + sizeof(MAGIC) + 4;
	size_t n;

	if (len < sizeof(MAGIC) + 4 || memcmp(blob, MAGIC, sizeof(MAGIC)) != 0)
		return 0;
	n = blob[sizeof(MAGIC) + 3];
	if (len < sizeof(MAGIC) + 4 + n)
		return 0;
	return memmem(name, n, "gcm", 3) != NULL ||
	    memmem(name, n, "poly1305", 8) != NULL;
}

/*
 * Is the text that of a key sealed with a cipher that authenticates (ssh-keygen
 * -Z aes256-gcm@openssh.com)?  libssh 0.10 crashes on these.
 */
static int
sealed_aead(const char *text)
{
	const char *p = strstr(text, "-----BEGIN OPENSSH PRIVATE KEY-----");
	char head[65] = "";		/* 48 bytes: magic and cipher */
	unsigned char *blob = NULL;
	size_t n = 0;
	int len, aead;

	if (p == NULL)
		return 0;
	for (p += strcspn(p, "\r\n"); *p != '\0' && n < 64; p++)
		if (strchr(" \t\r\n", *p) == NULL)
			head[n++] = *p;
	head[n - n % 4] = '\0';
	len = str_unbase64(head, &blob);
	aead = len > 0 && is_aead(blob, len);
	free(blob);
	return aead;
}

/*
 * Reads the private key of a file, with its passphrase, or with NULL if that
 * is not known: ask is then called, with arg, should there be one.  Returns
 * SSH_OK and the key, which the caller frees, SSH_ERROR, or SSH_EOF for one that
 * is sealed such that libssh cannot open it.
 */
int
privkey_read(const char *file, const char *passphrase, ssh_auth_callback ask,
    void *arg, ssh_key *key)
{
	size_t len;
	char *text;
	int rc = SSH_EOF;

	*key = NULL;
	if ((text = read_all(file, &len)) == NULL)
		return SSH_ERROR;
	watchdog_rest();	/* many rounds of a KDF take their time */
	if (!sealed_aead(text) && ssh_pki_import_privkey_base64(text,
	    passphrase, ask, arg, key) != SSH_OK)
		rc = SSH_ERROR;
	else if (*key != NULL)
		rc = SSH_OK;
	watchdog_feed();
	explicit_bzero(text, len);
	free(text);
	scrub(len);
	return rc;
}
