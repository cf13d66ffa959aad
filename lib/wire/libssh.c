/*
 * What libssh tells only in its log, or in the text of an error.  All that is
 * believed of either stands here.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/local.h"

#define DISCONNECT	"Received SSH_MSG_DISCONNECT: "
#define REJECTED	"Packet filter: rejected packet (type "
#define WHOLE		1000	/* bytes; what is longer may have been cut */
/* what algorithms are named with (RFC 4251, 6), and the comma between them */
#define NAMES		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
			"0123456789-._@+=/,"

static int
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/*
 * How libssh's texts begin, and what they mean: what follows may be a far
 * end's.  What is found by a function is remembered; reading on, libssh may
 * forget that, and say instead that the connection has failed with success.
 */
static const struct phrase {
	const char	*begin, *meaning, *function;
} phrases[] = {
	{ DISCONNECT, NULL,		/* the server's */
	    "ssh_packet_disconnect_callback" },
	{ LIBSSH_NO_MATCH, "no algorithm in common",
	    "ssh_kex_select_methods" },
	{ LIBSSH_NO_VERSION, "it speaks no SSH 2",
	    "ssh_client_connection_callback" },
	{ "Receiving banner: too large banner",
	    "it sends what is no SSH banner", "callback_receive_banner" },
	{ "read_packet(): Packet len too high",
	    "it sent what is no SSH packet", "ssh_packet_socket_callback" },
	{ "Wrong state in callback_receive_banner",
	    "it sends what is no SSH banner", NULL },
	{ "read_packet()", "it sent what is no SSH packet", NULL },
	{ REJECTED, "it sent a message out of turn", NULL },
	{ "HMAC error", "a packet from it was not intact", NULL },
	{ "Decryption error", "a packet from it was not intact", NULL },
	{ "Access denied for ", "connection closed", NULL },
	{ "Channel opening failure: ", "connection closed", NULL },
	{ "Connection reset", "connection reset", NULL },
	{ "Broken pipe", "connection reset", NULL },
	{ "disconnected", "connection closed", NULL },
	{ "Success", "connection closed", NULL },
	{ NULL, NULL, NULL }
};

/* What the system says of a socket, without what libssh puts before it. */
static const char *
bare(const char *text)
{
	static const char *const before[] = { "Socket error: ",
	    "Writing packet: error on socket (or connection closed): " };
	size_t i;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (begins(text, before[i]))
			return text + strlen(before[i]);
	return text;
}

static const struct phrase *
phrase(const char *text)
{
	const struct phrase *p = phrases;

	text = bare(text);
	while (p->begin != NULL && !begins(text, p->begin))
		p++;
	return p;
}

/* Is this line of function's log one that is to be remembered? */
static int
is_finding(const char *function, const char *text)
{
	const struct phrase *p = phrase(text);

	return p->function != NULL && strcmp(function, p->function) == 0;
}

/*
 * What libssh's function finds out about l's channel and tells nowhere else:
 * the largest packet that the far end takes, an answer to a channel that was
 * answered before, and, from 0.11 on, that it has dropped what was too much.
 * None of these lines holds text of the far end.
 */
static void
note_channel(struct link *l, const char *function, const char *text)
{
	struct wire *w = l->wire;

	if (strcmp(function, "ssh_packet_channel_open_conf") == 0 &&
	    w->logged.maxpacket == 0)
		(void)sscanf(text, "Remote window : %*u, maxpacket : %" SCNu32,
		    &w->logged.maxpacket);
	if (begins(function, "ssh_packet_channel_open_") &&
	    begins(text, "SSH2_MSG_CHANNEL_OPEN_") &&
	    strstr(text, " received in incorrect") != NULL)
		relay_breach(&w->relay, "a second answer about its channel");
	if (strcmp(function, "channel_rcv_data") == 0 &&
	    begins(text, "Data packet too big for our window") &&
	    ssh_version(SSH_VERSION_INT(0, 11, 0)) != NULL)
		relay_breach(&w->relay, "more than it was granted");
}

/* What the server offers is listed there; the list may be cut. */
static void
note_kex(struct link *l, const char *function, const char *text)
{
	static const char begin[] = "kex algos: ";

	if (strcmp(function, "ssh_list_kex") != 0 || !begins(text, begin))
		return;
	text += strlen(begin);
	l->wire->logged.gss |= begins(text, "gss-") ||
	    strstr(text, ",gss-") != NULL;
}

/*
 * The log is also the one place where libssh tells the largest packet that a
 * channel's far end takes, and what it has found wrong before it found the
 * connection gone.
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
	if (l != NULL) {
		note_channel(l, function, text);
		note_kex(l, function, text);
		if (l->wire->logged.reason == NULL &&
		    is_finding(function, text))
			l->wire->logged.reason = xstrdup(text);
	}
	if (say_level() < 3)
		return;
	seen = str_visible(text);
	say_debug(3, "libssh: %s", seen);
	free(seen);
}

/*
 * Has libssh log what it does for l, or with NULL for nobody, until told
 * otherwise.  What it has said of an earlier channel is forgotten.
 */
