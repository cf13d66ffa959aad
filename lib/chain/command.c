/*
 * Commands that take the place of a connection: the ProxyCommand that leads to
 * the first hop, run here as ssh runs it, and the ForwardCommand that a hop
 * runs to reach what comes next, where it forbids direct-tcpip.
 */

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/copy.h"
#include "wire/greeting.h"
#include "wire/joint.h"

#define GRACE	500	/* ms a command has to end by itself */

/* In the child: as ssh runs it, with in and out as its streams. */
static void __attribute__((noreturn))
run(const char *command, int in, int out)
{
	const char *shell = getenv("SHELL");
	char *text = xasprintf("exec %s", command);

	(void)dup2(in, STDIN_FILENO);
	(void)dup2(out, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	if (shell == NULL || *shell == '\0')
		shell = _PATH_BSHELL;
	execl(shell, shell, "-c", text, (char *)NULL);
	_exit(127);		/* as a shell does; told with the status */
}

/* Starts the ProxyCommand of l's hop with in and out as its streams. */
static void
start(struct chain *c, struct link *l, int in, int out)
{
	char *command = tokens_proxy(l->hop);

	if ((c->sequence->pid = child_fork(SIGHUP)) == -1)
		err(RETRY, "cannot run a ProxyCommand");
	if (c->sequence->pid == 0)
		run(command, in, out);
	link_note(l, "ProxyCommand %s", command);
	free(command);
}

/*
 * Starts it with a pipe for each stream, as ssh does: many a program makes its
 * standard input non-blocking, and expects its output to block as before, or
 * opens /dev/stdin.  libssh has one descriptor, which is joined to both; returns
 * that.
 */
static int
start_piped(struct chain *c, struct link *l)
{
	int in[2], out[2], ours, fd;

	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1)
		err(RETRY, "cannot run a ProxyCommand");
	start(c, l, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	joint_unblock(in[1]);
	joint_unblock(out[0]);
	joint_open(&ours, &fd);
	c->copy = copy_new(ours, out[0], in[1]);
	return fd;
}

/* Starts it with a socket for both streams, as ssh does for ProxyUseFdpass. */
static int
start_passing(struct chain *c, struct link *l)
{
	int theirs, fd;

	joint_open(&fd, &theirs);
	joint_block(theirs);
	start(c, l, theirs, theirs);
	close(theirs);
	return fd;
}

/*
 * Runs the ProxyCommand of l's hop, and leaves in *fd where it begins; the
 * caller owns *fd, and command_end() must follow.
 */
void
command_start(struct chain *c, struct link *l, int *fd)
{
	link_stage(l, STAGE_CONNECT);
	c->sequence->passed = 0;
	*fd = l->hop->proxyusefdpass == 1 ? start_passing(c, l) :
	    start_piped(c, l);
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
	return l->number == 1 && c->sequence->pid > 0 && !c->sequence->passed;
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

	if (l->number != 1)
		return -1;
	copy_close(c->copy);
	c->copy = NULL;
	if (pid <= 0)
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

/*
 * The ProxyCommand of l has closed its output, and no connection came through
 * it.  Returns a status after saying so.
 */
static int
fail_passed_none(struct chain *c, struct link *l)
{
	char *command = tokens_proxy(l->hop), *how;
	int rc = RETRY, status;

	if (ended(c->sequence->pid, GRACE, &status)) {
		c->sequence->pid = 0;
		how = ending(status);
		if (WIFEXITED(status))
			rc = verdict(WEXITSTATUS(status));
	} else
		how = xstrdup("has closed its output");
	(void)fail(c, l, rc, "its ProxyCommand (%s) %s and has handed over no "
	    "connection (ProxyUseFdpass); try that command by hand", command,
	    how);
	free(how);
	free(command);
	return rc;
}

/* Bytes came through via, the first of which is first, and no descriptor. */
static int
fail_passed_text(struct chain *c, struct link *l, int via, char first)
{
	char *command = tokens_proxy(l->hop), *said, text[QUOTE_MAX + 2];
	ssize_t n;

	text[0] = first;
	n = recv(via, text + 1, QUOTE_MAX, MSG_DONTWAIT);
	text[n > 0 ? n + 1 : 1] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	said = str_quote(text);
	(void)fail(c, l, GIVEUP, "its ProxyCommand (%s) writes instead of "
	    "handing over a connection (ProxyUseFdpass): it says \"%s\"; use "
	    "one that does, such as nc -F, or ProxyUseFdpass no", command,
	    said);
	free(said);
	free(command);
	return GIVEUP;
}

/* What was handed over is of no use, for this errno. */
static int
fail_passed(struct chain *c, struct link *l, int error)
{
	int rc = error == ENOTSOCK || error == EPROTOTYPE ? GIVEUP : RETRY;
	char *command = tokens_proxy(l->hop);

	(void)fail(c, l, rc, "what its ProxyCommand (%s) has handed over is no "
	    "connection: %s; try that command by hand", command,
	    strerror(error));
	free(command);
	return rc;
}

/*
 * Is fd a stream that is connected?  One that is still being connected is
 * waited for.  Returns OK with 0 or an errno in *error, or another status.
 */
static int
await_connected(struct chain *c, int fd, int *error)
{
	struct pollfd pfd = { fd, POLLOUT, 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(*error);
	int status = OK;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, error, &len) == -1) {
		*error = errno;
		return OK;
	}
	if (*error != SOCK_STREAM) {
		*error = EPROTOTYPE;
		return OK;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, error, &len) == 0 &&
	    *error != 0)
		pfd.revents = POLLNVAL;		/* it will never be one */
	while (status == OK && pfd.revents == 0)
		status = chain_wait(c, &pfd, 1, 0);
	*error = 0;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &len);
	len = sizeof(ss);
	if (*error == 0 &&
	    getpeername(fd, (struct sockaddr *)&ss, &len) == -1)
		*error = errno;
	return status;
}

