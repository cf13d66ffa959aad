/*
 * Keys that only an agent holds (draft-ietf-sshm-ssh-agent).  libssh offers
 * every key of an agent, and a server's MaxAuthTries is small, so we ask for
 * the list ourselves and let libssh see an agent with one key: a child that
 * stands between it and the real agent.  libssh reads from an agent without
 * any limit of time; the child has one, and when it ends, so does the read.
 * libssh never holds a connection to the agent itself.
 */

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"

#define REQUEST_IDENTITIES	11
#define IDENTITIES_ANSWER	12
#define MAX_ANSWER		(256 * 1024)
#define PATIENCE		5000	/* ms an agent may take to list keys */
#define SIGN_REQUEST		13
#define SIGN_PATIENCE		60000	/* ms it may take to sign */
#define ADD_SMARTCARD_KEY	20
#define SUCCESS			6
#define EXTENSION		27
#define BOUND			2	/* exit status of the stand-in */

/* What is left of an answer. */
struct reader {
	const unsigned char	*p;
	size_t			 left;
};

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

static int
get_u32(struct reader *r, uint32_t *n)
{
	if (r->left < 4)
		return -1;
	memcpy(n, r->p, 4);
	*n = be32toh(*n);
	r->p += 4;
	r->left -= 4;
	return 0;
}

/* An SSH string (RFC 4251, 5); *s points into the answer. */
static int
get_string(struct reader *r, const unsigned char **s, uint32_t *len)
{
	if (get_u32(r, len) == -1 || *len > r->left)
		return -1;
	*s = r->p;
	r->p += *len;
	r->left -= *len;
	return 0;
}

/* The key in a blob (RFC 4253, 6.6), or NULL if libssh has no use for it. */
static ssh_key
import(const unsigned char *blob, uint32_t len)
{
	struct reader r = { blob, len };
	const unsigned char *name;
	char *type, *b64;
	ssh_key key = NULL;
	uint32_t n;
	int rc;

	if (get_string(&r, &name, &n) == -1)
		return NULL;
	type = xstrndup((const char *)name, n);
	b64 = str_base64(blob, len);
	if (strstr(type, "-cert-v0") != NULL)
		rc = ssh_pki_import_cert_base64(b64,
		    ssh_key_type_from_name(type), &key);
	else
		rc = ssh_pki_import_pubkey_base64(b64,
		    ssh_key_type_from_name(type), &key);
	if (rc != SSH_OK)
		key = NULL;
	free(b64);
	free(type);
	return key;
}

/* One key of the list; one that libssh cannot read is passed over. */
static int
read_key(struct agent *agent, struct reader *r)
{
	const unsigned char *blob, *comment;
	uint32_t len, clen;
	struct agent_key *k;
	char *text;
	ssh_key key;

	if (get_string(r, &blob, &len) == -1 ||
	    get_string(r, &comment, &clen) == -1)
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
	struct reader r = { answer + 1, len - 1 };
	uint32_t count;

	/* a key takes 8 bytes at the least: count cannot make us greedy */
	if (*answer != IDENTITIES_ANSWER || get_u32(&r, &count) == -1 ||
	    count > len / 8)
		return -1;
	agent->keys = xcalloc(count + 1, sizeof(*agent->keys));
	while (count-- > 0)
		if (read_key(agent, &r) == -1)
			return -1;
	return 0;
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
	if ((rc = read_all(c, l, agent->fd, &len, 4, PATIENCE)) != 0)
		return rc;
	if ((len = be32toh(len)) == 0 || len > MAX_ANSWER)
		return -1;
	answer = xcalloc(1, len);
	if ((rc = read_all(c, l, agent->fd, answer, len, PATIENCE)) ==
	    0)
		rc = agent_parse(agent, answer, len);
	free(answer);
	return rc;
}

