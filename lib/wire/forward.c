/*
 * The channel that a hop opens for us, to the next hop or to the target:
 * direct-tcpip (RFC 4254, 7.2), or a session that runs its ForwardCommand.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/local.h"

#define MIN_PACKET	1024	/* libssh 0.10 never ends writing packets of
				 * 10 bytes; RFC 4253, 6.1, has 32768 */

/*
 * OpenSSH sends its host keys after the login, and Nagle's algorithm then
 * keeps its next answer back until they are acknowledged, 40 ms later as a
 * rule.  Something to carry the acknowledgement frees it at once.
 */
static int
nudge(struct link *l, uint64_t bytes, int *nudged)
{
	if (*nudged || link_received(l) == bytes)
		return 0;
	(void)ssh_send_ignore(l->session, "");
	return *nudged = 1;
}

/* A line of what a command says on its stderr is there; the last is kept. */
static void
end_complaint(struct link *l)
{
	if (l->forward.errlen == 0)
		return;
	l->forward.errline[l->forward.errlen] = '\0';
	l->forward.errlen = 0;
	free(l->forward.complaint);
	l->forward.complaint = str_quote(l->forward.errline);
	if (say_level() >= 1 && link_may_show(l))
		link_tell(l, 1, "it says \"%s\"", l->forward.complaint);
}

static void
on_complaint(void *arg, const char *data, size_t len)
{
	struct link *l = arg;
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			end_complaint(l);
		else if (l->forward.errlen < sizeof(l->forward.errline) - 1)
			l->forward.errline[l->forward.errlen++] = data[i];
}

/*
 * Returns the last line that l's ForwardCommand has said on its stderr,
 * printable, or NULL.
 */
const char *
forward_complaint(struct link *l)
{
	end_complaint(l);
	return l->forward.complaint;
}

/* What is carried through a command may be its own text, and no connection. */
static void
on_carried(void *arg, int far, const char *data, size_t len)
{
	struct link *l = arg;

	opening_look(l->forward.opening, far, data, len);
	if (opening_told(l->forward.opening))
		l->relay.look = NULL;
}

/*
 * Returns what has come through l's ForwardCommand first, if that is no SSH,
 * printable, or NULL.
 */
const char *
forward_text(struct link *l)
{
	return l->forward.opening == NULL ? NULL :
	    opening_text(l->forward.opening);
}

/*
 * Does our end speak SSH?  If it was not read from, since the far end had closed
 * already, that is done now.
 */
int
forward_is_ssh(struct link *l)
{
	struct opening *o = l->forward.opening;
	struct pollfd pfd = { l->relay.rfd, POLLIN, 0 };
	char data[sizeof("SSH-")];
	ssize_t n = 0;

	if (o == NULL)
		return 0;
	if (opening_wants(o) > 0 && poll(&pfd, 1, 0) == 1)
		n = read(pfd.fd, data, opening_wants(o));
	if (n > 0)
		opening_look(o, 0, data, n);
	return opening_is_ssh(o);
}

/* Asks for direct-tcpip, or for a session (RFC 4254, 6) and the command. */
static int
request(struct link *l)
{
	ssh_channel channel = l->relay.channel;
	int rc;

	if (l->forward.command == NULL)
		return ssh_channel_open_forward(channel, l->forward.host,
		    l->forward.port, "127.0.0.1", 65535);
	if (!l->forward.session_open) {
		if ((rc = ssh_channel_open_session(channel)) != SSH_OK)
			return rc;
		l->forward.session_open = 1;
	}
	return ssh_channel_request_exec(channel, l->forward.command);
}

/* Waits for the channel to be opened, or refused. */
static int
await_channel(struct chain *c, struct link *l, int *rc)
{
	uint64_t bytes = link_received(l);
	int nudged = 0, status;

	while ((*rc = l->relay.breach != NULL ? SSH_ERROR : request(l)) ==
	    SSH_AGAIN) {
		if (link_gone(l) || l->relay.closed) {
			*rc = SSH_ERROR;
			break;
		}
		if (nudge(l, bytes, &nudged))
			continue;	/* it may have read the answer */
		if ((status = chain_turn(c)) != OK)
			return status;
	}
	return OK;
}

/*
 * Asks for the channel and waits.  Returns OK and in *rc what libssh says, or
 * another status if another hop has failed.
 */
static int
open_channel(struct chain *c, struct link *l, int *rc)
{
	int status;

	libssh_overhear(l);
	status = await_channel(c, l, rc);
	libssh_overhear(NULL);
	return status;
}

