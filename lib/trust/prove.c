/*
 * @cert-authority: does a certificate prove that the key that signed our
 * exchange hash is the host's?  It is the same proof as ssh's, wherever the
 * certificate comes from.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trust/local.h"

#define TRIES	2	/* to fetch one; behind one name may be several hosts */
#define NONE_TIME	(24 * 60 * 60)	/* s that a host is left alone */
#define CERT	"-cert-v01@openssh.com"

/* What is asked for where no ssh says what its default is. */
static const char default_types[] = "ssh-ed25519" CERT ",ecdsa-sha2-nistp256"
    CERT ",ecdsa-sha2-nistp384" CERT ",ecdsa-sha2-nistp521" CERT
    ",rsa-sha2-512" CERT ",rsa-sha2-256" CERT;

/* The name that principals are compared with: without a port, as ssh has it. */
static char *
principal_name(const struct hop *hop)
{
	return known_name(hop, 0);
}

static int
has_marker(const struct trust *t, enum marker marker, const struct pub *pub)
{
	const struct knowns *k;
	struct pub other;
	size_t i;
	int found = 0;

	for (k = t->known; k < t->known + 3; k++)
		for (i = 0; !found && i < k->n; i++) {
			if (k->v[i].marker != marker)
				continue;
			found = pub == NULL;
			if (pub == NULL || pub_of(&other, k->v[i].key) == -1)
				continue;
			found = pub_same(&other, pub);
			pub_free(&other);
		}
	return found;
}

/*
 * The files have been read: if they know a CA for the hop of t, reads the
 * certificates that it has shown before.  prove_forget() must follow.
 */
void
prove_prepare(struct trust *t)
{
	char *types;

	if (!has_marker(t, MARKER_CA, NULL) ||
	    (types = prove_types(t->l->hop)) == NULL)
		return;
	free(types);
	if (t->proof == NULL) {
		t->proof = xcalloc(1, sizeof(*t->proof));
		t->proof->lock = -1;
	}
	prove_read(t);
}

/* Reads the certificates of the hop again: others may have added some. */
void
prove_read(struct trust *t)
{
	char *name = known_name(t->l->hop, 1);

	certs_free(&t->proof->cached);
	certs_read(&t->proof->cached, name);
	free(name);
}

/* Frees what the hop has been proved with. */
void
prove_forget(struct trust *t)
{
	struct proof *p = t->proof;

	if (p == NULL)
		return;
	certs_free(&p->cached);
	certs_free(&p->fetched);
	free(p->why);
	if (p->lock != -1)
		close(p->lock);
	free(p);
	t->proof = NULL;
}

static int
of_type(const struct certs *certs, const char *type)
{
	size_t i, n = strlen(type);

	for (i = 0; i < certs->n; i++)
		if (strncmp(pub_name(&certs->v[i]), type, n) == 0 &&
		    strncmp(pub_name(&certs->v[i]) + n, CERT,
		    strlen(CERT)) == 0)
			return 1;
	return 0;
}

/* Is there a certificate for a key of this type, a plain one? */
int
prove_prefers(const struct trust *t, const char *type)
{
	return t->proof != NULL && (of_type(&t->proof->cached, type) ||
	    of_type(&t->proof->fetched, type));
}

/*
 * Returns the types of certificates that hop's HostKeyAlgorithms has, or NULL if
 * none.  The caller frees it.
 */
char *
prove_types(const struct hop *hop)
{
	char *all, *rest, *name, *types = NULL;

	/* without ssh it may still be one that adds to the default */
	if (hop->hostkeyalgorithms == NULL ||
	    strchr("+-^", *hop->hostkeyalgorithms) != NULL)
		return xstrdup(default_types);
	all = rest = xstrdup(hop->hostkeyalgorithms);
	while ((name = strsep(&rest, ",")) != NULL)
		if (strstr(name, CERT) != NULL &&
		    strncmp(name, "sk-", 3) != 0)
			str_append(&types, ",", name);
	free(all);
	return types;
}

/* Is the name of an algorithm one that a key of this plain type signs with? */
static int
signs_with(const char *type, const char *name)
{
	return strcmp(name, type) == 0 || (strcmp(type, "ssh-rsa") == 0 &&
	    (strcmp(name, "rsa-sha2-256") == 0 ||
	    strcmp(name, "rsa-sha2-512") == 0));
}

/*
 * Does hop's HostKeyAlgorithms have certificates of keys of this plain type, but
 * not such keys alone?
 */
int
prove_only(const struct hop *hop, const char *type)
{
	char *all, *rest, *name, *cert;
	int plain = 0, certs = 0;

	if (hop->hostkeyalgorithms == NULL ||
	    strchr("+-^", *hop->hostkeyalgorithms) != NULL)
		return 0;
	all = rest = xstrdup(hop->hostkeyalgorithms);
	while ((name = strsep(&rest, ",")) != NULL) {
		if ((cert = strstr(name, CERT)) != NULL)
			*cert = '\0';
		if (signs_with(type, name))
			*(cert != NULL ? &certs : &plain) = 1;
	}
	free(all);
	return certs && !plain;
}

/* Is cert one that may prove the hop, if its CA has signed it? */
static int
may_prove(const struct trust *t, const struct pub *pub)
{
	struct cert cert;
	char *name;
	int may;

	if (cert_parse(&cert, pub) == -1)
		return 0;
	name = principal_name(t->l->hop);
	may = has_marker(t, MARKER_CA, &cert.ca) && cert_wrong(&cert, name,
	    t->l->hop->casignaturealgorithms, time(NULL)) == NULL;
	free(name);
	cert_free(&cert);
	return may;
}

