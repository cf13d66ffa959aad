/*
 * A key exchange in which nothing was agreed on (RFC 4253, 7.1): what both ends
 * have, and what may help.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "chain/local.h"
#include "wire/libssh.h"

/* What libssh calls a kind of algorithm, and what sets it. */
static const struct kind {
	const char		*kind, *keyword;
	enum ssh_options_e	 option;
} kinds[] = {
	{ "kex algos", "KexAlgorithms", SSH_OPTIONS_KEY_EXCHANGE },
	{ "server host key algo", "HostKeyAlgorithms", SSH_OPTIONS_HOSTKEYS },
	{ "encryption", "Ciphers", SSH_OPTIONS_CIPHERS_C_S },
	{ "mac algo", "MACs", SSH_OPTIONS_HMAC_C_S },
	{ "compression", "Compression", SSH_OPTIONS_COMPRESSION_C_S },
	{ NULL, NULL, SSH_OPTIONS_HOST }
};

/*
 * Is it an algorithm that libssh has, but has not on by itself?  A stranger in
 * between could have chosen it for us.
 */
static int
is_weak(const char *name)
{
	return strstr(name, "sha1") != NULL || strstr(name, "cbc") != NULL ||
	    strstr(name, "md5") != NULL || strcmp(name, "ssh-rsa") == 0 ||
	    strcmp(name, "ssh-dss") == 0 || strcmp(name, "none") == 0;
}

/*
 * Returns the first algorithm of list that libssh has on, or NULL; of
 * certificates it knows the names, and asks for none.
 */
static char *
first_known(const char *list, enum ssh_options_e option)
{
	ssh_session scratch = ssh_new();
	char *copy, *rest, *name, *known = NULL;

	copy = rest = xstrdup(list);
	while (known == NULL && (name = strsep(&rest, ",")) != NULL)
		/* libssh takes + and - before one for more than a name */
		if (isalnum((unsigned char)*name) && !is_weak(name) &&
		    scratch != NULL &&
		    strstr(name, "-cert-v0") == NULL &&
		    ssh_options_set(scratch, option, name) == 0)
			known = xstrdup(name);
	free(copy);
	ssh_free(scratch);
	return known;
}

/* What ssh itself has for one of the kinds, with what libssh lacks; or NULL. */
static const char *
set_for(const struct hop *hop, const struct kind *k)
{
	switch (k->option) {
	case SSH_OPTIONS_KEY_EXCHANGE:
		return hop->kexalgorithms;
	case SSH_OPTIONS_HOSTKEYS:
		return hop->hostkeyalgorithms;
	case SSH_OPTIONS_CIPHERS_C_S:
		return hop->ciphers;
	case SSH_OPTIONS_HMAC_C_S:
		return hop->macs;
	default:
		return NULL;
	}
}

/* Do two lists with commas have a name in common? */
static int
have_common(const char *a, const char *b)
{
	size_t len = 0, n = 0;
	const char *p;

	for (; *a != '\0'; a += len + (a[len] == ',')) {
		len = strcspn(a, ",");
		for (p = b; *p != '\0'; p += n + (p[n] == ',')) {
			n = strcspn(p, ",");
			if (n > 0 && n == len && strncmp(a, p, n) == 0)
				return 1;
		}
	}
	return 0;
}

/* The kind of algorithms of which l and we have none in common. */
static const struct kind *
kind_of(const char *name)
{
	const struct kind *k = kinds;

	while (k->kind != NULL && strncmp(name, k->kind, strlen(k->kind)) != 0)
		k++;
	return k;
}

/* Does a list of host key algorithms have nothing but certificates? */
static int
all_certificates(const char *list)
{
	char *copy, *rest, *name;
	int all = 1;

	copy = rest = xstrdup(list);
	while (all && (name = strsep(&rest, ",")) != NULL)
		all = strstr(name, "-cert-v0") != NULL;
	free(copy);
	return all;
}

/* Both lists of algorithms, as they are said, or what is known of them. */
static char *
both_lists(const char *theirs, const char *ours)
{
	char *seen = str_quote(theirs == NULL ? "" : theirs), *text;
	char *own = str_quote(ours == NULL ? "" : ours);

	text = xasprintf("the server's: %s%s%s", seen,
	    ours == NULL ? "" : "; ours: ", own);
	free(own);
	free(seen);
	return text;
}

/*
 * There is no algorithm of one kind that both l's server and we have.  Notes
 * both lists and, as advice, the line that allows what the server likes best of
 * what libssh has on by itself: no key has proved that it is this server which
 * offers nothing better.  Returns a status.
 */
int
agree_fail(struct chain *c, struct link *l)
{
	char *lists, *theirs, *ours, *known = NULL;
	const char *name = libssh_no_match(l, &theirs, &ours);
	const struct kind *k = kind_of(name);

	lists = both_lists(theirs, ours);
	if (k->kind == NULL || theirs == NULL)
		(void)fail(c, l, GIVEUP, "no %s in common, and what it offers "
		    "is no list of them; is it an SSH server?",
		    k->kind == NULL ? "algorithm" : k->keyword);
	else if (all_certificates(theirs))
		(void)fail(c, l, GIVEUP, "it offers its host key with "
		    "certificates alone, which libssh does not ask for (%s); "
		    "allow the key alone as well, in HostKeyAlgorithms there",
		    lists);
	else if ((known = first_known(theirs, k->option)) == NULL)
		(void)fail(c, l, GIVEUP, "no %s in common; %s; the server is "
		    "too old for libssh, or somebody is in between",
		    k->keyword, lists);
	else
		(void)fail(c, l, GIVEUP, "no %s in common; %s; to allow one, "
		    "in ssh_config: Host %s, %s +%s", k->keyword, lists,
		    l->hop->name, k->keyword, known);
	free(known);
	free(lists);
	free(ours);
	free(theirs);
	return GIVEUP;
}

/*
 * Is what has failed that libssh lacks all algorithms of one kind, of which ssh
 * has some?  Returns which, for a message, which the caller frees, or NULL.
 */
char *
agree_lacking(const struct chain *c)
{
	const struct link *l = c->failure.link;
	char *theirs, *ours, *text = NULL;
	const struct kind *k;
	const char *set;

	if (c->failure.what == FAIL_SET)
		return xstrdup("libssh has none of one kind of algorithms that "
		    "are set for it");
	if (c->failure.what != FAIL_SESSION || link_breach(l) != NULL ||
	    !libssh_found(l, LIBSSH_NO_MATCH))
		return NULL;
	k = kind_of(libssh_no_match(l, &theirs, &ours));
	set = set_for(l->hop, k);
	if (theirs != NULL && set != NULL && have_common(theirs, set))
		text = xasprintf("libssh has no %s in common with it",
		    k->keyword);
	free(ours);
	free(theirs);
	return text;
}
