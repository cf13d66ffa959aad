/*
 * The plan: which hops, in which order, each with its settings.  Plain data;
 * nothing here opens a socket.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

#define NOBODY	"proxyhop-asks-for-any-host.invalid"	/* RFC 6761, 6.4 */

/* Is there a setting, and is it something else than none? */
static int
is_set(const char *value)
{
	return value != NULL && strcasecmp(value, "none") != 0;
}

/*
 * Returns the hops before last, or all, as a person reads them or ssh -J does;
 * NULL if there are none.  The caller frees it.
 */
char *
plan_route(const struct plan *plan, const struct hop *last, const char *arrow)
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

/* Where hop is asked to forward to, as ssh -W takes it. */
static char *
after(const struct plan *plan, const struct hop *hop)
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

static int
too_long(struct plan *plan)
{
	char *s;

	if (count(plan) <= MAX_HOPS)
		return 0;
	s = plan_route(plan, NULL, " -> ");
	say("%d gateways are more than %d: %s", plan->nhops, MAX_HOPS, s);
	free(s);
	return 1;
}

/* The same hop without its settings, to ask something else about it. */
static struct hop *
scratch_hop(const struct hop *hop)
{
	struct hop *scratch;

	scratch = hop_new(hop->spec, hop->name);
	scratch->typed_user = xstrdup(hop->typed_user);
	scratch->typed_port = hop->typed_port;
	return scratch;
}

/* Asks one question and waits for the answer. */
static enum answer
ask(struct hop *hop, const struct question *q, int quiet)
{
	struct ask asked;

	ask_start(&asked, hop, q);
	return ask_finish(&asked, quiet);
}

/*
 * There is no ssh, or one too old to answer: the command line and the own
 * file are all there is.  -F none has asked for just that.
 */
static void
go_without(struct plan *plan, int told)
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

/* Is hop's HostName one?  Says why not: "-x" would be an option to a command. */
static int
good_hostname(const struct hop *hop)
{
	const char *why = hop_bad_host(hop->hostname);
	char *seen;

	if (why == NULL)
		return 1;
	seen = str_visible(hop->hostname);
	say("%s: HostName %s: %s", hop->name, seen, why);
	free(seen);
	return 0;
}

/* A command that is not none, and does not run us: that started us. */
static int
other_command(const char *command)
{
	const char *name;
	size_t len;

	if (!is_set(command))
		return 0;
	command += strspn(command, " \t");
	if (strncmp(command, "exec ", 5) == 0)
		command += 5;
	len = strcspn(command, " \t");
	name = memrchr(command, '/', len);
	name = name == NULL ? command : name + 1;
	len -= name - command;
	return len != strlen("proxyhop") || strncmp(name, "proxyhop", len) != 0;
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

	go_without(plan, answer == ANSWER_OLD &&
	    oldssh_ask(hop, &q, &files) == 0);
	rc = nossh_settings(plan->conf, hop, n);
	if (files.n > 0) {
		strlist_free(&hop->identityfile);
		hop->identityfile = files;
	}
	return rc;
}

static int
take_answer(struct plan *plan, struct hop *hop, int n, enum answer answer)
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
	    other_command(hop->proxycommand))
		hop->command = xstrdup(hop->proxycommand);
	return rc == -1 || !good_hostname(hop) ? -1 : 0;
}

/* What runs at the same time: each takes some 6 ms. */
struct asking {
	struct ask	 ask;
	struct hop	*hop;
	struct hop	*scratch;	/* NULL: it is about hop itself */
	int		 number;
};