void
libssh_overhear(struct link *l)
{
	if (l != NULL)
		l->wire->logged.maxpacket = 0;
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

/* Forgets what has been logged of l's session. */
void
libssh_forget(struct link *l)
{
	struct logged *logged = &l->wire->logged;

	free(logged->reason);
	memset(logged, 0, sizeof(*logged));
}

/* Has the connection ended without a reason? */
int
libssh_disconnected(const struct link *l)
{
	const char *text = bare(ssh_get_error(l->session));

	return l->wire->logged.reason == NULL && (begins(text, "disconnected") ||
	    begins(text, "Connection reset") ||
	    begins(text, "Broken pipe") || begins(text, "Success"));
}

/* Returns what libssh has found wrong with l, or else what it says last. */
static const char *
error_of(const struct link *l)
{
	const char *reason = l->wire->logged.reason;

	return reason != NULL ? reason : ssh_get_error(l->session);
}

/* Does the error begin so?  What follows may be the server's text. */
int
libssh_found(const struct link *l, const char *begin)
{
	return begins(bare(error_of(l)), begin);
}

/* What came with a DISCONNECT, code:text. */
static char *
farewell(const char *text)
{
	char *said, *reason;
	int n = 0;

	(void)sscanf(text, "%*d:%n", &n);
	said = str_quote(text + n);
	reason = *said == '\0' ? xstrdup("connection closed") :
	    xasprintf("it says \"%s\"", said);
	free(said);
	return reason;
}

/*
 * Returns why l's session ended or failed, printable: what the server said of
 * it, if anything.  The caller frees it.
 */
char *
libssh_reason(const struct link *l)
{
	const char *text = error_of(l), *known = phrase(text)->meaning;

	if (l->wire->pin.impostor)
		return xstrdup("its host key changed while connected");
	if (begins(text, DISCONNECT))
		return farewell(text + strlen(DISCONNECT));
	if (known != NULL)
		return xstrdup(known);
	return *text == '\0' ? xstrdup("connection closed") :
	    str_quote(text);
}

/*
 * Has libssh thrown away a message that it did not expect?  It then answers
 * no more, but does not say that the session has ended.
 */
int
libssh_stuck(const struct link *l)
{
	return begins(ssh_get_error(l->session), REJECTED);
}

/* Does l's server offer a key exchange that proves it by GSS-API (RFC 4462, 2)? */
int
libssh_offers_gss(const struct link *l)
{
	return l->wire->logged.gss;
}

/* RFC 4252, 8: message 60 instead of an answer to a password. */
int
libssh_must_change(const struct link *l)
{
	return begins(ssh_get_error(l->session), REJECTED "60)");
}

/*
 * Has l's server just refused a login, and named no method at all that it would
 * take, not even one that libssh does not know?
 */
int
libssh_named_none(const struct link *l)
{
	static const char end[] = " can continue: ";
	const char *text = ssh_get_error(l->session);
	size_t len = strlen(text);

	return begins(text, "Access denied for '") && len > strlen(end) &&
	    strcmp(text + len - strlen(end), end) == 0;
}

/* Takes with off *p, if *p begins so. */
static int
skip(const char **p, const char *with)
{
	if (!begins(*p, with))
		return 0;
	*p += strlen(with);
	return 1;
}

/* Takes a list of names off *p, and what is behind it; NULL: it is none. */
static char *
name_list(const char **p, const char *behind)
{
	size_t n = strspn(*p, NAMES);
	char *list;

	if (n == 0 || !begins(*p + n, behind))
		return NULL;
	list = xstrndup(*p, n);
	*p += n + strlen(behind);
	return list;
}

/*
 * No algorithm of one kind is both ours and the server's (RFC 4253, 7.1), as
 * libssh_found() has said: which kind, in libssh's words, and both lists, which
 * the caller frees.  What the server has sent may be no list of names, and
 * hold what comes behind it, or be so long that libssh has cut the rest: *theirs,
 * and *ours at the end of such a text, are NULL then.
 */
const char *
libssh_no_match(const struct link *l, char **theirs, char **ours)
{
	const char *text = bare(error_of(l)), *p = text, *kind;

	*theirs = *ours = NULL;
	(void)skip(&p, LIBSSH_NO_MATCH " ");
	kind = p;
	p += strcspn(p, ":");
	if (!skip(&p, ": server [") ||
	    (*theirs = name_list(&p, "]")) == NULL)
		return kind;
	if (strlen(text) < WHOLE && skip(&p, ", client ["))
		*ours = name_list(&p, "]");
	if (*ours != NULL && *p != '\0') {
		free(*ours);
		*ours = NULL;
	}
	return kind;
}

/*
 * Did libssh itself say no to a key, before the server was asked?  Only its
 * text tells; those of a server's refusal begin otherwise.  Returns the
 * algorithm that is not allowed, which the caller frees, "" if it is something
 * else about the key, or NULL if libssh did not.
 */
char *
libssh_ruled_out(const struct link *l)
{
	static const char begin[] = "The key algorithm '";
	const char *text = ssh_get_error(l->session);

	if (begins(text, begin) && strstr(text, "is not allowed") != NULL) {
		text += strlen(begin);
		return xstrndup(text, strcspn(text, "'"));
	}
	if (begins(text, "Invalid key type") ||
	    (begins(text, "The ") && strstr(text, "is not allowed") != NULL))
		return xstrdup("");
	return NULL;
}

/*
 * Returns why l has refused to open a channel (RFC 4254, 5.1), for a quotation,
 * and leaves its code in *code; NULL if it has not.  The caller frees it.
 */
char *
libssh_refusal(const struct link *l, unsigned *code)
{
	const char *text = ssh_get_error(l->session);
	int n = 0;

	if (sscanf(text, "Channel opening failure: channel %*u error (%u) %n",
	    code, &n) != 1 || n == 0)
		return NULL;
	return str_quote(text + n);
}
