/*
 * The one clock of the program.
 */

#include <time.h>

#include "base/base.h"

/* Returns milliseconds on a clock that nobody sets. */
uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
