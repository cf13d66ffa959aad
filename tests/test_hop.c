/* The hop grammar: every form that ssh takes, every one that it does not. */

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <string.h>

#include "plan/local.h"

struct good {
	char	spec[64], user[32], name[64];
	int	port;
};

ParameterizedTestParameters(hop, good) {
	static struct good rows[] = {
		{ "gw", "", "gw", 0 },
		{ "gw:2222", "", "gw", 2222 },
		{ "gw:1", "", "gw", 1 },
		{ "gw:65535", "", "gw", 65535 },
		{ "gw:ssh", "", "gw", 22 },
		{ "ops@[::1]:telnet", "ops", "::1", 23 },
		{ "ssh://gw:ssh", "", "gw", 22 },
		{ "ops@gw", "ops", "gw", 0 },
		{ "ops@gw:22", "ops", "gw", 22 },
		{ "me@corp@gw:22", "me@corp", "gw", 22 },
		{ "dom\\me@gw", "dom\\me", "gw", 0 },
		{ "[::1]", "", "::1", 0 },
		{ "[::1]:2222", "", "::1", 2222 },
		{ "ops@[fe80::1%eth0]:22", "ops", "fe80::1%eth0", 22 },
		{ "[10.0.0.1]:22", "", "10.0.0.1", 22 },
		{ "ssh://gw", "", "gw", 0 },
		{ "SSH://gw/", "", "gw", 0 },
		{ "ssh://ops@gw:2222", "ops", "gw", 2222 },
		{ "ssh://ops@gw:2222/", "ops", "gw", 2222 },
		{ "ssh://o%70s@gw", "ops", "gw", 0 },
		{ "ssh://[::1]:22", "", "::1", 22 },
		{ "a_b-c.d+e", "", "a_b-c.d+e", 0 },
	};
	return cr_make_param_array(struct good, rows,
	    sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct good *row, hop, good) {
	const char *why = "unset";
	struct hop *hop = hop_parse(row->spec, &why);

	cr_assert_not_null(hop, "%s: %s", row->spec, why);
	cr_assert_null(why);
	cr_assert_str_eq(hop->spec, row->spec);
	cr_assert_str_eq(hop->name, row->name);
	cr_assert_eq(hop->typed_port, row->port);
	if (*row->user == '\0')
		cr_assert_null(hop->typed_user);
	else
		cr_assert_str_eq(hop->typed_user, row->user);
	hop_free(hop);
}

struct bad {
	char	spec[64], why[64];
};

ParameterizedTestParameters(hop, bad) {
	static struct bad rows[] = {
		{ "", "no host name" },
		{ "ops@", "no host name" },
		{ ":22", "no host name" },
		{ "[]:22", "no host name" },
		{ "@gw", "no user name" },
		{ "-gw", "begin with '-'" },
		{ "-l@gw", "begin with '-'" },
		{ "gw:", "1 to 65535" },
		{ "gw:0", "1 to 65535" },
		{ "gw:65536", "1 to 65535" },
		{ "gw:-1", "1 to 65535" },
		{ "gw:+1", "1 to 65535" },
		{ "gw: 1", "1 to 65535" },
		{ "gw:22x", "1 to 65535" },
		{ "gw:SSH", "1 to 65535" },
		{ "gw:no-such-service", "1 to 65535" },
		{ "::1", "brackets" },
		{ "::1:22", "brackets" },
		{ "[::1", "no ']'" },
		{ "[::1]22", "after ']'" },
		{ "g w", "white space" },
		{ "g\tw", "white space" },
		{ "g\033w", "control character" },
		{ "gw;id", "not a host name" },
		{ "$(id)", "not a host name" },
		{ "a/b", "not a host name" },
		{ "a*", "not a host name" },
		{ "~a", "not a host name" },
		{ "=a", "not a host name" },
		{ "a%b%c", "not a host name" },
		{ "g\303\244w", "ASCII" },
		{ "o`s@gw", "not a user name" },
		{ "ssh://gw/path", "path" },
		{ "ssh://g%zzw", "%xx" },
		{ "ssh://g%00w", "%xx" },
		{ "ssh://", "no host name" },
	};
	return cr_make_param_array(struct bad, rows,
	    sizeof(rows) / sizeof(rows[0]));
}

ParameterizedTest(struct bad *row, hop, bad) {
	const char *why = NULL;

	cr_assert_null(hop_parse(row->spec, &why), "%s", row->spec);
	cr_assert_not_null(strstr(why, row->why), "%s: %s", row->spec, why);
}

Test(hop, list) {
	struct hops hops = TAILQ_HEAD_INITIALIZER(hops);

	cr_assert_null(hop_list(&hops, "a,b:1, c@d"));
	cr_assert_str_eq(TAILQ_FIRST(&hops)->name, "a");
	cr_assert_str_eq(TAILQ_LAST(&hops, hops)->name, "d");
	hops_free(&hops);
	cr_assert(TAILQ_EMPTY(&hops));
}

Test(hop, list_with_a_hole) {
	struct hops hops = TAILQ_HEAD_INITIALIZER(hops);

	cr_assert_not_null(strstr(hop_list(&hops, "a,,b"),
	    "a hop is missing"));
	hops_free(&hops);
	cr_assert_not_null(hop_list(&hops, ""));
	hops_free(&hops);
	cr_assert_null(hop_list(&hops, "none"));
	cr_assert(TAILQ_EMPTY(&hops));
}

Test(hop, target) {
	static const struct {
		const char *host, *port, *why;
	} bad[] = {
		{ "-o", "22", "\"-o\": a host name cannot begin" },
		{ "", "22", "\"\": no host name" },
		{ "a b", "22", "\"a b\": control character or white" },
		{ "me@a", "22", "\"me@a\": the host of the target is" },
		{ "ssh://a", "22", "\"ssh://a\": host and port of" },
		{ "a", "0", "\"0\": a port is the name of" },
		{ "a", "", "\"\": a port is the name of" },
	};
	size_t i;
	char *why;
	int port = 0;

	cr_assert_null(hop_target("::1", "5432", &port));
	cr_assert_eq(port, 5432);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = hop_target(bad[i].host, bad[i].port, &port);
		cr_assert_not_null(why);
		cr_assert_eq(strncmp(why, bad[i].why, strlen(bad[i].why)), 0,
		    "%s", why);
		free(why);
	}
}
