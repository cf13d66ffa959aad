/*
 * The sequence: hop after hop is reached, verified, logged in to and asked to
 * forward; what has failed is tried again, or said.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/libssh.h"

#define PAUSE	100	/* ms before the second try; doubled each time */
#define TRY_TIME	15	/* seconds for all tries, if nobody says */
#define PEEK	65536	/* bytes that may come before a banner, in a race */
#define ANEW	2	/* sessions more, for one that can be bound */
#define LOOK	20	/* ms between two looks at an unfinished banner */
#define MAX_PAUSE	3200	/* ms; a busy server counts tries, too */

static struct link *
link_new(struct chain *c, const struct hop *hop)
{
	struct link *l = &c->links[c->n++];

	link_init(l, c, hop, c->n);
	c->sequence->tries = 0;
	return l;
}

/*
 * at is waited for, so that l can be reached, for so many seconds.  All tries of
 * l share a ConnectTimeout that somebody has set.
 */
static void
allow(struct chain *c, struct link *at, const struct link *l, int seconds)
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
static int
time_left(struct chain *c, int most, const char *cause)
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
static int
again(struct chain *c)
{
	const char *cause;
	int most;

	if ((cause = fail_passing(c, &most)) == NULL ||
	    !time_left(c, most, cause))
		return 0;
	failure_forget(c);
	return 1;
}

/* Takes down what the last try has left, and waits a little. */
static int
rest(struct chain *c, struct link *l)
{
	struct sequence *s = c->sequence;
	uint64_t until = now() + s->pause;
	int status = OK;

	say_debug(1, "%s: %s, tried again in %u ms", l->hop->name, s->cause,
	    s->pause);
	link_over(c->at, s->cause);
	session_drop(l);
	(void)command_end(c, l);
	if (l->number > 1)
		forward_withdraw(l - 1);
	s->tries++;
	c->at = l;
	c->deadline = l->hop->connecttimeout > 0 ? s->until : FOREVER;
	while (status == OK && now() < until)
		status = chain_wait(c, NULL, 0, until);
	return status;
}

