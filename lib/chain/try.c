/*
 * -t: the chain is set up and taken down again, and what each stage took is
 * shown.
 */

#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"
#include "wire/joint.h"

#define PATIENCE	1000	/* ms for what the target says by itself */
#define LINE	255	/* bytes of it: RFC 4253, 4.2 */

/*
 * Has what came through l's ForwardCommand, and is no SSH, come to its end
 * before the time until (ms)?  Then that is the cause of a failure.
 */
static int
judge_text(struct chain *c, struct link *l, int fd, uint64_t until)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char data[LINE];
	int status = OK;
	ssize_t n = 1;

	while (status == OK && n != 0 && forward_text(l) != NULL &&
	    now() < until) {
		pfd.revents = 0;
		status = chain_wait(c, &pfd, 1, until);
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	}
	return status != OK || n != 0 || forward_text(l) == NULL ? status :
	    command_forward_text(c, l, forward_text(l));
}

/* The target's first line, if it sends one within a second. */
static int
listen_to(struct chain *c, struct timing *timing, int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t from = now(), until = from + PATIENCE;
	struct link *l = &c->links[c->n - 1];
	struct timing_row r = { .stage = STAGE_BANNER, .from = from };
	char line[LINE + 1];
	ssize_t n = 0;
	int status = OK;

	while (status == OK && pfd.revents == 0 && now() < until)
		status = chain_wait(c, &pfd, 1, until);
	if (status != OK)
		return status;
	if (pfd.revents != 0)
		n = recv(fd, line, LINE, MSG_DONTWAIT);
	if (pfd.revents != 0 && n == 0 && l->forward.command != NULL &&
	    (status = command_forward_end(c, l, NULL)) != OK)
		return status;
	if (n > 0 && (status = judge_text(c, l, fd, until)) != OK)
		return status;
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	r.to = now();
	r.note = n > 0 ? line : pfd.revents != 0 ? "has closed" :
	    "says nothing";
	timing_add(timing, &r);
	return OK;
}

/* Sets up the chain, and waits for the target's first line. */
static int
climb(struct chain *c, struct plan *plan, struct timing *timing)
{
	int fd, ours, theirs = -1, status;

	if (plan->nhops == 0)
		status = chain_dial(c, plan, &ours);
	else {
		joint_open(&theirs, &ours);
		status = chain_open(c, plan, theirs, theirs);
	}
	if (status == OK && plan->nhops > 0 && (fd = share_take(c)) != -1) {
		close(ours);
		ours = fd;
	}
	if (status == OK)
		status = fail_say(c, listen_to(c, timing, ours));
	if (plan->nhops > 0 || status == OK)
		close(ours);
	if (theirs != -1)
		close(theirs);
	return status;
}

/*
 * Tries plan's chain and prints what each stage took; nothing is carried.
 * Returns OK, or another status after saying what failed.
 */
int
try(struct chain *c, struct plan *plan, void *arg)
{
	struct timing *timing = race_timing(c, plan);
	int status;

	(void)arg;
	c->sequence->timing = timing;
	status = climb(c, plan, timing);
	c->sequence->timing = NULL;
	timing_end(timing);
	return status;
}
