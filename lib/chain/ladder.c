/*
 * -t: what the set-up of each hop took, stage by stage.  As a table at the
 * end, with bars to scale, or with -tt as one JSON object a line at once.
 */

#include <sys/ioctl.h>

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/local.h"

#define BAR	24	/* columns for the whole time, or more if there is room */
#define COLUMNS	80	/* of a terminal that does not say */
#define BEFORE	22	/* columns before the bar, and 2 after it */


struct ladder {
	struct observer	 observer;
	struct rung	*rungs;
	size_t		 n;
	char		*target;	/* host:port, visible */
	int		 json;
	int		 printed;
	uint64_t	 began;
};

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
	return s == NULL ? NULL : str_visible(s);
}

/* Adds a copy of r, with times since the beginning, and texts made printable. */
void
ladder_add(struct ladder *ladder, const struct rung *r)
{
	struct rung *new;

	if ((ladder->rungs = reallocarray(ladder->rungs, ladder->n + 1,
	    sizeof(*r))) == NULL)
		errx(RETRY, "out of memory");
	new = &ladder->rungs[ladder->n++];
	*new = *r;
	new->name = r->number == 0 ? xstrdup(ladder->target) :
	    str_visible(r->name);
	new->from -= ladder->began;
	new->to -= ladder->began;
	new->note = visible(r->note);
	new->failed = visible(r->failed);
	if (ladder->json)
		json_rung(new);
}

/* l has passed its stage, at t. */
static void
on_stage(void *arg, const struct link *l, uint64_t t)
{
	struct rung r = { l->number, l->hop->name, l->stage, l->since, t,
	    l->note, NULL };

	ladder_add(arg, &r);
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

/* l has failed at its stage; why is text, which is said below the table. */
static void
on_failure(void *arg, const struct link *l, char *text)
{
	struct rung r = { l->number, l->hop->name, l->stage, l->since, now(),
	    NULL, text };
	struct ladder *ladder = arg;

	ladder_add(ladder, &r);
	if (!ladder->json && !ladder->printed++) {
		print_table(ladder);
		(void)fflush(stdout);
	}
}

/*
 * Returns a new ladder to target, a host and port; json: lines at once instead
 * of a table at the end.
 */
struct ladder *
ladder_new(const char *target, int json)
{
	struct ladder *ladder = xcalloc(1, sizeof(*ladder));

	ladder->observer.stage = on_stage;
	ladder->observer.failure = on_failure;
	ladder->observer.arg = ladder;
	ladder->target = str_visible(target);
	ladder->json = json;
	ladder->began = now();
	return ladder;
}

/* Returns who is to be told of stages and failures: the ladder itself. */
const struct observer *
ladder_observer(const struct ladder *ladder)
{
	return &ladder->observer;
}

/* Prints what is not printed yet, and frees the ladder. */
void
ladder_end(struct ladder *ladder)
{
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
