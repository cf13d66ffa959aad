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

#define CONNECTS	15	/* seconds more than a login may take */
#define TICK		20	/* ms between two looks */
#define QUIET		200	/* ms a message of ssh is kept back */
#define SETTLE		2000	/* ms to go into the background */
#define GRACE		500	/* ms to end by itself when told */
#define MAX_LINES	100	/* of its messages that are shown */

/* An ssh that is to log in to l's hop. */
struct master {
	struct link	*link;
	pid_t		 pid;		/* 0: it has ended */
	int		 status;	/* as waitpid(2) has it */
	int		 err;		/* what it says; -1: no more */
	char		 line[400];	/* the next of that, so far */
	size_t		 len;
	struct strlist	 said;		/* lines not shown yet; printable */
	uint64_t	 when;		/* ms; the last of them */
	int		 shown;		/* lines */
	int		 alone;		/* it will not share */
};

/* In the child: stdin is the tunnel's, and so is stdout. */
static void __attribute__((noreturn))
become(char *argv[], int err)
{
	int null = open(_PATH_DEVNULL, O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	_exit(127);
}

/* Returns 0, or -1 with errno. */
static int
start(struct master *m, const struct plan *plan)
{
	struct strlist argv = { NULL, 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	plan_master(plan, m->link->hop, m->link->number, &argv);
	if ((m->pid = child_fork(SIGHUP)) == 0)
		become(argv.v, fds[1]);
	strlist_free(&argv);
	close(fds[1]);
	m->err = fds[0];
	return m->pid == -1 ? -1 : fcntl(m->err, F_SETFL, O_NONBLOCK);
}

static int
quiet(const struct hop *hop)
{
	return hop->loglevel != NULL &&
	    (strcasecmp(hop->loglevel, "QUIET") == 0 ||
	    strcasecmp(hop->loglevel, "SILENT") == 0);
}

/* Shows what it has said: it goes on, and this is not why it fails. */
static void
show(struct master *m)
{
	size_t i;

	for (i = 0; i < m->said.n && !quiet(m->link->hop); i++)
		if (m->shown++ < MAX_LINES)
			say("%s (hop %d): ssh: %s", m->link->hop->name,
			    m->link->number, m->said.v[i]);
	strlist_free(&m->said);
}

/*
 * Is the line a debug message that nobody has asked for?  ssh 6.8 to 7.5 writes
 * some before it has read LogLevel.
 */
static int
is_noise(const char *line)
{
	return say_level() == 0 && strncmp(line, "debug", 5) == 0;
}

/* A line is there. */
static void
end_line(struct master *m)
{
	if (m->len == 0)
		return;
	m->line[m->len] = '\0';
	m->len = 0;
	if (is_noise(m->line))
		return;
	if (m->said.n >= MAX_LINES)
		show(m);
	strlist_add(&m->said, str_quote(m->line));
	m->when = now();
	m->alone |= strstr(m->line, "disabling multiplexing") != NULL;
}

static void
listen_to(struct master *m)
{
	char data[1024];
	ssize_t i, n;

	if ((n = read(m->err, data, sizeof(data))) == -1 &&
	    (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++)
		if (data[i] == '\n' || data[i] == '\r')
			end_line(m);
		else if (m->len < sizeof(m->line) - 1)
			m->line[m->len++] = data[i];
	if (n <= 0) {
		end_line(m);
		close(m->err);
		m->err = -1;
	}
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
	while (status == OK && (m->pid > 0 || m->err != -1) && !m->alone &&
	    (until == 0 || now() < until)) {
		tick = now() + TICK;
		pfd.fd = m->err;
		pfd.revents = 0;
		status = chain_wait(c, &pfd, 1, tick);
		if (pfd.revents != 0)
			listen_to(m);
		look(m);
		/* the master that is left may have it still */
		if (m->pid == 0 && until == 0)
			until = now() + QUIET;
		if (m->said.n > 0 && m->pid > 0 && now() > m->when + QUIET)
			show(m);
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
	if (m->err != -1)
		close(m->err);
	strlist_free(&m->said);
}

/*
 * Is it no use to log in to the hop again at once, since it has refused, or has
 * not answered in time?  Returns the status that this is, or OK.
 */
static int
verdict(const char *said)
{
	static const struct {
		const char	*part;
		int		 status;
	} rows[] = {
		{ "Permission denied", GIVEUP },
		{ "Host key verification failed", GIVEUP },
		{ "Too many authentication", GIVEUP },
		{ "timed out", RETRY },
		{ NULL, OK }
	};
	size_t i = 0;

	while (rows[i].part != NULL &&
	    (said == NULL || strstr(said, rows[i].part) == NULL))
		i++;
	return rows[i].status;
}

/* It has ended, and shares nothing; its last line tells why. */
static int
judge(struct chain *c, struct master *m)
{
	const char *said = m->said.n == 0 ? NULL : m->said.v[m->said.n - 1];
	struct link *l = m->link;
	int status = verdict(said);

	if (status != OK)
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
	struct master m = { .link = l, .err = -1 };
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
			show(&m);
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
