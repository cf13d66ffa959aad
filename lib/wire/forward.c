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
	struct channel *ch = &l->wire->channel;

	if (ch->errlen == 0)
		return;
	ch->errline[ch->errlen] = '\0';
	ch->errlen = 0;
	free(ch->complaint);
	ch->complaint = str_quote(ch->errline);
	if (say_level() >= 1 && link_may_show(l))
		link_tell(l, 1, "it says \"%s\"", ch->complaint);
}

static void
on_complaint(void *arg, const char *data, size_t len)
{
	struct link *l = arg;
	struct channel *ch = &l->wire->channel;
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			end_complaint(l);
		else if (ch->errlen < sizeof(ch->errline) - 1)
			ch->errline[ch->errlen++] = data[i];
}

/*
 * Returns the last line that l's ForwardCommand has said on its stderr,
 * printable, or NULL.
 */
const char *
forward_complaint(struct link *l)
{
	end_complaint(l);
	return l->wire->channel.complaint;
}

/* What is carried through a command may be its own text, and no connection. */
static void
on_carried(void *arg, int far, const char *data, size_t len)
{
	struct wire *w = ((struct link *)arg)->wire;

	opening_look(w->channel.opening, far, data, len);
	if (opening_told(w->channel.opening))
		w->relay.look = NULL;
}

/*
 * Returns what has come through l's ForwardCommand first, if that is no SSH,
 * printable, or NULL.
 */
const char *
forward_text(struct link *l)
{
	struct opening *o = l->wire->channel.opening;

	return o == NULL ? NULL : opening_text(o);
}

/*
 * Does our end speak SSH?  If it was not read from, since the far end had closed
 * already, that is done now.
 */
int
forward_is_ssh(struct link *l)
{
	struct opening *o = l->wire->channel.opening;
	struct pollfd pfd = { l->wire->relay.rfd, POLLIN, 0 };
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
	ssh_channel channel = l->wire->relay.channel;
	int rc;

	if (l->forward.command == NULL)
		return ssh_channel_open_forward(channel, l->forward.host,
		    l->forward.port, "127.0.0.1", 65535);
	if (!l->wire->channel.session_open) {
		if ((rc = ssh_channel_open_session(channel)) != SSH_OK)
			return rc;
		l->wire->channel.session_open = 1;
	}
	return ssh_channel_request_exec(channel, l->forward.command);
}

