/*
 * Programs that know more than we do.
 */

#ifndef RUN_H
#define RUN_H

#include <stddef.h>

struct chain;

struct run {
	char	*out;		/* what it wrote; a NUL behind it */
	size_t	 len;
	char	*said;		/* what it wrote to stderr; NULL: nothing */
	int	 exit;		/* its status; -1: none, or too much */
	char	*how;		/* it ended, for a failure */
};

int	 run_program(struct chain *, char *const [], const char *,
	    struct run *);
int	 run_with(struct chain *, char *const [], char *const [],
	    const char *, struct run *);
void	 run_free(struct run *);

#endif
