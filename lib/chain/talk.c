/*
 * What an ssh that we have started says on its stderr, line by line.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

#define QUIET		200	/* ms a message of ssh is kept back */
#define MAX_LINES	100	/* of its messages that are shown with -v, and
				 * of those that are kept back */

/*
 * Begins to hear the ssh that is to log in to l's hop; leaves in *end what it
 * is to write to, which the caller owns.  talk_end() must follow.
 */
void
talk_begin(struct talk *t, struct link *l, int *end)
{
	int fds[2];

	memset(t, 0, sizeof(*t));
	t->link = l;
	if (pipe2(fds, O_CLOEXEC) == -1 ||
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) == -1)
		err(RETRY, "pipe");
	t->fd = fds[0];
	*end = fds[1];
}

/*
 * Is one more line to be shown?  Most may be the banner of the server, whose
 * lines are counted; with -v they are of ssh itself, too.
 */
static int
may_show(struct talk *t)
{
	if (say_level() >= 1)
		return t->shown++ < MAX_LINES;
	return link_may_show(t->link);
}

/* Shows what it has said: it goes on, and this is not why it fails. */
void
talk_show(struct talk *t)
{
	size_t i;

	for (i = 0; i < t->said.n && !hop_is_quiet(t->link->hop); i++)
		if (may_show(t))
			say("%s (hop %d): ssh: %s", t->link->hop->name,
			    t->link->number, t->said.v[i]);
	strlist_free(&t->said);
}

/* As talk_show(), but not what may be the reason for its end. */
void
talk_show_old(struct talk *t)
{
	if (t->said.n > 0 && now() > t->when + QUIET)
		talk_show(t);
}

/* It has logged in: what it says from now on is for -v, and for a failure. */
void
talk_later(struct talk *t)
{
	talk_show(t);
	t->later = 1;
}

/*
 * Is the line a debug message that nobody has asked for?  ssh 6.8 to 7.5 writes
 * some before it has read LogLevel.
 */
static int
is_noise(const char *line)
{
	return say_level() == 0 && strncmp(line, "debug", 5) == 0;
}

/* A line is there. */
static void
end_line(struct talk *t)
{
	if (t->len == 0)
		return;
	t->line[t->len] = '\0';
	t->len = 0;
	if (is_noise(t->line))
		return;
	if (t->said.n >= MAX_LINES || (t->later && say_level() >= 1))
		talk_show(t);
	else if (t->later)
		strlist_free(&t->said);
	strlist_add(&t->said, str_quote(t->line));
	t->when = now();
	t->alone |= strstr(t->line, "disabling multiplexing") != NULL;
}

/* Reads once what it says; at the end t->fd is closed and -1. */
void
talk_hear(struct talk *t)
{
	char data[1024];
	ssize_t i, n;

	if ((n = read(t->fd, data, sizeof(data))) == -1 &&
	    (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++)
		if (data[i] == '\n' || data[i] == '\r')
			end_line(t);
		else if (t->len < sizeof(t->line) - 1)
			t->line[t->len++] = data[i];
	if (n <= 0) {
		end_line(t);
		close(t->fd);
		t->fd = -1;
	}
}

/* Returns the last line that has not been shown, or NULL; it stays t's. */
const char *
talk_last(const struct talk *t)
{
	return t->said.n == 0 ? NULL : t->said.v[t->said.n - 1];
}

/* As talk_last(), after all that has been said until now. */
const char *
talk_said(struct talk *t)
{
	struct pollfd pfd = { t->fd, POLLIN, 0 };

	while (t->fd != -1 && poll(&pfd, 1, 0) == 1)
		talk_hear(t);
	return talk_last(t);
}

/* Nothing is heard any more. */
void
talk_end(struct talk *t)
{
	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
	strlist_free(&t->said);
}
