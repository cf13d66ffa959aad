/*
 * What the ssh that has started us was told: it hands -F and -v on to its own
 * jump hosts, but not to a ProxyCommand.  And which one it is: they are that
 * ssh, too, if it was started by a path.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

/* ssh's own options, of 9.x and 10.x. */
#define OPTIONS	"+1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:" \
		"TVw:W:XYy"

/* What counts of the options from optind on. */
static void
options(const struct strlist *argv, const char **file, int *verbose)
{
	int ch;

	while ((ch = getopt(argv->n, argv->v, OPTIONS)) != -1) {
		if (ch == 'F')
			*file = optarg;
		else if (ch == 'v')
			(*verbose)++;
	}
}

/*
 * Takes the path of the ssh that has started us, if there is one, and its -F and
 * -v if they are not set.  A file that only that one can read is passed over.
 */
void
parent_take(struct conf *conf)
{
	struct strlist argv = { NULL, 0 };
	const char *file = NULL;
	int verbose = 0;

	if (os_parent("ssh", &argv) == 0) {
		if (strchr(argv.v[0], '/') != NULL &&
		    access(argv.v[0], X_OK) == 0)
			conf->ssh = xstrdup(argv.v[0]);
		opterr = 0;
		optreset = optind = 1;
		options(&argv, &file, &verbose);
		/* it takes options after the host as well */
		if (++optind < (int)argv.n)
			options(&argv, &file, &verbose);
		if (conf->configfile == NULL && file != NULL &&
		    (strcmp(file, "none") == 0 || access(file, R_OK) == 0))
			conf->configfile = xstrdup(file);
		if (conf->verbose == 0)
			conf->verbose = verbose;
	}
	strlist_free(&argv);
}
