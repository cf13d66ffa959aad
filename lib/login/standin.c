/*
 * Logging in with a key that an agent holds.  libssh offers every key of an
 * agent, and a server's MaxAuthTries is small, so it is shown an agent with one
 * key: a child that stands between it and the real agent.  libssh reads from an
 * agent without any limit of time; the child has one, and when it ends, so does
 * the read.  libssh never holds a connection to the agent itself.
 */

#include <sys/socket.h>
#include <sys/wait.h>

#include <endian.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/agentmsg.h"
#include "login/local.h"
#include "wire/binding.h"

#define SIGN_REQUEST		13
#define EXTENSION		27

/* Exit status of the stand-in. */
#define FAILED			1	/* the agent has gone, or is too slow */
#define BOUND			2	/* the agent knows the session */

/* The list, as if the key that goes by blob were the only one. */
static int
answer_list(int fd, const void *blob, size_t len)
{
	char *data;
	size_t n;
	FILE *to = agentmsg_begin(IDENTITIES_ANSWER, &data, &n);

	agentmsg_put_u32(to, 1);
	agentmsg_put_string(to, blob, len);
	agentmsg_put_string(to, "", 0);
	return agentmsg_send(fd, to, &data, &n);
}

/*
 * Tells the agent which session it is asked to sign for, as ssh does: a key
 * that is restricted to hosts signs for no other (PROTOCOL.agent, 1).  What is
 * to be signed begins with the session's name (RFC 4252, 7).  Returns 0, or -1
 * if the agent has gone; one that knows no sessions says no, and that is all.
 */
static int
bind_session(struct agent *agent, const struct binding *b, struct agentmsg r)
{
	static const char name[] = "session-bind@openssh.com";
	struct agentmsg data;
	const unsigned char *p;
	unsigned char *answer;
	uint32_t n;
	char *text;
	size_t len;
	FILE *to;

	if (agent->bound || b->key == NULL || agentmsg_string(&r, &p, &n) == -1)
		return 0;
	data = (struct agentmsg){ p, n };
	if (agentmsg_string(&data, &p, &n) == -1)
		return 0;
	to = agentmsg_begin(EXTENSION, &text, &len);
	agentmsg_put_string(to, name, strlen(name));
	agentmsg_put_string(to, b->key, b->keylen);
	agentmsg_put_string(to, p, n);
	agentmsg_put_string(to, b->sig, b->siglen);
	fputc(0, to);			/* it is not forwarded */
	if (agentmsg_send(agent->fd, to, &text, &len) == -1 ||
	    (answer = agentmsg_await(agent->fd, &len, ANSWER_TIME)) == NULL)
		return -1;
	agent->bound = 1;
	free(answer);
	return 0;
}

/* Has the agent sign, by the name that it has for the key. */
static int
answer_sign(int fd, struct agent *agent, const struct agent_key *k,
    const struct binding *b, const unsigned char *request, size_t len)
{
	struct agentmsg r = { request + 1, len - 1 };
	const unsigned char *name;
	unsigned char *answer;
	uint32_t n, size;
	char *data;
	size_t got;
	FILE *to;
	int rc;

	if (agentmsg_string(&r, &name, &n) == -1 ||
	    bind_session(agent, b, r) == -1)
		return -1;
	to = agentmsg_begin(SIGN_REQUEST, &data, &got);
	agentmsg_put_string(to, k->blob, k->len);
	(void)fwrite(r.p, 1, r.left, to);
	if (agentmsg_send(agent->fd, to, &data, &got) == -1 ||
	    (answer = agentmsg_await(agent->fd, &got, ANSWER_TIME)) == NULL)
		return -1;
	size = htobe32(got);
	rc = agentmsg_write(fd, &size, 4) | agentmsg_write(fd, answer, got);
	free(answer);
	return rc;
}

/* In the child: serves libssh at fd until it has all it wants. */
static void __attribute__((noreturn))
stand_in(int fd, struct agent *agent, const struct agent_key *k,
    const struct binding *b, const void *blob, size_t blen)
{
	unsigned char *request;
	size_t len;
	int rc = 0;

	while (rc == 0 && (request = agentmsg_await(fd, &len, -1)) !=
	    NULL) {
		if (*request == REQUEST_IDENTITIES)
			rc = answer_list(fd, blob, blen);
		else
			rc = answer_sign(fd, agent, k, b, request, len);
		free(request);
	}
	_exit(rc != 0 ? FAILED : agent->bound ? BOUND : 0);
}

/* Gives libssh fd as its agent; the last one is replaced. */
static void
give(struct login *login, int fd)
{
	if (login->agentfd == -1) {
		login->agentfd = fd;	/* libssh closes it in the end */
		ssh_set_agent_socket(login->l->session, login->agentfd);
	} else {
		(void)dup3(fd, login->agentfd, O_CLOEXEC);
		close(fd);
	}
}

/*
 * Takes libssh's agent away, so that nothing can be signed any more: from the
 * next read on, it is one that has gone.
 */
static void
take_back(const struct login *login)
{
	int null = open(_PATH_DEVNULL, O_RDWR | O_CLOEXEC);

	if (null != -1) {
		(void)dup3(null, login->agentfd, O_CLOEXEC);
		close(null);
	}
}

/* Has the agent closed its end? */
static int
has_gone(const struct agent *agent)
{
	char c;

	return recv(agent->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * An agent that has gone, or was given up, signs with no other key either: what
 * it still sends would be taken for the answer about the next one.
 */
static void
drop(struct agent *agent)
{
	close(agent->fd);
	agent->fd = -1;
}

/*
 * libssh waits for a signature and for nothing else, however long a person
 * takes to confirm it.  That is not the hop's time.
 */
static int
call(struct login *login)
{
	struct pause pause;
	int rc;

	chain_pause(login->c, &pause);
	rc = ssh_userauth_agent(login->l->session, login->l->hop->user);
	chain_resume(login->c, &pause);
	return rc;
}

/*
 * Tries to log in with k, a key of agent's, under the name blob, which is its
 * own or that of a certificate for it.  Returns what ssh_userauth_agent()
 * does; a chain that has failed meanwhile leaves its status in login.
 */
int
agent_login(struct login *login, struct agent *agent,
    const struct agent_key *k, const void *blob, size_t len)
{
	struct link *l = login->l;
	int pair[2], rc, how = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return SSH_AUTH_DENIED;
	if ((pid = child_fork(SIGTERM)) == 0) {
		close(pair[0]);
		stand_in(pair[1], agent, k, binding_of(l), blob, len);
	}
	close(pair[1]);
	give(login, pair[0]);
	while ((rc = pid == -1 ? SSH_AUTH_DENIED : call(login)) ==
	    SSH_AUTH_AGAIN && auth_again(login) == 0)
		;
	take_back(login);
	if (pid != -1)
		how = child_wait(pid);
	how = WIFEXITED(how) ? WEXITSTATUS(how) : FAILED;
	agent->bound |= how == BOUND;
	if (how == FAILED || (rc == SSH_AUTH_ERROR && has_gone(agent)))
		drop(agent);
	return rc;
}
