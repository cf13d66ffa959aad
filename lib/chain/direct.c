/*
 * No jump host, because somebody said so: a socket to the target, carried as
 * a channel would be.
 */

#include <unistd.h>

#include "chain/local.h"
#include "wire/copy.h"

/*
 * Connects to the plan's target and carries between it and in and out.
 * Returns OK, or another status after saying what failed.
 */
int
direct(struct chain *c, const struct plan *plan, int in, int out)
{
	int error, fd, status;

	if ((status = chain_dial(c, plan, &fd)) != OK)
		return status;
	chain_confine(c);
	status = copy_both(c, fd, in, out, &error);
	close(fd);
	return status != OK ? status : report_output(error);
}
