/*
 * The plan: the command line, the route file and ssh -G, as plain data.
 */

#ifndef PLAN_H
#define PLAN_H

#include "base/base.h"

#define MAX_HOPS		16
#define MAX_ROUTES		8
#define CONNECT_TIMEOUT		15	/* seconds a hop, if nobody says */
#define LOGIN_TIMEOUT		120	/* the same, of silence in its login */
#define ALIVE_INTERVAL		30	/* seconds, if nobody says */
#define ALIVE_COUNT		3
#define REFUSALS		3	/* of a hop that are not believed */

/* One -o or -i, for every hop or for one. */
struct option {
	TAILQ_ENTRY(option)	 entry;
	int			 flag;	/* 'o' or 'i' */
	char			*hop;	/* name as typed or number; NULL: all */
	char			*text;	/* as ssh takes it after the flag */
	char			*typed;	/* the whole argument, for messages */
	char			*place;	/* where it was typed */
};
TAILQ_HEAD(options, option);

/* The command line, then the own file; read-only once both are through. */
struct conf {
	char		*configfile;	/* -F; NULL: ssh's own files */
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
	const char	*host;		/* the target, as the client gave it */
	int		 port;
};

/* A gateway as asked for: plain data, first value wins, NULL or -1: not set. */
struct hop {
	TAILQ_ENTRY(hop)	 entry;
	char			*spec;		/* as typed in -J */
	char			*name;		/* its host part: what we call it */
	const char		*place;		/* where spec is written */
	char			*typed_user;	/* written in spec, or NULL */
	int			 typed_port;	/* written in spec, or 0 */

	int			 nesting;	/* of the ProxyJump it is from */
	int			 asked;		/* ssh has answered */
	int			 jumped;	/* it had a ProxyJump itself */
	int			 asked_alone;	/* as if none came before it */
	char			*command;	/* its ProxyCommand then */
	struct strlist		 ignored;	/* settings that are not followed */

	/* from here on as ssh_config(5) names them */
	char			*addressfamily;
	int			 batchmode;
	char			*bindaddress;
	char			*bindinterface;
	char			*casignaturealgorithms;
	struct strlist		 certificatefile;
	int			 checkhostip;
	char			*ciphers;
	int			 compression;
	int			 connectionattempts;
	int			 connecttimeout;	/* seconds; 0: no limit */
	char			*controlmaster;
	char			*controlpath;	/* none: NULL */
	char			*controlpersist;
	char			*forkafterauthentication;
	char			*forwardcommand;	/* our own */
	struct strlist		 globalknownhostsfile;
	int			 gssapiauthentication;
	char			*gssapiclientidentity;
	char			*gssapiserveridentity;
	int			 gssapitrustdns;
	int			 hashknownhosts;
	char			*hostkeyalgorithms;
	char			*hostkeyalias;
	char			*hostname;
	int			 identitiesonly;
	char			*identityagent;
	struct strlist		 identityfile;
	int			 kbdinteractiveauthentication;
	char			*kexalgorithms;
	char			*knownhostscommand;
	int			 logintimeout;	/* seconds; 0: no limit; our own */
	char			*loglevel;
	char			*macs;
	int			 nohostauthenticationforlocalhost;
	int			 numberofpasswordprompts;
	int			 passwordauthentication;
	char			*pkcs11provider;
	int			 port;
	char			*preferredauthentications;
	char			*proxycommand;
	char			*proxyjump;
	char			*proxyusefdpass;
	char			*pubkeyacceptedalgorithms;
	char			*pubkeyauthentication;
	char			*rekeylimit;
	char			*remotecommand;
	int			 requiredrsasize;
	char			*revokedhostkeys;
	char			*securitykeyprovider;
	int			 serveralivecountmax;
	int			 serveraliveinterval;	/* seconds */
	char			*stricthostkeychecking;
	int			 tcpkeepalive;
	char			*user;
	struct strlist		 userknownhostsfile;
	char			*verifyhostkeydns;
};
TAILQ_HEAD(hops, hop);

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
	int		 fixed;		/* the first one's ProxyJump is ignored */
	char		*hostname;	/* the target's, if ssh was asked */
	const char	*host;		/* the target; conf's, or hostname */
	int		 port;
};
TAILQ_HEAD(routes, plan);	/* in order of preference */

