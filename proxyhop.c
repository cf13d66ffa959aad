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
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"

static void
usage(FILE *f)
{
	fprintf(f,
"usage: proxyhop [-46fGqtv] [-E log_file] [-F configfile] [-i identity_file]\n"
"                [-J hop[,hop ...][|...]] [-o [hop:]keyword=value]\n"
"                [-r route_file] host port\n"
"       proxyhop -h | -V\n");
}

/* -h: one line an option; all else is in the manual. */
static void __attribute__((noreturn))
help(void)
{
	usage(stdout);
	printf("\n"
"Connects to host and port through SSH jump hosts (bastions, gateways).\n"
"In ssh_config: ProxyCommand proxyhop -J gw1,gw2 %%h %%p\n"
"\n"
"  -J hop,...       the jump hosts, nearest first: [user@]name[:port]\n"
"  -J 'a|b,c|none'  routes; the first one that answers is taken\n"
"  -o [hop:]k=v     a keyword of ssh_config, for all hops or for one\n"
"  -i file          a key to offer to every hop\n"
"  -F file          ssh reads this file instead of its own; none: no file\n"
"  -r file          the route file; default ~/.ssh/proxyhop.conf\n"
"  -4, -6           IPv4 or IPv6 for the connection to the first hop\n"
"  -f               for ProxyUseFdpass: hand the connection over to ssh\n"
"  -G               print the route and all settings; with -v their sources\n"
"  -t               try the route, and print what each step of it took\n"
"  -v, -vv, -vvv    say what is done\n"
"  -q               say nothing\n"
"  -E file          append messages to file\n"
"  -V               print the versions of proxyhop and of libssh\n"
"\n"
"See proxyhop(1).\n");
	exit(OK);
}

static void __attribute__((noreturn))
version(void)
{
	printf("proxyhop %s, libssh %s\n%s", PROXYHOP_VERSION, ssh_version(0),
	    PROXYHOP_PARTS);
	exit(OK);
}

/* What is wrong with the command line, in one line, and how it is written. */
static void __attribute__((noreturn, format(printf, 1, 2)))
misused(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	usage(stderr);
	exit(GIVEUP);
}

/* Is arg host:port?  A bare IPv6 address is none; [v6]:port is. */
static int
has_port(const char *arg)
{
	const char *colon = strrchr(arg, ':');

	return colon != NULL && colon != arg && colon[1] != '\0' &&
	    strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
	    (colon[-1] == ']' || strchr(arg, ':') == colon);
}

/* One argument is left, where host and port should be. */
static void __attribute__((noreturn))
one_left(const char *word)
{
	char *arg = str_visible(word), *why;
	const char *colon;
	int port;

	if (has_port(arg)) {
		colon = strrchr(arg, ':');
		misused("\"%s\": host and port are two arguments: %.*s %s", arg,
		    (int)(colon - arg), arg, colon + 1);
	}
	if ((why = hop_target(word, "22", &port)) != NULL)
		misused("%s", why);
	misused("no port after \"%s\"; that of ssh is 22: %s 22", arg, arg);
}

/* More than two are left: blanks in -J, or an option behind them. */
static void __attribute__((noreturn))
too_many(int n, char *v[], const char *jump)
{
	char *arg = str_visible(v[2]), *first = str_visible(v[0]), *why;
	int port;

	if (*arg == '-')
		misused("%s after host and port; options come first", arg);
	why = hop_target(v[n - 2], v[n - 1], &port);
	if (jump != NULL && why == NULL)
		misused("\"%s\" before host and port: an argument too many; "
		    "jump hosts have commas between them: -J %s,%s", first,
		    jump, first);
	misused("\"%s\" after host and port: an argument too many", arg);
}

