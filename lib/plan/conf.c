/*
 * The command line, and proxyhop's own file, whose lines are a pattern and
 * then options as on the command line.  Both go through the same switch; the
 * first to set something wins.
 */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

#define BOM	"\357\273\277"	/* U+FEFF in UTF-8, as some editors write */
#define USAGE	-2	/* a letter that is none, or lacks its argument */
#define OF_COMMAND	"+:46E:F:fGi:J:o:qr:tVv"

static const char command_line[] = "command line";

/* Says what is wrong, after the file and line if it is in the file. */
static int __attribute__((format(printf, 2, 3)))
complain(const char *place, const char *fmt, ...)
{
	va_list ap;
	char *text, *seen;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	seen = str_visible(text);
	if (place == command_line)
		say("%s", seen);
	else
		say("%s: %s", place, seen);
	free(seen);
	free(text);
	return -1;
}

/*
 * How much of a typed -o is the hop before the colon; 0 if there is none.  A
 * hop can be [v6]:port itself, so it is the last colon before the value.
 */
static size_t
hop_length(const char *typed, size_t keyword_end)
{
	const char *colon;

	colon = memrchr(typed, ':', keyword_end);
	return colon == NULL ? 0 : colon - typed;
}

static void
add(struct conf *conf, int flag, const char *typed, size_t hoplen,
    const char *place)
{
	struct option *option;

	option = xcalloc(1, sizeof(*option));
	option->flag = flag;
	option->typed = xstrdup(typed);
	option->place = xstrdup(place);
	if (hoplen > 0)
		option->hop = xstrndup(typed, hoplen);
	option->text = xstrdup(hoplen > 0 ? typed + hoplen + 1 : typed);
	TAILQ_INSERT_TAIL(&conf->options, option, entry);
}

/* -o: Keyword=value, or for one hop hop:Keyword=value. */
static int
add_keyword(struct conf *conf, const char *typed, const char *place)
{
	size_t end = strcspn(typed, "= \t"), hop = hop_length(typed, end);
	const char *text = typed + (hop > 0 ? hop + 1 : 0);

	if (*typed == ':' || strspn(text, LETTERS) == 0 ||
	    text + strspn(text, LETTERS) != typed + end || typed[end] == '\0')
		return complain(place, "-o %s: not [hop:]keyword=value",
		    typed);
	add(conf, 'o', typed, hop, place);
	return 0;
}

/* -F: said once, before ssh says it of every hop. */
static int
unreadable(const char *file, const char *place)
{
	if (access(file, R_OK) == 0)
		return 0;
	return complain(place, "-F %s: %s", file, strerror(errno));
}

/* As ssh: one that is not there is told of, and does without. */
static int
add_identity(struct conf *conf, const char *file, const char *place)
{
	char *name, *pub;
	int found;

	/* with the .pub alone the agent has the key */
	name = expand_tilde(file);
	pub = xasprintf("%s.pub", name);
	found = access(pub, R_OK) == 0 || access(name, R_OK) == 0;
	if (found)
		add(conf, 'i', file, 0, place);
	else
		(void)complain(place, "-i %s: %s; it is not used", name,
		    strerror(errno));
	free(pub);
	free(name);
	return 0;
}

static int
set_jump(struct conf *conf, const char *list, const char *place)
{
	char *why;

	if (conf->jump != NULL && place == command_line)
		return complain(place, "-J %s: only one -J; write hops as "
		    "-J hop,hop", list);
	if ((why = hop_routes(list)) != NULL) {
		(void)complain(place, "-J %s: %s", list, why);
		free(why);
		return -1;
	}
	if (conf->jump == NULL) {
		conf->jump = xstrdup(list);
		conf->jump_place = xstrdup(place);
	}
	return 0;
}

static void
set_first(char **field, const char *value)
{
	if (*field == NULL)
		*field = xstrdup(value);
}

/*
 * What stands on a line of its own in ssh -G's answer would be another keyword,
 * and what a terminal obeys has no business in names.  A tab is white space.
 */
static int
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if (iscntrl((unsigned char)*s) && *s != '\t')
			return 1;
	return 0;
}

/* What somebody means who gives us an option of ssh(1). */
static const char *
instead_of(int letter)
{
	switch (letter) {
	case 'l':
		return "; the user of a jump host stands in -J: -J user@hop";
	case 'p':
		return "; the port is the last argument";
	case 'W':
		return "; host and port are the last two arguments";
	default:
		return "";
	}
}

