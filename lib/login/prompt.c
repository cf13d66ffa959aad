/*
 * Questions to a person.  A child asks, by readpassphrase(3) on the terminal
 * or by the program that SSH_ASKPASS names, and the chain keeps turning until
 * its answer is there; our own stdin and stdout are the tunnel.
 */

#include <err.h>
#include <fcntl.h>
#include <paths.h>
#include <readpassphrase.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "login/local.h"

#define ASKPASS	"/usr/bin/ssh-askpass"	/* where Debian has ssh look */
#define TELL	(5 * 1000)	/* ms another may ask before it is said */
#define GO_ON	(65 * 1000)	/* ms until we ask beside it */

/* Who asks, as ssh decides it. */
enum asker {
	NOBODY,
	TERMINAL,
	PROGRAM
};

static int
have_terminal(void)
{
	int fd;

	if ((fd = open(_PATH_TTY, O_RDWR | O_CLOEXEC)) == -1)
		return 0;
	close(fd);
	return 1;
}

static int
not_empty(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0';
}

/* SSH_ASKPASS_REQUIRE, DISPLAY and WAYLAND_DISPLAY, as in ssh(1). */
static enum asker
choose(void)
{
	const char *require = getenv("SSH_ASKPASS_REQUIRE");
	int allowed = not_empty("DISPLAY") || not_empty("WAYLAND_DISPLAY");
	int wanted = 0;

	if (require == NULL)
		require = "";
	if (strcasecmp(require, "force") == 0)
		wanted = allowed = 1;
	else if (strcasecmp(require, "prefer") == 0)
		wanted = allowed;
	else if (strcasecmp(require, "never") == 0)
		allowed = 0;
	if (!wanted && have_terminal())
		return TERMINAL;
	return allowed ? PROGRAM : NOBODY;
}

/*
 * In the child: waits until no other proxyhop asks.  One that has been stopped
 * never ends its question: after a while that is said, and in the end we ask
 * beside it, as any two ssh do.
 */