/* Has a shell taken a | for its own, so that the rest went elsewhere? */
static int
is_piped(void)
{
	struct stat st;

	return fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Host and port have to be left of the command line. */
static void
check_target(const struct conf *conf, int n, char *v[])
{
	if (n == 0 && conf->jump != NULL && is_piped())
		misused("no host and port; if there is a | after %s, quote "
		    "it: -J '%s|...'", conf->jump, conf->jump);
	if (n == 0)
		misused("no host and port");
	if (n == 1)
		one_left(v[0]);
	if (n > 2)
		too_many(n, v, conf->jump);
}

static void
options(int argc, char *argv[], struct conf *conf)
{
	char *why;
	int rc;

	if ((rc = conf_options(conf, argc, argv)) == -2) {
		usage(stderr);
		exit(GIVEUP);
	}
	if (rc != 0)
		exit(GIVEUP);
	if (conf->help)
		help();
	if (conf->version)
		version();
	check_target(conf, argc - optind, argv + optind);
	conf->host = hop_unbracket(argv[optind]);
	why = hop_target(conf->host, argv[optind + 1], &conf->port);
	if (why != NULL)
		errx(GIVEUP, "%s", why);
	if (conf->fdpass && !conf->print && !conf->try && !fdpass_possible())
		errx(GIVEUP, "-f: standard output is no socket; it is for "
		    "ssh's ProxyUseFdpass yes");
	if (conf_file(conf) == -1)
		exit(GIVEUP);
	parent_take(conf);
}

/*
 * A closed descriptor 0, 1 or 2 would be given to the next file opened, and
 * the tunnel's bytes with it.  All others are somebody else's, who may wait
 * for their end.
 */
static void
fill_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 &&
		    open(_PATH_DEVNULL, O_RDWR) == -1)
			err(RETRY, "%s", _PATH_DEVNULL);
	closefrom(STDERR_FILENO + 1);
}

/* No core is left with keys in it, and no other process looks into us. */
static void
keep_secrets(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	os_no_dump();
}

/*
 * Marks our environment, so that a ProxyCommand or Match exec that starts us
 * again for the same route is noticed, and sets signals: a reader that has gone
 * is noticed by write(2).
 */
static void
settle_in(const struct conf *conf)
{
	sigset_t none_blocked;

	if (mark_set(conf) == -1)
		exit(GIVEUP);
	keep_secrets();
	/* who started us may have blocked those that end us and our children */
	(void)sigemptyset(&none_blocked);
	(void)sigprocmask(SIG_SETMASK, &none_blocked, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* if ignored, nobody can be waited for */
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

/* Carries what comes in, and what comes back. */
static int
run(struct chain *c, struct plan *plan, void *arg)
{
	int flags, status;

	(void)arg;
	flags = unblock_stdout();
	if (plan->nhops == 0)
		status = direct(c, plan, STDIN_FILENO, STDOUT_FILENO);
	else if ((status = chain_open(c, plan, STDIN_FILENO,
	    STDOUT_FILENO)) == OK)
		status = chain_carry(c);
	(void)fcntl(STDOUT_FILENO, F_SETFL, flags);
	return status;
}

/* Takes the route that answers, and does what was asked for. */
static int
go(const struct routes *routes, const struct conf *conf)
{
	struct chain *c = chain_new();
	int status;

	if (conf->try)
		status = race_take(c, routes, try, NULL);
	else if (conf->fdpass)
		status = fdpass(c, routes);
	else
		status = race_take(c, routes, run, NULL);
	chain_free(c);
	return status;
}

/* Returns OK once all output is written. */
static int
flushed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return OK;
	say("standard output: %s", strerror(errno));
	return RETRY;
}

int
main(int argc, char *argv[])
{
	struct conf conf = { .options = TAILQ_HEAD_INITIALIZER(conf.options) };
	struct routes routes = TAILQ_HEAD_INITIALIZER(routes);
	const char *asker = getenv(PROMPT_ASKPASS);
	int status;

	os_started_as(argv[0]);
	if (asker != NULL && argc == 2) {
		keep_secrets();
		return prompt_askpass(asker, argv[1]);
	}
	fill_descriptors();
	options(argc, argv, &conf);
	say_open(conf.logfile, conf.quiet ? -1 : conf.verbose);
	settle_in(&conf);
	if (!conf.print && !conf.try)
		conf.usable = share_usable;

	if ((status = routes_make(&routes, &conf)) == OK) {
		if (conf.print)
			print_routes(&routes);
		else
			status = go(&routes, &conf);
	}
	if (status == OK && (conf.print || conf.try))
		status = flushed();
	routes_free(&routes);
	conf_free(&conf);
	return status;
}
