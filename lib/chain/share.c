/*
 * A hop's connection that an ssh of ours holds for all who ask (ControlMaster
 * and ControlPath of ssh_config(5)): that master opens a channel to what comes
 * next, and gives us an end of it, at once and without a login.
 *
 * A master is asked on two sockets.  One is for the channel, and is kept open
 * as long as that is; the other one tells at the end whether it was the far
 * end that has closed, or the master that is gone.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "chain/mux.h"
#include "wire/copy.h"
#include "wire/joint.h"

#define PATIENCE	1000	/* ms for what a master can answer at once */
#define BUSY		10	/* ms before its full queue is tried again */

/* The requests that a master answers, by number. */
enum request {
	REQUEST_GREETING,
	REQUEST_CHANNEL,
	REQUEST_ALIVE
};

struct share {
	struct link	*link;		/* whose connection it is */
	struct byssh	*byssh;		/* whose it is, if it is ours alone */
	const char	*path;		/* of its control socket */
	int		 witness;	/* asked whether the master is alive */
	int		 control;	/* asked for the channel, or -1 */
	int		 fd;		/* leads on; -1: taken */
	int		 in, out;	/* what it is to be joined to */
	uint32_t	 pid;		/* the master's */
};

/* What a master has sent on one socket, and not been looked at. */
struct heard {
	int		 fd;
	unsigned char	 data[MUX_ANSWER];
	size_t		 len;
	size_t		 used;		/* of it, by the last answer */
	const char	*why;		/* there is no answer */
	int		 absent;	/* since nobody listens there */
};

/* The share of l, or NULL. */
static struct share *
of(const struct chain *c, const struct link *l)
{
	return c->sequence->share[l - c->links];
}

/* Returns a new one of l, for share_close(). */
static struct share *
begin(struct chain *c, struct link *l, const char *path)
{
	struct share *s = xcalloc(1, sizeof(*s));

	c->sequence->share[l - c->links] = s;
	s->link = l;
	s->byssh = c->sequence->byssh[l - c->links];
	s->path = path;
	s->witness = s->control = s->fd = -1;
	return s;
}

static int
later(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Reads some of what has come; returns -1 after noting why that is the end. */
static int
hear(struct heard *h)
{
	ssize_t n;

	n = read(h->fd, h->data + h->len, sizeof(h->data) - h->len);
	if (n == 0 || (n == -1 && !later())) {
		h->why = "its ssh has closed";
		return -1;
	}
	h->len += n > 0 ? n : 0;
	return 0;
}

/* Is there one whole answer?  -1 after noting that there will be none. */
static int
understand(struct heard *h, struct mux_answer *m)
{
	int n;

	if ((n = mux_answer(h->data, h->len, m)) == -1)
		h->why = "what listens there is no ssh of a version we know";
	if (n > 0)
		h->used = n;
	return n;
}

/* Makes room for the next answer. */
static void
shift(struct heard *h)
{
	h->len -= h->used;
	memmove(h->data, h->data + h->used, h->len);
	h->used = 0;
}

/*
 * Waits for the next answer until the time until (ms; 0: c's deadline).
 * Returns OK with it in m, which lasts until the next one is waited for, or
 * with h->why set; or another status.
 */
static int
await(struct chain *c, struct heard *h, uint64_t until, struct mux_answer *m)
{
	struct pollfd pfd = { h->fd, POLLIN, 0 };
	int rc, status;

	shift(h);
	while ((rc = understand(h, m)) == 0) {
		if (until != 0 && now() >= until) {
			h->why = "its ssh does not answer";
			return OK;
		}
		if ((status = chain_wait(c, &pfd, 1, until)) != OK)
			return status;
		if (pfd.revents != 0 && hear(h) == -1)
			return OK;
	}
	return OK;
}

/* Waits for what a master says first: its version. */
static int
await_hello(struct chain *c, struct heard *h, uint64_t until,
    struct mux_answer *m)
{
	int status;

	if ((status = await(c, h, until, m)) == OK && h->why == NULL &&
	    m->type != MUX_HELLO)
		h->why = "its ssh refuses";
	return status;
}

/* Waits for the answer to a request; that to another one is none. */
static int
await_answer(struct chain *c, struct heard *h, uint64_t until,
    enum request request, struct mux_answer *m)
{
	int status;

	if ((status = await(c, h, until, m)) == OK && h->why == NULL &&
	    (m->type == MUX_HELLO || m->id != request))
		h->why = "its ssh answers what it was not asked";
	return status;
}

/* Sends all of it, as the little that it is fits into any socket. */
static int
send_all(int fd, const unsigned char *data, size_t len)
{
	return write(fd, data, len) == (ssize_t)len ? 0 : -1;
}

/* Is it our own user who listens at the other end of fd? */
static int
is_ours(int fd)
{
	uid_t uid;
	gid_t gid;

	return getpeereid(fd, &uid, &gid) == 0 && uid == geteuid();
}

/* Returns a socket connected to path, or -1 with errno and why. */
static int
connect_to(const char *path, const char **why)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	errno = ENAMETOOLONG;
	fd = -1;
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) <
	    sizeof(addr.sun_path))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
		    SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&addr,
	    sizeof(addr)) == -1) {
		*why = strerror(errno);
	} else if (!is_ours(fd)) {
		*why = "another user listens there";
		errno = EPERM;
	} else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* As connect_to(), but a master that is asked by many has until until. */
