/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef TRUST_LOCAL_H
#define TRUST_LOCAL_H

#include <time.h>

#include "trust/trust.h"

enum marker {
	PLAIN,
	REVOKED,
	AUTHORITY
};

/* One line of a known_hosts file. */
struct known {
	enum marker	 marker;
	ssh_key		 key;
	const char	*file;		/* borrowed from the hop */
	unsigned	 line;
};

/* All lines about one name, in their order. */
struct knowns {
	char		*name;
	struct known	*v;
	size_t		 n;
};

/* known.c: what known_hosts files say */
char	*known_host(const char *, int);
char	*known_name(const struct hop *, int);
int	 known_plain(const char *);
char	*known_hash(const char *);
void	 known_line(struct knowns *, size_t, char *, const char *, unsigned);
void	 known_read(const struct hop *, struct knowns *, size_t);
int	 known_has_authority(const struct hop *);
void	 known_free(struct knowns *);

/* pub.c: public keys and certificates as bytes */

/* Bytes that are somebody else's. */
struct piece {
	const unsigned char	*p;
	size_t			 len;
};

struct pub_type;

struct pub {
	unsigned char		*blob;	/* as it is sent */
	size_t			 len;
	const struct pub_type	*type;
	int			 cert;	/* it is a certificate */
	struct piece		 key;	/* in blob: what makes the key */
	struct piece		 rest;	/* in blob: of a certificate, the rest */
};

int	 piece_u32(struct piece *, uint32_t *);
int	 piece_u64(struct piece *, uint64_t *);
int	 piece_string(struct piece *, struct piece *);
int	 piece_is(const struct piece *, const char *);
int	 pub_parse(struct pub *, const void *, size_t);
int	 pub_read(struct pub *, const char *);
int	 pub_of(struct pub *, ssh_key);
const char *pub_name(const struct pub *);
char	*pub_text(const struct pub *);
int	 pub_same(const struct pub *, const struct pub *);
char	*pub_fingerprint(const struct pub *);
void	 pub_free(struct pub *);

/* khcommand.c: KnownHostsCommand */
#define KNOWN_COMMAND	"KnownHostsCommand"	/* its "file" */

struct known_query {
	const char		*invocation;	/* ORDER, HOSTNAME, ADDRESS */
	const char		*name;
	const struct pub	*key;		/* NULL: none is shown yet */
	int			 late;		/* it has not ended */
	int			 over;		/* there is no such program */
};

int	 known_command(struct chain *, const struct hop *,
	    struct known_query *, struct knowns *, char **);

/* revoked.c: RevokedHostKeys */
int	 revoked_check(struct chain *, const struct hop *, const struct pub *,
	    const struct pub *, int *, char **);

/* cert.c: host certificates */
struct cert {
	const struct pub	*pub;
	uint64_t		 serial, after, before;
	uint32_t		 type;
	struct piece		 id, principals, critical, signed_with;
	struct pub		 ca;
};

int	 cert_parse(struct cert *, const struct pub *);
const char *cert_wrong(const struct cert *, const char *, const char *,
	    uint64_t);
char	*cert_proof(const struct cert *, const char *);
int	 cert_signed(struct chain *, const struct cert *, char **);
void	 cert_free(struct cert *);

/* certs.c: those that hosts have shown */
struct certs {
	struct pub	*v;
	size_t		 n;
	time_t		 none;		/* when there was none; or 0 */
};

void	 certs_read(struct certs *, const char *);
void	 certs_add(struct certs *, struct pub *);
void	 certs_write(const char *, const struct pub *);
void	 certs_write_none(const char *, time_t);
int	 certs_lock(const char *);
void	 certs_free(struct certs *);

/* certkex.c: a key exchange that ends with the server's certificate */
struct certkex {
	char		*hostkeys;	/* what is asked for */
	unsigned char	 out[4096];	/* to be sent, */
	size_t		 outlen;	/* so many bytes */
	unsigned char	*in;		/* what has come, */
	size_t		 inlen, off;	/* and is read up to off */
	int		 greeted;	/* its banner has come */
	int		 kexinit;	/* and its offer */
	int		 done;
	int		 lacks;		/* it offers keys alone */
	struct pub	 cert;
	const char	*why;		/* there is none to be had, or NULL */
};

void	 certkex_begin(struct certkex *, const char *);
void	 certkex_take(struct certkex *, const void *, size_t);
void	 certkex_free(struct certkex *);

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
int	 strict_is(const struct hop *, const char *);
int	 strict_off(const struct hop *);
int	 strict_lax(const struct hop *);
int	 refuse_changed(struct trust *);
char	*refuse_unknown(const struct trust *);
int	 refuse_unasked(struct trust *);

#endif
