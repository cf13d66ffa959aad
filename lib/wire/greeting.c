/*
 * What a server says before its banner (RFC 4253, 4.2), as ssh takes it: up to
 * 1,024 lines of 8,192 bytes, the banner among them.  libssh takes shorter
 * lines only, so that they are taken off the descriptor before it reads there,
 * and nothing of the banner is.
 */

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/greeting.h"
#include "wire/local.h"

#define MAX_LINES	1024
#define MAX_LINE	8192	/* bytes, without its end */
#define SHOWN		400	/* bytes of the first line that are kept */
#define PAUSE		50	/* ms for the rest of what may be a banner */

static const char banner[] = "SSH-";

/* What has been taken off. */
struct greeting {
	size_t	 lines;
	size_t	 len;		/* of the line so far, without a CR */
	int	 cr;		/* it may be its end */
	int	 binary;	/* a byte was in it that ssh takes in no line */
	char	 line[SHOWN];	/* its beginning */
};

/* The end of a line.  The first one that says something is kept in *first. */
static void
end_line(char **first, struct greeting *g)
{
	g->line[g->len < SHOWN ? g->len : SHOWN - 1] = '\0';
	if (*first == NULL && g->line[0] != '\0')
		*first = str_quote(g->line);
	g->lines++;
	g->len = 0;
	g->cr = 0;
}

/*
 * Does data, where a line begins, begin as a banner does?  Returns 1, 0, or -1
 * if more of it would tell.
 */
static int
is_banner(const char *data, size_t n)
{
	size_t len = strlen(banner);

	if (strncmp(data, banner, n < len ? n : len) != 0)
		return 0;
	return n < len ? -1 : 1;
}

static void
take(char **first, struct greeting *g, char c)
{
	if (c == '\n') {
		end_line(first, g);
		return;
	}
	/* as ssh: a NUL, or a CR that is not the end */
	g->binary = c == '\0' || (g->cr && c != '\r');
	if ((g->cr = c == '\r'))
		return;
	if (g->len < SHOWN - 1)
		g->line[g->len] = c;
	g->len++;
}

static int
too_much(const struct greeting *g)
{
	return g->binary || g->lines >= MAX_LINES || g->len > MAX_LINE;
}

/* Returns how much of data comes before the banner; *more as is_banner(). */
static size_t
measure(struct link *l, struct greeting *g, const char *data, size_t n,
    int *found)
{
	size_t i;

	*found = 0;
	for (i = 0; i < n && !too_much(g); i++) {
		if (g->len == 0 && !g->cr &&
		    (*found = is_banner(data + i, n - i)) != 0)
			break;
		take(&l->greeting, g, data[i]);
	}
	return i;
}

static int
fail_greeting(struct chain *c, struct link *l, const struct greeting *g)
{
	struct greeting last = *g;

	if (g->lines < MAX_LINES)	/* so that it is the first, too */
		end_line(&l->greeting, &last);
	return fail(c, l, GIVEUP, "it sends what is no SSH banner: %s%s%s%s; "
	    "is port %d that of an SSH server?", g->binary ?
	    "a line that is no text" : g->len > MAX_LINE ?
	    "a line of more than 8192 bytes" : "1024 lines",
	    l->greeting == NULL ? "" : ", it says \"",
	    l->greeting == NULL ? "" : l->greeting,
	    l->greeting == NULL ? "" : "\"", l->hop->port);
}

/* Waits for more on fd, or a moment only. */
static int
wait_for(struct chain *c, int fd, int moment)
{
	struct pollfd pfd = { fd, POLLIN, 0 };

	return moment ? chain_wait(c, NULL, 0, now() + PAUSE) :
	    chain_wait(c, &pfd, 1, 0);
}

/*
 * Takes off fd, which leads to l's server, what that says before its banner.
 * Nobody else reads fd meanwhile.  Returns OK with the banner next, or the end;
 * or another status after noting why not.
 */
