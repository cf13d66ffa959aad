/*
 * How it is decided whether a key is that of the host; private to this folder.
 */

#ifndef TRUST_LOCAL_H
#define TRUST_LOCAL_H

#include "trust/cert.h"
#include "trust/known.h"
#include "trust/trust.h"

/* revoked.c: RevokedHostKeys */
int	 revoked_check(struct chain *, const struct hop *, const struct pub *,
	    const struct pub *, int *, char **);

/* Of one hop, until its key is decided on. */
struct proof {
	struct certs	 cached, fetched;
	char		*why;		/* nothing was fetched; or NULL */
	int		 closed;	/* it has hung up: that may pass */
	int		 tries;		/* to fetch */
	int		 lock;		/* -1: none is held */
};

enum proved {
	PROVED,
	DISPROVED,		/* its CA counts here, but not for this */
	UNPROVED,		/* there is no certificate for it */
	TO_FETCH		/* the server may have one */
};

/* Where a line is, and which key it has; all NULL: no such line. */
struct place {
	const char	*file;		/* borrowed from the hop */
	char		*line;		/* file:line */
	char		*key;		/* type and fingerprint */
};

/* What is known of one key: the first line of each kind. */
struct lookup {
	ssh_key		 key;		/* the link's */
	struct place	 known;
	struct place	 revoked;
	struct place	 changed;	/* another key of its type */
	struct place	 other;		/* a key of another type */
	struct place	 authority;
	char		*name;		/* that changed is about */
	char		*unproved;	/* why no certificate proves it */
};

/* The decision about one hop's key; only this folder looks into it. */
struct trust {
	struct chain	*c;
	struct link	*l;
	struct knowns	 known[3];	/* by name with, without port; of
					 * KnownHostsCommand */
	struct lookup	 found;		/* of the key that was shown */
	struct proof	*proof;		/* NULL: no CA is known */
	char		*unknown;	/* what there is to say of the key */
	char		*question;	/* to be put to a person, or NULL */
};

/* lookup.c: what is known of a key */
char	*lookup_describe(ssh_key);
void	 lookup_free(struct lookup *);
void	 lookup_read(struct trust *);
int	 lookup_command(struct trust *, const char *, ssh_key,
	    struct knowns *);
char	*lookup_address(const struct link *);
int	 lookup_key(struct trust *);

/* prove.c: what certificates prove of a host */
void	 prove_prepare(struct trust *);
void	 prove_read(struct trust *);
int	 prove_prefers(const struct trust *, const char *);
char	*prove_types(const struct hop *);
int	 prove_only(const struct hop *, const char *);
int	 prove_first(const struct trust *);
int	 prove(struct trust *, enum proved *, char **);
void	 prove_forget(struct trust *);

/* record.c: a new line of known_hosts */
const char *record_key(const struct hop *, ssh_key);

/* refuse.c: why a key is not accepted */
int	 refuse_unkept(struct trust *);
int	 strict_is(const struct hop *, const char *);
int	 strict_lax(const struct hop *);
int	 refuse_changed(struct trust *);
char	*refuse_unknown(const struct trust *);
int	 refuse_unasked(struct trust *);

#endif
