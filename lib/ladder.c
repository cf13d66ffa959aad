/*
 * -t: what the set-up of each hop took, stage by stage.  As a table at the
 * end, with bars to scale, or with -tt as one JSON object a line at once.
 */

#include <sys/socket.h>

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxyhop.h"

#define BAR	24	/* columns for the whole time */
#define PATIENCE	1000	/* ms for what the target says by itself */
#define LINE	255	/* bytes of it: RFC 4253, 4.2 */

struct rung {
	int		 number;	/* of the hop; 0: the target */
	char		*name;
	enum stage	 stage;
	uint64_t	 from, to;	/* ms since the beginning */
	char		*note;
};

struct ladder {
	struct rung	*rungs;
	size_t		 n;
	char		*target;	/* host:port, visible */
	int		 json;
	uint64_t	 began;
};

/* Returns a new ladder; json: lines at once instead of a table at the end. */
struct ladder *
ladder_new(int json)
{
	struct ladder *ladder = xcalloc(1, sizeof(*ladder));

	ladder->json = json;
	ladder->began = now();
	return ladder;
}

/* A string as JSON has it (RFC 8259, 7); bytes beyond ASCII as they are. */
static void
json_string(const char *key, const char *s)
{
	printf("\"%s\":\"", key);
	for (; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	putchar('"');
}

static void
json_rung(const struct rung *r)
{
	printf("{\"hop\":%d,", r->number);
	json_string("name", r->name);
	putchar(',');
	json_string("stage", say_stage(r->stage));
	printf(",\"start_ms\":%" PRIu64 ",\"ms\":%" PRIu64, r->from,
	    r->to - r->from);
	if (r->note != NULL) {
		putchar(',');
		json_string("note", r->note);
	}
	puts("}");
	(void)fflush(stdout);
}

static void
add(struct ladder *ladder, int number, const char *name, enum stage stage,
    uint64_t from, uint64_t to, const char *note)
{
	struct rung *r;

	if ((ladder->rungs = reallocarray(ladder->rungs, ladder->n + 1,
	    sizeof(*r))) == NULL)
		errx(RETRY, "out of memory");
	r = &ladder->rungs[ladder->n++];
	r->number = number;
	r->name = number == 0 ? xstrdup(ladder->target) : words_visible(name);
	r->stage = stage;
	r->from = from - ladder->began;
	r->to = to - ladder->began;
	r->note = xstrdup(note);
	if (ladder->json)
		json_rung(r);
}

/* l has passed its stage, at t.  ladder may be NULL. */
void
ladder_rung(struct ladder *ladder, const struct link *l, uint64_t t)
{
	if (ladder != NULL)
		add(ladder, l->number, l->hop->name, l->stage, l->since, t,
		    l->note);
}

/* l has failed at its stage; why is text.  ladder may be NULL. */
void
ladder_fail(struct ladder *ladder, const struct link *l, const char *text)
{
	char *name, *seen;

	if (ladder == NULL)
		return;
	if (!ladder->json) {
		add(ladder, l->number, l->hop->name, l->stage, l->since, now(),
		    "FAILED");
		return;
	}
	printf("{\"hop\":%d,", l->number);
	name = l->number == 0 ? xstrdup(ladder->target) :
	    words_visible(l->hop->name);
	json_string("name", name);
	free(name);
	putchar(',');
	json_string("stage", say_stage(l->stage));
	printf(",\"start_ms\":%" PRIu64 ",\"ms\":%" PRIu64 ",",
	    l->since - ladder->began, now() - l->since);
	seen = words_visible(text);
	json_string("failed", seen);
	free(seen);
	puts("}");
	(void)fflush(stdout);
}

/* Where in the whole time the rung is: blanks before it, then its length. */
static void
bar(const struct rung *r, uint64_t total)
{
	int begin, end, i;

	if (total == 0)
		total = 1;
	begin = r->from * BAR / total;
	if (begin == BAR)
		begin--;
	end = (r->to * BAR + total - 1) / total;
	if (end <= begin)
		end = begin + 1;	/* all of them can be seen */
	for (i = 0; i < BAR; i++)
		putchar(i >= begin && i < end ? '#' : ' ');
}

static void
print_rung(const struct rung *r, uint64_t total)
{
	printf("  %-8s %6" PRIu64 " ms |", say_stage(r->stage),
	    r->to - r->from);
	bar(r, total);
	printf("|%s%s\n", r->note == NULL ? "" : " ",
	    r->note == NULL ? "" : r->note);
}

static void
print_table(const struct ladder *ladder)
{
	const struct rung *r = ladder->rungs, *end = r + ladder->n;
	int number = -1;

	for (; r < end; r++) {
		if (r->number != number && r->number == 0)
			printf("target %s\n", r->name);
		else if (r->number != number)
			printf("hop %d %s\n", r->number, r->name);
		number = r->number;
		print_rung(r, end[-1].to);
	}
	if (ladder->n > 0)
		printf("  %-8s %6" PRIu64 " ms\n", "in all", end[-1].to);
}

/* The target's first line, if it sends one within a second. */
static int
listen_to(struct chain *c, struct ladder *ladder, int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t from = now(), until = from + PATIENCE;
	struct link *l = &c->links[c->n - 1];
	char line[LINE + 1], *seen;
	ssize_t n = 0;
	int status = OK;

	while (status == OK && pfd.revents == 0 && now() < until)
		status = chain_wait(c, &pfd, 1, until);
	if (status != OK)
		return status;
	if (pfd.revents != 0)
		n = recv(fd, line, LINE, MSG_DONTWAIT);
	if (pfd.revents != 0 && n == 0 && l->command != NULL &&
	    (status = command_wait(c, l)) == OK && l->relay.exit != 0)
		status = command_forward_fail(c, l, NULL);
	if (status != OK)
		return status;
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	seen = words_visible(line);
	add(ladder, 0, NULL, STAGE_BANNER, from, now(), n > 0 ? seen :
	    pfd.revents != 0 ? "has closed" : "says nothing");
	free(seen);
	return OK;
}

/*
 * Tries plan's chain, and notes in ladder what each step took; nothing is
 * carried.  Returns OK, or another status after saying what failed;
 * chain_close() in either case.
 */
int
ladder_climb(struct chain *c, const struct plan *plan, struct ladder *ladder)
{
	int ours, theirs = -1, status;
	char *name;

	c->ladder = ladder;
	name = xasprintf("%s:%d", plan->host, plan->port);
	ladder->target = words_visible(name);
	free(name);
	if (plan->nhops == 0)
		status = chain_dial(c, plan, &ours);
	else {
		joint_open(&theirs, &ours);
		status = chain_open(c, plan, theirs, theirs);
	}
	if (status == OK)
		status = listen_to(c, ladder, ours);
	if (plan->nhops > 0 || status == OK)
		close(ours);
	if (theirs != -1)
		close(theirs);
	return status;
}

/* Prints what is not printed yet, and frees the ladder.  It may be NULL. */
void
ladder_end(struct ladder *ladder)
{
	if (ladder == NULL)
		return;
	if (!ladder->json)
		print_table(ladder);
	while (ladder->n > 0) {
		ladder->n--;
		free(ladder->rungs[ladder->n].name);
		free(ladder->rungs[ladder->n].note);
	}
	free(ladder->rungs);
	free(ladder->target);
	free(ladder);
}
