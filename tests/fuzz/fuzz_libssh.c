/*
 * libssh's log and the texts of its errors, with a stranger's words in them.
 * The first line is the function that logs, the second what it logs, the rest
 * the text of the last error.
 */

#include <stdlib.h>
#include <string.h>

#include "wire/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static ssh_logging_callback	 log_line;
static const char		*last_error;

/* ---- in libssh's place ---- */

int
ssh_set_log_callback(ssh_logging_callback cb)
{
	log_line = cb;
	return SSH_OK;
}

const char *
ssh_get_error(void *session)
{
	(void)session;
	return last_error;
}

/* One line that can be shown, and not too long. */
static void
judge(char *text)
{
	const char *p;

	if (text == NULL)
		return;
	if (strlen(text) > QUOTE_MAX + 20)
		abort();
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '\177')
			abort();
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire w = { .up = 0 };
	struct link l = { .number = 1, .wire = &w };
	char *input = xstrndup((const char *)data, size), *rest = input;
	const char *function, *text;
	char *theirs, *ours;

	say_open(NULL, -1);
	libssh_log();
	function = strsep(&rest, "\n");
	text = rest == NULL ? "" : strsep(&rest, "\n");
	last_error = rest == NULL ? "" : rest;
	log_line(SSH_LOG_WARN, function, text, &l);
	judge(libssh_reason(&l));
	(void)libssh_disconnected(&l);
	(void)libssh_stuck(&l);
	(void)libssh_must_change(&l);
	(void)libssh_ruled_out(&l);
	(void)libssh_no_match(&l, &theirs, &ours);
	free(theirs);
	free(ours);
	free(w.logged.reason);
	free(input);
	return 0;
}
