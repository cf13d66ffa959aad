/*
 * What ssh answers about every hop: all of them are asked at the same time, and
 * once more where an answer shows that it was not the right question.  Then no
 * Match exec is run: its command may ask a person, or leave something for the
 * next hop's (a certificate that it gets), and with ssh -J it is run once for a
 * hop, and for one after the other.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

#define HELD	10	/* ms; a question about the last hop takes 5 */

/* What runs at the same time: each takes some 6 ms. */
struct asking {
	struct ask	 ask;
	struct hop	*hop;
	struct hop	*scratch;	/* NULL: it is about hop itself */
	int		 number;
};

/*
 * Returns the same hop without its settings, to ask something else about it.
 * The caller frees it.
 */
struct hop *
answers_scratch(const struct hop *hop)
{
	struct hop *scratch;

	scratch = hop_new(hop->spec, hop->name);
	scratch->typed_user = xstrdup(hop->typed_user);
	scratch->typed_port = hop->typed_port;
	return scratch;
}

/* Asks ssh one question about hop, which gets the answer, and waits for it. */
enum answer
answers_one(struct hop *hop, const struct question *q, int quiet)
{
	struct ask asked;

	ask_start(&asked, hop, q);
	return ask_finish(&asked, quiet);
}

/*
 * There is no ssh, or one too old to answer: the command line and the route
 * file are all there is.  Says so once, unless -F none has asked for that.
 */
void
answers_none(struct plan *plan, int told)
{
	const char *file = plan->conf->configfile;

	if (!plan->no_ssh && (file == NULL || strcmp(file, "none") != 0))
		say("no ssh that knows -G: %s", told ? "of ssh_config only "
		    "HostName, User, Port and IdentityFile count" :
		    "ssh_config is not read");
	plan->no_ssh = 1;
}

/*
 * What ssh does not know, from the command line and the own file alone.
 * Returns 0, or -1 after saying which value is bad.
 */
static int
set_own(const struct conf *conf, struct hop *hop, int n)
{
	const struct option *option;

	TAILQ_FOREACH(option, &conf->options, entry) {
		if (!conf_own(option) || !ask_concerns(option, hop, n))
			continue;
		if (conf_names(option, "ForwardCommand"))
			(void)keyword_set(hop, "forwardcommand",
			    conf_value(option));
		else if (keyword_set(hop, "logintimeout",
		    conf_value(option)) == -1) {
			say("%s: LoginTimeout is a number of seconds, or "
			    "none",
			    hop->name);
			return -1;
		}
	}
	return 0;
}

/*
 * What an ssh without -G tells, then what is typed.  The latter counts for ssh
 * as well, and is in its identity files.
 */
static int
take_old(struct plan *plan, struct hop *hop, int n, enum answer answer)
{
	struct question q = { .conf = plan->conf, .number = n };
	struct strlist files = { NULL, 0 };
	int rc;

	answers_none(plan, answer == ANSWER_OLD &&
	    oldssh_ask(hop, &q, &files) == 0);
	rc = nossh_settings(plan->conf, hop, n);
	if (files.n > 0) {
		strlist_free(&hop->identityfile);
		hop->identityfile = files;
	}
	return rc;
}

/*
 * Takes answer, which is in hop, the one of number n.  Returns 0, or -1 if
 * there is none, or after saying what is wrong with it.
 */
int
answers_take(struct plan *plan, struct hop *hop, int n, enum answer answer)
{
	int rc = answer == ANSWER_OK ? 0 : -1;

	hop->asked = 1;
	/* that is for the session; ours it is for %C alone */
	free(hop->remotecommand);
	hop->remotecommand = NULL;
	if (set_own(plan->conf, hop, n) == -1)
		return -1;
	if (answer == ANSWER_NONE || answer == ANSWER_OLD)
		rc = take_old(plan, hop, n, answer);
	/* asked without -J, it has told of a command as well */
	if (plan->no_jump && n > 1 && hop->command == NULL &&
	    hop_other_command(hop->proxycommand))
		hop->command = xstrdup(hop->proxycommand);
	return rc == -1 || !hop_good_hostname(hop) ? -1 : 0;
}

