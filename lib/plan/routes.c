/*
 * The routes to the target, in order of preference: a plan for each.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/*
 * option is for a hop that the chain does not have.  Returns whether that is
 * refused: not if it is in the route file for other chains, too.
 */
static int
no_such_hop(const struct conf *conf, const struct option *option)
{
	if (strchr(option->place, ':') == NULL) {
		say("-o %s: no hop is called \"%s\"", option->typed,
		    option->hop);
		return 1;
	}
	if (conf->jump_place != NULL &&
	    strcmp(conf->jump_place, option->place) == 0) {
		say("%s: -o %s: no hop of -J %s is called \"%s\"",
		    option->place, option->typed, conf->jump, option->hop);
		return 1;
	}
	say_debug(1, "%s: -o %s: not used, no hop is called \"%s\"",
	    option->place, option->typed, option->hop);
	return 0;
}

/* Does option concern a hop of this route? */
static int
concerns(const struct plan *plan, const struct option *option)
{
	const struct hop *hop;
	int n = 0;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		if (ask_concerns(option, hop, ++n))
			return 1;
	return 0;
}

/* Is there an option for a hop that is in no route?  That is said. */
static int
unused(const struct routes *routes, const struct conf *conf)
{
	const struct option *option;
	const struct plan *plan;
	int used;

	TAILQ_FOREACH(option, &conf->options, entry) {
		used = option->hop == NULL;
		TAILQ_FOREACH(plan, routes, entry)
			used |= concerns(plan, option);
		if (!used && no_such_hop(conf, option))
			return 1;
	}
	return 0;
}

/* A plan for the target as first has it, if ssh was asked. */
static struct plan *
add(struct routes *routes, const struct conf *conf, const struct plan *first)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));

	TAILQ_INIT(&plan->hops);
	plan->conf = conf;
	plan->host = conf->host;
	plan->port = conf->port;
	if (first != NULL) {
		plan->hostname = xstrdup(first->hostname);
		plan->host = first->hostname != NULL ? plan->hostname :
		    first->host;
		plan->port = first->port;
		plan->no_ssh = first->no_ssh;
	}
	TAILQ_INSERT_TAIL(routes, plan, entry);
	return plan;
}

/*
 * Makes the plans for all routes of conf, which must outlive them; what ssh
 * has of our own options for the target is added to it.  Returns OK, or GIVEUP
 * after saying what is wrong; routes_free() in either case.
 */
int
routes_make(struct routes *routes, struct conf *conf)
{
	struct plan *plan = add(routes, conf, NULL);
	char *jump, *rest, *spec;
	int status = OK;

	if ((jump = rest = plan_jump(plan, conf)) == NULL)
		return GIVEUP;
	while (status == OK && (spec = strsep(&rest, "|")) != NULL) {
		if (TAILQ_FIRST(routes)->spec != NULL)
			plan = add(routes, conf, TAILQ_FIRST(routes));
		plan->spec = xstrdup(spec);
		plan->alone = rest == NULL && TAILQ_FIRST(routes) == plan;
		status = plan_make(plan, spec);
	}
	free(jump);
	if (status == OK && unused(routes, conf))
		status = GIVEUP;
	return status;
}

void
routes_free(struct routes *routes)
{
	struct plan *plan;

	while ((plan = TAILQ_FIRST(routes)) != NULL) {
		TAILQ_REMOVE(routes, plan, entry);
		plan_free(plan);
		free(plan->spec);
		free(plan);
	}
}
