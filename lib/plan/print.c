/*
 * The plan in words, as ssh -G has them.
 */

#include <stdio.h>
#include <string.h>

#include "plan/plan.h"

/* What print_plan() knows while it prints one hop. */
struct printer {
	const struct plan	*plan;
	const struct hop	*hop;
	int			 number;
};

/*
 * Where a value comes from, as far as known.  Of keywords that may come
 * several times the typed ones are the first, in order.
 */
static const char *
source(const struct printer *p, const char *name, size_t index)
{
	const struct option *option;

	if ((strcmp(name, "user") == 0 && p->hop->typed_user != NULL) ||
	    (strcmp(name, "port") == 0 && p->hop->typed_port != 0))
		return p->hop->place;
	TAILQ_FOREACH(option, &p->plan->conf->options, entry)
		if (ask_concerns(option, p->hop, p->number) &&
		    conf_names(option, name) && index-- == 0)
			return option->place;
	return p->plan->no_ssh ? "default" : "ssh";
}

static void
print_setting(const char *name, size_t index, const char *value, void *arg)
{
	const struct printer *p = arg;

	if (p->plan->conf->verbose > 0)
		printf("%s %s\t(%s)\n", name, value, source(p, name, index));
	else
		printf("%s %s\n", name, value);
}

/* Prints the plan on stdout, keys and values written as ssh -G has them. */
void
print_plan(const struct plan *plan)
{
	struct printer p = { plan, NULL, 0 };

	TAILQ_FOREACH(p.hop, &plan->hops, entry) {
		printf("hop %d %s\n", ++p.number, p.hop->name);
		keyword_each(p.hop, print_setting, &p);
	}
	printf("target %s %d\n", plan->host, plan->port);
}
