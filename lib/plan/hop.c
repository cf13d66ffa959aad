/*
 * One gateway as text: [user@]host[:port], [user@][v6]:port or
 * ssh://[user@]host[:port], as ssh takes them after -J.
 */

#include <arpa/inet.h>

#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

/* What a host's name is made of: nothing that any shell takes for its own. */
#define NAME_FIRST	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
			"0123456789._:+"
#define NAME_CHARS	NAME_FIRST "-/=%"

/*
 * Can host be the name or address of a hop or of the target?  It goes to ssh,
 * whose configuration may run commands with it (Match exec, ProxyCommand), and
 * to the shell of a hop that has a ForwardCommand.  ssh refuses here what most
 * shells take for their own (ssh_valid_hostname() in readconf.c); what is left
 * of ASCII is refused as well where any shell gives it a meaning: a pattern, a
 * home, a history, a comment, and twice % to that of Windows.  Returns NULL if
 * it can, else why not.
 */
const char *
hop_bad_host(const char *host)
{
	const unsigned char *p;
	const char *percent;

	if (*host == '\0')
		return "no host name";
	if (*host == '-')
		return "a host name cannot begin with '-'";
	for (p = (const unsigned char *)host; *p != '\0'; p++) {
		if (iscntrl(*p) || isspace(*p))
			return "control character or white space in host name";
		if (!isascii(*p))
			return "a host name is ASCII; write it as the DNS "
			    "has it (xn--...)";
	}
	percent = strchr(host, '%');
	if (strchr(NAME_FIRST, *host) == NULL ||
	    host[strspn(host, NAME_CHARS)] != '\0' ||
	    (percent != NULL && strchr(percent + 1, '%') != NULL))
		return "not a host name";
	return NULL;
}

/* After -J ssh refuses a slash, too. */
static const char *
bad_name(const char *host)
{
	return strchr(host, '/') != NULL ? "not a host name" :
	    hop_bad_host(host);
}

/*
 * Can user log in, as ssh sees it?  Its name ends up in ssh's -l, and in shells
 * of others.  Returns NULL if so, else why not.
 */
const char *
hop_bad_user(const char *user)
{
	const unsigned char *p;

	if (*user == '\0')
		return "no user name before '@'";
	if (*user == '-')
		return "a user name cannot begin with '-'";
	for (p = (const unsigned char *)user; *p != '\0'; p++)
		if (iscntrl(*p) || strchr("'`\";&<>|(){}", *p) != NULL ||
		    (isspace(*p) && p[1] == '-') ||
		    (*p == '\\' && p[1] == '\0'))
			return "not a user name";
	return NULL;
}

/* Undoes %xx of a URI in place; returns NULL or what is wrong. */
static const char *
percent_decode(char *s)
{
	char hex[3] = "", *to = s;

	for (; *s != '\0'; s++, to++) {
		*to = *s;
		if (*s != '%')
			continue;
		if (!isxdigit((unsigned char)s[1]) ||
		    !isxdigit((unsigned char)s[2]))
			return "bad %xx";
		memcpy(hex, s + 1, 2);
		if ((*to = (char)strtol(hex, NULL, 16)) == '\0')
			return "bad %xx";
		s += 2;
	}
	*to = '\0';
	return NULL;
}

/* Splits "host", "host:port", "[v6]" and "[v6]:port" in place. */
static const char *
split_port(char *s, char **host, char **port)
{
	char *end;

	*host = s;
	*port = NULL;
	if (*s == '[') {
		if ((end = strchr(s, ']')) == NULL)
			return "no ']' after '['";
		if (end[1] != '\0' && end[1] != ':')
			return "something other than ':port' after ']'";
		*host = s + 1;
		*end++ = '\0';
	} else {
		if ((end = strchr(s, ':')) == NULL)
			return NULL;
		if (strchr(end + 1, ':') != NULL)
			return "an IPv6 address needs brackets: [address]:port";
	}
	if (*end == ':') {
		*end = '\0';
		*port = end + 1;
	}
	return NULL;
}

