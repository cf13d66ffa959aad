/*
 * Programs that know more than we do: ssh-keygen, ssh-add, and what
 * KnownHostsCommand names.  The chain is turned while they run.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/wire.h"
#include "wire/run.h"

#define NOT_RUN		127
#define RUN_TIME	60000			/* ms, for a program that hangs */
#define MAX_OUT		(8 * 1024 * 1024)	/* bytes that it may write */
#define MAX_ERR		4096

/* What comes from one of its two outputs. */
struct gathered {
	char	*data;
	size_t	 len, max;
	int	 full;		/* there was more */
};

static void
child(char *const argv[], char *const env[], int in, int out, int error)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);	/* to be ended with all that it starts */
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(error, STDERR_FILENO) == -1)
		_exit(NOT_RUN);
	for (; env != NULL && *env != NULL; env++)
		(void)putenv(*env);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s\n", strerror(errno));
	_exit(NOT_RUN);
}

/*
 * Starts argv with the text in, which fits into a pipe, as its stdin; leaves
 * in fds what it writes to stdout and to stderr.
 */
static pid_t
start(char *const argv[], char *const env[], const char *in, int fds[2])
{
	int stdin_pipe[2], out[2], error[2];
	pid_t pid;

	if (pipe2(stdin_pipe, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 ||
	    pipe2(error, O_CLOEXEC) == -1 ||
	    fcntl(stdin_pipe[1], F_SETFL, O_NONBLOCK) == -1 ||
	    (*in != '\0' && write(stdin_pipe[1], in, strlen(in)) !=
	    (ssize_t)strlen(in)) || (pid = child_fork(SIGKILL)) == -1)
		err(RETRY, "cannot run %s", argv[0]);
	if (pid == 0)
		child(argv, env, stdin_pipe[0], out[1], error[1]);
	(void)setpgid(pid, pid);
	close(stdin_pipe[0]);
	close(stdin_pipe[1]);
	close(out[1]);
	close(error[1]);
	fds[0] = out[0];
	fds[1] = error[0];
	return pid;
}

/* Reads once, keeping no more than it may; returns 0 at the end. */
static int
gather(int fd, struct gathered *g)
{
	char data[4096];
	ssize_t n;

	if ((n = read(fd, data, sizeof(data))) == -1)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return 0;
	if (g->full || g->len + n > g->max)
		return g->full = 1;
	if ((g->data = realloc(g->data, g->len + n + 1)) == NULL)
		errx(RETRY, "out of memory");
	memcpy(g->data + g->len, data, n);
	g->len += n;
	g->data[g->len] = '\0';
	return 1;
}

/* Reads both until their ends. */
static int
read_all(struct chain *c, struct pollfd pfd[2], struct gathered g[2],
    uint64_t until)
{
	int i, status = OK;

	while (status == OK && now() < until &&
	    (pfd[0].fd != -1 || pfd[1].fd != -1)) {
		pfd[0].revents = pfd[1].revents = 0;
		status = chain_wait(c, pfd, 2, until);
		for (i = 0; i < 2; i++)
			if (pfd[i].revents != 0 &&
			    !gather(pfd[i].fd, &g[i])) {
				close(pfd[i].fd);
				pfd[i].fd = -1;
			}
	}
	return status;
}

/* Waits until it has ended, having closed its outputs; ends it if it has not. */
static int
reap(struct chain *c, pid_t pid, uint64_t until, int *how)
{
	int status = OK;
	pid_t ended = 0;

	while (status == OK && now() < until &&
	    (ended = waitpid(pid, how, WNOHANG)) == 0)
		status = chain_wait(c, NULL, 0, now() + 5);
	if (ended == pid)
		return status;
	(void)kill(-pid, SIGKILL);
	*how = child_wait(pid);
	return status;
}

static char *
ended_how(const char *name, int how, int late, int full, const char *error)
{
	char *why, *said, *line;

	if (full)
		return xasprintf("%s has written more than %d bytes", name,
		    MAX_OUT);
	if (late)
		return xasprintf("%s has not ended within %d seconds", name,
		    RUN_TIME / 1000);
	if (WIFSIGNALED(how))
		why = xasprintf("%s: killed by signal %d", name,
		    WTERMSIG(how));
	else if (WEXITSTATUS(how) == NOT_RUN)
		why = xasprintf("cannot run %s", name);
	else
		why = xasprintf("%s: exit status %d", name, WEXITSTATUS(how));
	if (error == NULL || *error == '\0')
		return why;
	line = xstrndup(error, strcspn(error, "\r\n") < 200 ?
	    strcspn(error, "\r\n") : 200);
	said = str_visible(line);
	str_append(&why, ": ", said);
	free(line);
	free(said);
	return why;
}

/*
 * Runs the program argv with the text in as its standard input, and turns the
 * chain until it has ended; the time is not the server's.  Returns OK, with its
 * exit status in r->exit, or -1 there if it did not end by itself or wrote too
 * much, what it wrote in r->out, and in r->how what is to be said of a failure;
 * run_free() must follow.  Or returns another status if the chain has failed.
 */
int
run_program(struct chain *c, char *const argv[], const char *in, struct run *r)
{
	return run_with(c, argv, NULL, in, r);
}

/*
 * As run_program(), with the variables in env, NAME=value and a NULL behind
 * them, in its environment.
 */
int
run_with(struct chain *c, char *const argv[], char *const env[],
    const char *in, struct run *r)
{
	struct gathered g[2] = { { .max = MAX_OUT }, { .max = MAX_ERR } };
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };
	uint64_t until = now() + RUN_TIME;
	struct pause pause;
	int fds[2], how = 0, status;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	chain_pause(c, &pause);
	pid = start(argv, env, in, fds);
	pfd[0].fd = fds[0];
	pfd[1].fd = fds[1];
	status = read_all(c, pfd, g, until);
	if (pfd[0].fd != -1)
		close(pfd[0].fd);
	if (pfd[1].fd != -1)
		close(pfd[1].fd);
	if (status == OK)
		status = reap(c, pid, until, &how);
	else {
		(void)kill(-pid, SIGKILL);
		(void)child_wait(pid);
	}
	chain_resume(c, &pause);
	r->out = g[0].data == NULL ? xstrdup("") : g[0].data;
	r->len = g[0].len;
	r->exit = WIFEXITED(how) && now() < until && !g[0].full ?
	    WEXITSTATUS(how) : -1;
	r->how = ended_how(argv[0], how, now() >= until, g[0].full,
	    g[1].data);
	r->said = g[1].data;
	return status;
}

/* Frees what run_program() has left. */
void
run_free(struct run *r)
{
	free(r->out);
	free(r->said);
	free(r->how);
	memset(r, 0, sizeof(*r));
}
