/*
 * What a person is told while the chain is set up: with -v each stage, with -t
 * the same as a table, and on a terminal a line about a set-up that takes its
 * time.  All of them are told by this listener.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/local.h"

#define PATIENCE	1000	/* ms; a set-up that takes longer is shown */

/* How long l's stage has taken, until t, and what came of it. */
static void
on_stage(void *arg, const struct link *l, uint64_t t)
{
	const struct chain *c = arg;
	char hop[sizeof("hop 2147483647")] = "target";

	if (l->number > 0)
		snprintf(hop, sizeof(hop), "hop %d", l->number);
	say_debug(1, "%s (%s): %s, %" PRIu64 " ms, %" PRIu64 " ms in all%s%s",
	    l->hop->name, hop, say_stage(l->stage), t - l->since,
	    t - say_began(), l->note == NULL ? "" : ": ",
	    l->note == NULL ? "" : l->note);
	/* what a person takes is not what is waited for */
	if (l->stage == STAGE_QUESTION)
		c->sequence->began += t - l->since;
	if (c->sequence->timing != NULL)
		timing_stage(c->sequence->timing, l, t);
}

/* Something about l, which -v has to be given level times for. */
static void
on_notice(void *arg, const struct link *l, int level, const char *text)
{
	const struct chain *c = arg;

	if (level == 0)
		say("%s (hop %d of %d): %s", l->hop->name, l->number,
		    c->plan->nhops, text);
	else
		say_debug(level, "%s (hop %d): %s", l->hop->name, l->number,
		    text);
}

/* The status line; it is written again each second. */
static uint64_t
on_wait(void *arg)
{
	const struct chain *c = arg;
	const struct link *l = c->at;
	uint64_t t = now() - c->sequence->began;

	if (c->deadline == 0 || !say_live())
		return 0;
	if (t >= PATIENCE && l->number == 0)
		say_status("%s: %s, %d s", l->hop->name, say_stage(l->stage),
		    (int)(t / 1000));
	else if (t >= PATIENCE)
		say_status("%s (hop %d of %d): %s, %d s", l->hop->name,
		    l->number, c->plan->nhops, say_stage(l->stage),
		    (int)(t / 1000));
	return c->sequence->began + (t / PATIENCE + 1) * PATIENCE;
}

/* user@host:port, a v6 address in brackets. */
static char *
address(const struct hop *hop)
{
	int v6 = strchr(hop->hostname, ':') != NULL;

	return xasprintf("%s@%s%s%s:%d", hop->user, v6 ? "[" : "",
	    hop->hostname, v6 ? "]" : "", hop->port);
}

/*
 * Returns what a line about l's failure begins with, which hop it is, or NULL
 * if none is to be said.  The caller frees it.
 */
char *
report_label(const struct chain *c, const struct link *l)
{
	const struct hop *via;
	char *addr, *label;

	if (hop_is_quiet(l->hop))
		return NULL;
	if (l->number == 0)
		return xasprintf("%s (target, no jump host)", l->hop->name);
	via = l->number == 1 ? NULL : TAILQ_PREV(l->hop, hops, entry);
	addr = address(l->hop);
	label = xasprintf("%s (hop %d of %d, %s%s%s)", l->hop->name, l->number,
	    c->plan->nhops, addr, via == NULL ? "" : " via ",
	    via == NULL ? "" : via->name);
	free(addr);
	return label;
}

/* Has all that happens to c's links told to a person. */
void
report_start(struct chain *c)
{
	c->listener.stage = on_stage;
	c->listener.notice = on_notice;
	c->listener.wait = on_wait;
	c->listener.arg = c;
}

/* Says line, or leaves it to whoever holds such lines. */
static void
tell(struct chain *c, char *line)
{
	if (c->sequence->hold != NULL) {
		free(*c->sequence->hold);
		*c->sequence->hold = line;
		return;
	}
	if (*line != '\0')
		say("%s", line);
	free(line);
}

/*
 * Says the one line about what has failed, after the table of -t; or leaves it
 * in c's hold, empty if LogLevel is QUIET.
 */
void
report_failure(struct chain *c)
{
	const struct failure *f = &c->failure;
	char *label;

	if (c->sequence->timing != NULL)
		timing_failure(c->sequence->timing, f);
	label = report_label(c, f->link);
	tell(c, label == NULL ? xstrdup("") : xasprintf("%s: %s: %s", label,
	    say_stage(f->stage), f->text));
	free(label);
}

/*
 * Standard output has failed with error, or 0.  Returns OK if that only means
 * that nobody reads it any more, or RETRY after saying what it was.
 */
int
report_output(int error)
{
	if (error == 0 || error == EPIPE || error == ECONNRESET)
		return OK;
	say("standard output: %s", strerror(error));
	return RETRY;
}
