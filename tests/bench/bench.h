/*
 * bench.h: what the bench's C programs share: the bytes they carry, which the
 * other end can check, clocks, and servers on loopback.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		(256 * 1024)
#define PERIOD		1000003		/* a prime: no block repeats itself */
#define GREETING	"welcome"	/* an end point's first line */
#define LINE		64		/* longest request */
#define MS		UINT64_C(1000000)	/* in ns */
#define SEC		UINT64_C(1000000000)

/* The byte at offset n of a flow is pattern[n % PERIOD]. */
static char pattern[PERIOD + CHUNK];

static inline void
pattern_fill(void)
{
	uint64_t x = 88172645463325252u;
	size_t i;

	for (i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = i < PERIOD ? (char)(x >> 32) : pattern[i - PERIOD];
	}
}

static inline uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

/* Sleeps until then. */
static inline void
sleep_until(uint64_t then)
{
	struct timespec t = { (time_t)(then / SEC), (long)(then % SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Writes all of it; -1 if that failed. */
static inline int
write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) <= 0)
			return -1;
	return 0;
}

/* Reads a line, byte by byte: what follows is not ours yet. */
static inline int
read_line(int fd, char *line)
{
	size_t i;

	for (i = 0; i < LINE - 1; i++) {
		if (read(fd, &line[i], 1) != 1)
			return -1;
		if (line[i] == '\n') {
			line[i] = '\0';
			return 0;
		}
	}
	return -1;
}

/* Writes n bytes of the pattern. */
static inline int
send_pattern(int fd, uint64_t n)
{
	uint64_t off = 0, len;

	for (; off < n; off += len) {
		len = n - off < CHUNK ? n - off : CHUNK;
		if (write_all(fd, pattern + off % PERIOD, len) == -1)
			return -1;
	}
	return 0;
}

/*
 * Reads n bytes of the pattern.  Returns 0, -1 if it ended before, -2 if the
 * bytes are not the right ones.  *rate becomes the MB/s of all but the first
 * quarter, which a long link sends before it has filled its windows.
 */
static inline int
check_pattern(int fd, uint64_t n, double *rate)
{
	static char buf[CHUNK];
	uint64_t off, begin = 0, skipped = 0;
	ssize_t len;

	for (off = 0; off < n; off += (uint64_t)len) {
		if (begin == 0 && off >= n / 4 && off > 0) {
			begin = now_ns();
			skipped = off;
		}
		len = read(fd, buf, n - off < CHUNK ? n - off : CHUNK);
		if (len <= 0)
			return -1;
		if (memcmp(buf, pattern + off % PERIOD, (size_t)len) != 0)
			return -2;
	}
	*rate = begin == 0 ? 0 :
	    (double)(n - skipped) * 1e3 / (double)(now_ns() - begin);
	return 0;
}

static inline int
set_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Listens on a free port, says which, and lets children end unnoticed. */
static inline int
loopback_listen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int s;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	if ((s = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    bind(s, (struct sockaddr *)&sin, len) == -1 ||
	    listen(s, 128) == -1 ||
	    getsockname(s, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listen");
	printf("listening %d\n", ntohs(sin.sin_port));
	fflush(stdout);
	return s;
}

static inline int
loopback_accept(int s)
{
	int fd;

	while ((fd = accept(s, NULL, NULL)) == -1)
		if (errno != ECONNABORTED && errno != EINTR)
			err(1, "accept");
	return set_nodelay(fd);
}

static inline int
loopback_connect(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(port) };
	int fd;

	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connect");
	return set_nodelay(fd);
}
