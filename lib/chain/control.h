/*
 * What a master is asked on its control socket.
 */

#ifndef CONTROL_H
#define CONTROL_H

#include "chain/mux.h"

struct chain;

/* One socket to a master; what that has sent, and not been looked at. */
struct control {
	int		 fd;
	unsigned char	 data[MUX_ANSWER];
	size_t		 len;
	size_t		 used;		/* of it, by the last answer */
	const char	*why;		/* there is no answer */
	int		 absent;	/* since nobody listens there */
};

int	 control_listens(const char *);
int	 control_open(struct chain *, const char *, struct control *);
int	 control_greet(struct chain *, const char *, struct control *,
	    uint32_t *);
void	 control_request(struct control *, const char *, int, int, int);
int	 control_answer(struct chain *, struct control *, struct mux_answer *);
int	 control_alive(int);

#endif
