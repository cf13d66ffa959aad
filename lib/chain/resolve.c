/*
 * The addresses of the first hop.  getaddrinfo(3) cannot be told to hurry, so
 * a child asks, and the chain waits for it no longer than for anything else.
 */

#include <sys/socket.h>

#include <err.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

static int
family(const struct hop *hop)
{
	if (hop->addressfamily == NULL)
		return AF_UNSPEC;
	if (strcmp(hop->addressfamily, "inet") == 0)
		return AF_INET;
	return strcmp(hop->addressfamily, "inet6") == 0 ? AF_INET6 : AF_UNSPEC;
}

/* Asks; a with error set is what getaddrinfo(3) returns. */
static void
look_up(const struct hop *hop, int flags, struct addresses *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *ai;
	char port[sizeof("65535")];

	memset(a, 0, sizeof(*a));
	hints.ai_family = family(hop);
	hints.ai_flags = flags;
	snprintf(port, sizeof(port), "%d", hop->port);
	if ((a->error = getaddrinfo(hop->hostname, port, &hints, &all)) != 0)
		return;
	for (ai = all; ai != NULL && a->n < MAX_ADDRESSES; ai = ai->ai_next) {
		memcpy(&a->v[a->n].addr, ai->ai_addr, ai->ai_addrlen);
		a->v[a->n++].len = ai->ai_addrlen;
	}
	freeaddrinfo(all);
}

/* The child's answer goes through the pipe in one piece. */
_Static_assert(sizeof(struct addresses) <= 4096, "more than PIPE_BUF");

static pid_t
start(const struct hop *hop, int *from)
{
	struct addresses a;
	pid_t pid;
	int end;

	if ((pid = child_pipe(SIGKILL, &end)) == -1)
		err(RETRY, "cannot look up %s", hop->hostname);
	if (pid != 0) {
		*from = end;
		return pid;
	}
	look_up(hop, 0, &a);
	_exit(write(end, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

/*
 * Finds the addresses of l's hop; an address that is written as one needs no
 * child.  Returns OK, with what getaddrinfo(3) returned in a->error, or another
 * status after noting what failed.
 */
int
resolve(struct chain *c, struct link *l, struct addresses *a)
{
	struct pollfd pfd = { .events = POLLIN };
	int status = OK;
	pid_t pid;

	look_up(l->hop, AI_NUMERICHOST, a);
	if (a->error == 0)
		return OK;
	pid = start(l->hop, &pfd.fd);
	while (status == OK && pfd.revents == 0)
		status = chain_wait(c, &pfd, 1, 0);
	if (status == OK && read(pfd.fd, a, sizeof(*a)) != sizeof(*a))
		a->error = EAI_FAIL;
	close(pfd.fd);
	(void)kill(pid, SIGKILL);
	(void)child_wait(pid);
	return status;
}