/* A descriptor that leads to l's hop: a socket, or a channel of the last. */
static int
approach(struct chain *c, struct link *l, int *fd)
{
	struct link *before = l - 1;
	int status;

	if (l->number == 1) {
		allow(c, l, l, dial_limit(l));
		return dial(c, l, fd);
	}
	allow(c, before, l, forward_limit(l));
	status = (share_is(c, before) ? share_approach : forward_joint)(c,
	    before, l->hop->hostname, l->hop->port, fd);
	if (status != OK)
		return status;
	allow(c, l, l, dial_limit(l));
	return OK;
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

/* Takes down the session with l, or what was to become one. */
static void
take_down(struct chain *c, struct link *l)
{
	session_drop(l);
	(void)command_end(c, l);
	if (l->number > 1)
		forward_withdraw(l - 1);
}

/*
 * From the hop before to a session with this one.  One that the agent cannot be
 * told of, since a part of the key exchange was missed, is begun anew.
 */
static int
reach(struct chain *c, struct link *l, struct trust *t)
{
	int anew = 0, fd, status;

	for (;;) {
		if ((status = approach(c, l, &fd)) == OK)
			status = connect_session(c, l, t, fd);
		if (status == OK && binding_missed(l) && anew++ < ANEW) {
			link_over(l, "a part of its key exchange was missed");
			take_down(c, l);
			continue;
		}
		if (status == OK || !again(c) || (status = rest(c, l)) != OK)
			return status;
	}
}

/* Asks l's server for its certificate, over a connection of its own. */
static int
fetch(struct chain *c, struct link *l, struct trust *t)
{
	int fd, found, status;

	c->sequence->tries = 0;
	if ((status = trust_fetch_wait(t, &found)) != OK || found)
		return status;
	while ((status = approach(c, l, &fd)) != OK)
		if (!again(c) || (status = rest(c, l)) != OK)
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

	status = prompt(c, l, trust_question(t), PROMPT_ECHO | PROMPT_OURS, answer,
	    &got);
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
	if ((status = fetch(c, l, t)) != OK ||
	    (status = reach(c, l, t)) != OK)
		return status;
	return trust_check(t, verdict);
}

/* From the hop before to a session with the host that was meant. */
static int
meet(struct chain *c, struct link *l)
{
	struct trust *t = trust_new(c, l);
	enum verdict verdict = TRUSTED;
	int status = OK;

	if (trust_fetch_first(t))
		status = fetch(c, l, t);
	if (status == OK && (status = reach(c, l, t)) == OK)
		status = trust_check(t, &verdict);
	while (status == OK && verdict != TRUSTED)
		status = verdict == TRUST_ASK ? ask(c, l, t, &verdict) :
		    check_again(c, l, t, &verdict);
	trust_free(t);
	return status;
}

/* From such a session to one in which we are logged in. */
static int
log_in(struct chain *c, struct link *l)
{
	struct login *login = auth_new(c, l);
	int status;

	while ((status = auth(login, &c->sequence->refused)) != OK &&
	    auth_returns(login)) {
		link_tell(l, 1, "it has hung up; back with the keys that it "
		    "has not seen");
		failure_forget(c);
		link_over(l, "it has refused too many keys");
		take_down(c, l);
		c->sequence->tries = 0;
		if ((status = meet(c, l)) != OK)
			break;
	}
	if (status == OK)
		auth_credential(login, &c->sequence->used[l - c->links]);
	auth_free(login);
	return status;
}

static int
add_link(struct chain *c, const struct hop *hop)
{
	struct link *l = link_new(c, hop);
	int status;

	l->label = report_label(c, l);
	if ((status = meet(c, l)) == OK)
		status = log_in(c, l);
	libssh_overhear(NULL);
	return status;
}

/* Returns a chain without links, for chain_free(). */
struct chain *
chain_new(void)
{
	struct chain *c = xcalloc(1, sizeof(*c));

	c->sequence = xcalloc(1, sizeof(*c->sequence));
	return c;
}

static void
begin(struct chain *c, const struct plan *plan)
{
	c->plan = plan;
	c->sequence->began = now();
	report_start(c);
}

/* The set-up is over, with status; returns what it means. */
static int
end(struct chain *c, int status)
{
	status = fail_say(c, status);
	own_end(c);
	if (status == OK)
		c->sequence->hold = NULL;		/* no other route from here on */
	c->deadline = 0;
	c->carrying = 1;
	say_erase();
	return status;
}

/* Of all links, of which none is set up. */
static void
forget_links(struct chain *c)
{
	while (c->n > 0)
		link_free(&c->links[--c->n]);
}

/* Links to hop and to those before it, none of which is set up. */
static struct link *
links_to(struct chain *c, const struct hop *hop)
{
	const struct hop *h = TAILQ_FIRST(&c->plan->hops);
	struct link *l;

	forget_links(c);
	while ((l = link_new(c, h))->hop != hop)
		h = TAILQ_NEXT(h, entry);
	return l;
}

/* Where hop is to forward to. */
static const char *
after(const struct chain *c, const struct hop *hop, int *port)
{
	const struct hop *next = TAILQ_NEXT(hop, entry);

	*port = next == NULL ? c->plan->port : next->port;
	return next == NULL ? c->plan->host : next->hostname;
}

/* Has ssh log in to hop and share that, unless another of us has meanwhile. */
static int
make_master(struct chain *c, const struct hop *hop)
{
	struct link *l = links_to(c, hop);
	int claim, status;

	status = master_wait(c, l, &claim);
	if (status == OK && !share_listens(hop))
		status = master_start(c, l);
	if (claim != -1)
		close(claim);
	return status;
}

/*
 * Has the connection to hop shared, and those to the hops before it that ssh -J
 * would share on the way, the nearest first: what fails is then said of the hop
 * that it is about, and nobody is asked twice.
 */
static int
make_masters(struct chain *c, const struct hop *last)
{
	const struct hop *hop = last, *before;
	int status = OK;

	while ((before = TAILQ_PREV(hop, hops, entry)) != NULL &&
	    (before->controlpath == NULL || !share_listens(before)))
		hop = before;
	for (; status == OK; hop = TAILQ_NEXT(hop, entry)) {
		if (plan_shares(c->plan, hop)) {
			status = make_master(c, hop);
			if (!share_listens(hop))
				break;
		}
		if (hop == last)
			break;
	}
	return status;
}

/*
 * The deepest hop whose connection is shared is where the chain begins, and
 * those before it are left alone.  make: it may also be one that ssh -J would
 * share.  What ssh was not asked because the last hop's seemed to be shared, it
 * is asked once it turns out that it is not.
 */
static int
find_shared(struct chain *c, struct plan *plan, int make)
{
	const struct hop *hop;
	const char *host;
	int absent, port, status;

	TAILQ_FOREACH_REVERSE(hop, &plan->hops, hops, entry) {
		host = after(c, hop, &port);
		status = share_find(c, links_to(c, hop), host, port, &absent);
		if (status == OK && c->sequence->share == NULL)
			status = plan_complete(plan);
		if (status == OK && absent && make && plan_shares(plan, hop)) {
			make = 0;
			if ((status = make_masters(c, hop)) == OK)
				status = share_find(c, links_to(c, hop), host,
				    port, NULL);
		}
		if (status != OK || c->sequence->share != NULL)
			return status;
	}
	forget_links(c);
	return OK;
}

/* The channel to the target, joined to in and out. */
static int
open_target(struct chain *c, int in, int out)
{
	struct link *l = &c->links[c->n - 1];

	if (share_is(c, l)) {
		share_join(c, in, out);
		return OK;
	}
	chain_limit(c, l, l->hop->logintimeout);
	c->sequence->tries = 0;
	return forward_open(c, l, c->plan->host, c->plan->port, in, out);
}

/*
 * Connects all hops of plan in order, from the deepest one on that has a
 * shared connection, and opens a channel to its target that is joined to in
 * and out.  Returns OK, or another status after saying what failed.
 */
int
chain_open(struct chain *c, struct plan *plan, int in, int out)
{
	const struct hop *hop = TAILQ_FIRST(&plan->hops);
	int status;

	begin(c, plan);
	status = find_shared(c, plan, 1);
	if (c->n > 0 && c->sequence->given != NULL && *c->sequence->given != -1) {
		close(*c->sequence->given);	/* its server waits for a login */
		*c->sequence->given = -1;
	}
	if (c->n > 0)
		hop = TAILQ_NEXT(c->links[c->n - 1].hop, entry);
	for (; status == OK && hop != NULL; hop = TAILQ_NEXT(hop, entry))
		status = add_link(c, hop);
	if (status == OK)
		status = open_target(c, in, out);
	return end(c, status);
}

/* Is there a line in the n bytes that begins as a banner does? */
static int
has_banner(const char *data, size_t n)
{
	const char *line = data;

	while (line != NULL && (size_t)(line - data) + 4 <= n) {
		if (memcmp(line, "SSH-", 4) == 0)
			return 1;
		line = memchr(line, '\n', n - (line - data));
		line += line != NULL;
	}
	return 0;
}

/* Waits until the server at fd has sent its banner, and leaves it there. */
static int
greeted(struct chain *c, struct link *l, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLRDHUP };
	static char data[PEEK];
	ssize_t n;
	int status;

	link_stage(l, STAGE_BANNER);
	for (;;) {
		status = chain_wait(c, &pfd, 1, now() + LOOK);
		if (status != OK)
			return status;
		n = recv(fd, data, sizeof(data) - 1, MSG_PEEK | MSG_DONTWAIT);
		data[n > 0 ? n : 0] = '\0';
		if (n > 0 && has_banner(data, n))
			return OK;
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
		    n == sizeof(data) - 1 || (pfd.revents & ~POLLIN) != 0)
			return fail_unanswered(c, l, data);
		/* what has come is still there, and would wake us at once */
		pfd.events = POLLRDHUP | (n > 0 ? 0 : POLLIN);
	}
}

