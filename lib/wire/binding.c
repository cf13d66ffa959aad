/*
 * What binds a session to its server: the host key and its signature over the
 * exchange hash of the first key exchange (RFC 4253, 8).  An agent wants both
 * for keys that are restricted to hosts (PROTOCOL.agent, 1), and libssh gives
 * them to nobody.  They come in the clear: what it is about to read is looked
 * at before, until keys are exchanged.
 */

#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/local.h"

#define SEEN_MAX	(32 * 1024)	/* bytes, up to the end of the exchange */
#define DH_REPLY	31		/* ECDH's, too; or the group of GEX: */
#define GEX_REPLY	33

/* Is there an agent that would want it? */
static int
wanted(const struct hop *hop)
{
	if (hop->identityagent != NULL)
		return strcmp(hop->identityagent, "none") != 0;
	return getenv("SSH_AUTH_SOCK") != NULL;
}

/* Begins to look, before libssh has read anything. */
void
binding_begin(struct link *l)
{
	struct exchange *x = &l->wire->exchange;

	binding_free(x);
	if (!wanted(l->hop))
		return;
	x->seen = xcalloc(1, SEEN_MAX);
	x->base = l->wire->traffic.raw.in_bytes;
}

/*
 * Looks at what libssh is about to read.  Its counter says how much of that it
 * has read: if it was more than was seen, since that came in between, nothing
 * will come of it, and that is noted.
 */
void
binding_look(struct link *l)
{
	struct exchange *x = &l->wire->exchange;
	size_t read;
	ssize_t n;
	int missed;

	if (x->seen == NULL)
		return;
	read = l->wire->traffic.raw.in_bytes - x->base;
	if (read > x->len || read == SEEN_MAX) {
		missed = read > x->len;
		binding_free(x);
		x->missed = missed;
		return;
	}
	if ((n = recv(ssh_get_fd(l->session), x->seen + read, SEEN_MAX - read,
	    MSG_PEEK | MSG_DONTWAIT)) > 0)
		x->len = read + n;
}

static size_t
get_u32(const unsigned char *p)
{
	return (size_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Takes a string off what is left; returns it, or NULL. */
static const unsigned char *
get_string(const unsigned char **p, size_t *left, size_t *len)
{
	const unsigned char *s = *p + 4;

	if (*left < 4 || (*len = get_u32(*p)) > *left - 4)
		return NULL;
	*p += 4 + *len;
	*left -= 4 + *len;
	return s;
}

/*
 * In a reply: the host key, something public, and the signature, no less and no
 * more.
 */
static void
take_reply(struct binding *b, const unsigned char *p, size_t left)
{
	const unsigned char *key, *sig;
	size_t keylen, len, siglen;

	if ((key = get_string(&p, &left, &keylen)) == NULL ||
	    get_string(&p, &left, &len) == NULL ||
	    (sig = get_string(&p, &left, &siglen)) == NULL || left > 0)
		return;
	b->key = xcalloc(1, keylen + 1);
	memcpy(b->key, key, b->keylen = keylen);
	b->sig = xcalloc(1, siglen + 1);
	memcpy(b->sig, sig, b->siglen = siglen);
}

/*
 * Takes the key and the signature out of what was seen, if it has them: a
 * banner, and behind it packet after packet, until there is a reply.
 */
void
binding_take(struct exchange *x)
{
	const unsigned char *p = x->seen, *end = x->seen + x->len, *nl;
	size_t len;
	int banner = 0;

	while (!banner && (nl = memchr(p, '\n', end - p)) != NULL) {
		banner = end - p > 4 && memcmp(p, "SSH-", 4) == 0;
		p = nl + 1;
	}
	while (banner && x->binding.key == NULL && end - p > 6 &&
	    (len = get_u32(p)) <= (size_t)(end - p) - 4 && len > 2u + p[4]) {
		if (p[5] == DH_REPLY || p[5] == GEX_REPLY)
			take_reply(&x->binding, p + 6, len - 2 - p[4]);
		p += 4 + len;
	}
}

/* Keys have been exchanged: takes what was seen of that. */
void
binding_end(struct link *l)
{
	struct exchange *x = &l->wire->exchange;

	if (x->seen == NULL)
		return;
	binding_take(x);
	x->missed = x->binding.key == NULL &&
	    l->wire->traffic.raw.in_bytes - x->base > x->len;
	free(x->seen);
	x->seen = NULL;
}

void
binding_free(struct exchange *x)
{
	free(x->seen);
	free(x->binding.key);
	free(x->binding.sig);
	memset(x, 0, sizeof(*x));
}

/* Returns what is known of l's, whose it stays. */
const struct binding *
binding_of(const struct link *l)
{
	return &l->wire->exchange.binding;
}

/* Is nothing known of it, since it came between two looks? */
int
binding_missed(const struct link *l)
{
	return l->wire->exchange.missed;
}
