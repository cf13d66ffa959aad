/*
 * Which hop's shared connection the chain begins at, and which are to be shared
 * first.
 */

#include <unistd.h>

#include "chain/local.h"

/* Frees all links, none of which is set up. */
static void
forget_links(struct chain *c)
{
	while (c->n > 0)
		link_free(&c->links[--c->n]);
}

/* Links to hop and to those before it, none of which is set up. */
static struct link *
links_to(struct chain *c, const struct hop *hop)
{
	const struct hop *h = TAILQ_FIRST(&c->plan->hops);
	struct link *l;

	forget_links(c);
	while ((l = setup_link(c, h))->hop != hop)
		h = TAILQ_NEXT(h, entry);
	return l;
}

/* Where hop is to forward to. */
static const char *
after(const struct chain *c, const struct hop *hop, int *port)
{
	const struct hop *next = TAILQ_NEXT(hop, entry);

	*port = next == NULL ? c->plan->port : next->port;
	return next == NULL ? c->plan->host : next->hostname;
}

/* Has ssh log in to hop and share that, unless another of us has meanwhile. */
static int
make_master(struct chain *c, const struct hop *hop)
{
	struct link *l = links_to(c, hop);
	int claim, status;

	status = master_wait(c, l, &claim);
	if (status == OK && !share_listens(hop))
		status = master_start(c, l);
	if (claim != -1)
		close(claim);
	return status;
}

/*
 * Has the connection to hop shared, and those to the hops before it that ssh -J
 * would share on the way, the nearest first: what fails is then said of the hop
 * that it is about, and nobody is asked twice.
 */
static int
make_masters(struct chain *c, const struct hop *last)
{
	const struct hop *hop = last, *before;
	int status = OK;

	while ((before = TAILQ_PREV(hop, hops, entry)) != NULL &&
	    (before->controlpath == NULL || !share_listens(before)))
		hop = before;
	for (; status == OK; hop = TAILQ_NEXT(hop, entry)) {
		if (plan_shares(c->plan, hop)) {
			status = make_master(c, hop);
			if (!share_listens(hop))
				break;
		}
		if (hop == last)
			break;
	}
	return status;
}

/* Is the last link's connection shared? */
static int
is_shared(const struct chain *c)
{
	return c->n > 0 && share_is(c, &c->links[c->n - 1]);
}

/*
 * The deepest hop whose connection is shared is where the chain begins, and
 * those before it are left alone.  make: it may also be one that ssh -J would
 * share.  What ssh was not asked because the last hop's seemed to be shared, it
 * is asked once it turns out that it is not.
 */
int
sharing_find(struct chain *c, struct plan *plan, int make)
{
	const struct hop *hop;
	const char *host;
	int absent, port, status;

	TAILQ_FOREACH_REVERSE(hop, &plan->hops, hops, entry) {
		host = after(c, hop, &port);
		status = share_find(c, links_to(c, hop), host, port, &absent);
		if (status == OK && !is_shared(c))
			status = plan_complete(plan);
		if (status == OK && absent && make && plan_shares(plan, hop)) {
			make = 0;
			if ((status = make_masters(c, hop)) == OK)
				status = share_find(c, links_to(c, hop), host,
				    port, NULL);
		}
		if (status != OK || is_shared(c))
			return status;
	}
	forget_links(c);
	return OK;
}
