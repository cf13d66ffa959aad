/*
 * What all methods of a login use: waiting while the chain turns, what a return
 * code of libssh means, and asking the person.
 */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/libssh.h"

#define BANNER_WAIT	1000	/* ms a login has before its banner is shown */
#define RENEWALS_MAX	120	/* of the time a login has */

/* Will the session say nothing more? */
int
auth_over(const struct link *l)
{
	return link_gone(l) || libssh_stuck(l);
}

/* A line of the server's; returns 0 if there have been too many. */
static int
tell_line(struct login *login, const char *line)
{
	struct link *l = login->l;
	char *seen = str_quote(line);
	int may = *seen == '\0' || link_may_show(l);

	if (*seen != '\0' && may)
		link_tell(l, 0, "it says \"%s\"", seen);
	free(seen);
	return may;
}

/* Shows lines that the server says, as long as they may be. */
void
auth_tell(struct login *login, const char *lines)
{
	char *copy, *rest, *line;

	copy = rest = xstrdup(lines);
	while ((line = strsep(&rest, "\r\n")) != NULL &&
	    tell_line(login, line))
		;
	free(copy);
}

/* From now on the server has its LoginTimeout to say something. */
void
auth_renew(struct login *login)
{
	login->heard = link_received(login->l);
	login->since = now();
	chain_limit(login->c, login->l, login->l->hop->logintimeout);
}

/*
 * The login is the server's time, as with ssh: it may wait for a telephone, or
 * for a page to be visited.  Whatever comes meanwhile shows that it is alive;
 * but that counts at most four times in a LoginTimeout, and not for ever.
 */
static void
mind_time(struct login *login)
{
	const struct link *l = login->l;

	if (link_received(l) == login->heard ||
	    login->renewals >= RENEWALS_MAX ||
	    now() < login->since + (uint64_t)l->hop->logintimeout * 250)
		return;
	login->renewals++;
	auth_renew(login);
}

/*
 * A login that is not over a second after its banner may wait for what that
 * asks of a person.  Returns when to look again, or 0.
 */
static uint64_t
mind_banner(struct login *login)
{
	char *text;

	if (login->banner_shown || (text = ssh_get_issue_banner(
	    login->l->session)) == NULL)
		return 0;
	if (login->banner_came == 0)
		login->banner_came = now();
	if (now() >= login->banner_came + BANNER_WAIT) {
		login->banner_shown = 1;
		auth_tell(login, text);
	}
	ssh_string_free_char(text);
	return login->banner_shown ? 0 : login->banner_came + BANNER_WAIT;
}

/*
 * Waits once between two calls of a non-blocking ssh_userauth_*(): turns the
 * chain, and sees what libssh does not, that the session has gone, before the
 * turn as well, since the call itself may have read the end.  Returns 0 to
 * call again, or -1.
 */
int
auth_again(struct login *login)
{
	if (auth_over(login->l))
		return -1;
	mind_time(login);
	login->status = chain_wait(login->c, NULL, 0, mind_banner(login));
	return login->status == OK && !auth_over(login->l) ? 0 : -1;
}

/*
 * As auth_again(), but without waiting: for the loops in which each answer may
 * be there before it is asked for, so that no time-out would ever be seen.
 */
int
auth_look(struct login *login)
{
	if (auth_over(login->l))
		return -1;
	mind_time(login);
	login->status = chain_wait(login->c, NULL, 0, now());
	return login->status == OK && !auth_over(login->l) ? 0 : -1;
}

/*
 * Returns what a return code of ssh_userauth_*() means.  An error while the
 * session is alive is about one key alone, as where an agent would not sign.
 */
enum result
auth_judge(struct login *login, int rc)
{
	if (login->status != OK || auth_over(login->l))
		return AUTH_LOST;
	if (rc == SSH_AUTH_SUCCESS)
		return AUTH_SUCCESS;
	return rc == SSH_AUTH_PARTIAL ? AUTH_PARTIAL : AUTH_FAILURE;
}

/*
 * Notes, once, why a key is of no use, for -v and for the line about a login
 * that has failed.
 */
void
auth_ignore(struct login *login, const char *name, const char *why)
{
	char *s;

	s = xasprintf("%s %s", name, why);
	if (login->passed_over == NULL ||
	    strstr(login->passed_over, s) == NULL) {
		link_tell(login->l, 1, "%s", s);
		str_append(&login->passed_over, ", ", s);
	}
	free(s);
}

/*
 * Asks what the server takes, where no refusal has told yet (RFC 4252, 5.2).
 */
enum result
auth_learn(struct login *login)
{
	int rc;

	while ((rc = ssh_userauth_none(login->l->session,
	    login->l->hop->user)) == SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	login->listed = 1;
	login->unnamed = rc == SSH_AUTH_DENIED && libssh_named_none(login->l);
	if (rc == SSH_AUTH_SUCCESS)
		link_note(login->l, "none");
	return auth_judge(login, rc);
}

/*
 * Does the server take the method that bit stands for, as far as it has told?
 * One that has named nothing at all may take anything, as for ssh.
 */
int
auth_takes(const struct login *login, int bit)
{
	int list = ssh_userauth_list(login->l->session, NULL);

	return !login->listed || (list == 0 && login->unnamed) ||
	    (list & bit) != 0;
}

/*
 * Would ssh still try something else before anybody is asked?  A server that has
 * not told what it takes is asked that.
 */
static int
ssh_first(struct login *login)
{
	if (!hostbased_wanted(login))
		return 0;
	if (!login->listed)
		login->let_in = auth_learn(login) == AUTH_SUCCESS;
	return login->status != OK || login->let_in ||
	    hostbased_offered(login);
}

/*
 * Asks the person; returns 0, -1 for no answer, and sets login->status.  Nobody
 * is asked where ssh would still try something else.
 */
int
auth_ask(struct login *login, const char *text, int echo, char *answer)
{
	int got;

	if (ssh_first(login))
		return -1;
	if (!prompt_possible(login->l->hop)) {
		login->mute = 1;
		return -1;
	}
	login->status = prompt(login->c, login->l, text,
	    echo ? PROMPT_ECHO : 0, answer, &got);
	return login->status == OK && got ? 0 : -1;
}
