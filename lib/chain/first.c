/*
 * The first connection of a route, up to its jump host's banner: what it takes
 * to know that the route answers, and costs no login.
 */

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

#define PEEK	65536	/* bytes that may come before a banner, in a race */
#define LOOK	20	/* ms between two looks at an unfinished banner */

/* Is there a line in the n bytes that begins as a banner does? */
static int
has_banner(const char *data, size_t n)
{
	const char *line = data;

	while (line != NULL && (size_t)(line - data) + 4 <= n) {
		if (memcmp(line, "SSH-", 4) == 0)
			return 1;
		line = memchr(line, '\n', n - (line - data));
		line += line != NULL;
	}
	return 0;
}

/* Waits until the server at fd has sent its banner, and leaves it there. */
static int
greeted(struct chain *c, struct link *l, int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	static char data[PEEK];
	ssize_t n = 0;
	int closed, status;

	link_stage(l, STAGE_BANNER);
	for (;;) {
		status = chain_wait(c, &pfd, 1, now() + LOOK);
		if (status != OK)
			return status;
		/* first, since what it has sent before it closed counts */
		closed = n > 0 && os_closed(fd, n);
		n = recv(fd, data, sizeof(data) - 1, MSG_PEEK | MSG_DONTWAIT);
		data[n > 0 ? n : 0] = '\0';
		if (n > 0 && has_banner(data, n))
			return OK;
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
		    n == sizeof(data) - 1 || (pfd.revents & ~POLLIN) != 0 ||
		    closed)
			return fail_unanswered(c, l, data);
		/* what has come is still there, and would wake us at once */
		pfd.events = n > 0 ? 0 : POLLIN;
	}
}

/* The first connection of a route, up to the banner of its jump host. */
static int
first(struct chain *c, struct link *l, int *fd)
{
	int status;

	setup_limit(c, l, l, dial_limit(l));
	if ((status = dial(c, l, fd)) != OK || l->number == 0)
		return status;
	if ((status = greeted(c, l, *fd)) != OK)
		close(*fd);
	return status;
}

/* Is what has failed before any session to be tried again? */
static int
first_again(struct chain *c)
{
	if (c->failure.what != FAIL_TEXT || c->at->stage != STAGE_BANNER)
		return setup_again(c);
	/* it may be busy; one that has said something else is not */
	if (c->at->greeting != NULL ||
	    !setup_time_left(c, 0, "connection closed"))
		return 0;
	failure_forget(c);
	return 1;
}

/*
 * Makes the first connection of plan's route, and waits until the jump host
 * has sent its banner, which is not read; without a jump host, the connection
 * to the target.  The caller owns *fd, which is -1 if a hop's connection is
 * shared: that is an answer, too.  At each failure that is tried again a
 * byte is written to tell.  Returns OK, or another status after saying what
 * failed.
 */
int
chain_first(struct chain *c, struct plan *plan, int *fd, int tell)
{
	struct link *l;
	int status;

	chain_begin(c, plan);
	*fd = -1;
	if ((status = sharing_find(c, plan, 0)) != OK || c->n > 0)
		return chain_end(c, status);
	l = setup_link(c, plan->nhops == 0 ? plan->target :
	    TAILQ_FIRST(&plan->hops));
	if (plan->nhops == 0)
		l->number = 0;
	while ((status = first(c, l, fd)) != OK && first_again(c)) {
		(void)send(tell, "", 1, MSG_NOSIGNAL);
		if ((status = setup_pause(c, l)) != OK)
			break;
	}
	return chain_end(c, status);
}
