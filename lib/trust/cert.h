/*
 * Certificates of hosts: what is in them, and where they come from.
 */

#ifndef TRUST_CERT_H
#define TRUST_CERT_H

#include <time.h>

#include "trust/pub.h"

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

#endif
