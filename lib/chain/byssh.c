/*
 * A hop that the user's own ssh can log in to, and libssh cannot: ssh does so,
 * with its questions on the terminal, and what comes next is reached over its
 * connection, as over one that is shared (share.c).  It is for this run alone,
 * and ends with it.  The hops before are not logged in to again: the last of
 * them opens the channel that is the connection of that ssh.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

#define TICK	10	/* ms between two looks */

/* What its process is started with. */
struct start {
	char	**argv;
	int	  in, out, err;
};

static void
run(void *arg)
{
	const struct start *s = arg;

	master_run(s->argv, s->in, s->out, s->err);
}

static void
on_talk(void *arg)
{
	struct talk *t = arg;

	talk_hear(t);
	t->link->watch.fd = t->fd;
}

/* Starts ssh with fds as its connection, or -1.  Returns 0, or -1 with errno. */
static int
start(struct chain *c, struct byssh *b, const char *strict, const int fds[2])
{
	struct link *l = b->talk.link;
	struct strlist argv = { NULL, 0 };
	struct start s = { .in = fds[0], .out = fds[1] };
	int rc;

	talk_begin(&b->talk, l, &s.err);
	l->watch.fd = b->talk.fd;
	l->watch.ready = on_talk;
	l->watch.arg = &b->talk;
	if ((rc = standby_open(&b->standby, "ssh")) == 0) {
		plan_private(c->plan, l->hop, l->number, b->standby.path,
		    strict, &argv);
		s.argv = argv.v;
		rc = standby_start(&b->standby, run, &s);
		strlist_free(&argv);
	}
	close(s.err);
	return rc;
}

/*
 * How many seconds it may take, 0: without a limit, since it may be a person's
 * time, which only that ssh knows.
 */
static int
limit(const struct hop *hop)
{
	return prompt_possible(hop) || hop->logintimeout == 0 ? 0 :
	    hop->connecttimeout + hop->logintimeout;
}

/* Turns the chain until it shares its connection, has ended, or is late. */
static int
attend(struct chain *c, struct byssh *b, const char *why)
{
	struct link *l = b->talk.link;
	int seconds = limit(l->hop), status = OK;
	uint64_t until = seconds == 0 ? FOREVER : now() +
	    (uint64_t)seconds * 1000;

	while (status == OK && access(b->standby.path, F_OK) == -1 &&
	    !b->talk.alone && !standby_over(&b->standby)) {
		status = chain_wait(c, NULL, 0, now() + TICK);
		talk_show_old(&b->talk);
		if (status == OK && now() >= until)
			status = fail(c, l, RETRY, "ssh, which was to log in "
			    "since %s, has not within %d seconds; check the "
			    "log of sshd there, or raise LoginTimeout", why,
			    seconds);
	}
	return status;
}

/* It has not logged in; its last line tells why. */
static int
judge(struct chain *c, struct byssh *b, const char *why)
{
	const char *said = talk_said(&b->talk);
	struct link *l = b->talk.link;
	char *command = route_ssh(c->plan, l->hop, l->number);
	enum stage stage;
	int status = master_verdict(said, &stage);

	status = fail(c, l, status == OK ? RETRY : status, "ssh, which was to "
	    "log in since %s, failed%s%s%s; try: %s", why,
	    said == NULL ? "" : ": it says \"", said == NULL ? "" : said,
	    said == NULL ? "" : "\"", command);
	failure_at(c, stage);
	c->sequence->refused |= stage == STAGE_AUTH;
	free(command);
	return status;
}

/*
 * Has ssh log in to l's hop, since why, over fds, or by itself where those are
 * -1; strict is its StrictHostKeyChecking, or NULL.  Returns OK, and
 * share_is() is true then, or another status after noting what failed;
 * byssh_end() must follow.
 */
int
byssh_start(struct chain *c, struct link *l, const char *why,
    const char *strict, int fds[2])
{
	struct byssh *b = xcalloc(1, sizeof(*b));
	int status;

	c->sequence->byssh[l - c->links] = b;
	b->talk.link = l;
	c->at = l;
	c->deadline = 0;	/* the time is that of ssh */
	link_stage(l, STAGE_SHARED);
	if (start(c, b, strict, fds) == -1)
		return fail(c, l, RETRY, "ssh, which was to log in since %s, "
		    "cannot be started: %s; check XDG_RUNTIME_DIR and TMPDIR",
		    why, strerror(errno));
	if ((status = attend(c, b, why)) != OK)
		return status;
	if (access(b->standby.path, F_OK) == -1)
		return judge(c, b, why);
	talk_later(&b->talk);
	return share_byssh(c, l, b->standby.path);
}

/* Ends the ssh that has logged in to l's hop, if one has. */
void
byssh_end(struct chain *c, struct link *l)
{
	struct byssh *b = c->sequence->byssh[l - c->links];

	if (b == NULL)
		return;
	c->sequence->byssh[l - c->links] = NULL;
	standby_end(&b->standby);
	talk_end(&b->talk);
	l->watch.fd = -1;
	free(b);
}
