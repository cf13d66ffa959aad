/*
 * User authentication: the methods of RFC 4252 in the order that
 * PreferredAuthentications or ssh itself has, until the server wants no more.
 */

#include <stdlib.h>
#include <string.h>

#include "login/local.h"
#include "wire/libssh.h"

#define DEFAULT_ORDER	"gssapi-with-mic,publickey,keyboard-interactive," \
			"password"
#define PARTS_MAX	32	/* methods that are taken, one after another */

typedef enum result (*method_fn)(struct login *);

static const struct method {
	const char	*name;
	int		 bit;		/* as ssh_userauth_list() has it */
	method_fn	 try;		/* NULL: libssh or we cannot */
} methods[] = {
	{ "publickey", SSH_AUTH_METHOD_PUBLICKEY, pubkey_login },
	{ "keyboard-interactive", SSH_AUTH_METHOD_INTERACTIVE, typed_kbdint },
	{ "password", SSH_AUTH_METHOD_PASSWORD, typed_password },
	{ "hostbased", SSH_AUTH_METHOD_HOSTBASED, NULL },
	{ "gssapi-with-mic", SSH_AUTH_METHOD_GSSAPI_MIC, gssapi_login },
	{ NULL, 0, NULL }
};

static int
is_off(const char *value)
{
	return value != NULL && (strcmp(value, "no") == 0 ||
	    strcmp(value, "false") == 0);
}

/* Is the method one that the configuration lets us use? */
static int
allowed(struct login *login, const struct method *m)
{
	const struct hop *hop = login->l->hop;
	int wanted;

	if (m->try == NULL)
		return 0;
	if (m->bit == SSH_AUTH_METHOD_GSSAPI_MIC)
		return gssapi_possible(login);
	if (m->bit == SSH_AUTH_METHOD_PUBLICKEY)
		return !is_off(hop->pubkeyauthentication);
	wanted = m->bit == SSH_AUTH_METHOD_INTERACTIVE ?
	    hop->kbdinteractiveauthentication : hop->passwordauthentication;
	/* as ssh: a request without an answer is a try, too */
	if (wanted != 0 && hop->batchmode == 1 && login->listed)
		login->mute = 1;
	return wanted != 0 && hop->batchmode != 1;
}

