/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef CHAIN_LOCAL_H
#define CHAIN_LOCAL_H

#include "chain/chain.h"

#define MAX_ADDRESSES	16

struct share;
struct race;
struct timing;

/* The set-up of a chain: what of it is this folder's alone. */
struct sequence {
	uint64_t	 began;		/* ms */
	int		 tries;		/* of the present hop, that failed */
	const char	*cause;		/* of the last failure: a constant */
	uint32_t	 pause;		/* ms before the next try */
	uint64_t	 until;		/* ms; no try after that */
	pid_t		 pid;		/* the first hop's ProxyCommand; 0: it
					 * has ended, or there is none */
	int		 passed;	/* it has handed over a connection */
	int		*given;		/* a connection to the first hop, -1
					 * once it is used; or NULL */
	char		**hold;		/* gets the line of a failure; NULL:
					 * it is said at once */
	int		 refused;	/* a login was refused, whatever ended
					 * it: no other route is tried */
	struct credential used[MAX_HOPS];	/* by the login to each link */
	struct share	*share[MAX_HOPS];	/* of each link; NULL: none */
	struct byssh	*byssh[MAX_HOPS];	/* NULL: we have logged in */
	struct race	*race;		/* NULL: one route only */
	struct timing	*timing;	/* NULL: no -t */
};

/* One address of a name. */
struct address {
	struct sockaddr_storage	 addr;
	socklen_t		 len;
};

struct addresses {
	struct address	 v[MAX_ADDRESSES];
	size_t		 n;
	int		 error;		/* as getaddrinfo(3) returns it */
};

/* setup.c: one hop */
struct link *setup_link(struct chain *, const struct hop *);
void	 setup_limit(struct chain *, struct link *, const struct link *, int);
int	 setup_time_left(struct chain *, int, const char *);
int	 setup_again(struct chain *);
int	 setup_pause(struct chain *, struct link *);
int	 setup_hop(struct chain *, const struct hop *);

/* sharing.c: the hop that the chain begins at */
int	 sharing_find(struct chain *, struct plan *, int);

/* first.c: the first connection of a route */
int	 chain_first(struct chain *, struct plan *, int *, int);

/* chain.c: the beginning and the end of the set-up */
void	 chain_begin(struct chain *, const struct plan *);
int	 chain_dial(struct chain *, const struct plan *, int *);
int	 chain_end(struct chain *, int);
void	 chain_close(struct chain *);
void	 chain_confine(struct chain *);

/* race.c: the first route that answers */
struct timing *race_timing(const struct chain *, const struct plan *);

/* dial.c: the first hop's socket */
int	 dial_limit(const struct link *);
int	 dial(struct chain *, struct link *, int *);

/* resolve.c: the addresses of the first hop */
int	 resolve(struct chain *, struct link *, struct addresses *);

/* command.c: ProxyCommand and ForwardCommand */
void	 command_start(struct chain *, struct link *, int *);
int	 command_take(struct chain *, struct link *, int *);
int	 command_runs(const struct chain *, const struct link *);
int	 command_end(struct chain *, struct link *);
int	 command_fail(struct chain *, struct link *);
int	 command_lost(struct chain *, struct link *);
int	 command_forward_fail(struct chain *, struct link *, const char *);
int	 command_forward_end(struct chain *, struct link *, const char *);
int	 command_forward_text(struct chain *, struct link *, const char *);

/* timing.c: what each stage took, for -t */
struct timing_row {
	int		 route;		/* its number; 0: it is of a hop */
	int		 number;	/* of the hop; 0: the target */
	char		*name;
	enum stage	 stage;
	uint64_t	 from, to;	/* ms since the beginning */
	char		*note;		/* what it has shown, or NULL */
	char		*failed;	/* why, or NULL */
};

struct timing *timing_new(const char *, int, uint64_t);
void	 timing_stage(struct timing *, const struct link *, uint64_t);
void	 timing_failure(struct timing *, const struct failure *);
void	 timing_add(struct timing *, const struct timing_row *);
void	 timing_end(struct timing *);

/* share.c: a connection that an ssh of ours shares */
int	 share_find(struct chain *, struct link *, const char *, int, int *);
int	 share_listens(const struct hop *);
int	 share_is(const struct chain *, const struct link *);
int	 share_approach(struct chain *, struct link *, const char *, int,
	    int *);
int	 share_pipes(struct chain *, struct link *, const char *, int,
	    int [2]);
int	 share_target(struct chain *, struct link *, const char *, int, int,
	    int);
int	 share_take(struct chain *);
int	 share_carry(struct chain *);
int	 share_lost(struct chain *, const struct link *);
int	 share_overdue(struct chain *, struct link *);
int	 share_byssh(struct chain *, struct link *, const char *);
void	 share_close(struct chain *, struct link *);

/* report.c: what a person is told of the set-up */
void	 report_start(struct chain *);
char	*report_label(const struct chain *, const struct link *);
void	 report_failure(struct chain *);
int	 report_output(int);

/* talk.c: what an ssh that we have started says */
struct talk {
	struct link	*link;		/* that it is to log in to */
	int		 fd;		/* -1: it says no more */
	char		 line[400];	/* the next, so far */
	size_t		 len;
	struct strlist	 said;		/* lines not shown yet; printable */
	uint64_t	 when;		/* ms; the last of them */
	int		 shown;		/* lines */
	int		 later;		/* it has logged in */
	int		 alone;		/* it will not share */
};

void	 talk_begin(struct talk *, struct link *, int *);
void	 talk_hear(struct talk *);
void	 talk_show(struct talk *);
void	 talk_show_old(struct talk *);
void	 talk_later(struct talk *);
const char *talk_last(const struct talk *);
const char *talk_said(struct talk *);
void	 talk_end(struct talk *);

/* byssh.c: an ssh that logs in to a hop for this run alone */
struct byssh {
	struct standby	 standby;	/* its process, and its socket */
	struct talk	 talk;
};

int	 byssh_start(struct chain *, struct link *, const char *, const char *,
	    int [2]);
void	 byssh_end(struct chain *, struct link *);

/* master.c: the ssh that is to share a connection */
void	 master_run(char *[], int, int, int) __attribute__((noreturn));
int	 master_verdict(const char *, enum stage *);
int	 master_start(struct chain *, struct link *);
int	 master_wait(struct chain *, struct link *, int *);

/* agree.c: no algorithm in common */
int	 agree_fail(struct chain *, struct link *);
char	*agree_lacking(const struct chain *);

/* fail.c: what has failed, in one line */
const char *fail_passing(struct chain *, int *);
int	 fail_unanswered(struct chain *, struct link *, char *);
int	 fail_say(struct chain *, int);

#endif
