/*
 * A server's certificate, which it shows in a key exchange of ours over the
 * same kind of channel that carries its session.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "trust/local.h"
#include "wire/greeting.h"
#include "wire/joint.h"

#define LOCK_TIME	10000	/* ms to wait for another one that asks */
#define LOCK_PAUSE	20

static const char closed[] = "connection closed before it showed a certificate";

/* Sends what is to be sent; returns -1 if the connection is gone. */
static int
send_out(int fd, struct certkex *s, size_t *sent)
{
	ssize_t n;

	while (*sent < s->outlen) {
		n = write(fd, s->out + *sent, s->outlen - *sent);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		*sent += n;
	}
	return 0;
}

static void
receive(int fd, struct certkex *s)
{
	unsigned char data[4096];
	ssize_t n;

	if ((n = read(fd, data, sizeof(data))) > 0)
		certkex_take(s, data, n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->why = closed;
}

/*
 * Is a certificate to be fetched before there is a session, since all that the
 * files have for the hop is a CA?  A session without it would be given up for
 * another one.
 */
int
trust_fetch_first(struct trust *t)
{
	const struct hop *hop = t->l->hop;

	/* a command, or the address, may yet say that it is known */
	if (hop->knownhostscommand != NULL ||
	    hop->nohostauthenticationforlocalhost == 1 ||
	    !known_has_authority(hop))
		return 0;
	lookup_read(t);
	prove_prepare(t);
	return prove_first(t);
}

/* What came of it is kept for the next trust_check(). */
static void
keep(struct trust *t, struct certkex *s)
{
	struct proof *p = t->proof;
	char *name = known_name(t->l->hop, 1);

	if (s->lacks && strict_lax(t->l->hop))
		certs_write_none(name, time(NULL));
	free(name);
	p->tries++;
	p->closed = s->why == closed;
	free(p->why);
	p->why = s->why == NULL ? NULL : xstrdup(s->why);
	link_over(t->l, s->why != NULL ? s->why :
	    "it has shown its certificate");
	if (s->done)
		certs_add(&p->fetched, &s->cert);
}

/*
 * Talks to the server over fd, which leads to it and stays the caller's, until
 * it has shown its certificate; that, or why there is none, is kept for the
 * next trust_check().  Returns OK, or another status if the chain has failed.
 */
int
trust_fetch(struct trust *t, int fd)
{
	struct pollfd pfd = { .fd = fd };
	struct certkex s;
	char *types = prove_types(t->l->hop);
	size_t sent = 0;
	int status = OK;

	link_stage(t->l, STAGE_BANNER);
	joint_unblock(fd);
	certkex_begin(&s, types == NULL ? "" : types);
	free(types);
	if (send_out(fd, &s, &sent) == -1)
		s.why = closed;
	else
		status = greeting_skip(t->c, t->l, fd);
	if (status == OK) {
		link_stage(t->l, STAGE_KEX);
		chain_limit(t->c, t->l, t->l->hop->logintimeout);
	}
	while (status == OK && s.why == NULL && !s.done) {
		if (send_out(fd, &s, &sent) == -1) {
			s.why = closed;
			break;
		}
		pfd.events = POLLIN | (sent < s.outlen ? POLLOUT : 0);
		pfd.revents = 0;
		status = chain_wait(t->c, &pfd, 1, 0);
		if (status == OK && (pfd.revents & ~POLLOUT))
			receive(fd, &s);
	}
	if (status == OK)
		keep(t, &s);
	certkex_free(&s);
	return status;
}

/*
 * Waits until no other process asks for a certificate.  Returns OK and in
 * *found whether one for this hop has come meanwhile, or that it has none, or
 * another status if the chain has failed.
 */
int
trust_fetch_wait(struct trust *t, int *found)
{
	struct proof *p = t->proof;
	uint64_t until = now() + LOCK_TIME;
	size_t before = p->cached.n;
	time_t none = p->cached.none;
	char *name = known_name(t->l->hop, 1);
	int status = OK;

	t->c->deadline = 0;	/* this is not the server's time */
	while (status == OK && p->lock == -1 && now() < until &&
	    (p->lock = certs_lock(name)) == -1)
		status = chain_wait(t->c, NULL, 0, now() + LOCK_PAUSE);
	if (p->lock == -2)	/* there is nothing to lock */
		p->lock = -1;
	free(name);
	prove_read(t);
	*found = p->cached.n > before || p->cached.none > none;
	return status;
}
