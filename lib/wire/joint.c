/*
 * How two hops are joined: a socket pair.  The relay on one hop's channel
 * holds one end, the next hop's session the other.  Nothing else in the
 * program knows that it is one.
 */

#include <sys/socket.h>

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "wire/wire.h"
#include "wire/joint.h"

/* Makes a joint.  The caller owns both ends; neither blocks. */
void
joint_open(int *relay, int *session)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) == -1)
		err(RETRY, "socketpair");
	*relay = pair[0];
	*session = pair[1];
}

/* Makes a pipe.  The caller owns both ends; neither blocks. */
void
joint_pipe(int *from, int *to)
{
	int pair[2];

	if (pipe2(pair, O_NONBLOCK | O_CLOEXEC) == -1)
		err(RETRY, "pipe");
	*from = pair[0];
	*to = pair[1];
}

/* Makes fd block, for a program that expects nothing else. */
void
joint_block(int fd)
{
	int flags;

	if ((flags = fcntl(fd, F_GETFL)) != -1)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/*
 * Makes fd non-blocking again: libssh sets any descriptor it is given to
 * blocking once it has found it connected, and one thread that blocks on a
 * full joint would wait for itself.
 */
void
joint_unblock(int fd)
{
	int flags;

	if ((flags = fcntl(fd, F_GETFL)) != -1 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Room for one descriptor beside the bytes of a message. */
union beside {
	struct cmsghdr	 hdr;
	char		 buf[CMSG_SPACE(sizeof(int))];
};

/*
 * Sends len bytes of data through the socket via, and fd beside them unless it
 * is -1, which stays the caller's.  Returns 0, or -1 with errno.
 */
int
joint_send(int via, const void *data, size_t len, int fd)
{
	union beside u;
	struct iovec vec = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &vec, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd != -1) {
		memset(&u, 0, sizeof(u));
		msg.msg_control = u.buf;
		msg.msg_controllen = sizeof(u.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(via, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/*
 * Sends fd through the socket via, with one byte, as ssh and nc -F do.  Both
 * stay the caller's.  Returns 0, or -1 with errno.
 */
int
joint_pass(int via, int fd)
{
	return joint_send(via, "", 1, fd);
}

/*
 * Takes the descriptors that came beside a message: the first one, which is
 * returned, or -1; whatever else there was room for is closed, so that nobody
 * can make us keep it.
 */
static int
take_first(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	size_t i, n;
	int fd, first = -1;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd),
			    sizeof(fd));
			if (first == -1)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/*
 * Receives up to len bytes from the socket via, and in *fd the first descriptor
 * beside them, which the caller then owns, or -1.  Returns how many bytes there
 * were, or -1 with errno.
 */
ssize_t
joint_receive(int via, void *data, size_t len, int *fd)
{
	union beside u;
	struct iovec vec = { data, len };
	struct msghdr msg = { .msg_iov = &vec, .msg_iovlen = 1,
	    .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	ssize_t n;

	*fd = -1;
	if ((n = recvmsg(via, &msg, MSG_CMSG_CLOEXEC)) == -1)
		return -1;
	*fd = take_first(&msg);
	return n;
}
