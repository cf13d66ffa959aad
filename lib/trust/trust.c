/*
 * Is this the host that was meant?  The decision about a host's key.
 */

#include <stdlib.h>
#include <string.h>

#include "trust/local.h"
#include "wire/key.h"

/* Returns what decides on the key of l's hop; trust_free() must follow. */
struct trust *
trust_new(struct chain *c, struct link *l)
{
	struct trust *t = xcalloc(1, sizeof(*t));

	t->c = c;
	t->l = l;
	return t;
}

/*
 * Reads what the files of the hop say of it, for trust_algorithms() and
 * trust_check(); to be done while its server is being waited for.  Returns OK,
 * or another status after noting what has failed.
 */
int
trust_read(struct trust *t)
{
	int status;

	lookup_read(t);
	/* as ssh: for the order of the algorithms alone, and without a port */
	known_free(&t->known[2]);
	t->known[2].name = xstrdup(t->l->hop->hostname);
	status = lookup_command(t, "ORDER", NULL, &t->known[2]);
	prove_prepare(t);
	return status;
}

/* Forgets what trust_read() has read; the certificates stay. */
static void
forget_lines(struct trust *t)
{
	known_free(&t->known[0]);
	known_free(&t->known[1]);
	known_free(&t->known[2]);
}

/* Adds the key to the known hosts; it is used even if that cannot be done. */
static void
accept_new(struct trust *t)
{
	const struct link *l = t->l;
	const char *why, *file = l->hop->userknownhostsfile.v[0];
	char *text;

	text = lookup_describe(t->found.key);
	if ((why = record_key(l->hop, t->found.key)) != NULL)
		link_tell(l, 0, "cannot add its %s to %s: %s", text, file,
		    why);
	else
		link_tell(l, 1, "Permanently added its %s to %s", text, file);
	free(text);
}

/* Notes the key and where it is known. */
static void
note_key(struct trust *t)
{
	const struct place *known = &t->found.known;
	char *text = lookup_describe(t->found.key);

	link_note(t->l, "%s%s%s", text, known->file == NULL ? ", accepted" :
	    " in ", known->file == NULL ? "" : known->line);
	free(text);
}

/* No line has this key: the mode decides, or a person. */
static int
unknown(struct trust *t, enum verdict *verdict)
{
	const struct hop *hop = t->l->hop;
	int kept = hop->userknownhostsfile.n > 0;
	char *name;

	if (kept && t->found.other.file == NULL && strict_lax(hop)) {
		accept_new(t);
		note_key(t);
		return OK;
	}
	t->unknown = refuse_unknown(t);
	/* as ssh: where no key can be added, no new one is taken */
	if (!kept)
		return refuse_unkept(t);
	if (hop->stricthostkeychecking != NULL && !strict_is(hop, "ask"))
		return refuse_unasked(t);
	name = known_name(hop, 1);
	t->question = xasprintf("The authenticity of host '%s' can't be "
	    "established: %s. Are you sure you want to continue connecting "
	    "(yes/no/[fingerprint])? ", name, t->unknown);
	free(name);
	*verdict = TRUST_ASK;
	return OK;
}

/*
 * Is the key in RevokedHostKeys?  Returns OK, or another status after noting
 * that it is, or that nobody can know.
 */
static int
check_revoked(struct trust *t)
{
	const struct hop *hop = t->l->hop;
	struct pub pub;
	char *text, *why;
	int found, status;

	if (pub_of(&pub, t->found.key) == -1)
		return fail(t->c, t->l, GIVEUP, "its host key has a form that "
		    "cannot be compared");
	status = revoked_check(t->c, hop, &pub, NULL, &found, &why);
	pub_free(&pub);
	text = lookup_describe(t->found.key);
	if (status == OK && found == 1)
		status = fail(t->c, t->l, GIVEUP, "the host key is revoked: "
		    "%s: %s; ask who runs %s", text, why, hop->name);
	else if (status == OK && found == -1)
		status = fail(t->c, t->l, GIVEUP, "RevokedHostKeys %s; nobody "
		    "can know whether it holds %s", why, text);
	free(text);
	free(why);
	return status;
}

/*
 * NoHostAuthenticationForLocalhost: whatever answers on the loopback address is
 * good.  As with ssh, only where we have dialled it ourselves.
 */
static int
is_exempt(const struct link *l)
{
	char *address;
	int local;

	if (l->hop->nohostauthenticationforlocalhost != 1 ||
	    (address = lookup_address(l)) == NULL)
		return 0;
	local = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
	free(address);
	return local;
}

/* Is a certificate of t's key wanted, and not the key alone? */
static int
is_to_be_proved(const struct trust *t)
{
	return prove_only(t->l->hop,
	    ssh_key_type_to_char(ssh_key_type(t->found.key)));
}

/*
 * The files do not have t's key, or it is not enough.  Returns OK and what the
 * certificates prove, or another status after noting why it cannot be the host.
 */
static int
by_certificate(struct trust *t, enum proved *proved)
{
	char *text, *why;
	int status;

	if ((status = prove(t, proved, &why)) != OK || *proved == TO_FETCH)
		;
	else if (*proved == PROVED) {
		text = lookup_describe(t->found.key);
		link_note(t->l, "%s, %s", text, why);
		free(text);
	} else if (*proved == DISPROVED)
		status = fail(t->c, t->l, GIVEUP, "%s; ask who runs %s", why,
		    t->l->hop->name);
	else if (is_to_be_proved(t))
		status = fail(t->c, t->l, GIVEUP, "HostKeyAlgorithms wants a "
		    "certificate, and none proves its key%s%s",
		    why == NULL ? "" : ": ", why == NULL ? "" : why);
	else {
		free(t->found.unproved);
		t->found.unproved = why;
		why = NULL;
	}
	free(why);
	return status;
}

