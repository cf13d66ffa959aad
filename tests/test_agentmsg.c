/* Messages between a client and its agent: what is late is not waited for. */

#include <criterion/criterion.h>

#include <sys/socket.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "login/agentmsg.h"

/* An agent that sends n bytes, ms apart; returns our end. */
static int
agent(const char *data, size_t n, int ms)
{
	int pair[2];
	size_t i;
	char c;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if (fork() == 0) {
		close(pair[0]);
		for (i = 0; i < n && write(pair[1], data + i, 1) == 1; i++)
			usleep(ms * 1000);
		_exit((int)read(pair[1], &c, 1));
	}
	close(pair[1]);
	return pair[0];
}

Test(agentmsg, in_pieces) {
	char data[4 + 20] = { 0, 0, 0, 20, 14 };
	unsigned char *got;
	size_t len;
	int fd;

	fd = agent(data, sizeof(data), 1);
	got = agentmsg_await(fd, &len, 10000);
	cr_assert_not_null(got);
	cr_assert_eq(len, 20);
	cr_assert_eq(got[0], 14);
	free(got);
	close(fd);
}

/* The time is that of the whole message, not of each byte. */
Test(agentmsg, trickle) {
	char data[4 + 200] = { 0, 0, 0, 200, 14 };
	uint64_t began = now();
	size_t len;
	int fd;

	fd = agent(data, sizeof(data), 50);
	cr_assert_null(agentmsg_await(fd, &len, 500));
	cr_assert_geq(now() - began, 500);
	cr_assert_lt(now() - began, 5000);
	close(fd);
}

/* A length that no answer has. */
Test(agentmsg, too_long) {
	char data[4] = { 0x7f, 0, 0, 0 };
	size_t len;
	int fd;

	fd = agent(data, sizeof(data), 0);
	cr_assert_null(agentmsg_await(fd, &len, 10000));
	close(fd);
}
