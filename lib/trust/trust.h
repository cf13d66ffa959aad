/*
 * Host keys: is this the host that was meant?
 */

#ifndef TRUST_H
#define TRUST_H

#include "wire/wire.h"

/* known.c: what known_hosts files say */
char	*known_host(const char *, int);
char	*known_name(const struct hop *, int);
int	 known_plain(const char *);
char	*known_hash(const char *);
void	 known_line(struct knowns *, size_t, char *, const char *, unsigned);
void	 known_read(const struct hop *, struct knowns *, size_t);
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
};

void	 certs_read(struct certs *, const char *);
void	 certs_add(struct certs *, struct pub *);
void	 certs_write(const char *, const struct pub *);
int	 certs_lock(void);
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
	struct pub	 cert;
	const char	*why;		/* there is none to be had, or NULL */
};

void	 certkex_begin(struct certkex *, const char *);
void	 certkex_take(struct certkex *, const void *, size_t);
void	 certkex_free(struct certkex *);

/* prove.c: what certificates prove of a host */

/* Of one hop, from its first key exchange until its key is decided on. */
struct proof {
	struct certs	 cached, fetched;
	char		*why;		/* nothing was fetched; or NULL */
	int		 tries;		/* to fetch */
	int		 lock;		/* -1: none is held */
};

enum proved {
	PROVED,
	DISPROVED,		/* its CA counts here, but not for this */
	UNPROVED		/* there is no certificate for it */
};

void	 prove_prepare(struct link *);
void	 prove_read(struct link *);
int	 prove_prefers(const struct link *, const char *);
char	*prove_types(const struct hop *);
int	 prove_only(const struct hop *, const char *);
int	 prove(struct chain *, struct link *, enum proved *, char **);
int	 prove_cached(const struct link *);
void	 prove_forget(struct link *);

/* hostkey.c: is this the host we meant */
int	 hostkey_read(struct chain *, struct link *);
void	 hostkey_forget(struct link *);
char	*hostkey_algorithms(const struct link *);
int	 hostkey_check(struct chain *, struct link *);
void	 hostkey_done(struct link *);

#endif
