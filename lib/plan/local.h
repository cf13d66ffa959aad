/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef PLAN_LOCAL_H
#define PLAN_LOCAL_H

#include "plan/plan.h"

/* What a keyword is made of. */
#define LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* One -o or -i, for every hop or for one. */
struct option {
	TAILQ_ENTRY(option)	 entry;
	int			 flag;	/* 'o' or 'i' */
	char			*hop;	/* name as typed or number; NULL: all */
	char			*text;	/* as ssh takes it after the flag */
	char			*typed;	/* the whole argument, for messages */
	char			*place;	/* where it was typed */
};

/* hop.c: one gateway as text and as data */
struct hop *hop_parse(const char *, const char **);
struct hop *hop_new(const char *, const char *);
char	*hop_list(struct hops *, const char *);
char	*hop_routes(const char *);
const char *hop_bad_user(const char *);
const char *hop_bad_host(const char *);
void	 hop_free(struct hop *);
void	 hops_free(struct hops *);
int	 hop_good_hostname(const struct hop *);
int	 hop_other_command(const char *);

/* keyword.c: the settings of a hop, one table */
int	 keyword_set(struct hop *, const char *, const char *);
const char *keyword_default(struct hop *, const char *);
int	 keyword_is_command(const char *);
int	 keyword_is_line(const char *);
int	 keyword_known(const char *);
const char *keyword_nearest(const char *);
int	 keyword_is_set(const char *);
void	 keyword_unset(struct hop *);
void	 keyword_free(struct hop *);
void	 keyword_each(const struct hop *, void (*)(const char *, size_t,
	    const char *, void *), void *);

/* expand.c: what ssh -G leaves to be expanded */
char	*expand_file(const struct hop *, const char *, const char **);
char	*expand_tilde(const char *);
char	*expand_not(const char *);
const char *expand_user(void);

/* conf.c: the command line and the route file */
int	 conf_parse(struct conf *, FILE *, const char *);
int	 conf_command(struct conf *, struct strlist *, const char *,
	    const char **, const char **);
const char *conf_jump(struct strlist *);
int	 conf_names(const struct option *, const char *);
const char *conf_value(const struct option *);
int	 conf_own(const struct option *);

/* tokens.c: a hop's commands, expanded */
int	 tokens_check(const struct hop *);

/* ignored.c: settings of a hop that are not followed */
void	 ignored_note(struct hop *, const char *, const char *);
void	 ignored_say(const struct hop *);

/* safe.c: can nobody else write a file? */
int	 safe_file(int, const char *);

/* ask.c: what ssh itself says of a hop */
enum answer {
	ANSWER_OK,
	ANSWER_REFUSED,		/* ssh has, and was quoted */
	ANSWER_EXEC,		/* it has a Match exec to run, and may not */
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
	const char		*shell;		/* for Match exec; NULL: the user's */
};

/* In place of the user's: a Match exec that is to be run ends ssh. */
#define SHELL_NONE	"/nonexistent/proxyhop-runs-no-command"

struct ask {
	struct hop	*hop;		/* borrowed; gets the answer */
	const struct conf *conf;	/* borrowed; its options were passed */
	const char	*shell;		/* as in the question */
	pid_t		 pid;		/* 0: it has ended; -1: never ran */
	int		 status;	/* then, as of waitpid(2) */
	int		 out, err;	/* what ssh wrote: memory files */
};

void	 ask_start(struct ask *, struct hop *, const struct question *);
int	 ask_await(const struct ask *, int);
int	 ask_peek(struct ask *, struct hop *);
enum answer ask_finish(struct ask *, int);
void	 ask_drop(struct ask *);
char	*ask_stderr(struct hop *, const struct question *,
	    const char *const *);
void	 ask_whom(struct strlist *, const struct hop *, const struct question *);
int	 ask_read(struct hop *, char *);
int	 ask_concerns(const struct option *, const struct hop *, int);
const char *ask_shell_false(void);

/* refusal.c: what ssh refuses of a configuration */
void	 refusal_say(const struct ask *, int, const char *);

/* answers.c: what ssh answers about every hop */
struct hop *answers_scratch(const struct hop *);
enum answer answers_one(struct hop *, const struct question *, int);
void	 answers_none(struct plan *, int);
int	 answers_take(struct plan *, struct hop *, int, enum answer);
int	 answers_all(struct plan *);
int	 answers_command(const struct plan *, struct hop *, int);

/* walk.c: from the hops that were typed to those that are connected to */
int	 walk_hops(struct plan *);
int	 walk_conflict(const struct plan *);
void	 walk_drop_commands(struct plan *);

/* settle.c: the last settings of a hop */
void	 settle_times(const struct plan *, struct hop *, int);
void	 settle_last(const struct plan *);
int	 settle(struct plan *);

/* target.c: the jump hosts of a ProxyCommand that runs us */
char	*target_jump(struct plan *, struct conf *);
int	 target_leads(const struct hop *);

/* cipher.c: which cipher first */
void	 cipher_order(struct hop *);

/* plan.c: command line and ssh's answers to a list of hops */
char	*plan_jump(struct plan *, struct conf *);
int	 plan_make(struct plan *, const char *);
void	 plan_free(struct plan *);

/* route.c: a route as text */
char	*route_text(const struct plan *, const struct hop *, const char *);
char	*route_next(const struct plan *, const struct hop *);
int	 route_too_long(struct plan *);

/* oldssh.c: the settings of a hop from an ssh without -G */
int	 oldssh_ask(struct hop *, const struct question *, struct strlist *);

/* nossh.c: the settings of a hop where there is no ssh */
int	 nossh_settings(const struct conf *, struct hop *, int);

#endif
