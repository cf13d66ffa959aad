/* What a server sends until keys are exchanged. */

#include <stdlib.h>
#include <string.h>

#include "wire/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exchange x;
	const struct binding *b = &x.binding;

	x.seen = malloc(size == 0 ? 1 : size);	/* its end is where it is seen */
	if (x.seen == NULL)
		return 0;
	memcpy(x.seen, data, size);
	x.len = size;
	binding_take(&x);
	if ((b->key == NULL) != (b->sig == NULL) ||
	    b->keylen + b->siglen > size)
		abort();
	binding_free(&x);
	return 0;
}
