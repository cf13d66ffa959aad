/*
 * What an ssh that shares its connection sends: whatever it is, only what has
 * come is looked at, and no more of it than is there.
 */

#include <stdlib.h>
#include <string.h>

#include "chain/mux.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mux_answer m;
	unsigned char *copy;
	size_t off = 0;
	int n = 1;

	if (size > MUX_ANSWER)
		size = MUX_ANSWER;
	while (n > 0) {
		/* of its own, so that the sanitizer knows where it ends */
		if ((copy = malloc(size - off + 1)) == NULL)
			abort();
		memcpy(copy, data + off, size - off);
		n = mux_answer(copy, size - off, &m);
		if (n > (int)(size - off) || (n > 0 && n < 12) || n < -1)
			abort();
		/* a full buffer is one answer, or none for ever */
		if (n == 0 && size - off == MUX_ANSWER)
			abort();
		if (n > 0 && m.text != NULL &&
		    ((const unsigned char *)m.text < copy ||
		    (const unsigned char *)m.text + m.len > copy + n))
			abort();
		free(copy);
		off += n > 0 ? n : 0;
	}
	return 0;
}