/* The first connection of a route, up to the banner of its jump host. */
static int
first(struct chain *c, struct link *l, int *fd)
{
	int status;

	allow(c, l, l, dial_limit(l));
	if ((status = dial(c, l, fd)) != OK || l->number == 0)
		return status;
	if ((status = greeted(c, l, *fd)) != OK)
		close(*fd);
	return status;
}

/* Is what has failed before any session to be tried again? */
static int
first_again(struct chain *c)
{
	if (c->failure.what != FAIL_TEXT || c->at->stage != STAGE_BANNER)
		return again(c);
	/* it may be busy; one that has said something else is not */
	if (c->at->greeting != NULL || !time_left(c, 0, "connection closed"))
		return 0;
	failure_forget(c);
	return 1;
}

/*
 * Makes the first connection of plan's route, and waits until the jump host
 * has sent its banner, which is not read; without a jump host, the connection
 * to the target.  The caller owns *fd, which is -1 if a hop's connection is
 * shared: that is an answer, too.  At each failure that is tried again a
 * byte is written to tell.  Returns OK, or another status after saying what
 * failed.
 */
int
chain_first(struct chain *c, struct plan *plan, int *fd, int tell)
{
	struct link *l;
	int status;

	begin(c, plan);
	*fd = -1;
	if ((status = find_shared(c, plan, 0)) != OK || c->n > 0)
		return end(c, status);
	l = link_new(c, plan->nhops == 0 ? plan->target :
	    TAILQ_FIRST(&plan->hops));
	if (plan->nhops == 0)
		l->number = 0;
	while ((status = first(c, l, fd)) != OK && first_again(c)) {
		(void)send(tell, "", 1, MSG_NOSIGNAL);
		if ((status = rest(c, l)) != OK)
			break;
	}
	return end(c, status);
}