static int
connect_by(struct chain *c, const char *path, uint64_t until, struct heard *h)
{
	uint64_t again;
	int status = OK;

	while ((h->fd = connect_to(path, &h->why)) == -1 && status == OK &&
	    errno == EAGAIN && now() < until) {
		again = now() + BUSY;
		while (status == OK && now() < again)
			status = chain_wait(c, NULL, 0, again);
	}
	if (h->fd != -1)
		h->why = NULL;
	else
		h->absent = errno == ENOENT || errno == ECONNREFUSED;
	return status;
}

/*
 * Finds out whether a master of ours is alive at path.  Returns OK with a
 * socket to it in h->fd and who it is in *pid, or with h->why set, or another
 * status.
 */
static int
greet(struct chain *c, const char *path, struct heard *h, uint32_t *pid)
{
	unsigned char data[2 * MUX_REQUEST];
	uint64_t until = now() + PATIENCE;
	struct mux_answer m = { .number = 0 };
	size_t len;
	int status;

	if ((status = connect_by(c, path, until, h)) != OK || h->fd == -1)
		return status;
	len = mux_hello(data);
	len += mux_alive_check(data + len, REQUEST_GREETING);
	if (send_all(h->fd, data, len) == -1)
		h->why = "its ssh has closed";
	if (h->why == NULL)
		status = await_hello(c, h, until, &m);
	if (status == OK && h->why == NULL)
		status = await_answer(c, h, until, REQUEST_GREETING, &m);
	if (status == OK && h->why == NULL && m.type != MUX_ALIVE)
		h->why = "its ssh refuses";
	*pid = m.number;
	return status;
}

/*
 * Asks on h for a channel to host and port, and gives the master what it is to
 * read from and to write to.
 */
static void
request(struct heard *h, const char *host, int port, int in, int out)
{
	unsigned char data[2 * MUX_REQUEST];
	size_t len, n;

	len = mux_hello(data);
	n = mux_stdio_forward(data + len, REQUEST_CHANNEL, host, port);
	if (n == 0 || send_all(h->fd, data, len + n) == -1 ||
	    joint_pass(h->fd, in) == -1 || joint_pass(h->fd, out) == -1)
		h->why = n == 0 ? "the name is too long for it" :
		    "its ssh has closed";
}

/*
 * The ssh that has logged in for us alone would not open it, and has said why
 * just before.
 */
static int
refuse_byssh(struct chain *c, struct share *s)
{
	const char *said = talk_said(&s->byssh->talk);
	struct link *l = s->link;
	int prohibited = said != NULL && strstr(said, "prohibited") != NULL;

	return fail(c, l, prohibited ? GIVEUP : RETRY, "%s %s %s:%d%s%s%s; %s "
	    "%s", l->hop->name, prohibited ? "refused to open" :
	    "could not open", l->forward.host, l->forward.port,
	    said == NULL ? "" : ": ssh says \"", said == NULL ? "" : said,
	    said == NULL ? "" : "\"", prohibited ? "check AllowTcpForwarding "
	    "and PermitOpen on" : "check that it is up and can be reached from",
	    l->hop->name);
}

