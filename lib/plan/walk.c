/*
 * From the hops that were typed to those that are connected to: the ProxyJump
 * of the first one is expanded before it, as ssh does, and its ProxyCommand
 * counts.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

#define NOBODY	"proxyhop-asks-for-any-host.invalid"	/* RFC 6761, 6.4 */

/* Has an option a number for a hop?  Then it may be another one now. */
static int
numbered(const struct conf *conf)
{
	const struct option *option;
	const char *errstr;

	TAILQ_FOREACH(option, &conf->options, entry)
		if (option->hop != NULL &&
		    strtonum(option->hop, 1, MAX_HOPS, &errstr) != 0)
			return 1;
	return 0;
}

static void
forget(struct plan *plan)
{
	struct hop *hop;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		keyword_free(hop);
		strlist_free(&hop->ignored);
		free(hop->command);
		hop->command = NULL;
		hop->asked = hop->asked_alone = 0;
	}
}

/* Puts the first hop's own ProxyJump before it; returns how many, or -1. */
static int
prepend(struct plan *plan)
{
	struct hop *first = TAILQ_FIRST(&plan->hops), *hop;
	struct hops before = TAILQ_HEAD_INITIALIZER(before);
	char *why;
	int n = 0;

	if (plan->fixed || !keyword_is_set(first->proxyjump))
		return 0;
	if ((why = hop_list(&before, first->proxyjump)) != NULL) {
		say("%s: ProxyJump %s: %s", first->name, first->proxyjump, why);
		free(why);
		hops_free(&before);
		return -1;
	}
	say_debug(1, "%s: has ProxyJump %s", first->name, first->proxyjump);
	free(first->proxyjump);
	first->proxyjump = NULL;
	first->jumped = 1;
	TAILQ_FOREACH(hop, &before, entry) {
		hop->place = "ssh";
		hop->nesting = first->nesting + 1;
		n++;
	}
	TAILQ_CONCAT(&before, &plan->hops, entry);
	TAILQ_CONCAT(&plan->hops, &before, entry);
	return route_too_long(plan) ? -1 : n;
}

static int
same(const struct hop *a, const struct hop *b)
{
	const char *x = a->hostkeyalias, *y = b->hostkeyalias;

	/* the alias tells apart what has one address seen from two places */
	return a->port == b->port && strcmp(a->user, b->user) == 0 &&
	    strcasecmp(a->hostname, b->hostname) == 0 &&
	    (x == NULL || y == NULL ? x == y : strcmp(x, y) == 0);
}

/* A pattern for those behind hop has caught it as well: says so. */
static int
loop(const struct hop *hop)
{
	say("%s: it is its own jump host; exclude it in ssh_config: Host * !%s",
	    hop->name, hop->name);
	return 1;
}

/*
 * A hop that a ProxyJump has put before itself: the route goes round in a
 * circle.  One that is twice in what somebody has written is meant, as in ssh.
 */
static int
circle(const struct plan *plan)
{
	struct hop *a, *b;
	char *s;

	TAILQ_FOREACH(a, &plan->hops, entry)
		for (b = TAILQ_NEXT(a, entry); b != NULL;
		    b = TAILQ_NEXT(b, entry)) {
			if (a->nesting == b->nesting || !same(a, b))
				continue;
			if (b == TAILQ_NEXT(a, entry) &&
			    strcasecmp(a->name, b->name) == 0)
				return loop(a);
			s = route_text(plan, NULL, " -> ");
			say("the route comes back to %s@%s:%d: %s", a->user,
			    a->hostname, a->port, s);
			free(s);
			return 1;
		}
	return 0;
}

/*
 * Depth first, as ssh walks it: the nearest hop's own ProxyJump goes before
 * it, and so on.  Those of later hops do not count.  Returns 0, or -1 after
 * saying what is wrong.
 */
int
walk_hops(struct plan *plan)
{
	int n;

	for (;;) {
		if (answers_all(plan) == -1)
			return -1;
		if (plan->partial)
			return 0;
		if (circle(plan))
			return -1;
		if ((n = prepend(plan)) <= 0)
			return n;
		if (numbered(plan->conf))
			forget(plan);
	}
}

/* Says that hop has both a ProxyCommand and a hop before it.  Returns 1. */
static int
say_both(const struct hop *hop, const char *command)
{
	say("%s: both a ProxyCommand (%s) and a jump host (%s); to choose the "
	    "jump host: -o %s:ProxyCommand=none; to choose the command: leave "
	    "out what is before %s", hop->name, command,
	    TAILQ_PREV(hop, hops, entry)->name, hop->name, hop->name);
	return 1;
}

/*
 * Does every host have this ProxyCommand, that is, one which no Host line means
 * as well?  Then it is how this site reaches any host, not this hop.
 */
static int
site_wide(const struct plan *plan, const char *command)
{
	static const char *const alone[] = { "CanonicalizeHostname=no", NULL };
	struct question q = { .conf = plan->conf, .next = "[" NOBODY "]:22",
	    .extra = alone, .shell = plan->no_jump ? NULL : ask_shell_false() };
	struct hop *nobody = hop_new(NOBODY, NOBODY);
	int found;

	found = answers_one(nobody, &q, 1) == ANSWER_OK &&
	    nobody->proxycommand != NULL &&
	    strcmp(nobody->proxycommand, command) == 0;
	hop_free(nobody);
	return found;
}

/*
 * Is there a hop behind another one that has a ProxyCommand of its own, too?
 * That is said.
 */
int
walk_conflict(const struct plan *plan)
{
	struct hop *hop = TAILQ_FIRST(&plan->hops);
	int n = 1;

	while ((hop = TAILQ_NEXT(hop, entry)) != NULL) {
		n++;
		if (hop->command != NULL && (site_wide(plan, hop->command) ||
		    (!plan->no_jump && !answers_command(plan, hop, n)))) {
			free(hop->proxycommand);
			hop->proxycommand = NULL;
		} else if (hop->command != NULL)
			return say_both(hop, hop->command);
		if (plan->no_ssh && hop_other_command(hop->proxycommand))
			return say_both(hop, hop->proxycommand);
	}
	return 0;
}

/*
 * A ProxyCommand that runs us is how we were started: it does not lead to the
 * hop, unless that is the first and has jump hosts of its own; and none is none.
 */
void
walk_drop_commands(struct plan *plan)
{
	struct hop *hop;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		if (!hop_other_command(hop->proxycommand) &&
		    !(hop == TAILQ_FIRST(&plan->hops) &&
		    keyword_is_set(hop->proxycommand) && target_leads(hop))) {
			free(hop->proxycommand);
			hop->proxycommand = NULL;
		}
		if (!keyword_is_set(hop->forwardcommand)) {
			free(hop->forwardcommand);
			hop->forwardcommand = NULL;
		}
	}
}
