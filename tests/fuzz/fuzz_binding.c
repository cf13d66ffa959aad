/* What a server sends until keys are exchanged. */

#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct link l;
	struct binding *b = &l.binding;

	b->seen = malloc(size == 0 ? 1 : size);	/* its end is where it is seen */
	if (b->seen == NULL)
		return 0;
	memcpy(b->seen, data, size);
	b->len = size;
	binding_take(b);
	if ((b->key == NULL) != (b->sig == NULL) ||
	    b->keylen + b->siglen > size)
		abort();
	binding_free(&l);
	return 0;
}
