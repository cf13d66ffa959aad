/*
 * The first hop's socket: all addresses of the name, a new one tried every
 * 250 ms or as soon as the one before has failed (RFC 8305), the first to
 * answer wins.
 */

#include <sys/socket.h>

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

#define STAGGER		250	/* ms between two tries */
#define MAX_TRIES	8	/* at the same time */

struct tries {
	struct pollfd	 pfd[MAX_TRIES];
	nfds_t		 n;
	int		 error;		/* errno of the last that failed */
};

static int
bind_address(int fd, const char *name, int af)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	int rc;

	hints.ai_family = af;
	hints.ai_flags = AI_PASSIVE;
	if (getaddrinfo(name, NULL, &hints, &ai) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	rc = bind(fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	return rc;
}

/* As ssh: the first address of the family that the interface has. */
static int
bind_interface(int fd, const char *name, int af)
{
	struct ifaddrs *all, *ifa;
	int rc = -1;

	if (getifaddrs(&all) == -1)
		return -1;
	errno = EADDRNOTAVAIL;
	for (ifa = all; ifa != NULL; ifa = ifa->ifa_next) {
		if (ifa->ifa_addr == NULL || !(ifa->ifa_flags & IFF_UP) ||
		    ifa->ifa_addr->sa_family != af ||
		    strcmp(ifa->ifa_name, name) != 0)
			continue;
		rc = bind(fd, ifa->ifa_addr, af == AF_INET6 ?
		    sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		break;
	}
	freeifaddrs(all);
	return rc;
}

/* Binds fd to BindAddress or BindInterface, if there is one. */
static int
bind_local(int fd, const struct hop *hop, int af)
{
	if (hop->bindaddress != NULL)
		return bind_address(fd, hop->bindaddress, af);
	if (hop->bindinterface != NULL)
		return bind_interface(fd, hop->bindinterface, af);
	return 0;
}

/*
 * Keystrokes must not wait for the acknowledgement of earlier ones; and if
 * nothing is acknowledged any more the kernel gives up a little after the
 * keepalives that somebody wants would have.
 */
static void
set_options(int fd, const struct hop *hop)
{
	uint64_t ms = ((uint64_t)hop->serveralivecountmax + 1) *
	    hop->serveraliveinterval * 1000;
	unsigned timeout = ms < INT_MAX ? ms : INT_MAX;
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (hop->tcpkeepalive != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on,
		    sizeof(on));
	if (!hop->alive_default && hop->serveraliveinterval > 0 &&
	    hop->serveralivecountmax > 0)
		os_tcp_timeout(fd, timeout);
}

/* Begins one connection; a failure at once is noted as any other. */
static void
attempt(struct tries *t, const struct hop *hop, const struct address *a)
{
	const struct sockaddr *sa = (const struct sockaddr *)&a->addr;
	int fd;

	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1) {
		t->error = errno;
		return;
	}
	set_options(fd, hop);
	if (bind_local(fd, hop, sa->sa_family) == -1 ||
	    (connect(fd, sa, a->len) == -1 && errno != EINPROGRESS)) {
		t->error = errno;
		close(fd);
		return;
	}
	t->pfd[t->n].fd = fd;
	t->pfd[t->n].events = POLLOUT;
	t->pfd[t->n].revents = 0;
	t->n++;
}

/* Returns the socket that is connected, or -1; drops those that failed. */
static int
harvest(struct tries *t)
{
	socklen_t len = sizeof(t->error);
	nfds_t i;
	int fd, error;

	for (i = 0; i < t->n; i++) {
		if (t->pfd[i].revents == 0)
			continue;
		fd = t->pfd[i].fd;
		t->pfd[i--] = t->pfd[--t->n];
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
			error = errno;
		if (error == 0)
			return fd;
		t->error = error;
		close(fd);
	}
	return -1;
}

/* Starts the next try when it is due; returns how many have been. */
static size_t
due(struct tries *t, const struct hop *hop, const struct addresses *a,
    size_t i, uint64_t *next)
{
	while (i < a->n && t->n < MAX_TRIES && (t->n == 0 || now() >= *next)) {
		attempt(t, hop, &a->v[i++]);
		*next = now() + STAGGER;
	}
	return i;
}

/* Leaves the socket that won in *fd, or -1 if none did. */
static int
race(struct chain *c, const struct hop *hop, const struct addresses *a,
    struct tries *t, int *fd)
{
	uint64_t next = 0;
	size_t i = 0;
	nfds_t tried;
	int status = OK;

	*fd = -1;
	while (status == OK && *fd == -1) {
		i = due(t, hop, a, i, &next);
		if (t->n == 0)
			break;
		tried = t->n;
		status = chain_wait(c, t->pfd, t->n, i < a->n ? next : 0);
		*fd = harvest(t);
		if (t->n < tried)
			next = 0;	/* one has failed: no need to wait */
	}
	while (t->n > 0)
		close(t->pfd[--t->n].fd);
	return status;
}

static void
note_address(struct link *l, int fd)
{
	char *address;

	if ((address = link_peer(fd)) != NULL)
		link_note(l, "%s port %d", address, l->hop->port);
	free(address);
}

/* The name has no address, or none of the family that is asked for. */
static int
fail_resolve(struct chain *c, struct link *l, int error)
{
	const struct hop *hop = l->hop;
	const char *family = hop->addressfamily;

	if (family == NULL || strcmp(family, "any") == 0)
		return fail(c, l, RETRY, "%s: %s; check HostName for %s",
		    hop->hostname, gai_strerror(error), hop->name);
	return fail(c, l, RETRY, "%s: %s; only IPv%c was asked for (-%c, or "
	    "AddressFamily %s); check HostName for %s", hop->hostname,
	    gai_strerror(error), family[4] == '6' ? '6' : '4',
	    family[4] == '6' ? '6' : '4', family, hop->name);
}

/*
 * Returns how many seconds l's hop has for what ConnectTimeout covers in ssh, to
 * be connected to and to send its banner; 0: no limit.  Where nobody has set it
 * ssh waits as long as TCP does, and longer for a banner; a command has the time
 * that it needs.
 */
int
dial_limit(const struct link *l)
{
	const struct hop *hop = l->hop, *before;

	if (hop->connecttimeout > 0)
		return hop->connecttimeout;
	before = l->number > 1 ? TAILQ_PREV(hop, hops, entry) : NULL;
	return (before == NULL ? hop->proxycommand : before->forwardcommand) !=
	    NULL ? 0 : hop->logintimeout;
}

/* Resolves the name of l's hop; ConnectTimeout does not cover that, as in ssh. */
static int
find_addresses(struct chain *c, struct link *l, struct addresses *a)
{
	struct pause pause;
	int status;

	link_stage(l, STAGE_RESOLVE);
	chain_pause(c, &pause);
	chain_limit(c, l, l->hop->logintimeout);
	if ((status = resolve(c, l, a)) != OK)
		return status;
	chain_resume(c, &pause);
	if (a->error != 0)
		return fail_resolve(c, l, a->error);
	link_note(l, "%zu address%s", a->n, a->n == 1 ? "" : "es");
	return OK;
}

/*
 * Has the ProxyCommand of l's hop connect.  If it is to hand over what it has
 * connected, ConnectTimeout counts from then on, as in ssh.
 */
static int
run_command(struct chain *c, struct link *l, int *fd)
{
	struct pause pause;
	int status;

	command_start(c, l, fd);
	if (l->hop->proxyusefdpass != 1)
		return OK;
	chain_pause(c, &pause);
	chain_limit(c, l, pause.limit > 0 ? l->hop->logintimeout : 0);
	if ((status = command_take(c, l, fd)) != OK)
		return status;
	chain_resume(c, &pause);
	set_options(*fd, l->hop);
	return OK;
}

/*
 * Connects to l's hop, by its ProxyCommand if it has one, unless that has been
 * done, and gives what was connected to *fd, which the caller then owns.
 * Returns OK, or another status after noting why not.
 */
int
dial(struct chain *c, struct link *l, int *fd)
{
	const struct hop *hop = l->hop;
	struct tries t = { .n = 0 };
	struct addresses a;
	int status;

	if (c->sequence->given != NULL && *c->sequence->given != -1) {
		*fd = *c->sequence->given;
		*c->sequence->given = -1;
		link_stage(l, STAGE_CONNECT);
		note_address(l, *fd);
		return OK;
	}
	if (hop->proxycommand != NULL)
		return run_command(c, l, fd);
	if ((status = find_addresses(c, l, &a)) != OK)
		return status;
	link_stage(l, STAGE_CONNECT);
	if ((status = race(c, hop, &a, &t, fd)) != OK)
		return status;
	if (*fd != -1) {
		note_address(l, *fd);
		return OK;
	}
	status = failure_note(c, l, FAIL_CONNECT);
	c->failure.error = t.error;
	return status;
}