/* hop.c: one gateway as text and as data */
struct hop *hop_parse(const char *, const char **);
struct hop *hop_new(const char *, const char *);
char	*hop_list(struct hops *, const char *);
char	*hop_routes(const char *);
const char *hop_bad_user(const char *);
const char *hop_bad_host(const char *);
char	*hop_unbracket(char *);
int	 hop_target(const char *, const char *, int *, const char **);
void	 hop_free(struct hop *);
void	 hops_free(struct hops *);

/* keyword.c: the settings of a hop, one table */
int	 keyword_set(struct hop *, const char *, const char *);
const char *keyword_default(struct hop *, const char *);
int	 keyword_is_command(const char *);
int	 keyword_is_line(const char *);
int	 keyword_known(const char *);
void	 keyword_unset(struct hop *);
void	 keyword_free(struct hop *);
void	 keyword_each(const struct hop *, void (*)(const char *, size_t,
	    const char *, void *), void *);

/* expand.c: what ssh -G leaves to be expanded */
struct token {
	char		 c;		/* behind a % */
	const char	*value;
};

char	*expand_argument(const struct hop *, const char *,
	    const struct token *, const char **);
char	*expand_file(const struct hop *, const char *, const char **);
char	*expand_tilde(const char *);
const char *expand_home(void);
const char *expand_user(void);

/* conf.c: the command line and the own file */
int	 conf_options(struct conf *, int, char *[]);
int	 conf_file(struct conf *);
int	 conf_parse(struct conf *, FILE *, const char *);
int	 conf_command(struct conf *, struct strlist *, const char *,
	    const char **, const char **);
int	 conf_names(const struct option *, const char *);
const char *conf_value(const struct option *);
int	 conf_own(const struct option *);
void	 conf_free(struct conf *);

/* tokens.c: a hop's commands, expanded */
char	*tokens_proxy(const struct hop *);
char	*tokens_forward(const struct hop *, const char *, int);
int	 tokens_check(const struct hop *);

/* parent.c: what the ssh that has started us was told */
void	 parent_take(struct conf *);

/* ignored.c: settings of a hop that are not followed */
void	 ignored_note(struct hop *, const char *, const char *);
void	 ignored_say(const struct hop *);

/* mark.c: which routes are being taken by those who started us */
int	 mark_set(const struct conf *);

/* safe.c: can nobody else write a file? */
int	 safe_file(int, const char *);

/* ask.c: what ssh itself says of a hop */
enum answer {
	ANSWER_OK,
	ANSWER_REFUSED,		/* ssh has, and was quoted */
	ANSWER_NO_JUMP,		/* ssh 6.8 to 7.2: to be asked without -J */
	ANSWER_OLD,		/* ssh before 6.8, which has no -G */
	ANSWER_NONE		/* no ssh, or not OpenSSH's */
};

/* How to ask. */
struct question {
	const struct conf	*conf;
	int			 number;	/* of the hop; 0: the target */
	const char		*earlier;	/* hops before, or NULL */
	const char		*next;		/* where to, as ssh -W has it */
	const char *const	*extra;		/* -o's before all others */
};

struct ask {
	struct hop	*hop;		/* borrowed; gets the answer */
	pid_t		 pid;		/* -1: not running */
	int		 out, err;	/* what ssh wrote: memory files */
};

void	 ask_start(struct ask *, struct hop *, const struct question *);
enum answer ask_finish(struct ask *, int);
char	*ask_stderr(struct hop *, const struct question *,
	    const char *const *);
void	 ask_whom(struct strlist *, const struct hop *, const struct question *);
int	 ask_read(struct hop *, char *);
int	 ask_concerns(const struct option *, const struct hop *, int);

/* cipher.c: which cipher first */
void	 cipher_order(struct hop *);

/* plan.c: command line and ssh's answers to a list of hops */
char	*plan_jump(struct plan *, struct conf *);
int	 plan_make(struct plan *, const char *);
char	*plan_route(const struct plan *, const struct hop *, const char *);
void	 plan_free(struct plan *);

/* routes.c: one plan for each route */
int	 routes_make(struct routes *, struct conf *);
void	 routes_free(struct routes *);

/* oldssh.c: the settings of a hop from an ssh without -G */
int	 oldssh_ask(struct hop *, const struct question *, struct strlist *);

/* nossh.c: the settings of a hop where there is no ssh */
int	 nossh_settings(const struct conf *, struct hop *, int);

/* master.c: the user's own ssh, to log in to a hop and share that */
int	 plan_shares(const struct plan *, const struct hop *);
void	 plan_master(const struct plan *, const struct hop *, int,
	    struct strlist *);

/* print.c: the plan as text */
void	 print_routes(const struct routes *);

#endif
