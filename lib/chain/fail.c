/*
 * What went wrong, in one line: which hop, at which stage, why, and what to
 * do.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/local.h"
#include "wire/greeting.h"
#include "wire/libssh.h"

static int	fail_lost(struct chain *, struct link *);

/* Returns ", n times", or "" for once. */
static const char *
times(int n)
{
	static char text[sizeof(", 2147483647 times")];

	text[0] = '\0';
	if (n > 1)
		snprintf(text, sizeof(text), ", %d times", n);
	return text;
}

/* l's ProxyCommand has handed over nothing in its time. */
static int
fail_passing_timeout(struct chain *c, struct link *l)
{
	char *command = tokens_proxy(l->hop);

	(void)fail(c, l, RETRY, "its ProxyCommand (%s) has handed over no "
	    "connection within %d seconds (ProxyUseFdpass); try that command "
	    "by hand, or raise LoginTimeout", command,
	    c->limit);
	free(command);
	return RETRY;
}

/* What l's server has said, if it is not its banner; the caller frees it. */
static char *
no_banner(const struct link *l)
{
	return l->greeting == NULL ? xstrdup("no answer") :
	    xasprintf("it says \"%s\", and no SSH banner", l->greeting);
}

/* A command was to lead to l, which has sent no banner in its time. */
static int
fail_command_timeout(struct chain *c, struct link *l)
{
	char *said = no_banner(l), *command = l->hop->proxycommand == NULL ?
	    NULL : tokens_proxy(l->hop);

	if (command != NULL)
		(void)fail(c, l, RETRY, "%s within %d seconds through its "
		    "ProxyCommand (%s); try that command by hand, or raise "
		    "ConnectTimeout", said, c->limit, command);
	else
		(void)fail(c, l, RETRY, "%s within %d seconds through the "
		    "ForwardCommand of %s (%s); try that command there, or "
		    "raise ConnectTimeout", said, c->limit, l[-1].hop->name,
		    l[-1].forward.command);
	free(command);
	free(said);
	return RETRY;
}

/* l has not been connected to, or has sent no banner, in its time. */
static int
fail_connect_timeout(struct chain *c, struct link *l)
{
	char *said;

	if (l->hop->proxycommand != NULL && l->stage == STAGE_CONNECT)
		return fail_passing_timeout(c, l);
	if (l->hop->proxycommand != NULL ||
	    (l->number > 1 && l[-1].forward.command != NULL))
		return fail_command_timeout(c, l);
	said = no_banner(l);
	(void)fail(c, l, RETRY, "%s within %d seconds; check %s, or raise "
	    "ConnectTimeout", said, c->limit, l->hop->hostname);
	free(said);
	return RETRY;
}

/* l has not done what it was to do within its time. */
static int
fail_timeout(struct chain *c, struct link *l)
{
	const struct sequence *s = c->sequence;
	struct link *last = &c->links[c->n - 1];

	if (share_is(c, l))
		return share_overdue(c, l);
	/* the hop before only opens again what this one has closed */
	if (s->tries > 0 && l != last && last->stage == STAGE_BANNER) {
		l = last;
		link_stage(l, STAGE_BANNER);
	}
	if (s->tries > 0 && (l->stage <= STAGE_BANNER || l != last))
		return fail(c, l, RETRY, "%s%s, then no answer within "
		    "%d seconds; is it short of MaxStartups?", s->cause,
		    times(s->tries), c->limit);
	if (l->stage == STAGE_FORWARD)
		return fail(c, l, RETRY, "%s has not opened %s:%d within "
		    "%d seconds; check that %s is up and can be reached from "
		    "%s", l->hop->name, l->forward.host, l->forward.port,
		    c->limit, l->forward.host, l->hop->name);
	if (l->stage == STAGE_RESOLVE)
		return fail(c, l, RETRY, "no answer within %d seconds; check "
		    "the name server, or write the address of %s as its "
		    "HostName", c->limit, l->hop->name);
	if (l->stage <= STAGE_BANNER)
		return fail_connect_timeout(c, l);
	return fail(c, l, RETRY, "no answer within %d seconds; check the log "
	    "of sshd there, or raise LoginTimeout",
	    c->limit);
}

/* Fails with the reason that the session gives, and advice. */
static int
session_fail(struct chain *c, struct link *l, enum status status,
    const char *advice)
{
	char *reason;

	reason = libssh_reason(l);
	(void)fail(c, l, status, "%s; %s", reason, advice);
	free(reason);
	return status;
}

