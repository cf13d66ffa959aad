/*
 * The plan as text: the route in one line, then the settings as ssh -G has
 * them.
 */

#include <stdio.h>
#include <string.h>

#include "plan/local.h"

/* What print_plan() knows while it prints one hop. */
struct printer {
	const struct plan	*plan;
	const struct hop	*hop;
	const struct hop	*plain;	/* one that nothing is set for */
	int			 number;
};

/* One setting, and whether a hop has the same. */
struct search {
	const char	*name, *value;
	int		 found;
};

static void
compare(const char *name, size_t index, const char *value, void *arg)
{
	struct search *s = arg;

	(void)index;
	if (strcmp(name, s->name) == 0 && strcmp(value, s->value) == 0)
		s->found = 1;
}

/* Would it be so, too, if nothing were configured? */
static int
is_default(const struct printer *p, const char *name, const char *value)
{
	struct search s = { name, value, 0 };

	if (strcmp(name, "hostname") == 0)
		return strcmp(value, p->hop->name) == 0;
	if (p->plain != NULL)
		keyword_each(p->plain, compare, &s);
	return s.found;
}

/*
 * Where a value comes from, as far as known.  Of keywords that may come
 * several times the typed ones are the first, in order.
 */
static const char *
source(const struct printer *p, const char *name, size_t index,
    const char *value)
{
	const struct option *option;

	if ((strcmp(name, "user") == 0 && p->hop->typed_user != NULL) ||
	    (strcmp(name, "port") == 0 && p->hop->typed_port != 0))
		return p->hop->place;
	TAILQ_FOREACH(option, &p->plan->conf->options, entry)
		if (ask_concerns(option, p->hop, p->number) &&
		    conf_names(option, name) && index-- == 0)
			return option->place;
	return p->plan->no_ssh || is_default(p, name, value) ? "default" :
	    "ssh";
}

static void
print_setting(const char *name, size_t index, const char *value, void *arg)
{
	const struct printer *p = arg;

	if (p->plan->conf->verbose > 0)
		printf("%s %s\t(%s)\n", name, value, source(p, name,
		    index, value));
	else
		printf("%s %s\n", name, value);
}

static void
print_stop(const char *user, const char *host, int port)
{
	int v6 = strchr(host, ':') != NULL;

	printf(" -> %s%s%s%s%s:%d", user == NULL ? "" : user,
	    user == NULL ? "" : "@", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

/* The route in one line; a user stands there if it is another one than here. */
static void
print_route(const struct plan *plan)
{
	const struct hop *hop;

	fputs("you", stdout);
	TAILQ_FOREACH(hop, &plan->hops, entry)
		print_stop(strcmp(hop->user, expand_user()) == 0 ? NULL :
		    hop->user, hop->name, hop->port);
	print_stop(NULL, plan->host, plan->port);
	putchar('\n');
}

static void
print_plan(const struct plan *plan)
{
	static char none[] = "none";
	struct conf conf = { .configfile = none,
	    .options = TAILQ_HEAD_INITIALIZER(conf.options) };
	struct plan plain = { .hops = TAILQ_HEAD_INITIALIZER(plain.hops),
	    .conf = &conf, .host = "localhost", .port = 22 };
	struct printer p = { .plan = plan };

	if (plan->conf->verbose > 0 && !plan->no_ssh &&
	    plan_make(&plain, plain.host) == OK)
		p.plain = TAILQ_FIRST(&plain.hops);
	print_route(plan);
	TAILQ_FOREACH(p.hop, &plan->hops, entry) {
		printf("hop %d %s\n", ++p.number, p.hop->name);
		keyword_each(p.hop, print_setting, &p);
	}
	printf("target %s %d\n", plan->host, plan->port);
	plan_free(&plain);
}

/*
 * Prints the plan of each route on stdout, keys and values written as ssh -G
 * has them; with -v what is not the default stands out.
 */
void
print_routes(const struct routes *routes)
{
	const struct plan *plan;

	TAILQ_FOREACH(plan, routes, entry)
		print_plan(plan);
}
