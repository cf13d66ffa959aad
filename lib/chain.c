/*
 * The chain of links, and the one place in the program that waits.  Every
 * step of a hop's set-up is a call that does not block; between two of them
 * chain_wait() turns all hops, since the handshake of hop 3 needs hops 1 and
 * 2 to keep moving.
 */

#include <err.h>
#include <errno.h>
#include <string.h>

#include "proxyhop.h"

#define FDS	3	/* descriptors of a link: session, relay's two */
#define MORE	8	/* descriptors of a step that waits for its own */

/* The end of the chain: what it relays goes to our stdin and stdout. */
static const struct relay *
last(const struct chain *c)
{
	return &c->links[c->n - 1].relay;
}

/* How long poll(2) may wait, in milliseconds. */
static int
timeout(const struct chain *c, uint64_t until)
{
	uint64_t t = now();
	int i;

	for (i = 0; i < c->n; i++)
		if (relay_ready(&c->links[i].relay))
			return 0;
	if (until == 0 || (c->deadline != 0 && c->deadline < until))
		until = c->deadline;
	if (until == 0)
		return INFTIM;
	return until > t ? (int)(until - t) : 0;
}

static nfds_t
gather(struct chain *c, struct pollfd *pfd)
{
	struct link *l;
	int i;

	for (i = 0; i < c->n; i++, pfd += FDS) {
		l = &c->links[i];
		pfd[0].fd = l->event == NULL ? -1 : ssh_get_fd(l->session);
		pfd[0].events = POLLIN;
		if (ssh_get_status(l->session) & SSH_WRITE_PENDING)
			pfd[0].events |= POLLOUT;
		relay_poll(&l->relay, &pfd[1]);
	}
	return (nfds_t)c->n * FDS;
}

/*
 * Down the chain each session reads, and what its relay wrote is there for
 * the next; then back up, each relay reads what the session before it wrote.
 */
static void
turn(struct chain *c, struct pollfd *pfd)
{
	struct link *l;
	int i, fed = 0;

	for (i = 0; i < c->n; i++) {
		l = &c->links[i];
		if (pfd[i * FDS].revents != 0 || fed)
			link_drive(l);
		fed = l->relay.moved;
		l->relay.moved = 0;
	}
	for (i = c->n - 1; i >= 0; i--)
		relay_step(&c->links[i].relay, &pfd[i * FDS + 1]);
}

/*
 * Has a link that was up gone?  It no longer matters when the target has
 * closed and we only have to write what it sent.  Asked before each wait,
 * since any call into libssh may find out, a write as well, and close the
 * descriptor that would have told us.
 */
static int
lost(struct chain *c)
{
	int i;

	if (c->n == 0 || relay_safe(last(c)))
		return OK;
	for (i = 0; i < c->n; i++)
		if (c->links[i].up && link_gone(&c->links[i]))
			return link_lost(c, &c->links[i]);
	return OK;
}

/*
 * Waits until something can be done, or until the time until (milliseconds
 * as of now(), 0: no limit) or the deadline of the hop being set up, and does
 * it for every link.  The caller's own n descriptors in more are waited for,
 * too.  Returns OK, or another status after saying which hop failed.
 */
int
chain_wait(struct chain *c, struct pollfd *more, nfds_t n, uint64_t until)
{
	struct pollfd pfd[MAX_HOPS * FDS + MORE];
	nfds_t own;
	int rc;

	if ((rc = lost(c)) != OK)
		return rc;
	memset(pfd, 0, sizeof(pfd));
	own = gather(c, pfd);
	if (n > 0)
		memcpy(pfd + own, more, n * sizeof(*more));
	rc = poll(pfd, own + n, timeout(c, until));
	if (rc == -1 && errno != EINTR)
		err(RETRY, "poll");
	if (rc == -1)
		return OK;
	if (n > 0)
		memcpy(more, pfd + own, n * sizeof(*more));
	turn(c, pfd);
	if (c->deadline != 0 && now() >= c->deadline)
		return link_timeout(c, &c->links[c->n - 1]);
	return OK;
}

/* As chain_wait() with nothing of one's own to wait for. */
int
chain_turn(struct chain *c)
{
	return chain_wait(c, NULL, 0, 0);
}

static struct link *
link_new(struct chain *c, const struct hop *hop)
{
	struct link *l = &c->links[c->n++];

	memset(l, 0, sizeof(*l));
	l->hop = hop;
	l->number = c->n;
	l->agentfd = l->joint = -1;
	c->deadline = now() + (uint64_t)hop->connecttimeout * 1000;
	return l;
}

/* From a connected descriptor, which it takes over, to a link that is up. */
static int
bring_up(struct chain *c, struct link *l, int fd)
{
	int status;

	if ((status = link_connect(c, l, fd)) != OK ||
	    (status = hostkey_check(c, l)) != OK ||
	    (status = auth(c, l)) != OK)
		return status;
	/* asking for the next hop has its own time: another machine's */
	c->deadline = now() + (uint64_t)l->hop->connecttimeout * 1000;
	return OK;
}

/*
 * Adds l to the chain, over the descriptor *fd that the link before it has
 * left, or a new connection.  Leaves in *fd where the next link can begin.
 */
static int
add_link(struct chain *c, struct link *l, int *fd, int in, int out)
{
	const struct hop *next = TAILQ_NEXT(l->hop, entry);
	int status;

	if (l->number == 1 && (status = dial(c, l, fd)) != OK)
		return status;
	if ((status = bring_up(c, l, *fd)) != OK)
		return status;
	if (next == NULL)
		return link_forward(c, l, c->plan->host, c->plan->port, in,
		    out);
	joint_open(&l->joint, fd);
	return link_forward(c, l, next->hostname, next->port, l->joint,
	    l->joint);
}

/*
 * Connects all hops of plan in order, and opens a channel to its target that
 * is joined to in and out.  Returns OK, or another status after saying what
 * failed; chain_close() in either case.
 */
int
chain_open(struct chain *c, const struct plan *plan, int in, int out)
{
	const struct hop *hop;
	int fd = -1, status = OK;

	c->plan = plan;
	TAILQ_FOREACH(hop, &plan->hops, entry) {
		status = add_link(c, link_new(c, hop), &fd, in, out);
		if (status != OK)
			break;
	}
	c->deadline = 0;
	return status;
}

/*
 * Connects straight to plan's target, which has no gateway; the caller owns
 * *fd.  Returns OK, or another status after saying what failed.
 */
int
chain_dial(struct chain *c, const struct plan *plan, int *fd)
{
	struct link *l;
	int status;

	c->plan = plan;
	l = link_new(c, plan->target);
	l->number = 0;		/* it is no hop */
	status = dial(c, l, fd);
	c->deadline = 0;
	return status;
}

/*
 * Carries until the target has closed and all it sent is written, or nobody
 * reads it any more.  Returns OK, or RETRY after saying which hop was lost, or
 * that standard output has failed.
 */
int
chain_carry(struct chain *c)
{
	int error, status = OK;

	while (status == OK && !relay_done(last(c)))
		status = chain_turn(c);
	error = last(c)->gone;
	if (status == OK && error != 0 && error != EPIPE &&
	    error != ECONNRESET) {
		say("standard output: %s", strerror(error));
		status = RETRY;
	}
	return status;
}

/* Takes the chain down, last link first. */
void
chain_close(struct chain *c)
{
	while (c->n > 0)
		link_close(&c->links[--c->n]);
}
