/*
 * Several routes: the first connection of each is tried in a child, a quarter
 * of a second after that of the one before, and the first route that answers
 * is taken.  What it has connected is handed over, the others are closed
 * before they cost a login.  A route that fails for the moment gives way to
 * the next; one that is refused never does.
 */

#include <sys/socket.h>

#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/joint.h"

#define STAGGER	250	/* ms between two routes, as between two addresses */
#define TICK	1000	/* ms between two status lines */
#define LINE	2048	/* bytes of a line from a child */

_Static_assert(MAX_ROUTES <= 8, "chain_wait() takes as many descriptors");

/* What a child tells, in one packet. */
enum told {
	TOLD_STUMBLED,		/* the first try has failed */
	TOLD_FAILED,		/* text says why */
	TOLD_READY		/* the descriptor is beside it */
};

struct packet {
	char	told;
	char	status;
	char	text[LINE];
};

struct runner {
	struct plan		*plan;
	int			 number;	/* of the route */
	enum {
		RUNNER_WAITS,
		RUNNER_RUNS,
		RUNNER_READY,
		RUNNER_OUT	/* line says why */
	}			 state;
	pid_t			 pid;
	int			 sock;		/* to the child */
	int			 fd;		/* connected, or -1 */
	uint64_t		 from, to;	/* ms */
	int			 status;
	char			*line;
};

struct race {
	struct runner	 v[MAX_ROUTES];
	size_t		 n;
	struct runner	*taken;
	uint64_t	 began;		/* ms */
	uint64_t	 next;		/* ms; when the next may start */
};

static void
send_packet(int sock, enum told told, int status, const char *text, int fd)
{
	struct packet p = { .told = told, .status = status };

	if (text != NULL)
		strlcpy(p.text, text, sizeof(p.text));
	(void)joint_send(sock, &p, sizeof(p), fd);
}

/* In the child. */
static void __attribute__((noreturn))
run(struct plan *plan, int sock)
{
	struct chain *c = chain_new();
	char *line = NULL;
	int fd = -1, status;

	say_plain();
	c->sequence->hold = &line;
	if ((status = chain_first(c, plan, &fd, sock)) == OK)
		send_packet(sock, TOLD_READY, OK, NULL, fd);
	else
		send_packet(sock, TOLD_FAILED, status, line, -1);
	_exit(0);
}

/* A route whose first hop is reached by a command is not tried beforehand. */
static int
by_command(const struct plan *plan)
{
	return plan->nhops > 0 &&
	    TAILQ_FIRST(&plan->hops)->proxycommand != NULL;
}

static void
start(struct runner *r)
{
	int pair[2];

	r->from = now();
	if (by_command(r->plan)) {
		r->state = RUNNER_READY;
		r->to = r->from;
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1 ||
	    (r->pid = child_fork(SIGKILL)) == -1)
		err(RETRY, "cannot try a route");
	if (r->pid == 0)
		run(r->plan, pair[1]);
	close(pair[1]);
	r->sock = pair[0];
	r->state = RUNNER_RUNS;
}

/* Ends the child of r, if it has one. */
static void
stop(struct runner *r)
{
	if (r->pid <= 0)
		return;
	(void)kill(r->pid, SIGKILL);
	(void)child_wait(r->pid);
	close(r->sock);
	r->pid = 0;
}

/* r has failed, in the race or after it was taken. */
static void
out(struct runner *r, int status, const char *line)
{
	r->state = RUNNER_OUT;
	r->status = status;
	free(r->line);
	r->line = xstrdup(line);
	say_debug(1, "route %d (%s) failed after %d ms: %s", r->number,
	    r->plan->spec, (int)(r->to - r->from), line);
}

/* Reads what the child of r tells, or that it has ended. */
static void
hear(struct race *race, struct runner *r)
{
	struct packet p = { .told = 0 };
	int told;

	told = joint_receive(r->sock, &p, sizeof(p), &r->fd) > 0 ? p.told : -1;
	p.text[LINE - 1] = '\0';
	race->next = told == TOLD_READY ? race->next : 0;
	if (told == TOLD_STUMBLED)
		return;
	r->to = now();
	stop(r);
	if (told == TOLD_READY)
		r->state = RUNNER_READY;
	else
		out(r, told == -1 ? RETRY : p.status, told == -1 ?
		    "its process has ended" : p.text);
}