/* A number, or the name of a service, as ssh takes it. */
static const char *
parse_port(const char *s, int *port)
{
	const struct servent *service;
	const char *errstr;

	*port = strtonum(s, 1, 65535, &errstr);
	if (errstr == NULL && isdigit((unsigned char)*s))
		return NULL;
	if ((service = getservbyname(s, "tcp")) == NULL ||
	    (*port = ntohs(service->s_port)) == 0)
		return "a port is the name of a service, or a number from "
		    "1 to 65535; that of ssh is 22";
	return NULL;
}

/* Fills hop's name, typed_user and typed_port; takes s apart to do so. */
static const char *
parse(struct hop *hop, char *s)
{
	const char *why;
	char *at, *host, *port;
	int uri;

	uri = strncasecmp(s, "ssh://", 6) == 0;
	if (uri) {
		s += 6;
		if ((host = strchr(s, '/')) != NULL) {
			if (host[1] != '\0')
				return "a path has no meaning in ssh://";
			*host = '\0';
		}
	}
	/* the last '@': a user's name may hold one itself */
	if ((at = strrchr(s, '@')) != NULL) {
		*at = '\0';
		if (uri && (why = percent_decode(s)) != NULL)
			return why;
		if ((why = hop_bad_user(s)) != NULL)
			return why;
		hop->typed_user = xstrdup(s);
		s = at + 1;
	}
	if ((why = split_port(s, &host, &port)) != NULL ||
	    (port != NULL &&
	    (why = parse_port(port, &hop->typed_port)) != NULL) ||
	    (uri && (why = percent_decode(host)) != NULL) ||
	    (why = bad_name(host)) != NULL)
		return why;
	hop->name = xstrdup(host);
	return NULL;
}

/*
 * Returns a new hop called name, with no setting set.  The caller frees it
 * with hop_free().
 */
struct hop *
hop_new(const char *spec, const char *name)
{
	struct hop *hop;

	hop = xcalloc(1, sizeof(*hop));
	hop->spec = xstrdup(spec);
	hop->name = xstrdup(name);
	keyword_unset(hop);
	return hop;
}

/*
 * Returns a new hop for spec, or NULL and in *why what is wrong with it.  The
 * caller frees it with hop_free().
 */
struct hop *
hop_parse(const char *spec, const char **why)
{
	struct hop *hop;
	char *s;

	hop = hop_new(spec, NULL);
	s = xstrdup(spec);
	*why = parse(hop, s);
	free(s);
	if (*why != NULL) {
		hop_free(hop);
		return NULL;
	}
	return hop;
}

/* Cuts blanks off both ends: OpenSSH 10 allows them around the commas. */
static char *
trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	for (len = strlen(s); len > 0 && strchr(" \t", s[len - 1]) != NULL;)
		s[--len] = '\0';
	return s;
}

/*
 * Appends the hops of a comma separated list to hops; "none" is an empty
 * list.  Returns NULL, or which of them is wrong and why; the caller frees
 * that.
 */
char *
hop_list(struct hops *hops, const char *list)
{
	const char *why;
	struct hop *hop;
	char *copy, *rest, *spec, *complaint = NULL;

	copy = xstrdup(list);
	rest = strcasecmp(trim(copy), "none") == 0 ? NULL : copy;
	while (complaint == NULL && (spec = strsep(&rest, ",")) != NULL) {
		spec = trim(spec);
		if (*spec == '\0')
			complaint = xstrdup("a hop is missing; hops are one "
			    "argument with commas between: gw1,gw2");
		else if ((hop = hop_parse(spec, &why)) == NULL)
			complaint = xasprintf("\"%s\": %s", spec, why);
		else
			TAILQ_INSERT_TAIL(hops, hop, entry);
	}
	free(copy);
	return complaint;
}

/*
 * Checks a list of routes with | between them, each as hop_list() takes it.
 * Returns NULL, or what is wrong, which the caller frees.
 */
