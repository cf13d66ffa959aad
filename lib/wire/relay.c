/*
 * A relay joins one channel to two descriptors, rfd -> channel -> wfd.  Each
 * direction is a small machine of its own: open, draining, shut.
 *
 * Why it cannot deadlock: the session's own descriptor is always read, if with
 * rests (link_rest()), whatever rfd and wfd do, so that window adjusts, rekeying
 * and EOF always get through; the two directions share no buffer; a full writer
 * stops its own reader and nothing else.
 *
 * Bytes for a wfd that takes no more stay in libssh, at most one window of
 * them.  They are then taken all at once: a small read would make libssh
 * grant more while it still holds much, without bound.  When the far end has
 * ended they are taken, too: libssh forgets them if the session then dies.
 *
 * libssh hands on whatever comes for a channel: before it is confirmed, after
 * its end, beyond its window.  A far end that sends such a thing is in breach:
 * nothing of it is kept, and no call is made for its channel any more.
 */

#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/local.h"

#define WINDOW		(4 * 1024 * 1024)	/* twice OpenSSH's own */
#define MAX_WINDOW	(8 * 1024 * 1024)	/* on a long link */
#define LONG_LINK	25			/* ms there and back */
#define GRANT		(512 * 1024)		/* taken before it is renewed */
#define CHUNK		(64 * 1024)		/* all that a pipe holds: pipe(7) */

/* Writes to wfd; returns how much it took, and notes if it takes no more. */
static size_t
put(struct relay *r, const char *data, size_t len)
{
	ssize_t n;

	if (r->gone)
		return len;
	while ((n = write(r->wfd, data, len)) == -1 && errno == EINTR)
		;
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
		r->gone = errno;
		return len;
	}
	if (n == -1)
		n = 0;
	r->blocked = (size_t)n < len;
	r->moved |= n > 0;
	r->taken += n;
	if (r->look != NULL)
		r->look(r->arg, 1, data, n);
	return n;
}

/* The far end has sent what, against the rules: nothing more is taken. */
void
relay_breach(struct relay *r, const char *what)
{
	if (r->breach == NULL)
		r->breach = what;
}

/*
 * May the far end send for the channel now (RFC 4254, 5.1 and 5.3)?  Nothing
 * is judged once the session has ended: what libssh knows of it is no more.
 */
static int
may_send(struct relay *r)
{
	if (r->breach == NULL && ssh_channel_is_open(r->channel))
		r->confirmed = 1;
	if (!r->confirmed && ssh_is_connected(r->session))
		relay_breach(r, "data for a channel that it had not opened");
	if (r->ended)
		relay_breach(r, "data after the channel's end");
	return r->confirmed && r->breach == NULL;
}

/* libssh has bytes from the channel; what we do not take it keeps. */
static int
on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
    int is_stderr, void *arg)
{
	struct relay *r = arg;
	size_t n = 0;

	(void)session;
	(void)channel;
	r->pieces++;
	if (!may_send(r))
		return len;
	if (is_stderr) {	/* of a command: RFC 4254, 5.2 */
		if (r->complain != NULL)
			r->complain(r->arg, data, len);
		return len;
	}
	r->any = 1;
	if (r->started && !r->blocked && r->downbuf.len == 0)
		n = put(r, data, len);
	r->held = len - n;
	if (r->held > r->window) {
		relay_breach(r, "more than it was granted");
		r->held = 0;
		return len;
	}
	return n;
}

/*
 * Reads up to want bytes of what libssh holds, behind what is left over; no
 * more than there is room for.
 * Asking for a whole window is also what makes libssh grant one; on_data is
 * called for what comes in meanwhile, so that the read itself mostly returns
 * nothing.  If the session has died, what it held stays counted as held.
 */
static void
take(struct relay *r, size_t want)
{
	struct buf *b = &r->downbuf;
	int n;

	memmove(b->data, b->data + b->off, b->len);
	b->off = 0;
	if (want > b->size - b->len)
		want = b->size - b->len;
	n = ssh_channel_read_timeout(r->channel, b->data + b->len, want, 0, 0);
	if (n < 0)
		return;
	r->held = 0;
	b->len += n;
}

/* The far end sends no more.  What comes of it again changes nothing. */
static void
end(struct relay *r)
{
	if (r->ended || r->breach != NULL)
		return;
	r->ended = 1;
	if (r->down == FLOW_OPEN)
		r->down = FLOW_DRAINING;
	if (r->held > 0)
		take(r, r->held);
}

static void
on_eof(ssh_session session, ssh_channel channel, void *arg)
{
	struct relay *r = arg;

	(void)session;
	(void)channel;
	if (r->ended || may_send(r))
		end(r);
}

