/*
 * An ssh-agent of our own, in a folder of our own, which are both gone when we
 * are, however that was.  A child stands by it and waits for the end of a pipe
 * from us: what is setgid, as ssh-agent is in Debian, gets no signal by itself
 * when we end.
 */

#include <sys/wait.h>

#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "login/local.h"

#define SOCKET		"/agent"
#define START_TIME	5000	/* ms it may take to listen */
#define LOOK		5	/* ms between two looks whether it does */
#define GRACE		500	/* ms it has to end by itself */

/* Makes the folder below base; returns its path, or NULL. */
static char *
make_folder_in(const char *base)
{
	struct sockaddr_un sun;
	char *path;

	if (base == NULL || *base != '/')
		return NULL;
	path = xasprintf("%s/proxyhop-agent.XXXXXX", base);
	if (strlen(path) + strlen(SOCKET) < sizeof(sun.sun_path) &&
	    mkdtemp(path) != NULL)
		return path;
	free(path);
	return NULL;
}

static char *
make_folder(void)
{
	char *path;

	if ((path = make_folder_in(getenv("XDG_RUNTIME_DIR"))) == NULL &&
	    (path = make_folder_in(getenv("TMPDIR"))) == NULL)
		path = make_folder_in("/tmp");
	return path;
}

/* In the agent's process; what it asks it asks by us, see prompt_askpass(). */
static void __attribute__((noreturn))
run_agent(const struct keeper *k, int in, int err, const char *providers)
{
	char *program = os_program(), *argv[] = { "ssh-agent", "-D", "-a",
	    k->path, providers == NULL ? NULL : "-P", (char *)providers, NULL };
	sigset_t none;
	int null;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setenv("SSH_ASKPASS", program == NULL ? "" : program, 1);
	(void)setenv("SSH_ASKPASS_REQUIRE", "force", 1);
	(void)setenv(PROMPT_ASKPASS, k->asker, 1);
	if ((null = open(_PATH_DEVNULL, O_WRONLY)) == -1 ||
	    dup2(in, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1)
		_exit(127);
	closefrom(STDERR_FILENO + 1);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "ssh-agent: %s\n", strerror(errno));
	_exit(127);
}

/* It may be waiting for an answer: then it does not hear the first signal. */
static void
end_agent(pid_t pid)
{
	const struct timespec pause = { 0, 2 * 1000 * 1000 };
	uint64_t until = now() + GRACE;

	(void)kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now() >= until)
			(void)kill(pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
}

/* In the child: nothing but our end matters, no signal, and no key it has. */
static void __attribute__((noreturn))
stand_by(const struct keeper *k, int hold, int in, int err,
    const char *providers)
{
	sigset_t all;
	pid_t pid;
	char c;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if ((pid = child_fork(SIGTERM)) == 0)
		run_agent(k, in, err, providers);
	(void)dup2(hold, STDIN_FILENO);
	closefrom(STDIN_FILENO + 1);
	while (pid != -1 && read(STDIN_FILENO, &c, 1) > 0)
		;
	if (pid != -1)
		end_agent(pid);
	(void)unlink(k->path);
	(void)rmdir(k->folder);
	_exit(0);
}

/* Takes up what the agent has said; returns -1 when it has gone. */
static int
hear(struct keeper *k)
{
	char text[sizeof(k->said)], *p;
	ssize_t n;

	while ((n = read(k->err, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		for (p = strtok(text, "\r\n"); p != NULL;
		    p = strtok(NULL, "\r\n")) {
			(void)strlcpy(k->said, p, sizeof(k->said));
			say_debug(2, "ssh-agent: %s", p);
		}
	}
	return n == 0 ? -1 : 0;
}

/*
 * Returns what the agent has said last since this was asked, or NULL; it is
 * good until the next call.
 */
const char *
keeper_said(struct keeper *k)
{
	*k->said = '\0';
	(void)hear(k);
	return *k->said == '\0' ? NULL : k->said;
}

static int
fork_both(struct keeper *k, const char *providers)
{
	int hold[2], err[2], in[2];

	if (pipe2(hold, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1 ||
	    pipe2(in, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    fcntl(err[0], F_SETFL, O_NONBLOCK) == -1 ||
	    (k->pid = child_fork(0)) == -1)
		return -1;
	if (k->pid == 0)
		stand_by(k, hold[0], in[0], err[1], providers);
	close(hold[0]);
	close(err[1]);
	k->hold = hold[1];
	k->err = err[0];
	k->taken = in[0];
	k->asks = in[1];
	return 0;
}

/* Waits until the agent listens.  Returns OK, or the chain's status. */
static int
await(struct chain *c, struct keeper *k)
{
	uint64_t until = now() + START_TIME, deadline = c->deadline;
	struct pollfd pfd = { k->err, POLLIN, 0 };
	int fd, status = OK;

	c->deadline = 0;
	while ((fd = agent_connect(k->path)) == -1 && status == OK &&
	    now() < until && !k->over) {
		status = chain_wait(c, &pfd, 1, now() + LOOK);
		k->over = pfd.revents != 0 && hear(k) == -1;
	}
	if (deadline != 0)
		c->deadline = deadline + (now() - (until - START_TIME));
	k->over = fd == -1;
	if (fd != -1)
		close(fd);
	return status;
}

/*
 * Starts an agent; providers are those that it may load, as ssh-agent -P takes
 * them, or NULL.  Returns OK, and k, for keeper_end(); k->over if there is no
 * agent, with why in k->said.  Or returns another status if the chain has
 * failed meanwhile.
 */
int
keeper_start(struct chain *c, const char *providers, struct keeper **kp)
{
	struct keeper *k = *kp = xcalloc(1, sizeof(*k));

	k->asker = prompt_asker();
	k->pid = k->hold = k->err = k->asks = k->taken = -1;
	k->over = 1;
	if ((k->folder = make_folder()) == NULL) {
		snprintf(k->said, sizeof(k->said), "no folder for its socket");
		return OK;
	}
	k->path = xasprintf("%s" SOCKET, k->folder);
	if (fork_both(k, providers) == -1) {
		snprintf(k->said, sizeof(k->said), "%s", strerror(errno));
		return OK;
	}
	k->over = 0;
	return await(c, k);
}

/*
 * From now on the agent may ask one question, for a PIN, with text before it;
 * or none, for NULL.
 */
void
keeper_allow(struct keeper *k, const char *text)
{
	char rest[256];

	while (read(k->taken, rest, sizeof(rest)) > 0)
		;
	if (text != NULL)
		dprintf(k->asks, "%s\n", text);
}

/* Ends the agent, and waits until it and its folder are gone; frees k. */
void
keeper_end(struct keeper *k)
{
	if (k->hold != -1)
		close(k->hold);
	if (k->pid != -1)
		(void)child_wait(k->pid);
	else if (k->folder != NULL)
		(void)rmdir(k->folder);
	if (k->err != -1)
		close(k->err);
	if (k->asks != -1) {
		close(k->asks);
		close(k->taken);
	}
	free(k->folder);
	free(k->path);
	free(k);
}
