/* The own file. */

#include <stdio.h>
#include <stdlib.h>

#include "plan/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf = {
		.options = TAILQ_HEAD_INITIALIZER(conf.options),
		.host = "db1.example.org",
		.port = 22
	};
	FILE *f;

	say_open(NULL, -1);
	if (size > 0 && (f = fmemopen((void *)(uintptr_t)data, size, "r")) !=
	    NULL) {
		(void)conf_parse(&conf, f, "fuzz");
		fclose(f);
	}
	conf_free(&conf);
	return 0;
}
