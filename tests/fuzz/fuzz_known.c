/* Lines of known_hosts, about a name with and without its port. */

#include <stdio.h>
#include <stdlib.h>

#include "trust/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct knowns knowns[2] = { { 0 } };
	char *line = NULL;
	size_t i, room = 0;
	unsigned number = 0;
	FILE *f;

	say_open(NULL, -1);
	knowns[0].name = known_host("gw", 2222);
	knowns[1].name = known_host("gw", 22);
	if (size > 0 && (f = fmemopen((void *)(uintptr_t)data, size, "r")) !=
	    NULL) {
		while (getline(&line, &room, f) != -1)
			known_line(knowns, 2, line, "fuzz", ++number);
		fclose(f);
	}
	for (i = 0; i < knowns[0].n; i++)
		if (knowns[0].v[i].key == NULL || knowns[0].v[i].line > number)
			abort();
	free(line);
	known_free(&knowns[0]);
	known_free(&knowns[1]);
	return 0;
}
