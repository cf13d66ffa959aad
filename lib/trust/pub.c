/*
 * Public keys and certificates as bytes (RFC 4253, 6.6; RFC 5656, 3.1;
 * PROTOCOL.certkeys and PROTOCOL.u2f of OpenSSH).  libssh compares no
 * certificates, and what it cannot read it does not tell from what is none.
 */

#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "trust/pub.h"

#define POINT	4	/* first byte of an uncompressed point (SEC 1, 2.3.3) */

/* What the strings behind a key's type are. */
enum field {
	F_END,
	F_MPINT,		/* RFC 4251, 5; not negative */
	F_CURVE,		/* the name of a curve: the end of the type's */
	F_POINT,		/* on it */
	F_ED25519,		/* 32 bytes */
	F_ANY
};

struct pub_type {
	const char	*plain, *cert;
	size_t		 point;		/* bytes of a coordinate */
	enum field	 fields[5];
};

static const struct pub_type types[] = {
	{ "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", 0,
	    { F_ED25519 } },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
	    32, { F_CURVE, F_POINT } },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
	    48, { F_CURVE, F_POINT } },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
	    66, { F_CURVE, F_POINT } },
	{ "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", 0, { F_MPINT, F_MPINT } },
	{ "ssh-dss", "ssh-dss-cert-v01@openssh.com", 0,
	    { F_MPINT, F_MPINT, F_MPINT, F_MPINT } },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com",
	    0, { F_ED25519, F_ANY } },
	{ "sk-ecdsa-sha2-nistp256@openssh.com",
	    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", 32,
	    { F_CURVE, F_POINT, F_ANY } },
	{ "ssh-mldsa44-ed25519@openssh.com",
	    "ssh-mldsa44-ed25519-cert-v01@openssh.com", 0, { F_ANY } },
};

/* Takes n bytes off *from; returns 0, or -1 if there are not so many. */
static int
take(struct piece *from, size_t n, struct piece *to)
{
	if (from->len < n)
		return -1;
	to->p = from->p;
	to->len = n;
	from->p += n;
	from->len -= n;
	return 0;
}

/* Takes a number of n bytes, at most 8, off *from.  Returns 0 or -1. */
static int
take_number(struct piece *from, size_t n, uint64_t *to)
{
	struct piece bytes;
	size_t i;

	if (take(from, n, &bytes) == -1)
		return -1;
	for (*to = 0, i = 0; i < n; i++)
		*to = *to << 8 | bytes.p[i];
	return 0;
}

/* Takes an uint32 (RFC 4251, 5) off *from.  Returns 0, or -1 at its end. */
int
piece_u32(struct piece *from, uint32_t *to)
{
	uint64_t n;

	if (take_number(from, 4, &n) == -1)
		return -1;
	*to = n;
	return 0;
}

/* The same for an uint64. */
int
piece_u64(struct piece *from, uint64_t *to)
{
	return take_number(from, 8, to);
}

/* The same for a string: *to lies within *from. */
int
piece_string(struct piece *from, struct piece *to)
{
	uint32_t n;

	return piece_u32(from, &n) == -1 ? -1 : take(from, n, to);
}

/* Is the piece this text, byte for byte? */
int
piece_is(const struct piece *piece, const char *text)
{
	return piece->len == strlen(text) &&
	    memcmp(piece->p, text, piece->len) == 0;
}

/*
 * One key has one encoding, or two lists of bytes may be the same key: an mpint
 * has no more bytes than it needs, a point is not compressed.
 */
static int
field_good(const struct pub_type *type, enum field field,
    const struct piece *s)
{
	switch (field) {
	case F_MPINT:
		return s->len > 0 && (s->p[0] & 0x80) == 0 &&
		    (s->p[0] != 0 || (s->len > 1 && (s->p[1] & 0x80) != 0));
	case F_CURVE:
		return s->len == strlen("nistp256") &&
		    memcmp(strstr(type->plain, "nistp"), s->p, s->len) == 0;
	case F_POINT:
		return s->len == 1 + 2 * type->point && s->p[0] == POINT;
	case F_ED25519:
		return s->len == 32;
	default:
		return 1;
	}
}

static const struct pub_type *
find_type(const struct piece *name, int *cert)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		*cert = piece_is(name, types[i].cert);
		if (*cert || piece_is(name, types[i].plain))
			return &types[i];
	}
	return NULL;
}

