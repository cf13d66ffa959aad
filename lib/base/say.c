/*
 * Messages.  They go to -E's file or to stderr; where nobody would see stderr
 * (ssh with ControlPersist points it at /dev/null) to the terminal, if there
 * is one.  Writing never blocks: a message is dropped rather than the carrying
 * held up.
 */

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/base.h"

#define QUIET	-1
#define CUT	"...\n"		/* the end of a line that is too long */
#define INDENT	"    "		/* before what goes on in another line */
#define NARROW	40		/* columns: nothing is folded for less */
#define ERASE	"\r\033[K"	/* a line of a terminal: ECMA-48 */

static int	level;			/* QUIET, 0, or how often -v */
static int	sayfd = STDERR_FILENO;	/* -1: nowhere */
static int	in_file;		/* sayfd is that of -E */
static int	live;			/* sayfd is a terminal, without -v */
static volatile sig_atomic_t	shown;	/* a status line is there */
static char	*status;		/* its text, before it was cut */
static uint64_t	began;			/* ms; when the program did */

static const char *const stages[] = {
	"resolve", "connect", "shared", "banner", "kex", "hostkey", "auth",
	"forward", "carry", "question"
};

static int
unseen(int fd)
{
	struct stat st, null;

	if (fstat(fd, &st) == -1)
		return 1;
	return stat(_PATH_DEVNULL, &null) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev == null.st_rdev;
}

/*
 * Chooses where messages go: to the file of that name, or NULL for stderr; and
 * how many, n being how often -v was given, or less than 0 for -q.  A file that
 * cannot be opened ends the program with status 1.
 */