static int
set(struct conf *conf, int ch, const char *arg, const char *place)
{
	if (ch != ':' && ch != '?' && arg != NULL && has_control(arg))
		return complain(place, "-%c %s: control character", ch, arg);
	switch (ch) {
	case '4':
		return add_keyword(conf, "AddressFamily=inet", place);
	case '6':
		return add_keyword(conf, "AddressFamily=inet6", place);
	case 'E':
		set_first(&conf->logfile, arg);
		return 0;
	case 'F':
		set_first(&conf->configfile, arg);
		return strcmp(arg, "none") == 0 ? 0 :
		    unreadable(arg, place);
	case 'f':
		conf->fdpass = 1;
		return 0;
	case 'G':
		conf->print = 1;
		return 0;
	case 'h':
		conf->help = 1;
		return 0;
	case 'i':
		return add_identity(conf, arg, place);
	case 'J':
		return set_jump(conf, arg, place);
	case 'o':
		return add_keyword(conf, arg, place);
	case 'q':
		conf->quiet = 1;
		return 0;
	case 't':
		conf->try++;
		return 0;
	case 'r':
		set_first(&conf->routefile, arg);
		return 0;
	case 'V':
		conf->version = 1;
		return 0;
	case 'v':
		conf->verbose++;
		return 0;
	case ':':
		(void)complain(place, "-%c needs an argument", optopt);
		return USAGE;
	default:
		(void)complain(place, "-%c: no such option%s", optopt,
		    instead_of(optopt));
		return USAGE;
	}
}

/* --help and --version are what somebody tries who has not read anything. */
static int
set_long(struct conf *conf, const char *arg)
{
	if (strcmp(arg, "--help") == 0)
		conf->help = 1;
	else if (strcmp(arg, "--version") == 0)
		conf->version = 1;
	else {
		(void)complain(command_line, "%s: no such option", arg);
		return USAGE;
	}
	return 0;
}

/*
 * Takes the command line into conf; leaves optind at the first argument that
 * is no option.  Returns 0, or less after saying what is wrong, -2 if it is
 * how options are written at all.
 */
int
conf_options(struct conf *conf, int argc, char *argv[])
{
	int at, ch, rc = 0;

	opterr = 0;
	while (rc == 0 && !conf->help && !conf->version) {
		at = optind;
		if ((ch = getopt(argc, argv, "+:46E:F:fGhi:J:o:qr:tVv")) == -1)
			break;
		if (ch == '?' && optopt == '-' && at < argc &&
		    strncmp(argv[at], "--", 2) == 0)
			rc = set_long(conf, argv[at]);
		else
			rc = set(conf, ch, optarg, command_line);
	}
	return rc;
}

/* Is it keyword (any case) that option sets? */
int
conf_names(const struct option *option, const char *keyword)
{
	size_t len = strcspn(option->text, "= \t");

	if (option->flag == 'i')
		return strcasecmp(keyword, "IdentityFile") == 0;
	return strlen(keyword) == len &&
	    strncasecmp(option->text, keyword, len) == 0;
}

/* Returns what a -o sets its keyword to. */
const char *
conf_value(const struct option *option)
{
	const char *value = option->text + strcspn(option->text, "= \t");

	return value + strspn(value, "= \t");
}

/* Is it a keyword of ours, which ssh does not know? */
int
conf_own(const struct option *option)
{
	return conf_names(option, "ForwardCommand") ||
	    conf_names(option, "LoginTimeout");
}

/* As in ssh_config(5): *, ? and ! in a list with commas; case is the same. */
static int
matches(const char *list, const char *host)
{
	char *copy, *rest, *pattern;
	int match = 0, negated;

	copy = rest = xstrdup(list);
	while ((pattern = strsep(&rest, ",")) != NULL) {
		negated = *pattern == '!';
		if (fnmatch(pattern + negated, host,
		    FNM_CASEFOLD | FNM_NOESCAPE) != 0)
			continue;
		match = !negated;
		if (negated)
			break;
	}
	free(copy);
	return match;
}

/* One line's options: into conf, or looked at and forgotten. */
static int
take(struct conf *conf, struct strlist *w, const char *place)
{
	int ch, rc = 0;

	optreset = optind = 1;
	while ((ch = getopt(w->n, w->v, "+:46E:F:i:J:o:qv")) != -1)
		if (set(conf, ch, optarg, place) != 0)
			rc = -1;
	if (optind < (int)w->n)
		rc = complain(place, "%s: not an option", w->v[optind]);
	return rc;
}

