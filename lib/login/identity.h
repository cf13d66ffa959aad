/*
 * Keys that may be offered, and the files they are from.
 */

#ifndef LOGIN_IDENTITY_H
#define LOGIN_IDENTITY_H

#include "login/agent.h"

/* A file that may have a private key, as far as it could be read. */
struct key_file {
	const char	*name;		/* the hop's */
	ssh_key		 private;	/* NULL: encrypted, or not there */
	ssh_key		 public;	/* NULL: not there either */
	ssh_key		 beside;	/* FILE.pub, if that is another key:
					 * the agent's, as for ssh; or NULL */
	ssh_key		 cert;		/* in place of one of these two */
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

/* How far an identity has come with the server. */
enum state {
	KEY_UNTRIED,		/* the server has not seen it */
	KEY_STALE,		/* before it took another method */
	KEY_REFUSED,		/* by the server */
	KEY_ACCEPTED		/* by the server, and signed for */
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

/* privkey.c: private keys from files */
int	 privkey_read(const char *, const char *, ssh_auth_callback, void *,
	    ssh_key *);

/* pubfile.c: public keys and certificates from files */
ssh_key	 pubfile_find(const char *);

/* keyfile.c: files with a private key */
void	 keyfile_read(struct login *, const char *, struct key_file *);
int	 keyfile_unlock(struct login *, struct key_file *);
void	 keyfile_free(struct key_file *);

/* identity.c: which keys there are, and which is next */
struct identity *identity_next(struct login *);
int	 identity_reveal(struct login *, struct identity *);
void	 identity_partial(struct login *);
int	 identity_left(const struct login *);
int	 identity_restricted(struct login *, const struct identity *);
void	 identity_return(struct login *);
int	 identity_held(struct login *, ssh_key);
void	 identity_free(struct login *);

#endif
