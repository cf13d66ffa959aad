/*
 * One login, method after method; private to this folder.
 */

#ifndef LOGIN_LOCAL_H
#define LOGIN_LOCAL_H

#include "login/identity.h"

/* prompt.c: questions to a person */
const char *prompt_asker(void);
char	*prompt_text(const struct chain *, const struct link *, const char *);
char	*prompt_label(const struct chain *, const struct link *);

/* auth.c: one login, method after method */
#define MAX_KEYS	64	/* offered on one connection */

/* What the server answered (RFC 4252, section 5.1). */
enum result {
	AUTH_FAILURE,		/* denied: the next one */
	AUTH_SUCCESS,		/* logged in */
	AUTH_PARTIAL,		/* accepted; the server wants more */
	AUTH_LOST		/* the connection is: see login's status */
};

/* One login to one hop. */
struct login {
	struct chain	*c;
	struct link	*l;
	int		 status;	/* the chain's, if it has failed */
	int		 used;		/* methods, as ssh_userauth_list() */
	int		 trying;	/* the method now, as these */
	int		 listed;	/* the server has said what it takes */
	int		 unnamed;	/* and that was nothing at all */
	int		 let_in;	/* where only asked what it takes */
	int		 partial;	/* methods taken where more is wanted */
	uint64_t	 heard;		/* bytes from it, when last looked */
	uint64_t	 since;		/* ms; when its time began anew */
	int		 renewals;	/* how often it has */
	uint64_t	 banner_came;	/* ms, or 0 */
	int		 banner_shown;
	int		 rounds;	/* of questions, or of none */
	int		 wrong_passwords;
	int		 wrong_answers;	/* keyboard-interactive's */
	int		 mute;		/* there was nobody to ask */
	int		 keep_passphrases; /* for addkey.c */
	struct key_file	*files;		/* NULL: not read yet */
	size_t		 nfiles;
	struct identity_list identities;
	int		 noffered;	/* of them, on this connection */
	char		*last;		/* of those, as the line names it */
	struct agent	 agent;
	int		 agentfd;	/* the session's, see standin.c; or -1 */
	struct credential credential;
	int		 agent_asked;
	int		 token_asked;	/* PKCS11Provider's */
	int		 returned;	/* with the keys it had not seen */
	char		*hung_up;	/* why, as the server said; or NULL */
	char		*principal;	/* whose Kerberos ticket there is */
	char		*no_ticket;	/* why there is none */
	int		 gssapi_done;	/* it was tried */
	char		*how;		/* methods that were taken */
	char		*offered;	/* which keys, for the failure's line */
	char		*passed_over;	/* which not, and why */
};

/* hostbased.c: a method that ssh has */
int	 hostbased_wanted(const struct login *);
int	 hostbased_offered(const struct login *);

/* turn.c: one step of a login */
int	 auth_over(const struct link *);
void	 auth_renew(struct login *);
void	 auth_tell(struct login *, const char *);
int	 auth_again(struct login *);
int	 auth_look(struct login *);
void	 auth_ignore(struct login *, const char *, const char *);
int	 auth_ask(struct login *, const char *, int, char *);
int	 auth_takes(const struct login *, int);
enum result auth_judge(struct login *, int);
enum result auth_learn(struct login *);

/* addkey.c: AddKeysToAgent */
int	 addkey_wanted(const struct login *);
void	 addkey(struct login *, const struct identity *);

/* gssapi.c: logging in with a Kerberos ticket */
int	 gssapi_possible(struct login *);
enum result gssapi_login(struct login *);

/* typed.c: logging in with what a person types */
enum result typed_kbdint(struct login *);
enum result typed_password(struct login *);

/* pubkey.c: logging in with a key */
enum result pubkey_login(struct login *);

#endif