static void
await_terminal(void)
{
	const struct timespec pause = { 0, 50 * 1000 * 1000 };
	uint64_t began = now();
	int told = 0;

	while (terminal_take() == -1 && now() - began < GO_ON) {
		if (!told && now() - began >= TELL) {
			say("another proxyhop is asking on this terminal; "
			    "this one waits %d seconds for it",
			    (GO_ON - TELL) / 1000);
			told = 1;
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* In the child: the terminal, whatever the streams are. */
static void __attribute__((noreturn))
ask_terminal(const char *text, int echo, int to)
{
	char answer[ANSWER_MAX];
	size_t len;

	await_terminal();
	if (readpassphrase(text, answer, sizeof(answer), RPP_REQUIRE_TTY |
	    (echo ? RPP_ECHO_ON : RPP_ECHO_OFF)) == NULL)
		_exit(1);
	len = strlen(answer);
	answer[len++] = '\n';
	if (write(to, answer, len) != (ssize_t)len)
		_exit(1);
	explicit_bzero(answer, sizeof(answer));
	_exit(0);
}

static void __attribute__((noreturn))
ask_program(const char *text, int echo, int to)
{
	const char *program = getenv("SSH_ASKPASS");

	if (program == NULL)
		program = ASKPASS;
	if (echo)
		setenv("SSH_ASKPASS_PROMPT", "", 1);
	(void)dup2(to, STDOUT_FILENO);
	execlp(program, program, text, (char *)NULL);
	_exit(127);
}

static pid_t
start(enum asker asker, const char *text, int echo, int *from)
{
	int end, null;
	pid_t pid;

	if ((pid = child_pipe(SIGTERM, &end)) == -1)
		err(RETRY, "cannot ask");
	if (pid != 0) {
		*from = end;
		return pid;
	}
	if ((null = open(_PATH_DEVNULL, O_RDWR)) != -1) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	if (asker == TERMINAL)
		ask_terminal(text, echo, end);
	ask_program(text, echo, end);
}

/*
 * Reads until the child has closed its end, so that waiting for it afterwards
 * takes no time; what is more than an answer may be is thrown away.  Returns
 * -1 if the chain, or the server that wanted to know, has gone meanwhile.
 */
static int
read_answer(struct chain *c, struct link *l, int fd, char *answer,
    int *status)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	char more[64] = "";
	size_t len = 0, room;
	ssize_t n;

	for (;;) {
		if ((*status = chain_wait(c, &pfd, 1, 0)) != OK ||
		    link_gone(l))
			return -1;
		if (pfd.revents == 0)
			continue;
		room = ANSWER_MAX - 1 - len;
		if ((n = read(fd, room == 0 ? more : answer + len,
		    room == 0 ? sizeof(more) : room)) <= 0)
			break;
		len += room == 0 ? 0 : n;
	}
	explicit_bzero(more, sizeof(more));
	answer[len] = '\0';
	answer[strcspn(answer, "\r\n")] = '\0';
	return 0;
}

/* Returns whether the child has an answer: only then does it end well. */
static int
finish(pid_t pid, int fd, int got)
{
	close(fd);
	if (!got)
		(void)kill(pid, SIGTERM);
	return child_wait(pid) == 0 && got;
}

/* Who is asked, for prompt_askpass(): the terminal, or a program. */
const char *
prompt_asker(void)
{
	const char *program = getenv("SSH_ASKPASS");

	if (choose() == TERMINAL)
		return _PATH_TTY;
	return program == NULL ? ASKPASS : program;
}

/* Reads a line, with its newline, that is not waited for. */
static size_t
read_line(int fd, char *line, size_t size)
{
	size_t len = 0;

	while (len < size && read(fd, line + len, 1) == 1)
		if (line[len++] == '\n')
			break;
	return len;
}

/*
 * What we do when ssh-add or an ssh-agent of ours starts us as its SSH_ASKPASS,
 * with a question.  A line of stdin is the right to one answer: for who "" it
 * is the answer; else prompt_asker() is asked, and the question is put behind
 * it.  Returns the exit status.
 */
int
prompt_askpass(const char *who, const char *question)
{
	const char *kind = getenv("SSH_ASKPASS_PROMPT");
	char line[2 * ANSWER_MAX], *text;
	size_t len;
	int status;

	/* what is to be touched has been said */
	if (kind != NULL && strcmp(kind, "none") == 0)
		return OK;
	child_follow(SIGTERM);
	if ((len = read_line(STDIN_FILENO, line, sizeof(line))) == 0)
		return GIVEUP;
	if (*who == '\0') {
		status = write(STDOUT_FILENO, line, len) == (ssize_t)len ? OK :
		    GIVEUP;
		explicit_bzero(line, sizeof(line));
		return status;
	}
	line[len - 1] = '\0';
	text = xasprintf("%s%s", line, question);
	if (strcmp(who, _PATH_TTY) == 0)
		ask_terminal(text, 0, STDOUT_FILENO);
	(void)setenv("SSH_ASKPASS", who, 1);
	ask_program(text, 0, STDOUT_FILENO);
}

/* Is there a person to ask, and may he be? */
int
prompt_possible(const struct hop *hop)
{
	return hop->batchmode != 1 && choose() != NOBODY;
}

/* Returns what a question about l's hop begins with; the caller frees it. */
char *
prompt_label(const struct chain *c, const struct link *l)
{
	return xasprintf("%s@%s (hop %d of %d): ", l->hop->user, l->hop->name,
	    l->number, c->plan->nhops);
}

/*
 * A question about l's hop, as it is shown, each line as what it is; the caller
 * frees it.
 */
char *
prompt_text(const struct chain *c, const struct link *l, const char *text)
{
	char *label = prompt_label(c, l), *shown = NULL, *line, *rest, *copy;

	copy = rest = xstrdup(text);
	if (strchr(text, '\n') != NULL)
		shown = xasprintf("%sit says", label);
	while ((line = strsep(&rest, "\n")) != NULL) {
		str_append(&shown, "\n", rest == NULL ? label : "| ");
		str_append(&shown, "", line);
	}
	free(copy);
	free(label);
	return shown;
}

/*
 * A question of our own, broken where it is too wide for the terminal; line is
 * taken over.
 */
static char *
folded(char *line)
{
	char *shown = say_folded(line, terminal_columns(0), "\n");

	free(line);
	return shown;
}

/*
 * Asks a person about l's hop: text, which is printable, after the user, the
 * hop's name and its number.  Lines before the last are a server's: they are
 * shown first, each marked.  flags: PROMPT_ECHO, PROMPT_OURS.  The hop's
 * time-out does not run meanwhile.
 * Leaves the answer, at most ANSWER_MAX bytes with its NUL, in answer, which
 * the caller wipes.  Returns OK, and in *got whether there is an answer, or
 * another status if the chain has failed meanwhile.
 */
int
prompt(struct chain *c, struct link *l, const char *text, int flags,
    char *answer, int *got)
{
	enum asker asker = choose();
	struct pause pause;
	char *line;
	pid_t pid;
	int fd, status = OK;

	*got = 0;
	if (asker == NOBODY || l->hop->batchmode == 1 || link_gone(l))
		return OK;
	chain_pause(c, &pause);
	line = prompt_text(c, l, text);
	if ((flags & PROMPT_OURS) && asker == TERMINAL)
		line = folded(line);
	say_erase();
	pid = start(asker, line, flags & PROMPT_ECHO, &fd);
	free(line);
	*got = read_answer(c, l, fd, answer, &status) == 0;
	*got = finish(pid, fd, *got);
	if (!*got)
		explicit_bzero(answer, ANSWER_MAX);
	chain_resume(c, &pause);
	if (status == OK)
		link_question(l, pause.began);
	return status;
}
