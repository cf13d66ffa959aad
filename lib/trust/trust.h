/*
 * Host keys: is this the host that was meant?
 */

#ifndef TRUST_H
#define TRUST_H

#include "wire/wire.h"

struct trust;

/* What is to be done about the key of a host. */
enum verdict {
	TRUSTED,		/* it is the host that was meant */
	TRUST_ASK,		/* a person has to say so */
	TRUST_FETCH		/* its certificate may prove it */
};

/* trust.c: the decision */
struct trust *trust_new(struct chain *, struct link *);
int	 trust_read(struct trust *);
int	 trust_check(struct trust *, enum verdict *);
const char *trust_question(const struct trust *);
int	 trust_answer(struct trust *, const char *, enum verdict *);
int	 trust_unknown(const struct trust *);
int	 trust_strictness(struct trust *, const char **);
void	 trust_free(struct trust *);

/* algorithms.c: which keys a server is asked for */
char	*trust_algorithms(const struct trust *);

/* fetch.c: a certificate from the server */
int	 trust_fetch_first(struct trust *);
int	 trust_fetch_wait(struct trust *, int *);
int	 trust_fetch(struct trust *, int);

#endif
