/*
 * Which host key algorithms a server is asked for: first those of the keys and
 * certificates that are known for it, as with ssh.
 */

#include <stdlib.h>
#include <string.h>

#include "trust/local.h"

/* Is algorithm one that a key of those known can sign with? */
static int
has_type(const struct knowns *knowns, const char *algorithm)
{
	size_t i;

	if (strncmp(algorithm, "rsa-sha2-", 9) == 0)
		algorithm = "ssh-rsa";
	for (i = 0; i < knowns->n; i++)
		if (knowns->v[i].marker == MARKER_NONE &&
		    strcmp(ssh_key_type_to_char(ssh_key_type(
		    knowns->v[i].key)), algorithm) == 0)
			return 1;
	return 0;
}

/* Is name in a list with commas? */
static int
in_list(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (len == n && strncmp(list, name, n) == 0)
			return 1;
		if (list[len] == '\0')
			return 0;
	}
}

/* Is algorithm one that is to be asked for first? */
static int
is_preferred(const struct trust *t, const char *algorithm)
{
	return has_type(&t->known[0], algorithm) ||
	    has_type(&t->known[2], algorithm) ||
	    prove_prefers(t, strncmp(algorithm, "rsa-sha2-", 9) == 0 ?
	    "ssh-rsa" : algorithm);
}

/*
 * Returns the HostKeyAlgorithms of the hop with those first that known keys and
 * certificates are for, as far as they have been read; NULL if none are set, an
 * empty list if none is left.  A type of certificates stands for that of the
 * key in it, since libssh knows none.  The caller frees it.
 */
char *
trust_algorithms(const struct trust *t)
{
	const char *list = t->l->hop->hostkeyalgorithms;
	char *all, *rest, *name, *cert, *first = NULL, *then = NULL;

	if (list == NULL)
		return NULL;
	all = rest = xstrdup(list);
	while ((name = strsep(&rest, ",")) != NULL) {
		if ((cert = strstr(name, "-cert-v0")) != NULL) {
			*cert = '\0';
			if (strncmp(name, "sk-", 3) == 0 ||
			    in_list(list, name))
				continue;
		}
		str_append(is_preferred(t, name) ? &first : &then, ",", name);
	}
	free(all);
	if (first != NULL && then != NULL)
		str_append(&first, ",", then);
	else if (first == NULL) {
		first = then;
		then = NULL;
	}
	free(then);
	return first == NULL ? xstrdup("") : first;
}
