/*
 * One hop: the stages that it passes through, and whether it is still there.
 */

#include <sys/socket.h>

#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "wire/local.h"

#define LINES_MAX	20	/* of a server's, shown in one run */

/*
 * Prepares l of chain c, which is to become the connection to hop; for
 * link_free().
 */
void
link_init(struct link *l, struct chain *c, const struct hop *hop, int number)
{
	memset(l, 0, sizeof(*l));
	l->hop = hop;
	l->number = number;
	l->wire = xcalloc(1, sizeof(*l->wire));
	l->wire->listener = &c->listener;
	l->wire->channel.joint = l->wire->channel.pipe = -1;
	l->watch.fd = -1;
}

/* The stage that l is in is over, at the time t. */
static void
end_stage(struct link *l, uint64_t t)
{
	const struct listener *listener = l->wire->listener;

	if (listener->stage != NULL)
		listener->stage(listener->arg, l, t);
	free(l->note);
	l->note = NULL;
}

/* Notes that l has reached stage; the listener is told of the one before. */
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
 * A person was asked about l at the time asked, and has answered: that is the
 * time of no stage.  The listener is told of the one that it was in, up to then,
 * and of the question; what is left of the stage begins now.
 */
void
link_question(struct link *l, uint64_t asked)
{
	enum stage stage = l->stage;
	uint64_t t = now();

	if (asked > l->since)
		end_stage(l, asked);
	l->stage = STAGE_QUESTION;
	l->since = asked;
	end_stage(l, t);
	l->stage = stage;
	l->since = t;
}

/*
 * Tells the listener about l, for whoever has given -v level times; 0: for
 * everybody.
 */
void
link_tell(const struct link *l, int level, const char *fmt, ...)
{
	const struct listener *listener = l->wire->listener;
	va_list ap;
	char *text;

	if (listener->notice == NULL)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	listener->notice(listener->arg, l, level, text);
	free(text);
}

/*
 * Is one more line of what l's server says to be shown?  It makes LINES_MAX of
 * them in one run, whatever they are, and then that is said.
 */
int
link_may_show(struct link *l)
{
	int *shown = &l->wire->shown;

	if (*shown < LINES_MAX) {
		(*shown)++;
		return 1;
	}
	if (*shown == LINES_MAX) {
		link_tell(l, 0, "what else it says is not shown");
		(*shown)++;
	}
	return 0;
}

/*
 * Is there nobody to talk to any more?  libssh's calls do not always notice:
 * those of the login would wait for ever, and after a packet that makes no
 * sense it leaves the connection open.
 */
int
link_gone(const struct link *l)
{
	return l->wire->dead || l->wire->relay.breach != NULL ||
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

/* Its session has ended: another one may begin. */
void
link_reset(struct link *l)
{
	struct pin *pin = &l->wire->pin;

	l->wire->dead = 0;
	l->since = 0;
	ssh_key_free(pin->key);
	memset(pin, 0, sizeof(*pin));
}

/* Frees what l holds, after session_drop() and forward_drop(). */
void
link_free(struct link *l)
{
	free(l->note);
	free(l->label);
	free(l->wire);
}