/* libssh takes no session with what is set. */
static int
fail_set(struct chain *c, struct link *l)
{
	return fail(c, l, GIVEUP, "of one kind of algorithms libssh has none "
	    "that is set for it (host certificates are none); see proxyhop -G "
	    "and allow another one");
}

static int
is_busy(const struct link *l)
{
	return greeting_is_busy(l->greeting);
}

static const char *
greeting_cause(const struct link *l)
{
	return libssh_found(l, LIBSSH_RESET) ?
	    "connection reset before its banner" :
	    "connection closed before its banner";
}

/* l has closed before its banner, as it does when it has too many. */
static int
fail_busy(struct chain *c, struct link *l, const char *cause)
{
	return fail(c, l, RETRY, "%s%s; is it sshd, and is it short of "
	    "MaxStartups?", cause, times(c->sequence->tries + 1));
}

/* The connection to l has ended before l has sent its banner. */
static int
fail_greeting(struct chain *c, struct link *l)
{
	const char *proxy = l->hop->proxycommand;

	if (greeting_is_penalty(l->greeting))
		return fail(c, l, RETRY, "it says \"%s\": after logins that "
		    "failed it keeps this address out for a while "
		    "(PerSourcePenalties); wait before the next try",
		    l->greeting);
	if (!is_busy(l) && l->number > 1 && l[-1].forward.command != NULL)
		return command_forward_text(c, l - 1, l->greeting);
	if (!is_busy(l))
		return fail(c, l, GIVEUP, "it says \"%s\" and closes; is port "
		    "%d that of an SSH server?", l->greeting,
		    l->hop->port);
	if (proxy != NULL && !c->sequence->passed) {
		(void)fail(c, l, RETRY, "its ProxyCommand (%s) ended with "
		    "status 0 before %s answered%s; try that command by hand",
		    proxy, l->hop->name, times(c->sequence->tries + 1));
		failure_at(c, STAGE_CONNECT);
		return RETRY;
	}
	return fail_busy(c, l, greeting_cause(l));
}

/*
 * The connection to l has ended before a banner, or will never have one; text
 * has come, which may be empty.  Leaves in l's greeting what it has said, unless
 * it is too busy to say more.  Returns a status after noting that.
 */
int
fail_unanswered(struct chain *c, struct link *l, char *text)
{
	text[strcspn(text, "\r\n")] = '\0';
	free(l->greeting);
	l->greeting = *text == '\0' ? NULL : str_quote(text);
	if (!is_busy(l))
		return fail_greeting(c, l);
	free(l->greeting);
	l->greeting = NULL;
	/* there is no session that could tell more */
	return fail_busy(c, l, "connection closed before its banner");
}

/* There is no session with l: notes who ended it, or what was not agreed on. */
static int
fail_connect(struct chain *c, struct link *l)
{
	if (link_breach(l) != NULL)
		return fail_lost(c, l);
	if (l->stage == STAGE_BANNER && libssh_disconnected(l))
		return fail_greeting(c, l);
	if (libssh_found(l, LIBSSH_NO_MATCH))
		return agree_fail(c, l);
	if (libssh_found(l, LIBSSH_NO_VERSION)) {
		(void)session_fail(c, l, GIVEUP, "is it an SSH server?");
		failure_at(c, STAGE_BANNER);
		return GIVEUP;
	}
	/* libssh forgets which of the two it was */
	if (libssh_found(l, LIBSSH_NO_PROOF))
		return fail(c, l, GIVEUP, "it has not proved to own its "
		    "host key, or that is an RSA key shorter than "
		    "RequiredRSASize (%d)", l->hop->requiredrsasize);
	if (libssh_disconnected(l))
		return session_fail(c, l, RETRY, "the log of sshd there knows "
		    "why");
	return session_fail(c, l, l->stage == STAGE_BANNER ? GIVEUP : RETRY,
	    "is it an SSH server?");
}

/* The session has ended while it was to open a channel. */
static int
fail_opening(struct chain *c, struct link *l)
{
	char *reason;

	if (link_impostor(l) || link_breach(l) != NULL)
		return fail_lost(c, l);
	reason = libssh_reason(l);
	(void)fail(c, l, RETRY, "%s while opening %s:%d; the log of sshd there "
	    "knows why", reason, l->forward.host, l->forward.port);
	free(reason);
	return RETRY;
}

