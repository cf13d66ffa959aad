/*
 * Hop after hop: reach, verify, log in, forward; retries; what is said of a failure.
 */

#ifndef CHAIN_H
#define CHAIN_H

#include "login/login.h"
#include "trust/trust.h"

#define MAX_ADDRESSES	16

/* What there is of a name. */
struct address {
	struct sockaddr_storage	 addr;
	socklen_t		 len;
};

struct addresses {
	struct address	 v[MAX_ADDRESSES];
	size_t		 n;
	int		 error;		/* as getaddrinfo(3) returns it */
};

/* chain.c: the links, and the one poll() */
int	 chain_open(struct chain *, const struct plan *, int, int);
int	 chain_dial(struct chain *, const struct plan *, int *);
int	 chain_carry(struct chain *);
void	 chain_close(struct chain *);
int	 chain_again(struct chain *, int, const char *);
const char *chain_tries(struct chain *, int);

/* dial.c: the first hop's socket */
int	 dial(struct chain *, struct link *, int *);

/* resolve.c: the addresses of the first hop */
int	 resolve(struct chain *, struct link *, struct addresses *);

/* command.c: ProxyCommand and ForwardCommand */
void	 command_start(struct link *, int *);
int	 command_end(struct link *);
int	 command_fail(struct chain *, struct link *);
int	 command_lost(struct chain *, struct link *);
int	 command_forward_fail(struct chain *, struct link *, const char *);
int	 command_forward_end(struct chain *, struct link *, const char *);

/* straight.c: no gateway at all */
int	 straight(struct chain *, const struct plan *, int, int);

/* fdpass.c: -f */
int	 fdpass(struct chain *, const struct plan *);
int	 fdpass_possible(void);

/* ladder.c: -t */
struct ladder *ladder_new(int);
void	 ladder_rung(struct ladder *, const struct link *, uint64_t);
void	 ladder_fail(struct ladder *, const struct link *, char *);
int	 ladder_climb(struct chain *, const struct plan *, struct ladder *);
void	 ladder_end(struct ladder *);

/* fetch.c: certificates from servers */
int	 fetch_certificate(struct chain *, struct link *, int);
int	 fetch_wait(struct chain *, struct link *, int *);

/* fail.c: what went wrong, in one line */
int	 fail(struct chain *, struct link *, enum status, const char *, ...)
	    __attribute__((format(printf, 4, 5)));
int	 fail_timeout(struct chain *, struct link *);
int	 fail_connect(struct chain *, struct link *);
int	 fail_forward(struct chain *, struct link *);
int	 fail_lost(struct chain *, struct link *);
int	 fail_silent(struct chain *, struct link *);

#endif
