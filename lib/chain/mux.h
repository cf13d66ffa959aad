/*
 * The packets of OpenSSH's connection sharing.
 */

#ifndef MUX_H
#define MUX_H

#include <stddef.h>
#include <stdint.h>

#define MUX_REQUEST	512		/* bytes of one of ours, at most */
#define MUX_ANSWER	4096		/* of a master's */
#define MUX_HELLO	0x00000001u	/* what a master sends */
#define MUX_DENIED	0x80000002u
#define MUX_FAILURE	0x80000003u
#define MUX_ALIVE	0x80000005u
#define MUX_OPENED	0x80000006u

struct mux_answer {
	uint32_t	 type;
	uint32_t	 id;		/* of the request; of HELLO its version */
	uint32_t	 number;	/* MUX_ALIVE: the master's pid */
	const char	*text;		/* why it refuses, or NULL; borrowed */
	size_t		 len;		/* of text, which has no end */
};

size_t	 mux_hello(unsigned char *);
size_t	 mux_alive_check(unsigned char *, uint32_t);
size_t	 mux_stdio_forward(unsigned char *, uint32_t, const char *, int);
int	 mux_answer(const unsigned char *, size_t, struct mux_answer *);

#endif
