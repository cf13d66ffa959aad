/*
 * What ssh itself says of a hop: ssh -G, run as ssh runs its own jump hosts
 * and with our -F, -i and -o, so that no configuration is read by any reader
 * but ssh's.
 */

#include <sys/mman.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

extern char **environ;

static int
memory_file(const char *name)
{
	int fd;

	if ((fd = os_memory_file(name)) == -1)
		err(RETRY, "cannot keep what ssh prints");
	return fd;
}

/*
 * Does option hold for hop, which is number n in the chain?  None does for
 * the target, which has number 0.
 */
int
ask_concerns(const struct option *option, const struct hop *hop, int n)
{
	const char *errstr;

	if (n == 0)
		return 0;
	return option->hop == NULL || strcmp(option->hop, hop->name) == 0 ||
	    strcmp(option->hop, hop->spec) == 0 ||
	    strtonum(option->hop, 1, MAX_HOPS, &errstr) == n;
}

static void
add(struct strlist *argv, const char *flag, const char *value)
{
	strlist_add(argv, xstrdup(flag));
	if (value != NULL)
		strlist_add(argv, xstrdup(value));
}

/*
 * Adds the arguments that every ssh knows: which hop, its user and port, and
 * the options that were typed for it; then a NULL.
 */
void
ask_whom(struct strlist *argv, const struct hop *hop, const struct question *q)
{
	const struct option *option;
	const char *const *extra = q->extra;
	const char *file = q->conf->configfile;
	char port[sizeof("65535")];

	/* old ones do not know "none" */
	if (file != NULL)
		add(argv, "-F", strcmp(file, "none") == 0 ? _PATH_DEVNULL :
		    file);
	if (hop->typed_user != NULL)
		add(argv, "-l", hop->typed_user);
	if (hop->typed_port != 0) {
		snprintf(port, sizeof(port), "%d", hop->typed_port);
		add(argv, "-p", port);
	}
	while (extra != NULL && *extra != NULL)
		add(argv, "-o", *extra++);
	TAILQ_FOREACH(option, &q->conf->options, entry)
		if (ask_concerns(option, hop, q->number) && !conf_own(option))
			add(argv, option->flag == 'i' ? "-i" : "-o",
			    option->text);
	add(argv, "--", hop->name);
	strlist_add(argv, NULL);
}

/* The ssh that has started us, as it starts its own jump hosts, or PATH's. */
static const char *
program(const struct conf *conf)
{
	return conf->ssh != NULL ? conf->ssh : "ssh";
}

/*
 * -W as ssh has it for a jump host: without it ForkAfterAuthentication and
 * Match sessiontype would answer for another kind of session.
 */
static void
arguments(struct strlist *argv, const struct hop *hop, const struct question *q)
{
	add(argv, program(q->conf), NULL);
	add(argv, "-G", NULL);
	add(argv, "-W", q->next);
	if (q->earlier != NULL)
		add(argv, "-J", q->earlier);
	ask_whom(argv, hop, q);
}

/*
 * Returns the name of a shell for which every Match exec is false, or NULL, the
 * user's, if there is none.
 */
const char *
ask_shell_false(void)
{
	static const char *const names[] = { "/bin/false", "/usr/bin/false" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (access(names[i], X_OK) == 0)
			return names[i];
	return NULL;
}

/*
 * Returns the environment with this SHELL, or as it is for NULL; the caller
 * frees it, and that variable.
 */
static char **
environment(char *shell)
{
	char **envp, **e;
	size_t n = 2;

	for (e = environ; *e != NULL; e++)
		n++;
	envp = xcalloc(n, sizeof(*envp));
	for (n = 0, e = environ; *e != NULL; e++)
		if (shell == NULL || strncmp(*e, "SHELL=", 6) != 0)
			envp[n++] = *e;
	envp[n] = shell;
	return envp;
}

static pid_t
spawn(char *argv[], const char *shell, int out, int err)
{
	char *variable = shell == NULL ? NULL : xasprintf("SHELL=%s", shell);
	char **envp = environment(variable);
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int error;

	/* our own stdin and stdout are the tunnel */
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, _PATH_DEVNULL,
	    O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fa, err, STDERR_FILENO);
	error = posix_spawnp(&pid, argv[0], &fa, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&fa);
	free(envp);
	free(variable);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return pid;
}

