/* Lists of strings, text made fit to be shown, names of files expanded. */

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

Test(words, list) {
	struct words w = { NULL, 0 };

	words_add(&w, xstrdup("a"));
	words_add(&w, xstrdup("b"));
	cr_assert_eq(w.n, 2);
	cr_assert_str_eq(w.v[1], "b");
	words_free(&w);
	cr_assert_eq(w.n, 0);
	words_free(&w);
}

Test(words, join) {
	char *s = NULL;

	words_join(&s, ", ", "a");
	cr_assert_str_eq(s, "a");
	words_join(&s, ", ", "b");
	cr_assert_str_eq(s, "a, b");
	free(s);
}

Test(words, visible) {
	char *s = words_visible("plain words: [x]");

	cr_assert_str_eq(s, "plain words: [x]");
	free(s);
	s = words_visible("red \033[31m\r\nproxyhop: forged\a\t\177");
	cr_assert_null(strpbrk(s, "\033\r\n\a\t\177"), "%s", s);
	free(s);
}

Test(words, base64) {
	char *s = words_base64("Man", 3);

	cr_assert_str_eq(s, "TWFu");
	free(s);
	s = words_base64("M", 1);
	cr_assert_str_eq(s, "TQ==");
	free(s);
}

static struct hop *
gateway(void)
{
	const char *why;
	struct hop *hop = hop_parse("alias", &why);

	keyword_set(hop, "hostname", "gw.example.org");
	keyword_set(hop, "user", "ops");
	keyword_set(hop, "port", "2222");
	return hop;
}

static void
expands(const char *name, const char *wanted)
{
	struct hop *hop = gateway();
	const char *why;
	char *file = expand_file(hop, name, &why);

	cr_assert_not_null(file, "%s: %s", name, why);
	cr_assert_str_eq(file, wanted, "%s: %s", name, file);
	free(file);
	hop_free(hop);
}

Test(expand, tokens) {
	char *at_home = xasprintf("%s/.ssh/id", expand_home());

	setenv("KEYS", "/keys", 1);
	expands("/k/%h", "/k/gw.example.org");
	expands("/k/%n", "/k/alias");
	expands("/k/%k", "/k/alias");
	expands("/k/%p", "/k/2222");
	expands("/k/%r", "/k/ops");
	expands("/k/100%%", "/k/100%");
	expands("${KEYS}/id", "/keys/id");
	expands("/k/a~b", "/k/a~b");
	expands("~/.ssh/id", at_home);
	expands("%d/.ssh/id", at_home);
	free(at_home);
}

Test(expand, refusals) {
	static const char *const names[] = {
		"%Z", "/k/%", "${NOT_SET_AT_ALL}", "${OPEN", "~no-such-user/x"
	};
	struct hop *hop = gateway();
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		why = NULL;
		cr_assert_null(expand_file(hop, names[i], &why), "%s",
		    names[i]);
		cr_assert_not_null(why);
	}
	hop_free(hop);
}
