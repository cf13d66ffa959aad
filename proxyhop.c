/*
 * Copyright (c) 2026 the proxyhop authors
 *
 * Permission to use, copy, modify, and distribute this software for any
 * purpose with or without fee is hereby granted, provided that the above
 * copyright notice and this permission notice appear in all copies.
 *
 * THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES
 * WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
 * MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
 * ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
 * WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
 * ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF
 * OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
 */

/*
 * proxyhop: through SSH gateways in one process, as ssh_config(5)'s
 * ProxyCommand.
 */

#include <sys/resource.h>

#include <err.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/proxyhop.h"

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr,
"usage: proxyhop [-46qv] [-E log_file] [-F configfile] [-i identity_file]\n"
"                [-J hop[,hop ...]] [-o [hop:]keyword=value] host port\n"
"       proxyhop -V\n");
	exit(GIVEUP);
}

static void __attribute__((noreturn))
version(void)
{
	printf("proxyhop %s, libssh %s\n", PROXYHOP_VERSION, ssh_version(0));
	exit(OK);
}

/* -o: Keyword=value, or for one hop hop:Keyword=value. */
static void
add_option(struct conf *conf, const char *typed)
{
	struct option *option;
	const char *colon, *text = typed;
	size_t keyword;

	option = xcalloc(1, sizeof(*option));
	keyword = strcspn(typed, "= \t");
	/* the last colon before the value: a hop can be [v6]:port itself */
	if ((colon = memrchr(typed, ':', keyword)) != NULL) {
		option->hop = xstrndup(typed, colon - typed);
		text = colon + 1;
	}
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789") == 0 || typed[keyword] == '\0' ||
	    (option->hop != NULL && *option->hop == '\0'))
		errx(GIVEUP, "-o %s: not [hop:]keyword=value", typed);
	option->text = xstrdup(text);
	option->typed = xstrdup(typed);
	TAILQ_INSERT_TAIL(&conf->options, option, entry);
}

/* -F and -i: ssh would only warn, and go on without. */
static const char *
readable(int flag, const char *file)
{
	if (access(file, R_OK) == -1)
		err(GIVEUP, "-%c %s", flag, file);
	return file;
}

static void
add_identity(struct conf *conf, const char *file)
{
	char *pub;

	/* with the .pub alone the agent has the key */
	pub = xasprintf("%s.pub", file);
	if (access(pub, R_OK) == -1)
		(void)readable('i', file);
	free(pub);
	words_add(&conf->identities, xstrdup(file));
}

static void
target(struct conf *conf, char *host, const char *port)
{
	const char *why;

	if (hop_target(host, port, &conf->port, &why) == -1)
		errx(GIVEUP, "\"%s\" \"%s\": %s", words_visible(host),
		    words_visible(port), why);
	conf->host = host;
}

static void
options(int argc, char *argv[], struct conf *conf)
{
	int ch;

	while ((ch = getopt(argc, argv, "46E:F:i:J:o:qVv")) != -1) {
		switch (ch) {
		case '4':
			add_option(conf, "AddressFamily=inet");
			break;
		case '6':
			add_option(conf, "AddressFamily=inet6");
			break;
		case 'E':
			conf->logfile = optarg;
			break;
		case 'F':
			if (strcmp(optarg, "none") != 0)
				(void)readable('F', optarg);
			conf->configfile = optarg;
			break;
		case 'i':
			add_identity(conf, optarg);
			break;
		case 'J':
			if (conf->jump != NULL)
				errx(GIVEUP, "-J %s: only one -J; write hops "
				    "as -J hop,hop", optarg);
			conf->jump = optarg;
			break;
		case 'o':
			add_option(conf, optarg);
			break;
		case 'q':
			conf->quiet = 1;
			break;
		case 'V':
			version();
		case 'v':
			conf->verbose++;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2)
		usage();
	target(conf, argv[optind], argv[optind + 1]);
}

/*
 * A closed descriptor 0, 1 or 2 would be given to the next file opened, and
 * the tunnel's bytes with it.
 */
static void
fill_descriptors(void)
{
	int fd;

	do
		fd = open(_PATH_DEVNULL, O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd == -1)
		err(RETRY, "%s", _PATH_DEVNULL);
	close(fd);
}

/*
 * A reader that leaves is noticed by write(2), no core is left with keys in
 * it, and a ProxyCommand or Match exec that starts us again, for one of our
 * own hops, is told so.
 */
static void
settle_in(void)
{
	struct rlimit none = { 0, 0 };
	const char *mark = getenv(MARK);

	if (mark != NULL && strcmp(mark, "1") == 0) {
		say("started by itself: ssh_config sends a gateway through "
		    "proxyhop, too; exclude it there: Host * !gateway");
		exit(GIVEUP);
	}
	setenv(MARK, "1", 1);
	(void)setrlimit(RLIMIT_CORE, &none);
	signal(SIGPIPE, SIG_IGN);
}

/*
 * stdout must not block the chain; a terminal is left alone, since it is
 * shared with the shell.  Returns the flags to put back.
 */
static int
unblock_stdout(void)
{
	int flags;

	if ((flags = fcntl(STDOUT_FILENO, F_GETFL)) != -1 &&
	    !isatty(STDOUT_FILENO))
		(void)fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
	return flags;
}

static void
conf_free(struct conf *conf)
{
	struct option *option;

	while ((option = TAILQ_FIRST(&conf->options)) != NULL) {
		TAILQ_REMOVE(&conf->options, option, entry);
		free(option->hop);
		free(option->text);
		free(option->typed);
		free(option);
	}
	words_free(&conf->identities);
}

int
main(int argc, char *argv[])
{
	struct conf conf = { .options = TAILQ_HEAD_INITIALIZER(conf.options) };
	struct plan plan = { .hops = TAILQ_HEAD_INITIALIZER(plan.hops) };
	static struct chain chain;
	int flags, status;

	fill_descriptors();
	options(argc, argv, &conf);
	say_open(&conf);
	settle_in();

	if ((status = plan_make(&plan, &conf)) == OK) {
		flags = unblock_stdout();
		status = chain_open(&chain, &plan, STDIN_FILENO,
		    STDOUT_FILENO);
		if (status == OK)
			status = chain_carry(&chain);
		chain_close(&chain);
		(void)fcntl(STDOUT_FILENO, F_SETFL, flags);
	}
	plan_free(&plan);
	conf_free(&conf);
	return status;
}
