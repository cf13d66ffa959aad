/*
 * A key exchange that ends when the server has shown its certificate (RFC 4253,
 * 7; RFC 5656, 4), since libssh asks for none.  There is no secret in it and
 * nothing is believed of it: our public value is a constant, and what the server
 * shows is verified as anything else that is public.
 */

#include <endian.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "trust/cert.h"

#define MSG_DISCONNECT	1
#define MSG_KEXINIT	20
#define MSG_ECDH_INIT	30
#define MSG_ECDH_REPLY	31
#define MAX_PACKET	35000	/* RFC 4253, 6.1 */
#define MAX_SHOWN	(256 * 1024)	/* bytes of the server, in all */
#define BLOCK		8

static const char banner[] = "SSH-2.0-proxyhop\r\n";

/* The base points of both curves stand for our public value. */
static const unsigned char x25519[32] = { 9 };
static const unsigned char p256[65] = {
	0x04,
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
	0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
	0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
	0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
	0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
	0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5
};

static const struct {
	const char		*name;
	const unsigned char	*value;
	size_t			 len;
} groups[] = {
	{ "curve25519-sha256", x25519, sizeof(x25519) },
	{ "curve25519-sha256@libssh.org", x25519, sizeof(x25519) },
	{ "ecdh-sha2-nistp256", p256, sizeof(p256) },
};

static void
put(struct certkex *s, const void *data, size_t n)
{
	if (n > sizeof(s->out) - s->outlen) {	/* too long a list of ours */
		s->why = "too many algorithms";
		return;
	}
	memcpy(s->out + s->outlen, data, n);
	s->outlen += n;
}

static void
put_u32(struct certkex *s, uint32_t n)
{
	n = htobe32(n);
	put(s, &n, sizeof(n));
}

static void
put_string(struct certkex *s, const void *data, size_t n)
{
	put_u32(s, n);
	put(s, data, n);
}

/* Room for the length and padding of a packet that begins here. */
static size_t
packet_begin(struct certkex *s)
{
	size_t at = s->outlen;

	put(s, "\0\0\0\0", 5);
	return at;
}

static void
packet_end(struct certkex *s, size_t at)
{
	unsigned char zero[2 * BLOCK] = { 0 };
	size_t padding = BLOCK - (s->outlen - at) % BLOCK;
	uint32_t len;

	if (padding < 4)
		padding += BLOCK;
	put(s, zero, padding);
	if (s->why != NULL)
		return;
	len = htobe32(s->outlen - at - 4);
	memcpy(s->out + at, &len, 4);
	s->out[at + 4] = padding;
}

static void
put_kexinit(struct certkex *s, const char *hostkeys)
{
	static const char *const rest[] = {
		"aes128-ctr,aes256-ctr,aes128-gcm@openssh.com,"
		"aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
		"hmac-sha2-256,hmac-sha2-512,hmac-sha2-256-etm@openssh.com,"
		"hmac-sha2-512-etm@openssh.com,hmac-sha1", "none"
	};
	unsigned char start[17] = { MSG_KEXINIT };
	char *kex = NULL;
	size_t at = packet_begin(s), i;

	arc4random_buf(start + 1, 16);	/* the cookie */
	put(s, start, sizeof(start));
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		str_append(&kex, ",", groups[i].name);
	put_string(s, kex, strlen(kex));
	free(kex);
	put_string(s, hostkeys, strlen(hostkeys));
	for (i = 0; i < 6; i++)
		put_string(s, rest[i / 2], strlen(rest[i / 2]));
	put_u32(s, 0);		/* languages */
	put_u32(s, 0);
	put(s, "\0\0\0\0", 5);	/* no guess, reserved */
	packet_end(s, at);
}

/*
 * Begins to ask a server for one of hostkeys, a list of certificate types: what
 * is in s->out, s->outlen bytes, is to be sent.  certkex_free() must follow.
 */
void
certkex_begin(struct certkex *s, const char *hostkeys)
{
	memset(s, 0, sizeof(*s));
	s->hostkeys = xstrdup(hostkeys);
	put(s, banner, strlen(banner));
	put_kexinit(s, hostkeys);
}