static int
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Is another route being tried whose first hop is the same server? */
static int
doubled(const struct race *race, const struct runner *r)
{
	const struct hop *hop = TAILQ_FIRST(&r->plan->hops), *other;
	const struct runner *q;

	if (by_command(r->plan))
		return 0;
	for (q = race->v; q < r && hop != NULL; q++) {
		other = TAILQ_FIRST(&q->plan->hops);
		if (q->state == RUNNER_RUNS && other != NULL &&
		    strcmp(hop->hostname, other->hostname) == 0 &&
		    hop->port == other->port &&
		    same(hop->addressfamily, other->addressfamily) &&
		    same(hop->bindaddress, other->bindaddress) &&
		    same(hop->bindinterface, other->bindinterface))
			return 1;
	}
	return 0;
}

/* Starts the next route when it is due; returns how many are not out. */
static size_t
start_due(struct race *race)
{
	struct runner *r;
	size_t left = 0;

	for (r = race->v; r < race->v + race->n; r++) {
		left += r->state != RUNNER_OUT;
		if (r->state != RUNNER_WAITS || now() < race->next ||
		    doubled(race, r))
			continue;
		start(r);
		race->next = now() + STAGGER;
	}
	return left;
}

/* The most preferred of those that have answered, or NULL. */
static struct runner *
winner(struct race *race)
{
	struct runner *r;

	for (r = race->v; r < race->v + race->n; r++)
		if (r->state == RUNNER_READY)
			return r;
	return NULL;
}

static void
show(const struct race *race)
{
	uint64_t t = now() - race->began;

	if (t >= TICK && say_live())
		say_status("no route has answered yet, %d s", (int)(t / 1000));
}

/* Waits until a child has something to tell, or the next may start. */
static int
wait_for_one(struct chain *c, struct race *race)
{
	struct pollfd pfd[MAX_ROUTES];
	uint64_t until = now() + TICK;
	size_t i;
	int status;

	for (i = 0; i < race->n; i++) {
		pfd[i].fd = race->v[i].pid > 0 ? race->v[i].sock : -1;
		pfd[i].events = POLLIN;
		pfd[i].revents = 0;
		if (race->v[i].state == RUNNER_WAITS && race->next > 0 &&
		    race->next < until && !doubled(race, &race->v[i]))
			until = race->next;
	}
	if ((status = chain_wait(c, pfd, race->n, until)) != OK)
		return status;
	for (i = 0; i < race->n; i++)
		if (pfd[i].revents != 0)
			hear(race, &race->v[i]);
	show(race);
	return OK;
}

/* Those that lost wait again, in case that the winner fails. */
static void
leave(struct race *race, const struct runner *taken)
{
	struct runner *r;

	for (r = race->v; r < race->v + race->n; r++) {
		if (r == taken || r->state == RUNNER_OUT ||
		    r->state == RUNNER_WAITS)
			continue;
		stop(r);
		if (r->fd != -1)
			close(r->fd);
		r->fd = -1;
		r->to = now();
		r->state = RUNNER_WAITS;
		if (taken != NULL)
			say_debug(1, "route %d (%s) had not answered after "
			    "%d ms", r->number, r->plan->spec,
			    (int)(r->to - r->from));
	}
}

/*
 * Leaves in race->taken the route that answers first, or NULL if none does.
 * Returns OK, or another status if nobody waits for it any more.
 */
static int
hold_race(struct chain *c, struct race *race)
{
	struct runner *r;
	size_t left;
	int status = OK;

	race->began = now();
	race->next = 0;
	race->taken = NULL;
	for (r = race->v; r < race->v + race->n; r++)
		r->from = r->to = 0;
	while ((left = start_due(race)) > 0 && winner(race) == NULL)
		if ((status = wait_for_one(c, race)) != OK)
			break;
	race->taken = left > 0 && status == OK ? winner(race) : NULL;
	leave(race, race->taken);
	say_erase();
	if (race->taken != NULL)
		say_debug(1, "route %d (%s) is used, it answered after %d ms",
		    race->taken->number, race->taken->plan->spec,
		    (int)(race->taken->to - race->began));
	return status;
}

