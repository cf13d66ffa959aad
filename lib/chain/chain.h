/*
 * From a plan to a chain that carries: hop after hop is reached, verified and
 * logged in to.  What fails is said here, and nowhere below.
 */

#ifndef CHAIN_H
#define CHAIN_H

#include "login/login.h"
#include "trust/trust.h"

/* chain.c: hop after hop */
struct chain *chain_new(void);
int	 chain_open(struct chain *, struct plan *, int, int);
int	 chain_carry(struct chain *);
void	 chain_free(struct chain *);

/* share.c: a connection that an ssh of ours shares */
int	 share_usable(const struct hop *);

/* direct.c: no jump host at all */
int	 direct(struct chain *, const struct plan *, int, int);

/* race.c: the first route that answers */
typedef int	 take_fn(struct chain *, struct plan *, void *);

int	 race_take(struct chain *, const struct routes *, take_fn *, void *);

/* fdpass.c: -f */
int	 fdpass(struct chain *, const struct routes *);
int	 fdpass_possible(void);

/* try.c: -t */
int	 try(struct chain *, struct plan *, void *);

#endif