static void
run(struct ask *ask, struct hop *hop, struct strlist *argv)
{
	ask->hop = hop;
	ask->out = memory_file("answer");
	ask->err = memory_file("complaint");
	if ((ask->pid = spawn(argv->v, ask->shell, ask->out, ask->err)) == -1)
		say_debug(1, "ssh: %s", strerror(errno));
	strlist_free(argv);
}

/* Begins to ask ssh about hop.  ask_finish() must follow. */
void
ask_start(struct ask *ask, struct hop *hop, const struct question *q)
{
	struct strlist argv = { NULL, 0 };

	arguments(&argv, hop, q);
	ask->conf = q->conf;
	ask->shell = q->shell;
	run(ask, hop, &argv);
}

/* Returns all of a memory file as a string. */
static char *
contents(int fd)
{
	off_t size;
	ssize_t n;
	char *s;

	if ((size = lseek(fd, 0, SEEK_END)) == -1)
		err(RETRY, "lseek");
	s = xcalloc(1, size + 1);
	if ((n = pread(fd, s, size, 0)) == -1)
		err(RETRY, "pread");
	s[n] = '\0';
	return s;
}

/* The same, and closes it. */
static char *
slurp(int fd)
{
	char *s = contents(fd);

	close(fd);
	return s;
}

static void
wait_for(struct ask *ask)
{
	if (ask->pid <= 0)
		return;
	ask->status = child_wait(ask->pid);
	ask->pid = 0;
}

/* Turns several lines into one, for a message. */
static char *
one_line(char *text)
{
	char *line, *seen, *all = NULL;

	while ((line = strsep(&text, "\r\n")) != NULL) {
		if (*line == '\0')
			continue;
		seen = str_visible(line);
		str_append(&all, "; ", seen);
		free(seen);
	}
	return all;
}

/* What makes no sense is ssh's default, unless too much depends on it. */
static int
read_odd(struct hop *hop, const char *key, const char *value)
{
	const char *instead = keyword_default(hop, key);

	if (instead == NULL)
		say("%s: ssh -G says %s %s, which makes no sense here",
		    hop->name, key, value);
	else
		say_debug(1, "%s: ssh -G says %s %s, which makes no sense "
		    "here: taken for %s", hop->name, key, value, instead);
	return instead == NULL ? -1 : 0;
}

/*
 * Sets in hop what an answer says, "key value" a line; keys we do not know
 * are for others.  Takes answer apart.  Returns 0, or -1 after saying what
 * makes no sense.
 */
int
ask_read(struct hop *hop, char *answer)
{
	char *line, *value;

	while ((line = strsep(&answer, "\n")) != NULL) {
		if ((value = strchr(line, ' ')) == NULL)
			continue;
		*value++ = '\0';
		if (!keyword_known(line))
			ignored_note(hop, line, value);
		else if (keyword_set(hop, line, value) == -1 &&
		    read_odd(hop, line, value) == -1)
			return -1;
	}
	return 0;
}

/* Is message that of an OpenSSH that does not know an option? */
static int
unknown_option(const char *message, const char *bsd, const char *gnu)
{
	return message != NULL &&
	    (strstr(message, bsd) != NULL || strstr(message, gnu) != NULL);
}

/* Has ssh ended because of a Match exec that it was kept from running? */
static int
wants_exec(const struct ask *ask, const char *message)
{
	return ask->shell != NULL && strcmp(ask->shell, SHELL_NONE) == 0 &&
	    (message == NULL || strstr(message, SHELL_NONE) != NULL ||
	    strstr(message, "match exec '") != NULL);
}