static int
in_list(struct piece list, const char *name)
{
	size_t len = strlen(name), n;
	const unsigned char *comma;

	while (list.len > 0) {
		comma = memchr(list.p, ',', list.len);
		n = comma == NULL ? list.len : (size_t)(comma - list.p);
		if (n == len && memcmp(list.p, name, len) == 0)
			return 1;
		n += comma != NULL;
		list.p += n;
		list.len -= n;
	}
	return 0;
}

/* Is one of names, with commas, in the list? */
static int
any_in_list(struct piece list, const char *names)
{
	char *all, *rest, *name;
	int found = 0;

	all = rest = xstrdup(names);
	while (!found && (name = strsep(&rest, ",")) != NULL)
		found = *name != '\0' && in_list(list, name);
	free(all);
	return found;
}

/* The server's offer: our side of the first group that it has, too. */
static void
on_kexinit(struct certkex *s, struct piece payload)
{
	unsigned char init = MSG_ECDH_INIT;
	struct piece kex, keys;
	size_t i, at;

	if (payload.len < 17 || s->kexinit) {
		s->why = "it sent what is no key exchange";
		return;
	}
	s->kexinit = 1;
	payload.p += 17;
	payload.len -= 17;
	if (piece_string(&payload, &kex) == -1 ||
	    piece_string(&payload, &keys) == -1) {
		s->why = "it sent what is no key exchange";
		return;
	}
	if (!any_in_list(keys, s->hostkeys)) {
		s->lacks = 1;
		s->why = "it has no certificate of a type that is asked for";
		return;
	}
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (in_list(kex, groups[i].name)) {
			at = packet_begin(s);
			put(s, &init, 1);
			put_string(s, groups[i].value, groups[i].len);
			packet_end(s, at);
			return;
		}
	s->why = "it has no key exchange that shows a certificate";
}

static void
on_packet(struct certkex *s, struct piece payload)
{
	unsigned char type;
	struct piece shown;

	if (payload.len == 0)
		return;
	type = *payload.p;
	if (type == MSG_KEXINIT)
		on_kexinit(s, payload);
	else if (type == MSG_ECDH_REPLY && s->kexinit) {
		payload.p++;
		payload.len--;
		if (piece_string(&payload, &shown) == -1 ||
		    pub_parse(&s->cert, shown.p, shown.len) == -1)
			s->why = "it showed what is no certificate";
		else if (!s->cert.cert) {
			pub_free(&s->cert);
			s->why = "it showed a key without a certificate";
		} else
			s->done = 1;
	} else if (type == MSG_DISCONNECT)
		s->why = "it has ended the key exchange";
}

/* Takes one whole line or packet off what came; returns 0 if there is none. */
static int
take_one(struct certkex *s)
{
	struct piece all = { s->in + s->off, s->inlen - s->off }, payload;
	const unsigned char *end;
	uint32_t len;

	if (!s->greeted) {
		if ((end = memchr(all.p, '\n', all.len)) == NULL)
			return 0;
		s->greeted = 1;
		s->off += end + 1 - all.p;
		return 1;
	}
	if (piece_u32(&all, &len) == -1)
		return 0;
	if (len < 5 || len > MAX_PACKET) {
		s->why = "it sent what is no SSH packet";
		return 0;
	}
	if (all.len < len)
		return 0;
	payload.p = all.p + 1;
	if (*all.p >= len) {
		s->why = "it sent what is no SSH packet";
		return 0;
	}
	payload.len = len - 1 - *all.p;
	s->off += 4 + len;
	on_packet(s, payload);
	return 1;
}

/*
 * Takes n bytes of the server's, its banner first.  Then s->done tells that
 * s->cert is what it has shown, and s->why, if not NULL, why it will show none;
 * else what is in s->out is to be sent, and more to be read.
 */
void
certkex_take(struct certkex *s, const void *data, size_t n)
{
	if (n > MAX_SHOWN - s->inlen) {
		s->why = "it sends too much before its certificate";
		return;
	}
	if ((s->in = realloc(s->in, s->inlen + n + 1)) == NULL)
		errx(RETRY, "out of memory");
	memcpy(s->in + s->inlen, data, n);
	s->inlen += n;
	while (s->why == NULL && !s->done && take_one(s))
		;
}

/* Frees what a key exchange has left, the certificate as well. */
void
certkex_free(struct certkex *s)
{
	pub_free(&s->cert);
	free(s->hostkeys);
	free(s->in);
	memset(s, 0, sizeof(*s));
}
