/*
 * One channel joined to two descriptors.
 */

#ifndef RELAY_H
#define RELAY_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

/* Bytes between two descriptors: data[off] .. data[off + len - 1]. */
struct buf {
	char	*data;
	size_t	 size;		/* what data has room for */
	size_t	 off, len;
};

/* One direction of a relay. */
enum flow {
	FLOW_OPEN,		/* bytes flow */
	FLOW_DRAINING,		/* the source has ended, some bytes are left */
	FLOW_SHUT		/* the end has been passed on */
};

/* rfd -> channel -> wfd. */
struct relay {
	ssh_session				 session;	/* borrowed */
	ssh_channel				 channel;	/* session's */
	struct ssh_channel_callbacks_struct	 callbacks;
	int					 rfd, wfd;	/* borrowed */
	enum flow				 up, down;
	struct buf				 upbuf, downbuf;
	size_t					 held;	/* bytes libssh keeps */
	size_t					 window; /* what is granted */
	size_t					 taken;	/* since last grant */
	size_t					 seen;	/* since ... */
	uint64_t				 since;	/* ms */
	uint64_t				 rtt;	/* ms, of the channel */
	int					 blocked; /* wfd takes no more */
	int					 gone;	/* errno: wfd has failed */
	int					 started; /* channel is open */
	int					 moved;	/* wrote to wfd */
	int					 refused; /* by the channel: rekey */
	const struct ssh_counter_struct		*packets; /* of the session, or
						 * NULL */
	uint64_t				 due;	/* bytes of them, once
						 * all we gave is in them */
	uint64_t				 pieces; /* of data that came */
	int					 any;	/* a byte has come */
	int					 confirmed; /* by the far end */
	int					 ended;	/* it sends no more */
	int					 closed;
	const char				*breach; /* what it sent against
						 * the rules; NULL: nothing */
	uint32_t				 allowed; /* bytes to the far
						 * end, when last looked */
	int					 exit;	/* of a command */
	void					(*complain)(void *,
						    const char *, size_t);
	void					(*look)(void *, int,
						    const char *, size_t);
						/* at what is carried, 1: from
						 * the far end; or NULL */
	void					*arg;	/* of both */
};

void	 relay_init(struct relay *, ssh_session, ssh_channel, int, int);
void	 relay_start(struct relay *, uint64_t);
void	 relay_poll(const struct relay *, struct pollfd *);
size_t	 relay_kept(const struct relay *);
int	 relay_ready(const struct relay *);
void	 relay_step(struct relay *, const struct pollfd *);
int	 relay_done(const struct relay *);
int	 relay_safe(const struct relay *);
void	 relay_breach(struct relay *, const char *);
void	 relay_free(struct relay *);

#endif
