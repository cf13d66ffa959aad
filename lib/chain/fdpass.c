/*
 * -f, for ssh's ProxyUseFdpass: instead of standing between, hands over one
 * descriptor that leads to the target, as nc -F does.
 */

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/joint.h"

/* Is standard output a socket that a descriptor can be sent through? */
int
fdpass_possible(void)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(STDOUT_FILENO, (struct sockaddr *)&ss, &len) == 0 &&
	    ss.ss_family == AF_UNIX;
}

/* Sends fd to ssh, which reads it with recvmsg(2). */
static int
hand_over(int fd)
{
	joint_block(fd);
	joint_block(STDOUT_FILENO);
	if (joint_pass(STDOUT_FILENO, fd) == -1) {
		say("-f: nobody takes the connection: %s", strerror(errno));
		return RETRY;
	}
	return OK;
}

/* No jump host: the socket itself, and nothing is left to do. */
static int
direct_over(struct chain *c, const struct plan *plan)
{
	int fd, status;

	if ((status = chain_dial(c, plan, &fd)) == OK)
		status = hand_over(fd);
	return status;
}

/*
 * In the child: sets up the chain, hands over an end of it, and carries; a byte
 * is written to ready in between.
 */
static int
serve(struct chain *c, struct plan *plan, void *arg)
{
	int ready = *(int *)arg, fd, ours, theirs, status;

	if (plan->nhops == 0)
		return direct_over(c, plan);
	joint_open(&ours, &theirs);
	if ((status = chain_open(c, plan, ours, ours)) != OK) {
		close(ours);
		close(theirs);
		return status;
	}
	/* a shared connection needs nobody who carries */
	if ((fd = share_take(c)) != -1) {
		close(theirs);
		theirs = fd;
	}
	if ((status = hand_over(theirs)) != OK)
		return status;
	close(theirs);
	/* from here on nobody waits for us, and our streams are not ours */
	os_outlive_parent();
	if (write(ready, "", 1) != 1 ||
	    dup2(open(_PATH_DEVNULL, O_RDWR | O_CLOEXEC), STDIN_FILENO) == -1 ||
	    dup2(STDIN_FILENO, STDOUT_FILENO) == -1)
		err(RETRY, "cannot go on in the background");
	close(ready);
	return chain_carry(c);
}

/*
 * Waits until the child carries, or has failed: ssh waits for the process that
 * it has started.  Returns a status.
 */
static int
wait_for(pid_t pid, int ready)
{
	int status;
	char byte;

	if (read(ready, &byte, 1) == 1)
		return OK;
	status = child_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : RETRY;
}

/*
 * Opens the chain of the first route that answers, hands over an end of it
 * through standard output, and carries in the background until either side has
 * ended; returns as soon as that has begun.  Returns a status.
 */
int
fdpass(struct chain *c, const struct routes *routes)
{
	const struct plan *plan = TAILQ_FIRST(routes);
	pid_t pid;
	int ready;

	if (plan->nhops == 0 && TAILQ_NEXT(plan, entry) == NULL)
		return direct_over(c, plan);
	if ((pid = child_pipe(SIGTERM, &ready)) == -1)
		err(RETRY, "cannot go into the background");
	return pid == 0 ? race_take(c, routes, serve, &ready) :
	    wait_for(pid, ready);
}