/* Adds a row for each route that has started. */
static void
add_rows(const struct race *race, struct timing *timing)
{
	static char used[] = "used", slower[] = "not used, slower";
	struct timing_row row = { .stage = STAGE_CONNECT };
	const struct runner *r;

	for (r = race->v; r < race->v + race->n; r++) {
		if (r->from == 0)
			continue;
		row.route = r->number;
		row.name = r->plan->spec;
		row.from = r->from;
		row.to = r->to;
		row.failed = r->state == RUNNER_OUT ? r->line : NULL;
		row.note = row.failed != NULL ? NULL :
		    r == race->taken ? used : slower;
		timing_add(timing, &row);
	}
}

/*
 * Begins to time, for -t, what leads to plan's target: the routes first, if
 * there are several.  The caller ends it with timing_end().
 */
struct timing *
race_timing(const struct chain *c, const struct plan *plan)
{
	const struct race *race = c->sequence->race;
	char *name = xasprintf("%s:%d", plan->host, plan->port);
	struct timing *timing = timing_new(name, plan->conf->try > 1,
	    race == NULL ? now() : race->began);

	free(name);
	if (race != NULL)
		add_rows(race, timing);
	return timing;
}

/*
 * All of them have failed: a line each, in order, after the table of -t.
 * Returns the best status.
 */
static int
say_all(const struct chain *c, const struct race *race)
{
	const struct plan *plan = race->v[0].plan;
	int status = GIVEUP;
	size_t i;

	if (plan->conf->try)
		timing_end(race_timing(c, plan));
	for (i = 0; i < race->n; i++) {
		if (*race->v[i].line != '\0')
			say("%s", race->v[i].line);
		if (race->v[i].status == RETRY)
			status = RETRY;
	}
	return status;
}

/* Frees what the chain of a route has left; the race goes on. */
static void
forget(struct chain *c)
{
	struct race *race = c->sequence->race;

	chain_close(c);
	c->sequence->race = race;
}

/*
 * Takes the route that was chosen.  Returns whether that was the end, with
 * its status in *status: the target has been reached, or a permanent failure
 * has been said.
 */
static int
take_one(struct chain *c, struct runner *r, take_fn *take, void *arg,
    int *status)
{
	char *line = NULL;

	c->sequence->hold = &line;
	c->sequence->given = &r->fd;
	*status = take(c, r->plan, arg);
	c->sequence->hold = NULL;
	c->sequence->given = NULL;
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	if (line != NULL && *status == RETRY && !c->sequence->refused) {
		r->to = now();
		out(r, RETRY, line);
		free(line);
		forget(c);
		return 0;
	}
	if (line != NULL && *line != '\0')
		say("%s", line);
	free(line);
	return 1;
}

/*
 * Has take set up one of the routes and use it: the only one, or the first
 * that answers, and the next as long as one fails for the moment before the
 * target is reached.  Returns a status after saying what failed.
 */
int
race_take(struct chain *c, const struct routes *routes, take_fn *take, void *arg)
{
	static struct race race;
	struct plan *plan = TAILQ_FIRST(routes);
	struct runner *r;
	int status;

	if (TAILQ_NEXT(plan, entry) == NULL)
		return take(c, plan, arg);
	c->sequence->race = &race;
	TAILQ_FOREACH(plan, routes, entry) {
		r = &race.v[race.n++];
		r->plan = plan;
		r->number = race.n;
		r->fd = -1;
	}
	while ((status = hold_race(c, &race)) == OK && race.taken != NULL)
		if (take_one(c, race.taken, take, arg, &status))
			break;
	if (status == OK && race.taken == NULL)
		status = say_all(c, &race);
	while (race.n > 0)
		free(race.v[--race.n].line);
	c->sequence->race = NULL;
	return status;
}
