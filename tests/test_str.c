/* Lists of strings, text made printable, names of files expanded. */

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "plan/local.h"

Test(str, list) {
	struct strlist w = { NULL, 0 };

	strlist_add(&w, xstrdup("a"));
	strlist_add(&w, xstrdup("b"));
	cr_assert_eq(w.n, 2);
	cr_assert_str_eq(w.v[1], "b");
	strlist_free(&w);
	cr_assert_eq(w.n, 0);
	strlist_free(&w);
}

Test(str, join) {
	char *s = NULL;

	str_append(&s, ", ", "a");
	cr_assert_str_eq(s, "a");
	str_append(&s, ", ", "b");
	cr_assert_str_eq(s, "a, b");
	free(s);
}

Test(str, visible) {
	char *s = str_visible("plain words: [x]");

	cr_assert_str_eq(s, "plain words: [x]");
	free(s);
	s = str_visible("red \033[31m\r\nproxyhop: forged\a\t\177");
	cr_assert_null(strpbrk(s, "\033\r\n\a\t\177"), "%s", s);
	free(s);
}

/* JSON is ASCII here, whatever a locale has; what is no character is U+FFFD. */
Test(str, json) {
	char *s = str_json("a \"b\" \\ \177\n\xff");

	cr_assert_str_eq(s, "\"a \\\"b\\\" \\\\ \\u007f\\u000a\\ufffd\"");
	free(s);
}

Test(str, json_locale) {
	char *s;

	setenv("LC_ALL", "C.UTF-8", 1);
	s = str_json("ñ€\u2028😀\xed\xa0\x80.");
	cr_assert_str_eq(s, "\"\\u00f1\\u20ac\\u2028\\ud83d\\ude00"
	    "\\ufffd\\ufffd\\ufffd.\"");
	free(s);
}

/* The locale's characters as they are, but none that nobody would see. */
Test(str, visible_locale) {
	static const char *const hidden[] = { "\u202e", "\u200b", "\u2066",
	    "\u00a0", "\u2003", "\u3000", "\u2800", "\xc2\x85", "\u0301",
	    "\xc3", "\xff" };
	char *s;
	size_t i;

	setenv("LC_ALL", "C.UTF-8", 1);
	s = str_visible("Contraseña: █▀");
	cr_assert_str_eq(s, "Contraseña: █▀");
	free(s);
	for (i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		s = str_visible(hidden[i]);
		cr_assert_eq(s[0], '\\', "%zu: %s", i, s);
		cr_assert_eq(s[strspn(s, "\\01234567")], '\0', "%s", s);
		free(s);
	}
}

Test(str, visible_plain) {
	char *s;

	setenv("LC_ALL", "C", 1);
	s = str_visible("ñ");
	cr_assert_str_eq(s, "\\303\\261");
	free(s);
}

Test(str, shell) {
	static const char *const words[][2] = { { "gw1.example.org:22",
	    "gw1.example.org:22" }, { "", "''" }, { "a b", "'a b'" },
	    { "it's", "'it'\\''s'" }, { "$(x)`y`", "'$(x)`y`'" } };
	char *s;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		s = str_shell(words[i][0]);
		cr_assert_str_eq(s, words[i][1]);
		free(s);
	}
}

Test(str, said) {
	char *s = str_quote("  a\t\t b \"c\" \r\n");

	cr_assert_str_eq(s, "a b 'c'");
	free(s);
}

Test(str, base64) {
	char *s = str_base64("Man", 3);

	cr_assert_str_eq(s, "TWFu");
	free(s);
	s = str_base64("M", 1);
	cr_assert_str_eq(s, "TQ==");
	free(s);
}

/* Every length, with every bit set and not; and what is no base64. */
Test(str, unbase64) {
	const char *const wrong[] = { "TQ=", "TQ", "T", "TR==", "TWF=", "=",
		"====", "TQ==TQ==", "TW u", "TWFu\n", "TW-_", "TWF\x80", NULL };
	unsigned char data[64], *back;
	size_t n, i;
	char *s;

	for (n = 0; n <= sizeof(data); n++) {
		for (i = 0; i < n; i++)
			data[i] = i * 37 + n * 11 + 200;
		s = str_base64(data, n);
		cr_assert_eq(str_unbase64(s, &back), (int)n, "%s", s);
		cr_assert_arr_eq(back, data, n);
		free(back);
		free(s);
	}
	for (i = 0; wrong[i] != NULL; i++) {
		cr_assert_eq(str_unbase64(wrong[i], &back), -1, "%s", wrong[i]);
		cr_assert_null(back);
	}
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
