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

struct timing {
	struct timing_row	*rows;
	size_t		 n;
	char		*target;	/* host:port, visible */
	int		 json;
	int		 printed;
	uint64_t	 began;
};

static void
json_string(const char *key, const char *s)
{
	char *text = str_json(s);

	printf("\"%s\":%s", key, text);
	free(text);
}

static void
json_row(const struct timing_row *r)
{
	say_erase();
	printf("{\"%s\":%d,", r->route > 0 ? "route" : "hop",
	    r->route > 0 ? r->route : r->number);
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

/* Adds a copy of r, with times since the beginning and printable texts. */
void
timing_add(struct timing *timing, const struct timing_row *r)
{
	struct timing_row *new;

	if ((timing->rows = reallocarray(timing->rows, timing->n + 1,
	    sizeof(*r))) == NULL)
		errx(RETRY, "out of memory");
	new = &timing->rows[timing->n++];
	*new = *r;
	new->name = r->number == 0 && r->route == 0 ? xstrdup(timing->target) :
	    str_visible(r->name);
	new->from -= timing->began;
	new->to -= timing->began;
	new->note = visible(r->note);
	new->failed = visible(r->failed);
	if (timing->json)
		json_row(new);
}

/* Adds l's stage, which has ended at t. */
void
timing_stage(struct timing *timing, const struct link *l, uint64_t t)
{
	struct timing_row r = { 0, l->number, l->hop->name, l->stage, l->since, t,
	    l->note, NULL };

	timing_add(timing, &r);
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

/* The bar of a row: blanks for the time before it, then its length. */
static void
bar(const struct timing_row *r, uint64_t total, int width)
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

/* The rest of a line, as much of it as there is room for; 0: all of it. */
static void
print_rest(const char *text, int room)
{
	int len = strlen(text);

	if (room == 0 || len <= room) {
		printf("%s\n", text);
		return;
	}
	len = room > 3 ? room - 3 : 0;
	while (len > 0 && (text[len] & 0xc0) == 0x80)
		len--;		/* not in the middle of a UTF-8 character */
	printf("%.*s%s\n", len, text, room > 3 ? "..." : "");
}

/* The line above the stages of a hop, or of the target. */
static void
print_heading(const struct timing_row *r, int width)
{
	char *text = r->number == 0 ? xasprintf("target %s", r->name) :
	    xasprintf("hop %d %s", r->number, r->name);

	print_rest(text, width);
	free(text);
}

/*
 * What came of a route: the line about its failure without the hop, which the
 * table shows to be the first one.  The caller frees it.
 */
static char *
outcome(const struct timing_row *r)
{
	const char *cause;

	if (r->failed == NULL)
		return xasprintf("%s: %s", r->name, r->note);
	cause = strstr(r->failed, "): ");
	return xasprintf("%s: FAILED%s%s", r->name, cause == NULL ? "" : ": ",
	    cause == NULL ? "" : cause + strlen("): "));
}

static void
print_row(const struct timing_row *r, uint64_t total, int width)
{
	int bars = bar_width(width), room = width - BEFORE - bars - 2;
	char label[sizeof("route 2147483647")], *note;

	if (r->route > 0)
		snprintf(label, sizeof(label), "route %d", r->route);
	printf("  %-8s %6" PRIu64 " ms |", r->route > 0 ? label :
	    say_stage(r->stage), r->to - r->from);
	bar(r, total, bars);
	putchar('|');
	note = r->route > 0 ? outcome(r) : r->failed != NULL ?
	    xstrdup("FAILED") : xstrdup(r->note);
	if (note == NULL || (width > 0 && room < 1))
		putchar('\n');
	else {
		putchar(' ');
		print_rest(note, width > 0 ? room : 0);
	}
	free(note);
}

/* How long all of it took (ms): routes are tried at the same time. */
static uint64_t
in_all(const struct timing *timing)
{
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < timing->n; i++)
		if (timing->rows[i].to > most)
			most = timing->rows[i].to;
	return most;
}

static void
print_table(const struct timing *timing)
{
	const struct timing_row *r = timing->rows, *end = r + timing->n;
	uint64_t total = in_all(timing);
	int number = -1, width = columns();

	say_erase();
	for (; r < end && r->route > 0; r++)
		print_row(r, total, width);
	for (; r < end; r++) {
		if (r->number != number)
			print_heading(r, width);
		number = r->number;
		print_row(r, total, width);
	}
	if (timing->n > 0)
		printf("  %-8s %6" PRIu64 " ms\n", "in all", total);
	(void)fflush(stdout);	/* what failed stands below */
}

/* Adds the stage that has failed; the table ends there. */
void
timing_failure(struct timing *timing, const struct failure *f)
{
	const struct link *l = f->link;
	struct timing_row r = { 0, l->number, l->hop->name, f->stage, l->since,
	    now(), NULL, f->text };

	timing_add(timing, &r);
	if (!timing->json && !timing->printed++)
		print_table(timing);
}

/*
 * Begins to time the chain to target, a host and port, as of began (ms); json:
 * lines at once instead of a table at the end.
 */
struct timing *
timing_new(const char *target, int json, uint64_t began)
{
	struct timing *timing = xcalloc(1, sizeof(*timing));

	timing->target = str_visible(target);
	timing->json = json;
	timing->began = began;
	return timing;
}

/* Prints what is not printed yet, and frees it. */
void
timing_end(struct timing *timing)
{
	if (!timing->json && !timing->printed)
		print_table(timing);
	while (timing->n > 0) {
		timing->n--;
		free(timing->rows[timing->n].name);
		free(timing->rows[timing->n].note);
		free(timing->rows[timing->n].failed);
	}
	free(timing->rows);
	free(timing->target);
	free(timing);
}
