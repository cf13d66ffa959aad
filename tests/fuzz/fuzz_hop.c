/* The hop grammar: whatever is typed after -J. */

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hops hops = TAILQ_HEAD_INITIALIZER(hops);
	const struct hop *hop;
	char *list = xstrndup((const char *)data, size);
	char *why = hop_list(&hops, list);

	TAILQ_FOREACH(hop, &hops, entry)
		if (*hop->name == '\0' || *hop->name == '-' ||
		    hop->typed_port < 0 || hop->typed_port > 65535)
			abort();
	free(why);
	free(list);
	hops_free(&hops);
	return 0;
}