/* The master would not open it, and alone knows why. */
static int
refuse(struct chain *c, struct share *s, const struct mux_answer *m)
{
	static const char usual[] = "Session open refused by peer";
	struct link *l = s->link;
	char *text, *said;
	int status;

	if (s->byssh != NULL)
		return refuse_byssh(c, s);
	text = xstrndup(m->text == NULL ? "" : m->text, m->len);
	said = str_quote(text);
	status = fail(c, l, RETRY, "%s refused to open %s:%d over the "
	    "connection that ssh (pid %u) shares%s%s%s; only that ssh was told "
	    "why: -o %s:ControlPath=none shows it", l->hop->name,
	    l->forward.host, l->forward.port, s->pid,
	    strcmp(text, usual) == 0 ? "" : ": it says \"",
	    strcmp(text, usual) == 0 ? "" : said,
	    strcmp(text, usual) == 0 ? "" : "\"", l->hop->name);
	free(said);
	free(text);
	return status;
}

/* What has been asked for on h is waited for. */
static int
answered(struct chain *c, struct share *s, struct heard *h)
{
	struct mux_answer m;
	int status;

	/* a person may have to be asked by the master */
	chain_limit(c, s->link, s->link->hop->logintimeout);
	if ((status = await_hello(c, h, 0, &m)) == OK && h->why == NULL)
		status = await_answer(c, h, 0, REQUEST_CHANNEL, &m);
	if (status != OK || h->why != NULL || m.type == MUX_OPENED)
		return status;
	if (m.type == MUX_FAILURE)
		return refuse(c, s, &m);
	h->why = m.type == MUX_DENIED ? "it was denied there" :
	    "its ssh refuses";
	return OK;
}

