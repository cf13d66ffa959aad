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

/* hostkey.c: is this the host we meant */
void	 hostkey_read(struct link *);
void	 hostkey_forget(struct link *);
char	*hostkey_algorithms(const struct link *);
int	 hostkey_check(struct chain *, struct link *);
int	 hostkey_same(const struct link *);

#endif
