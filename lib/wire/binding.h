/*
 * What binds a session to its server.
 */

#ifndef BINDING_H
#define BINDING_H

#include <stddef.h>

struct link;

/*
 * The host key, and the signature with it in the first key exchange
 * (PROTOCOL.agent, 1); NULL: not known.
 */
struct binding {
	unsigned char	*key, *sig;
	size_t		 keylen, siglen;
};

const struct binding *binding_of(const struct link *);
int	 binding_missed(const struct link *);

#endif
