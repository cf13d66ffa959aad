/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef LOGIN_LOCAL_H
#define LOGIN_LOCAL_H

#include "login/login.h"

/* prompt.c: questions to a person */
int	 prompt_possible(const struct hop *);
const char *prompt_asker(void);
char	*prompt_text(const struct chain *, const struct link *, const char *);
char	*prompt_label(const struct chain *, const struct link *);

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
int	 agent_login(struct login *, struct agent *, const struct agent_key *,
	    const void *, size_t);
int	 agent_add_provider(struct login *, struct agent *, const char *,
	    const char *);
int	 agent_parse(struct agent *, const unsigned char *, size_t);
void	 agent_renew(struct agent *);
void	 agent_close(struct agent *);

/* keeper.c: the process of an ssh-agent of our own */
struct keeper {
	pid_t		 pid;		/* stands by the agent */
	int		 hold;		/* closed, both end */
	int		 err;		/* what the agent says */
	int		 asks, taken;	/* a pipe: its rights to ask */
	char		*folder;
	char		*path;		/* its socket, in there */
	const char	*asker;		/* whom it asks */
	int		 over;		/* there is no agent */
	char		 said[256];	/* by it, last, or why it does not run */
};

int	 keeper_start(struct chain *, const char *, struct keeper **);
void	 keeper_allow(struct keeper *, const char *);
const char *keeper_said(struct keeper *);
void	 keeper_end(struct keeper *);

/* own.c: what an ssh-agent of our own is to hold */
struct key_file;

int	 ssh_add(struct login *, const char *, char *const [], const char *,
	    const char *, struct run *);
int	 own_open(struct login *, struct key_file *, const char *);
struct agent *own_token(struct login *);
int	 own_unlock(struct login *, const struct agent *);
int	 own_login(struct login *, const struct key_file *, const void *,
	    size_t);
const char *own_said(const struct login *);

/* privkey.c: private keys from files */
int	 privkey_read(const char *, const char *, ssh_auth_callback, void *,
	    ssh_key *);

/* auth.c: one login, method after method */
#define MAX_KEYS	64	/* offered on one connection */

/* A file that may have a private key, as far as it could be read. */
struct key_file {
	const char	*name;		/* the hop's */
	ssh_key		 private;	/* NULL: encrypted, or not there */
	ssh_key		 public;	/* NULL: not there either */
	int		 encrypted;
	int		 foreign;	/* ssh can use it, libssh cannot */
	int		 owned;		/* by our own agent, see own.c */
	int		 given_up;	/* asked for its passphrase in vain */
	char		*passphrase;	/* kept for addkey.c; or NULL */
};

/* Where what is shown of a key is from. */
enum source {
	IDENTITY_FILE,		/* or the agent, with a key of such a file */
	CERTIFICATE_FILE,
	BESIDE_FILE,		/* a certificate beside an IdentityFile */
	AGENT			/* and no file names it */
};

enum state {
	FRESH,			/* the server has not seen it */
	STALE,			/* before it took another method */
	REFUSED,
	TAKEN
};

/* A key that may be offered: what is shown, and who signs. */
struct identity {
	TAILQ_ENTRY(identity)	 entry;
	char			*name;	/* the file's, or the comment */
	ssh_key			 shown;	/* key or certificate; NULL: what
					 * is in the file is not known */
	struct key_file		*file;	/* of the private half, or NULL */
	const struct agent_key	*held;	/* the same with an agent, or NULL */
	struct agent		*holder;	/* which one */
	enum source		 source;
	enum state		 state;
};
TAILQ_HEAD(identity_list, identity);

/* How one key, or one method, went. */
enum result {
	NO,			/* refused: the next one */
	YES,			/* logged in */
	PARTLY,			/* taken, but the server wants more */
	LOST			/* nobody to talk to: see login's status */
};

/* One login to one hop. */
struct login {
	struct chain	*c;
	struct link	*l;
	int		 status;	/* the chain's, if it has failed */
	int		 used;		/* methods, as ssh_userauth_list() */
	int		 trying;	/* the method now, as these */
	int		 listed;	/* the server has said what it takes */
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

/* turn.c: one step of a login */
int	 auth_over(const struct link *);
void	 auth_renew(struct login *);
void	 auth_tell(struct login *, const char *);
int	 auth_again(struct login *);
int	 auth_look(struct login *);
void	 auth_ignore(struct login *, const char *, const char *);
int	 auth_ask(struct login *, const char *, int, char *);
enum result auth_judge(struct login *, int);

/* identity.c: which keys there are, and which is next */
struct identity *identity_next(struct login *);
int	 identity_unlock(struct login *, struct identity *);
int	 identity_reveal(struct login *, struct identity *);
void	 identity_partial(struct login *);
int	 identity_left(const struct login *);
int	 identity_restricted(struct login *, const struct identity *);
void	 identity_return(struct login *);
int	 identity_held(struct login *, ssh_key);
void	 identity_free(struct login *);

/* addkey.c: AddKeysToAgent */
int	 addkey_wanted(const struct login *);
void	 addkey(struct login *, const struct identity *);

/* gssapi.c: logging in with a Kerberos ticket */
int	 gssapi_possible(struct login *);
enum result gssapi_login(struct login *);

/* pubkey.c: logging in with a key */
enum result pubkey_login(struct login *);

#endif
