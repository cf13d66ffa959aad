/*
 * What libssh tells only in its log, or in the text of an error.  All that is
 * believed of either stands here.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

/*
 * What libssh says in words that are about libssh, and what it means.  A
 * finding is its own; reading on, it may forget that, and say instead that the
 * connection has failed with success.
 */
static const struct phrase {
	const char	*inside, *meaning;
	int		 finding;
} phrases[] = {
	{ "SSH_MSG_DISCONNECT: ", NULL, 1 },	/* its own words */
	{ "no match for method", "no algorithm in common", 1 },
	{ "No version of SSH protocol", "it speaks no SSH 2", 1 },
	{ "too large banner", "it sends what is no SSH banner", 1 },
	{ "Packet len too high", "it sent what is no SSH packet", 1 },
	{ "callback_receive_banner", "it sends what is no SSH banner", 0 },
	{ "read_packet()", "it sent what is no SSH packet", 0 },
	{ "HMAC error", "a packet from it was not intact", 0 },
	{ "Decryption error", "a packet from it was not intact", 0 },
	{ "decrypt", "a packet from it was not intact", 0 },
	{ "Connection reset", "connection reset", 0 },
	{ "Broken pipe", "connection reset", 0 },
	{ "disconnected", "connection closed", 0 },
	{ "Success", "connection closed", 0 },
	{ NULL, NULL, 0 }
};

static const struct phrase *
phrase(const char *words)
{
	const struct phrase *p = phrases;

	while (p->inside != NULL && strstr(words, p->inside) == NULL)
		p++;
	return p;
}

/* Notes the first line that came in place of a banner (RFC 4253, 4.2). */
static void
note_greeting(struct link *l, const char *line)
{
	if (l->greeting == NULL && *line != '\0')
		l->greeting = words_visible(line);
}

static int
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/*
 * What libssh's function finds out about l's channel and tells nowhere else:
 * the largest packet that the far end takes, an answer to a channel that was
 * answered before, and, from 0.11 on, that it has dropped what was too much.
 * A far end's words are no part of these lines.
 */
static void
note_channel(struct link *l, const char *function, const char *text)
{
	if (strcmp(function, "ssh_packet_channel_open_conf") == 0 &&
	    l->maxpacket == 0)
		(void)sscanf(text, "Remote window : %*u, maxpacket : %" SCNu32,
		    &l->maxpacket);
	if (begins(function, "ssh_packet_channel_open_") &&
	    begins(text, "SSH2_MSG_CHANNEL_OPEN_") &&
	    strstr(text, " received in incorrect") != NULL)
		l->relay.breach = "a second answer about its channel";
	if (strcmp(function, "channel_rcv_data") == 0 &&
	    begins(text, "Data packet too big for our window") &&
	    ssh_version(SSH_VERSION_INT(0, 11, 0)) != NULL)
		l->relay.breach = "more than it was granted";
}

/*
 * The log is also the one place where libssh tells what a server says before
 * its banner, the largest packet that a channel's far end takes, and what it
 * has found wrong before it found the connection gone.
 */
static void
on_log(int priority, const char *function, const char *text, void *arg)
{
	struct link *l = arg;
	const char *p;
	char *seen;

	(void)priority;
	/* it begins with the function's name */
	if (strncmp(text, function, strlen(function)) == 0 &&
	    (p = strstr(text, ": ")) != NULL)
		text = p + 2;
	if (l != NULL)
		note_channel(l, function, text);
	if (l != NULL && (p = strstr(text, "_version_exchange: ")) != NULL)
		note_greeting(l, p + strlen("_version_exchange: "));
	if (l != NULL && l->reason == NULL && phrase(text)->finding)
		l->reason = xstrdup(text);
	if (say_level() < 3)
		return;
	seen = words_visible(text);
	say_debug(3, "libssh: %s", seen);
	free(seen);
}

/*
 * Has libssh tell what it does for l, or with NULL for nobody.  From
 * link_connect() on it does so until told otherwise.
 */
void
libssh_overhear(struct link *l)
{
	ssh_set_log_userdata(l);
	if (say_level() < 3)
		ssh_set_log_level(l == NULL ? SSH_LOG_WARN :
		    SSH_LOG_TRACE);
}

/* Sends libssh's log here. */
void
libssh_log(void)
{
	ssh_set_log_callback(on_log);
	ssh_set_log_level(say_level() >= 3 ? SSH_LOG_PACKET : SSH_LOG_WARN);
}

/*
 * What libssh logs is said of l from here on: to be called around whatever may
 * read another session than the one that is being set up.  Returns of whom it
 * was said before.
 */
struct link *
libssh_log_of(struct link *l)
{
	struct link *was = ssh_get_log_userdata();

	ssh_set_log_userdata(l);
	return was;
}

/* Has the connection ended without a word? */
int
libssh_disconnected(const struct link *l)
{
	const char *words = ssh_get_error(l->session);

	return l->reason == NULL &&
	    (strstr(words, "disconnected") != NULL ||
	    strstr(words, "Connection reset") != NULL ||
	    strstr(words, "Broken pipe") != NULL ||
	    strstr(words, "Success") != NULL);
}

/* Returns what libssh has found wrong with l, or else what it says last. */
const char *
libssh_error(const struct link *l)
{
	return l->reason != NULL ? l->reason : ssh_get_error(l->session);
}

/*
 * Returns why l's session ended or failed, in the server's words if it gave
 * any, fit to be shown.  The caller frees it.
 */
char *
libssh_reason(const struct link *l)
{
	const char *words = libssh_error(l), *known = phrase(words)->meaning;
	int n = 0;

	if (l->impostor)
		return xstrdup("its host key changed while connected");
	(void)sscanf(words, "Received SSH_MSG_DISCONNECT: %*d:%n", &n);
	if (n == 0 && known != NULL)
		return xstrdup(known);
	return words_visible(words[n] == '\0' ? "connection closed" :
	    words + n);
}

/*
 * Has libssh thrown away a message that it did not expect?  It then answers
 * no more, but does not say that the session has ended.
 */
int
libssh_stuck(const struct link *l)
{
	return strstr(ssh_get_error(l->session), "rejected packet") != NULL;
}

/* RFC 4252, 8: message 60 instead of an answer to a password. */
int
libssh_must_change(const struct link *l)
{
	return strstr(ssh_get_error(l->session), "rejected packet (type 60)")
	    != NULL;
}

/*
 * Did libssh itself say no, before the server was asked?  Only its words tell.
 */
int
libssh_ruled_out(const struct link *l)
{
	const char *words = ssh_get_error(l->session);

	return strstr(words, "is not allowed") != NULL ||
	    strstr(words, "Invalid key type") != NULL;
}
