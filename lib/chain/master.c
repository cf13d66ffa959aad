/*
 * Where ssh -J would log in to a hop and share that connection, the user's own
 * ssh does so, with its questions on the terminal; what it shares is then used
 * as any other.  Of several of us at once one has it done, and the others
 * wait.
 */

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/joint.h"

#define CONNECTS	15	/* seconds more than a login may take */
#define TICK		20	/* ms between two looks */
#define LAST		200	/* ms for what it said last */
#define SETTLE		2000	/* ms to go into the background */
#define GRACE		500	/* ms to end by itself when told */

/* An ssh that is to log in to l's hop. */
struct master {
	struct link	*link;
	pid_t		 pid;		/* 0: it has ended */
	int		 status;	/* as waitpid(2) has it */
	struct talk	 talk;
};

/*
 * In a child: runs ssh with these descriptors, of which in and out may be -1:
 * our own stdin and stdout are the tunnel's.
 */
void __attribute__((noreturn))
master_run(char *argv[], int in, int out, int err)
{
	int null = open(_PATH_DEVNULL, O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(in == -1 ? null : in, STDIN_FILENO) == -1 ||
	    dup2(out == -1 ? null : out, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1)
		_exit(127);
	joint_block(STDIN_FILENO);
	joint_block(STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	_exit(127);
}

/* Returns 0, or -1 with errno. */
static int
start(struct master *m, const struct plan *plan)
{
	struct strlist argv = { NULL, 0 };
	int end;

	talk_begin(&m->talk, m->link, &end);
	plan_master(plan, m->link->hop, m->link->number, &argv);
	if ((m->pid = child_fork(SIGHUP)) == 0)
		master_run(argv.v, -1, -1, end);
	strlist_free(&argv);
	close(end);
	return m->pid == -1 ? -1 : 0;
}

static void
look(struct master *m)
{
	if (m->pid > 0 && waitpid(m->pid, &m->status, WNOHANG) != 0)
		m->pid = 0;
}

/* Turns the chain until it has ended, or the time until. */
static int
attend(struct chain *c, struct master *m, uint64_t until)
{
	struct pollfd pfd = { .events = POLLIN };
	uint64_t tick;
	int status = OK;

	/* what it said last tells why it has ended */
	while (status == OK && (m->pid > 0 || m->talk.fd != -1) &&
	    !m->talk.alone && (until == 0 || now() < until)) {
		tick = now() + TICK;
		pfd.fd = m->talk.fd;
		pfd.revents = 0;
		status = chain_wait(c, &pfd, 1, tick);
		if (pfd.revents != 0)
			talk_hear(&m->talk);
		look(m);
		/* the master that is left may have it still */
		if (m->pid == 0 && until == 0)
			until = now() + LAST;
		if (m->pid > 0)
			talk_show_old(&m->talk);
		if (m->pid > 0 && until == 0 && share_listens(m->link->hop))
			until = now() + SETTLE;
	}
	return status;
}

/* It is not needed any more, unless it shares: then it is no child of ours. */
static void
stop(struct master *m)
{
	uint64_t until = now() + GRACE;

	if (m->pid > 0)
		(void)kill(m->pid, SIGHUP);
	while (look(m), m->pid > 0 && now() < until)
		(void)poll(NULL, 0, TICK);
	if (m->pid > 0) {
		(void)kill(m->pid, SIGKILL);
		(void)child_wait(m->pid);
	}
	talk_end(&m->talk);
}

/*
 * What an ssh that has failed means by what it said last, or NULL: is it no use
 * to log in to the hop again at once, since that has refused, or has not
 * answered in time?  Returns the status that this is, with the stage that it
 * was in, or OK.
 */
int
master_verdict(const char *said, enum stage *stage)
{
	static const struct {
		const char	*part;
		int		 status;
		enum stage	 stage;
	} rows[] = {
		{ "Permission denied", GIVEUP, STAGE_AUTH },
		{ "Host key verification failed", GIVEUP, STAGE_HOSTKEY },
		{ "Too many authentication", GIVEUP, STAGE_AUTH },
		{ "Unable to negotiate", GIVEUP, STAGE_KEX },
		{ "timed out", RETRY, STAGE_SHARED },
		{ NULL, OK, STAGE_SHARED }
	};
	size_t i = 0;

	while (rows[i].part != NULL &&
	    (said == NULL || strstr(said, rows[i].part) == NULL))
		i++;
	*stage = rows[i].stage;
	return rows[i].status;
}

/* It has ended, and shares nothing; its last line tells why. */
static int
judge(struct chain *c, struct master *m)
{
	const char *said = talk_last(&m->talk);
	struct link *l = m->link;
	enum stage stage;
	int status = master_verdict(said, &stage);

	if (status != OK && stage != STAGE_KEX)
		return fail(c, l, status, "ssh, which was to log in and share "
		    "the connection, failed: it says \"%s\"; without it: "
		    "-o %s:ControlPath=none", said, l->hop->name);
	say_debug(1, "%s (hop %d): ssh did not log in and share the "
	    "connection%s%s", l->hop->name, l->number,
	    said == NULL ? "" : ": ", said == NULL ? "" : said);
	return OK;
}

/*
 * Has ssh log in to l's hop and share that connection.  Returns OK, whether it
 * has or not, or another status after noting what failed.
 */
int
master_start(struct chain *c, struct link *l)
{
	struct master m = { .link = l };
	int status = OK;

	say_debug(1, "%s (hop %d): ssh is to log in and share the connection",
	    l->hop->name, l->number);
	c->at = l;
	c->deadline = 0;	/* the time is that of ssh */
	link_stage(l, STAGE_SHARED);
	if (start(&m, c->plan) == 0)
		status = attend(c, &m, 0);
	if (status == OK && m.pid == 0) {
		if (WIFEXITED(m.status) && WEXITSTATUS(m.status) == 0)
			talk_show(&m.talk);
		else
			status = judge(c, &m);
	}
	stop(&m);
	return status;
}

/*
 * Waits while another of us has ssh log in to l's hop.  Returns OK with a
 * descriptor in *claim that keeps others waiting until it is closed, or -1
 * there; or another status.
 */
int
master_wait(struct chain *c, struct link *l, int *claim)
{
	const struct hop *hop = l->hop;
	struct pollfd pfd = { .events = POLLIN };
	uint64_t until = now() + (uint64_t)(CONNECTS + hop->logintimeout) *
	    1000;
	int status = OK;

	if (os_claim(hop->controlpath, claim) != 0)
		return OK;
	say_debug(1, "%s (hop %d): another proxyhop has ssh log in: waiting",
	    hop->name, l->number);
	c->at = l;
	c->deadline = 0;
	pfd.fd = *claim;
	while (status == OK && pfd.revents == 0 && now() < until)
		status = chain_wait(c, &pfd, 1, until);
	close(*claim);
	*claim = -1;
	return status;
}