static void
on_close(ssh_session session, ssh_channel channel, void *arg)
{
	struct relay *r = arg;

	(void)session;
	(void)channel;
	r->closed = 1;
	end(r);
}

/* RFC 4254, 6.10. */
static void
on_exit_signal(ssh_session session, ssh_channel channel, const char *name,
    int core, const char *text, const char *language, void *arg)
{
	struct relay *r = arg;

	(void)session;
	(void)channel;
	(void)name;
	(void)core;
	(void)text;
	(void)language;
	r->exit = EXIT_SIGNALED;
}

static void
on_exit_status(ssh_session session, ssh_channel channel, int status,
    void *arg)
{
	struct relay *r = arg;

	(void)session;
	(void)channel;
	r->exit = status;
}

/*
 * Prepares r to join channel to rfd and wfd, before the channel is opened:
 * bytes that come with the confirmation find their callback.  Borrows all
 * four; the descriptors do not block, or are a terminal.
 */
void
relay_init(struct relay *r, ssh_session session, ssh_channel channel, int rfd,
    int wfd)
{
	r->session = session;
	r->channel = channel;
	r->rfd = rfd;
	r->wfd = wfd;
	r->up = FLOW_SHUT;	/* nothing is read before it is open */
	r->down = FLOW_OPEN;
	r->upbuf.data = xcalloc(1, CHUNK);
	r->upbuf.size = CHUNK;
	r->window = WINDOW;
	/* one window left over, and one still held when the end comes */
	r->downbuf.size = 2 * WINDOW;
	r->downbuf.data = xcalloc(1, r->downbuf.size);
	r->callbacks.userdata = r;
	r->callbacks.channel_data_function = on_data;
	r->callbacks.channel_eof_function = on_eof;
	r->callbacks.channel_close_function = on_close;
	r->callbacks.channel_exit_status_function = on_exit_status;
	r->callbacks.channel_exit_signal_function = on_exit_signal;
	r->exit = EXIT_UNTOLD;
	ssh_callbacks_init(&r->callbacks);
	ssh_set_channel_callbacks(channel, &r->callbacks);
}

/* Writes what is left over from the last read of the channel. */
static void
push(struct relay *r)
{
	struct buf *b = &r->downbuf;
	size_t n;

	n = put(r, b->data + b->off, b->len);
	b->off += n;
	b->len -= n;
}

static void
pull(struct relay *r, size_t want)
{
	take(r, want);
	if (r->downbuf.len > 0)
		push(r);
}

static int
flushed(const struct relay *r)
{
	return r->held == 0 && r->downbuf.len == 0;
}

/*
 * A far end that sends more than half a window in the time of one trip there
 * and back could send more if it were let.  On a short link a large window
 * only costs.
 */
static void
widen(struct relay *r)
{
	uint64_t t;

	r->seen += r->taken;
	if (r->rtt < LONG_LINK || r->window == MAX_WINDOW ||
	    (t = now()) - r->since < r->rtt)
		return;
	if (r->since != 0 && r->seen > r->window / 2) {
		r->window = MAX_WINDOW;
		r->downbuf.size = 2 * MAX_WINDOW;
		r->downbuf.data = realloc(r->downbuf.data, r->downbuf.size);
		if (r->downbuf.data == NULL)
			errx(RETRY, "out of memory");
	}
	r->seen = 0;
	r->since = t;
}

static void
step_down(struct relay *r)
{
	if (r->down == FLOW_SHUT || r->breach != NULL)
		return;
	if (r->downbuf.len > 0)
		push(r);
	if (r->held > 0 && r->downbuf.len == 0)
		pull(r, r->held);
	if (r->down == FLOW_OPEN && r->taken >= GRANT && flushed(r)) {
		widen(r);
		r->taken = 0;
		pull(r, r->window);
	}
	if (r->down == FLOW_DRAINING && flushed(r)) {
		r->down = FLOW_SHUT;
		(void)shutdown(r->wfd, SHUT_WR);	/* if it is a socket */
	}
}

/*
 * How much the far end takes (RFC 4254, 5.2): it can only have grown since
 * sent bytes ago, and not to more than a window may have.  A session that has
 * ended inside a write does not tell how much was sent: it is not judged.
 */
static void
look(struct relay *r, uint32_t sent)
{
	uint32_t window = ssh_channel_window_size(r->channel);
	int gone = ssh_get_status(r->session) & (SSH_CLOSED | SSH_CLOSED_ERROR);

	if (!gone && ssh_is_connected(r->session) &&
	    (uint64_t)window + sent < r->allowed)
		relay_breach(r, "a window of more than 4 GiB");
	r->allowed = window;
}

/*
 * Does libssh keep what we gave it last?  From its own KEXINIT on until the far
 * end has answered that, it puts by whatever it is given, without bound.
 */
static int
put_by(const struct relay *r)
{
	return r->packets != NULL && r->packets->out_bytes < r->due;
}