/*
 * Connects to the agent at path and gets its list of keys; an agent that does
 * not answer has none, and its time is not the hop's.  Returns OK, or another
 * status if the chain has failed meanwhile; agent_close() in any case.
 */
int
agent_read(struct chain *c, struct link *l, struct agent *agent,
    const char *path)
{
	uint64_t asked = now(), deadline = c->deadline;
	int rc;

	memset(agent, 0, sizeof(*agent));
	agent->path = path;
	if ((agent->fd = agent_connect(path)) == -1) {
		say_debug(1, "agent %s: %s", path, strerror(errno));
		return OK;
	}
	c->deadline = 0;
	rc = list(c, l, agent);
	c->deadline = deadline + (now() - asked);
	if (rc == -1)
		say_debug(1, "agent %s: no answer that makes sense", path);
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
	uint64_t asked = now();
	int rc;

	memset(again, 0, sizeof(*again));
	again->fd = agent->fd;
	rc = list(login->c, login->l, again);
	again->fd = -1;
	if (login->c->deadline != 0)
		login->c->deadline += now() - asked;
	if (rc != 0 && rc != -1)
		login->status = rc;
	return rc == 0 ? 0 : -1;
}

/* Writes all of it, whatever fd is; returns 0 or -1. */
static int
write_all(int fd, const void *data, size_t len)
{
	struct pollfd pfd = { fd, POLLOUT, 0 };
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, p, len)) > 0) {
			p += n;
			len -= n;
		} else if (errno == EAGAIN)
			(void)poll(&pfd, 1, SIGN_PATIENCE);
		else if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* Reads all of it, within ms (-1: no limit) for each part. */