/* Asks about hop; with -J, as ssh starts a later one. */
static void
ask_hop(struct plan *plan, struct asking *a, struct question *q,
    const char *shell)
{
	char *earlier = plan->no_jump ? NULL : route_text(plan, a->hop, ",");

	q->earlier = earlier;
	q->extra = NULL;
	q->shell = shell;
	ask_start(&a->ask, a->hop, q);
	free(earlier);
}

/*
 * One hop, two connections to it: a ProxyCommand where a hop comes before.  ssh
 * drops the one that it sees second, so it is asked once more, without the
 * gateway; what else it then says, or that it refuses, is of no account.
 * Names of inner hosts are not to be looked up here for that.
 */
static void
ask_alone(struct asking *a, struct question *q, const char *shell)
{
	static const char *const alone[] = { "CanonicalizeHostname=no",
	    "CanonicalizePermittedCNAMEs=none", NULL };
	static const char *const no_jump[] = { "CanonicalizeHostname=no",
	    "CanonicalizePermittedCNAMEs=none", "ProxyJump=none", NULL };

	a->scratch = answers_scratch(a->hop);
	q->earlier = NULL;
	/* one that had a ProxyJump of its own is asked to forget it */
	q->extra = a->hop->jumped ? no_jump : alone;
	q->shell = shell;
	ask_start(&a->ask, a->scratch, q);
}

/* Begins to ask what has not been asked about hop; returns how many. */
static int
begin_asking(struct plan *plan, struct hop *hop, int number,
    struct asking *asking)
{
	struct question q = { .conf = plan->conf, .number = number };
	char *next = route_next(plan, hop);
	int n = 0;

	q.next = next;
	memset(asking, 0, 2 * sizeof(*asking));
	asking[0].hop = asking[1].hop = hop;
	asking[0].number = asking[1].number = number;
	if (!hop->asked)
		ask_hop(plan, &asking[n++], &q, SHELL_NONE);
	if (number > 1 && !hop->asked_alone && !plan->no_ssh &&
	    !plan->no_jump)
		ask_alone(&asking[n++], &q, ask_shell_false());
	free(next);
	return n;
}

/* Takes one answer; after a failure they are only waited for. */
static int
end_asking(struct plan *plan, struct asking *a, int failed)
{
	enum answer answer = ask_finish(&a->ask, failed || a->scratch != NULL);

	if (answer == ANSWER_NO_JUMP && a->scratch == NULL)
		plan->no_jump = 1;	/* and is asked again */
	if (answer == ANSWER_NO_JUMP || answer == ANSWER_EXEC) {
		hop_free(a->scratch);
		return failed ? -1 : 0;
	}
	if (a->scratch == NULL)
		return failed ? -1 : answers_take(plan, a->hop, a->number,
		    answer);
	a->hop->asked_alone = 1;
	if (answer == ANSWER_OK && a->hop->command == NULL &&
	    hop_other_command(a->scratch->proxycommand))
		a->hop->command = xstrdup(a->scratch->proxycommand);
	hop_free(a->scratch);
	return failed ? -1 : 0;
}

/*
 * May a shared connection to the last hop be all that is needed?  Not if an
 * option for one hop could be for another one than it seems to, or for none, or
 * is of our own.
 */
static int
may_share(const struct plan *plan)
{
	const struct option *option;
	const struct hop *hop;
	int named = plan->alone && plan->conf->usable != NULL;

	TAILQ_FOREACH(option, &plan->conf->options, entry) {
		if (!named || conf_own(option))
			return 0;
		named = option->hop == NULL;
		TAILQ_FOREACH(hop, &plan->hops, entry)
			named |= ask_concerns(option, hop, -1);
	}
	return named;
}

