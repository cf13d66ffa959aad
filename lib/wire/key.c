/*
 * What libssh does not tell of a key: its fingerprint as text, whether two are
 * the same with their certificates, and the plain key in a certificate.
 */

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"
#include "wire/key.h"

/* Returns SHA256:..., which the caller frees. */
static char *
fingerprint(ssh_key key)
{
	unsigned char *hash;
	char *text, *copy;
	size_t len;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash,
	    &len) != 0)
		return xstrdup("(no fingerprint)");
	text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
	ssh_clean_pubkey_hash(&hash);
	copy = xstrdup(text == NULL ? "(no fingerprint)" : text);
	ssh_string_free_char(text);
	return copy;
}

/*
 * Leaves what is sent of a key (RFC 4253, 6.6) in *data, which the caller
 * frees; returns how long it is, or -1.
 */
int
key_blob(ssh_key key, unsigned char **data)
{
	char *b64 = NULL;
	int n;

	*data = NULL;
	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return -1;
	n = str_unbase64(b64, data);
	ssh_string_free_char(b64);
	return n;
}

/*
 * Would the server see the same?  A key with a certificate is another one
 * than the key without, and ssh_key_cmp() does not know certificates.
 */
int
key_same(ssh_key a, ssh_key b)
{
	unsigned char *x, *y;
	int n = key_blob(a, &x), same;

	same = n == key_blob(b, &y) && n > 0 && memcmp(x, y, n) == 0;
	free(x);
	free(y);
	return same;
}

/*
 * Returns the key, or certificate, of this type that is in b64, or NULL if
 * libssh has no use for it.  The caller frees it.
 */
ssh_key
key_from_text(const char *type, const char *b64)
{
	enum ssh_keytypes_e t = ssh_key_type_from_name(type);
	ssh_key key = NULL;
	int rc;

	rc = strstr(type, "-cert-v0") != NULL ?
	    ssh_pki_import_cert_base64(b64, t, &key) :
	    ssh_pki_import_pubkey_base64(b64, t, &key);
	return rc == SSH_OK ? key : NULL;
}

/* A copy of the public half; ssh_key_dup() copies no certificate. */
ssh_key
key_public(ssh_key key)
{
	ssh_key copy = NULL;
	char *b64 = NULL;

	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return NULL;
	if (ssh_pki_import_pubkey_base64(b64, ssh_key_type(key), &copy) !=
	    SSH_OK && ssh_pki_import_cert_base64(b64, ssh_key_type(key),
	    &copy) != SSH_OK)
		copy = NULL;
	ssh_string_free_char(b64);
	return copy;
}

/* Passes over one SSH string (RFC 4251, 5); NULL if there is none. */
static const unsigned char *
skip_string(const unsigned char *p, const unsigned char *end)
{
	uint32_t len;

	if (p == NULL || end - p < 4)
		return NULL;
	memcpy(&len, p, 4);
	len = be32toh(len);
	return (size_t)(end - p - 4) < len ? NULL : p + 4 + len;
}

/* A plain key of this type from what comes after it in the blob. */
static ssh_key
make_plain(const char *type, const unsigned char *rest, size_t rlen)
{
	size_t tlen = strlen(type);
	unsigned char *k = xcalloc(1, 4 + tlen + rlen);
	char *b64;
	uint32_t n = htobe32(tlen);
	ssh_key key = NULL;

	memcpy(k, &n, 4);
	memcpy(k + 4, type, tlen);
	memcpy(k + 4 + tlen, rest, rlen);
	b64 = str_base64(k, 4 + tlen + rlen);
	if (ssh_pki_import_pubkey_base64(b64, ssh_key_type_from_name(type),
	    &key) != SSH_OK)
		key = NULL;
	free(b64);
	free(k);
	return key;
}

/* Does the key live in a device that wants a touch? */
int
key_in_device(ssh_key key)
{
	switch (ssh_key_type(key)) {
	case SSH_KEYTYPE_SK_ECDSA:
	case SSH_KEYTYPE_SK_ECDSA_CERT01:
	case SSH_KEYTYPE_SK_ED25519:
	case SSH_KEYTYPE_SK_ED25519_CERT01:
		return 1;
	default:
		return 0;
	}
}

/* Is it a key with a certificate? */
int
key_is_certificate(ssh_key key)
{
	const char *name = ssh_key_type_to_char(ssh_key_type(key));

	return name != NULL && strstr(name, "-cert-v0") != NULL;
}

/*
 * The plain key in a certificate, which the caller frees, or NULL if key is
 * none: after the type and a nonce come the strings, one to three, that the
 * plain key has after its type (PROTOCOL.certkeys, PROTOCOL.u2f).
 */
ssh_key
key_plain(ssh_key key)
{
	const unsigned char *type, *from, *to;
	unsigned char *c;
	char *name, *end;
	ssh_key plain = NULL;
	int n = key_blob(key, &c), sk;

	if ((type = skip_string(c, c + (n > 0 ? n : 0))) == NULL)
		return NULL;
	name = xstrndup((char *)c + 4, type - c - 4);
	if ((end = strstr(name, "-cert-v0")) != NULL) {
		sk = key_in_device(key);
		strlcpy(end, sk ? "@openssh.com" : "", strlen(end) + 1);
		from = skip_string(type, c + n);
		to = skip_string(from, c + n);
		if (strstr(name, "ed25519") == NULL)
			to = skip_string(to, c + n);
		if (sk)
			to = skip_string(to, c + n);
		if (to != NULL)
			plain = make_plain(name, from, to - from);
	}
	free(name);
	free(c);
	return plain;
}

/*
 * Returns the fingerprint as ssh-keygen -l prints it: of the key itself,
 * certificate or not.  The caller frees it.
 */
char *
key_fingerprint(ssh_key key)
{
	ssh_key plain = key_plain(key);
	char *print = fingerprint(plain != NULL ? plain : key);

	ssh_key_free(plain);
	return print;
}

/*
 * Is cert for this key?  A certificate has its type, a nonce, and then what
 * the plain key has behind its type (PROTOCOL.certkeys).
 */
int
key_certifies(ssh_key cert, ssh_key key)
{
	const unsigned char *a, *b;
	unsigned char *c, *k;
	int clen = key_blob(cert, &c), klen = key_blob(key, &k), same = 0;

	if (clen > 0 && klen > 0) {
		a = skip_string(skip_string(c, c + clen), c + clen);
		b = skip_string(k, k + klen);
		same = a != NULL && b != NULL && k + klen - b <= c + clen - a &&
		    memcmp(a, b, k + klen - b) == 0;
	}
	free(c);
	free(k);
	return same;
}