/* How much may be read from rfd now. */
static size_t
room(const struct relay *r)
{
	size_t window;

	if (r->up != FLOW_OPEN || r->upbuf.len > 0 || put_by(r) ||
	    (ssh_get_status(r->session) & SSH_WRITE_PENDING))
		return 0;
	window = ssh_channel_window_size(r->channel);
	return window < r->upbuf.size ? window : r->upbuf.size;
}

static void
fill(struct relay *r, size_t len)
{
	ssize_t n;

	if ((n = read(r->rfd, r->upbuf.data, len)) == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {		/* a reader that failed has ended, too */
		r->up = FLOW_DRAINING;
		return;
	}
	r->upbuf.off = 0;
	r->upbuf.len = n;
	if (r->look != NULL)
		r->look(r->arg, 0, r->upbuf.data, n);
}

/* Gives the channel what was read; while it rekeys, we come again. */
static void
give(struct relay *r)
{
	struct buf *b = &r->upbuf;
	uint64_t made = r->packets == NULL ? 0 : r->packets->out_bytes;
	int n;

	if ((r->refused = put_by(r)))
		return;
	n = ssh_channel_write(r->channel, b->data + b->off, b->len);
	r->refused = n <= 0;
	if (n >= 0)
		look(r, n);
	if (n > 0) {
		r->due = made + n;
		b->off += n;
		b->len -= n;
	}
}

static void
step_up(struct relay *r, int readable)
{
	size_t len;

	look(r, 0);
	if (r->breach != NULL)
		return;
	if (readable && (len = room(r)) > 0)
		fill(r, len);
	if (r->upbuf.len > 0)
		give(r);
	if (r->up == FLOW_DRAINING && r->upbuf.len == 0 && r->breach == NULL) {
		r->up = FLOW_SHUT;
		(void)ssh_channel_send_eof(r->channel);
	}
}

/*
 * The channel is open, which took rtt ms: grants the first window, and reading
 * rfd begins.
 */
void
relay_start(struct relay *r, uint64_t rtt)
{
	r->rtt = rtt;
	r->started = 1;
	r->allowed = ssh_channel_window_size(r->channel);
	r->up = r->down == FLOW_OPEN ? FLOW_OPEN : FLOW_SHUT;
	if (r->down == FLOW_OPEN)
		pull(r, r->window);
}

/* Does relay_step() move anything? */
static int
is_moved(const struct relay *r)
{
	return r->started && r->breach == NULL;
}

/*
 * Fills two pollfds with what r waits for: rfd when the channel can take
 * bytes, wfd when there are some for it, or for news that nobody reads it.
 */
void
relay_poll(const struct relay *r, struct pollfd *pfd)
{
	pfd[0].fd = is_moved(r) && room(r) > 0 ? r->rfd : -1;
	pfd[0].events = POLLIN;
	pfd[1].fd = is_moved(r) && !relay_done(r) ? r->wfd : -1;
	pfd[1].events = r->blocked ? POLLOUT : 0;
}

/* Returns how many bytes are kept since wfd takes no more. */
size_t
relay_kept(const struct relay *r)
{
	return r->blocked ? r->held + r->downbuf.len : 0;
}

/*
 * Can something be moved without waiting?  libssh reads the connection inside a
 * write, too, so that an end or a window may have come after the step that
 * would have seen it, and no descriptor will tell.
 */
int
relay_ready(const struct relay *r)
{
	if (!is_moved(r))
		return 0;
	if (!r->blocked && (r->downbuf.len > 0 || r->down == FLOW_DRAINING))
		return 1;
	return r->upbuf.len > 0 && !r->refused &&
	    ssh_channel_window_size(r->channel) > 0;
}

/* Moves what can be moved, given what poll(2) said of relay_poll()'s fds. */
void
relay_step(struct relay *r, const struct pollfd *pfd)
{
	if (!is_moved(r))
		return;
	/* a pipe says POLLERR, a socket POLLHUP */
	if (pfd[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		r->gone = EPIPE;
	if (pfd[1].revents & POLLOUT)
		r->blocked = 0;
	if (!r->blocked)
		step_down(r);
	step_up(r, pfd[0].revents != 0);
}

/* Has the far end closed and all of it been written, or has wfd no reader? */
int
relay_done(const struct relay *r)
{
	return r->gone || r->down == FLOW_SHUT;
}

/* Has the far end closed, and is all it sent in our hands? */
int
relay_safe(const struct relay *r)
{
	return r->started && r->down != FLOW_OPEN && r->held == 0 &&
	    r->breach == NULL;
}

/* Frees the buffers; the channel goes with its session. */
void
relay_free(struct relay *r)
{
	free(r->upbuf.data);
	free(r->downbuf.data);
}
