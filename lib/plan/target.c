/*
 * The jump hosts where none were given: the ProxyJump that ssh has for the
 * target, or its ProxyCommand, if that runs proxyhop; and whether a hop has such
 * a one of its own.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/* The arguments of command, from the program's name on, without "exec". */
static const char *
split_command(struct strlist *w, const char *command)
{
	command += strspn(command, " \t");
	if (strncmp(command, "exec ", 5) == 0)
		command += 5;
	return strlist_split(w, command);
}

/* Is hop, by its name, in one of the routes of jump, or is there no hop? */
static int
leads_back(const struct hop *hop, const char *jump)
{
	struct hops hops = TAILQ_HEAD_INITIALIZER(hops);
	const struct hop *h;
	char *copy, *rest, *route;
	int back = 0;

	copy = rest = xstrdup(jump);
	while ((route = strsep(&rest, "|")) != NULL)
		free(hop_list(&hops, route));
	TAILQ_FOREACH(h, &hops, entry)
		back |= strcasecmp(h->name, hop->name) == 0;
	back |= TAILQ_EMPTY(&hops);
	hops_free(&hops);
	free(copy);
	return back;
}

/*
 * hop has a ProxyCommand that runs us.  Does that lead to it, through jump hosts
 * of its own?  A pattern that was meant for what is behind it would lead through
 * itself.
 */
int
target_leads(const struct hop *hop)
{
	struct strlist w = { NULL, 0 };
	const char *jump;
	int leads = 0;

	if (split_command(&w, hop->proxycommand) == NULL && w.n > 0 &&
	    (jump = conf_jump(&w)) != NULL)
		leads = !leads_back(hop, jump);
	strlist_free(&w);
	return leads;
}

/*
 * Returns the ProxyJump that ssh has for the target, allocated, and takes the
 * target's HostName, since the last gateway cannot know what we call it here;
 * or NULL after saying that it is none.
 */
static char *
take_jump(struct plan *plan, const struct hop *target)
{
	if (!hop_good_hostname(target))
		return NULL;
	plan->host = plan->hostname = xstrdup(target->hostname);
	return xstrdup(target->proxyjump);
}

/*
 * The target's ProxyCommand in ssh_config runs us: what it says is what we
 * would do for ssh.  Returns its -J allocated, or NULL if there is none, after
 * saying what is wrong in *bad.
 */
static char *
take_command(struct plan *plan, struct conf *conf, const struct hop *target,
    int *bad)
{
	struct strlist w = { NULL, 0 };
	const char *host, *port, *why;
	char *command, *place, *bad_target = NULL;

	if (!keyword_is_set(target->proxycommand) ||
	    hop_other_command(target->proxycommand))
		return NULL;
	if ((*bad = !hop_good_hostname(target)) ||
	    (command = tokens_proxy(target)) == NULL)
		return NULL;
	place = xasprintf("ProxyCommand of %s", plan->host);
	if ((why = split_command(&w, command)) != NULL)
		say("%s: %s", place, why);
	*bad = why != NULL || conf_command(conf, &w, place, &host, &port) == -1;
	if (!*bad && conf->jump != NULL && host != NULL &&
	    (bad_target = hop_target(host, port, &plan->port)) == NULL)
		plan->host = plan->hostname = xstrdup(host);
	free(bad_target);
	strlist_free(&w);
	free(place);
	free(command);
	return *bad || conf->jump == NULL ? NULL : xstrdup(conf->jump);
}

/*
 * No route was given: ssh is asked for the ProxyJump of the target, for
 * clients that have none, or its ProxyCommand, if that runs us.  Returns it
 * allocated, or NULL after saying that there is none.
 */
char *
target_jump(struct plan *plan, struct conf *conf)
{
	struct question q = { .conf = plan->conf };
	struct hop *target;
	enum answer answer;
	char *jump = NULL, *next;
	int bad = 0;

	target = hop_new(plan->host, plan->host);
	target->typed_port = plan->port;
	q.next = next = route_next(plan, target);
	answer = answers_one(target, &q, 0);
	if (answer == ANSWER_NONE || answer == ANSWER_OLD)
		answers_none(plan, 0);
	if (answer == ANSWER_OK && keyword_is_set(target->proxyjump))
		bad = (jump = take_jump(plan, target)) == NULL;
	else if (answer == ANSWER_OK)
		jump = take_command(plan, conf, target, &bad);
	if (jump == NULL && !bad && answer != ANSWER_REFUSED)
		say("no jump host for %s; give one with -J, or write in "
		    "ssh_config: Host %s, ProxyJump gw1; or in "
		    "~/.ssh/proxyhop.conf: %s -J gw1; -J none connects "
		    "directly", plan->host, plan->host, plan->host);
	free(next);
	hop_free(target);
	return jump;
}
