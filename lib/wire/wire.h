/*
 * Hops in a chain: sessions, channels, and the one poll(2).
 */

#ifndef WIRE_H
#define WIRE_H

#include <poll.h>

#include <libssh/libssh.h>

#include "plan/plan.h"
#include "wire/failure.h"

/* A time that does not come, in ms: where there is no limit. */
#define FOREVER		(UINT64_MAX / 2)

/* How a command ended, if not with a status. */
#define EXIT_UNTOLD	-1
#define EXIT_SIGNALED	-2

/* Who is told what happens.  NULL: nobody. */
struct listener {
	/* the stage of a link is over, at that time (ms) */
	void	 (*stage)(void *, const struct link *, uint64_t);
	/* something about a link that -v, so often, is to show */
	void	 (*notice)(void *, const struct link *, int, const char *);
	/* the chain waits; returns when to tell it again (ms), 0: never */
	uint64_t (*wait)(void *);
	void	*arg;
};

/* What a hop is asked to open. */
struct forward {
	const char	*host;
	int		 port;
	char		*command;	/* ForwardCommand, or NULL */
};

/* What else a link has to be read from while the chain waits. */
struct watch {
	int	 fd;			/* -1: nothing */
	void	 (*ready)(void *);	/* there is something, or its end */
	void	*arg;
};

/* A hop we are connected to, or about to be. */
struct link {
	const struct hop	*hop;		/* borrowed from the plan */
	int			 number;	/* 1 .. nhops; 0: the target */
	char			*label;		/* what failures begin with;
						 * NULL: they are not said */
	ssh_session		 session;
	enum stage		 stage;
	uint64_t		 since;		/* ms; when stage began */
	char			*note;		/* what the stage has shown */
	char			*greeting;	/* what came before a banner */
	struct forward		 forward;
	struct watch		 watch;
	struct wire		*wire;		/* lib/wire's */
};

struct copy;
struct own;
struct sequence;

/* All links, and the one place that waits. */
struct chain {
	const struct plan	*plan;
	struct link		 links[MAX_HOPS];
	int			 n;		/* links in use */
	struct link		*at;		/* whose stage is being waited for */
	int			 limit;		/* seconds that deadline is from */
	uint64_t		 deadline;	/* ms; until when; FOREVER, or 0:
						 * nothing is waited for */
	int			 carrying;	/* all is up */
	struct failure		 failure;
	struct listener		 listener;
	struct copy		*copy;		/* from the first session to its
						 * ProxyCommand, or NULL */
	struct own		*own;		/* login's; NULL: not started */
	struct sequence		*sequence;	/* lib/chain's */
};

/* A deadline that is held up, since the time is not the server's. */
struct pause {
	uint64_t	 began;		/* ms */
	uint64_t	 deadline;
	int		 limit;
};

/* loop.c: the one place that waits */
void	 chain_limit(struct chain *, struct link *, int);
void	 chain_pause(struct chain *, struct pause *);
void	 chain_resume(struct chain *, const struct pause *);
int	 chain_turn(struct chain *);
int	 chain_wait(struct chain *, struct pollfd *, nfds_t, uint64_t);

/* link.c: one hop, stage after stage */
void	 link_init(struct link *, struct chain *, const struct hop *, int);
void	 link_stage(struct link *, enum stage);
void	 link_over(struct link *, const char *);
void	 link_question(struct link *, uint64_t);
void	 link_note(struct link *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
void	 link_tell(const struct link *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
int	 link_may_show(struct link *);
int	 link_gone(const struct link *);
char	*link_peer(int);
void	 link_free(struct link *);

/* drive.c: one turn of a session */
uint64_t link_received(const struct link *);
void	 link_pin(struct link *, ssh_key);
int	 link_impostor(const struct link *);
const char *link_breach(const struct link *);

/* session.c: from a connected descriptor through key exchange */
int	 session_begin(struct chain *, struct link *, int, const char *);
int	 session_kex(struct chain *, struct link *, const char *);
void	 session_drop(struct link *);

/* forward.c: the channel to the next hop or the target */
int	 forward_open(struct chain *, struct link *, const char *, int, int,
	    int);
int	 forward_joint(struct chain *, struct link *, const char *, int,
	    int *);
int	 forward_pipes(struct chain *, struct link *, const char *, int,
	    int [2]);
const char *forward_complaint(struct link *);
const char *forward_text(struct link *);
int	 forward_is_ssh(struct link *);
void	 forward_withdraw(struct link *);
void	 forward_drop(struct link *);
int	 forward_done(const struct link *);
int	 forward_used(const struct link *);
int	 forward_ended(const struct link *);
int	 forward_closed(const struct link *);
int	 forward_exit(const struct link *);
int	 forward_error(const struct link *);

/* keepalive.c: keepalives */
uint64_t keepalive_silence(const struct link *);

#endif
