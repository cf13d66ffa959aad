/*
 * names: the resolver of a scenario, to be preloaded.  The file $TEST_NAMES has
 * a line for each name that there is:
 *
 *	name address ...	these, in this order
 *	name hang		never an answer; notes the process in
 *				$TEST_NAMES.asked
 *	name later		no answer now (EAI_AGAIN)
 *
 * and lines of at most 200 bytes.  No other name is looked up anywhere.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*lookup_fn)(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);

/* Note who asks, and do not answer him. */
static void
hang(const char *names)
{
	char path[500];
	FILE *f;

	snprintf(path, sizeof(path), "%s.asked", names);
	if ((f = fopen(path, "w")) != NULL) {
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
	}
	for (;;)
		pause();
}

/* Finds name's line; its words after the name are left in line. */
static char *
find(const char *names, const char *name, char *line, int size)
{
	char *words = NULL;
	size_t len = strlen(name);
	FILE *f;

	if ((f = fopen(names, "r")) == NULL)
		return NULL;
	while (words == NULL && fgets(line, size, f) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			words = line + len + 1;
	fclose(f);
	return words;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **res)
{
	lookup_fn real = (lookup_fn)dlsym(RTLD_NEXT, "getaddrinfo");
	const char *names = getenv("TEST_NAMES");
	struct addrinfo numeric = { .ai_socktype = SOCK_STREAM };
	char line[200], *words, *word;
	int rc = EAI_NONAME;

	if (hints != NULL)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	if (name == NULL || names == NULL ||
	    real(name, service, &numeric, res) == 0)
		return real(name, service, hints, res);
	if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST))
		return EAI_NONAME;
	if ((words = find(names, name, line, sizeof(line))) == NULL)
		return EAI_NONAME;
	while ((word = strsep(&words, " \n")) != NULL && *word != '\0') {
		if (strcmp(word, "hang") == 0)
			hang(names);
		if (strcmp(word, "later") == 0)
			return EAI_AGAIN;
		if (real(word, service, &numeric, res) != 0)
			continue;
		rc = 0;
		while (*res != NULL)	/* the next one goes behind it */
			res = &(*res)->ai_next;
	}
	return rc;
}
