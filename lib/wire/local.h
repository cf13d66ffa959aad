/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef WIRE_LOCAL_H
#define WIRE_LOCAL_H

#include "wire/binding.h"
#include "wire/joint.h"
#include "wire/libssh.h"
#include "wire/relay.h"
#include "wire/wire.h"

/* What libssh's log has told of a session; libssh.c's alone. */
struct logged {
	char		*reason;	/* what libssh found wrong */
	uint32_t	 maxpacket;	/* of its channel; 0: not known */
	int		 gss;		/* the server offers GSS key exchange */
};

/* Bytes of a session; drive.c's and watchdog.c's alone. */
struct traffic {
	struct ssh_counter_struct raw;		/* kept by libssh */
	struct ssh_counter_struct packets;	/* the same */
	int64_t			 ahead;		/* packets', of the other,
						 * when all was written */
	uint64_t		 made;		/* packets written, before the
						 * last turn */
	uint64_t		 out;		/* the same, at the last look */
	int64_t			 in;		/* packets read by then, that
						 * had no data */
	int			 tested;	/* for a rekey without answer */
};

/* The host key that was checked; drive.c's alone. */
struct pin {
	ssh_key		 key;		/* NULL: none yet */
	int		 impostor;	/* with another key */
};

/* What has been heard of a hop that is up; keepalive.c's alone. */
struct keepalive {
	uint64_t	 bytes;		/* from it, when last looked */
	uint64_t	 heard;		/* ms; the last of them */
	uint64_t	 asked;		/* ms; the last keepalive */
	uint64_t	 probed;	/* ms; the first of those that are not
					 * answered, or 0 */
	int		 unanswered;	/* keepalives of its own */
	unsigned	 asks;		/* those that want an answer */
	uint64_t	 before;	/* bytes from it before the last */
	int		 answers;	/* one was answered */
	int		 mute;		/* it does not answer them */
};

/* The channel that a hop opens; forward.c's alone. */
struct channel {
	int		 session_open;	/* for the command */
	char		*complaint;	/* the command's, printable */
	char		 errline[400];	/* the next of them so far */
	size_t		 errlen;
	struct opening	*opening;	/* greeting.c's; NULL: not looked at */
	int		 joint;		/* relay's end of the joint to the
					 * next session, or -1 */
	int		 pipe;		/* what it writes to, where that is
					 * another; or -1 */
};

/* What was seen of a key exchange; binding.c's alone. */
struct exchange {
	unsigned char	*seen;		/* so far; NULL: not looked at */
	size_t		 len;
	uint64_t	 base;		/* libssh's counter, at its beginning */
	int		 missed;	/* bytes came between two looks */
	struct binding	 binding;	/* as it was found in them */
};

/* What of a link is this folder's alone. */
struct wire {
	const struct listener	*listener;	/* borrowed, the chain's */
	int			 shown;		/* lines of its server's */
	ssh_event		 event;		/* this session's alone */
	struct ssh_callbacks_struct callbacks;
	uint64_t		 driven;	/* ms; when it last was */
	int			 up;		/* set up, belongs to the chain */
	int			 dead;
	struct traffic		 traffic;
	struct pin		 pin;
	struct keepalive	 keepalive;
	struct logged		 logged;
	struct exchange		 exchange;
	struct channel		 channel;
	struct relay		 relay;
};

/* link.c: one hop, stage after stage */
void	 link_reset(struct link *);

/* drive.c: one turn of a session */
void	 link_rekeyed(struct link *);
uint64_t link_sent(const struct link *);
uint64_t link_rest(const struct link *, uint64_t);
int	 link_is_read(const struct link *);
void	 link_drive(struct link *);
void	 link_step(struct link *, const struct pollfd *);

/* greeting.c: what comes before a banner */
int	 greeting_send(struct link *, int);
struct opening *opening_new(void);
void	 opening_look(struct opening *, int, const char *, size_t);
int	 opening_told(const struct opening *);
size_t	 opening_wants(const struct opening *);
int	 opening_is_ssh(const struct opening *);
const char *opening_text(struct opening *);
void	 opening_free(struct opening *);

/* copy.c: to the pipes of a command */
#define COPY_FDS	4
void	 copy_poll(const struct copy *, struct pollfd *);
void	 copy_step(struct copy *, const struct pollfd *);
int	 copy_over(const struct copy *, int *);
void	 copy_free(struct copy *);

/* binding.c: the signature that the first key exchange had */
void	 binding_begin(struct link *);
void	 binding_look(struct link *);
void	 binding_take(struct exchange *);
void	 binding_end(struct link *);
void	 binding_free(struct exchange *);

/* watchdog.c: a limit on our own processor time */
void	 watchdog_start(void);
void	 watchdog_turn(struct chain *);

/* keepalive.c: keepalives */
uint64_t keepalive_due(const struct link *);
int	 keepalive_step(struct chain *);

/* libssh.c: of whom libssh's log is said */
void	 libssh_log(void);
struct link *libssh_log_of(struct link *);
void	 libssh_forget(struct link *);

#endif
