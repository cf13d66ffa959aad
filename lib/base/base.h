/*
 * Strings, messages, children, the clock: what everything else stands on.
 */

#ifndef BASE_H
#define BASE_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROXYHOP_VERSION	"0.1"
#define MARK			"PROXYHOP"	/* set for what we start */

/* Exit status, and what every step of the chain returns. */
enum status {
	OK = 0,			/* carried and closed */
	GIVEUP = 1,		/* no use trying again as it is */
	RETRY = 2		/* may work later */
};

/* What a hop passes through; messages, time-outs and -v speak of these. */
enum stage {
	STAGE_RESOLVE,
	STAGE_CONNECT,
	STAGE_BANNER,
	STAGE_KEX,
	STAGE_HOSTKEY,
	STAGE_AUTH,
	STAGE_FORWARD,
	STAGE_CARRY
};

/* A list of strings; it owns them.  All zero is the empty list. */
struct words {
	char	**v;
	size_t	  n;
};

/* words.c: lists of strings, and words that are fit to be shown */
char	*xvasprintf(const char *, va_list)
	    __attribute__((format(printf, 1, 0)));
char	*xasprintf(const char *, ...) __attribute__((format(printf, 1, 2)));
void	*xcalloc(size_t, size_t);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
void	 words_add(struct words *, char *);
void	 words_free(struct words *);
void	 words_join(char **, const char *, const char *);
char	*words_visible(const char *);
#define SAID_MAX	200	/* bytes of what a stranger says, shown */
char	*words_said(const char *);
char	*words_base64(const void *, size_t);
int	 words_unbase64(const char *, unsigned char **);
const char *words_split(struct words *, const char *);
char	*words_shell(const char *);

/* say.c: messages */
void	 say_open(const char *, int);
void	 say_more(int);
int	 say_level(void);
void	 say(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_debug(int, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
const char *say_stage(enum stage);
uint64_t say_began(void);
int	 say_live(void);
void	 say_status(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_erase(void);
uint64_t now(void);

/* child.c: children that do the waiting */
pid_t	 child_fork(int);
pid_t	 child_pipe(int, int *);
int	 child_wait(pid_t);

/* os_linux.c: what one system has, and others do not */
int	 os_parent(const char *, struct words *);

/* terminal.c: one question at a time on a terminal */
void	 terminal_take(void);
int	 terminal_taken(void);

#endif
