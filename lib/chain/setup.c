/*
 * The set-up of one hop, which is connected to, verified and logged in to.
 * What has failed is tried again if it may pass.
 */

#include <stdlib.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/binding.h"
#include "wire/libssh.h"

#define PAUSE	100	/* ms before the second try; doubled each time */
#define MAX_PAUSE	3200	/* ms; a busy server counts tries, too */
#define TRY_TIME	15	/* seconds for all tries, if nobody says */
#define ANEW	2	/* sessions more, for one that can be bound */

/* Returns the next link of the chain, to hop, which is not set up. */
struct link *
setup_link(struct chain *c, const struct hop *hop)
{
	struct link *l = &c->links[c->n++];

	link_init(l, c, hop, c->n);
	c->sequence->tries = 0;
	return l;
}

/*
 * Limits the wait for at, through which l is connected to, to so many seconds
 * (0: no limit).  All tries of l share a ConnectTimeout that somebody has set.
 */
void
setup_limit(struct chain *c, struct link *at, const struct link *l, int seconds)
{
	chain_limit(c, at, seconds);
	if (c->sequence->tries > 0 && l->hop->connecttimeout > 0)
		c->deadline = c->sequence->until;
}

/* How long the hop before may take to open a channel to l (seconds). */
static int
forward_limit(const struct link *l)
{
	return l->hop->connecttimeout > 0 ? l->hop->connecttimeout :
	    l[-1].hop->logintimeout;
}

/*
 * The hop being set up has refused us, or dropped us, for this cause.  Is
 * there time for another try, and have there been fewer than most (0: no
 * limit)?
 */
int
setup_time_left(struct chain *c, int most, const char *cause)
{
	const struct hop *hop = c->links[c->n - 1].hop;
	struct sequence *s = c->sequence;
	uint32_t pause;

	pause = s->tries < 5 ? PAUSE << s->tries : MAX_PAUSE;
	if (s->tries == 0)
		s->until = now() + (uint64_t)(hop->connecttimeout > 0 ?
		    hop->connecttimeout : TRY_TIME) * 1000;
	if (most > 0)
		most = hop->connectionattempts - 1;
	s->cause = cause;
	/* many of us may have been dropped together */
	s->pause = pause / 2 + arc4random_uniform(pause);
	return (most == 0 || s->tries < most) && now() + s->pause < s->until;
}

/* Is what has failed to be tried again?  It is then forgotten. */
int
setup_again(struct chain *c)
{
	const char *cause;
	int most;

	if ((cause = fail_passing(c, &most)) == NULL ||
	    !setup_time_left(c, most, cause))
		return 0;
	failure_forget(c);
	return 1;
}

/* Takes down the session with l, or what was to become one. */
static void
take_down(struct chain *c, struct link *l)
{
	session_drop(l);
	(void)command_end(c, l);
	if (l->number > 1)
		forward_withdraw(l - 1);
}

/* Takes down what the last try has left, and waits a little. */
int
setup_pause(struct chain *c, struct link *l)
{
	struct sequence *s = c->sequence;
	uint64_t until = now() + s->pause;
	int status = OK;

	say_debug(1, "%s: %s, tried again in %u ms", l->hop->name, s->cause,
	    s->pause);
	link_over(c->at, s->cause);
	take_down(c, l);
	s->tries++;
	c->at = l;
	c->deadline = l->hop->connecttimeout > 0 ? s->until : FOREVER;
	while (status == OK && now() < until)
		status = chain_wait(c, NULL, 0, until);
	return status;
}

/* A descriptor that leads to l's hop: a socket, or a channel of the last. */
static int
connect_hop(struct chain *c, struct link *l, int *fd)
{
	struct link *before = l - 1;
	int status;

	if (l->number == 1) {
		setup_limit(c, l, l, dial_limit(l));
		return dial(c, l, fd);
	}
	setup_limit(c, before, l, forward_limit(l));
	status = (share_is(c, before) ? share_approach : forward_joint)(c,
	    before, l->hop->hostname, l->hop->port, fd);
	if (status != OK)
		return status;
	setup_limit(c, l, l, dial_limit(l));
	return OK;
}

/*
 * The same for ssh, which connects to the first hop by itself: fds are two pipes
 * that lead to a later one, or -1.
 */
static int
connect_ssh(struct chain *c, struct link *l, int fds[2])
{
	struct link *before = l - 1;
	int status;

	fds[0] = fds[1] = -1;
	c->sequence->tries = 0;
	if (l->number == 1)
		return OK;
	for (;;) {
		setup_limit(c, before, l, forward_limit(l));
		status = (share_is(c, before) ? share_pipes : forward_pipes)(c,
		    before, l->hop->hostname, l->hop->port, fds);
		if (status == OK || !setup_again(c) ||
		    (status = setup_pause(c, l)) != OK)
			return status;
	}
}

/*
 * Exchanges keys over fd, which is libssh's from here on.  What is known of the
 * host is read while its server is being waited for.
 */
static int
connect_session(struct chain *c, struct link *l, struct trust *t, int fd)
{
	char *hostkeys = trust_algorithms(t);
	int status;

	status = session_begin(c, l, fd, hostkeys);
	if (status == OK)
		status = trust_read(t);
	if (status == OK) {
		free(hostkeys);
		hostkeys = trust_algorithms(t);
		status = session_kex(c, l, hostkeys);
	}
	free(hostkeys);
	return status;
}

/*
 * Connects to l's hop and exchanges keys, as often as what has failed may pass.
 * A session that the agent could not be told of, since a part of its key
 * exchange was not seen, is given up for another one.
 */