char *
hop_routes(const char *routes)
{
	struct hops hops = TAILQ_HEAD_INITIALIZER(hops);
	char *copy, *rest, *route, *complaint = NULL;
	int n = 0;

	copy = rest = xstrdup(routes);
	while (complaint == NULL && (route = strsep(&rest, "|")) != NULL) {
		if (++n > MAX_ROUTES)
			complaint = xasprintf("more than %d routes",
			    MAX_ROUTES);
		else if (*trim(route) == '\0' && n + (rest != NULL) > 1)
			complaint = xstrdup("a route is missing; \"none\" "
			    "stands for no jump host");
		else
			complaint = hop_list(&hops, route);
		hops_free(&hops);
	}
	free(copy);
	return complaint;
}

/*
 * Returns the address in "[address]", cut out of host, which it takes apart; or
 * host, if it is no IPv6 address in brackets.
 */
char *
hop_unbracket(char *host)
{
	size_t len = strlen(host);

	if (*host != '[' || host[len - 1] != ']' || strchr(host, ':') == NULL)
		return host;
	host[len - 1] = '\0';
	return host + 1;
}

/* The host of the target, as hop_bad_host(); it stands there by itself. */
static const char *
bad_target(const char *host)
{
	if (strncasecmp(host, "ssh://", 6) == 0)
		return "host and port of the target are two arguments, "
		    "without ssh://";
	if (strchr(host, '@') != NULL)
		return "the host of the target is given without user@; the "
		    "client knows the user (ssh user@host)";
	return hop_bad_host(host);
}

/*
 * Checks the host and the port of the target, and leaves the port in *n.
 * Returns NULL, or which of them is wrong and why, printable; the caller frees
 * that.
 */
char *
hop_target(const char *host, const char *port, int *n)
{
	const char *bad_host = bad_target(host), *why = bad_host;
	char *seen, *complaint;

	if (why == NULL && (why = parse_port(port, n)) == NULL)
		return NULL;
	seen = str_visible(bad_host != NULL ? host : port);
	complaint = xasprintf("\"%s\": %s", seen, why);
	free(seen);
	return complaint;
}

/* Frees hop and all its settings; NULL is fine. */
void
hop_free(struct hop *hop)
{
	if (hop == NULL)
		return;
	keyword_free(hop);
	strlist_free(&hop->ignored);
	free(hop->spec);
	free(hop->command);
	free(hop->name);
	free(hop->typed_user);
	free(hop);
}

/* Frees every hop of the list. */
void
hops_free(struct hops *hops)
{
	struct hop *hop;

	while ((hop = TAILQ_FIRST(hops)) != NULL) {
		TAILQ_REMOVE(hops, hop, entry);
		hop_free(hop);
	}
}

/* Is hop's HostName one?  Says why not: "-x" would be an option to a command. */
int
hop_good_hostname(const struct hop *hop)
{
	const char *why = hop_bad_host(hop->hostname);
	char *seen;

	if (why == NULL)
		return 1;
	seen = str_visible(hop->hostname);
	say("%s: HostName %s: %s", hop->name, seen, why);
	free(seen);
	return 0;
}

/* Has hop LogLevel QUIET, which some versions of ssh print as SILENT? */
int
hop_is_quiet(const struct hop *hop)
{
	return hop->loglevel != NULL &&
	    (strcasecmp(hop->loglevel, "QUIET") == 0 ||
	    strcasecmp(hop->loglevel, "SILENT") == 0);
}

/* A command that is not none, and does not run us: that started us. */
int
hop_other_command(const char *command)
{
	const char *name;
	size_t len;

	if (!keyword_is_set(command))
		return 0;
	command += strspn(command, " \t");
	if (strncmp(command, "exec ", 5) == 0)
		command += 5;
	len = strcspn(command, " \t");
	name = memrchr(command, '/', len);
	name = name == NULL ? command : name + 1;
	len -= name - command;
	return len != strlen("proxyhop") || strncmp(name, "proxyhop", len) != 0;
}
