/*
 * The plan of one route: which hops, in which order, each with its settings.
 * Plain data; nothing here opens a socket.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/* Somebody wrote "none": how to connect to the target itself. */
static int
plan_direct(struct plan *plan)
{
	struct question q = { .conf = plan->conf, .number = 1,
	    .earlier = "none" };
	struct hop *target;
	enum answer answer;
	char *next;
	int rc;

	plan->target = target = hop_new(plan->host, plan->host);
	target->typed_port = plan->port;
	q.next = next = route_next(plan, target);
	if ((answer = answers_one(target, &q, 0)) == ANSWER_NO_JUMP) {
		q.earlier = NULL;
		answer = answers_one(target, &q, 0);
	}
	rc = answers_take(plan, target, 1, answer);
	free(next);
	free(target->proxycommand);
	target->proxycommand = NULL;
	settle_times(plan, target, 1);
	/* keepalives are the client's */
	target->serveraliveinterval = 0;
	return rc;
}

/* The list of hops as somebody wrote it. */
static int
begin(struct plan *plan, const char *jump)
{
	struct hop *hop;
	char *why;

	if ((why = hop_list(&plan->hops, jump)) != NULL)
		say("%s: ProxyJump %s: %s", plan->host, jump, why);
	hop = TAILQ_FIRST(&plan->hops);
	if (hop != NULL && strcasecmp(hop->spec, "none") == 0) {
		/* ssh -J none,gw: gw directly, whatever ProxyJump it has */
		TAILQ_REMOVE(&plan->hops, hop, entry);
		hop_free(hop);
		plan->fixed = 1;
	}
	TAILQ_FOREACH(hop, &plan->hops, entry)
		hop->place = plan->conf->jump != NULL ?
		    plan->conf->jump_place : "ssh";
	free(why);
	return why != NULL || route_too_long(plan) ? -1 : 0;
}

/*
 * Returns the routes to plan's target, as given or as ssh has them, with |
 * between them, or NULL after saying that there are none; the caller frees
 * them.  What ssh has of our own options for the target is added to conf.
 */
char *
plan_jump(struct plan *plan, struct conf *conf)
{
	return conf->jump != NULL ? xstrdup(conf->jump) :
	    target_jump(plan, conf);
}

/* From a list of hops to their settings. */
static int
make_hops(struct plan *plan)
{
	if (walk_hops(plan) == -1)
		return GIVEUP;
	if (plan->partial) {
		settle_last(plan);
		return OK;
	}
	if (walk_conflict(plan))
		return GIVEUP;
	walk_drop_commands(plan);
	return settle(plan) == -1 ? GIVEUP : OK;
}

/*
 * Makes the plan for one route to its target; plan has conf, host and port,
 * and conf must outlive it.  It is partial if the last hop's connection seems
 * to be shared (conf->usable): nobody then needs to know how to get there, and
 * ssh -J does not look, either.  Returns OK, or GIVEUP after saying why there
 * is none; plan_free() in either case.
 */
int
plan_make(struct plan *plan, const char *jump)
{
	if (begin(plan, jump) == -1)
		return GIVEUP;
	if (plan->nhops == 0)
		return plan_direct(plan) == -1 ? GIVEUP : OK;
	return make_hops(plan);
}

/*
 * Asks what a partial plan has left out.  Returns OK, or GIVEUP after saying
 * what is wrong.
 */
int
plan_complete(struct plan *plan)
{
	if (!plan->partial)
		return OK;
	plan->partial = plan->alone = 0;
	return make_hops(plan);
}

/* Frees the hops; the plan can be made again. */
void
plan_free(struct plan *plan)
{
	hops_free(&plan->hops);
	hop_free(plan->target);
	free(plan->hostname);
	plan->hostname = NULL;
	plan->target = NULL;
	plan->nhops = 0;
}
