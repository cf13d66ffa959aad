/*
 * Public keys and certificates from files, as ssh reads them: libssh takes the
 * first line alone, in one form, and no certificate where a key is expected, or
 * the other way round.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/key.h"

/* The key in a line "type base64 comment", or NULL. */
static ssh_key
parse(char *line)
{
	char *type, *b64;

	line += strspn(line, " \t");
	if ((type = strsep(&line, " \t")) == NULL || line == NULL)
		return NULL;
	line += strspn(line, " \t");
	b64 = strsep(&line, " \t\r\n");
	return key_from_text(type, b64);
}

/*
 * Returns the first public key or certificate in a file, or NULL if there is
 * none before what looks like a private key.  The caller frees it.
 */
static ssh_key
read_first(const char *file)
{
	ssh_key key = NULL;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if ((f = fopen(file, "re")) == NULL)
		return NULL;
	while (key == NULL && getline(&line, &size, f) != -1) {
		if (strncmp(line, "-----BEGIN", 10) == 0)
			break;
		if (strchr("#\n", *line) == NULL)
			key = parse(line);
	}
	free(line);
	fclose(f);
	return key;
}

/*
 * Returns the public key or certificate in a file, or in FILE.pub, or NULL; the
 * caller frees it.
 */
ssh_key
pubfile_find(const char *file)
{
	ssh_key key;
	char *pub;

	if ((key = read_first(file)) != NULL || str_ends_in(file, ".pub"))
		return key;
	pub = xasprintf("%s.pub", file);
	key = read_first(pub);
	free(pub);
	return key;
}
