/*
 * A hop's connection that an ssh of ours holds for all who ask (ControlMaster
 * and ControlPath of ssh_config(5)): that master opens a channel to what comes
 * next, and gives us an end of it, at once and without a login.
 *
 * A master is asked on two sockets.  One is for the channel, and is kept open
 * as long as that is; the other one tells at the end whether it was the far
 * end that has closed, or the master that is gone.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/control.h"
#include "chain/local.h"
#include "wire/copy.h"
#include "wire/joint.h"

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
answered(struct chain *c, struct share *s, struct control *h)
{
	struct mux_answer m;
	int status;

	/* a person may have to be asked by the master */
	chain_limit(c, s->link, s->link->hop->logintimeout);
	status = control_answer(c, h, &m);
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
	struct control h = { .fd = -1 };
	struct link *l = s->link;
	int status;

	drop(&s->control);	/* what is in flight on the last one is lost */
	link_stage(l, STAGE_FORWARD);
	l->forward.host = host;
	l->forward.port = port;
	c->at = l;
	c->deadline = 0;
	status = control_open(c, s->path, &h);
	if (status == OK && h.fd != -1) {
		control_request(&h, host, port, in, out);
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

/* Looks for the master, and unless host is NULL for a channel to that. */
static int
find(struct chain *c, struct share *s, const char *host, int port,
    const char **why, int *absent)
{
	struct control h = { .fd = -1 };
	struct link *l = s->link;
	int status;

	c->at = l;
	c->deadline = 0;
	if (l->since == 0)
		link_stage(l, STAGE_SHARED);
	status = control_greet(c, s->path, &h, &s->pid);
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
	return control_listens(hop->controlpath);
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
 * joined to in and out.  Returns OK, or another status after noting what has
 * failed.
 */
int
share_target(struct chain *c, struct link *l, const char *host, int port,
    int in, int out)
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
	if (status == OK && error == 0 && !control_alive(s->witness))
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

	if (s == NULL || control_alive(s->witness))
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

/* Lets go of l's connection if it is shared; master and socket stay. */
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
