/*
 * An ssh-agent of our own: what it asks for goes by us, and what it says is
 * heard here.
 */

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"

#define START_TIME	5000	/* ms it may take to listen */
#define LOOK		5	/* ms between two looks whether it does */

/* What the agent's process is started with. */
struct start {
	const struct keeper	*keeper;
	int			 in, err;	/* its own ends */
	const char		*providers;
};

/* In the agent's process; what it asks it asks by us, see prompt_askpass(). */
static void
run_agent(void *arg)
{
	const struct start *s = arg;
	char *program = os_program(), *argv[] = { "ssh-agent", "-D", "-a",
	    s->keeper->standby.path, s->providers == NULL ? NULL : "-P",
	    (char *)s->providers, NULL };
	int null;

	(void)setenv("SSH_ASKPASS", program == NULL ? "" : program, 1);
	(void)setenv("SSH_ASKPASS_REQUIRE", "force", 1);
	(void)setenv(PROMPT_ASKPASS, s->keeper->asker, 1);
	if ((null = open(_PATH_DEVNULL, O_WRONLY)) == -1 ||
	    dup2(s->in, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(s->err, STDERR_FILENO) == -1)
		_exit(127);
	closefrom(STDERR_FILENO + 1);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "ssh-agent: %s\n", strerror(errno));
}

/* Keeps the last line of what the agent says; returns -1 when it has gone. */
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

/* Returns 0, or -1 with errno. */
static int
start(struct keeper *k, const char *providers)
{
	struct start s = { .keeper = k, .providers = providers };
	int err[2], in[2], rc;

	if (standby_open(&k->standby, "agent") == -1 ||
	    pipe2(err, O_CLOEXEC) == -1 ||
	    pipe2(in, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    fcntl(err[0], F_SETFL, O_NONBLOCK) == -1)
		return -1;
	s.in = in[0];
	s.err = err[1];
	rc = standby_start(&k->standby, run_agent, &s);
	close(err[1]);
	k->err = err[0];
	k->taken = in[0];
	k->asks = in[1];
	return rc;
}

/* Waits until the agent listens.  Returns OK, or the chain's status. */
static int
await(struct chain *c, struct keeper *k)
{
	uint64_t until = now() + START_TIME;
	struct pollfd pfd = { k->err, POLLIN, 0 };
	struct pause pause;
	int fd, status = OK;

	chain_pause(c, &pause);
	while ((fd = agent_connect(k->standby.path)) == -1 && status == OK &&
	    now() < until && !k->over) {
		status = chain_wait(c, &pfd, 1, now() + LOOK);
		k->over = pfd.revents != 0 && hear(k) == -1;
	}
	chain_resume(c, &pause);
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
	k->standby.hold = k->err = k->asks = k->taken = -1;
	k->over = 1;
	if (start(k, providers) == -1) {
		snprintf(k->said, sizeof(k->said), "%s",
		    k->standby.folder == NULL ? "no folder for its socket" :
		    strerror(errno));
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
	standby_end(&k->standby);
	if (k->err != -1)
		close(k->err);
	if (k->asks != -1) {
		close(k->asks);
		close(k->taken);
	}
	free(k);
}