static void
drop(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/*
 * Opens a channel to host and port over the shared connection, for which the
 * master reads from in and writes to out.  Returns OK, with *why set if there
 * is none; or another status.
 */
static int
open_channel(struct chain *c, struct share *s, const char *host, int port,
    int in, int out, const char **why)
{
	struct heard h = { .fd = -1 };
	struct link *l = s->link;
	int status;

	drop(&s->control);	/* what is in flight on the last one is lost */
	link_stage(l, STAGE_FORWARD);
	l->forward.host = host;
	l->forward.port = port;
	c->at = l;
	c->deadline = 0;
	status = connect_by(c, s->path, now() + PATIENCE, &h);
	if (status == OK && h.fd != -1) {
		request(&h, host, port, in, out);
		if (h.why == NULL)
			status = answered(c, s, &h);
	}
	s->control = h.fd;
	*why = h.why;
	if (status != OK || h.why != NULL) {
		drop(&s->control);
		return status;
	}
	link_note(l, "%s:%d", host, port);
	link_stage(l, STAGE_CARRY);
	return OK;
}

/* The same over a socket pair: s->fd is our end of it. */
static int
open_joint(struct chain *c, struct share *s, const char *host, int port,
    const char **why)
{
	int status, theirs;

	drop(&s->fd);
	joint_open(&s->fd, &theirs);
	status = open_channel(c, s, host, port, theirs, theirs, why);
	close(theirs);
	if (status != OK || *why != NULL)
		drop(&s->fd);
	return status;
}

/* Why hop's connection is not even looked for, or NULL. */
static const char *
unwanted(const struct hop *hop)
{
	const char *master = hop->controlmaster;

	if (hop->forwardcommand != NULL)
		return "it has a ForwardCommand";
	/* as muxclient() of ssh's mux.c: those log in, and are masters */
	if (master != NULL && (strcmp(master, "yes") == 0 ||
	    strcmp(master, "true") == 0 || strcmp(master, "ask") == 0))
		return "ControlMaster is set, and not to auto";
	return NULL;
}

/* Looks for the master, and for a channel over its connection to host, if any. */
static int
find(struct chain *c, struct share *s, const char *host, int port,
    const char **why, int *absent)
{
	struct heard h = { .fd = -1 };
	struct link *l = s->link;
	int status;

	c->at = l;
	c->deadline = 0;
	if (l->since == 0)
		link_stage(l, STAGE_SHARED);
	status = greet(c, s->path, &h, &s->pid);
	s->witness = h.fd;
	*why = h.why;
	*absent = h.absent;
	if (status != OK || h.why != NULL)
		return status;
	link_note(l, "ssh, pid %u", s->pid);
	return host == NULL ? OK : open_joint(c, s, host, port, why);
}

/*
 * Does an ssh of ours listen on hop's ControlPath, and would we use its
 * connection?  Whether it answers, and opens a channel, is not known yet.
 */
int
share_usable(const struct hop *hop)
{
	return hop->controlpath != NULL && unwanted(hop) == NULL &&
	    share_listens(hop);
}

/* Does an ssh of ours listen on hop's ControlPath?  If not, errno tells why. */
int
share_listens(const struct hop *hop)
{
	const char *why;
	int fd;

	if ((fd = connect_to(hop->controlpath, &why)) == -1)
		return errno == EAGAIN;
	close(fd);
	return 1;
}

/*
 * Looks for a connection to l's hop that an ssh of ours shares, and opens a
 * channel to host and port over it.  Returns OK, with share_is() true if there
 * is one, which share_close() is to follow, or else in *absent whether an ssh
 * of its ControlMaster could listen there; or another status after noting what
 * failed.  absent is NULL if that ssh has just been started for it, so that it
 * is used whatever ControlMaster says.
 */
int
share_find(struct chain *c, struct link *l, const char *host, int port,
    int *absent)
{
	struct share *s;
	const char *why;
	int ours = absent == NULL, nobody = 0, status = OK;

	if (!ours)
		*absent = 0;
	if (l->hop->controlpath == NULL)
		return OK;
	s = begin(c, l, l->hop->controlpath);
	if ((why = ours ? NULL : unwanted(l->hop)) == NULL)
		status = find(c, s, host, port, &why, &nobody);
	else	/* one that does not look first does not clear the path */
		nobody = !share_listens(l->hop) && errno == ENOENT;
	if (!ours)
		*absent = nobody;
	if (status != OK || why == NULL)
		return status;
	say_debug(1, "%s (hop %d): not shared: %s: %s", l->hop->name,
	    l->number, l->hop->controlpath, why);
	share_close(c, l);
	return OK;
}

/*
 * The ssh that has logged in to l's hop for us alone shares that at path.
 * Returns OK with share_is() true, which share_close() is to follow, or another
 * status after noting what failed.
 */
int
share_byssh(struct chain *c, struct link *l, const char *path)
{
	struct share *s = begin(c, l, path);
	const char *why;
	int nobody, status;

	status = find(c, s, NULL, 0, &why, &nobody);
	if (status == OK && why != NULL)
		status = fail(c, l, RETRY, "ssh, which has logged in, does not "
		    "share that: %s; try again", why);
	if (status != OK)
		share_close(c, l);
	return status;
}

/* Is it l's connection that is shared? */
int
share_is(const struct chain *c, const struct link *l)
{
	return of(c, l) != NULL;
}

/* Is the master alive, that is, does it answer? */
static int
is_alive(struct share *s)
{
	struct pollfd pfd = { s->witness, POLLIN, 0 };
	struct heard h = { .fd = s->witness };
	uint64_t t, until = now() + PATIENCE;
	unsigned char data[MUX_REQUEST];
	struct mux_answer m;
	int rc = 0;

	if (send_all(s->witness, data, mux_alive_check(data,
	    REQUEST_ALIVE)) == -1)
		return 0;
	while ((t = now()) < until && (rc = understand(&h, &m)) == 0)
		if (poll(&pfd, 1, until - t) == 1 && hear(&h) == -1)
			return 0;
	return rc > 0 && m.type == MUX_ALIVE && m.id == REQUEST_ALIVE;
}

static int
fail_ended(struct chain *c, struct share *s)
{
	const char *said = s->byssh == NULL ? NULL : talk_said(&s->byssh->talk);
	struct link *l = s->link;

	if (s->byssh != NULL)
		return fail(c, l, RETRY, "connection lost: its ssh (pid %u) "
		    "has ended%s%s%s; the log of sshd there may know why",
		    s->pid, said == NULL ? "" : ", it says \"",
		    said == NULL ? "" : said, said == NULL ? "" : "\"");
	return fail(c, l, RETRY, "the shared connection of %s has ended (ssh, "
	    "pid %u); its network or its ssh is gone, try again", l->hop->name,
	    s->pid);
}

/*
 * forward_joint() where share_is() true of l: leaves in *fd, which the caller
 * then owns, where a channel to host and port begins.  Returns OK, or another
 * status after noting what failed.
 */
int
share_approach(struct chain *c, struct link *l, const char *host, int port,
    int *fd)
{
	struct share *s = of(c, l);
	const char *why = NULL;
	int status = OK;

	if (s->fd == -1)
		status = open_joint(c, s, host, port, &why);
	if (status == OK && why != NULL)
		status = fail_ended(c, s);
	*fd = s->fd;
	s->fd = -1;
	return status;
}

/* As share_approach(), for forward_pipes(). */
int
share_pipes(struct chain *c, struct link *l, const char *host, int port,
    int fds[2])
{
	struct share *s = of(c, l);
	const char *why = NULL;
	int in, out, status;

	drop(&s->fd);
	joint_pipe(&fds[0], &out);
	joint_pipe(&in, &fds[1]);
	status = open_channel(c, s, host, port, in, out, &why);
	close(in);
	close(out);
	if (status == OK && why != NULL)
		status = fail_ended(c, s);
	if (status != OK) {
		close(fds[0]);
		close(fds[1]);
	}
	return status;
}

/*
 * The chain ends with l's shared connection: a channel to host and port, to be
 * joined to in and out.  Returns OK, or another status after noting what failed.
 */
int
share_target(struct chain *c, struct link *l, const char *host, int port, int in,
    int out)
{
	struct share *s = of(c, l);
	int fd, status;

	s->in = in;
	s->out = out;
	status = share_approach(c, l, host, port, &fd);
	s->fd = fd;
	return status;
}

/*
 * Returns the descriptor that leads to the target, which the caller then owns,
 * if that is over a shared connection alone; or -1.
 */
int
share_take(struct chain *c)
{
	struct share *s = c->n == 0 ? NULL : of(c, &c->links[c->n - 1]);
	int fd;

	if (s == NULL)
		return -1;
	fd = s->fd;
	s->fd = -1;
	return fd;
}

/* Somebody else has the descriptor: waits until its channel is closed. */
static int
outlast(struct chain *c, struct share *s)
{
	struct pollfd pfd = { s->control, POLLIN, 0 };
	int status = OK;

	while (status == OK && pfd.revents == 0)
		status = chain_wait(c, &pfd, 1, 0);
	return status;
}

/*
 * chain_carry() where share_is() true of the last link.  Returns OK, or
 * another status after noting or saying what failed.
 */
int
share_carry(struct chain *c)
{
	struct share *s = of(c, &c->links[c->n - 1]);
	int error = 0, status;

	status = s->fd == -1 ? outlast(c, s) :
	    copy_both(c, s->fd, s->in, s->out, &error);
	if (status == OK && error == 0 && !is_alive(s))
		status = fail_ended(c, s);
	return status != OK ? status : report_output(error);
}

/*
 * l, which is reached over a shared connection, is lost.  If it is that
 * connection which has ended, says so and returns 1.
 */
int
share_lost(struct chain *c, const struct link *l)
{
	struct share *s = l->number < 2 ? NULL : of(c, l - 1);

	if (s == NULL || is_alive(s))
		return 0;
	(void)fail_ended(c, s);
	return 1;
}

/* l's shared connection has not opened what was asked for in time. */
int
share_overdue(struct chain *c, struct link *l)
{
	const struct share *s = of(c, l);
	char *path;
	int status;

	if (s->byssh != NULL)
		return fail(c, l, RETRY, "%s has not opened %s:%d in time; "
		    "check that %s is up and can be reached from %s",
		    l->hop->name, l->forward.host, l->forward.port,
		    l->forward.host, l->hop->name);
	path = str_shell(s->path);
	status = fail(c, l, RETRY, "the connection that ssh (pid %u) shares "
	    "has not opened %s:%d in time; if its network is gone, end it: "
	    "ssh -O exit -S %s %s; without it: -o %s:ControlPath=none", s->pid,
	    l->forward.host, l->forward.port, path, l->hop->name,
	    l->hop->name);
	free(path);
	return status;
}

/* Lets go of l's shared connection, if it is; the master, and its socket, stay. */
void
share_close(struct chain *c, struct link *l)
{
	struct share *s = of(c, l);

	if (s == NULL)
		return;
	drop(&s->fd);
	drop(&s->control);
	drop(&s->witness);
	free(s);
	c->sequence->share[l - c->links] = NULL;
}
