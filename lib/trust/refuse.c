/*
 * Why a host's key is not accepted, and what to do: nothing that a stranger
 * could have chosen for us.
 */

#include <stdlib.h>
#include <string.h>

#include "trust/local.h"

/* Is StrictHostKeyChecking set to mode? */
int
strict_is(const struct hop *hop, const char *mode)
{
	return hop->stricthostkeychecking != NULL &&
	    strcmp(hop->stricthostkeychecking, mode) == 0;
}

/* Is StrictHostKeyChecking off, so that a new key is added unasked? */
static int
strict_off(const struct hop *hop)
{
	return strict_is(hop, "no") || strict_is(hop, "off") ||
	    strict_is(hop, "false");
}

/* Does the mode accept a new key without a question? */
int
strict_lax(const struct hop *hop)
{
	return strict_off(hop) || strict_is(hop, "accept-new");
}

/*
 * Returns the advice to remove the line, with the command; ssh-keygen(1) leaves
 * alone a file that is not named to it.
 */
static char *
removal(const struct lookup *found)
{
	char *name = str_shell(found->name);
	char *file = str_shell(found->changed.file);
	char *s = xasprintf("remove the old one: ssh-keygen -R %s -f %s", name,
	    file);

	free(name);
	free(file);
	return s;
}

/*
 * Notes that t's key is another one than the known one.  Where keys are kept by
 * address alone, two hosts may share it.  Returns a status.
 */
int
refuse_changed(struct trust *t)
{
	const struct hop *hop = t->l->hop;
	const struct lookup *found = &t->found;
	char *text, *advice;

	text = lookup_describe(found->key);
	if (strcmp(found->changed.file, KNOWN_COMMAND) == 0)
		advice = xasprintf("%s has to say so", hop->knownhostscommand);
	else
		advice = removal(found);
	(void)fail(t->c, t->l, GIVEUP, "Host key verification failed: the "
	    "host key has changed (REMOTE HOST IDENTIFICATION HAS CHANGED): "
	    "%s offers %s, but %s has %s; somebody may be listening in%s%s; "
	    "if it is right, %s", hop->name, text, found->changed.line,
	    found->changed.key, strict_off(hop) ?
	    "; StrictHostKeyChecking does not change that" : "",
	    hop->hostkeyalias != NULL ? "" : "; if two hosts share this "
	    "address, give each its own HostKeyAlias", advice);
	free(advice);
	free(text);
	return GIVEUP;
}

static int
is_off(const char *value)
{
	return value == NULL || strcmp(value, "no") == 0 ||
	    strcmp(value, "false") == 0;
}

/* What there is instead of the line that we miss. */
static char *
instead(const struct hop *hop, const struct lookup *found)
{
	if (found->other.file != NULL)
		return xasprintf(", but %s has %s", found->other.line,
		    found->other.key);
	if (found->unproved != NULL && found->authority.file != NULL)
		return xasprintf(", and no certificate of the CA in %s proves "
		    "it: %s", found->authority.line, found->unproved);
	if (found->unproved != NULL)
		return xasprintf(", and no certificate proves it: %s",
		    found->unproved);
	if (!is_off(hop->verifyhostkeydns))
		return xstrdup(", and VerifyHostKeyDNS is not looked up");
	return xstrdup("");
}

/*
 * Returns what there is to say of a key that no line has: it is not known, and
 * what is.  The caller frees it.
 */
char *
refuse_unknown(const struct trust *t)
{
	const struct hop *hop = t->l->hop;
	char *text = lookup_describe(t->found.key);
	char *name = known_name(hop, 1), *known = instead(hop, &t->found);
	char *s = xasprintf("%s is not known for %s%s", text, name, known);

	free(known);
	free(name);
	free(text);
	return s;
}

/*
 * Notes that nobody has accepted t's key; ssh, by the same route, can ask.
 * Returns a status.
 */
int
refuse_unasked(struct trust *t)
{
	char *command = route_ssh(t->c->plan, t->l->hop, t->l->number);

	(void)fail(t->c, t->l, GIVEUP, "Host key verification failed: %s; "
	    "compare it, and accept it with: %s", t->unknown, command);
	free(command);
	return GIVEUP;
}

/* Notes that t's key, which is not known, could not be added to any file. */
int
refuse_unkept(struct trust *t)
{
	return fail(t->c, t->l, GIVEUP, "Host key verification failed: %s, and "
	    "with UserKnownHostsFile none no new key is accepted; compare it, "
	    "and add it to GlobalKnownHostsFile", t->unknown);
}
