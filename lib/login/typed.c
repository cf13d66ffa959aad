/*
 * The methods in which a person types something: keyboard-interactive, whose
 * questions are the server's, and password.
 */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"

#define ROUNDS_MAX	1000	/* of questions, or of none, in one login */

static int
attempts(const struct hop *hop)
{
	return hop->numberofpasswordprompts == -1 ? 3 :
	    hop->numberofpasswordprompts;
}

/* Adds the lines of a server's text to *to, as wide as the terminal is. */
static void
add_lines(char **to, const char *lines, size_t width)
{
	char *copy, *rest, *line;
	int n = 0;

	copy = rest = xstrdup(lines);
	while (n++ < QUOTE_MAX && (line = strsep(&rest, "\r\n")) != NULL)
		str_wrap(to, line, width);
	free(copy);
}

/* Is there room for line, in one line of the terminal, behind the label? */
static int
fits(struct login *login, const char *line, size_t width)
{
	char *label = prompt_label(login->c, login->l);
	size_t begin = str_columns(label) % width;

	free(label);
	return begin + str_columns(line) < width;
}

/* Leaves of the lines those that may still be shown. */
static char *
allowed_lines(struct link *l, char *lines)
{
	char *shown = NULL, *line;

	while ((line = strsep(&lines, "\n")) != NULL)
		if (link_may_show(l))
			str_append(&shown, "\n", line);
	return shown;
}

/*
 * Returns what is to be asked: the server's name for it and its instruction, if
 * it is the first of a round (RFC 4256, 3.2), and its question.  The last line
 * stands where the answer is typed, unless it would not fit the terminal.
 */
static char *
question_text(struct login *login, const char *question, int first)
{
	ssh_session s = login->l->session;
	size_t width = terminal_columns(80), len = strlen(question);
	size_t room = width > 20 ? width - 3 : 20;
	char *lines = NULL, *text, *last, *asked = NULL;

	if (first) {
		add_lines(&lines, ssh_userauth_kbdint_getname(s), room);
		add_lines(&lines, ssh_userauth_kbdint_getinstruction(s), room);
	}
	add_lines(&lines, question, room);
	if (lines == NULL)
		return xstrdup("");
	last = strrchr(lines, '\n');
	last = last == NULL ? lines : last + 1;
	if (fits(login, last, width)) {
		asked = str_fold(last);
		last[last == lines ? 0 : -1] = '\0';
	}
	text = *lines == '\0' ? NULL : allowed_lines(login->l, lines);
	/* what is typed stands apart from it */
	if (asked != NULL && len > 0 && question[len - 1] == ' ')
		str_append(&asked, "", " ");
	str_append(&text, "\n", asked == NULL ? "" : asked);
	free(asked);
	free(lines);
	return text;
}

/* One question of the server's, with the name and instruction before it. */
static int
answer_one(struct login *login, unsigned i)
{
	ssh_session s = login->l->session;
	char answer[ANSWER_MAX] = "", *text, echo;
	int rc;

	text = question_text(login, ssh_userauth_kbdint_getprompt(s, i, &echo),
	    i == 0);
	rc = auth_ask(login, text, echo, answer);
	if (rc == 0)
		(void)ssh_userauth_kbdint_setanswer(s, i, answer);
	explicit_bzero(answer, sizeof(answer));
	free(text);
	return rc;
}

/* A round without a question has something to tell (RFC 4256, 3.2). */
static void
tell(struct login *login)
{
	ssh_session s = login->l->session;

	if (login->l->hop->batchmode == 1)
		return;
	auth_tell(login, ssh_userauth_kbdint_getname(s));
	auth_tell(login, ssh_userauth_kbdint_getinstruction(s));
}

static int
answer_all(struct login *login)
{
	int i, n = ssh_userauth_kbdint_getnprompts(login->l->session);

	if (n == 0)
		tell(login);
	for (i = 0; i < n; i++)
		if (answer_one(login, i) == -1)
			return -1;
	return 0;
}

static int
kbdint_call(struct login *login)
{
	int rc;

	while ((rc = ssh_userauth_kbdint(login->l->session,
	    login->l->hop->user, NULL)) == SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	return rc;
}

static enum result
without_end(struct login *login)
{
	login->status = fail(login->c, login->l, RETRY, "it asks without an "
	    "end, %d rounds so far; do not trust it", ROUNDS_MAX);
	return AUTH_LOST;
}

/* What was typed was wrong; says so, as ssh does, where it is asked again. */
static void
note_wrong(struct login *login, int *wrong, int left)
{
	const struct link *l = login->l;

	(*wrong)++;
	if (left > 0)
		say("%s (hop %d of %d): Permission denied, please try again.",
		    l->hop->name, l->number, login->c->plan->nhops);
}

/*
 * keyboard-interactive (RFC 4256): rounds of questions; a round may have none,
 * as where a telephone is asked.  As ssh, which tries a server again that has
 * had a round.
 */
enum result
typed_kbdint(struct login *login)
{
	int asked, rounds, n, rc = SSH_AUTH_DENIED;

	for (n = attempts(login->l->hop); n > 0; n--) {
		asked = 0;
		rounds = login->rounds;
		while ((rc = kbdint_call(login)) == SSH_AUTH_INFO) {
			asked |= ssh_userauth_kbdint_getnprompts(
			    login->l->session) > 0;
			if (auth_look(login) == -1)
				return AUTH_LOST;
			if (++login->rounds > ROUNDS_MAX)
				return without_end(login);
			if (answer_all(login) == -1)
				return login->status == OK ? AUTH_FAILURE :
				    AUTH_LOST;
		}
		if (auth_judge(login, rc) != AUTH_FAILURE ||
		    rounds == login->rounds)
			break;
		if (asked)
			note_wrong(login, &login->wrong_answers, n - 1);
	}
	return auth_judge(login, rc);
}

/* password (RFC 4252, 8). */
enum result
typed_password(struct login *login)
{
	const struct link *l = login->l;
	char answer[ANSWER_MAX], *text, *seen;
	int n, rc = SSH_AUTH_DENIED;

	text = xasprintf("%s@%s's password: ", l->hop->user, l->hop->name);
	seen = str_visible(text);
	free(text);
	for (n = attempts(l->hop); n > 0; n--) {
		if (auth_ask(login, seen, 0, answer) == -1)
			break;
		while ((rc = ssh_userauth_password(l->session, l->hop->user,
		    answer)) == SSH_AUTH_AGAIN)
			if (auth_again(login) == -1)
				break;
		explicit_bzero(answer, sizeof(answer));
		if (auth_judge(login, rc) != AUTH_FAILURE)
			break;
		note_wrong(login, &login->wrong_passwords, n - 1);
	}
	free(seen);
	return auth_judge(login, rc);
}
