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
#ifndef PROXYHOP_PARTS
#define PROXYHOP_PARTS		""	/* a line about what is linked in */
#endif
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
	STAGE_SHARED,		/* a connection that ssh holds */
	STAGE_BANNER,
	STAGE_KEX,
	STAGE_HOSTKEY,
	STAGE_AUTH,
	STAGE_FORWARD,
	STAGE_CARRY,
	STAGE_QUESTION		/* a person's time, within any other */
};

/* A list of strings; it owns them.  All zero is the empty list. */
struct strlist {
	char	**v;
	size_t	  n;
};

/* str.c: allocated strings, and text from elsewhere made printable */
char	*xvasprintf(const char *, va_list)
	    __attribute__((format(printf, 1, 0)));
char	*xasprintf(const char *, ...) __attribute__((format(printf, 1, 2)));
void	*xcalloc(size_t, size_t);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
void	 str_append(char **, const char *, const char *);
char	*str_visible(const char *);
#define QUOTE_MAX	200	/* bytes of a quotation */
char	*str_quote(const char *);
char	*str_fold(const char *);
int	 str_ends_in(const char *, const char *);
size_t	 str_columns(const char *);
void	 str_wrap(char **, const char *, size_t);
char	*str_base64(const void *, size_t);
int	 str_unbase64(const char *, unsigned char **);
char	*str_shell(const char *);
char	*str_json(const char *);

/* strlist.c: lists of strings */
void	 strlist_add(struct strlist *, char *);
void	 strlist_free(struct strlist *);
const char *strlist_split(struct strlist *, const char *);

/* say.c: messages */
void	 say_open(const char *, int);
void	 say_plain(void);
void	 say_more(int);
int	 say_level(void);
void	 say(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_debug(int, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
void	 say_dying(const char *, enum stage, const char *);
const char *say_stage(enum stage);
uint64_t say_began(void);
int	 say_live(void);
void	 say_status(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_erase(void);
char	*say_folded(const char *, size_t, const char *);

/* clock.c: the time */
uint64_t now(void);

/* child.c: children that do the waiting */
void	 child_follow(int);
pid_t	 child_fork(int);
pid_t	 child_pipe(int, int *);
int	 child_wait(pid_t);
int	 child_ends(pid_t, int);

/* standby.c: a program with a socket, both gone when we are */
struct standby {
	pid_t	 pid;		/* stands by the program; 0: it has ended */
	int	 hold;		/* closed, both end */
	char	*folder;
	char	*path;		/* of its socket, in there */
};

int	 standby_open(struct standby *, const char *);
int	 standby_start(struct standby *, void (*)(void *), void *);
int	 standby_over(struct standby *);
void	 standby_end(struct standby *);

/* os_*.c, one for each system: what some have, and others do not */
int	 os_parent(const char *, struct strlist *);
int	 os_claim(const char *, int *);
int	 os_memory_file(const char *);
void	 os_end_with_parent(int);
void	 os_outlive_parent(void);
void	 os_no_dump(void);
int	 os_terminal(char *, size_t);
void	 os_ack_now(int);
void	 os_tcp_timeout(int, unsigned);
int	 os_has_aes(void);
int	 os_closed(int, size_t);
int	 os_lock_byte(int, off_t);
void	 os_started_as(const char *);
char	*os_program(void);
void	 os_confine(int);

/* terminal.c: one question at a time on a terminal */
int	 terminal_take(void);
int	 terminal_taken(void);
int	 terminal_columns(int);

#endif
