/*
 * Lines of known_hosts files and of KnownHostsCommand.
 */

#ifndef TRUST_KNOWN_H
#define TRUST_KNOWN_H

#include "trust/pub.h"

/* What a line begins with: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
enum marker {
	MARKER_NONE,
	MARKER_REVOKED,		/* @revoked */
	MARKER_CA		/* @cert-authority */
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

#endif
