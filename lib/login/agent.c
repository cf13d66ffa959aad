/*
 * Keys that only an agent holds (draft-ietf-sshm-ssh-agent).  libssh offers
 * every key of an agent, and a server's MaxAuthTries is small, so we ask for
 * the list ourselves and let libssh see an agent with one key: what it reads
 * first, the list, has been written to its descriptor beforehand; then that
 * descriptor is put through to the real agent, which signs.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/login.h"

#define REQUEST_IDENTITIES	11
#define IDENTITIES_ANSWER	12
#define MAX_ANSWER		(256 * 1024)
#define PATIENCE		5000	/* ms an agent may take to list keys */

#define SIGN_PATIENCE		60	/* s it may take to sign */
#define REQUEST_MAX		(64 * 1024)	/* what one call may send */

static volatile sig_atomic_t	signing;	/* for SIGALRM: the agent */

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

static int
connect_agent(const char *path)
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
 * Reads len bytes while the chain keeps turning.  Returns 0, -1 if the agent
 * has failed, or the chain's status if that has.
 */
static int
read_all(struct chain *c, struct link *l, int fd, void *buf, size_t len)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t until = now() + PATIENCE;
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
	b64 = words_base64(blob, len);
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
	k->comment = words_visible(text);
	free(text);
	return 0;
}

static int
parse_list(struct agent *agent, const unsigned char *answer, size_t len)
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
	if ((rc = read_all(c, l, agent->fd, &len, 4)) != 0)
		return rc;
	if ((len = be32toh(len)) == 0 || len > MAX_ANSWER)
		return -1;
	answer = xcalloc(1, len);
	if ((rc = read_all(c, l, agent->fd, answer, len)) == 0)
		rc = parse_list(agent, answer, len);
	free(answer);
	return rc;
}

/*
 * Connects to the agent of l's hop, if it has one, and gets its list of keys;
 * an agent that does not answer has none, and its time is not the hop's.
 * Returns OK, or another status if the chain has failed meanwhile;
 * agent_close() in any case.
 */
int
agent_open(struct chain *c, struct link *l, struct agent *agent)
{
	uint64_t asked = now(), deadline = c->deadline;
	int rc;

	memset(agent, 0, sizeof(*agent));
	agent->fd = -1;
	if ((agent->path = socket_path(l->hop)) == NULL || *agent->path == '\0')
		return OK;
	if ((agent->fd = connect_agent(agent->path)) == -1) {
		say_debug(1, "agent %s: %s", agent->path, strerror(errno));
		return OK;
	}
	c->deadline = 0;
	rc = list(c, l, agent);
	c->deadline = deadline + (now() - asked);
	if (rc == -1)
		say_debug(1, "agent %s: no answer that makes sense",
		    agent->path);
	return rc == -1 ? OK : rc;
}

/* The list with one key in it, as the agent would send it. */
static int
write_list(int fd, const struct agent_key *k)
{
	unsigned char head[4 + 1 + 4 + 4], tail[4] = { 0 };
	uint32_t n;

	n = htobe32(1 + 4 + 4 + k->len + 4);
	memcpy(head, &n, 4);
	head[4] = IDENTITIES_ANSWER;
	n = htobe32(1);
	memcpy(head + 5, &n, 4);
	n = htobe32(k->len);
	memcpy(head + 9, &n, 4);
	if (write(fd, head, sizeof(head)) != sizeof(head) ||
	    write(fd, k->blob, k->len) != (ssize_t)k->len ||
	    write(fd, tail, sizeof(tail)) != sizeof(tail))
		return -1;
	/* a signature asked for too early fails, it does not wait for ever */
	return shutdown(fd, SHUT_WR);
}

/* Gives libssh a descriptor that holds the list; the last one is replaced. */
static int
offer(struct link *l, const struct agent_key *k)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	if (l->agentfd == -1) {
		l->agentfd = pair[0];	/* libssh closes it in the end */
		ssh_set_agent_socket(l->session, l->agentfd);
	} else {
		(void)dup3(pair[0], l->agentfd, O_CLOEXEC);
		close(pair[0]);
	}
	if (write_list(pair[1], k) == -1) {
		close(pair[1]);
		return -1;
	}
	return pair[1];
}

/* Sends on what libssh has sent into the stand-in. */
static void
send_on(int from, int to)
{
	char *data = xcalloc(1, REQUEST_MAX), *p = data;
	ssize_t left = read(from, data, REQUEST_MAX), n;

	while (left > 0) {
		if ((n = write(to, p, left)) > 0) {
			p += n;
			left -= n;
		} else if (errno != EINTR)
			break;
	}
	free(data);
}

/*
 * The first call reads the list and asks the server about the key.  Were the
 * server's answer there before that call is through, libssh would go on and
 * read a signature from where the list was.  So the call has a stand-in for
 * its connection, from which no answer can come.
 */
static int
begin(struct link *l)
{
	int connection = ssh_get_fd(l->session), pair[2], kept, rc;

	if ((kept = fcntl(connection, F_DUPFD_CLOEXEC, 0)) == -1)
		return SSH_AUTH_DENIED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) == -1) {
		close(kept);
		return SSH_AUTH_DENIED;
	}
	(void)dup3(pair[0], connection, O_CLOEXEC);
	close(pair[0]);
	rc = ssh_userauth_agent(l->session, l->hop->user);
	(void)dup3(kept, connection, O_CLOEXEC);
	send_on(pair[1], kept);
	close(pair[1]);
	close(kept);
	return rc;
}

static void
on_alarm(int sig)
{
	(void)sig;
	(void)shutdown(signing, SHUT_RDWR);
}

/*
 * libssh waits for the agent's signature and for nothing else, however long a
 * person takes to confirm it: there must be an end to that.  It is not the
 * hop's time.
 */
static int
sign(struct chain *c, struct link *l)
{
	uint64_t asked = now();
	int rc;

	signing = l->agentfd;
	signal(SIGALRM, on_alarm);
	alarm(SIGN_PATIENCE);
	rc = ssh_userauth_agent(l->session, l->hop->user);
	alarm(0);
	c->deadline += now() - asked;
	return rc;
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
 * Tries to log in with one key of the agent.  Returns what
 * ssh_userauth_agent() does; a chain that has failed meanwhile leaves its
 * status in login.
 */
int
agent_login(struct login *login, const struct agent_key *k)
{
	struct link *l = login->l;
	int fd, rc;

	if ((fd = offer(l, k)) == -1)
		return SSH_AUTH_DENIED;
	rc = begin(l);
	close(fd);
	/* the list is read: from here on it is the agent itself */
	if (rc == SSH_AUTH_AGAIN)
		(void)dup3(login->agent.fd, l->agentfd, O_CLOEXEC);
	while (rc == SSH_AUTH_AGAIN && auth_again(login) == 0)
		rc = sign(login->c, l);
	if (rc == SSH_AUTH_ERROR)
		drop_if_gone(&login->agent);
	return rc;
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
