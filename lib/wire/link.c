/*
 * One hop's session, from a connected descriptor to an open channel.
 */

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libssh/server.h>

#include "chain/chain.h"

#define TURNS		16	/* reads of one session before the others' */
#define REST		2	/* ms between them while a reader is late */
#define AHEAD		(128 * 1024)	/* bytes read for it without a rest */
#define MAX_UNREAD	(6 * 1024 * 1024)	/* bytes not written, see below */
#define MIN_PACKET	1024	/* libssh 0.10 never ends writing packets of
				 * 10 bytes; RFC 4253, 6.1, has 32768 */

/* How long the stage that l is in has taken, and what came of it. */
static void
end_stage(struct link *l, uint64_t t)
{
	char hop[sizeof("hop 2147483647")] = "target";

	if (l->number > 0)
		snprintf(hop, sizeof(hop), "hop %d", l->number);
	say_debug(1, "%s (%s): %s, %" PRIu64 " ms, %" PRIu64 " ms in all%s%s",
	    l->hop->name, hop, say_stage(l->stage), t - l->since,
	    t - say_began(), l->note == NULL ? "" : ": ",
	    l->note == NULL ? "" : l->note);
	if (l->observer != NULL)
		l->observer->stage(l->observer->arg, l, t);
	free(l->note);
	l->note = NULL;
}

/*
 * Notes that l has reached stage; with -v says how long the last one took,
 * and what came of it.
 */
void
link_stage(struct link *l, enum stage stage)
{
	uint64_t t = now();

	if (l->since != 0 && stage != l->stage)
		end_stage(l, t);
	l->stage = stage;
	l->since = t;
}

/* A try of l is over, for this cause; its stages begin anew. */
void
link_over(struct link *l, const char *cause)
{
	link_note(l, "%s", cause);
	end_stage(l, now());
	l->since = 0;
}

/* Notes what has come of the stage that l is in. */
void
link_note(struct link *l, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	free(l->note);
	l->note = str_visible(text);
	free(text);
}

/*
 * Is there nobody to talk to any more?  libssh's calls do not always notice:
 * those of the login would wait for ever, and after a packet that makes no
 * sense it leaves the connection open.
 */
int
link_gone(const struct link *l)
{
	return l->dead || l->relay.breach != NULL ||
	    !ssh_is_connected(l->session) || (ssh_get_status(l->session) &
	    (SSH_CLOSED | SSH_CLOSED_ERROR));
}

/*
 * Returns the address that fd is connected to, in numbers, or NULL.  The caller
 * frees it.
 */
char *
link_peer(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST];

	if (getpeername(fd, (struct sockaddr *)&ss, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), NULL,
	    0, NI_NUMERICHOST) != 0)
		return NULL;
	return xstrdup(host);
}

/* What the server says it is. */
static void
note_banner(struct link *l)
{
	const char *banner = ssh_get_serverbanner(l->session);

	if (banner != NULL)
		link_note(l, "%s", banner);
}

/* What was agreed on (RFC 4253, 7.1). */
static void
note_algorithms(struct link *l)
{
	const char *kex = ssh_get_kex_algo(l->session);
	const char *in = ssh_get_cipher_in(l->session);
	const char *out = ssh_get_cipher_out(l->session);

	if (kex == NULL || in == NULL || out == NULL)
		return;
	link_note(l, "%s, %s", kex, out);
	say_debug(2, "%s (hop %d): kex %s; out %s %s; in %s %s", l->hop->name,
	    l->number, kex, out, ssh_get_hmac_out(l->session), in,
	    ssh_get_hmac_in(l->session));
}

/* libssh tells its progress as a part of 1; 0.4 is the server's banner. */
static void
on_progress(void *arg, float part)
{
	struct link *l = arg;

	if (part >= 0.4f && l->stage == STAGE_BANNER) {
		note_banner(l);
		link_stage(l, STAGE_KEX);
	}
	l->rekeyed = part >= 1.0f && l->hostkey != NULL;
}

static int
set(struct link *l, enum ssh_options_e option, const void *value)
{
	return value == NULL ? 0 : ssh_options_set(l->session, option, value);
}

static int
set_rekey(struct link *l)
{
	uint64_t bytes;
	uint32_t seconds;

	if (l->hop->rekeylimit == NULL || sscanf(l->hop->rekeylimit,
	    "%" SCNu64 " %" SCNu32, &bytes, &seconds) != 2)
		return 0;
	return (bytes == 0 ? 0 : set(l, SSH_OPTIONS_REKEY_DATA, &bytes)) |
	    (seconds == 0 ? 0 : set(l, SSH_OPTIONS_REKEY_TIME, &seconds));
}

