/*
 * ends: the end point behind the last hop.  Listens on a free port of
 * 127.0.0.1, prints "listening PORT", greets each connection at once, and does
 * what its first line asks for:
 *
 *	down N		send N bytes, close after the answer to them
 *	up N		read N bytes, say "good" and how fast, or "bad"
 *	echo		send back what comes
 *	beside		the same, but among 20 MB/s of zeros
 */

#include "bench.h"

static void
up(int fd, uint64_t n)
{
	char line[LINE] = "bad\n";
	double rate;
	int rc;

	if ((rc = check_pattern(fd, n, &rate)) == -1)
		return;
	if (rc == 0)
		snprintf(line, sizeof(line), "good %.3f\n", rate);
	(void)write_all(fd, line, strlen(line));
}

static void
down(int fd, uint64_t n)
{
	char c;

	if (send_pattern(fd, n) == 0)
		(void)!read(fd, &c, 1);
}

static void
echo(int fd)
{
	static char buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 &&
	    write_all(fd, buf, (size_t)n) == 0)
		;
}

/* An echo; a process of its own sends the zeros. */
static void
beside(int fd)
{
	static char zeros[20000];
	uint64_t next = now_ns();
	pid_t pid;

	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid > 0) {
		echo(fd);
		shutdown(fd, SHUT_RDWR);	/* it notices */
		return;
	}
	while (write_all(fd, zeros, sizeof(zeros)) == 0) {
		next = now_ns() > next + MS ? now_ns() : next + MS;
		sleep_until(next);
	}
	_exit(0);
}

static void
serve(int fd)
{
	char line[LINE], word[LINE];
	unsigned long long n = 0;

	if (write_all(fd, GREETING "\n", sizeof(GREETING)) == -1 ||
	    read_line(fd, line) == -1 || sscanf(line, "%63s %llu", word, &n) < 1)
		return;
	if (strcmp(word, "down") == 0)
		down(fd, n);
	else if (strcmp(word, "up") == 0)
		up(fd, n);
	else if (strcmp(word, "echo") == 0)
		echo(fd);
	else if (strcmp(word, "beside") == 0)
		beside(fd);
}

int
main(void)
{
	int s, fd;

	pattern_fill();
	s = loopback_listen();
	for (;;) {
		fd = loopback_accept(s);
		if (fork() == 0) {
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}
