/*
 * -t: what the set-up of each hop took, stage by stage.  As a table at the
 * end, with bars to scale, or with -tt as one JSON object a line at once.
 */

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"

#define BAR	24	/* columns for the whole time, or more if there is room */
#define COLUMNS	80	/* of a terminal that does not say */
#define BEFORE	21	/* columns before the bar, and 2 after it */
#define PATIENCE	1000	/* ms for what the target says by itself */
#define LINE	255	/* bytes of it: RFC 4253, 4.2 */

struct rung {
	int		 number;	/* of the hop; 0: the target */
	char		*name;
	enum stage	 stage;
	uint64_t	 from, to;	/* ms since the beginning */
	char		*note;		/* what it has shown, or NULL */
	char		*failed;	/* why, or NULL */
};

struct ladder {
	struct rung	*rungs;
	size_t		 n;
	char		*target;	/* host:port, visible */
	int		 json;
	int		 printed;
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
	if (r->failed != NULL) {
		putchar(',');
		json_string("failed", r->failed);
	}
	puts("}");
	(void)fflush(stdout);
}

static char *
visible(const char *s)
{
	return s == NULL ? NULL : words_visible(s);
}

/* Adds a copy of r, with times since the beginning, and words made visible. */
static void
add(struct ladder *ladder, const struct rung *r)
{
	struct rung *new;

	if ((ladder->rungs = reallocarray(ladder->rungs, ladder->n + 1,
	    sizeof(*r))) == NULL)
		errx(RETRY, "out of memory");
	new = &ladder->rungs[ladder->n++];
	*new = *r;
	new->name = r->number == 0 ? xstrdup(ladder->target) :
	    words_visible(r->name);
	new->from -= ladder->began;
	new->to -= ladder->began;
	new->note = visible(r->note);
	new->failed = visible(r->failed);
	if (ladder->json)
		json_rung(new);
}

/* l has passed its stage, at t.  ladder may be NULL. */
void
ladder_rung(struct ladder *ladder, const struct link *l, uint64_t t)
{
	struct rung r = { l->number, l->hop->name, l->stage, l->since, t,
	    l->note, NULL };

	if (ladder != NULL)
		add(ladder, &r);
}

/* The columns of stdout; 0: no limit, since it is no terminal. */
static int
columns(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == -1 || ws.ws_col == 0)
		return COLUMNS;
	return ws.ws_col;
}

/* How wide the bars are: they share with the notes what is over. */
static int
bar_width(int width)
{
	return width > COLUMNS ? BAR + (width - COLUMNS) / 2 : BAR;
}

/* Where in the whole time the rung is: blanks before it, then its length. */
static void
bar(const struct rung *r, uint64_t total, int width)
{
	int begin, end, i;

	if (total == 0)
		total = 1;
	begin = r->from * width / total;
	if (begin == width)
		begin--;
	end = (r->to * width + total - 1) / total;
	if (end <= begin)
		end = begin + 1;	/* all of them can be seen */
	for (i = 0; i < width; i++)
		putchar(i >= begin && i < end ? '#' : ' ');
}

/* A note, as much of it as there is room for; 0: all of it. */
static void
print_note(const char *note, int room)
{
	int len = strlen(note);

	if (room == 0 || len <= room) {
		printf(" %s\n", note);
		return;
	}
	len = room > 3 ? room - 3 : 0;
	while (len > 0 && (note[len] & 0xc0) == 0x80)
		len--;		/* not in the middle of a UTF-8 character */
	printf(" %.*s%s\n", len, note, room > 3 ? "..." : "");
}

static void
print_rung(const struct rung *r, uint64_t total, int width)
{
	int bars = bar_width(width), room = width - BEFORE - bars - 2;

	printf("  %-8s %6" PRIu64 " ms |", say_stage(r->stage),
	    r->to - r->from);
	bar(r, total, bars);
	putchar('|');
	if (r->failed != NULL)
		puts(" FAILED");
	else if (r->note == NULL || (width > 0 && room < 1))
		putchar('\n');
	else
		print_note(r->note, width > 0 ? room : 0);
}

static void
print_table(const struct ladder *ladder)
{
	const struct rung *r = ladder->rungs, *end = r + ladder->n;
	int number = -1, width = columns();

	for (; r < end; r++) {
		if (r->number != number && r->number == 0)
			printf("target %s\n", r->name);
		else if (r->number != number)
			printf("hop %d %s\n", r->number, r->name);
		number = r->number;
		print_rung(r, end[-1].to, width);
	}
	if (ladder->n > 0)
		printf("  %-8s %6" PRIu64 " ms\n", "in all", end[-1].to);
}

/*
 * l has failed at its stage; why is text, which is to be said below the table.
 * ladder may be NULL.
 */
void
ladder_fail(struct ladder *ladder, const struct link *l, char *text)
{
	struct rung r = { l->number, l->hop->name, l->stage, l->since, now(),
	    NULL, text };

	if (ladder == NULL)
		return;
	add(ladder, &r);
	if (!ladder->json && !ladder->printed++) {
		print_table(ladder);
		(void)fflush(stdout);
	}
}

/* The target's first line, if it sends one within a second. */
static int
listen_to(struct chain *c, struct ladder *ladder, int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t from = now(), until = from + PATIENCE;
	struct link *l = &c->links[c->n - 1];
	struct rung r = { .stage = STAGE_BANNER, .from = from };
	char line[LINE + 1];
	ssize_t n = 0;
	int status = OK;

	while (status == OK && pfd.revents == 0 && now() < until)
		status = chain_wait(c, &pfd, 1, until);
	if (status != OK)
		return status;
	if (pfd.revents != 0)
		n = recv(fd, line, LINE, MSG_DONTWAIT);
	if (pfd.revents != 0 && n == 0 && l->command != NULL &&
	    (status = command_forward_end(c, l, NULL)) != OK)
		return status;
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	r.to = now();
	r.note = n > 0 ? line : pfd.revents != 0 ? "has closed" :
	    "says nothing";
	add(ladder, &r);
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
	if (!ladder->json && !ladder->printed)
		print_table(ladder);
	while (ladder->n > 0) {
		ladder->n--;
		free(ladder->rungs[ladder->n].name);
		free(ladder->rungs[ladder->n].note);
		free(ladder->rungs[ladder->n].failed);
	}
	free(ladder->rungs);
	free(ladder->target);
	free(ladder);
}