void
say_open(const char *logfile, int n)
{
	began = now();
	level = n;
	in_file = logfile != NULL;
	if (logfile != NULL) {
		/* a FIFO that nobody reads would be waited for */
		sayfd = open(logfile, O_WRONLY | O_CREAT | O_APPEND |
		    O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
		if (sayfd == -1)
			errx(GIVEUP, "-E %s: %s", logfile, errno == ENXIO ?
			    "nobody reads from it" : strerror(errno));
	} else if (unseen(STDERR_FILENO))
		sayfd = open(_PATH_TTY,
		    O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	live = level == 0 && sayfd != -1 && isatty(sayfd);
}

/* In a child: lines only, the status line is the parent's. */
void
say_plain(void)
{
	live = shown = 0;
}

/* Raises the level to that of n times -v, unless -q. */
void
say_more(int n)
{
	if (level != QUIET && level < n)
		level = n;
}

/* Returns how often -v was given, or less than 0 for -q. */
int
say_level(void)
{
	return level;
}

/* Returns when the program began (milliseconds as of now()). */
uint64_t
say_began(void)
{
	return began;
}

/* Can a status line be shown: on a terminal in whose foreground we are? */
int
say_live(void)
{
	return live && level == 0 && tcgetpgrp(sayfd) == getpgrp();
}

/*
 * Is the line that the cursor is in our status line, and nothing else?  Not if
 * another program has begun to ask meanwhile.
 */
static int
erasable(void)
{
	return shown && !terminal_taken();
}

/* Takes the status line away, if there is one; may be called by a signal. */
void
say_erase(void)
{
	if (erasable() && write(sayfd, ERASE, strlen(ERASE)) == -1)
		live = 0;
	shown = 0;
}

static void
on_signal(int sig)
{
	say_erase();
	raise(sig);		/* as it would have been without us */
}

/* Has the status line erased by the signals that end the program. */
static void
catch(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction old, sa = { .sa_flags = SA_RESETHAND | SA_NODEFER };
	size_t i;

	sa.sa_handler = on_signal;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &sa, NULL);
}

/* Returns how many columns the terminal has, 0: not known, or it is none. */
static size_t
columns(void)
{
	struct winsize ws;

	return ioctl(sayfd, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

/* As much of text as fits into a line of the terminal. */
static void
fit(char *text)
{
	size_t width = columns();

	if (width > 0 && strlen(text) >= width)
		text[width - 1] = '\0';
}

/*
 * Shows text in place of the last status line, unless that is the same: what a
 * server sends wakes us as often as it likes.  Only while say_live().
 */
void
say_status(const char *fmt, ...)
{
	struct pollfd pfd = { sayfd, POLLOUT, 0 };
	va_list ap;
	char *text, *line;

	if (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT) ||
	    terminal_taken())
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (shown && strcmp(text, status) == 0) {
		free(text);
		return;
	}
	free(status);
	status = xstrdup(text);
	fit(text);
	if (!shown)
		catch();
	line = xasprintf(ERASE "%s", text);
	shown = 1;
	if (write(sayfd, line, strlen(line)) == -1)
		live = 0;
	free(line);
	free(text);
}

/*
 * The end of a line: where ssh or another program has made the terminal raw,
 * a newline alone does not go back to the first column.
 */
static const char *
newline(void)
{
	struct termios t;

	return tcgetattr(sayfd, &t) == 0 && !(t.c_oflag & OPOST) ?
	    "\r\n" : "\n";
}

/*
 * Returns how long the first clause of text is: to a mark with a blank behind
 * it, or to a fingerprint, but not within a quotation.
 */
static size_t
clause(const char *text)
{
	const char *p;
	int quoted = 0;

	for (p = text; *p != '\0'; p++) {
		quoted ^= *p == '"';
		if (!quoted && strchr(",:;.", *p) != NULL && p[1] == ' ')
			return p + 1 - text;
		if (!quoted && strncmp(p, " SHA256:", 8) == 0 && p > text)
			return p - text;
	}
	return p - text;
}

/*
 * Breaks text between clauses where it does not fit into width columns; end is
 * the end of a line.  A longer clause, often a command to paste, is left to the
 * terminal, which does not put a newline into it.
 */
static char *
fold(const char *text, size_t width, const char *end)
{
	char *folded = NULL, *piece, *next;
	size_t at = 0, n, needed;

	next = xasprintf("%s" INDENT, end);
	while (*text != '\0') {
		n = clause(text);
		piece = xstrndup(text, n);
		needed = str_columns(piece) + 1;	/* the blank before it */
		at += needed;
		str_append(&folded, at > width ? next : " ", piece);
		if (at > width)
			at = strlen(INDENT) + needed;
		free(piece);
		text += n + strspn(text + n, " ");
	}
	free(next);
	return folded;
}

/*
 * Returns text for a terminal that is width columns wide (0: not known): in one
 * line if it fits, else in several, of which all but the first are indented.
 * The caller frees it.
 */
char *
say_folded(const char *text, size_t width, const char *end)
{
	return width < NARROW || str_columns(text) <= width ? xstrdup(text) :
	    fold(text, width, end);
}

/* What to write for text: one line, or on a terminal as many as it takes. */
static char *
laid_out(const char *text)
{
	char *line = xasprintf("proxyhop: %s", text);
	char *folded = say_folded(line, in_file ? 0 : columns(), newline());

	free(line);
	return folded;
}

/*
 * One write for one line, so that lines of several programs do not mix; no
 * more than a pipe that poll(2) finds writable takes without waiting.
 */
static void
say_line(const char *fmt, va_list ap, int folds)
{
	struct pollfd pfd = { sayfd, POLLOUT, 0 };
	char *text, *body, *line;
	size_t len;

	if (sayfd == -1 || poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT))
		return;
	text = xvasprintf(fmt, ap);
	body = folds ? laid_out(text) : xasprintf("proxyhop: %s", text);
	line = xasprintf("%s%s%s", erasable() ? ERASE : "", body, newline());
	shown = 0;
	if ((len = strlen(line)) > PIPE_BUF) {
		len = PIPE_BUF;
		memcpy(line + len - strlen(CUT), CUT, strlen(CUT));
	}
	if (write(sayfd, line, len) == -1)
		sayfd = -1;	/* nobody is left to be told */
	free(line);
	free(body);
	free(text);
}

/*
 * Says one line, unless -q; on a terminal it is folded if it has to be.  The
 * text has no newline and no full stop.
 */
void
say(const char *fmt, ...)
{
	va_list ap;

	if (level == QUIET)
		return;
	va_start(ap, fmt);
	say_line(fmt, ap, 1);
	va_end(ap);
}

/* Says one line if -v was given at least n times. */
void
say_debug(int n, const char *fmt, ...)
{
	va_list ap;

	if (level < n)
		return;
	va_start(ap, fmt);
	say_line(fmt, ap, 0);
	va_end(ap);
}

/*
 * Says a line as that about a failure, unless -q: which hop (NULL: not known),
 * at which stage, and the text.  May be called by a signal.
 */
void
say_dying(const char *label, enum stage stage, const char *text)
{
	struct pollfd pfd = { sayfd, POLLOUT, 0 };
	static char line[PIPE_BUF];

	if (level == QUIET || sayfd == -1 || poll(&pfd, 1, 0) != 1 ||
	    !(pfd.revents & POLLOUT))
		return;
	say_erase();
	(void)strlcpy(line, "proxyhop: ", sizeof(line));
	if (label != NULL) {
		(void)strlcat(line, label, sizeof(line));
		(void)strlcat(line, ": ", sizeof(line));
		(void)strlcat(line, say_stage(stage), sizeof(line));
		(void)strlcat(line, ": ", sizeof(line));
	}
	(void)strlcat(line, text, sizeof(line));
	(void)strlcat(line, newline(), sizeof(line));
	if (write(sayfd, line, strlen(line)) == -1)
		sayfd = -1;
}

/* Returns the name of a stage. */
const char *
say_stage(enum stage stage)
{
	return stages[stage];
}