/*
 * Connects directly to plan's target, which has no jump host; the caller owns
 * *fd.  Returns OK, or another status after saying what failed.
 */
int
chain_dial(struct chain *c, const struct plan *plan, int *fd)
{
	struct link *l;
	int status;

	begin(c, plan);
	l = link_new(c, plan->target);
	l->number = 0;		/* it is no hop */
	l->label = report_label(c, l);
	allow(c, l, l, dial_limit(l));
	if ((status = dial(c, l, fd)) == OK)
		link_stage(l, STAGE_CARRY);
	return end(c, status);
}

/*
 * The last hop's ForwardCommand has ended, whose connection it should have been:
 * has it led anywhere?  What it carries may be anything; only where SSH was
 * spoken to it is text of its own no answer.
 */
static int
judge_command(struct chain *c, struct link *l)
{
	const char *said = forward_text(l);

	if (!forward_used(l))
		return command_forward_end(c, l, NULL);
	if (said == NULL || !forward_is_ssh(l))
		return OK;
	return command_forward_text(c, l, said);
}

/*
 * All is up: from here on nothing is opened, and whoever takes this process
 * over through what a server sends cannot, either.  A ProxyCommand is not
 * started again, but has to be ended.
 */
void
chain_confine(struct chain *c)
{
	/* what the locale has is read when it is first needed */
	free(str_visible("\377"));
	os_confine(c->sequence->pid > 0);
}

/*
 * Carries until the target has closed and all it sent is written, or nobody
 * reads it any more.  Returns OK, or RETRY after saying which hop was lost, or
 * that standard output has failed.
 */
int
chain_carry(struct chain *c)
{
	struct link *l = &c->links[c->n - 1];
	int status = OK;

	chain_confine(c);
	if (share_is(c, l))
		return fail_say(c, share_carry(c));
	while (status == OK && !forward_done(l))
		status = chain_turn(c);
	if (status == OK && l->forward.command != NULL && forward_error(l) == 0)
		status = judge_command(c, l);
	if (status == OK)
		status = report_output(forward_error(l));
	return fail_say(c, status);
}

/* Takes the chain down, last link first; it is as new then. */
void
chain_close(struct chain *c)
{
	struct sequence *s = c->sequence;
	struct link *l;
	int i;

	while (c->n > 0) {
		l = &c->links[--c->n];
		session_drop(l);
		forward_drop(l);
		link_free(l);
		(void)command_end(c, l);
	}
	share_close(c);
	for (i = 0; i < MAX_HOPS; i++)
		free(s->used[i].key);
	memset(s, 0, sizeof(*s));
	memset(c, 0, sizeof(*c));
	c->sequence = s;
}

/* Takes the chain down, and frees it. */
void
chain_free(struct chain *c)
{
	chain_close(c);
	free(c->sequence);
	free(c);
}
