/*
 * The plan: the command line, the route file and ssh -G, as plain data.
 */

#ifndef PLAN_H
#define PLAN_H

#include "plan/hop.h"

#define MAX_HOPS		16
#define MAX_ROUTES		8
/* seconds; a hop's TCP may give up an address after 130, and take the next */
#define LOGIN_TIMEOUT		180
#define ALIVE_INTERVAL		30	/* seconds, if nobody says */
#define ALIVE_COUNT		30	/* of them: 15 minutes */
#define SSH_ALIVE_COUNT		3	/* ssh's default, if somebody says */
#define REFUSALS		3	/* of a hop that are not believed */

struct option;
TAILQ_HEAD(options, option);

/* The command line, then the route file; read-only once both are through. */
struct conf {
	char		*configfile;	/* -F; NULL: ssh's own files */
	char		*ssh;		/* that has started us; NULL: PATH's */
	struct options	 options;	/* -o, -i, -4, -6 */
	char		*jump;		/* -J; NULL: not given */
	char		*jump_place;	/* where it was typed */
	char		*logfile;	/* -E; NULL: stderr */
	char		*routefile;	/* -r; NULL: ~/.ssh/proxyhop.conf */
	int		 print;		/* -G */
	int		 try;		/* -t, counted */
	int		 fdpass;	/* -f */
	int		 verbose;	/* -v, counted */
	int		 quiet;		/* -q */
	int		 help;		/* -h */
	int		 version;	/* -V */
	int		(*usable)(const struct hop *);	/* is it shared? */
	const char	*host;		/* the target, as the client gave it */
	int		 port;
};

/* One route to the target: what the command line and ssh say together. */
struct plan {
	TAILQ_ENTRY(plan) entry;
	char		*spec;		/* as typed: gw1,gw2 or none */
	struct hops	 hops;		/* nearest first */
	int		 nhops;		/* 0: connect directly */
	struct hop	*target;	/* if so, how to connect; else NULL */
	int		 no_ssh;	/* nobody answers ssh -G */
	int		 no_jump;	/* ssh does not know -J */
	const struct conf *conf;
	int		 alone;		/* there is no other route */
	int		 partial;	/* only the last hop was asked about */
	int		 fixed;		/* the first one's ProxyJump is ignored */
	char		*hostname;	/* the target's, if ssh was asked */
	const char	*host;		/* the target; conf's, or hostname */
	int		 port;
};
TAILQ_HEAD(routes, plan);	/* in order of preference */

/* conf.c: the command line and the route file */
int	 conf_options(struct conf *, int, char *[]);
int	 conf_file(struct conf *);
void	 conf_free(struct conf *);

/* hop.c: the target as text, and what its settings mean */
int	 hop_is_quiet(const struct hop *);
char	*hop_unbracket(char *);
char	*hop_target(const char *, const char *, int *);

/* parent.c: what the ssh that has started us was told */
void	 parent_take(struct conf *);

/* mark.c: which routes are being taken by those who started us */
int	 mark_set(const struct conf *);

/* routes.c: one plan for each route */
int	 routes_make(struct routes *, struct conf *);
void	 routes_free(struct routes *);

/* plan.c: the rest of a plan that is partial */
int	 plan_complete(struct plan *);

/* print.c: the plan as text */
void	 print_routes(const struct routes *);

/* route.c: how others may go the same route */
char	*route_ssh(const struct plan *, const struct hop *, int);

/* master.c: the user's own ssh, to log in to a hop and share that */
int	 plan_shares(const struct plan *, const struct hop *);
void	 plan_master(const struct plan *, const struct hop *, int,
	    struct strlist *);
int	 plan_can_private(const struct plan *, const struct hop *);
void	 plan_private(const struct plan *, const struct hop *, int,
	    const char *, const char *, struct strlist *);

/* expand.c: what ssh -G leaves to be expanded */
struct token {
	char		 c;		/* behind a % */
	const char	*value;
};

char	*expand_argument(const struct hop *, const char *,
	    const struct token *, const char **);
const char *expand_home(void);

/* tokens.c: a hop's commands, expanded */
char	*tokens_proxy(const struct hop *);
char	*tokens_forward(const struct hop *, const char *, int);

#endif
