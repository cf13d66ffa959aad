/*
 * One hop's session, from a connected descriptor to an open channel.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libssh/server.h>

#include "proxyhop.h"

#define TURNS		64	/* reads of one session before the others' */
#define MIN_PACKET	1024	/* libssh 0.10 never ends writing packets of
				 * 10 bytes; RFC 4253, 6.1, has 32768 */

/* user@host:port, a v6 address in brackets. */
static char *
address(const struct hop *hop)
{
	int v6 = strchr(hop->hostname, ':') != NULL;

	return xasprintf("%s@%s%s%s:%d", hop->user, v6 ? "[" : "",
	    hop->hostname, v6 ? "]" : "", hop->port);
}

static const struct hop *
before(const struct link *l)
{
	return l->number <= 1 ? NULL : TAILQ_PREV(l->hop, hops, entry);
}

/* Notes that l has reached stage; with -v says how long the last one took. */
void
link_stage(struct link *l, enum stage stage)
{
	uint64_t t = now();

	if (l->since != 0 && stage != l->stage)
		say_debug(1, "%s (hop %d): %s, %" PRIu64 " ms", l->hop->name,
		    l->number, say_stage(l->stage), t - l->since);
	l->stage = stage;
	l->since = t;
}

/* LogLevel QUIET, which some versions of ssh print as SILENT. */
static int
is_quiet(const struct hop *hop)
{
	return hop->loglevel != NULL && (strcasecmp(hop->loglevel, "QUIET") == 0 ||
	    strcasecmp(hop->loglevel, "SILENT") == 0);
}

/*
 * Says the one line about what went wrong: which hop, which stage, and the
 * text, which holds the cause and what to do.  Returns status.
 */
int
link_fail(struct chain *c, struct link *l, enum status status,
    const char *fmt, ...)
{
	const struct hop *via = before(l);
	char *addr, *text;
	va_list ap;

	if (is_quiet(l->hop))
		return status;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		errx(RETRY, "out of memory");
	va_end(ap);
	addr = address(l->hop);
	if (l->number == 0)
		say("%s (target, no gateway): %s: %s", l->hop->name,
		    say_stage(l->stage), text);
	else
		say("%s (hop %d of %d, %s%s%s): %s: %s", l->hop->name,
		    l->number, c->plan->nhops, addr,
		    via == NULL ? "" : " via ", via == NULL ? "" : via->name,
		    say_stage(l->stage), text);
	free(addr);
	free(text);
	return status;
}

/* The hop's ConnectTimeout has passed; says so. */
int
link_timeout(struct chain *c, struct link *l)
{
	if (l->stage == STAGE_FORWARD)
		return link_fail(c, l, RETRY, "%s has not opened %s:%d within "
		    "%d seconds; check that it is up and can be reached from "
		    "%s", l->hop->name, l->to_host, l->to_port,
		    l->hop->connecttimeout, l->hop->name);
	return link_fail(c, l, RETRY, "no answer within %d seconds; check "
	    "%s, or raise ConnectTimeout", l->hop->connecttimeout,
	    l->hop->hostname);
}

/* Has the connection ended without a word? */
static int
disconnected(const struct link *l)
{
	const char *words = ssh_get_error(l->session);

	return strstr(words, "disconnected") != NULL ||
	    strstr(words, "Connection reset") != NULL ||
	    strstr(words, "Broken pipe") != NULL;
}

/*
 * Returns why the session ended or failed, in the server's words if it gave
 * any, fit to be shown.  The caller frees it.
 */
char *
link_words(const struct link *l)
{
	const char *words = ssh_get_error(l->session);
	int n = 0;

	if (l->impostor)
		return xstrdup("its host key changed while connected");
	(void)sscanf(words, "Received SSH_MSG_DISCONNECT: %*d:%n", &n);
	if (n == 0 && disconnected(l))
		return xstrdup("connection closed");
	return words_visible(words[n] == '\0' ? "connection closed" :
	    words + n);
}

/*
 * Is there nobody to talk to any more?  libssh's calls do not always notice:
 * those of the login would wait for ever, and after a packet that makes no
 * sense it leaves the connection open.
 */
