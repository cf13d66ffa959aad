/*
 * Host certificates (PROTOCOL.certkeys of OpenSSH): what one says, and whether
 * that makes a host the one that was meant.  That its CA has signed it is for
 * ssh-keygen to say.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trust/cert.h"
#include "wire/run.h"

#define CERT_HOST	2	/* SSH_CERT_TYPE_HOST */
#define MAX_CERT	8192	/* bytes of one that is asked about */

/* As ssh has them where nobody says. */
static const char signatures[] = "ssh-ed25519,ecdsa-sha2-nistp256,"
    "ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,"
    "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/* Is all of list strings? */
static int
is_list(struct piece list)
{
	struct piece s;

	while (list.len > 0)
		if (piece_string(&list, &s) == -1)
			return 0;
	return 1;
}

/*
 * Sets cert to what the certificate pub says; pub must outlive it.  Returns 0
 * and cert_free() must follow, or -1 if that is no certificate, or none that is
 * understood to its end.
 */
int
cert_parse(struct cert *cert, const struct pub *pub)
{
	struct piece rest = pub->rest, s, ca, signature;

	memset(cert, 0, sizeof(*cert));
	cert->pub = pub;
	if (!pub->cert || pub->len > MAX_CERT ||
	    piece_u64(&rest, &cert->serial) == -1 ||
	    piece_u32(&rest, &cert->type) == -1 ||
	    piece_string(&rest, &cert->id) == -1 ||
	    piece_string(&rest, &cert->principals) == -1 ||
	    piece_u64(&rest, &cert->after) == -1 ||
	    piece_u64(&rest, &cert->before) == -1 ||
	    piece_string(&rest, &cert->critical) == -1 ||
	    piece_string(&rest, &s) == -1 ||	/* extensions */
	    piece_string(&rest, &s) == -1 ||	/* reserved */
	    piece_string(&rest, &ca) == -1 ||
	    piece_string(&rest, &signature) == -1 || rest.len != 0 ||
	    piece_string(&signature, &cert->signed_with) == -1 ||
	    !is_list(cert->principals))
		return -1;
	if (pub_parse(&cert->ca, ca.p, ca.len) == -1)
		return -1;
	if (!cert->ca.cert)
		return 0;
	cert_free(cert);
	return -1;
}

/* Frees what cert_parse() has made. */
void
cert_free(struct cert *cert)
{
	pub_free(&cert->ca);
	memset(cert, 0, sizeof(*cert));
}

/* Does name match the pattern, in which * and ? are what they are for a shell? */
static int
matches(const char *name, const unsigned char *pattern, size_t len)
{
	const unsigned char *star = NULL;
	size_t star_len = 0;
	const char *from = name;

	while (*name != '\0') {
		if (len > 0 && *pattern == '*') {
			star = ++pattern;
			star_len = --len;
			from = name;
		} else if (len > 0 && (*pattern == '?' ||
		    *pattern == (unsigned char)*name)) {
			pattern++;
			len--;
			name++;
		} else if (star != NULL) {
			pattern = star;
			len = star_len;
			name = ++from;
		} else
			return 0;
	}
	while (len > 0 && *pattern == '*') {
		pattern++;
		len--;
	}
	return len == 0;
}

/* The principal that matches name, or nothing at NULL. */
static struct piece
principal(const struct cert *cert, const char *name)
{
	struct piece list = cert->principals, s;

	while (list.len > 0 && piece_string(&list, &s) == 0)
		if (memchr(s.p, '\0', s.len) == NULL &&
		    matches(name, s.p, s.len))
			return s;
	return (struct piece){ NULL, 0 };
}

static int
signature_allowed(const struct cert *cert, const char *list)
{
	char *all, *rest, *name;
	int found = 0;

	all = rest = xstrdup(list == NULL ? signatures : list);
	while (!found && (name = strsep(&rest, ",")) != NULL)
		found = piece_is(&cert->signed_with, name);
	free(all);
	return found;
}

/*
 * Is cert for the host name at the time t, by all that it says itself?  list is
 * CASignatureAlgorithms, or NULL.  Returns NULL, or what OpenSSH says of it.
 */
const char *
cert_wrong(const struct cert *cert, const char *name, const char *list,
    uint64_t t)
{
	if (cert->type != CERT_HOST)
		return "Certificate invalid: not a host certificate";
	if (t < cert->after)
		return "Certificate invalid: not yet valid";
	if (t >= cert->before)
		return "Certificate invalid: expired";
	if (cert->principals.len == 0)
		return "Certificate lacks principal list";
	if (principal(cert, name).p == NULL)
		return "Certificate invalid: name is not a listed principal";
	if (cert->critical.len != 0)
		return "Certificate contains unsupported critical options";
	if (!signature_allowed(cert, list))
		return "Certificate signed with disallowed algorithm";
	return NULL;
}

static char *
until(uint64_t t)
{
	char text[sizeof("2000-01-01T00:00:00")];
	struct tm tm;
	time_t when = t;

	if (t >= INT64_MAX || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return xstrdup("for ever");
	return xasprintf("until %s", text);
}

/*
 * Returns what proves the host name: CA, principal and time.  The caller frees
 * it.
 */
char *
cert_proof(const struct cert *cert, const char *name)
{
	struct piece p = principal(cert, name);
	char *ca = pub_fingerprint(&cert->ca), *end = until(cert->before);
	char *which = xstrndup((const char *)p.p, p.len);
	char *seen = str_visible(which), *text;

	text = xasprintf("certificate of CA %s, principal %s, %s", ca, seen,
	    end);
	free(seen);
	free(which);
	free(end);
	free(ca);
	return text;
}

/*
 * Has cert's CA signed it?  Returns OK, and in *why NULL or what ssh-keygen
 * says, which the caller frees; or another status if the chain has failed.
 */
int
cert_signed(struct chain *c, const struct cert *cert, char **why)
{
	char *argv[] = { "ssh-keygen", "-L", "-f", "-", NULL };
	char *text = pub_text(cert->pub), *in = xasprintf("%s\n", text);
	struct run r;
	int status;

	*why = NULL;
	status = run_program(c, argv, in, &r);
	if (r.exit != 0)
		*why = xstrdup(r.how);
	run_free(&r);
	free(in);
	free(text);
	return status;
}
