/*
 * Keys that an agent holds: the user's, or one of our own.
 */

#ifndef LOGIN_AGENT_H
#define LOGIN_AGENT_H

#include "login/login.h"

struct key_file;
struct run;

/* agent.c: keys that only the agent holds */
struct agent_key {
	ssh_key		 key;		/* public */
	char		*blob;		/* as the agent names it */
	size_t		 len;
	char		*comment;
};

struct agent {
	int			 fd;	/* -1: no agent (any more) */
	const char		*path;
	struct agent_key	*keys;
	size_t			 n;
	int			 bound;	/* it knows the session it is to sign
					 * for, or need not */
};

int	 agent_connect(const char *);
int	 agent_read(struct chain *, struct link *, struct agent *,
	    const char *);
int	 agent_open(struct chain *, struct link *, struct agent *);
int	 agent_again(struct login *, const struct agent *, struct agent *);
int	 agent_add_provider(struct login *, struct agent *, const char *,
	    const char *);
int	 agent_parse(struct agent *, const unsigned char *, size_t);
void	 agent_renew(struct agent *);
void	 agent_close(struct agent *);

/* standin.c: logging in with one of them */
int	 agent_login(struct login *, struct agent *, const struct agent_key *,
	    const void *, size_t);

/* keeper.c: the process of an ssh-agent of our own */
struct keeper {
	struct standby	 standby;	/* its process, and its socket */
	int		 err;		/* what the agent says */
	int		 asks, taken;	/* a pipe: its rights to ask */
	const char	*asker;		/* whom it asks */
	int		 over;		/* there is no agent */
	char		 said[256];	/* by it, last, or why it does not run */
};

int	 keeper_start(struct chain *, const char *, struct keeper **);
void	 keeper_allow(struct keeper *, const char *);
const char *keeper_said(struct keeper *);
void	 keeper_end(struct keeper *);

/* own.c: what an ssh-agent of our own is to hold */
int	 ssh_add(struct login *, const char *, char *const [], const char *,
	    const char *, struct run *);
int	 own_open(struct login *, struct key_file *, const char *);
struct agent *own_token(struct login *);
int	 own_unlock(struct login *, const struct agent *);
int	 own_login(struct login *, const struct key_file *, const void *,
	    size_t);
const char *own_said(const struct login *);

#endif
