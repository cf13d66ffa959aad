/*
 * Bytes between a socket and our own two descriptors, both directions, where
 * no session of ours is in between.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "wire/local.h"

#define CHUNK	(64 * 1024)

/* One direction.  from is -1 once it has ended. */
struct oneway {
	int		 from, to;
	struct buf	 buf;
	int		 gone;		/* errno: to takes no more */
	enum flow	 state;
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

/* Until the far end has closed and all of it is written, or nobody reads it. */
static int
carry(struct chain *c, struct oneway *up, struct oneway *down)
{
	struct pollfd pfd[4];
	int status = OK;

	while (status == OK && down->state != FLOW_SHUT && !down->gone) {
		wants(up, &pfd[0], &pfd[1]);
		wants(down, &pfd[2], &pfd[3]);
		if ((status = chain_wait(c, pfd, 4, 0)) != OK)
			break;
		step(up, &pfd[0], &pfd[1]);
		step(down, &pfd[2], &pfd[3]);
		if (up->gone)		/* the far end reads no more */
			up->state = FLOW_SHUT;
	}
	return status;
}

/*
 * Carries between fd and in and out, all of which stay the caller's, until the
 * far end of fd has closed and all of it is written, or nobody reads it.
 * Returns OK with what out has failed with, an errno or 0, in *error; or
 * another status.
 */
int
copy_both(struct chain *c, int fd, int in, int out, int *error)
{
	struct oneway up = { .from = in, .to = fd };
	struct oneway down = { .from = fd, .to = out };
	int status;

	up.buf.data = xcalloc(1, CHUNK);
	down.buf.data = xcalloc(1, CHUNK);
	status = carry(c, &up, &down);
	free(up.buf.data);
	free(down.buf.data);
	*error = down.gone;
	return status;
}
