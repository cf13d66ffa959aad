/* The settings of a hop: every row, the first value wins, bad ones refused. */

#include <criterion/criterion.h>

#include "plan/local.h"

static struct hop *
gateway(void)
{
	const char *why;

	return hop_parse("gw", &why);
}

#define STRING_ROW(field) do {						\
	cr_assert_null(hop->field);					\
	cr_assert_eq(keyword_set(hop, #field, "one"), 0);		\
	cr_assert_eq(keyword_set(hop, #field, "two"), 0);		\
	cr_assert_not_null(hop->field);					\
	cr_assert_str_eq(hop->field, "one", #field);			\
} while (0)

Test(keyword, strings) {
	struct hop *hop = gateway();

	STRING_ROW(bindaddress);
	STRING_ROW(ciphers);
	STRING_ROW(hostkeyalgorithms);
	STRING_ROW(hostkeyalias);
	STRING_ROW(hostname);
	STRING_ROW(identityagent);
	STRING_ROW(kexalgorithms);
	STRING_ROW(macs);
	STRING_ROW(preferredauthentications);
	STRING_ROW(proxycommand);
	STRING_ROW(proxyjump);
	STRING_ROW(pubkeyacceptedalgorithms);
	STRING_ROW(user);
	hop_free(hop);
}

Test(keyword, choices) {
	struct hop *hop = gateway();

	cr_assert_eq(keyword_set(hop, "addressfamily", "one"), -1);
	cr_assert_null(hop->addressfamily);
	cr_assert_eq(keyword_set(hop, "LogLevel", "debug3"), 0);
	cr_assert_str_eq(hop->loglevel, "DEBUG3");
	cr_assert_eq(keyword_set(hop, "stricthostkeychecking", ""), -1);
	cr_assert_eq(keyword_set(hop, "rekeylimit", "1G 1h"), -1);
	cr_assert_eq(keyword_set(hop, "rekeylimit", "0 0"), 0);
	cr_assert_eq(keyword_set(hop, "ciphers", "+aes128-cbc"), -1);
	cr_assert_eq(keyword_set(hop, "port", "0"), -1);
	cr_assert_eq(keyword_set(hop, "port", "65536"), -1);
	cr_assert_eq(hop->port, -1);
	hop_free(hop);
}

Test(keyword, numbers) {
	struct hop *hop = gateway();

	cr_assert_eq(keyword_set(hop, "port", "2222"), 0);
	cr_assert_eq(keyword_set(hop, "Port", "22"), 0);
	cr_assert_eq(hop->port, 2222);
	cr_assert_eq(keyword_set(hop, "connecttimeout", "none"), 0);
	cr_assert_eq(hop->connecttimeout, 0);
	cr_assert_eq(keyword_set(hop, "identitiesonly", "yes"), 0);
	cr_assert_eq(hop->identitiesonly, 1);
	cr_assert_eq(keyword_set(hop, "hashknownhosts", "no"), 0);
	cr_assert_eq(hop->hashknownhosts, 0);
	hop_free(hop);
}

Test(keyword, bad_values) {
	struct hop *hop = gateway();

	cr_assert_eq(keyword_set(hop, "port", "ssh"), -1);
	cr_assert_eq(keyword_set(hop, "connecttimeout", "-1"), -1);
	cr_assert_eq(keyword_set(hop, "identitiesonly", "maybe"), -1);
	hop_free(hop);
}

Test(keyword, lists_keep_their_order) {
	struct hop *hop = gateway();

	keyword_set(hop, "identityfile", "~/a b");
	keyword_set(hop, "identityfile", "none");
	cr_assert_eq(hop->identityfile.n, 2);
	cr_assert_str_eq(hop->identityfile.v[0], "~/a b");
	cr_assert_str_eq(hop->identityfile.v[1], "none");
	hop_free(hop);
}

Test(keyword, files_on_one_line) {
	struct hop *hop = gateway();

	keyword_set(hop, "userknownhostsfile", "/a/known hosts ~/b /c");
	cr_assert_eq(hop->userknownhostsfile.n, 3);
	cr_assert_str_eq(hop->userknownhostsfile.v[0], "/a/known hosts");
	cr_assert_str_eq(hop->userknownhostsfile.v[1], "~/b");
	cr_assert_str_eq(hop->userknownhostsfile.v[2], "/c");
	keyword_set(hop, "userknownhostsfile", "/d");
	cr_assert_eq(hop->userknownhostsfile.n, 3);
	keyword_set(hop, "globalknownhostsfile", "/dev/null");
	cr_assert_eq(hop->globalknownhostsfile.n, 1);
	hop_free(hop);
}

Test(keyword, unknown_ones_are_for_others) {
	struct hop *hop = gateway();

	cr_assert_eq(keyword_set(hop, "visualhostkey", "yes"), 0);
	hop_free(hop);
}

Test(keyword, nearest) {
	cr_assert_str_eq(keyword_nearest("Usr"), "user");
	cr_assert_str_eq(keyword_nearest("prot"), "port");
	cr_assert_str_eq(keyword_nearest("StrictHostkeyCheking"),
	    "stricthostkeychecking");
	cr_assert_null(keyword_nearest("zzzz"));
	cr_assert_null(keyword_nearest(""));
}