/* Asks about hop; with -J, as ssh starts a later one. */
static void
ask_hop(struct plan *plan, struct asking *a, struct question *q)
{
	char *earlier = plan->no_jump ? NULL : plan_route(plan, a->hop, ",");

	q->earlier = earlier;
	q->extra = NULL;
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
ask_alone(struct asking *a, struct question *q)
{
	static const char *const alone[] = { "CanonicalizeHostname=no",
	    "CanonicalizePermittedCNAMEs=none", NULL };
	static const char *const no_jump[] = { "CanonicalizeHostname=no",
	    "CanonicalizePermittedCNAMEs=none", "ProxyJump=none", NULL };

	a->scratch = scratch_hop(a->hop);
	q->earlier = NULL;
	/* one that had a ProxyJump of its own is asked to forget it */
	q->extra = a->hop->jumped ? no_jump : alone;
	ask_start(&a->ask, a->scratch, q);
}

/* Begins to ask what has not been asked about hop; returns how many. */
static int
begin_asking(struct plan *plan, struct hop *hop, int number,
    struct asking *asking)
{
	struct question q = { .conf = plan->conf, .number = number };
	char *next = after(plan, hop);
	int n = 0;

	q.next = next;
	memset(asking, 0, 2 * sizeof(*asking));
	asking[0].hop = asking[1].hop = hop;
	asking[0].number = asking[1].number = number;
	if (!hop->asked)
		ask_hop(plan, &asking[n++], &q);
	if (number > 1 && !hop->asked_alone && !plan->no_ssh &&
	    !plan->no_jump)
		ask_alone(&asking[n++], &q);
	free(next);
	return n;
}

/* Takes one answer; after a failure they are only waited for. */
static int
end_asking(struct plan *plan, struct asking *a, int failed)
{
	enum answer answer = ask_finish(&a->ask, failed || a->scratch != NULL);

	if (answer == ANSWER_NO_JUMP) {
		plan->no_jump = 1;	/* and is asked again */
		return failed ? -1 : 0;
	}
	if (a->scratch == NULL)
		return failed ? -1 : take_answer(plan, a->hop, a->number,
		    answer);
	a->hop->asked_alone = 1;
	if (answer == ANSWER_OK && a->hop->command == NULL &&
	    other_command(a->scratch->proxycommand))
		a->hop->command = xstrdup(a->scratch->proxycommand);
	hop_free(a->scratch);
	return failed ? -1 : 0;
}

static int
ask_round(struct plan *plan)
{
	struct asking asking[2 * MAX_HOPS];
	int i, n = 0, number = 0, rc = 0;
	struct hop *hop;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		n += begin_asking(plan, hop, ++number, &asking[n]);
	for (i = 0; i < n; i++)
		rc = end_asking(plan, &asking[i], rc != 0);
	return rc;
}

/* Asks all that has not been asked about any hop. */
static int
ask_hops(struct plan *plan)
{
	int known = !plan->no_jump, rc = ask_round(plan);

	return rc == 0 && known && plan->no_jump ? ask_round(plan) : rc;
}

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

	if (plan->fixed || !is_set(first->proxyjump))
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
	return too_long(plan) ? -1 : n;
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
			s = plan_route(plan, NULL, " -> ");
			say("the route comes back to %s@%s:%d: %s", a->user,
			    a->hostname, a->port, s);
			free(s);
			return 1;
		}
	return 0;
}

/*
 * Depth first, as ssh walks it: the nearest hop's own ProxyJump goes before
 * it, and so on.  Those of later hops do not count.
 */
static int
walk(struct plan *plan)
{
	int n;

	for (;;) {
		if (ask_hops(plan) == -1 || circle(plan))
			return -1;
		if ((n = prepend(plan)) <= 0)
			return n;
		if (numbered(plan->conf))
			forget(plan);
	}
}

/* Says that hop has both a ProxyCommand and a hop before it. */
static int
two_ways(const struct hop *hop, const char *command)
{
	say("%s: both a ProxyCommand (%s) and a gateway (%s); to choose the "
	    "gateway: -o %s:ProxyCommand=none; to choose the command: leave "
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
	    .extra = alone };
	struct hop *nobody = hop_new(NOBODY, NOBODY);
	int found;

	found = ask(nobody, &q, 1) == ANSWER_OK &&
	    nobody->proxycommand != NULL &&
	    strcmp(nobody->proxycommand, command) == 0;
	hop_free(nobody);
	return found;
}

/* A hop behind a gateway that has a ProxyCommand of its own, too. */
static int
conflict(const struct plan *plan)
{
	struct hop *hop = TAILQ_FIRST(&plan->hops);

	while ((hop = TAILQ_NEXT(hop, entry)) != NULL) {
		if (hop->command != NULL && site_wide(plan, hop->command)) {
			free(hop->proxycommand);
			hop->proxycommand = NULL;
		} else if (hop->command != NULL)
			return two_ways(hop, hop->command);
		if (plan->no_ssh && other_command(hop->proxycommand))
			return two_ways(hop, hop->proxycommand);
	}
	return 0;
}

/*
 * A ProxyCommand that runs us is how we were started: it does not lead to the
 * hop; and none is none.
 */
static void
drop_commands(struct plan *plan)
{
	struct hop *hop;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		if (!other_command(hop->proxycommand)) {
			free(hop->proxycommand);
			hop->proxycommand = NULL;
		}
		if (!is_set(hop->forwardcommand)) {
			free(hop->forwardcommand);
			hop->forwardcommand = NULL;
		}
	}
}