/* Waits for the channel to be opened, or refused. */
static int
await_channel(struct chain *c, struct link *l, int *rc)
{
	const struct relay *r = &l->wire->relay;
	uint64_t bytes = link_received(l);
	int nudged = 0, status;

	while ((*rc = r->breach != NULL ? SSH_ERROR : request(l)) ==
	    SSH_AGAIN) {
		if (link_gone(l) || r->closed) {
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
	struct relay *r = &l->wire->relay;
	ssh_channel channel;

	if ((channel = ssh_channel_new(l->session)) == NULL)
		return -1;
	relay_init(r, l->session, channel, rfd, wfd);
	r->packets = &l->wire->traffic.packets;
	r->complain = on_complaint;
	r->arg = l;
	return 0;
}

/* The channel is open: what there is to tell of it, and its first window. */
static void
begin(struct link *l, uint64_t rtt)
{
	const struct forward *f = &l->forward;
	struct wire *w = l->wire;

	if (f->command != NULL)
		link_note(l, "ForwardCommand %s", f->command);
	else
		link_note(l, "%s:%d", f->host, f->port);
	link_tell(l, 2, "%s:%d: window %" PRIu32 ", packets of %" PRIu32,
	    f->host, f->port, ssh_channel_window_size(w->relay.channel),
	    w->logged.maxpacket);
	link_stage(l, STAGE_CARRY);
	relay_start(&w->relay, rtt);
	w->up = 1;
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
	struct channel *ch = &l->wire->channel;
	struct relay *r = &l->wire->relay;
	uint32_t maxpacket;
	uint64_t asked = now();
	int rc, status;

	link_stage(l, STAGE_FORWARD);
	l->forward.host = host;
	l->forward.port = port;
	if (prepare(l, rfd, wfd) == -1)
		return failure_note(c, l, FAIL_FORWARD);
	l->forward.command = tokens_forward(l->hop, host, port);
	if (l->forward.command != NULL && ch->joint == -1) {
		ch->opening = opening_new();
		r->look = on_carried;
	}
	if ((status = open_channel(c, l, &rc)) != OK)
		return status;
	/* it may have been opened, and closed again, in one go */
	if (r->breach != NULL || (rc != SSH_OK && (link_gone(l) ||
	    l->forward.command != NULL || r->down == FLOW_OPEN)))
		return failure_note(c, l, FAIL_FORWARD);
	maxpacket = l->wire->logged.maxpacket;
	if (maxpacket != 0 && maxpacket < MIN_PACKET)
		return fail(c, l, RETRY, "it takes packets of %" PRIu32
		    " bytes, which is no use; is it an SSH server?",
		    maxpacket);
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
	int *joint = &l->wire->channel.joint, status;

	joint_open(joint, fd);
	status = forward_open(c, l, host, port, *joint, *joint);
	if (status != OK)
		close(*fd);
	return status;
}

/*
 * As forward_joint(), but for a program that would take a socket for its own
 * connection: fds[0] is to be read from, fds[1] to be written to.
 */
int
forward_pipes(struct chain *c, struct link *l, const char *host, int port,
    int fds[2])
{
	struct channel *ch = &l->wire->channel;
	int status;

	joint_pipe(&fds[0], &ch->pipe);
	joint_pipe(&ch->joint, &fds[1]);
	status = forward_open(c, l, host, port, ch->joint, ch->pipe);
	if (status != OK) {
		close(fds[0]);
		close(fds[1]);
	}
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
	struct channel *ch = &l->wire->channel;

	relay_free(&l->wire->relay);
	free(l->forward.command);
	free(ch->complaint);
	opening_free(ch->opening);
	if (ch->joint != -1)
		close(ch->joint);
	if (ch->pipe != -1)
		close(ch->pipe);
}

/*
 * Takes back l's channel, whether it was opened or not, so that another one
 * can be asked for.
 */
void
forward_withdraw(struct link *l)
{
	struct wire *w = l->wire;

	/* libssh keeps it until the server has closed it, too */
	if (w->relay.channel != NULL) {
		ssh_remove_channel_callbacks(w->relay.channel,
		    &w->relay.callbacks);
		ssh_add_channel_callbacks(w->relay.channel, &given_up);
		ssh_channel_free(w->relay.channel);
	}
	forget(l);
	memset(&w->relay, 0, sizeof(w->relay));
	memset(&w->channel, 0, sizeof(w->channel));
	memset(&l->forward, 0, sizeof(l->forward));
	w->channel.joint = w->channel.pipe = -1;
	w->up = 0;
	l->since = 0;
}

/* Frees what was for l's channel, after session_drop(). */
void
forward_drop(struct link *l)
{
	if (l->wire->up)
		link_tell(l, 2, "granted %zu bytes at a time to the end",
		    l->wire->relay.window);
	forget(l);
}

/* Has the far end closed and all of it been written, or does nobody read it? */
int
forward_done(const struct link *l)
{
	return relay_done(&l->wire->relay);
}

/* Has anything come through l's channel? */
int
forward_used(const struct link *l)
{
	return l->wire->relay.any;
}

/* Will no more come through it? */
int
forward_ended(const struct link *l)
{
	return l->wire->relay.down != FLOW_OPEN;
}

/* Has the server closed it? */
int
forward_closed(const struct link *l)
{
	return l->wire->relay.closed;
}

/* Returns the exit status of l's ForwardCommand, or EXIT_*. */
int
forward_exit(const struct link *l)
{
	return l->wire->relay.exit;
}

/* Returns the errno of what its bytes are written to, or 0. */
int
forward_error(const struct link *l)
{
	return l->wire->relay.gone;
}