static int
set_hostkeys(struct link *l)
{
	char *list = hostkey_algorithms(l);
	int rc = -1;

	if (list != NULL || l->hop->hostkeyalgorithms == NULL)
		rc = set(l, SSH_OPTIONS_HOSTKEYS, list);
	free(list);
	return rc;
}

/*
 * libssh is to read no file by itself: neither ssh_config, nor known_hosts,
 * which hostkey.c looks after.
 */
static int
set_options(struct link *l, int fd)
{
	const struct hop *hop = l->hop;
	const char *compression = hop->compression == 1 ? "yes" : "no";
	int off = 0;

	return set(l, SSH_OPTIONS_PROCESS_CONFIG, &off) |
	    set(l, SSH_OPTIONS_FD, &fd) |
	    set(l, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_KEY_EXCHANGE, hop->kexalgorithms) |
	    set(l, SSH_OPTIONS_CIPHERS_C_S, hop->ciphers) |
	    set(l, SSH_OPTIONS_CIPHERS_S_C, hop->ciphers) |
	    set(l, SSH_OPTIONS_HMAC_C_S, hop->macs) |
	    set(l, SSH_OPTIONS_HMAC_S_C, hop->macs) |
	    set(l, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
	    hop->pubkeyacceptedalgorithms) |
	    set(l, SSH_OPTIONS_COMPRESSION, compression) |
	    set(l, SSH_OPTIONS_RSA_MIN_SIZE, hop->requiredrsasize > 0 ?
	    &hop->requiredrsasize : NULL) |
	    set_hostkeys(l) | set_rekey(l);
}

/* What a server may ask of a client we refuse; libssh would keep it all. */
static int
on_message(ssh_session session, ssh_message message, void *arg)
{
	(void)session;
	(void)message;
	(void)arg;
	return 1;	/* answered with a refusal, and freed */
}

static int
new_session(struct link *l, int fd)
{
	if ((l->session = ssh_new()) == NULL)
		errx(RETRY, "out of memory");
	libssh_log();
	ssh_set_message_callback(l->session, on_message, NULL);
	l->callbacks.userdata = l;
	l->callbacks.connect_status_function = on_progress;
	ssh_callbacks_init(&l->callbacks);
	ssh_set_callbacks(l->session, &l->callbacks);
	ssh_set_counters(l->session, &l->counter, &l->packets);
	ssh_set_blocking(l->session, 0);
	return set_options(l, fd);
}

/* Our banner is sent: what can be done until the server's has come. */
static int
prepare(struct chain *c, struct link *l)
{
	int status;

	/* the session rests until its algorithms are in their order */
	if ((status = hostkey_read(c, l)) != OK)
		return status;
	if ((l->event = ssh_event_new()) == NULL ||
	    ssh_event_add_session(l->event, l->session) != SSH_OK)
		errx(RETRY, "out of memory");
	(void)set_hostkeys(l);	/* the same, in a better order */
	return OK;
}

/*
 * Takes l from fd, which is connected and libssh's from here on, through key
 * exchange.  Returns OK, or another status after noting why not.
 */
int
link_connect(struct chain *c, struct link *l, int fd)
{
	int rc = SSH_AGAIN, status = OK;

	link_stage(l, STAGE_BANNER);
	if (new_session(l, fd) != 0)
		return fail(c, l, GIVEUP, "of one kind of algorithms "
		    "libssh has none that is set for it (host certificates "
		    "are none); see proxyhop -G and allow another one");
	libssh_overhear(l);
	while (status == OK && (rc = l->relay.breach != NULL ? SSH_ERROR :
	    ssh_connect(l->session)) == SSH_AGAIN) {
		joint_unblock(fd);
		if (l->event == NULL && (status = prepare(c, l)) != OK)
			break;
		status = chain_turn(c);
	}
	if (status != OK)
		return status;
	if (rc != SSH_OK)
		return failure_note(c, l, FAIL_SESSION);
	joint_unblock(fd);
	note_algorithms(l);
	return OK;
}

/*
 * OpenSSH sends its host keys after the login, and Nagle's algorithm then
 * keeps its next answer back until they are acknowledged, 40 ms later as a
 * rule.  Something to carry the acknowledgement frees it at once.
 */