static const struct method *
by_name(const char *name)
{
	const struct method *m;

	for (m = methods; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

/* The next method in order that is not used up and that the server takes. */
static const struct method *
next_method(struct login *login)
{
	const char *order = login->l->hop->preferredauthentications;
	const struct method *m, *next = NULL;
	char *copy, *rest, *name;

	copy = rest = xstrdup(order == NULL ? DEFAULT_ORDER : order);
	while (next == NULL && (name = strsep(&rest, ",")) != NULL)
		if ((m = by_name(name)) != NULL && !(login->used & m->bit) &&
		    auth_takes(login, m->bit) && allowed(login, m))
			next = m;
	free(copy);
	return next;
}

/*
 * Has the server to be asked what it takes before m, the next method, is tried?
 * A person is not to be asked for a password that nobody wants.  ssh asks each
 * server; some take "none" and nothing else, or hang up at a key.  OpenSSH's do
 * not: there a round trip is saved.
 */
static int
must_learn(const struct login *login, const struct method *m)
{
	const char *version = ssh_get_serverbanner(login->l->session);

	if (login->listed)
		return 0;
	return m == NULL || m->bit != SSH_AUTH_METHOD_PUBLICKEY ||
	    version == NULL || strncmp(version, "SSH-2.0-OpenSSH_", 16) != 0;
}

/* Notes a method that the server has taken, with the key if it was one. */
static void
note_method(struct login *login, const struct method *m)
{
	const char *key;
	char *s;

	key = m->bit == SSH_AUTH_METHOD_PUBLICKEY ? login->last :
	    m->bit == SSH_AUTH_METHOD_GSSAPI_MIC ? login->principal : NULL;
	s = xasprintf("%s%s%s", m->name, key == NULL ? "" : " ",
	    key == NULL ? "" : key);
	str_append(&login->how, ", then ", s);
	link_note(login->l, "%s", login->how);
	free(s);
}

/* Is it a method that a person has to answer? */
static int
asks(const struct method *m)
{
	return m->bit == SSH_AUTH_METHOD_INTERACTIVE ||
	    m->bit == SSH_AUTH_METHOD_PASSWORD;
}

static enum result
try_methods(struct login *login)
{
	const struct method *m;
	enum result result;

	while (auth_look(login) == 0) {
		m = next_method(login);
		if (login->status != OK)
			break;
		if (must_learn(login, m)) {
			result = auth_learn(login);
			if (result == AUTH_SUCCESS || result == AUTH_LOST)
				return result;
			continue;
		}
		if (m == NULL || (asks(m) && hostbased_offered(login)))
			return AUTH_FAILURE;
		login->trying = m->bit;
		result = m->try(login);
		if (login->let_in)
			return AUTH_SUCCESS;
		if (result == AUTH_FAILURE && auth_over(login->l))
			result = AUTH_LOST;
		if (result == AUTH_SUCCESS || result == AUTH_PARTIAL)
			note_method(login, m);
		if (result == AUTH_SUCCESS || result == AUTH_LOST)
			return result;
		login->used |= m->bit;
		if (result == AUTH_PARTIAL && ++login->partial < PARTS_MAX) {
			login->used = 0;
			identity_partial(login);
		}
	}
	return AUTH_LOST;
}

/* The methods that the server would still take, as it named them. */
static char *
still_taken(const struct login *login)
{
	int taken = ssh_userauth_list(login->l->session, NULL);
	const struct method *m;
	char *list = NULL;

	for (m = methods; m->name != NULL; m++)
		if (taken & m->bit)
			str_append(&list, ",", m->name);
	return list == NULL ? xstrdup("nothing more") : list;
}

static void
add_wrong(char **s, const char *method, int n)
{
	char *text;

	if (n == 0)
		return;
	text = n == 1 ? xasprintf("%s was refused", method) :
	    xasprintf("%s was refused, %d times", method, n);
	str_append(s, "; ", text);
	free(text);
}

/* Returns what was refused and what was not offered, for the failure's line. */
static char *
account(const struct login *login)
{
	char *s = NULL, *offered;

	add_wrong(&s, "password", login->wrong_passwords);
	add_wrong(&s, "keyboard-interactive", login->wrong_answers);
	if (login->offered != NULL) {
		offered = xasprintf("offered %s", login->offered);
		str_append(&s, "; ", offered);
		free(offered);
	}
	if (login->hung_up != NULL) {
		str_append(&s, "; ", "on the first of two connections: ");
		str_append(&s, "", login->hung_up);
	}
	if (login->passed_over != NULL)
		str_append(&s, "; ", login->passed_over);
	if (login->no_ticket != NULL && (ssh_userauth_list(login->l->session,
	    NULL) & SSH_AUTH_METHOD_GSSAPI_MIC)) {
		str_append(&s, "; ", "no Kerberos ticket (kinit): ");
		str_append(&s, "", login->no_ticket);
	}
	if (login->mute)
		str_append(&s, "; ", login->l->hop->batchmode == 1 ?
		    "BatchMode: nobody is asked" : "nobody to ask");
	return s == NULL ? xstrdup("no key to offer") : s;
}

/* Returns the beginning of the server's banner (RFC 4252, 5.4), or NULL. */
static char *
banner(const struct link *l)
{
	char *text, *seen;

	if ((text = ssh_get_issue_banner(l->session)) == NULL)
		return NULL;
	seen = str_quote(text);
	ssh_string_free_char(text);
	return seen;
}

/* Returns what may help: about what was typed, if that was refused, or keys. */
static const char *
advice(const struct login *login)
{
	if (login->wrong_passwords > 0)
		return "check the password, and User";
	if (login->wrong_answers > 0)
		return "check what was typed, and User";
	return "check User, IdentityFile and PreferredAuthentications";
}

/* The session has ended during the login; *denied as in auth(). */
static int
cut_off(struct login *login, const char *keys, int *denied)
{
	struct link *l = login->l;
	char *reason = libssh_reason(l);
	int status = RETRY;

	/* a second key is offered once the first was refused */
	*denied = login->noffered > 1 || login->returned ||
	    login->wrong_passwords > 0 || login->wrong_answers > 0;
	if (login->trying == SSH_AUTH_METHOD_PASSWORD &&
	    libssh_must_change(l))
		status = fail(login->c, l, GIVEUP, "the password of %s has to "
		    "be changed first; do that with ssh", l->hop->user);
	else if (strstr(reason, "oo many") != NULL)	/* failures: sshd(8) */
		status = fail(login->c, l, GIVEUP, "%s, logging in as %s "
		    "(%s); %s", reason, l->hop->user, keys,
		    login->trying == SSH_AUTH_METHOD_PUBLICKEY ?
		    "name the right key with IdentityFile and IdentitiesOnly" :
		    advice(login));
	else
		(void)fail(login->c, l, status, "%s, logging in as %s (%s); "
		    "the log of sshd there knows why", reason, l->hop->user,
		    keys);
	free(reason);
	return status;
}

/* Notes why a login has failed; *denied as in auth().  Returns a status. */
static int
refused(struct login *login, int *denied)
{
	struct link *l = login->l;
	char *keys = account(login), *taken, *says;
	int status = GIVEUP;

	if (auth_over(l)) {
		status = cut_off(login, keys, denied);
		free(keys);
		return status;
	}
	taken = still_taken(login);
	says = banner(l);
	(void)fail(login->c, l, status, "%s %s: %s; it %s %s%s%s%s; %s",
	    login->partial ? "Permission denied after partial success for" :
	    "Permission denied for",
	    l->hop->user, keys, login->partial ? "also wants" : "takes",
	    taken, says == NULL ? "" : "; it says \"",
	    says == NULL ? "" : says, says == NULL ? "" : "\"",
	    advice(login));
	free(says);
	free(taken);
	free(keys);
	return status;
}

/*
 * Begins a login to l's hop, which the caller ends with auth_free().
 */
struct login *
auth_new(struct chain *c, struct link *l)
{
	struct login *login = xcalloc(1, sizeof(*login));

	login->c = c;
	login->l = l;
	login->keep_passphrases = addkey_wanted(login);
	TAILQ_INIT(&login->identities);
	return login;
}

/*
 * Logs in to the hop, whose host key has been checked.  Returns OK, or
 * another status after noting why not; auth_returns() may then have more to
 * try.  If the session has ended meanwhile, *denied is set to whether the server
 * had refused a key or an answer by then.
 */
int
auth(struct login *login, int *denied)
{
	struct link *l = login->l;
	enum result result;
	char *says;
	int status;

	link_stage(l, STAGE_AUTH);
	login->agentfd = -1;	/* that of an earlier session is closed */
	free(login->credential.key);
	memset(&login->credential, 0, sizeof(login->credential));
	auth_renew(login);
	result = try_methods(login);
	status = login->status;
	if ((says = banner(l)) != NULL && say_level() >= 1 && link_may_show(l))
		link_tell(l, 1, "it says \"%s\"", says);
	free(says);
	if (status == OK && result != AUTH_SUCCESS)
		status = refused(login, denied);
	return status;
}

/*
 * A login has failed.  Has the server hung up after refusing keys, and are
 * there others that it has not seen?  If so, and it is the first time, auth()
 * is to be called again once there is a new session with the hop.
 */
int
auth_returns(struct login *login)
{
	if (login->returned || login->status != OK ||
	    login->trying != SSH_AUTH_METHOD_PUBLICKEY ||
	    login->noffered == 0 || !auth_over(login->l) ||
	    link_breach(login->l) != NULL || !identity_left(login))
		return 0;
	login->hung_up = libssh_reason(login->l);
	identity_return(login);
	if (login->partial)
		login->gssapi_done = 0;
	login->used = login->listed = login->partial = login->trying = 0;
	login->banner_came = 0;
	free(login->how);
	login->how = NULL;
	return 1;
}

/*
 * A login has failed.  Is there something that ssh could still do?  Returns what,
 * for a message, which the caller frees, or NULL.
 */
char *
auth_lacking(const struct login *login)
{
	if (login->status != OK || link_breach(login->l) != NULL)
		return NULL;
	if (login->trying == SSH_AUTH_METHOD_PASSWORD &&
	    libssh_must_change(login->l))
		return xstrdup("the password has to be changed");
	return !hostbased_offered(login) ? NULL :
	    xstrdup("it takes hostbased, which libssh lacks");
}

/*
 * auth() has returned OK: leaves in *used, in place of what it held, the key
 * that has logged us in.  The caller frees used->key.
 */
void
auth_credential(struct login *login, struct credential *used)
{
	free(used->key);
	*used = login->credential;
	login->credential.key = NULL;
}

/* Ends a login, and forgets its keys. */
void
auth_free(struct login *login)
{
	identity_free(login);
	free(login->offered);
	free(login->passed_over);
	free(login->last);
	free(login->hung_up);
	free(login->principal);
	free(login->no_ticket);
	free(login->how);
	free(login->credential.key);
	free(login);
}