/* Was it the name that l has not found?  As getaddrinfo(3) says it there. */
static int
unresolved(const char *reason)
{
	static const char *const said[] = { "not known", "name resolution",
	    "No address associated", "not resolve", "nodename nor servname",
	    NULL };
	size_t i;

	for (i = 0; said[i] != NULL; i++)
		if (strstr(reason, said[i]) != NULL)
			return 1;
	return 0;
}

/*
 * l does not allow what it was to open: its configuration, or what the key that
 * we have used may do there.
 */
static int
fail_prohibited(struct chain *c, struct link *l)
{
	const struct credential *used = &c->sequence->used[l - c->links];
	const char *name = l->hop->name;
	char *key = NULL;
	int status;

	if (used->key != NULL && used->certificate)
		key = xasprintf(", and permit-port-forwarding of the "
		    "certificate used: %s", used->key);
	else if (used->key != NULL)
		key = xasprintf(", and in its authorized_keys the options of "
		    "the key used: %s", used->key);
	status = fail(c, l, GIVEUP, "%s refused to open %s:%d: "
	    "administratively prohibited; check AllowTcpForwarding and "
	    "PermitOpen on %s%s; if it lets you run commands: "
	    "-o '%s:ForwardCommand=nc %%h %%p' (in ssh_config nc %%%%h %%%%p)",
	    name, l->forward.host, l->forward.port, name,
	    key == NULL ? "" : key, name);
	free(key);
	return status;
}

/*
 * Is what l was to open the target, and l's own server?  A pattern in ssh_config
 * has then caught the jump host as well.
 */
static int
is_itself(const struct chain *c, const struct link *l)
{
	const char *host = l->forward.host;

	return l->number == c->plan->nhops && l->forward.port == l->hop->port &&
	    (strcasecmp(host, l->hop->name) == 0 ||
	    strcasecmp(host, l->hop->hostname) == 0);
}

/* l has not opened a connection to itself, for this reason and code. */
static int
fail_itself(struct chain *c, struct link *l, unsigned code, const char *reason)
{
	const char *name = l->hop->name;
	char *why = code == 1 ? xstrdup("administratively prohibited") :
	    xasprintf("it says \"%s\"", reason);
	int status;

	status = fail(c, l, code == 2 || code == 4 ? RETRY : GIVEUP, "%s is its "
	    "own jump host, and has not opened %s:%d: %s; to connect to it "
	    "directly, exclude it in ssh_config: Host * !%s", name,
	    l->forward.host, l->forward.port, why, name);
	free(why);
	return status;
}

/*
 * RFC 4254, 5.1: l would not open the channel: the cause, and what to do.
 */
static int
fail_forward(struct chain *c, struct link *l)
{
	const char *name = l->hop->name, *host = l->forward.host;
	int port = l->forward.port, status;
	unsigned code = 0;
	char *reason;

	if ((reason = libssh_refusal(l, &code)) == NULL) {
		if (l->forward.command == NULL || link_gone(l))
			return fail_opening(c, l);
		return fail(c, l, GIVEUP, "%s would not run ForwardCommand "
		    "(%s); are commands allowed there?", name,
		    l->forward.command);
	}
	if (l->forward.command != NULL)
		status = fail(c, l, GIVEUP, "%s would not open a session for "
		    "ForwardCommand (%s): it says \"%s\"; check MaxSessions "
		    "there", name, l->forward.command, reason);
	else if (is_itself(c, l))
		status = fail_itself(c, l, code, reason);
	else if (code == 1)
		status = fail_prohibited(c, l);
	else if (code == 2 && unresolved(reason))
		status = fail(c, l, RETRY, "%s could not open %s:%d: "
		    "it says \"%s\"; the name is looked up by %s: check it "
		    "there, or use the address", name, host, port, reason,
		    name);
	else if (code == 2)
		status = fail(c, l, RETRY, "%s could not open %s:%d: "
		    "it says \"%s\"%s; check that %s is up and can be reached "
		    "from %s", name, host, port, reason,
		    times(c->sequence->tries + 1), host, name);
	else if (code == 4)
		status = fail(c, l, RETRY, "%s could not open %s:%d: "
		    "resource shortage, it says \"%s\"; try again later", name,
		    host, port, reason);
	else
		status = fail(c, l, GIVEUP, "%s refused to open %s:%d: "
		    "it says \"%s\" (reason %u); is it an SSH server that "
		    "forwards TCP?", name, host, port, reason, code);
	free(reason);
	return status;
}

