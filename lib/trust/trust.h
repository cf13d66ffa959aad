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

/* run.c: programs that know more than we do */
struct run {
	char	*out;		/* what it wrote; a NUL behind it */
	size_t	 len;
	int	 exit;		/* its status; -1: none, or too much */
	char	*how;		/* it ended, for a failure */
};

int	 run_program(struct chain *, char *const [], const char *,
	    struct run *);
void	 run_free(struct run *);

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

/* hostkey.c: is this the host we meant */
int	 hostkey_read(struct chain *, struct link *);
void	 hostkey_forget(struct link *);
char	*hostkey_algorithms(const struct link *);
int	 hostkey_check(struct chain *, struct link *);
int	 hostkey_same(const struct link *);

#endif
