/*
 * A route as text: for people, for ssh -J, and as a command of its own.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/*
 * Returns the hops before last, or all, as a person reads them or ssh -J does;
 * NULL if there are none.  The caller frees it.
 */
char *
route_text(const struct plan *plan, const struct hop *last, const char *arrow)
{
	const struct hop *hop;
	char *s = NULL;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		if (hop == last)
			break;
		str_append(&s, arrow, hop->spec);
	}
	return s;
}

/*
 * Returns where hop is asked to forward to, as ssh -W takes it.  The caller
 * frees it.
 */
char *
route_next(const struct plan *plan, const struct hop *hop)
{
	const struct hop *next;

	if ((next = TAILQ_NEXT(hop, entry)) == NULL)	/* or the target */
		return xasprintf("[%s]:%d", plan->host, plan->port);
	return xasprintf("[%s]:%d", next->name,
	    next->typed_port != 0 ? next->typed_port : 22);
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

/* Counts the hops of plan.  Are there too many?  Says so. */
int
route_too_long(struct plan *plan)
{
	char *s;

	if (count(plan) <= MAX_HOPS)
		return 0;
	s = route_text(plan, NULL, " -> ");
	say("%d jump hosts are more than %d: %s", plan->nhops, MAX_HOPS, s);
	free(s);
	return 1;
}

/* Adds flag and value, which is quoted for a shell. */
static void
add_flag(char **to, const char *flag, const char *value)
{
	char *quoted, *s;

	if (value == NULL)
		return;
	quoted = str_shell(value);
	s = xasprintf("%s %s", flag, quoted);
	str_append(to, " ", s);
	free(s);
	free(quoted);
}

/* StrictHostKeyChecking yes: is no new key ever asked about? */
static int
never_asks(const struct hop *hop)
{
	const char *strict = hop->stricthostkeychecking;

	return strict != NULL && (strcmp(strict, "yes") == 0 ||
	    strcmp(strict, "true") == 0);
}

/*
 * Returns the ssh command that reaches plan's hop, the one of that number, by
 * the same route, and asks about its key: with all that decides which server
 * that is and where its key is kept.  Of values that stand twice ssh takes the
 * first.  The caller frees it.
 */
char *
route_ssh(const struct plan *plan, const struct hop *hop, int number)
{
	const struct conf *conf = plan->conf;
	char *route = route_text(plan, hop, ","), *name = str_shell(hop->name);
	char *port = xasprintf("%d", hop->port), *s = xstrdup("ssh");
	const struct option *o;

	if (never_asks(hop))
		str_append(&s, " ", "-o StrictHostKeyChecking=ask");
	if (hop->batchmode == 1)
		str_append(&s, " ", "-o BatchMode=no");
	add_flag(&s, "-F", conf->configfile);
	add_flag(&s, "-J", route);
	TAILQ_FOREACH(o, &conf->options, entry)
		if (!conf_own(o) && ask_concerns(o, hop, number))
			add_flag(&s, o->flag == 'i' ? "-i" : "-o", o->text);
	add_flag(&s, "-p", port);
	add_flag(&s, "-l", hop->user);
	str_append(&s, " ", name);
	free(name);
	free(port);
	free(route);
	return s;
}