static int
nudge(struct link *l, uint64_t bytes, int *nudged)
{
	if (*nudged || l->counter.in_bytes == bytes)
		return 0;
	(void)ssh_send_ignore(l->session, "");
	return *nudged = 1;
}

/* A line of what a command says on its stderr is there; the last is kept. */
static void
end_complaint(struct link *l)
{
	if (l->errlen == 0)
		return;
	l->errline[l->errlen] = '\0';
	l->errlen = 0;
	free(l->complaint);
	l->complaint = str_quote(l->errline);
	say_debug(1, "%s (hop %d): %s", l->hop->name, l->number, l->complaint);
}

static void
on_complaint(void *arg, const char *data, size_t len)
{
	struct link *l = arg;
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			end_complaint(l);
		else if (l->errlen < sizeof(l->errline) - 1)
			l->errline[l->errlen++] = data[i];
}

/*
 * Returns the last line that l's ForwardCommand has said on its stderr, fit
 * to be shown, or NULL.
 */
const char *
link_complaint(struct link *l)
{
	end_complaint(l);
	return l->complaint;
}

/* Asks for direct-tcpip, or for a session (RFC 4254, 6) and the command. */
static int
request(struct link *l)
{
	ssh_channel channel = l->relay.channel;
	int rc;

	if (l->command == NULL)
		return ssh_channel_open_forward(channel, l->to_host,
		    l->to_port, "127.0.0.1", 65535);
	if (!l->session_open) {
		if ((rc = ssh_channel_open_session(channel)) != SSH_OK)
			return rc;
		l->session_open = 1;
	}
	return ssh_channel_request_exec(channel, l->command);
}

/* What becomes of the channel while libssh speaks its mind in its log. */
static int
await_channel(struct chain *c, struct link *l, int *rc)
{
	uint64_t bytes = l->counter.in_bytes;
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

	l->maxpacket = 0;
	libssh_overhear(l);
	status = await_channel(c, l, rc);
	libssh_overhear(NULL);
	return status;
}

/*
 * Opens a channel to host:port, a name that l's hop will resolve, and joins it
 * to rfd and wfd: direct-tcpip (RFC 4254, 7.2), or a ForwardCommand.  Returns
 * OK, or another status after noting why not.
 */
int
link_forward(struct chain *c, struct link *l, const char *host, int port,
    int rfd, int wfd)
{
	uint64_t asked = now();
	ssh_channel channel;
	int rc, status;

	link_stage(l, STAGE_FORWARD);
	l->to_host = host;
	l->to_port = port;
	if ((channel = ssh_channel_new(l->session)) == NULL)
		return failure_note(c, l, FAIL_FORWARD);
	relay_init(&l->relay, l->session, channel, rfd, wfd);
	l->relay.complain = on_complaint;
	l->relay.arg = l;
	l->command = tokens_forward(l->hop, host, port);
	if ((status = open_channel(c, l, &rc)) != OK)
		return status;
	/* it may have been opened, and closed again, in one go */
	if (l->relay.breach != NULL || (rc != SSH_OK && (link_gone(l) ||
	    l->command != NULL || l->relay.down == FLOW_OPEN)))
		return failure_note(c, l, FAIL_FORWARD);
	if (l->maxpacket != 0 && l->maxpacket < MIN_PACKET)
		return fail(c, l, RETRY, "it takes packets of %" PRIu32
		    " bytes, which is no use; is it an SSH server?",
		    l->maxpacket);
	if (l->command != NULL)
		link_note(l, "ForwardCommand %s", l->command);
	else
		link_note(l, "%s:%d", host, port);
	say_debug(2, "%s (hop %d): %s:%d: window %" PRIu32 ", packets of %"
	    PRIu32, l->hop->name, l->number, host, port,
	    ssh_channel_window_size(channel), l->maxpacket);
	link_stage(l, STAGE_CARRY);
	relay_start(&l->relay, now() - asked);
	l->up = 1;
	return OK;
}

/*
 * While the reader of what l carries is late, its session rests between reads:
 * what is to come then waits in the kernel's buffers, and not in ours.  The
 * rest is short, since window adjusts, rekeying and EOF have to get through
 * whatever the reader does.  Returns until when, or 0 if not at the time t (both
 * milliseconds as of now()).
 */
uint64_t
link_rest(const struct link *l, uint64_t t)
{
	/* a joint holds enough by itself */
	size_t ahead = l->joint == -1 ? AHEAD : 0;

	return relay_kept(&l->relay) > ahead && t < l->driven + REST ?
	    l->driven + REST : 0;
}

