/*
 * How two hops are joined: a socket pair.  The relay on one hop's channel
 * holds one end, the next hop's session the other.  Nothing else in the
 * program knows that it is one.
 */

#include <sys/socket.h>

#include <err.h>
#include <fcntl.h>
#include <string.h>

#include "wire/wire.h"

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

/*
 * Sends fd through the socket via, with one byte, as ssh and nc -F do.  Both
 * stay the caller's.  Returns 0, or -1 with errno.
 */
int
joint_pass(int via, int fd)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int))];
	} u;
	char byte = '\0';
	struct iovec vec = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &vec, .msg_iovlen = 1,
	    .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *cmsg;

	memset(&u, 0, sizeof(u));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(via, &msg, 0) == 1 ? 0 : -1;
}