/* What would be a surprise to leave out is refused by name. */
static int
beyond_us(const struct hop *hop)
{
	const char *value = hop->proxyusefdpass;

	if (hop->proxycommand == NULL || !is_set(value) ||
	    strcmp(value, "no") == 0 || strcmp(value, "false") == 0)
		return 0;
	say("%s: ProxyUseFdpass %s is not supported; -o %s:ProxyUseFdpass=no "
	    "does without it", hop->name, value, hop->name);
	return 1;
}

static int
has_hash(const struct strlist *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strstr(w->v[i], "%C") != NULL)
			return 1;
	return 0;
}

/* %C is a hash that ssh makes: as part of a RemoteCommand it tells it. */
static int
ask_hash(const struct plan *plan, struct hop *hop, int n)
{
	static const char *const remote[] = { "RemoteCommand=%C", NULL };
	struct question q = { .conf = plan->conf, .number = n,
	    .extra = remote };
	struct hop *scratch;
	char *earlier = NULL, *next;
	int rc = -1;

	if (plan->no_ssh ||
	    (!has_hash(&hop->identityfile) && !has_hash(&hop->certificatefile) &&
	    (hop->knownhostscommand == NULL ||
	    strstr(hop->knownhostscommand, "%C") == NULL)))
		return 0;
	scratch = scratch_hop(hop);
	if (n > 1 && !plan->no_jump)
		q.earlier = earlier = plan_route(plan, hop, ",");
	q.next = next = after(plan, hop);
	if (ask(scratch, &q, 0) == ANSWER_OK) {
		hop->remotecommand = scratch->remotecommand;
		scratch->remotecommand = NULL;
		rc = 0;
	}
	free(earlier);
	free(next);
	hop_free(scratch);
	return rc;
}

/* Expands the names of w for hop and drops those that say "none". */
static int
expand_words(const struct hop *hop, const char *key, struct strlist *w)
{
	struct strlist done = { NULL, 0 };
	const char *why;
	char *file;
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (!is_set(w->v[i]))
			continue;
		if ((file = expand_file(hop, w->v[i], &why)) == NULL) {
			say("%s: %s %s: %s", hop->name, key, w->v[i], why);
			strlist_free(&done);
			return -1;
		}
		strlist_add(&done, file);
	}
	strlist_free(w);
	*w = done;
	return 0;
}

/* ssh has expanded these, but for a leading ~ in old versions. */
static void
expand_known_hosts(struct strlist *w)
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
	if (w->n == 1 && !is_set(w->v[0]))
		strlist_free(w);
}

static int
expand_revoked(struct hop *hop)
{
	const char *why;
	char *file;

	if (!is_set(hop->revokedhostkeys))
		return 0;
	if ((file = expand_file(hop, hop->revokedhostkeys, &why)) == NULL) {
		say("%s: RevokedHostKeys %s: %s", hop->name,
		    hop->revokedhostkeys, why);
		return -1;
	}
	free(hop->revokedhostkeys);
	hop->revokedhostkeys = file;
	return 0;
}

/* A hop's LogLevel DEBUG, DEBUG1 .. DEBUG3: as many times -v. */
static void
raise_level(const struct hop *hop)
{
	if (hop->loglevel != NULL && strncmp(hop->loglevel, "DEBUG", 5) == 0)
		say_more(hop->loglevel[5] == '\0' ? 1 :
		    hop->loglevel[5] - '0');
}

/*
 * Has somebody typed it?  ssh -G does not tell a setting from ssh's default.
 */
static int
typed(const struct plan *plan, const struct hop *hop, int n,
    const char *keyword)
{
	const struct option *option;

	TAILQ_FOREACH(option, &plan->conf->options, entry)
		if (ask_concerns(option, hop, n) && conf_names(option, keyword))
			return 1;
	return 0;
}

/* Is it a command that connects to hop, number n?  That has its own times. */
static int
by_command(const struct hop *hop, int n)
{
	return n > 1 ? TAILQ_PREV(hop, hops, entry)->forwardcommand != NULL :
	    hop->proxycommand != NULL;
}

/* Where ssh's own default is to wait for ever, or nothing is known. */
static void
set_times(const struct plan *plan, struct hop *hop, int n)
{
	if (hop->connecttimeout == -1)
		hop->connecttimeout = by_command(hop, n) || typed(plan, hop, n,
		    "ConnectTimeout") ? 0 : CONNECT_TIMEOUT;
	if (hop->logintimeout == -1)
		hop->logintimeout = LOGIN_TIMEOUT;
	if (hop->serveraliveinterval <= 0 &&
	    !typed(plan, hop, n, "ServerAliveInterval"))
		hop->serveraliveinterval = ALIVE_INTERVAL;
	if (hop->serveralivecountmax == -1)
		hop->serveralivecountmax = ALIVE_COUNT;
}

