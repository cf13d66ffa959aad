/*
 * Keepalives: on every hop that is up and from which nothing has come for
 * ServerAliveInterval, one is sent, and after ServerAliveCountMax of them
 * without a byte in return the hop has gone.  libssh does not tell whether a
 * keepalive was answered, so the bytes that come count, on our own clock.
 */

#include <libssh/server.h>

#include "wire/local.h"

/* Has anything come from l since it was last asked?  A write reads, too. */
static void
listen_to(struct link *l, uint64_t t)
{
	if (link_received(l) == l->keepalive.bytes)
		return;
	l->keepalive.bytes = link_received(l);
	l->keepalive.heard = t;
	l->keepalive.probed = 0;
	l->keepalive.unanswered = 0;
}

/* Returns for how long nothing has come from l, in milliseconds. */
uint64_t
keepalive_silence(const struct link *l)
{
	return now() - l->keepalive.heard;
}

/*
 * Returns when something is to be done about l (milliseconds as of now()), or
 * 0 for never.  A process that was stopped for a while starts to count again.
 */
uint64_t
keepalive_due(const struct link *l)
{
	const struct keepalive *k = &l->keepalive;
	uint64_t from = k->asked > k->heard ? k->asked : k->heard;

	if (!l->up || l->hop->serveraliveinterval <= 0)
		return 0;
	return from + (uint64_t)l->hop->serveraliveinterval * 1000;
}

/*
 * The first call may only take in what has become of the one before, the
 * second sends nothing while one is under way.
 */
static void
probe(struct link *l, uint64_t t)
{
	struct link *logged;

	if (link_gone(l))
		return;
	logged = libssh_log_of(l);
	(void)ssh_send_keepalive(l->session);
	(void)ssh_send_keepalive(l->session);
	(void)libssh_log_of(logged);
	if (l->keepalive.probed == 0)
		l->keepalive.probed = t;
}

/*
 * The nearest hop that has been silent since the dead one was first asked: the
 * ones behind it cannot answer.
 */
static struct link *
nearest(struct chain *c, const struct link *dead)
{
	struct link *l = c->links;

	while (l->keepalive.probed == 0 || l->keepalive.probed > dead->keepalive.probed)
		l++;
	return l;
}

/*
 * Sends what is due.  The hops before are asked, too, since they may be why
 * one is silent.  Returns OK, or another status if a hop no longer
 * answers.
 */
int
keepalive_step(struct chain *c)
{
	uint64_t t = now(), due;
	struct link *l;
	int i;

	for (i = 0; i < c->n; i++)
		listen_to(&c->links[i], t);
	for (i = 0; i < c->n; i++) {
		l = &c->links[i];
		if ((due = keepalive_due(l)) == 0 || t < due)
			continue;
		if (l->keepalive.unanswered > 0 &&
		    l->keepalive.unanswered == l->hop->serveralivecountmax)
			return failure_note(c, nearest(c, l), FAIL_SILENT);
		l->keepalive.asked = t;
		l->keepalive.unanswered++;
		for (; l >= c->links; l--)
			probe(l, t);
	}
	return OK;
}
