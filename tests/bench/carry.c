/*
 * carry: starts a tunnel as ssh starts a ProxyCommand, on two pipes, moves
 * bytes through it to the end point (ends.c), checks them, and prints what
 * that took, as key=value words on one line.
 *
 *	usage: carry MODE N command ...
 *
 *	hello 0		until the end point's first words are here
 *	down N, up N	N bytes; rate is in MB/s
 *	stall N		as down, but nobody reads for two seconds
 *	ping K		K times one byte there and back, but at most a second
 *	beside K	the same in the middle of 20 MB/s that come down
 *	idle S		S seconds without a byte
 *
 * In every mode first_ms is from the start to the first line; cpu is what
 * the command and all it started took, until the last of them is gone: we are
 * their reaper, so nobody is missed.  kb adds up the peaks of their memory.
 */

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <dirent.h>
#include <poll.h>

#include "bench.h"

#define LIMIT	300		/* seconds for all of it */
#define STALL	2
#define PINGING	1
#define REST	1		/* before a silence is measured */

static int from, to;		/* the command's stdout and stdin */
static uint64_t start;
static unsigned long kb, switches;
static volatile sig_atomic_t late;

/* No time left, or told to end; what is being waited for fails. */
static void
on_signal(int sig)
{
	late = sig;
}

/* Adds to *sum the number behind a key in a file of /proc. */
static void
add_field(const char *path, const char *key, unsigned long *sum)
{
	char line[256];
	FILE *f;

	if ((f = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			*sum += strtoul(line + strlen(key), NULL, 10);
	fclose(f);
}

/* Calls visit for each child of pid. */
static void
children(pid_t pid, void (*visit)(pid_t))
{
	char path[64];
	FILE *f;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if ((f = fopen(path, "r")) == NULL)
		return;
	while (fscanf(f, "%d", &child) == 1)
		visit(child);
	fclose(f);
}

/* Adds up memory and wake-ups of a process and all below it. */
static void
add_tree(pid_t pid)
{
	char path[64 + 256];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	add_field(path, "VmHWM:", &kb);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if ((d = opendir(path)) != NULL) {
		while ((e = readdir(d)) != NULL) {
			snprintf(path, sizeof(path), "/proc/%d/task/%s/status",
			    pid, e->d_name);
			add_field(path, "voluntary_ctxt_switches:", &switches);
		}
		closedir(d);
	}
	children(pid, add_tree);
}

static void
look(void)
{
	kb = switches = 0;
	children(getpid(), add_tree);
}

static void
terminate(pid_t pid)
{
	kill(pid, SIGTERM);
}

static void
destroy(pid_t pid)
{
	kill(pid, SIGKILL);
}

/*
 * Waits until nobody is left, and helps: those who have not ended in two
 * seconds are told to, and killed after another.
 */
static void
reap(void)
{
	uint64_t begin = now_ns(), ms;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) != -1 || errno == EINTR) {
		if (pid > 0)
			continue;
		ms = (now_ns() - begin) / MS;
		if (ms > 3000)
			children(getpid(), destroy);
		else if (ms > 2000)
			children(getpid(), terminate);
		poll(NULL, 0, ms < 50 ? 1 : 10);
	}
}

static void __attribute__((noreturn))
fail(const char *what)
{
	children(getpid(), destroy);
	close(to);
	close(from);
	reap();
	errx(1, "%s%s", what, late ? " in time" : "");
}

/* A pipe on both sides, as ssh has it. */
static void
launch(char *argv[])
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) == -1 || pipe(out) == -1)
		err(1, "pipe");
	start = now_ns();
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	close(in[0]);
	close(out[1]);
	to = in[1];
	from = out[0];
}

static void
ask(const char *mode, unsigned long long n)
{
	char line[LINE];
	int len;

	len = snprintf(line, sizeof(line), "%s %llu\n", mode, n);
	if (write_all(to, line, (size_t)len) == -1)
		fail("the request could not be written");
}