/* Last hand at one hop: names expanded, what we cannot do refused. */
static int
settle(const struct plan *plan, struct hop *hop, int n)
{
	set_times(plan, hop, n);
	if (!typed(plan, hop, n, "Ciphers"))
		cipher_order(hop);
	raise_level(hop);
	expand_known_hosts(&hop->userknownhostsfile);
	expand_known_hosts(&hop->globalknownhostsfile);
	ignored_say(hop);
	if (beyond_us(hop) || tokens_check(hop) == -1 ||
	    expand_revoked(hop) == -1)
		return -1;
	return ask_hash(plan, hop, n) == -1 ||
	    expand_words(hop, "IdentityFile", &hop->identityfile) == -1 ||
	    expand_words(hop, "CertificateFile", &hop->certificatefile) == -1 ?
	    -1 : 0;
}

static int
settle_all(struct plan *plan)
{
	struct hop *hop;
	int n = 0;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		if (settle(plan, hop, ++n) == -1)
			return -1;
	return 0;
}

/* The arguments of command, from the program's name on, without "exec". */
static const char *
split_command(struct strlist *w, const char *command)
{
	command += strspn(command, " \t");
	if (strncmp(command, "exec ", 5) == 0)
		command += 5;
	return strlist_split(w, command);
}

/*
 * Returns the ProxyJump that ssh has for the target, allocated, and takes the
 * target's HostName, since the last gateway cannot know what we call it here;
 * or NULL after saying that it is none.
 */
static char *
take_jump(struct plan *plan, const struct hop *target)
{
	if (!good_hostname(target))
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
	char *command, *place;

	if (!is_set(target->proxycommand) ||
	    other_command(target->proxycommand))
		return NULL;
	if ((*bad = !good_hostname(target)) ||
	    (command = tokens_proxy(target)) == NULL)
		return NULL;
	place = xasprintf("ProxyCommand of %s", plan->host);
	if ((why = split_command(&w, command)) != NULL)
		say("%s: %s", place, why);
	*bad = why != NULL || conf_command(conf, &w, place, &host, &port) == -1;
	if (!*bad && conf->jump != NULL && host != NULL &&
	    hop_target(host, port, &plan->port, &why) == 0)
		plan->host = plan->hostname = xstrdup(host);
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
static char *
ask_target(struct plan *plan, struct conf *conf)
{
	struct question q = { .conf = plan->conf };
	struct hop *target;
	enum answer answer;
	char *jump = NULL, *next;
	int bad = 0;

	target = hop_new(plan->host, plan->host);
	target->typed_port = plan->port;
	q.next = next = after(plan, target);
	answer = ask(target, &q, 0);
	if (answer == ANSWER_NONE || answer == ANSWER_OLD)
		go_without(plan, 0);
	if (answer == ANSWER_OK && is_set(target->proxyjump))
		bad = (jump = take_jump(plan, target)) == NULL;
	else if (answer == ANSWER_OK)
		jump = take_command(plan, conf, target, &bad);
	if (jump == NULL && !bad && answer != ANSWER_REFUSED)
		say("no gateway for %s; give -J gateway, or write in "
		    "ssh_config: Host %s, ProxyJump gateway; or in "
		    "~/.ssh/proxyhop.conf: %s -J gateway; -J none connects "
		    "directly", plan->host, plan->host, plan->host);
	free(next);
	hop_free(target);
	return jump;
}

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
	q.next = next = after(plan, target);
	if ((answer = ask(target, &q, 0)) == ANSWER_NO_JUMP) {
		q.earlier = NULL;
		answer = ask(target, &q, 0);
	}
	rc = take_answer(plan, target, 1, answer);
	free(next);
	free(target->proxycommand);
	target->proxycommand = NULL;
	set_times(plan, target, 1);
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
	return why != NULL || too_long(plan) ? -1 : 0;
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
	    ask_target(plan, conf);
}

/*
 * Makes the plan for one route to its target; plan has conf, host and port,
 * and conf must outlive it.  Returns OK, or GIVEUP after saying why there is
 * none; plan_free() in either case.
 */
int
plan_make(struct plan *plan, const char *jump)
{
	if (begin(plan, jump) == -1)
		return GIVEUP;
	if (plan->nhops == 0)
		return plan_direct(plan) == -1 ? GIVEUP : OK;
	if (walk(plan) == -1 || conflict(plan))
		return GIVEUP;
	drop_commands(plan);
	return settle_all(plan) == -1 ? GIVEUP : OK;
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
