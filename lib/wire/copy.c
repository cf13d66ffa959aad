/*
 * Bytes between a socket and two other descriptors, both directions: our own,
 * where no session of ours is in between, or the pipes of a command that leads
 * to the first hop.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "wire/copy.h"
#include "wire/local.h"

#define CHUNK	(64 * 1024)

/* One direction.  from is -1 once it has ended. */
struct oneway {
	int		 from, to;
	struct buf	 buf;
	int		 gone;		/* errno: to takes no more */
	enum flow	 state;
};

/* What the chain turns by the way; the socket's other end is a session's. */
struct copy {
	struct oneway	 in;		/* to the socket */
	struct oneway	 out;		/* from it */
};

static int
again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void
fill(struct oneway *w)
{
	ssize_t n;

	if ((n = read(w->from, w->buf.data, CHUNK)) == -1 && again())
		return;
	if (n <= 0) {
		w->state = FLOW_DRAINING;
		return;
	}
	w->buf.off = 0;
	w->buf.len = n;
}

static void
drain(struct oneway *w)
{
	ssize_t n;

	n = write(w->to, w->buf.data + w->buf.off, w->buf.len);
	if (n == -1 && !again())
		w->gone = errno;
	if (n > 0) {
		w->buf.off += n;
		w->buf.len -= n;
	}
}

static void
step(struct oneway *w, const struct pollfd *from, const struct pollfd *to)
{
	if (to->revents & (POLLERR | POLLHUP | POLLNVAL))
		w->gone = EPIPE;
	if (w->state == FLOW_OPEN && w->buf.len == 0 && from->revents != 0)
		fill(w);
	if (w->buf.len > 0)
		drain(w);
	if (w->state == FLOW_DRAINING && w->buf.len == 0) {
		w->state = FLOW_SHUT;
		(void)shutdown(w->to, SHUT_WR);
	}
}

/* A full buffer stops its reader, an empty one its writer. */
static void
wants(const struct oneway *w, struct pollfd *from, struct pollfd *to)
{
	from->fd = w->state == FLOW_OPEN && w->buf.len == 0 ? w->from : -1;
	from->events = POLLIN;
	to->fd = w->state == FLOW_SHUT ? -1 : w->to;
	to->events = w->buf.len > 0 ? POLLOUT : 0;
}

/*
 * Returns a new copy from in to the socket fd, and from that to out, all of which
 * stay the caller's.  A chain turns it whenever it waits, while it is c->copy.
 * The caller ends it with copy_free().
 */
struct copy *
copy_new(int fd, int in, int out)
{
	struct copy *copy = xcalloc(1, sizeof(*copy));

	copy->in.from = in;
	copy->in.to = copy->out.from = fd;
	copy->out.to = out;
	copy->in.buf.data = xcalloc(1, CHUNK);
	copy->out.buf.data = xcalloc(1, CHUNK);
	return copy;
}

/* What is waited for: COPY_FDS descriptors. */
void
copy_poll(const struct copy *copy, struct pollfd *pfd)
{
	wants(&copy->in, &pfd[0], &pfd[1]);
	wants(&copy->out, &pfd[2], &pfd[3]);
}

/*
 * Moves what poll(2) has found of pfd, which copy_poll() has set.  The end of in
 * is an end of file at the other end of the socket, and that of the reader of
 * out an error when more is written there, as a pipe has it.
 */
void
copy_step(struct copy *copy, const struct pollfd *pfd)
{
	step(&copy->in, &pfd[0], &pfd[1]);
	step(&copy->out, &pfd[2], &pfd[3]);
	if (copy->in.gone)
		copy->in.state = FLOW_SHUT;
	if (copy->out.gone) {
		copy->out.state = FLOW_SHUT;
		(void)shutdown(copy->out.from, SHUT_RD);
	}
}

/*
 * Has the far end of the socket closed, and all of it been written, or does
 * nobody read it?  Leaves what out has failed with in *error: an errno, or 0.
 */
int
copy_over(const struct copy *copy, int *error)
{
	*error = copy->out.gone;
	return copy->out.state == FLOW_SHUT;
}

/* Frees a copy, but closes nothing. */
void
copy_free(struct copy *copy)
{
	free(copy->in.buf.data);
	free(copy->out.buf.data);
	free(copy);
}

/* Frees a copy, and closes its three descriptors; NULL is fine. */
void
copy_close(struct copy *copy)
{
	if (copy == NULL)
		return;
	close(copy->in.from);
	close(copy->in.to);
	close(copy->out.to);
	copy_free(copy);
}