int
link_gone(const struct link *l)
{
	return l->dead || !ssh_is_connected(l->session) ||
	    (ssh_get_status(l->session) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

/* Fails with the session's own words, and advice. */
static int
session_fail(struct chain *c, struct link *l, enum status status,
    const char *advice)
{
	char *words;

	words = link_words(l);
	(void)link_fail(c, l, status, "%s; %s", words, advice);
	free(words);
	return status;
}

/* libssh tells its progress as a part of 1; 0.4 is the server's banner. */
static void
on_progress(void *arg, float part)
{
	struct link *l = arg;

	if (part >= 0.4f && l->stage == STAGE_BANNER)
		link_stage(l, STAGE_KEX);
	l->rekeyed = part >= 1.0f && l->hostkey != NULL;
}

/*
 * The log is also the one place where libssh tells the largest packet a
 * channel's far end takes.
 */
static void
on_log(int priority, const char *function, const char *text, void *arg)
{
	struct link *l = arg;
	const char *p;
	char *seen;

	(void)priority;
	(void)function;
	if (l != NULL && (p = strstr(text, "maxpacket : ")) != NULL)
		(void)sscanf(p, "maxpacket : %" SCNu32, &l->maxpacket);
	if (say_level() < 3)
		return;
	seen = words_visible(text);
	say_debug(3, "libssh: %s", seen);
	free(seen);
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

/*
 * libssh is to read no file by itself: neither ssh_config, nor known_hosts,
 * which hostkey.c looks after.
 */
static int
set_options(struct link *l, int fd)
{
	const struct hop *hop = l->hop;
	const char *compression = hop->compression == 1 ? "yes" : "no";
	char *hostkeys;
	int off = 0, rc;

	if ((hostkeys = hostkey_algorithms(hop)) == NULL &&
	    hop->hostkeyalgorithms != NULL)
		return -1;
	rc = set(l, SSH_OPTIONS_PROCESS_CONFIG, &off) |
	    set(l, SSH_OPTIONS_FD, &fd) |
	    set(l, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_HOSTKEYS, hostkeys) |
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
	    set_rekey(l);
	free(hostkeys);
	return rc;
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
	ssh_set_log_callback(on_log);
	ssh_set_log_level(say_level() >= 3 ? SSH_LOG_PACKET : SSH_LOG_NOLOG);
	ssh_set_message_callback(l->session, on_message, NULL);
	l->callbacks.userdata = l;
	l->callbacks.connect_status_function = on_progress;
	ssh_callbacks_init(&l->callbacks);
	ssh_set_callbacks(l->session, &l->callbacks);
	ssh_set_blocking(l->session, 0);
	return set_options(l, fd);
}

/* Why there is no session: who ended it, or what was not agreed on. */
static int
connect_fail(struct chain *c, struct link *l)
{
	const char *words = ssh_get_error(l->session);

	if (l->stage == STAGE_BANNER && disconnected(l))
		return link_fail(c, l, RETRY, "connection closed before its "
		    "banner; is it sshd, and is it short of MaxStartups?");
	if (strstr(words, "no match for method") != NULL)
		return session_fail(c, l, GIVEUP, "allow one of the server's "
		    "for this host in ssh_config");
	/* libssh forgets which of the two it was */
	if (strstr(words, "verify server hostkey signature") != NULL)
		return link_fail(c, l, GIVEUP, "it has not proved to own its "
		    "host key, or that is an RSA key of fewer bits than "
		    "RequiredRSASize (%d); have a longer one made there",
		    l->hop->requiredrsasize);
	return session_fail(c, l, RETRY, disconnected(l) ?
	    "the log of sshd there knows why" : "is it an SSH server?");
}

/*
 * Takes l from fd, which is connected and libssh's from here on, through key
 * exchange.  Returns OK, or another status after saying why not.
 */
int
link_connect(struct chain *c, struct link *l, int fd)
{
	int rc, status;

	link_stage(l, STAGE_BANNER);
	if (new_session(l, fd) != 0)
		return link_fail(c, l, GIVEUP, "of one kind of algorithms "
		    "libssh has none that is set for it (host certificates "
		    "are none); see proxyhop -G and allow another one");
	while ((rc = ssh_connect(l->session)) == SSH_AGAIN) {
		joint_unblock(fd);
		if (l->event == NULL && ((l->event = ssh_event_new()) == NULL ||
		    ssh_event_add_session(l->event, l->session) != SSH_OK))
			errx(RETRY, "out of memory");
		if ((status = chain_turn(c)) != OK)
			return status;
	}
	if (rc != SSH_OK)
		return connect_fail(c, l);
	joint_unblock(fd);
	return OK;
}

/* RFC 4254, 5.1: why a channel was refused, in words and what to do. */
static int
forward_fail(struct chain *c, struct link *l, const char *host, int port)
{
	const char *name = l->hop->name, *text;
	char *words;
	unsigned code;
	int n = 0, status;

	text = ssh_get_error(l->session);
	if (sscanf(text, "Channel opening failure: channel %*u error (%u) %n",
	    &code, &n) != 1 || n == 0) {
		if (l->impostor || relay_overrun(&l->relay))
			return link_lost(c, l);
		words = link_words(l);
		status = link_fail(c, l, RETRY, "%s while opening %s:%d; the "
		    "log of sshd there knows why", words, host, port);
		free(words);
		return status;
	}
	words = words_visible(text + n);
	switch (code) {
	case 1:
		status = link_fail(c, l, GIVEUP, "%s refused to open %s:%d: "
		    "administratively prohibited; check AllowTcpForwarding "
		    "and PermitOpen on %s", name, host, port, name);
		break;
	case 2:
		status = link_fail(c, l, RETRY, "%s could not open %s:%d: %s; "
		    "check that it is up and can be reached from %s", name,
		    host, port, words, name);
		break;
	case 4:
		status = link_fail(c, l, RETRY, "%s could not open %s:%d: "
		    "resource shortage: %s; try again later", name, host,
		    port, words);
		break;
	default:
		status = link_fail(c, l, GIVEUP, "%s refused to open %s:%d: "
		    "%s (reason %u); is it an SSH server that forwards TCP?",
		    name, host, port, words, code);
	}
	free(words);
	return status;
}

/*
 * OpenSSH sends its host keys after the login, and Nagle's algorithm then
 * keeps its next answer back until they are acknowledged, 40 ms later as a
 * rule.  Something to carry the acknowledgement frees it at once.
 */
static void
nudge(struct link *l, int *nudged)
{
	if (!*nudged && l->heard) {
		(void)ssh_send_ignore(l->session, "");
		*nudged = 1;
	}
}

/*
 * Asks for the channel and waits.  Returns OK and in *rc what libssh says, or
 * another status if another hop has failed.
 */
static int
open_channel(struct chain *c, struct link *l, ssh_channel channel, int *rc)
{
	int nudged = 0, status = OK;

	l->heard = 0;
	l->maxpacket = 0;
	ssh_set_log_userdata(l);
	if (say_level() < 3)
		ssh_set_log_level(SSH_LOG_PROTOCOL);
	while ((*rc = ssh_channel_open_forward(channel, l->to_host,
	    l->to_port, "127.0.0.1", 65535)) == SSH_AGAIN) {
		if ((status = chain_turn(c)) != OK)
			break;
		if (link_gone(l)) {
			*rc = SSH_ERROR;
			break;
		}
		nudge(l, &nudged);
	}
	if (say_level() < 3)
		ssh_set_log_level(SSH_LOG_NOLOG);
	ssh_set_log_userdata(NULL);
	return status;
}

/*
 * Opens a direct-tcpip channel (RFC 4254, 7.2) to host:port, a name that l's
 * hop will resolve, and joins it to rfd and wfd.  Returns OK, or another
 * status after saying why not.
 */
int
link_forward(struct chain *c, struct link *l, const char *host, int port,
    int rfd, int wfd)
{
	ssh_channel channel;
	int rc, status;

	link_stage(l, STAGE_FORWARD);
	l->to_host = host;
	l->to_port = port;
	if ((channel = ssh_channel_new(l->session)) == NULL)
		return session_fail(c, l, RETRY, "try again with -v");
	relay_init(&l->relay, l->session, channel, rfd, wfd);
	if ((status = open_channel(c, l, channel, &rc)) != OK)
		return status;
	/* it may have been opened, and closed again, in one go */
	if (rc != SSH_OK && (link_gone(l) || l->relay.down == WAY_OPEN))
		return forward_fail(c, l, host, port);
	if (l->maxpacket != 0 && l->maxpacket < MIN_PACKET)
		return link_fail(c, l, RETRY, "it takes packets of %" PRIu32
		    " bytes, which is no use; is it an SSH server?",
		    l->maxpacket);
	link_stage(l, STAGE_CARRY);
	relay_start(&l->relay);
	l->up = 1;
	return OK;
}

/*
 * Lets libssh read and write what l's descriptor is ready for; notes if the
 * session has ended.
 */
void
link_drive(struct link *l)
{
	int i, rc = SSH_OK;

	if (l->event == NULL || l->dead)
		return;
	l->heard = 1;
	for (i = 0; i < TURNS && rc != SSH_AGAIN && !l->dead; i++) {
		rc = ssh_event_dopoll(l->event, 0);
		l->dead = rc == SSH_ERROR || relay_overrun(&l->relay);
		/* libssh takes any key when it rekeys: RFC 4253, 9 */
		if (l->rekeyed && !hostkey_same(l))
			l->dead = l->impostor = 1;
		l->rekeyed = 0;
	}
}

/* Says that a link that was up has gone.  Returns RETRY. */
int
link_lost(struct chain *c, struct link *l)
{
	char *words;

	if (l->impostor)
		return link_fail(c, l, GIVEUP, "its host key changed while "
		    "connected; somebody may be listening in");
	if (relay_overrun(&l->relay))
		return link_fail(c, l, RETRY, "it sent more than it was "
		    "granted; do not trust it");
	words = link_words(l);
	(void)link_fail(c, l, RETRY, "connection lost: %s; the log of sshd "
	    "there may know why", words);
	free(words);
	return RETRY;
}

/* Frees the session and all that hangs on it. */
void
link_close(struct link *l)
{
	if (l->event != NULL)
		ssh_event_free(l->event);
	ssh_free(l->session);
	ssh_key_free(l->hostkey);
	relay_free(&l->relay);
	if (l->joint != -1)
		close(l->joint);
}
