/*
 * Keepalives: on every hop that is up and from which nothing has come for
 * ServerAliveInterval, one is sent, and after ServerAliveCountMax of them
 * without a byte in return the hop has gone.  ssh counts packets; a byte of a
 * long one shows as well that the hop is there.
 *
 * Where nobody has set ServerAliveInterval ssh sends nothing and waits for
 * ever.  Ours are then for those between, who forget paths that are idle: a hop
 * that has never answered one does not end the session by its silence.
 *
 * libssh does not tell whether a keepalive was answered, but sends no other one
 * before.  It takes SSH_MSG_UNIMPLEMENTED for no answer (RFC 4254, 4, wants
 * another one): a server that sends that can be asked once.
 */

#include <libssh/server.h>

#include "wire/local.h"

/* Has anything come from l since it was last asked?  A write reads, too. */
static void
listen_to(struct link *l, uint64_t t)
{
	struct keepalive *k = &l->wire->keepalive;

	if (link_received(l) == k->bytes)
		return;
	k->bytes = link_received(l);
	k->heard = t;
	k->probed = 0;
	k->unanswered = 0;
}

/* Returns for how long nothing has come from l, in milliseconds. */
uint64_t
keepalive_silence(const struct link *l)
{
	return now() - l->wire->keepalive.heard;
}

/*
 * Returns when something is to be done about l (milliseconds as of now()), or
 * 0 for never.  A process that was stopped for a while starts to count again.
 */
uint64_t
keepalive_due(const struct link *l)
{
	const struct keepalive *k = &l->wire->keepalive;
	uint64_t from = k->asked > k->heard ? k->asked : k->heard;

	if (!l->wire->up || l->hop->serveraliveinterval <= 0)
		return 0;
	return from + (uint64_t)l->hop->serveraliveinterval * 1000;
}

/*
 * Asks l.  The first call may only take in what has become of the one before,
 * the second sends nothing while one is under way.  Returns whether it was
 * sent, and notes that the one before was answered, then.
 */
static int
ask(struct link *l)
{
	struct keepalive *k = &l->wire->keepalive;
	uint64_t sent = link_sent(l), received = link_received(l);

	(void)ssh_send_keepalive(l->session);
	(void)ssh_send_keepalive(l->session);
	if (link_sent(l) == sent)
		return 0;
	k->answers = k->asks++ > 0;
	k->before = received;
	return 1;
}

/*
 * Sends a keepalive, or what needs no answer while one is under way.  If that
 * is still so after something has come, l does not answer at all, or only the
 * first time.
 */
static void
probe(struct link *l, uint64_t t)
{
	struct keepalive *k = &l->wire->keepalive;
	struct link *logged;

	if (link_gone(l))
		return;
	logged = libssh_log_of(l);
	if (!ask(l)) {
		if (link_received(l) != k->before && !k->answers)
			k->mute = 1;
		if (!(ssh_get_status(l->session) & SSH_WRITE_PENDING))
			(void)ssh_send_ignore(l->session, "");
	}
	(void)libssh_log_of(logged);
	if (k->probed == 0)
		k->probed = t;
}

/*
 * The nearest hop that has been silent since the dead one was first asked: the
 * ones behind it cannot answer.
 */
static struct link *
nearest(struct chain *c, struct link *dead)
{
	uint64_t since = dead->wire->keepalive.probed;
	const struct keepalive *k;
	struct link *l;

	for (l = c->links; l != dead; l++) {
		k = &l->wire->keepalive;
		if (k->probed != 0 && k->probed <= since && !k->mute)
			break;
	}
	return l;
}

/* Has l been asked often enough, without an answer from one that answers? */
static int
silent(const struct link *l)
{
	const struct keepalive *k = &l->wire->keepalive;
	int most = l->hop->serveralivecountmax;

	if (most == 0 || k->unanswered < most)
		return 0;
	return l->hop->alive_default ? k->answers : !k->mute;
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
		if (silent(l))
			return failure_note(c, nearest(c, l), FAIL_SILENT);
		l->wire->keepalive.asked = t;
		l->wire->keepalive.unanswered++;
		for (; l >= c->links; l--)
			probe(l, t);
	}
	return OK;
}
