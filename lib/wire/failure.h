/*
 * What has failed, as data: a step notes it, and at the end chain says it.
 */

#ifndef FAILURE_H
#define FAILURE_H

#include "base/base.h"

struct chain;
struct link;

/* What can fail; chain finds the text for all but the first two. */
enum what {
	FAIL_NOTHING,		/* or nobody is to be told */
	FAIL_TEXT,		/* what text says */
	FAIL_CONNECT,		/* no address has answered: error */
	FAIL_SET,		/* libssh has none of one kind of algorithms
				 * that are set for it */
	FAIL_SESSION,		/* it ended before the keys were exchanged */
	FAIL_FORWARD,		/* its channel was not opened */
	FAIL_TIMEOUT,		/* its time is over */
	FAIL_SILENT,		/* it was up, and no longer answers */
	FAIL_LOST		/* it was up, and has gone */
};

/* What has failed last; all zero: nothing. */
struct failure {
	enum what	 what;
	struct link	*link;		/* whose fault it is */
	enum stage	 stage;		/* it was in */
	enum status	 status;	/* what the run ends with */
	char		*text;		/* cause and advice, or NULL */
	int		 error;		/* errno of FAIL_CONNECT */
};

int	 fail(struct chain *, struct link *, enum status, const char *, ...)
	    __attribute__((format(printf, 4, 5)));
int	 failure_note(struct chain *, struct link *, enum what);
void	 failure_at(struct chain *, enum stage);
void	 failure_forget(struct chain *);

#endif
