/*
 * Messages of the protocol between a client and its agent: a length, a type,
 * and what belongs to it (draft-ietf-sshm-ssh-agent).
 */

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/agentmsg.h"
#include "wire/wire.h"

/* Takes an uint32 (RFC 4251, 5) off r; returns 0, or -1 if there is none. */
int
agentmsg_u32(struct agentmsg *r, uint32_t *n)
{
	if (r->left < 4)
		return -1;
	memcpy(n, r->p, 4);
	*n = be32toh(*n);
	r->p += 4;
	r->left -= 4;
	return 0;
}

/*
 * Takes a string (RFC 4251, 5) off r; *s points into the message.  Returns 0,
 * or -1 if there is none.
 */
int
agentmsg_string(struct agentmsg *r, const unsigned char **s, uint32_t *len)
{
	if (agentmsg_u32(r, len) == -1 || *len > r->left)
		return -1;
	*s = r->p;
	r->p += *len;
	r->left -= *len;
	return 0;
}

/* Writes all of it, whatever fd is; returns 0 or -1. */
int
agentmsg_write(int fd, const void *data, size_t len)
{
	struct pollfd pfd = { fd, POLLOUT, 0 };
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, p, len)) > 0) {
			p += n;
			len -= n;
		} else if (errno == EAGAIN ? poll(&pfd, 1, ANSWER_TIME) == 0 :
		    errno != EINTR)
			return -1;
	}
	return 0;
}

/* Waits until fd can be read; -1 after the time until (ms; FOREVER: none). */
static int
await_readable(int fd, uint64_t until)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t t = now();

	if (until == FOREVER)
		return poll(&pfd, 1, -1) == 1 ? 0 : -1;
	return t < until && poll(&pfd, 1, until - t) == 1 ? 0 : -1;
}

/* Reads all of it, until the time until. */
static int
await_all(int fd, void *data, size_t len, uint64_t until)
{
	char *p = data;
	ssize_t n;

	while (len > 0) {
		if (await_readable(fd, until) == -1 ||
		    (n = read(fd, p, len)) <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/*
 * Reads one message of the agent's protocol, which may take ms (-1: no limit)
 * until it is whole.  Returns it, without its length, which is left in *len, or
 * NULL.  The caller frees it.
 */
unsigned char *
agentmsg_await(int fd, size_t *len, int ms)
{
	uint64_t until = ms == -1 ? FOREVER : now() + ms;
	unsigned char *data;
	uint32_t n;

	if (await_all(fd, &n, 4, until) == -1 || (n = be32toh(n)) == 0 ||
	    n > MAX_ANSWER)
		return NULL;
	data = xcalloc(1, n);
	if (await_all(fd, data, n, until) == -1) {
		free(data);
		return NULL;
	}
	*len = n;
	return data;
}

/* Adds an uint32. */
void
agentmsg_put_u32(FILE *to, uint32_t n)
{
	n = htobe32(n);
	(void)fwrite(&n, sizeof(n), 1, to);
}

/* Adds a string. */
void
agentmsg_put_string(FILE *to, const void *s, size_t len)
{
	agentmsg_put_u32(to, len);
	(void)fwrite(s, 1, len, to);
}

/*
 * Sends what was written since agentmsg_begin(), and frees it.  Returns 0, or
 * -1 if it could not be sent.
 */
int
agentmsg_send(int fd, FILE *from, char **data, const size_t *len)
{
	uint32_t n;
	int rc = -1;

	if (fclose(from) == 0) {
		n = htobe32(*len);
		rc = agentmsg_write(fd, &n, 4) |
		    agentmsg_write(fd, *data, *len);
	}
	explicit_bzero(*data, *len);
	free(*data);
	return rc;
}

/*
 * Begins a message of that type.  Returns the stream that it is written to,
 * which agentmsg_send() closes.
 */
FILE *
agentmsg_begin(int type, char **data, size_t *len)
{
	FILE *to = open_memstream(data, len);

	if (to == NULL)
		_exit(1);
	fputc(type, to);
	return to;
}