/*
 * Takes the key in data, which pub then owns, apart.  Returns 0, or -1 if it is
 * not wholly a key or a certificate of a known type.
 */
static int
parse(struct pub *pub, unsigned char *data, size_t len)
{
	struct piece rest = { data, len }, s;
	size_t i;

	memset(pub, 0, sizeof(*pub));
	pub->blob = data;
	pub->len = len;
	if (piece_string(&rest, &s) == -1 ||
	    (pub->type = find_type(&s, &pub->cert)) == NULL ||
	    (pub->cert && piece_string(&rest, &s) == -1))	/* nonce */
		return -1;
	pub->key = rest;
	for (i = 0; pub->type->fields[i] != F_END; i++)
		if (piece_string(&rest, &s) == -1 ||
		    !field_good(pub->type, pub->type->fields[i], &s))
			return -1;
	pub->key.len -= rest.len;
	pub->rest = rest;
	return pub->cert || rest.len == 0 ? 0 : -1;
}

/* Frees what pub holds, and leaves it empty. */
void
pub_free(struct pub *pub)
{
	free(pub->blob);
	memset(pub, 0, sizeof(*pub));
}

/*
 * Sets pub to the key, or certificate, in len bytes at data.  Returns 0 and
 * pub_free() must follow, or -1 if that is no key of a known type.
 */
int
pub_parse(struct pub *pub, const void *data, size_t len)
{
	unsigned char *copy = xcalloc(1, len + 1);

	memcpy(copy, data, len);
	if (parse(pub, copy, len) == 0)
		return 0;
	pub_free(pub);
	return -1;
}

/*
 * The same from text as the .pub files and lists of ssh-keygen have it: the
 * type, blanks, the key in base64, and what anybody likes behind another blank.
 */
int
pub_read(struct pub *pub, const char *text)
{
	size_t n = strcspn(text, " \t");
	struct piece name = { (const unsigned char *)text, n };
	unsigned char *data;
	char *b64;
	int len;

	memset(pub, 0, sizeof(*pub));
	text += n + strspn(text + n, " \t");
	b64 = xstrndup(text, strcspn(text, " \t\r\n"));
	len = str_unbase64(b64, &data);
	free(b64);
	if (len == -1)
		return -1;
	if (parse(pub, data, len) == 0 && piece_is(&name, pub_name(pub)))
		return 0;
	pub_free(pub);
	return -1;
}

/* The same from libssh's form of it. */
int
pub_of(struct pub *pub, ssh_key key)
{
	unsigned char *data;
	char *b64 = NULL;
	int len;

	memset(pub, 0, sizeof(*pub));
	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return -1;
	len = str_unbase64(b64, &data);
	ssh_string_free_char(b64);
	if (len == -1)
		return -1;
	if (parse(pub, data, len) == 0)
		return 0;
	pub_free(pub);
	return -1;
}

/* Returns the name of pub's type, as it stands before it. */
const char *
pub_name(const struct pub *pub)
{
	return pub->cert ? pub->type->cert : pub->type->plain;
}

/* Returns pub as pub_read() takes it, which the caller frees. */
char *
pub_text(const struct pub *pub)
{
	char *b64 = str_base64(pub->blob, pub->len), *text;

	text = xasprintf("%s %s", pub_name(pub), b64);
	free(b64);
	return text;
}

/* Are they the same key, with a certificate or without? */
int
pub_same(const struct pub *a, const struct pub *b)
{
	return a->type == b->type && a->key.len == b->key.len &&
	    memcmp(a->key.p, b->key.p, a->key.len) == 0;
}

/*
 * Returns the fingerprint of the key, certificate or not, as ssh-keygen -l has
 * it; the caller frees it.
 */
char *
pub_fingerprint(const struct pub *pub)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	uint8_t len[4] = { 0 };	/* no type's name is longer than 255 */
	SHA2_CTX ctx;
	char *b64, *text;
	size_t n = strlen(pub->type->plain);

	len[3] = n;
	SHA256Init(&ctx);
	SHA256Update(&ctx, len, sizeof(len));
	SHA256Update(&ctx, (const uint8_t *)pub->type->plain, n);
	SHA256Update(&ctx, pub->key.p, pub->key.len);
	SHA256Final(hash, &ctx);
	b64 = str_base64(hash, sizeof(hash));
	b64[strcspn(b64, "=")] = '\0';
	text = xasprintf("SHA256:%s", b64);
	free(b64);
	return text;
}