/* l, which was up, has gone. */
static int
fail_lost(struct chain *c, struct link *l)
{
	char *reason;

	if (link_impostor(l))
		return fail(c, l, GIVEUP, "its host key changed while "
		    "connected; somebody may be listening in");
	if (link_breach(l) != NULL)
		return fail(c, l, RETRY, "it sent %s; do not trust it",
		    link_breach(l));
	if (l->number > 1 && l[-1].forward.command != NULL &&
	    forward_ended(l - 1))
		return command_forward_fail(c, l - 1, NULL);
	if ((command_runs(c, l) && command_lost(c, l)) || share_lost(c, l))
		return RETRY;
	reason = libssh_reason(l);
	if (strncmp(reason, "connection ", 11) == 0)
		(void)fail(c, l, RETRY, "connection lost (%s); the log of sshd "
		    "there may know why", reason + 11);
	else
		(void)fail(c, l, RETRY, "connection lost: %s; the log of sshd "
		    "there may know why", reason);
	free(reason);
	return RETRY;
}

/* l no longer answers keepalives. */
static int
fail_silent(struct chain *c, struct link *l)
{
	return fail(c, l, RETRY, "nothing heard for %d seconds, keepalives "
	    "are not answered; check the network, and that %s is up",
	    (int)(keepalive_silence(l) / 1000), l->hop->hostname);
}

/* None of the first hop's addresses has answered. */
static int
fail_dial(struct chain *c, struct link *l)
{
	return fail(c, l, RETRY, "%s%s; check that %s is up and listens on "
	    "port %d", strerror(c->failure.error),
	    times(c->sequence->tries + 1), l->hop->hostname, l->hop->port);
}

/* Does l's refusal mean that nobody listens there, just now? */
static int
next_refuses(const struct link *l)
{
	unsigned code = 0;
	char *reason = libssh_refusal(l, &code);
	int refuses = reason != NULL && l->forward.command == NULL &&
	    code == 2 && strstr(reason, "refused") != NULL;

	free(reason);
	return refuses;
}

/*
 * l has sent no banner: is that the fault of a command that leads there?
 * Waits until it has ended; returns OK if not.
 */
static int
blame_command(struct chain *c, struct link *l)
{
	int status = OK;

	if (command_runs(c, l))
		status = command_fail(c, l);
	if (status == OK && l->number > 1 && l[-1].forward.command != NULL)
		status = command_forward_end(c, l - 1, l->greeting);
	return status;
}

/*
 * Does a hop fail like this while it is busy, so that another try may succeed?
 * Returns the cause, a constant, and in *most how many tries are worth it (0:
 * no limit); or NULL, where a command that has ended may have become what is
 * noted as failed.
 */
const char *
fail_passing(struct chain *c, int *most)
{
	struct link *l = c->failure.link;
	int error = c->failure.error;

	*most = REFUSALS;
	switch (c->failure.what) {
	case FAIL_CONNECT:
		return error == ECONNREFUSED || error == ECONNRESET ?
		    "connection refused" : NULL;
	case FAIL_FORWARD:
		return next_refuses(l) ? "connection refused" : NULL;
	case FAIL_SESSION:
		if (l->stage != STAGE_BANNER || !libssh_disconnected(l) ||
		    blame_command(c, l) != OK || !is_busy(l))
			return NULL;
		/* a command may do more than we know each time it is run */
		if (l->hop->proxycommand == NULL)
			*most = 0;
		return greeting_cause(l);
	default:
		return NULL;
	}
}

/* Finds cause and advice for what has failed, which then is FAIL_TEXT. */
static void
explain(struct chain *c)
{
	static int (*const rows[])(struct chain *, struct link *) = {
		[FAIL_CONNECT] = fail_dial,
		[FAIL_SET] = fail_set,
		[FAIL_SESSION] = fail_connect,
		[FAIL_FORWARD] = fail_forward,
		[FAIL_TIMEOUT] = fail_timeout,
		[FAIL_SILENT] = fail_silent,
		[FAIL_LOST] = fail_lost
	};

	if (rows[c->failure.what] != NULL)
		(void)rows[c->failure.what](c, c->failure.link);
}

/*
 * The run has ended with status.  Says the one line about what has failed, if
 * something has: which hop, which stage, why, and what to do; or leaves it in
 * c's hold, empty if LogLevel is QUIET.  Returns the status to exit with.
 */
int
fail_say(struct chain *c, int status)
{
	if (status == OK || c->failure.what == FAIL_NOTHING)
		return status;
	explain(c);
	status = c->failure.status;
	report_failure(c);
	failure_forget(c);
	return status;
}
