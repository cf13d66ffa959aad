/*
 * Children that do for us what cannot be done without waiting.  None of them
 * outlives us unless it is to.
 */

#include <sys/select.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

/*
 * The signal that is to end a child has to reach it, whatever our parent has
 * ignored.  nohup(1) is meant for a ProxyCommand, too, but not beyond our end.
 */
static int
deadly(int sig)
{
	if (sig != SIGHUP)
		(void)signal(sig, SIG_DFL);
	else if (signal(sig, SIG_IGN) == SIG_IGN)
		return SIGKILL;
	else
		(void)signal(sig, SIG_DFL);
	return sig;
}

/* From now on this process gets sig when the one that has started it ends. */
void
child_follow(int sig)
{
	os_end_with_parent(deadly(sig));
}

/* As fork(2), but the child gets sig when we are gone, however that was. */
pid_t
child_fork(int sig)
{
	pid_t parent = getpid(), pid;

	if ((pid = fork()) != 0)
		return pid;
	child_follow(sig);
	if (getppid() != parent)
		_exit(RETRY);
	return 0;
}

/*
 * As child_fork(), with a pipe from the child to us: leaves in *end the one
 * end of it that the caller, which owns it, is to use.
 */
pid_t
child_pipe(int sig, int *end)
{
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) == -1 || (pid = child_fork(sig)) == -1)
		return -1;
	*end = pair[pid == 0];
	close(pair[pid != 0]);
	return pid;
}

/* Waits until a child has ended; returns what waitpid(2) says of it, or -1. */
int
child_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status;
}

static void
woken(int sig)
{
	(void)sig;
}

/* Sleeps for ms milliseconds, or until SIGCHLD comes, which is blocked here. */
static void
sleep_until_child(uint64_t ms, const sigset_t *before)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
	sigset_t mask = *before;

	(void)sigdelset(&mask, SIGCHLD);
	(void)pselect(0, NULL, NULL, NULL, &left, &mask);
}

/*
 * Waits for a child, but ms milliseconds at most.  Returns whether it has
 * ended; child_wait() still has to follow.
 */
int
child_ends(pid_t pid, int ms)
{
	struct sigaction old, sa = { .sa_handler = woken };
	uint64_t t, until = now() + ms;
	sigset_t chld, before;
	siginfo_t info = { .si_pid = 0 };

	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &chld, &before);
	(void)sigaction(SIGCHLD, &sa, &old);
	while ((t = now()) < until && waitid(P_PID, pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		sleep_until_child(until - t, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)sigaction(SIGCHLD, &old, NULL);
	return info.si_pid != 0;
}
