/*
 * hostbased (RFC 4252, 9), which libssh lacks, and ssh tries before it asks
 * anybody: where the server offers it, the login ends before a question, and is
 * for ssh to do.
 */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"

/* Does PreferredAuthentications have it? */
static int
is_preferred(const struct hop *hop)
{
	char *copy, *rest, *name;
	int found = hop->preferredauthentications == NULL;

	copy = rest = xstrdup(hop->preferredauthentications);
	while (!found && (name = strsep(&rest, ",")) != NULL)
		found = strcmp(name, "hostbased") == 0;
	free(copy);
	return found;
}

/* Would ssh try it, if the server offers it? */
int
hostbased_wanted(const struct login *login)
{
	const struct hop *hop = login->l->hop;

	return hop->hostbasedauthentication == 1 && is_preferred(hop) &&
	    plan_can_private(login->c->plan, hop);
}

/* Does the server offer it, as far as it has told, and would ssh try it? */
int
hostbased_offered(const struct login *login)
{
	return hostbased_wanted(login) && (ssh_userauth_list(login->l->session,
	    NULL) & SSH_AUTH_METHOD_HOSTBASED) != 0;
}