int
greeting_skip(struct chain *c, struct link *l, int fd)
{
	struct greeting g = { .lines = 0 };
	char data[MAX_LINE];
	int found = 0, status = OK;
	ssize_t n;

	while (status == OK && found != 1) {
		n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
			if (g.len > 0)
				end_line(&l->greeting, &g);
			return OK;
		}
		if (n > 0) {
			n = measure(l, &g, data, n, &found);
			if (n > 0)
				(void)recv(fd, data, n, MSG_DONTWAIT);
			if (too_much(&g))
				return fail_greeting(c, l, &g);
		}
		if (found != 1 && n <= 0)
			status = wait_for(c, fd, found == -1);
	}
	return status;
}

/*
 * Does sshd, which says this or nothing (NULL) and closes, have too many?
 * Before 9.8 it gives no reason.
 */
int
greeting_is_busy(const char *said)
{
	return said == NULL || strstr(said, "MaxStartups") != NULL;
}

/*
 * sshd_config(5), PerSourcePenalties: where we come from has behaved badly, and
 * each connection more may make it worse.
 */
int
greeting_is_penalty(const char *said)
{
	return said != NULL && strncmp(said, "Not allowed", 11) == 0;
}

/*
 * Has libssh send its banner, and read nothing: it would read what is there in
 * the same call, so that its descriptor is another one for that time.
 * Returns 0, or -1 if it has not begun.
 */
int
greeting_send(struct link *l, int fd)
{
	int real = fcntl(fd, F_DUPFD_CLOEXEC, 0), ours, theirs, rc;
	char line[256];
	ssize_t n;

	joint_open(&ours, &theirs);
	if (real == -1 || dup3(theirs, fd, O_CLOEXEC) == -1)
		rc = SSH_ERROR;
	else
		rc = ssh_connect(l->session);
	if ((n = read(ours, line, sizeof(line))) < 0)
		n = 0;
	if (real != -1)
		(void)dup3(real, fd, O_CLOEXEC);
	close(real);
	close(ours);
	close(theirs);
	/* one that has closed already may have said why: that is read next */
	if (n > 0 && send(fd, line, n, MSG_NOSIGNAL) == -1 && errno == EAGAIN)
		return -1;
	return rc == SSH_AGAIN ? 0 : -1;
}

/*
 * How both ends of what is carried begin: is it SSH?  Nothing of it is changed
 * or held up.
 */
struct opening {
	struct greeting	 far;		/* lines of the far end's */
	char		*first;		/* of them, printable */
	char		*part;		/* the same, without an end so far */
	int		 banner;	/* the far end's has come */
	size_t		 near;		/* bytes that ours has sent, of the
					 * beginning of a banner */
	int		 other;		/* and it was none */
};

struct opening *
opening_new(void)
{
	return xcalloc(1, sizeof(struct opening));
}

static void
look_far(struct opening *o, const char *data, size_t n)
{
	size_t i, len = strlen(banner);

	for (i = 0; i < n && !o->banner && !too_much(&o->far); i++) {
		take(&o->first, &o->far, data[i]);
		o->banner = o->far.len == len &&
		    memcmp(o->far.line, banner, len) == 0;
	}
}

/* Looks at n bytes that come next from the far end, or (0) from ours. */
void
opening_look(struct opening *o, int far, const char *data, size_t n)
{
	size_t i;

	if (far)
		look_far(o, data, n);
	for (i = 0; !far && i < n && opening_wants(o) > 0; i++) {
		o->other = data[i] != banner[o->near];
		o->near++;
	}
}

/* Returns how many bytes of our end are still to be looked at. */
size_t
opening_wants(const struct opening *o)
{
	return o->other ? 0 : strlen(banner) - o->near;
}

/* Has our end begun as SSH does? */
int
opening_is_ssh(const struct opening *o)
{
	return !o->other && o->near == strlen(banner);
}

/* Is there nothing more to find out? */
int
opening_told(const struct opening *o)
{
	return o->banner || o->other;
}

/*
 * Returns what the far end has said first, if it has said something that is no
 * SSH, printable and o's, or NULL.
 */
const char *
opening_text(struct opening *o)
{
	struct greeting last = o->far;

	if (o->banner)
		return NULL;
	free(o->part);
	o->part = NULL;
	if (o->first == NULL && last.len > 0)
		end_line(&o->part, &last);
	return o->first != NULL ? o->first : o->part;
}

void
opening_free(struct opening *o)
{
	if (o == NULL)
		return;
	free(o->first);
	free(o->part);
	free(o);
}
