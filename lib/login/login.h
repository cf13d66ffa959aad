/*
 * Authentication: methods, keys, agents, questions.
 */

#ifndef LOGIN_H
#define LOGIN_H

#include "wire/wire.h"

struct login;

/* The key that has logged us in, for those who ask what it may do. */
struct credential {
	char	*key;		/* name and fingerprint; NULL: it was none */
	int	 certificate;
};

/* auth.c: one login, method after method */
struct login *auth_new(struct chain *, struct link *);
int	 auth(struct login *, int *);
int	 auth_returns(struct login *);
char	*auth_lacking(const struct login *);
void	 auth_credential(struct login *, struct credential *);
void	 auth_free(struct login *);

/* own.c: an ssh-agent of our own */
void	 own_end(struct chain *);

/* prompt.c: questions to a person */
#define ANSWER_MAX	1024	/* bytes of an answer, with its NUL */

#define PROMPT_ASKPASS	"PROXYHOP_ASKPASS"	/* its first argument */

#define PROMPT_ECHO	1		/* what is typed is shown */
#define PROMPT_OURS	2		/* no word of it is a server's */
int	 prompt_possible(const struct hop *);
int	 prompt(struct chain *, struct link *, const char *, int, char *,
	    int *);
int	 prompt_askpass(const char *, const char *);

#endif
