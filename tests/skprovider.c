/*
 * skprovider.c: a security key that is a file, for SecurityKeyProvider.  It
 * has the interface of sk-api.h; its keys' handles are their private halves.
 *
 *	cc -shared -fPIC -o skprovider.so skprovider.c -lcrypto
 *
 * Where there is a file SKPROVIDER.pin, a signature takes the PIN in it; each
 * signature is a line in SKPROVIDER.log, "signed" or "wanted a PIN".  That
 * SKPROVIDER is the path of this library, whatever the environment is.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define VERSION		0x000a0000
#define ECDSA		0x00
#define GENERAL		(-1)
#define UNSUPPORTED	(-2)
#define PIN_REQUIRED	(-3)

struct enrolled {
	uint8_t	 flags;
	uint8_t	*public_key;
	size_t	 public_key_len;
	uint8_t	*key_handle;
	size_t	 key_handle_len;
	uint8_t	*signature;
	size_t	 signature_len;
	uint8_t	*attestation_cert;
	size_t	 attestation_cert_len;
	uint8_t	*authdata;
	size_t	 authdata_len;
};

struct signed_by {
	uint8_t	 flags;
	uint32_t counter;
	uint8_t	*r;
	size_t	 r_len;
	uint8_t	*s;
	size_t	 s_len;
};

struct option;
struct resident;

uint32_t	sk_api_version(void);
int	 sk_enroll(uint32_t, const uint8_t *, size_t, const char *, uint8_t,
	    const char *, struct option **, struct enrolled **);
int	 sk_sign(uint32_t, const uint8_t *, size_t, const char *,
	    const uint8_t *, size_t, uint8_t, const char *, struct option **,
	    struct signed_by **);
int	 sk_load_resident_keys(const char *, struct option **,
	    struct resident ***, size_t *);

/* Opens a file whose name is ours with an end. */
static FILE *
beside(const char *end, const char *mode)
{
	char path[4096];
	Dl_info info;

	if (dladdr((void *)(uintptr_t)sk_api_version, &info) == 0)
		return NULL;
	snprintf(path, sizeof(path), "%s.%s", info.dli_fname, end);
	return fopen(path, mode);
}

static void
note(const char *what)
{
	FILE *f = beside("log", "a");

	if (f != NULL) {
		fprintf(f, "%s\n", what);
		fclose(f);
	}
}

/* Is it the PIN, or is none wanted? */
static int
right(const char *pin)
{
	FILE *f = beside("pin", "r");
	char wanted[64] = "";

	if (f == NULL)
		return 1;
	if (fgets(wanted, sizeof(wanted), f) != NULL)
		wanted[strcspn(wanted, "\n")] = '\0';
	fclose(f);
	return pin != NULL && strcmp(pin, wanted) == 0;
}

static uint8_t *
copy(const void *data, size_t len)
{
	uint8_t *p = calloc(1, len + 1);

	if (p != NULL)
		memcpy(p, data, len);
	return p;
}

uint32_t
sk_api_version(void)
{
	return VERSION;
}

static int
enroll_ed25519(struct enrolled *e)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	uint8_t pub[32], priv[32];
	size_t n = sizeof(pub), m = sizeof(priv);

	if (EVP_PKEY_get_raw_public_key(key, pub, &n) != 1 ||
	    EVP_PKEY_get_raw_private_key(key, priv, &m) != 1)
		return GENERAL;
	e->public_key = copy(pub, e->public_key_len = n);
	e->key_handle = copy(priv, e->key_handle_len = m);
	return 0;
}

static int
enroll_ecdsa(struct enrolled *e)
{
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	uint8_t pub[65], priv[32];

	if (EC_KEY_generate_key(key) != 1 ||
	    EC_POINT_point2oct(EC_KEY_get0_group(key),
	    EC_KEY_get0_public_key(key), POINT_CONVERSION_UNCOMPRESSED, pub,
	    sizeof(pub), NULL) != sizeof(pub) ||
	    BN_bn2binpad(EC_KEY_get0_private_key(key), priv, sizeof(priv)) !=
	    sizeof(priv))
		return GENERAL;
	e->public_key = copy(pub, e->public_key_len = sizeof(pub));
	e->key_handle = copy(priv, e->key_handle_len = sizeof(priv));
	return 0;
}

int
sk_enroll(uint32_t alg, const uint8_t *challenge, size_t len,
    const char *application, uint8_t flags, const char *pin,
    struct option **options, struct enrolled **enrolled)
{
	struct enrolled *e = calloc(1, sizeof(*e));

	(void)challenge;
	(void)len;
	(void)application;
	(void)pin;
	(void)options;
	e->flags = flags;
	e->signature = copy("", e->signature_len = 1);
	*enrolled = e;
	return alg == ECDSA ? enroll_ecdsa(e) : enroll_ed25519(e);
}

/* What is signed: whose it is, flags and counter, and the data (FIDO U2F). */
static size_t
build(uint8_t *buf, const char *application, uint8_t flags, uint32_t counter,
    const uint8_t *data, size_t len)
{
	SHA256((const uint8_t *)application, strlen(application), buf);
	buf[32] = flags;
	buf[33] = counter >> 24;
	buf[34] = counter >> 16;
	buf[35] = counter >> 8;
	buf[36] = counter;
	SHA256(data, len, buf + 37);
	return 37 + 32;
}

static int
sign_ed25519(const uint8_t *handle, const uint8_t *buf, size_t len,
    struct signed_by *s)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
	    handle, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[64];
	size_t n = sizeof(sig);

	if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(ctx, sig, &n, buf, len) != 1)
		return GENERAL;
	s->r = copy(sig, s->r_len = n);
	return 0;
}

static int
sign_ecdsa(const uint8_t *handle, const uint8_t *buf, size_t len,
    struct signed_by *s)
{
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *d = BN_bin2bn(handle, 32, NULL);
	uint8_t hash[32], r[32], t[32];
	ECDSA_SIG *sig;

	SHA256(buf, len, hash);
	if (EC_KEY_set_private_key(key, d) != 1 ||
	    (sig = ECDSA_do_sign(hash, sizeof(hash), key)) == NULL)
		return GENERAL;
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), r, sizeof(r));
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), t, sizeof(t));
	s->r = copy(r, s->r_len = sizeof(r));
	s->s = copy(t, s->s_len = sizeof(t));
	return 0;
}

int
sk_sign(uint32_t alg, const uint8_t *data, size_t len, const char *application,
    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
    struct option **options, struct signed_by **response)
{
	struct signed_by *s = calloc(1, sizeof(*s));
	uint8_t buf[69];
	size_t n;

	(void)options;
	if (!right(pin)) {
		note("wanted a PIN");
		return PIN_REQUIRED;
	}
	if (handle_len != 32)
		return GENERAL;
	note("signed");
	s->flags = flags & 0x05;
	s->counter = 1;
	n = build(buf, application, s->flags, s->counter, data, len);
	*response = s;
	return alg == ECDSA ? sign_ecdsa(handle, buf, n, s) :
	    sign_ed25519(handle, buf, n, s);
}

int
sk_load_resident_keys(const char *pin, struct option **options,
    struct resident ***keys, size_t *n)
{
	(void)pin;
	(void)options;
	(void)keys;
	(void)n;
	return UNSUPPORTED;
}