/* Is an ssh of ours sharing the connection to the last hop, asked about in a? */
static int
is_shared(const struct plan *plan, struct asking *a)
{
	struct hop *scratch = answers_scratch(a->hop);
	int rc;

	rc = a->hop == TAILQ_LAST(&plan->hops, hops) && a->scratch == NULL &&
	    ask_peek(&a->ask, scratch) &&
	    (plan->nhops > 1 || !keyword_is_set(scratch->proxyjump)) &&
	    plan->conf->usable(scratch);
	hop_free(scratch);
	return rc;
}

/* All n questions but the first are of no use any more. */
static void
drop(struct asking *asking, int n)
{
	while (--n > 0) {
		ask_drop(&asking[n].ask);
		hop_free(asking[n].scratch);
	}
}

/* Would all questions about n hops at once be in each other's way? */
static int
crowded(int n)
{
	return 2 * n - 1 > 2 * sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * The last hop is asked about first: if its connection is shared, nothing else
 * is needed.
 */
static int
ask_round(struct plan *plan)
{
	struct hop *hop = TAILQ_LAST(&plan->hops, hops);
	struct asking asking[2 * MAX_HOPS];
	int n, number = plan->nhops, rc = 0, shared;

	n = begin_asking(plan, hop, number, asking);
	shared = n > 0 && may_share(plan) && crowded(number) &&
	    ask_await(&asking[0].ask, HELD) && is_shared(plan, &asking[0]);
	while (!shared && (hop = TAILQ_PREV(hop, hops, entry)) != NULL)
		n += begin_asking(plan, hop, --number, &asking[n]);
	if (shared || (n > 0 && may_share(plan) &&
	    is_shared(plan, &asking[0]))) {
		drop(asking, n);
		plan->partial = 1;
		n = 1;
	}
	while (n-- > 0)
		rc = end_asking(plan, &asking[n], rc != 0);
	return rc;
}

/* Asks about hop, and has its Match exec lines run; waits for the answer. */
static int
ask_fully(struct plan *plan, struct hop *hop, int number)
{
	struct question q = { .conf = plan->conf, .number = number };
	struct asking a = { .hop = hop, .number = number };
	char *next = route_next(plan, hop);

	q.next = next;
	ask_hop(plan, &a, &q, NULL);
	free(next);
	if (may_share(plan) && is_shared(plan, &a))
		plan->partial = 1;
	return end_asking(plan, &a, 0);
}

/* Asks about those that have a Match exec, in the order of ssh -J. */
static int
ask_in_turn(struct plan *plan)
{
	struct hop *hop;
	int number = plan->nhops, rc = 0;

	for (hop = TAILQ_LAST(&plan->hops, hops); hop != NULL && rc == 0 &&
	    !plan->partial; hop = TAILQ_PREV(hop, hops, entry), number--)
		if (!hop->asked)
			rc = ask_fully(plan, hop, number);
	return rc;
}

/*
 * Asks all that has not been asked about any hop of plan.  Returns 0, or -1
 * after saying what is wrong.
 */
int
answers_all(struct plan *plan)
{
	int known = !plan->no_jump, rc = ask_round(plan);

	if (rc == 0 && known && plan->no_jump)
		rc = ask_round(plan);
	return rc == 0 && !plan->partial ? ask_in_turn(plan) : rc;
}

/*
 * hop, which is number n, seems to have a ProxyCommand of its own.  Has it one
 * with what its Match exec lines really say?
 */
int
answers_command(const struct plan *plan, struct hop *hop, int n)
{
	struct question q = { .conf = plan->conf, .number = n };
	struct asking a = { .hop = hop };
	char *next = route_next(plan, hop);
	int found;

	q.next = next;
	ask_alone(&a, &q, NULL);
	found = ask_finish(&a.ask, 1) == ANSWER_OK &&
	    hop_other_command(a.scratch->proxycommand);
	hop_free(a.scratch);
	free(next);
	return found;
}
