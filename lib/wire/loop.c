/*
 * The one place in the program that waits.  Every step of a hop's set-up is a
 * call that does not block; between two of them chain_wait() turns all links,
 * since the handshake of hop 3 needs hops 1 and 2 to keep moving.
 */

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "wire/local.h"

#define FDS	4	/* descriptors of a link: session, relay's two, watch */
#define MORE	8	/* descriptors of a step that waits for its own */

/* The end of the chain: what it relays goes to our stdin and stdout. */
static const struct relay *
last(const struct chain *c)
{
	return &c->links[c->n - 1].wire->relay;
}

/*
 * Has the target closed, and is all that it sent in our hands, so that it no
 * longer matters what becomes of the links?
 */
static int
is_over(const struct chain *c)
{
	return c->n > 0 && relay_safe(last(c));
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Tells the listener that the chain waits; returns until when, or 0. */
static uint64_t
tell(const struct chain *c)
{
	if (c->listener.wait == NULL)
		return 0;
	return c->listener.wait(c->listener.arg);
}

/*
 * How long poll(2) may wait, in milliseconds; gathered is when gather() was
 * called, since it has left out who rests.
 */
static int
timeout(const struct chain *c, uint64_t gathered, uint64_t until)
{
	uint64_t t;
	int i;

	for (i = 0; i < c->n; i++)
		if (relay_ready(&c->links[i].wire->relay))
			return 0;
	until = earlier(until, c->deadline);
	until = earlier(until, tell(c));
	for (i = 0; i < c->n; i++)
		until = earlier(until, link_rest(&c->links[i], gathered));
	for (i = 0; i < c->n && !is_over(c); i++)
		until = earlier(until, keepalive_due(&c->links[i]));
	if (until == 0)
		return -1;
	t = now();
	if (until <= t)
		return 0;
	return until - t < INT_MAX ? (int)(until - t) : INT_MAX;
}

static nfds_t
gather(struct chain *c, uint64_t t, struct pollfd *pfd)
{
	struct link *l;
	int i;

	for (i = 0; i < c->n; i++, pfd += FDS) {
		l = &c->links[i];
		pfd[0].fd = link_is_read(l) ? ssh_get_fd(l->session) : -1;
		pfd[0].events = link_rest(l, t) == 0 ? POLLIN : 0;
		if (ssh_get_status(l->session) & SSH_WRITE_PENDING)
			pfd[0].events |= POLLOUT;
		relay_poll(&l->wire->relay, &pfd[1]);
		pfd[3].fd = l->watch.fd;
		pfd[3].events = POLLIN;
	}
	/* before anything is carried, only whether somebody still waits */
	pfd[0].fd = c->carrying ? -1 : STDOUT_FILENO;
	if (c->copy == NULL)
		return (nfds_t)c->n * FDS + 1;
	copy_poll(c->copy, &pfd[1]);
	return (nfds_t)c->n * FDS + 1 + COPY_FDS;
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
		if (pfd[i * FDS].revents != 0 || (fed &&
		    link_rest(l, now()) == 0))
			link_drive(l);
		fed = l->wire->relay.moved;
		l->wire->relay.moved = 0;
	}
	for (i = c->n - 1; i >= 0; i--) {
		l = &c->links[i];
		link_step(l, &pfd[i * FDS + 1]);
		if (pfd[i * FDS + 3].revents != 0)
			l->watch.ready(l->watch.arg);
	}
}

/*
 * Has a link that was up gone?  Asked before each wait, since any call into
 * libssh may find out, a write as well, and close the descriptor that would
 * have told us.
 */
static int
lost(struct chain *c)
{
	int i;

	if (is_over(c))
		return OK;
	for (i = 0; i < c->n; i++)
		if (c->links[i].wire->up && link_gone(&c->links[i]))
			return failure_note(c, &c->links[i], FAIL_LOST);
	return OK;
}

/*
 * l is waited for from now on, for so many seconds; 0: no limit.
 */
void
chain_limit(struct chain *c, struct link *l, int seconds)
{
	c->at = l;
	c->limit = seconds;
	c->deadline = seconds == 0 ? FOREVER :
	    now() + (uint64_t)seconds * 1000;
}

/*
 * What is waited for from now on is not the server: its deadline is put by in
 * *pause until chain_resume(), and there is none meanwhile.
 */
void
chain_pause(struct chain *c, struct pause *pause)
{
	pause->began = now();
	pause->deadline = c->deadline;
	pause->limit = c->limit;
	c->deadline = 0;
}

/* The server's time goes on, and is as much later over as that took. */
void
chain_resume(struct chain *c, const struct pause *pause)
{
	c->limit = pause->limit;
	c->deadline = pause->deadline;
	if (c->deadline != 0 && c->deadline != FOREVER)
		c->deadline += now() - pause->began;
}

/* What is to be done when the time has come, whatever poll(2) said. */
static int
on_time(struct chain *c)
{
	int status;

	if (!is_over(c) && (status = keepalive_step(c)) != OK)
		return status;
	if (c->deadline != 0 && now() >= c->deadline)
		return failure_note(c, c->at, FAIL_TIMEOUT);
	return OK;
}

/*
 * Waits until something can be done, or until the time until (milliseconds
 * as of now(), 0: no limit) or the deadline of the hop being set up, and does
 * it for every link.  The caller's own n descriptors in more are waited for,
 * too.  Returns OK, or another status after noting which hop has failed, or
 * nothing if nobody waits for the chain any more.
 */
int
chain_wait(struct chain *c, struct pollfd *more, nfds_t n, uint64_t until)
{
	struct pollfd pfd[MAX_HOPS * FDS + 1 + COPY_FDS + MORE];
	uint64_t t = now();
	nfds_t own;
	int rc;

	watchdog_turn(c);
	if ((rc = lost(c)) != OK)
		return rc;
	memset(pfd, 0, sizeof(pfd));
	own = gather(c, t, pfd);
	if (n > 0)
		memcpy(pfd + own, more, n * sizeof(*more));
	rc = poll(pfd, own + n, timeout(c, t, until));
	if (rc == -1 && errno != EINTR)
		err(RETRY, "poll");
	if (rc == -1)
		return OK;
	if (n > 0)
		memcpy(more, pfd + own, n * sizeof(*more));
	if (pfd[c->n * FDS].revents != 0) {
		failure_forget(c);
		return RETRY;
	}
	if (c->copy != NULL)
		copy_step(c->copy, &pfd[c->n * FDS + 1]);
	turn(c, pfd);
	return on_time(c);
}

/* As chain_wait() with nothing of one's own to wait for. */
int
chain_turn(struct chain *c)
{
	return chain_wait(c, NULL, 0, 0);
}
