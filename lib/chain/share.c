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
#include "wire/joint.h"

#define PATIENCE	1000	/* ms for what a master can answer at once */
#define BUSY		10	/* ms before its full queue is tried again */

struct share {
	struct link	*link;		/* whose connection it is */
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

/* The same for an answer of one type; another one is no answer. */
static int
await_type(struct chain *c, struct heard *h, uint64_t until, uint32_t type,
    struct mux_answer *m)
{
	int status;

	if ((status = await(c, h, until, m)) == OK && h->why == NULL &&
	    m->type != type)
		h->why = "its ssh refuses";
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
	len += mux_alive_check(data + len, 0);
	if (send_all(h->fd, data, len) == -1)
		h->why = "its ssh has closed";
	if (h->why == NULL)
		status = await_type(c, h, until, MUX_HELLO, &m);
	if (status == OK && h->why == NULL)
		status = await_type(c, h, until, MUX_ALIVE, &m);
	*pid = m.number;
	return status;
}

/*
 * Asks on h for a channel to host and port, and gives the master one end of a
 * socket pair for it, as stdin and as stdout; h->fd's own is in *fd.
 */
static void
request(struct heard *h, const char *host, int port, int *fd)
{
	unsigned char data[2 * MUX_REQUEST];
	size_t len, n;
	int theirs;

	len = mux_hello(data);
	n = mux_stdio_forward(data + len, 1, host, port);
	joint_open(fd, &theirs);
	if (n == 0 || send_all(h->fd, data, len + n) == -1 ||
	    joint_pass(h->fd, theirs) == -1 || joint_pass(h->fd, theirs) == -1)
		h->why = n == 0 ? "the name is too long for it" :
		    "its ssh has closed";
	close(theirs);
}

/* The master would not open it, and alone knows why. */
static int
refuse(struct chain *c, struct share *s, const struct mux_answer *m)
{
	static const char usual[] = "Session open refused by peer";
	struct link *l = s->link;
	char *text, *said;
	int status;

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
	if ((status = await_type(c, h, 0, MUX_HELLO, &m)) == OK &&
	    h->why == NULL)
		status = await(c, h, 0, &m);
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
 * Opens a channel to host and port over the shared connection.  Returns OK
 * with s->fd set, or with *why; or another status.
 */
static int
open_channel(struct chain *c, struct share *s, const char *host, int port,
    const char **why)
{
	struct heard h = { .fd = -1 };
	struct link *l = s->link;
	int status;

	drop(&s->fd);
	drop(&s->control);	/* what is in flight on the last one is lost */
	link_stage(l, STAGE_FORWARD);
	l->forward.host = host;
	l->forward.port = port;
	c->at = l;
	c->deadline = 0;
	status = connect_by(c, l->hop->controlpath, now() + PATIENCE, &h);
	if (status == OK && h.fd != -1) {
		request(&h, host, port, &s->fd);
		if (h.why == NULL)
			status = answered(c, s, &h);
	}
	s->control = h.fd;
	*why = h.why;
	if (status != OK || h.why != NULL) {
		drop(&s->fd);
		drop(&s->control);
		return status;
	}
	link_note(l, "%s:%d", host, port);
	link_stage(l, STAGE_CARRY);
	return OK;
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

/* Looks for the master, and for a channel over its connection. */
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
	status = greet(c, l->hop->controlpath, &h, &s->pid);
	s->witness = h.fd;
	*why = h.why;
	*absent = h.absent;
	if (status != OK || h.why != NULL)
		return status;
	link_note(l, "ssh, pid %u", s->pid);
	return open_channel(c, s, host, port, why);
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
	s = c->sequence->share = xcalloc(1, sizeof(*s));
	s->link = l;
	s->witness = s->control = s->fd = -1;
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
	share_close(c);
	return OK;
}

/* Is it l's connection that is shared? */
int
share_is(const struct chain *c, const struct link *l)
{
	return c->sequence->share != NULL && c->sequence->share->link == l;
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

	if (send_all(s->witness, data, mux_alive_check(data, 2)) == -1)
		return 0;
	while ((t = now()) < until && (rc = understand(&h, &m)) == 0)
		if (poll(&pfd, 1, until - t) == 1 && hear(&h) == -1)
			return 0;
	return rc > 0 && m.type == MUX_ALIVE;
}

static int
fail_ended(struct chain *c, struct share *s)
{
	struct link *l = s->link;

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
	struct share *s = c->sequence->share;
	const char *why = NULL;
	int status = OK;

	(void)l;
	if (s->fd == -1)
		status = open_channel(c, s, host, port, &why);
	if (status == OK && why != NULL)
		status = fail_ended(c, s);
	*fd = s->fd;
	s->fd = -1;
	return status;
}

/* The chain ends with the shared connection: what it is to be joined to. */
void
share_join(struct chain *c, int in, int out)
{
	c->sequence->share->in = in;
	c->sequence->share->out = out;
}

/*
 * Returns the descriptor that leads to the target, which the caller then owns,
 * if that is over a shared connection alone; or -1.
 */
int
share_take(struct chain *c)
{
	struct share *s = c->sequence->share;
	int fd;

	if (s == NULL || s->link != &c->links[c->n - 1])
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
	struct share *s = c->sequence->share;
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
	struct share *s = c->sequence->share;

	if (s == NULL || s->link + 1 != l || is_alive(s))
		return 0;
	(void)fail_ended(c, s);
	return 1;
}

/* l's shared connection has not opened what was asked for in time. */
int
share_overdue(struct chain *c, struct link *l)
{
	const struct share *s = c->sequence->share;
	char *path = str_shell(l->hop->controlpath);
	int status;

	status = fail(c, l, RETRY, "the connection that ssh (pid %u) shares "
	    "has not opened %s:%d in time; if its network is gone, end it: "
	    "ssh -O exit -S %s %s; without it: -o %s:ControlPath=none", s->pid,
	    l->forward.host, l->forward.port, path, l->hop->name,
	    l->hop->name);
	free(path);
	return status;
}

/* Lets go of the shared connection; the master, and its socket, stay. */
void
share_close(struct chain *c)
{
	struct share *s = c->sequence->share;

	if (s == NULL)
		return;
	drop(&s->fd);
	drop(&s->control);
	drop(&s->witness);
	free(s);
	c->sequence->share = NULL;
}
