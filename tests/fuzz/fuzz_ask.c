/* The reader of ssh -G's answer, and the expansion of what it names. */

#include <stdlib.h>

#include "plan/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
look(const char *name, size_t index, const char *value, void *arg)
{
	size_t *seen = arg;

	*seen += index + (name != value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hop *hop = hop_new("gw", "gw");
	char *answer = xstrndup((const char *)data, size);
	const char *why;
	size_t i, seen = 0;

	say_open(NULL, -1);
	(void)ask_read(hop, answer);
	(void)keyword_set(hop, "hostname", "gw");
	(void)keyword_set(hop, "user", "ops");
	for (i = 0; i < hop->identityfile.n; i++)
		free(expand_file(hop, hop->identityfile.v[i], &why));
	keyword_each(hop, look, &seen);
	free(answer);
	hop_free(hop);
	return 0;
}
