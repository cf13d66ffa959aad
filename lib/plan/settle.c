/*
 * The last settings of a hop: what ssh leaves to be expanded, what cannot be
 * done, and times that nobody has set.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

static int
has_hash(const struct strlist *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strstr(w->v[i], "%C") != NULL)
			return 1;
	return 0;
}

/* A hop that is asked about as what is known of it: no Match exec counts. */
static struct hop *
as_known(const struct hop *hop)
{
	struct hop *scratch = answers_scratch(hop);

	free(scratch->typed_user);
	scratch->typed_user = xstrdup(hop->user);
	scratch->typed_port = hop->port;
	return scratch;
}

/* %C is a hash that ssh makes: as part of a RemoteCommand it tells it. */
static int
ask_hash(const struct plan *plan, struct hop *hop, int n)
{
	const char *extra[] = { "RemoteCommand=%C", "CanonicalizeHostname=no",
	    "CanonicalizePermittedCNAMEs=none", NULL, NULL };
	struct question q = { .conf = plan->conf, .number = n,
	    .extra = extra, .shell = ask_shell_false() };
	struct hop *scratch;
	char *earlier = NULL, *next, *host, *hostname = NULL;
	int rc = -1;

	if (plan->no_ssh ||
	    (!has_hash(&hop->identityfile) && !has_hash(&hop->certificatefile) &&
	    (hop->knownhostscommand == NULL ||
	    strstr(hop->knownhostscommand, "%C") == NULL)))
		return 0;
	scratch = as_known(hop);
	host = expand_not(hop->hostname);
	extra[3] = hostname = xasprintf("HostName=%s", host);
	if (n > 1 && !plan->no_jump)
		q.earlier = earlier = route_text(plan, hop, ",");
	q.next = next = route_next(plan, hop);
	if (answers_one(scratch, &q, 0) == ANSWER_OK) {
		hop->remotecommand = scratch->remotecommand;
		scratch->remotecommand = NULL;
		rc = 0;
	}
	free(earlier);
	free(hostname);
	free(host);
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
		if (!keyword_is_set(w->v[i]))
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
	if (w->n == 1 && !keyword_is_set(w->v[0]))
		strlist_free(w);
}

static int
expand_revoked(struct hop *hop)
{
	const char *why;
	char *file;

	if (!keyword_is_set(hop->revokedhostkeys))
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

/*
 * Sets the times of hop n for which ssh has no default, or none that ends, and
 * how often it is tried.
 */
void
settle_times(const struct plan *plan, struct hop *hop, int n)
{
	if (hop->connecttimeout == -1)
		hop->connecttimeout = 0;
	if (hop->logintimeout == -1)
		hop->logintimeout = LOGIN_TIMEOUT;
	if (hop->serveraliveinterval <= 0 &&
	    !typed(plan, hop, n, "ServerAliveInterval")) {
		hop->serveraliveinterval = ALIVE_INTERVAL;
		hop->serveralivecountmax = ALIVE_COUNT;
		hop->alive_default = 1;
	}
	if (hop->serveralivecountmax == -1)
		hop->serveralivecountmax = SSH_ALIVE_COUNT;
	if (hop->connectionattempts < REFUSALS + 1)
		hop->connectionattempts = REFUSALS + 1;
}

/* Finishes the settings of hop n.  Returns 0, or -1 after saying why not. */
static int
settle_hop(const struct plan *plan, struct hop *hop, int n)
{
	settle_times(plan, hop, n);
	if (!typed(plan, hop, n, "Ciphers"))
		cipher_order(hop);
	raise_level(hop);
	expand_known_hosts(&hop->userknownhostsfile);
	expand_known_hosts(&hop->globalknownhostsfile);
	ignored_say(hop);
	if (tokens_check(hop) == -1 || expand_revoked(hop) == -1)
		return -1;
	return ask_hash(plan, hop, n) == -1 ||
	    expand_words(hop, "IdentityFile", &hop->identityfile) == -1 ||
	    expand_words(hop, "CertificateFile", &hop->certificatefile) == -1 ?
	    -1 : 0;
}

/* What the last hop needs whose connection is shared. */
void
settle_last(const struct plan *plan)
{
	struct hop *last = TAILQ_LAST(&plan->hops, hops);

	settle_times(plan, last, plan->nhops);
	raise_level(last);
}

/*
 * Finishes the settings of all hops.  Returns 0, or -1 after saying what is
 * wrong.
 */
int
settle(struct plan *plan)
{
	struct hop *hop;
	int n = 0;

	TAILQ_FOREACH(hop, &plan->hops, entry)
		if (settle_hop(plan, hop, ++n) == -1)
			return -1;
	return 0;
}
