/*
 * The control socket of an ssh that shares a connection: what a master is asked
 * there, and answers.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "chain/control.h"
#include "chain/local.h"
#include "wire/joint.h"

#define PATIENCE	1000	/* ms for what a master can answer at once */
#define BUSY		10	/* ms before its full queue is tried again */

/* The requests that a master answers, by number. */
enum request {
	REQUEST_GREETING,
	REQUEST_CHANNEL,
	REQUEST_ALIVE
};

static int
later(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Reads some of what has come; returns -1 after noting why that is the end. */
static int
hear(struct control *h)
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
understand(struct control *h, struct mux_answer *m)
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
shift(struct control *h)
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
await(struct chain *c, struct control *h, uint64_t until, struct mux_answer *m)
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
await_hello(struct chain *c, struct control *h, uint64_t until,
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
await_answer(struct chain *c, struct control *h, uint64_t until,
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

/* Does an ssh of ours listen at path?  If not, errno tells why. */
int
control_listens(const char *path)
{
	const char *why;
	int fd;

	if ((fd = connect_to(path, &why)) == -1)
		return errno == EAGAIN;
	close(fd);
	return 1;
}

/*
 * Connects to the master that listens at path; one that is asked by many has
 * some time.  Returns OK with h ready, or with h->fd -1 and h->why set, or
 * another status.
 */
int
control_open(struct chain *c, const char *path, struct control *h)
{
	uint64_t again, until = now() + PATIENCE;
	int status = OK;

	memset(h, 0, sizeof(*h));
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
int
control_greet(struct chain *c, const char *path, struct control *h,
    uint32_t *pid)
{
	unsigned char data[2 * MUX_REQUEST];
	struct mux_answer m = { .number = 0 };
	uint64_t until;
	size_t len;
	int status;

	if ((status = control_open(c, path, h)) != OK || h->fd == -1)
		return status;
	until = now() + PATIENCE;
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
 * read from and to write to; control_answer() follows unless h->why is set.
 */
void
control_request(struct control *h, const char *host, int port, int in, int out)
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
 * Waits for the answer to control_request(), until c's deadline.  Returns OK
 * with it in m, or with h->why set; or another status.
 */
int
control_answer(struct chain *c, struct control *h, struct mux_answer *m)
{
	int status;

	if ((status = await_hello(c, h, 0, m)) == OK && h->why == NULL)
		status = await_answer(c, h, 0, REQUEST_CHANNEL, m);
	return status;
}

/* Does the master answer on fd, where control_greet() has been? */
int
control_alive(int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	struct control h = { .fd = fd };
	uint64_t t, until = now() + PATIENCE;
	unsigned char data[MUX_REQUEST];
	struct mux_answer m;
	int rc = 0;

	if (send_all(fd, data, mux_alive_check(data, REQUEST_ALIVE)) == -1)
		return 0;
	while ((t = now()) < until && (rc = understand(&h, &m)) == 0)
		if (poll(&pfd, 1, until - t) == 1 && hear(&h) == -1)
			return 0;
	return rc > 0 && m.type == MUX_ALIVE && m.id == REQUEST_ALIVE;
}
