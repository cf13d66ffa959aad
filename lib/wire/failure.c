/*
 * What has failed, as data: a step notes it here and returns a status that is
 * not OK, whoever called it returns that, and at the end chain says it.
 */

#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

/* Forgets what has failed: it is tried again, or nobody is to be told. */
void
failure_forget(struct chain *c)
{
	free(c->failure.text);
	memset(&c->failure, 0, sizeof(c->failure));
}

/*
 * Notes what has failed of l, in place of what was noted before.  Returns
 * RETRY, for the caller to return.
 */
int
failure_note(struct chain *c, struct link *l, enum what what)
{
	failure_forget(c);
	c->failure.what = what;
	c->failure.link = l;
	c->failure.stage = l->stage;
	c->failure.status = RETRY;
	return RETRY;
}

/* What has failed is another stage than the one that l is in. */
void
failure_at(struct chain *c, enum stage stage)
{
	c->failure.stage = stage;
}

/*
 * Notes that l has failed at the stage it is in: text, which holds the cause
 * and what to do.  Returns status.
 */
int
fail(struct chain *c, struct link *l, enum status status, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	(void)failure_note(c, l, FAIL_TEXT);
	c->failure.text = text;
	c->failure.status = status;
	return status;
}
