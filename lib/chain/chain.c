/*
 * The chain: hop after hop is set up, the target is opened, bytes are carried,
 * and all is taken down again.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

/* Returns a chain without links, for chain_free(). */
struct chain *
chain_new(void)
{
	struct chain *c = xcalloc(1, sizeof(*c));

	c->sequence = xcalloc(1, sizeof(*c->sequence));
	return c;
}

/* Begins the set-up of plan's chain. */
void
chain_begin(struct chain *c, const struct plan *plan)
{
	c->plan = plan;
	c->sequence->began = now();
	report_start(c);
}

/* The set-up is over, with status; returns what it means. */
int
chain_end(struct chain *c, int status)
{
	status = fail_say(c, status);
	own_end(c);
	if (status == OK)
		c->sequence->hold = NULL;	/* no other route any more */
	c->deadline = 0;
	c->carrying = 1;
	say_erase();
	return status;
}

/* The channel to the target, joined to in and out. */
static int
open_target(struct chain *c, int in, int out)
{
	struct link *l = &c->links[c->n - 1];

	if (share_is(c, l))
		return share_target(c, l, c->plan->host, c->plan->port, in,
		    out);
	chain_limit(c, l, l->hop->logintimeout);
	c->sequence->tries = 0;
	return forward_open(c, l, c->plan->host, c->plan->port, in, out);
}

/*
 * Connects all hops of plan in order, from the deepest one on that has a
 * shared connection, and opens a channel to its target that is joined to in
 * and out.  Returns OK, or another status after saying what failed.
 */
int
chain_open(struct chain *c, struct plan *plan, int in, int out)
{
	const struct hop *hop = TAILQ_FIRST(&plan->hops);
	int status;

	chain_begin(c, plan);
	status = sharing_find(c, plan, 1);
	if (c->n > 0 && c->sequence->given != NULL &&
	    *c->sequence->given != -1) {
		close(*c->sequence->given);	/* its server waits */
		*c->sequence->given = -1;
	}
	if (c->n > 0)
		hop = TAILQ_NEXT(c->links[c->n - 1].hop, entry);
	for (; status == OK && hop != NULL; hop = TAILQ_NEXT(hop, entry))
		status = setup_hop(c, hop);
	if (status == OK)
		status = open_target(c, in, out);
	return chain_end(c, status);
}

/*
 * Connects directly to plan's target, which has no jump host; the caller owns
 * *fd.  Returns OK, or another status after saying what failed.
 */
int
chain_dial(struct chain *c, const struct plan *plan, int *fd)
{
	struct link *l;
	int status;

	chain_begin(c, plan);
	l = setup_link(c, plan->target);
	l->number = 0;		/* it is no hop */
	l->label = report_label(c, l);
	setup_limit(c, l, l, dial_limit(l));
	if ((status = dial(c, l, fd)) == OK)
		link_stage(l, STAGE_CARRY);
	return chain_end(c, status);
}

/*
 * The last hop's ForwardCommand has ended, and the connection with it.  Returns
 * OK if it has led to the target, or another status after noting why not.  What
 * the target sends may be anything; only where our end speaks SSH, what comes
 * back and is no SSH is taken for the command's own text.
 */
static int
judge_command(struct chain *c, struct link *l)
{
	const char *said = forward_text(l);

	if (!forward_used(l))
		return command_forward_end(c, l, NULL);
	if (said == NULL || !forward_is_ssh(l))
		return OK;
	return command_forward_text(c, l, said);
}

/*
 * The set-up is over: from here on this process opens no file, runs no program
 * and makes no connection, nor does anybody who takes it over by what a server
 * sends.  A ProxyCommand is not started again, but has to be ended.
 */
void
chain_confine(struct chain *c)
{
	/* the locale's tables are files, read when they are first needed */
	free(str_visible("\377"));
	os_confine(c->sequence->pid > 0);
}

/*
 * Carries until the target has closed and all it sent is written, or nobody
 * reads it any more.  Returns OK, or RETRY after saying which hop was lost, or
 * that standard output has failed.
 */
int
chain_carry(struct chain *c)
{
	struct link *l = &c->links[c->n - 1];
	int status = OK;

	chain_confine(c);
	if (share_is(c, l))
		return fail_say(c, share_carry(c));
	while (status == OK && !forward_done(l))
		status = chain_turn(c);
	if (status == OK && l->forward.command != NULL && forward_error(l) == 0)
		status = judge_command(c, l);
	if (status == OK)
		status = report_output(forward_error(l));
	return fail_say(c, status);
}

/* Takes the chain down, last link first; it is as new then. */
void
chain_close(struct chain *c)
{
	struct sequence *s = c->sequence;
	struct link *l;
	int i;

	while (c->n > 0) {
		l = &c->links[--c->n];
		session_drop(l);
		forward_drop(l);
		share_close(c, l);
		byssh_end(c, l);
		link_free(l);
		(void)command_end(c, l);
	}
	for (i = 0; i < MAX_HOPS; i++)
		free(s->used[i].key);
	memset(s, 0, sizeof(*s));
	memset(c, 0, sizeof(*c));
	c->sequence = s;
}

/* Takes the chain down, and frees it. */
void
chain_free(struct chain *c)
{
	chain_close(c);
	free(c->sequence);
	free(c);
}