static void
download(uint64_t n, int stall)
{
	double rate;
	int rc;

	ask("down", n);
	if (stall) {
		sleep_until(now_ns() + STALL * SEC);
		look();
		printf("stalled_kb=%lu ", kb);
	}
	if ((rc = check_pattern(from, n, &rate)) != 0)
		fail(rc == -1 ? "it ended early" : "wrong bytes");
	printf("rate=%.3f ", rate);
	look();
	(void)write_all(to, "!", 1);	/* now it may end */
}

static void
upload(uint64_t n)
{
	char line[LINE];
	double rate;

	ask("up", n);
	(void)send_pattern(to, n);	/* if it fails, the answer says why */
	if (read_line(from, line) == -1)
		fail("no answer");
	if (sscanf(line, "good %lf", &rate) != 1)
		fail("wrong bytes");
	printf("rate=%.3f ", rate);
	look();
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* One byte there and back; never mind the zeros before and behind it. */
static uint64_t
trip(char c)
{
	static char buf[CHUNK];
	uint64_t t = now_ns();
	ssize_t n;

	if (write_all(to, &c, 1) == -1)
		fail("it takes no more");
	do {
		if ((n = read(from, buf, sizeof(buf))) <= 0)
			fail("no echo");
	} while (memchr(buf, c, (size_t)n) == NULL);
	return now_ns() - t;
}

static void
ping(const char *mode, size_t n)
{
	uint64_t *t, end = now_ns() + PINGING * SEC;
	size_t i;

	if (n == 0 || (t = calloc(n, sizeof(*t))) == NULL)
		errx(1, "%zu trips?", n);
	ask(mode, 0);
	for (i = 0; i < n && (i == 0 || now_ns() < end); i++)
		t[i] = trip('a' + (char)(i % 26));
	qsort(t, i, sizeof(*t), compare);
	printf("median_us=%.1f p99_us=%.1f ", (double)t[i / 2] / 1e3,
	    (double)t[i - 1 - i / 100] / 1e3);
	free(t);
}

static void
idle(unsigned sec)
{
	unsigned long before;

	ask("echo", 0);
	(void)trip('a');
	sleep_until(now_ns() + REST * SEC);
	look();
	before = switches;
	sleep_until(now_ns() + sec * SEC);
	look();
	printf("switches=%lu ", switches - before);
	(void)trip('b');
}

static void
run(const char *mode, unsigned long long n)
{
	if (strcmp(mode, "down") == 0 || strcmp(mode, "stall") == 0)
		download(n, mode[0] == 's');
	else if (strcmp(mode, "up") == 0)
		upload(n);
	else if (strcmp(mode, "ping") == 0)
		ping("echo", n);
	else if (strcmp(mode, "beside") == 0)
		ping(mode, n);
	else if (strcmp(mode, "idle") == 0)
		idle((unsigned)n);
	else if (strcmp(mode, "hello") != 0)
		fail("no such mode");
}

int
main(int argc, char *argv[])
{
	struct sigaction action = { .sa_handler = on_signal };
	char greeting[LINE];
	struct rusage used;

	if (argc < 4)
		errx(1, "usage: carry mode n command ...");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pattern_fill();
	alarm(LIMIT);
	launch(argv + 3);
	if (read_line(from, greeting) == -1)
		fail("no first byte");
	printf("first_ms=%.3f ", (double)(now_ns() - start) / 1e6);
	if (strcmp(greeting, GREETING) != 0)
		fail("not the end point's greeting");
	run(argv[1], strtoull(argv[2], NULL, 10));
	alarm(0);
	close(to);
	close(from);
	reap();
	if (getrusage(RUSAGE_CHILDREN, &used) == -1)
		err(1, "getrusage");
	printf("cpu=%.6f kb=%lu\n",
	    (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
	    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6, kb);
	return 0;
}
