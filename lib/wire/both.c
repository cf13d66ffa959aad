/*
 * The carrying where no session of ours is in between.
 */

#include "wire/copy.h"
#include "wire/local.h"

/*
 * Carries between fd and in and out, all of which stay the caller's, until the
 * far end of fd has closed and all of it is written, or nobody reads it.
 * Returns OK with what out has failed with, an errno or 0, in *error; or
 * another status.
 */
int
copy_both(struct chain *c, int fd, int in, int out, int *error)
{
	struct copy *copy = copy_new(fd, in, out);
	struct pollfd pfd[COPY_FDS];
	int status = OK;

	while (status == OK && !copy_over(copy, error)) {
		copy_poll(copy, pfd);
		if ((status = chain_wait(c, pfd, COPY_FDS, 0)) == OK)
			copy_step(copy, pfd);
	}
	copy_free(copy);
	return status;
}