/* Is a line there whose key is enough by itself? */
static int
has_plain(const struct trust *t)
{
	const struct knowns *k;
	size_t i;

	for (k = t->known; k < t->known + 2; k++)
		for (i = 0; i < k->n; i++)
			if (k->v[i].marker == MARKER_NONE &&
			    !prove_only(t->l->hop, ssh_key_type_to_char(
			    ssh_key_type(k->v[i].key))))
				return 1;
	return 0;
}

/*
 * Had the host no certificate a while ago, and is its key accepted without one
 * anyway?  It may not be kept anywhere, and then each login would ask again.
 */
static int
had_none(const struct trust *t)
{
	time_t none = t->proof->cached.none, at = time(NULL);

	return strict_lax(t->l->hop) && none <= at && at - none < NONE_TIME;
}

/*
 * By what has been read, can nothing but a certificate prove the hop that it
 * has not shown yet?
 */
int
prove_first(const struct trust *t)
{
	size_t i;

	if (t->proof == NULL || has_plain(t) || had_none(t))
		return 0;
	for (i = 0; i < t->proof->cached.n; i++)
		if (may_prove(t, &t->proof->cached.v[i]))
			return 0;
	return 1;
}

static int
is_revoked(struct trust *t, const struct cert *cert, char **why, int *status)
{
	char *text;
	int found;

	if (has_marker(t, MARKER_REVOKED, &cert->ca)) {
		text = pub_fingerprint(&cert->ca);
		*why = xasprintf("the CA %s is @revoked", text);
		free(text);
		return 1;
	}
	*status = revoked_check(t->c, t->l->hop, cert->pub, &cert->ca, &found,
	    &text);
	if (text != NULL)
		*why = xasprintf("revoked, or not to be known: "
		    "RevokedHostKeys: %s", text);
	free(text);
	return found != 0;
}

/* What one certificate, which is for the right key, proves of the hop. */
static int
weigh(struct trust *t, const struct pub *pub, enum proved *proved, char **why)
{
	struct cert cert;
	const char *wrong;
	char *name;
	int status = OK;

	*proved = UNPROVED;
	if (cert_parse(&cert, pub) == -1) {
		*why = xstrdup("its certificate is not understood");
		return OK;
	}
	name = principal_name(t->l->hop);
	wrong = cert_wrong(&cert, name, t->l->hop->casignaturealgorithms,
	    time(NULL));
	if (is_revoked(t, &cert, why, &status))
		*proved = DISPROVED;
	else if (status == OK && !has_marker(t, MARKER_CA, &cert.ca))
		*why = xstrdup("No matching CA found");
	else if (status == OK && wrong != NULL) {
		*proved = DISPROVED;
		*why = xstrdup(wrong);
	} else if (status == OK && (status = cert_signed(t->c, &cert, why)) ==
	    OK) {
		*proved = *why == NULL ? PROVED : DISPROVED;
		if (*why == NULL)
			*why = cert_proof(&cert, name);
	}
	free(name);
	cert_free(&cert);
	return status;
}

/* The first of certs that proves key, or the last reason why none does. */
static int
weigh_all(struct trust *t, const struct certs *certs, const struct pub *key,
    enum proved *proved, char **why, size_t *which)
{
	size_t i;
	int status = OK;

	for (i = 0; status == OK && *proved != PROVED && i < certs->n; i++) {
		if (!pub_same(&certs->v[i], key))
			continue;
		free(*why);
		*why = NULL;
		status = weigh(t, &certs->v[i], proved, why);
		*which = i;
	}
	return status;
}

/* By the certificates that were fetched now; one that proves it is kept. */
static int
weigh_fetched(struct trust *t, const struct pub *key, enum proved *proved,
    char **why)
{
	const struct certs *fetched = &t->proof->fetched;
	size_t which = 0;
	char *name;
	int status;

	status = weigh_all(t, fetched, key, proved, why, &which);
	if (*proved == PROVED) {
		name = known_name(t->l->hop, 1);
		certs_write(name, &fetched->v[which]);
		free(name);
	} else if (*why == NULL)
		*why = xstrdup("the certificate is for another key");
	return status;
}

/*
 * Is t's key proved by a certificate, shown before or now?  Returns OK, and in
 * *why how, or why not, or NULL; the caller frees it.  TO_FETCH asks for a
 * certificate to be fetched, and for another session.  Returns another status
 * if the chain has failed.
 */
int
prove(struct trust *t, enum proved *proved, char **why)
{
	struct proof *p;
	struct pub key;
	size_t which = 0;
	int status;

	*proved = UNPROVED;
	*why = NULL;
	prove_prepare(t);
	if ((p = t->proof) == NULL || pub_of(&key, t->found.key) == -1)
		return OK;
	status = weigh_all(t, &p->cached, &key, proved, why, &which);
	if (status == OK && *proved != PROVED && p->fetched.n > 0)
		status = weigh_fetched(t, &key, proved, why);
	pub_free(&key);
	if (status == OK && *proved != PROVED && p->tries < TRIES &&
	    (p->why == NULL || p->closed) && !had_none(t) &&
	    (*proved == UNPROVED || p->tries == 0))
		*proved = TO_FETCH;
	else if (*why == NULL && p->why != NULL)
		*why = xstrdup(p->why);
	return status;
}
