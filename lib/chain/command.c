/*
 * Commands that take the place of a connection: the ProxyCommand that leads to
 * the first hop, run here as ssh runs it, and the ForwardCommand that a hop
 * runs to reach what comes next, where it forbids direct-tcpip.
 */

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chain/local.h"

#define GRACE	500	/* ms a command has to end by itself */

/* In the child: as ssh runs it. */
static void __attribute__((noreturn))
run(const char *command, int fd)
{
	const char *shell = getenv("SHELL");
	char *text = xasprintf("exec %s", command);

	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	/* a first bash whose stdin is a socket would read .bashrc: bash(1) */
	(void)setenv("SHLVL", "1", 0);
	if (shell == NULL || *shell == '\0')
		shell = _PATH_BSHELL;
	execl(shell, shell, "-c", text, (char *)NULL);
	_exit(127);		/* as a shell does; told with the status */
}

/*
 * Runs the ProxyCommand of l's hop, and leaves in *fd where it begins; the
 * caller owns *fd, and command_end() must follow.
 */
void
command_start(struct chain *c, struct link *l, int *fd)
{
	char *command = tokens_proxy(l->hop);
	int theirs;

	link_stage(l, STAGE_CONNECT);
	joint_open(fd, &theirs);
	joint_block(theirs);
	if ((c->sequence->pid = child_fork(SIGHUP)) == -1)
		err(RETRY, "cannot run a ProxyCommand");
	if (c->sequence->pid == 0)
		run(command, theirs);
	close(theirs);
	link_note(l, "ProxyCommand %s", command);
	free(command);
}

/* Has the child ended within ms?  Then its status is in *status. */
static int
ended(pid_t pid, int ms, int *status)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };
	uint64_t until = now() + ms;
	pid_t rc;

	while ((rc = waitpid(pid, status, WNOHANG)) == 0 && now() < until)
		(void)nanosleep(&pause, NULL);
	return rc != 0;
}

/* Does l's connection go through a ProxyCommand that is not waited for yet? */
int
command_runs(const struct chain *c, const struct link *l)
{
	return l->number == 1 && c->sequence->pid > 0;
}

/*
 * Ends the ProxyCommand of l, if there is one, gently first.  Returns what
 * waitpid(2) says of it, or -1.
 */
int
command_end(struct chain *c, struct link *l)
{
	pid_t pid = c->sequence->pid;
	int status = -1;

	if (!command_runs(c, l))
		return -1;
	(void)kill(pid, SIGHUP);
	if (!ended(pid, GRACE, &status)) {
		(void)kill(pid, SIGKILL);
		status = child_wait(pid);
	}
	c->sequence->pid = 0;
	return status;
}

/* Describes how a command has ended; the caller frees the text. */
static char *
ending(int status)
{
	if (WIFSIGNALED(status))
		return xasprintf("was ended by signal %d", WTERMSIG(status));
	return xasprintf("ended with status %d", WEXITSTATUS(status));
}

/* A command that cannot be run will not be by trying again: sh(1). */
static int
verdict(int exit)
{
	return exit == 126 || exit == 127 ? GIVEUP : RETRY;
}

/*
 * The ProxyCommand that was to lead to l has ended.  Returns OK if it ended
 * well, so that it was not its fault, or a status after saying how it did.
 */
int
command_fail(struct chain *c, struct link *l)
{
	char *reason, *command;
	int status = -1, rc;

	if (ended(c->sequence->pid, GRACE, &status))
		c->sequence->pid = 0;
	else
		status = command_end(c, l);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	reason = ending(status);
	rc = WIFEXITED(status) ? verdict(WEXITSTATUS(status)) : RETRY;
	command = tokens_proxy(l->hop);
	(void)fail(c, l, rc, "its ProxyCommand (%s) %s before %s answered; "
	    "try that command by hand", command, reason, l->hop->name);
	failure_at(c, STAGE_CONNECT);
	free(reason);
	free(command);
	return rc;
}

/*
 * l was up, and is lost.  If that is since its ProxyCommand has ended, says so
 * and returns 1.
 */
int
command_lost(struct chain *c, struct link *l)
{
	char *reason, *command;
	int status = -1;

	if (!ended(c->sequence->pid, GRACE, &status))
		return 0;
	c->sequence->pid = 0;
	reason = ending(status);
	command = tokens_proxy(l->hop);
	(void)fail(c, l, RETRY, "connection lost: its ProxyCommand (%s) %s; "
	    "see what that says", command, reason);
	free(reason);
	free(command);
	return 1;
}

/* Describes how a ForwardCommand has ended; the caller frees the text. */
static char *
forward_ending(int exit)
{
	if (exit == EXIT_SIGNALED)
		return xstrdup("was ended by a signal");
	if (exit == EXIT_UNTOLD)
		return xstrdup("has ended");
	return xasprintf("ended with status %d", exit);
}

/*
 * l's ForwardCommand has ended, and nothing that makes sense came through it,
 * or something is missing; what came is said, or NULL.  Says so; returns a
 * status.
 */
int
command_forward_fail(struct chain *c, struct link *l, const char *said)
{
	int status = verdict(l->relay.exit);
	const char *complaint = forward_complaint(l);
	char *reason = forward_ending(l->relay.exit);

	if (complaint != NULL)
		said = complaint;
	(void)fail(c, l, status, "its ForwardCommand (%s) %s%s%s; check that "
	    "it can reach %s:%d from %s", l->forward.command, reason,
	    said == NULL ? "" : ": ", said == NULL ? "" : said,
	    l->forward.host, l->forward.port, l->hop->name);
	if (!c->carrying || !l->relay.any)
		failure_at(c, STAGE_FORWARD);
	free(reason);
	return status;
}

/*
 * l's ForwardCommand has closed its side, and said is what came through it, or
 * NULL: waits until the server has told how it ended.  Returns OK if that was
 * well, or another status after saying what has failed.
 */
int
command_forward_end(struct chain *c, struct link *l, const char *said)
{
	uint64_t until = now() + GRACE;
	int status = OK;

	while (status == OK && !l->relay.closed && !link_gone(l) &&
	    now() < until)
		status = chain_wait(c, NULL, 0, until);
	if (status == OK && l->relay.exit != 0)
		status = command_forward_fail(c, l, said);
	return status;
}