/* What the lines that were found mean for t's key. */
static int
judge_lines(struct trust *t, enum verdict *verdict)
{
	const struct lookup *found = &t->found;
	enum proved proved;
	int status;

	if (found->revoked.file != NULL)
		return fail(t->c, t->l, GIVEUP, "the host key is revoked: "
		    "%s is @revoked in %s; ask who runs %s",
		    found->revoked.key, found->revoked.line, t->l->hop->name);
	if (found->known.file == NULL || is_to_be_proved(t)) {
		status = by_certificate(t, &proved);
		if (status != OK || proved == PROVED)
			return status;
		if (proved == TO_FETCH) {
			*verdict = TRUST_FETCH;
			return OK;
		}
	}
	if (found->changed.file != NULL && found->known.file == NULL)
		return refuse_changed(t);
	if (found->known.file == NULL)
		return unknown(t, verdict);
	note_key(t);
	return OK;
}

static int
decide(struct trust *t, enum verdict *verdict)
{
	int status;

	if ((status = check_revoked(t)) != OK)
		return status;
	if (is_exempt(t->l)) {
		link_note(t->l, "not checked: "
		    "NoHostAuthenticationForLocalhost");
		return OK;
	}
	if ((status = lookup_key(t)) != OK)
		return status;
	return judge_lines(t, verdict);
}

/*
 * Decides whether the key that the hop's server has proved to own is its own.
 * Nothing may be sent to the server before that.  Returns OK and a verdict:
 * TRUSTED; TRUST_ASK: trust_question() is to be put to a person, and the answer
 * to trust_answer(); TRUST_FETCH: trust_fetch() over another connection, then
 * this for a session that is begun anew.  Or returns another status after
 * noting why the key is not accepted.
 */
int
trust_check(struct trust *t, enum verdict *verdict)
{
	int status;

	*verdict = TRUSTED;
	link_stage(t->l, STAGE_HOSTKEY);
	if (ssh_get_server_publickey(t->l->session, &t->found.key) != SSH_OK)
		return fail(t->c, t->l, GIVEUP, "it has shown no host key");
	link_pin(t->l, t->found.key);	/* l's; it must stay the same */
	status = decide(t, verdict);
	forget_lines(t);
	if (*verdict != TRUST_ASK)
		lookup_free(&t->found);
	return status;
}

/* Returns what a person is to be asked about the key. */
const char *
trust_question(const struct trust *t)
{
	return t->question;
}

/* What an answer means, as ssh takes it: 1 yes, 0 no, -1 neither. */
static int
meaning(const char *answer, const char *print)
{
	char *text = xstrdup(answer + strspn(answer, " \t"));
	int yes = -1;

	text[strcspn(text, " \t")] = '\0';
	if (*text == '\0' || strcasecmp(text, "no") == 0)
		yes = 0;
	else if (strcasecmp(text, "yes") == 0 || strcmp(text, print) == 0)
		yes = 1;
	free(text);
	return yes;
}

/* Notes why a key is not accepted that a person was to be asked about. */
static int
not_accepted(struct trust *t, int refused)
{
	if (link_gone(t->l))
		return fail(t->c, t->l, RETRY, "connection closed while its "
		    "host key was in question; answer it before its "
		    "LoginGraceTime is over");
	if (!refused)
		return refuse_unasked(t);
	return fail(t->c, t->l, GIVEUP, "Host key verification failed: %s, "
	    "and the answer was no; ask who runs %s for the fingerprint of its "
	    "key", t->unknown, t->l->hop->name);
}

/*
 * Takes a person's answer, NULL if there is none.  Returns OK with the verdict
 * TRUSTED, or TRUST_ASK if it means neither yes nor no, or another status after
 * noting that the key is not accepted.
 */
int
trust_answer(struct trust *t, const char *answer, enum verdict *verdict)
{
	char *print = key_fingerprint(t->found.key);
	int yes = answer == NULL ? 0 : meaning(answer, print);

	free(print);
	free(t->question);
	t->question = NULL;
	*verdict = TRUSTED;
	if (yes == 0)
		return not_accepted(t, answer != NULL);
	if (yes == 1) {
		accept_new(t);
		note_key(t);
	} else {
		t->question = xstrdup("Please type 'yes', 'no' or the "
		    "fingerprint: ");
		*verdict = TRUST_ASK;
	}
	return OK;
}

/* Is t's key not accepted for no other reason than that nobody knows it? */
int
trust_unknown(const struct trust *t)
{
	return t->unknown != NULL;
}

/* Is a key without a marker among those? */
static int
has_key(const struct knowns *knowns)
{
	size_t i;

	for (i = 0; i < knowns->n; i++)
		if (knowns->v[i].marker == MARKER_NONE)
			return 1;
	return 0;
}

/*
 * Leaves in *mode the StrictHostKeyChecking with which ssh takes no key of the
 * hop that we would refuse: another one than is known, or, unless a person says
 * so, one of another type.  NULL: the one that is set.  Returns OK, or another
 * status after noting what has failed.
 */
int
trust_strictness(struct trust *t, const char **mode)
{
	int status;

	*mode = NULL;
	if (!strict_lax(t->l->hop))
		return OK;
	if ((status = trust_read(t)) != OK)
		return status;
	*mode = has_key(&t->known[0]) || has_key(&t->known[2]) ? "yes" :
	    "accept-new";
	return OK;
}

/* Frees what the decision stood on. */
void
trust_free(struct trust *t)
{
	forget_lines(t);
	lookup_free(&t->found);
	prove_forget(t);
	free(t->question);
	free(t->unknown);
	free(t);
}