static int
start_session(struct chain *c, struct link *l, struct trust *t)
{
	int anew = 0, fd, status;

	for (;;) {
		if ((status = connect_hop(c, l, &fd)) == OK)
			status = connect_session(c, l, t, fd);
		if (status == OK && binding_missed(l) && anew++ < ANEW) {
			link_over(l, "a part of its key exchange was missed");
			take_down(c, l);
			continue;
		}
		if (status == OK || !setup_again(c) ||
		    (status = setup_pause(c, l)) != OK)
			return status;
	}
}

/* Asks l's server for its certificate, over a connection of its own. */
static int
fetch_certificate(struct chain *c, struct link *l, struct trust *t)
{
	int fd, found, status;

	c->sequence->tries = 0;
	if ((status = trust_fetch_wait(t, &found)) != OK || found)
		return status;
	while ((status = connect_hop(c, l, &fd)) != OK)
		if (!setup_again(c) || (status = setup_pause(c, l)) != OK)
			break;
	if (status == OK) {
		status = trust_fetch(t, fd);
		close(fd);
	}
	take_down(c, l);
	c->sequence->tries = 0;
	return status;
}

/* Asks a person about the key of l's server. */
static int
ask(struct chain *c, struct link *l, struct trust *t, enum verdict *verdict)
{
	char answer[ANSWER_MAX];
	int got, status;

	status = prompt(c, l, trust_question(t), PROMPT_ECHO | PROMPT_OURS,
	    answer, &got);
	if (status != OK)
		return status;
	return trust_answer(t, got ? answer : NULL, verdict);
}

/*
 * Asks l's server for a certificate instead, and looks at the key of another
 * session.
 */
static int
check_again(struct chain *c, struct link *l, struct trust *t,
    enum verdict *verdict)
{
	int status;

	link_over(l, "its certificate has to be asked for");
	take_down(c, l);
	if ((status = fetch_certificate(c, l, t)) != OK ||
	    (status = start_session(c, l, t)) != OK)
		return status;
	return trust_check(t, verdict);
}

/* Could ssh have a host proved by GSS-API whose key is not known? */
static int
gss_proves(const struct chain *c, const struct link *l, const struct trust *t)
{
	return l->hop->gssapikeyexchange == 1 && trust_unknown(t) &&
	    libssh_offers_gss(l) && plan_can_private(c->plan, l->hop);
}

/*
 * Begins a session with l's hop, and decides whether its key is trusted.  If
 * ssh can do what we cannot, *why says so; the caller frees it.
 */
static int
verify(struct chain *c, struct link *l, char **why)
{
	struct trust *t = trust_new(c, l);
	enum verdict verdict = TRUSTED;
	int status = OK;

	if (trust_fetch_first(t))
		status = fetch_certificate(c, l, t);
	if (status == OK && (status = start_session(c, l, t)) == OK)
		status = trust_check(t, &verdict);
	if (gss_proves(c, l, t)) {
		*why = xstrdup("its key is not known, and it offers "
		    "GSSAPIKeyExchange");
		status = GIVEUP;
	} else if (status != OK)
		*why = agree_lacking(c);
	while (status == OK && verdict != TRUSTED)
		status = verdict == TRUST_ASK ? ask(c, l, t, &verdict) :
		    check_again(c, l, t, &verdict);
	trust_free(t);
	return status;
}

/*
 * Logs in to l's hop; if it hangs up after refusing keys, once more in another
 * session.  If ssh can do what we cannot, *why says so; the caller frees it.
 */
static int
log_in(struct chain *c, struct link *l, char **why)
{
	struct login *login = auth_new(c, l);
	int status;

	while ((status = auth(login, &c->sequence->refused)) != OK &&
	    (*why = auth_lacking(login)) == NULL && auth_returns(login)) {
		link_tell(l, 1, "it has hung up; back with the keys that it "
		    "has not seen");
		failure_forget(c);
		link_over(l, "it has refused too many keys");
		take_down(c, l);
		c->sequence->tries = 0;
		if ((status = verify(c, l, why)) != OK)
			break;
	}
	if (status == OK)
		auth_credential(login, &c->sequence->used[l - c->links]);
	auth_free(login);
	return status;
}

/*
 * Has ssh log in to l's hop, which it can and we cannot, since why.  Nothing of
 * what the server has said to us counts: ssh begins anew, and verifies its key.
 */
static int
by_ssh(struct chain *c, struct link *l, const char *why)
{
	struct trust *t = trust_new(c, l);
	const char *strict;
	int fds[2], status;

	link_tell(l, 1, "%s: ssh is to log in", why);
	failure_forget(c);
	link_over(l, why);
	take_down(c, l);
	chain_limit(c, l, l->hop->logintimeout);
	if ((status = trust_strictness(t, &strict)) == OK &&
	    (status = connect_ssh(c, l, fds)) == OK) {
		status = byssh_start(c, l, why, strict, fds);
		if (fds[0] != -1) {
			close(fds[0]);
			close(fds[1]);
		}
	}
	trust_free(t);
	return status;
}

/*
 * Connects to hop through the last link, verifies its key and logs in, or has
 * ssh do so.  Returns OK, or another status after noting why not.
 */
int
setup_hop(struct chain *c, const struct hop *hop)
{
	struct link *l = setup_link(c, hop);
	char *why = NULL;
	int status;

	l->label = report_label(c, l);
	if ((status = verify(c, l, &why)) == OK)
		status = log_in(c, l, &why);
	libssh_overhear(NULL);
	if (why != NULL && plan_can_private(c->plan, hop))
		status = by_ssh(c, l, why);
	free(why);
	return status;
}