/* Receives a byte and the descriptor beside it, as ssh does. */
static int
receive(struct chain *c, struct link *l, int via, int *fd)
{
	struct pollfd pfd = { via, POLLIN, 0 };
	ssize_t n = -1;
	int status;
	char byte;

	errno = EAGAIN;
	while (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		if ((status = chain_wait(c, &pfd, 1, 0)) != OK)
			return status;
		n = joint_receive(via, &byte, sizeof(byte), fd);
	}
	if (n <= 0)
		return fail_passed_none(c, l);
	return *fd == -1 ? fail_passed_text(c, l, via, byte) : OK;
}

/* What l's ProxyCommand has handed over is named, for -v and -t. */
static void
note_passed(struct link *l, int fd)
{
	char *command = tokens_proxy(l->hop), *address = link_peer(fd);

	link_note(l, "ProxyCommand %s, has handed over %s", command,
	    address == NULL ? "a connection" : address);
	free(address);
	free(command);
}

/*
 * Waits until the command at the other end of via has ended, but not for long:
 * ssh would wait for ever.  One that goes on is ended with the chain.
 */
static int
see_off(struct chain *c, int via)
{
	struct pollfd pfd = { .fd = via };
	uint64_t until = now() + GRACE;
	int how, status = OK;

	while (status == OK && pfd.revents == 0 && now() < until)
		status = chain_wait(c, &pfd, 1, until);
	if (ended(c->sequence->pid, pfd.revents != 0 ? GRACE : 0, &how))
		c->sequence->pid = 0;
	return status;
}

/*
 * ProxyUseFdpass: *fd, where the ProxyCommand of l begins, becomes the
 * connection that it hands over.  Returns OK, or another status, with *fd
 * closed, after noting why not.
 */
int
command_take(struct chain *c, struct link *l, int *fd)
{
	int via = *fd, error, status;

	*fd = -1;
	if ((status = receive(c, l, via, fd)) == OK &&
	    (status = see_off(c, via)) == OK &&
	    (status = await_connected(c, *fd, &error)) == OK && error != 0)
		status = fail_passed(c, l, error);
	close(via);
	if (status != OK) {
		if (*fd != -1)
			close(*fd);
		return status;
	}
	joint_unblock(*fd);
	c->sequence->passed = 1;
	note_passed(l, *fd);
	return OK;
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
	int status = verdict(forward_exit(l));
	const char *complaint = forward_complaint(l);
	char *reason = forward_ending(forward_exit(l));

	if (complaint != NULL)
		said = complaint;
	(void)fail(c, l, status, "its ForwardCommand (%s) %s%s%s%s; check that "
	    "it can reach %s:%d from %s", l->forward.command, reason,
	    said == NULL ? "" : ": it says \"", said == NULL ? "" : said,
	    said == NULL ? "" : "\"", l->forward.host, l->forward.port,
	    l->hop->name);
	if (!c->carrying || !forward_used(l))
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

	while (status == OK && !forward_closed(l) && !link_gone(l) &&
	    now() < until)
		status = chain_wait(c, NULL, 0, until);
	if (status == OK && forward_exit(l) != 0)
		status = command_forward_fail(c, l, said);
	return status;
}

/*
 * What has come through l's ForwardCommand, to which SSH was spoken, is said,
 * which is none, and then its end.  Returns a status after saying so.
 */
int
command_forward_text(struct chain *c, struct link *l, const char *said)
{
	int status, busy = greeting_is_busy(said) ||
	    greeting_is_penalty(said);

	if ((status = command_forward_end(c, l, said)) == OK)
		status = fail(c, l, busy ? RETRY : GIVEUP, "its ForwardCommand "
		    "(%s) has led to no SSH server: it says \"%s\" and ends; "
		    "try that command on %s", l->forward.command, said,
		    l->hop->name);
	if (c->failure.what == FAIL_TEXT && c->failure.link == l)
		failure_at(c, STAGE_FORWARD);
	return status;
}
