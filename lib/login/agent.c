/*
 * Keys that only an agent holds: its list is asked for here, since libssh would
 * offer all of them.  standin.c logs in with one.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/agentmsg.h"
#include "login/local.h"
#include "wire/key.h"

#define ADD_SMARTCARD_KEY	20
#define SUCCESS			6
#define TELL			5000	/* ms until a wait for it is told of */

static char	*mute;			/* an agent that was given up */

static const char *
socket_path(const struct hop *hop)
{
	const char *path = hop->identityagent;

	if (path == NULL || strcmp(path, "SSH_AUTH_SOCK") == 0)
		return getenv("SSH_AUTH_SOCK");
	if (strcmp(path, "none") == 0)
		return NULL;
	return *path == '$' ? getenv(path + 1) : path;
}

/* Returns a connection to the agent at path, or -1. */
int
agent_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* an agent with no room for us is as good as none */
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0)) == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Reads len bytes, within ms, while the chain keeps turning.  Returns 0, -1 if
 * the agent has failed, or the chain's status if that has.
 */
static int
read_all(struct chain *c, struct link *l, int fd, void *buf, size_t len, int ms)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t until = now() + ms;
	char *p = buf;
	ssize_t n;
	int status;

	while (len > 0) {
		if ((status = chain_wait(c, &pfd, 1, until)) != OK)
			return status;
		if (now() >= until || link_gone(l))
			return -1;
		if (pfd.revents == 0)
			continue;
		if ((n = read(fd, p, len)) <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* The key in a blob (RFC 4253, 6.6), or NULL if libssh has no use for it. */
static ssh_key
import(const unsigned char *blob, uint32_t len)
{
	struct agentmsg r = { blob, len };
	const unsigned char *name;
	char *type, *b64;
	ssh_key key;
	uint32_t n;

	if (agentmsg_string(&r, &name, &n) == -1)
		return NULL;
	type = xstrndup((const char *)name, n);
	b64 = str_base64(blob, len);
	key = key_from_text(type, b64);
	free(b64);
	free(type);
	return key;
}

/* One key of the list; one that libssh cannot read is passed over. */
static int
read_key(struct agent *agent, struct agentmsg *r)
{
	const unsigned char *blob, *comment;
	uint32_t len, clen;
	struct agent_key *k;
	char *text;
	ssh_key key;

	if (agentmsg_string(r, &blob, &len) == -1 ||
	    agentmsg_string(r, &comment, &clen) == -1)
		return -1;
	if ((key = import(blob, len)) == NULL)
		return 0;
	k = &agent->keys[agent->n++];
	k->key = key;
	k->len = len;
	k->blob = xcalloc(1, len);
	memcpy(k->blob, blob, len);
	text = xstrndup((const char *)comment, clen);
	k->comment = str_visible(text);
	free(text);
	return 0;
}

/*
 * Takes the keys out of an agent's answer of len bytes, 1 at the least, to
 * REQUEST_IDENTITIES.  Returns 0, or -1 if it is none; agent_close() in either
 * case.
 */
int
agent_parse(struct agent *agent, const unsigned char *answer, size_t len)
{
	struct agentmsg r = { answer + 1, len - 1 };
	uint32_t count;

	/* a key takes 8 bytes at the least: count cannot make us greedy */
	if (*answer != IDENTITIES_ANSWER || agentmsg_u32(&r, &count) == -1 ||
	    count > len / 8)
		return -1;
	agent->keys = xcalloc(count + 1, sizeof(*agent->keys));
	while (count-- > 0)
		if (read_key(agent, &r) == -1)
			return -1;
	return 0;
}

static void
tell_waiting(const struct link *l, const char *path)
{
	char *seen = str_visible(path);

	link_tell(l, 0, "waiting for the agent %s; is it locked?", seen);
	free(seen);
}

/*
 * Waits for the first of an agent's answer.  Returns 0, -1 if it does not come,
 * or the chain's status if that has failed.
 */
static int
await(struct chain *c, struct link *l, const struct agent *agent)
{
	struct pollfd pfd = { agent->fd, POLLIN, 0 };
	uint64_t began = now(), until = began + TELL;
	int status;

	for (;;) {
		if ((status = chain_wait(c, &pfd, 1, until)) != OK)
			return status;
		if (pfd.revents != 0)
			return 0;
		if (link_gone(l) || now() >= began + ANSWER_TIME)
			return -1;
		if (until == began + TELL && now() >= until) {
			tell_waiting(l, agent->path);
			until = began + ANSWER_TIME;
		}
	}
}

static int
list(struct chain *c, struct link *l, struct agent *agent)
{
	static const unsigned char request[] = { 0, 0, 0, 1,
	    REQUEST_IDENTITIES };
	unsigned char *answer;
	uint32_t len;
	int rc;

	if (write(agent->fd, request, sizeof(request)) != sizeof(request))
		return -1;
	if ((rc = await(c, l, agent)) != 0 ||
	    (rc = read_all(c, l, agent->fd, &len, 4, REST_TIME)) != 0)
		return rc;
	if ((len = be32toh(len)) == 0 || len > MAX_ANSWER)
		return -1;
	answer = xcalloc(1, len);
	if ((rc = read_all(c, l, agent->fd, answer, len, REST_TIME)) == 0)
		rc = agent_parse(agent, answer, len);
	free(answer);
	return rc;
}

/*
 * Connects to the agent at path and gets its list of keys; an agent that does
 * not answer has none, and is not asked again; its time is not the hop's.
 * Returns OK, or another status if the chain has failed meanwhile; agent_close()
 * in any case.
 */
int
agent_read(struct chain *c, struct link *l, struct agent *agent,
    const char *path)
{
	struct pause pause;
	int rc;

	memset(agent, 0, sizeof(*agent));
	agent->path = path;
	agent->fd = -1;
	if (mute != NULL && strcmp(mute, path) == 0)
		return OK;
	if ((agent->fd = agent_connect(path)) == -1) {
		say_debug(1, "agent %s: %s", path, strerror(errno));
		return OK;
	}
	chain_pause(c, &pause);
	rc = list(c, l, agent);
	chain_resume(c, &pause);
	if (rc == -1)
		say_debug(1, "agent %s: no answer that makes sense", path);
	if (rc == -1 && now() - pause.began >= ANSWER_TIME) {
		free(mute);
		mute = xstrdup(path);
	}
	return rc == -1 ? OK : rc;
}

/* As agent_read(), with the agent of l's hop, if it has one. */
int
agent_open(struct chain *c, struct link *l, struct agent *agent)
{
	const char *path = socket_path(l->hop);

	if (path != NULL && *path != '\0')
		return agent_read(c, l, agent, path);
	memset(agent, 0, sizeof(*agent));
	agent->fd = -1;
	return OK;
}

/*
 * Asks for the list once more, on the same connection: an agent that knows the
 * session by now leaves out what is restricted to other hosts.  Leaves it in
 * *again, for agent_close().  Returns 0, or -1, also with login's status set if
 * the chain has failed meanwhile.
 */
int
agent_again(struct login *login, const struct agent *agent,
    struct agent *again)
{
	struct pause pause;
	int rc;

	memset(again, 0, sizeof(*again));
	again->fd = agent->fd;
	again->path = agent->path;
	chain_pause(login->c, &pause);
	rc = list(login->c, login->l, again);
	chain_resume(login->c, &pause);
	again->fd = -1;
	if (rc != 0 && rc != -1)
		login->status = rc;
	return rc == 0 ? 0 : -1;
}

/*
 * Has the agent load the keys of a PKCS#11 provider with a PIN, which may be
 * "".  Returns 1 when it has, 0 when not, or with login's status set if the
 * chain has failed meanwhile.
 */
int
agent_add_provider(struct login *login, struct agent *agent,
    const char *provider, const char *pin)
{
	unsigned char answer[5] = { 0 };	/* length, one byte */
	struct pause pause;
	char *data;
	size_t len;
	FILE *to;
	int rc = -1;

	to = agentmsg_begin(ADD_SMARTCARD_KEY, &data, &len);
	agentmsg_put_string(to, provider, strlen(provider));
	agentmsg_put_string(to, pin, strlen(pin));
	chain_pause(login->c, &pause);
	if (agentmsg_send(agent->fd, to, &data, &len) != -1)
		rc = read_all(login->c, login->l, agent->fd, answer,
		    sizeof(answer), ANSWER_TIME);
	chain_resume(login->c, &pause);
	if (rc != 0 && rc != -1)
		login->status = rc;
	return rc == 0 && answer[4] == SUCCESS;
}

/* A new session needs a new connection to an agent that knows the last one. */
void
agent_renew(struct agent *agent)
{
	if (agent->fd == -1 || !agent->bound)
		return;
	close(agent->fd);
	agent->fd = agent_connect(agent->path);
	agent->bound = 0;
}

/* Closes the connection and frees the keys. */
void
agent_close(struct agent *agent)
{
	while (agent->n > 0) {
		agent->n--;
		ssh_key_free(agent->keys[agent->n].key);
		free(agent->keys[agent->n].blob);
		free(agent->keys[agent->n].comment);
	}
	free(agent->keys);
	if (agent->fd != -1)
		close(agent->fd);
}
