/*
 * The plan: which hops, in which order, each with its settings.  Plain data;
 * nothing here opens a socket.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxyhop.h"

/* Where hop is asked to forward to, as ssh -W takes it. */
static char *
after(const struct plan *plan, const struct hop *hop)
{
	const struct hop *next;

	if ((next = TAILQ_NEXT(hop, entry)) == NULL)
		return xasprintf("[%s]:%d", plan->host, plan->port);
	return xasprintf("[%s]:%d", next->name,
	    next->typed_port != 0 ? next->typed_port : 22);
}

/* Asks about the first n hops at the same time; each takes some 6 ms. */
static int
ask_hops(struct plan *plan, const struct conf *conf, int n)
{
	struct ask asks[MAX_HOPS];
	struct hop *hop;
	char *earlier = NULL, *next;
	int i = 0, status = 0;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		if (i == n)
			break;
		next = after(plan, hop);
		ask_start(&asks[i], conf, hop, i + 1, earlier, next);
		free(next);
		words_join(&earlier, ",", hop->spec);
		i++;
	}
	free(earlier);
	for (i = 0; i < n; i++)
		if (ask_finish(&asks[i], status) == -1)
			status = -1;
	return status;
}

static int
count(struct plan *plan)
{
	struct hop *hop;

	plan->nhops = 0;
	TAILQ_FOREACH(hop, &plan->hops, entry)
		plan->nhops++;
	return plan->nhops;
}

/* The way as a person reads it: gw1 -> gw2. */
static char *
way(const struct plan *plan)
{
	struct hop *hop;
	char *s = NULL;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		words_join(&s, " -> ", hop->spec);
	return s;
}

static int
too_long(struct plan *plan)
{
	char *s;

	if (count(plan) <= MAX_HOPS)
		return 0;
	s = way(plan);
	say("%d gateways are more than %d: %s", plan->nhops, MAX_HOPS, s);
	free(s);
	return 1;
}

/* Puts the first hop's own ProxyJump before it; returns how many, or -1. */
static int
prepend(struct plan *plan)
{
	struct hop *first = TAILQ_FIRST(&plan->hops), *hop;
	struct hops before = TAILQ_HEAD_INITIALIZER(before);
	int n = 0;

	if (first->proxyjump == NULL || strcmp(first->proxyjump, "none") == 0)
		return 0;
	say_debug(1, "%s: has ProxyJump %s", first->name, first->proxyjump);
	if (hop_list(&before, first->proxyjump) == -1) {
		hops_free(&before);
		return -1;
	}
	TAILQ_FOREACH(hop, &before, entry)
		n++;
	TAILQ_CONCAT(&before, &plan->hops, entry);
	TAILQ_CONCAT(&plan->hops, &before, entry);
	return too_long(plan) ? -1 : n;
}

/* Two hops at the same address: the way goes round in a circle. */
static int
circle(const struct plan *plan)
{
	struct hop *a, *b;
	char *s;

	TAILQ_FOREACH(a, &plan->hops, entry)
		for (b = TAILQ_NEXT(a, entry); b != NULL;
		    b = TAILQ_NEXT(b, entry))
			if (a->port == b->port &&
			    strcmp(a->user, b->user) == 0 &&
			    strcmp(a->hostname, b->hostname) == 0) {
				s = way(plan);
				say("the way comes back to %s@%s:%d: %s",
				    a->user, a->hostname, a->port, s);
				free(s);
				return 1;
			}
	return 0;
}

/* Expands the names of w for hop and drops those that say "none". */
static int
expand_words(const struct hop *hop, const char *key, struct words *w)
{
	struct words done = { NULL, 0 };
	const char *why;
	char *file;
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (strcasecmp(w->v[i], "none") == 0)
			continue;
		if ((file = expand_file(hop, w->v[i], &why)) == NULL) {
			say("%s: %s %s: %s", hop->name, key, w->v[i], why);
			words_free(&done);
			return -1;
		}
		words_add(&done, file);
	}
	words_free(w);
	*w = done;
	return 0;
}

/* ssh has expanded these, but for a leading ~ in old versions. */
static void
expand_known_hosts(struct words *w)
{
	char *file;
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (strncmp(w->v[i], "~/", 2) != 0)
			continue;
		file = xasprintf("%s%s", expand_home(), w->v[i] + 1);
		free(w->v[i]);
		w->v[i] = file;
	}
}

/* Last hand at one hop: names expanded, what we cannot do refused. */
static int
settle(struct hop *hop, int first)
{
	if (hop->connecttimeout <= 0)
		hop->connecttimeout = CONNECT_TIMEOUT;
	if (first && hop->proxycommand != NULL &&
	    strcmp(hop->proxycommand, "none") != 0 &&
	    strstr(hop->proxycommand, "proxyhop") == NULL) {
		say("%s: its ProxyCommand is not run by this version; "
		    "-o %s:ProxyCommand=none connects without it", hop->name,
		    hop->name);
		return -1;
	}
	expand_known_hosts(&hop->userknownhostsfile);
	expand_known_hosts(&hop->globalknownhostsfile);
	return expand_words(hop, "IdentityFile", &hop->identityfile);
}

static int
settle_all(struct plan *plan)
{
	struct hop *hop;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		if (settle(hop, hop == TAILQ_FIRST(&plan->hops)) == -1)
			return -1;
	return 0;
}

/* An option for a hop that is not there is a slip of the pen. */
static int
unused(const struct conf *conf)
{
	struct option *option;

	TAILQ_FOREACH(option, &conf->options, entry)
		if (!option->used) {
			say("-o %s: no hop is called \"%s\"", option->typed,
			    option->hop);
			return 1;
		}
	return 0;
}

/*
 * Makes the plan for conf, which must outlive it.  Returns OK, or GIVEUP
 * after saying why there is none; plan_free() in either case.
 */
int
plan_make(struct plan *plan, struct conf *conf)
{
	int n;

	plan->host = conf->host;
	plan->port = conf->port;
	if (conf->jump == NULL) {
		say("no gateway given; write -J gateway[,gateway ...]");
		return GIVEUP;
	}
	if (hop_list(&plan->hops, conf->jump) == -1 || too_long(plan))
		return GIVEUP;
	/*
	 * Depth first, as ssh walks it: the nearest hop's own ProxyJump goes
	 * before it, and so on.  The later ones' do not count.
	 */
	for (n = plan->nhops; n > 0; n = prepend(plan))
		if (ask_hops(plan, conf, n) == -1 || circle(plan))
			return GIVEUP;
	if (n == -1 || unused(conf) || settle_all(plan) == -1)
		return GIVEUP;
	return OK;
}

/* Frees the hops; the plan can be made again. */
void
plan_free(struct plan *plan)
{
	hops_free(&plan->hops);
	plan->nhops = 0;
}
