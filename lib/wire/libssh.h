/*
 * What libssh tells only in its log or an error's text.
 */

#ifndef LIBSSH_H
#define LIBSSH_H

struct link;

#define LIBSSH_NO_MATCH		"kex error : no match for method"
#define LIBSSH_NO_VERSION	"No version of SSH protocol"
#define LIBSSH_NO_PROOF		"Failed to verify server hostkey signature"
#define LIBSSH_RESET		"Connection reset"

void	 libssh_overhear(struct link *);
char	*libssh_reason(const struct link *);
int	 libssh_disconnected(const struct link *);
int	 libssh_found(const struct link *, const char *);
int	 libssh_stuck(const struct link *);
const char *libssh_no_match(const struct link *, char **, char **);
int	 libssh_offers_gss(const struct link *);
int	 libssh_must_change(const struct link *);
int	 libssh_named_none(const struct link *);
char	*libssh_ruled_out(const struct link *);
char	*libssh_refusal(const struct link *, unsigned *);

#endif
