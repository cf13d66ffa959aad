/*
 * Keepalives by a clock that is given: when a hop counts as gone.  libssh and
 * the servers are stood in for, since nobody waits for fifteen minutes.
 */

#include <string.h>

#include <criterion/criterion.h>

#include "wire/local.h"

/* How a server takes keepalives. */
enum server {
	ANSWERS,
	IGNORES,		/* nothing ever comes */
	UNIMPLEMENTED		/* something does, which is no answer */
};

static struct world {
	enum server	 server;
	uint64_t	 received;	/* bytes */
	uint64_t	 sent;		/* packets */
	int		 pending;	/* a keepalive */
	int		 reply;		/* to it, has come */
} worlds[2];

static struct wire	 wires[2];
static uint64_t		 elapsed;	/* ms */
static struct chain	*chain;
static enum what	 noted;
static struct link	*blamed;

static struct world *
world_of(const struct link *l)
{
	return &worlds[l - chain->links];
}

static uint64_t
given_now(void)
{
	return elapsed;
}

static uint64_t
given_received(const struct link *l)
{
	return world_of(l)->received;
}

static uint64_t
given_sent(const struct link *l)
{
	return world_of(l)->sent;
}

/*
 * As libssh: an answer that has come is taken in, and that is all of this call;
 * while there is none, nothing is sent.
 */
static int
given_keepalive(ssh_session session)
{
	struct world *w = (struct world *)(void *)session;

	if (w->pending) {
		w->pending = !w->reply;
		w->reply = 0;
		return SSH_AGAIN;
	}
	w->pending = 1;
	w->sent++;
	if (w->server != IGNORES)
		w->received += 52;
	w->reply = w->server == ANSWERS;
	return SSH_OK;
}

static int
given_ignore(ssh_session session, const char *data)
{
	(void)session;
	(void)data;
	return SSH_OK;
}

static int
given_status(ssh_session session)
{
	(void)session;
	return 0;
}

static int
given_gone(const struct link *l)
{
	(void)l;
	return 0;
}

static struct link *
given_log(struct link *l)
{
	return l;
}

static int
given_failure(struct chain *c, struct link *l, enum what what)
{
	(void)c;
	blamed = l;
	noted = what;
	return RETRY;
}

#define now			given_now
#define link_received		given_received
#define link_sent		given_sent
#define link_gone		given_gone
#define libssh_log_of		given_log
#define failure_note		given_failure
#define ssh_send_keepalive	given_keepalive
#define ssh_send_ignore		given_ignore
#define ssh_get_status		given_status
/* the program's are linked as well */
#define keepalive_silence	tested_silence
#define keepalive_due		tested_due
#define keepalive_step		tested_step

uint64_t	tested_silence(const struct link *);
uint64_t	tested_due(const struct link *);
int		tested_step(struct chain *);

#include "wire/keepalive.c"

#define MINUTE	60	/* seconds */
#define DAY	(24 * 60 * MINUTE)

/* A chain of n hops, which has just heard of all. */
static void
begin(int n, struct hop *hop)
{
	int i;

	memset(worlds, 0, sizeof(worlds));
	memset(wires, 0, sizeof(wires));
	chain = xcalloc(1, sizeof(*chain));
	elapsed = 1000000;
	noted = FAIL_NOTHING;
	blamed = NULL;
	chain->n = n;
	for (i = 0; i < n; i++) {
		chain->links[i].hop = hop;
		chain->links[i].session = (ssh_session)(void *)&worlds[i];
		chain->links[i].wire = &wires[i];
		wires[i].up = 1;
		worlds[i].received = 1;
	}
	(void)keepalive_step(chain);
}

/*
 * Lets so many seconds pass, in steps of one.  Returns after how many a hop
 * counts as gone, or 0.
 */
static int
pass(int seconds)
{
	int i;

	for (i = 1; i <= seconds; i++) {
		elapsed += 1000;
		if (keepalive_step(chain) != OK)
			return i;
	}
	return 0;
}

/* Nobody has set anything. */
static struct hop unset = { .serveraliveinterval = ALIVE_INTERVAL,
    .serveralivecountmax = ALIVE_COUNT, .alive_default = 1 };
/* Somebody has. */
static struct hop set = { .serveraliveinterval = 15,
    .serveralivecountmax = SSH_ALIVE_COUNT };

Test(keepalive, one_that_has_answered_has_gone_after_15_minutes)
{
	int gone;

	begin(1, &unset);
	cr_assert(pass(5 * MINUTE) == 0);
	worlds[0].server = IGNORES;
	worlds[0].reply = 0;
	gone = pass(DAY);
	cr_assert(gone >= 15 * MINUTE && gone <= 16 * MINUTE, "%d s", gone);
	cr_assert(noted == FAIL_SILENT && blamed == &chain->links[0]);
	cr_assert(keepalive_silence(blamed) >= 15 * MINUTE * 1000);
}

Test(keepalive, one_that_comes_back_in_time_has_not)
{
	begin(1, &unset);
	cr_assert(pass(5 * MINUTE) == 0);
	worlds[0].server = IGNORES;
	cr_assert(pass(14 * MINUTE) == 0);
	worlds[0].server = ANSWERS;
	worlds[0].received += 52;
	worlds[0].reply = 1;
	cr_assert(pass(DAY) == 0);
}

Test(keepalive, one_that_never_answers_has_not)
{
	begin(1, &unset);
	worlds[0].server = IGNORES;
	cr_assert(pass(DAY) == 0);
}

Test(keepalive, one_that_answers_what_is_no_answer_has_not)
{
	begin(1, &unset);
	worlds[0].server = UNIMPLEMENTED;
	cr_assert(pass(DAY) == 0);
	begin(1, &set);
	worlds[0].server = UNIMPLEMENTED;
	cr_assert(pass(DAY) == 0);
}

Test(keepalive, with_an_interval_it_is_as_ssh)
{
	int gone;

	begin(1, &set);
	worlds[0].server = IGNORES;
	gone = pass(DAY);
	cr_assert(gone >= 3 * 15 && gone <= 5 * 15, "%d s", gone);
	begin(1, &set);
	cr_assert(pass(DAY) == 0);
}

Test(keepalive, the_nearest_silent_hop_is_named)
{
	begin(2, &unset);
	cr_assert(pass(5 * MINUTE) == 0);
	worlds[0].server = worlds[1].server = IGNORES;
	worlds[0].reply = worlds[1].reply = 0;
	cr_assert(pass(DAY) > 0);
	cr_assert(blamed == &chain->links[0]);
	begin(2, &unset);
	cr_assert(pass(5 * MINUTE) == 0);
	worlds[1].server = IGNORES;
	worlds[1].reply = 0;
	cr_assert(pass(DAY) > 0);
	cr_assert(blamed == &chain->links[1]);
}