/* Makes the channel, whose bytes are to come from rfd and go to wfd. */
static int
prepare(struct link *l, int rfd, int wfd)
{
	ssh_channel channel;

	if ((channel = ssh_channel_new(l->session)) == NULL)
		return -1;
	relay_init(&l->relay, l->session, channel, rfd, wfd);
	l->relay.packets = &l->traffic.packets;
	l->relay.complain = on_complaint;
	l->relay.arg = l;
	return 0;
}

/* The channel is open: what there is to tell of it, and its first window. */
static void
begin(struct link *l, uint64_t rtt)
{
	const struct forward *f = &l->forward;

	if (f->command != NULL)
		link_note(l, "ForwardCommand %s", f->command);
	else
		link_note(l, "%s:%d", f->host, f->port);
	link_tell(l, 2, "%s:%d: window %" PRIu32 ", packets of %" PRIu32,
	    f->host, f->port, ssh_channel_window_size(l->relay.channel),
	    l->logged.maxpacket);
	link_stage(l, STAGE_CARRY);
	relay_start(&l->relay, rtt);
	l->up = 1;
}

/*
 * Opens a channel to host:port, a name that l's hop will resolve, and joins it
 * to rfd and wfd, which stay the caller's.  Returns OK, or another status
 * after noting why not.
 */
int
forward_open(struct chain *c, struct link *l, const char *host, int port,
    int rfd, int wfd)
{
	uint64_t asked = now();
	int rc, status;

	link_stage(l, STAGE_FORWARD);
	l->forward.host = host;
	l->forward.port = port;
	if (prepare(l, rfd, wfd) == -1)
		return failure_note(c, l, FAIL_FORWARD);
	l->forward.command = tokens_forward(l->hop, host, port);
	if (l->forward.command != NULL && l->forward.joint == -1) {
		l->forward.opening = opening_new();
		l->relay.look = on_carried;
	}
	if ((status = open_channel(c, l, &rc)) != OK)
		return status;
	/* it may have been opened, and closed again, in one go */
	if (l->relay.breach != NULL || (rc != SSH_OK && (link_gone(l) ||
	    l->forward.command != NULL || l->relay.down == FLOW_OPEN)))
		return failure_note(c, l, FAIL_FORWARD);
	if (l->logged.maxpacket != 0 && l->logged.maxpacket < MIN_PACKET)
		return fail(c, l, RETRY, "it takes packets of %" PRIu32
		    " bytes, which is no use; is it an SSH server?",
		    l->logged.maxpacket);
	begin(l, now() - asked);
	return OK;
}

/*
 * As forward_open(), but leaves in *fd, which the caller owns, a descriptor
 * that leads to host:port.
 */
int
forward_joint(struct chain *c, struct link *l, const char *host, int port,
    int *fd)
{
	int status;

	joint_open(&l->forward.joint, fd);
	status = forward_open(c, l, host, port, l->forward.joint,
	    l->forward.joint);
	if (status != OK)
		close(*fd);
	return status;
}

/* What comes for a channel that was given up: nothing is kept. */
static int
on_late_data(ssh_session session, ssh_channel channel, void *data,
    uint32_t len, int is_stderr, void *arg)
{
	(void)session;
	(void)channel;
	(void)data;
	(void)is_stderr;
	(void)arg;
	return len;
}

static struct ssh_channel_callbacks_struct given_up = {
	.size = sizeof(given_up),
	.channel_data_function = on_late_data
};

/* Frees what was for l's channel; that itself is its session's. */
static void
forget(struct link *l)
{
	relay_free(&l->relay);
	free(l->forward.command);
	free(l->forward.complaint);
	opening_free(l->forward.opening);
	if (l->forward.joint != -1)
		close(l->forward.joint);
}

/*
 * Takes back l's channel, whether it was opened or not, so that another one
 * can be asked for.
 */
void
forward_withdraw(struct link *l)
{
	/* libssh keeps it until the server has closed it, too */
	if (l->relay.channel != NULL) {
		ssh_remove_channel_callbacks(l->relay.channel,
		    &l->relay.callbacks);
		ssh_add_channel_callbacks(l->relay.channel, &given_up);
		ssh_channel_free(l->relay.channel);
	}
	forget(l);
	memset(&l->relay, 0, sizeof(l->relay));
	memset(&l->forward, 0, sizeof(l->forward));
	l->forward.joint = -1;
	l->up = 0;
	l->since = 0;
}

/* Frees what was for l's channel, after session_drop(). */
void
forward_drop(struct link *l)
{
	if (l->up)
		link_tell(l, 2, "granted %zu bytes at a time to the end",
		    l->relay.window);
	forget(l);
}