static int
read_line(struct conf *conf, const char *line, const char *place)
{
	struct conf aside = {
		.options = TAILQ_HEAD_INITIALIZER(aside.options)
	};
	struct strlist w = { NULL, 0 };
	const char *why;
	int rc = 0;

	if ((why = strlist_split(&w, line)) != NULL)
		rc = complain(place, "%s", why);
	else if (w.n == 1)
		rc = complain(place, "%s: no option after the pattern",
		    w.v[0]);
	else if (w.n > 1)
		rc = take(matches(w.v[0], conf->host) ? conf : &aside, &w,
		    place);
	conf_free(&aside);
	strlist_free(&w);
	return rc;
}

/* Has a ProxyCommand that runs us a use for this letter when we are asked? */
static int
of_route(int ch)
{
	return ch == ':' || ch == '?' || strchr("46FiJo", ch) != NULL;
}

/*
 * Takes the options of a command that runs proxyhop into conf, but for those
 * that say how to run it.  Returns 0, with the arguments after them, which are
 * w's, or NULL, in *host and *port; or -1 after saying what is wrong.
 */
int
conf_command(struct conf *conf, struct strlist *w, const char *place,
    const char **host, const char **port)
{
	int ch, rc = 0;

	*host = *port = NULL;
	optreset = optind = 1;
	while ((ch = getopt(w->n, w->v, OF_COMMAND)) != -1)
		if (of_route(ch) && set(conf, ch, optarg, place) != 0)
			rc = -1;
	if (optind + 2 == (int)w->n) {
		*host = w->v[optind];
		*port = w->v[optind + 1];
	}
	return rc;
}

/*
 * Returns the argument of -J in a command that runs proxyhop, which is w's, or
 * NULL.
 */
const char *
conf_jump(struct strlist *w)
{
	int ch;

	optreset = optind = 1;
	while ((ch = getopt(w->n, w->v, OF_COMMAND)) != -1)
		if (ch == 'J')
			return optarg;
	return NULL;
}

/*
 * Reads an own file for conf, whose host is known.  Returns how many
 * complaints were said.
 */
int
conf_parse(struct conf *conf, FILE *f, const char *name)
{
	char *line = NULL, *place;
	size_t size = 0;
	ssize_t len;
	int bad = 0;
	unsigned n = 0;

	while ((len = getline(&line, &size, f)) != -1) {
		place = xasprintf("%s:%u", name, ++n);
		if (n == 1 && strncmp(line, BOM, strlen(BOM)) == 0)
			bad -= complain(place, "begins with a byte order "
			    "mark; save it without one");
		else if (strlen(line) != (size_t)len)
			bad -= complain(place, "a NUL byte");
		else
			bad -= read_line(conf, line, place);
		free(place);
	}
	if (ferror(f)) {
		say("%s: %s", name, strerror(errno));
		bad++;
	}
	free(line);
	return bad;
}

/* A FIFO would be waited for; what stands in the file is run, in the end. */
static FILE *
open_safe(const char *name)
{
	FILE *f;
	int fd;

	if ((fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) == -1)
		return NULL;
	if (safe_file(fd, name) == -1) {
		close(fd);
		errno = 0;
		return NULL;
	}
	if ((f = fdopen(fd, "r")) == NULL)
		err(RETRY, "%s", name);
	return f;
}

/*
 * Reads -r's file, or ~/.ssh/proxyhop.conf if it is there, after the command
 * line.  Returns 0, or -1 after saying all that is wrong.
 */
int
conf_file(struct conf *conf)
{
	FILE *f;
	char *name;
	int rc = 0;

	if (conf->routefile != NULL && strcmp(conf->routefile, "none") == 0)
		return 0;
	if (conf->routefile != NULL)
		name = xstrdup(conf->routefile);
	else
		name = xasprintf("%s/.ssh/proxyhop.conf", expand_home());
	if ((f = open_safe(name)) != NULL) {
		rc = conf_parse(conf, f, name) > 0 ? -1 : 0;
		fclose(f);
	} else if (errno != ENOENT || conf->routefile != NULL) {
		/* what is not safe has been said */
		if (errno != 0)
			say("%s: %s", name, strerror(errno));
		rc = -1;
	}
	free(name);
	return rc;
}

/* Frees what conf holds. */
void
conf_free(struct conf *conf)
{
	struct option *option;

	while ((option = TAILQ_FIRST(&conf->options)) != NULL) {
		TAILQ_REMOVE(&conf->options, option, entry);
		free(option->hop);
		free(option->text);
		free(option->typed);
		free(option->place);
		free(option);
	}
	free(conf->configfile);
	free(conf->ssh);
	free(conf->jump);
	free(conf->jump_place);
	free(conf->logfile);
	free(conf->routefile);
}
