/*
 * How the user's own ssh is started to log in to a hop and to share that
 * connection (ControlMaster, ControlPersist), as ssh -J starts it, but for the
 * hops before, which it reaches through us: it does not know what was set for
 * them here.
 */

#include <sys/un.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

#define SUFFIX	17	/* what ssh adds to the path for a moment: mux.c */

/* Is value none of these words? */
static int
differs(const char *value, const char *a, const char *b)
{
	return value != NULL && strcasecmp(value, a) != 0 &&
	    strcasecmp(value, b) != 0;
}

/* Can a socket be made at path?  If not, ssh logs in for nothing. */
static int
can_make(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int rc;

	dir = slash == NULL ? xstrdup(".") : xstrndup(path, slash - path + 1);
	rc = access(dir, W_OK | X_OK) == 0;
	free(dir);
	return rc && strlen(path) + SUFFIX <
	    sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/*
 * Would ssh -J log in to hop and leave that connection for others, and can we
 * have it do so?  Without ControlPersist it would end with this run, and cut
 * all others off.
 */
int
plan_shares(const struct plan *plan, const struct hop *hop)
{
	return !plan->no_ssh && hop->controlpath != NULL &&
	    hop->forwardcommand == NULL &&
	    differs(hop->controlmaster, "no", "false") &&
	    differs(hop->controlpersist, "no", "false") &&
	    can_make(hop->controlpath);
}

/*
 * Can ssh log in to hop for us, and what comes next be reached over that?  A
 * ForwardCommand would have to be run.
 */
int
plan_can_private(const struct plan *plan, const struct hop *hop)
{
	return !plan->no_ssh && hop->forwardcommand == NULL;
}

/* Adds flag and value to a line for a shell that ssh expands first. */
static void
add_word(char **line, const char *flag, const char *value)
{
	char *word = str_shell(value), *plain = expand_not(word);

	if (flag != NULL)
		str_append(line, " ", flag);
	str_append(line, " ", plain);
	free(plain);
	free(word);
}

/* Is option for one of the hops before last, or for all? */
static int
concerns_earlier(const struct plan *plan, const struct hop *last,
    const struct option *option)
{
	const struct hop *hop;
	int n = 0;

	TAILQ_FOREACH(hop, &plan->hops, entry) {
		if (hop == last)
			return 0;
		if (ask_concerns(option, hop, ++n))
			return 1;
	}
	return 0;
}

/* What else was asked of us. */
static void
add_conf(char **line, const struct conf *conf)
{
	int i;

	str_append(line, " ", "-r none");
	if (conf->configfile != NULL)
		add_word(line, "-F", conf->configfile);
	if (conf->logfile != NULL)
		add_word(line, "-E", conf->logfile);
	if (conf->quiet)
		str_append(line, " ", "-q");
	for (i = 0; i < conf->verbose; i++)
		str_append(line, " ", "-v");
}

/* Returns the ProxyCommand that leads to hop through those before it. */
static char *
earlier_command(const struct plan *plan, const struct hop *hop)
{
	char *program = os_program(), *route = route_text(plan, hop, ",");
	const struct option *option;
	char *line = NULL, *full, *text;

	add_word(&line, NULL, program != NULL ? program : "proxyhop");
	add_conf(&line, plan->conf);
	/* what the first hop has of its own is in the route, or is not meant */
	full = xasprintf("none,%s", route);
	add_word(&line, "-J", full);
	TAILQ_FOREACH(option, &plan->conf->options, entry) {
		if (!concerns_earlier(plan, hop, option))
			continue;
		text = option->hop == NULL ? xstrdup(option->text) :
		    xasprintf("%s:%s", option->hop, option->text);
		add_word(&line, option->flag == 'i' ? "-i" : "-o", text);
		free(text);
	}
	str_append(&line, " ", "%h %p");
	free(full);
	free(route);
	free(program);
	return line;
}

/* What -o's ssh is started with, and the texts that are only theirs. */
struct orders {
	const char	*v[12];		/* a NULL behind them */
	size_t		 n;
	struct strlist	 own;
};

static void
order(struct orders *o, const char *text)
{
	o->v[o->n++] = text;
}

static void
order_own(struct orders *o, char *text)
{
	strlist_add(&o->own, text);
	order(o, text);
}

/* What any ssh is told that logs in to hop, and is asked for nothing else. */
static void
order_login(struct orders *o, const struct hop *hop)
{
	order(o, "ClearAllForwardings=yes");
	if (hop->forkafterauthentication != NULL)
		order(o, "ForkAfterAuthentication=no");
	if (hop->connecttimeout > 0 || hop->logintimeout > 0)
		order_own(o, xasprintf("ConnectTimeout=%d",
		    hop->connecttimeout > 0 ? hop->connecttimeout :
		    hop->logintimeout));
	/* without a message it would be tried again */
	if (hop_is_quiet(hop))
		order(o, "LogLevel=FATAL");
}

/* Adds to argv the command for hop, number n, whose socket is path. */
static void
command(const struct plan *plan, const struct hop *hop, int n, const char *path,
    struct orders *o, struct strlist *argv)
{
	struct question q = { .conf = plan->conf, .number = n, .extra = o->v };

	strlist_add(argv, xstrdup(plan->conf->ssh != NULL ? plan->conf->ssh :
	    "ssh"));
	strlist_add(argv, xstrdup("-NTS"));
	strlist_add(argv, expand_not(path));
	ask_whom(argv, hop, &q);
	strlist_free(&o->own);
}

/*
 * Adds to argv the command that logs in to hop, which is number n, and goes
 * into the background as soon as its connection is shared.
 */
void
plan_master(const struct plan *plan, const struct hop *hop, int n,
    struct strlist *argv)
{
	struct orders o = { .n = 0 };
	char *line;

	order_login(&o, hop);
	/* one that has a ProxyCommand which starts us would come back here */
	if (n > 1) {
		line = earlier_command(plan, hop);
		order(&o, "ProxyUseFdpass=no");		/* as ssh -J */
		order_own(&o, xasprintf("ProxyCommand=%s", line));
		free(line);
	} else if (hop->proxycommand == NULL)
		order(&o, "ProxyCommand=none");
	command(plan, hop, n, hop->controlpath, &o, argv);
}

/*
 * The same for an ssh that stays in the foreground, and shares its connection at
 * path.  It is connected to a later hop by its stdin and stdout.  strict is its
 * StrictHostKeyChecking; NULL: what is set.
 */
void
plan_private(const struct plan *plan, const struct hop *hop, int n,
    const char *path, const char *strict, struct strlist *argv)
{
	struct orders o = { .n = 0 };

	order(&o, "ControlMaster=yes");
	order(&o, "ControlPersist=no");
	order(&o, "PermitLocalCommand=no");	/* it would write to stdout */
	if (strict != NULL)
		order_own(&o, xasprintf("StrictHostKeyChecking=%s", strict));
	order_login(&o, hop);
	if (n > 1) {
		order(&o, "ProxyUseFdpass=no");
		order(&o, "ProxyCommand=-");
	} else if (hop->proxycommand == NULL)
		order(&o, "ProxyCommand=none");
	command(plan, hop, n, path, &o, argv);
}
