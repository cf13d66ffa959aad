/* Runs a fuzz target over files: what was once found stays found. */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
main(int argc, char *argv[])
{
	static uint8_t data[1 << 20];
	FILE *f;
	size_t size;
	int i;

	for (i = 1; i < argc; i++) {
		if ((f = fopen(argv[i], "re")) == NULL)
			err(1, "%s", argv[i]);
		size = fread(data, 1, sizeof(data), f);
		fclose(f);
		(void)LLVMFuzzerTestOneInput(data, size);
	}
	printf("%d passed, 0 failed\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