static int
await_all(int fd, void *data, size_t len, int ms)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	char *p = data;
	ssize_t n;

	while (len > 0) {
		if (poll(&pfd, 1, ms) != 1 || (n = read(fd, p, len)) <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/*
 * Reads one message of the agent's protocol; returns it, without its length,
 * which is left in *len, or NULL.  The caller frees it.
 */
static unsigned char *
await_message(int fd, size_t *len, int ms)
{
	unsigned char *data;
	uint32_t n;

	if (await_all(fd, &n, 4, ms) == -1 || (n = be32toh(n)) == 0 ||
	    n > MAX_ANSWER)
		return NULL;
	data = xcalloc(1, n);
	if (await_all(fd, data, n, ms) == -1) {
		free(data);
		return NULL;
	}
	*len = n;
	return data;
}

static void
put_u32(FILE *to, uint32_t n)
{
	n = htobe32(n);
	(void)fwrite(&n, sizeof(n), 1, to);
}

static void
put_string(FILE *to, const void *s, size_t len)
{
	put_u32(to, len);
	(void)fwrite(s, 1, len, to);
}

/* Sends what was written to a stream of open_memstream(3), and frees it. */
static int
send_message(int fd, FILE *from, char **data, const size_t *len)
{
	uint32_t n;
	int rc = -1;

	if (fclose(from) == 0) {
		n = htobe32(*len);
		rc = write_all(fd, &n, 4) | write_all(fd, *data, *len);
	}
	explicit_bzero(*data, *len);
	free(*data);
	return rc;
}

static FILE *
begin_message(int type, char **data, size_t *len)
{
	FILE *to = open_memstream(data, len);

	if (to == NULL)
		_exit(1);
	fputc(type, to);
	return to;
}

/* The list, as if the key that goes by blob were the only one. */
static int
answer_list(int fd, const void *blob, size_t len)
{
	char *data;
	size_t n;
	FILE *to = begin_message(IDENTITIES_ANSWER, &data, &n);

	put_u32(to, 1);
	put_string(to, blob, len);
	put_string(to, "", 0);
	return send_message(fd, to, &data, &n);
}

/*
 * Tells the agent which session it is asked to sign for, as ssh does: a key
 * that is restricted to hosts signs for no other (PROTOCOL.agent, 1).  What is
 * to be signed begins with the session's name (RFC 4252, 7).  Returns 0, or -1
 * if the agent has gone; one that knows no sessions says no, and that is all.
 */
static int
bind_session(struct agent *agent, const struct binding *b, struct reader r)
{
	static const char name[] = "session-bind@openssh.com";
	struct reader data;
	const unsigned char *p;
	unsigned char *answer;
	uint32_t n;
	char *text;
	size_t len;
	FILE *to;

	if (agent->bound || b->key == NULL || get_string(&r, &p, &n) == -1)
		return 0;
	data = (struct reader){ p, n };
	if (get_string(&data, &p, &n) == -1)
		return 0;
	to = begin_message(EXTENSION, &text, &len);
	put_string(to, name, strlen(name));
	put_string(to, b->key, b->keylen);
	put_string(to, p, n);
	put_string(to, b->sig, b->siglen);
	fputc(0, to);			/* it is not forwarded */
	if (send_message(agent->fd, to, &text, &len) == -1 ||
	    (answer = await_message(agent->fd, &len, PATIENCE)) == NULL)
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
	struct reader r = { request + 1, len - 1 };
	const unsigned char *name;
	unsigned char *answer;
	uint32_t n, size;
	char *data;
	size_t got;
	FILE *to;
	int rc;

	if (get_string(&r, &name, &n) == -1 || bind_session(agent, b, r) == -1)
		return -1;
	to = begin_message(SIGN_REQUEST, &data, &got);
	put_string(to, k->blob, k->len);
	(void)fwrite(r.p, 1, r.left, to);
	if (send_message(agent->fd, to, &data, &got) == -1 ||
	    (answer = await_message(agent->fd, &got, SIGN_PATIENCE)) == NULL)
		return -1;
	size = htobe32(got);
	rc = write_all(fd, &size, 4) | write_all(fd, answer, got);
	free(answer);
	return rc;
}

/*
 * In the child: serves libssh at fd until it has all it wants.  Ends with
 * BOUND if the agent knows the session now.
 */
static void __attribute__((noreturn))
stand_in(int fd, struct agent *agent, const struct agent_key *k,
    const struct binding *b, const void *blob, size_t blen)
{
	unsigned char *request;
	size_t len;
	int rc = 0;

	while (rc == 0 && (request = await_message(fd, &len, -1)) !=
	    NULL) {
		if (*request == REQUEST_IDENTITIES)
			rc = answer_list(fd, blob, blen);
		else
			rc = answer_sign(fd, agent, k, b, request, len);
		free(request);
	}
	_exit(rc != 0 ? 1 : agent->bound ? BOUND : 0);
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

/* An agent that has gone, or was given up, signs with no other key either. */
static void
drop_if_gone(struct agent *agent)
{
	char c;

	if (recv(agent->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
		return;
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
	uint64_t asked = now();
	int rc;

	rc = ssh_userauth_agent(login->l->session, login->l->hop->user);
	if (login->c->deadline != 0)
		login->c->deadline += now() - asked;
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
	agent->bound |= WIFEXITED(how) && WEXITSTATUS(how) == BOUND;
	if (rc == SSH_AUTH_ERROR)
		drop_if_gone(agent);
	return rc;
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
	uint64_t asked = now(), deadline = login->c->deadline;
	unsigned char answer[5] = { 0 };	/* length, one byte */
	char *data;
	size_t len;
	FILE *to;
	int rc = -1;

	to = begin_message(ADD_SMARTCARD_KEY, &data, &len);
	put_string(to, provider, strlen(provider));
	put_string(to, pin, strlen(pin));
	login->c->deadline = 0;
	if (send_message(agent->fd, to, &data, &len) != -1)
		rc = read_all(login->c, login->l, agent->fd, answer,
		    sizeof(answer), SIGN_PATIENCE);
	if (deadline != 0)
		login->c->deadline = deadline + (now() - asked);
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