static enum answer
judge(const struct ask *ask, char *answer, const char *message, int status,
    int quiet)
{
	struct hop *hop = ask->hop;

	if (status == 0 && strstr(answer, "\nhostname ") != NULL) {
		if (message != NULL)
			say_debug(1, "%s: ssh -G: %s", hop->name, message);
		return ask_read(hop, answer) == 0 ? ANSWER_OK :
		    ANSWER_REFUSED;
	}
	/* it does not even start where the password file has no line for us */
	if (message != NULL && strstr(message, "No user exists for uid"))
		return ANSWER_NONE;
	/* dropbear's can be called ssh, too, and would connect */
	if (message != NULL && (status == 0 || strstr(message, "option -G")))
		return ANSWER_NONE;
	if (unknown_option(message, "option -- G", "option -- 'G'"))
		return ANSWER_OLD;
	if (unknown_option(message, "option -- J", "option -- 'J'"))
		return ANSWER_NO_JUMP;
	if (wants_exec(ask, message))
		return ANSWER_EXEC;
	if (!quiet)
		refusal_say(ask, status, message);
	return ANSWER_REFUSED;
}

/* Waits for ssh, but ms milliseconds at most; returns whether it has ended. */
int
ask_await(const struct ask *ask, int ms)
{
	return ask->pid <= 0 || child_ends(ask->pid, ms);
}

/*
 * Waits for ssh and sets in hop what its answer says of sharing, and of a
 * ProxyJump; ask_finish() or ask_drop() still has to follow.  Returns whether
 * there is an answer.
 */
int
ask_peek(struct ask *ask, struct hop *hop)
{
	static const char *const keys[] = { "controlmaster", "controlpath",
	    "proxyjump" };
	char *answer, *rest, *line, *value;
	int found;
	size_t i;

	wait_for(ask);
	rest = answer = contents(ask->out);
	found = ask->pid == 0 && ask->status == 0 &&
	    strstr(answer, "\nhostname ") != NULL;
	while (found && (line = strsep(&rest, "\n")) != NULL) {
		if ((value = strchr(line, ' ')) == NULL)
			continue;
		*value++ = '\0';
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strcmp(line, keys[i]) == 0)
				(void)keyword_set(hop, line, value);
	}
	free(answer);
	return found;
}

/* Nobody needs the answer any more. */
void
ask_drop(struct ask *ask)
{
	if (ask->pid > 0)
		(void)kill(ask->pid, SIGKILL);
	wait_for(ask);
	close(ask->out);
	close(ask->err);
}

/*
 * Waits for ssh and sets what its answer says in the hop.  If it refuses, its
 * message is said; not so if told to be quiet, since what is wrong for one hop
 * often is for all.
 */
enum answer
ask_finish(struct ask *ask, int quiet)
{
	char *answer, *complaint, *message;
	enum answer rc = ANSWER_NONE;

	wait_for(ask);
	answer = slurp(ask->out);
	complaint = slurp(ask->err);
	message = one_line(complaint);
	if (ask->pid != -1)
		rc = judge(ask, answer, message, ask->status, quiet);
	free(message);
	free(complaint);
	free(answer);
	return rc;
}

/*
 * Runs ssh with flags, which end with NULL and keep it from connecting, for the
 * hop of q.  Returns what it said on stderr; the caller frees it.
 */
char *
ask_stderr(struct hop *hop, const struct question *q, const char *const *flags)
{
	struct strlist argv = { NULL, 0 };
	struct ask ask = { .shell = q->shell };
	char *message;

	add(&argv, program(q->conf), NULL);
	for (; *flags != NULL; flags++)
		add(&argv, *flags, NULL);
	ask_whom(&argv, hop, q);
	run(&ask, hop, &argv);
	wait_for(&ask);
	close(ask.out);
	message = slurp(ask.err);
	return message;
}
