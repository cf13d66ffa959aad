/*
 * A program that listens on a socket in a folder of its own, both of which are
 * gone when we are, however that was.  A child stands by it and waits for the
 * end of a pipe from us: a program that is setgid, as ssh-agent is in Debian,
 * gets no signal by itself when we end, and no folder is removed by one.
 */

#include <sys/select.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define SOCKET	"/socket"
#define SUFFIX	17	/* what ssh adds to its socket for a moment: mux.c */
#define GRACE	500	/* ms the program has to end by itself */

/* Makes the folder below base; returns its path, or NULL. */
static char *
make_folder_in(const char *base, const char *name)
{
	struct sockaddr_un sun;
	char *path;

	errno = ENOENT;
	if (base == NULL || *base != '/')
		return NULL;
	path = xasprintf("%s/proxyhop-%s.XXXXXX", base, name);
	if (strlen(path) + strlen(SOCKET) + SUFFIX < sizeof(sun.sun_path) &&
	    mkdtemp(path) != NULL)
		return path;
	free(path);
	return NULL;
}

static char *
make_folder(const char *name)
{
	char *path;

	if ((path = make_folder_in(getenv("XDG_RUNTIME_DIR"), name)) == NULL &&
	    (path = make_folder_in(getenv("TMPDIR"), name)) == NULL)
		path = make_folder_in("/tmp", name);
	return path;
}

/* Removes the folder, and what a program that was killed has left in it. */
static void
remove_folder(const char *path)
{
	struct dirent *entry;
	DIR *dir;

	if ((dir = opendir(path)) != NULL) {
		while ((entry = readdir(dir)) != NULL)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		closedir(dir);
	}
	(void)rmdir(path);
}

/* In the program's process, which gets every signal. */
static void __attribute__((noreturn))
become(void (*run)(void *), void *arg)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	run(arg);
	_exit(127);
}

/* It may be waiting for an answer: then it does not hear the first signal. */
static void
end_program(pid_t pid)
{
	const struct timespec pause = { 0, 2 * 1000 * 1000 };
	uint64_t until = now() + GRACE;

	(void)kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now() >= until)
			(void)kill(pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
}

static void
on_child(int sig)
{
	(void)sig;	/* pselect(2) returns */
}

/*
 * Waits until the program has ended, or until stdin has, which ends it.  All
 * signals are blocked.
 */
static void
outlast(pid_t pid)
{
	sigset_t mask;
	fd_set fds;

	(void)sigfillset(&mask);
	(void)sigdelset(&mask, SIGCHLD);
	FD_ZERO(&fds);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		FD_SET(STDIN_FILENO, &fds);
		if (pselect(STDIN_FILENO + 1, &fds, NULL, NULL, NULL,
		    &mask) > 0) {
			end_program(pid);
			return;
		}
	}
}

/* In the child: nothing but our end and the program's matters, no signal. */
static void __attribute__((noreturn))
stand_by(const struct standby *s, int hold, void (*run)(void *), void *arg)
{
	sigset_t all;
	pid_t pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGCHLD, on_child);
	if ((pid = child_fork(SIGTERM)) == 0)
		become(run, arg);
	(void)dup2(hold, STDIN_FILENO);
	closefrom(STDIN_FILENO + 1);
	if (pid != -1)
		outlast(pid);
	remove_folder(s->folder);
	_exit(0);
}

/*
 * Makes a folder whose name has name in it, for standby_start().  Returns 0, or
 * -1 with errno; standby_end() must follow in any case.
 */
int
standby_open(struct standby *s, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->hold = -1;
	if ((s->folder = make_folder(name)) == NULL)
		return -1;
	s->path = xasprintf("%s" SOCKET, s->folder);
	return 0;
}

/*
 * Starts the program: run is called in its process, with arg, and is to execute
 * it, so that it listens on s->path.  Returns 0, or -1 with errno.
 */
int
standby_start(struct standby *s, void (*run)(void *), void *arg)
{
	int hold[2];

	if (pipe2(hold, O_CLOEXEC) == -1)
		return -1;
	if ((s->pid = child_fork(0)) == 0)
		stand_by(s, hold[0], run, arg);
	close(hold[0]);
	s->hold = hold[1];
	return s->pid == -1 ? -1 : 0;
}

/* Has the program ended? */
int
standby_over(struct standby *s)
{
	if (s->pid > 0 && waitpid(s->pid, NULL, WNOHANG) != 0)
		s->pid = 0;
	return s->pid <= 0;
}

/* Ends the program, waits until it and its folder are gone, and frees s's. */
void
standby_end(struct standby *s)
{
	if (s->hold != -1)
		close(s->hold);
	if (s->pid > 0)
		(void)child_wait(s->pid);
	else if (s->folder != NULL)
		(void)rmdir(s->folder);	/* if nobody else has */
	free(s->folder);
	free(s->path);
	memset(s, 0, sizeof(*s));
	s->hold = -1;
}