/*
 * For a gateway sshd leaves Nagle's algorithm on (RFC 896): what little it has
 * to send next waits until we have acknowledged the last, and a kernel takes
 * up to 40 ms for that, unless it is told each time.
 */
static void
acknowledge(const struct link *l)
{
	int on = 1;

	(void)setsockopt(ssh_get_fd(l->session), IPPROTO_TCP, TCP_QUICKACK,
	    &on, sizeof(on));
}

/*
 * How many bytes of packets libssh has made for l that it has not written yet,
 * more or less: what is left of the difference between the two since there
 * were none.  A packet is 16 bytes more than what is in it, at the least.
 */
static int64_t
unwritten(struct link *l)
{
	int64_t ahead = (int64_t)(l->packets.out_bytes +
	    16 * l->packets.out_packets - l->counter.out_bytes);

	if (!(ssh_get_status(l->session) & SSH_WRITE_PENDING))
		l->ahead = ahead;
	return ahead - l->ahead;
}

/*
 * Requests, channels and messages that nobody knows have to be answered (RFC
 * 4253, 11.4; RFC 4254, 4 and 5), and libssh keeps the answers for as long as
 * the server does not read: a server that asks on, and reads none, is dropped.
 * We ourselves add nothing while something is not written, but what libssh has
 * put by while it rekeyed is there all at once: three times OpenSSH's window.
 */
static void
judge_answers(struct link *l)
{
	if (unwritten(l) > MAX_UNREAD && l->relay.breach == NULL)
		l->relay.breach = "requests without end, and reads none of "
		    "the answers";
}

/*
 * Lets libssh read and write what l's descriptor is ready for; notes if the
 * session has ended.
 */
void
link_drive(struct link *l)
{
	struct link *logged;
	int i, rc = SSH_OK;

	if (l->event == NULL || l->dead || l->relay.breach != NULL)
		return;
	logged = libssh_log_of(l);
	for (i = 0; i < TURNS && rc != SSH_AGAIN && !l->dead; i++) {
		rc = ssh_event_dopoll(l->event, 0);
		judge_answers(l);
		l->dead = rc == SSH_ERROR || l->relay.breach != NULL;
		/* libssh takes any key when it rekeys: RFC 4253, 9 */
		if (l->rekeyed && !hostkey_same(l))
			l->dead = l->impostor = 1;
		l->rekeyed = 0;
	}
	(void)libssh_log_of(logged);
	l->driven = now();
	if (l->number == 1 && rc == SSH_AGAIN)
		acknowledge(l);
}

/* relay_step() for l's channel; libssh reads the session there, too. */
void
link_step(struct link *l, const struct pollfd *pfd)
{
	struct link *logged = libssh_log_of(l);

	(void)unwritten(l);	/* the relay only adds when there is nothing */
	relay_step(&l->relay, pfd);
	(void)libssh_log_of(logged);
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
free_forward(struct link *l)
{
	relay_free(&l->relay);
	free(l->command);
	free(l->complaint);
	if (l->joint != -1)
		close(l->joint);
}

/*
 * Takes back l's channel, whether it was opened or not, so that another one
 * can be asked for.
 */
void
link_unforward(struct link *l)
{
	/* libssh keeps it until the server has closed it, too */
	if (l->relay.channel != NULL) {
		ssh_remove_channel_callbacks(l->relay.channel,
		    &l->relay.callbacks);
		ssh_add_channel_callbacks(l->relay.channel, &given_up);
		ssh_channel_free(l->relay.channel);
	}
	free_forward(l);
	memset(&l->relay, 0, sizeof(l->relay));
	l->command = l->complaint = NULL;
	l->errlen = 0;
	l->session_open = 0;
	l->joint = -1;
	l->up = 0;
	l->since = 0;
}

/* Ends the session, so that another one can begin in its place. */
void
link_drop(struct link *l)
{
	if (l->event != NULL)
		ssh_event_free(l->event);
	l->event = NULL;
	ssh_free(l->session);
	l->session = NULL;
	l->dead = 0;
	free(l->greeting);
	free(l->reason);
	l->greeting = l->reason = NULL;
	hostkey_forget(l);
	ssh_key_free(l->hostkey);
	l->hostkey = NULL;
}

/* Frees the session and all that hangs on it. */
void
link_close(struct link *l)
{
	if (l->up)
		say_debug(2, "%s (hop %d): granted %zu bytes at a time to the "
		    "end", l->hop->name, l->number, l->relay.window);
	link_drop(l);
	free_forward(l);
	free(l->note);
}
