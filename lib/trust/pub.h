/*
 * Public keys and certificates as bytes (RFC 4253, section 6.6).
 */

#ifndef TRUST_PUB_H
#define TRUST_PUB_H

#include "wire/wire.h"

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

#endif
