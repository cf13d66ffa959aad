/* What an agent answers when it is asked for its keys. */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent agent = { .fd = -1 };
	unsigned char *answer;
	size_t i;

	if (size == 0)
		return 0;
	answer = xcalloc(1, size);	/* its end is where it is seen */
	memcpy(answer, data, size);
	(void)agent_parse(&agent, answer, size);
	for (i = 0; i < agent.n; i++)
		if (agent.keys[i].key == NULL || agent.keys[i].len > size ||
		    strpbrk(agent.keys[i].comment, "\n\r\033") != NULL)
			abort();
	agent_close(&agent);
	free(answer);
	return 0;
}
