/*
 * gssapi-with-mic (RFC 4462, 3).  libssh speaks it, but calls GSS-API from
 * inside its own calls, and libkrb5 waits there for name servers and KDCs as
 * long as they take.  So a child asks first: whether there is a ticket, and
 * then for the one of this host, which stays in the credentials cache, where
 * libssh finds it.  The chain is turned meanwhile.
 *
 * GSS-API is not linked.  It is what libssh has brought with it, if it has, by
 * the C bindings of RFC 2744.
 */

#include <sys/socket.h>

#include <ctype.h>
#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login/local.h"

#define PATIENCE	60000	/* ms; libkrb5 asks each KDC for about 30 s */
#define LONG		5000	/* ms; who waits for longer is told why */
#define CLIENT_KEYTAB	"KRB5_CLIENT_KTNAME"
#define USER_NAME	1	/* the last of a name type's OID */
#define SERVICE_NAME	4
#define C_INITIATE	1	/* RFC 2744, appendix A */
#define C_MUTUAL	2
#define C_INTEG		32
#define C_GSS_CODE	1
#define C_MECH_CODE	2
#define IS_ERROR(major)	(((major) & 0xffff0000U) != 0)
#define IS_EXPIRED(major)	(((major) >> 16 & 0xff) == 11)

struct gss_oid {
	uint32_t	 length;
	void		*elements;
};

struct gss_buffer {
	size_t	 length;
	void	*value;
};

/* What of the library is called. */
static uint32_t	(*import_name)(uint32_t *, struct gss_buffer *,
		    struct gss_oid *, void **);
static uint32_t	(*display_name)(uint32_t *, void *, struct gss_buffer *,
		    struct gss_oid **);
static uint32_t	(*display_status)(uint32_t *, uint32_t, int, struct gss_oid *,
		    uint32_t *, struct gss_buffer *);
static uint32_t	(*acquire_cred)(uint32_t *, void *, uint32_t, void *, int,
		    void **, void **, uint32_t *);
static uint32_t	(*inquire_cred)(uint32_t *, void *, void **, uint32_t *, int *,
		    void **);
static uint32_t	(*init_sec_context)(uint32_t *, void *, void **, void *,
		    struct gss_oid *, uint32_t, uint32_t, void *,
		    struct gss_buffer *, struct gss_oid **,
		    struct gss_buffer *, uint32_t *, uint32_t *);

static const struct {
	const char	*name;
	void		*function;	/* where its address goes */
} functions[] = {
	{ "gss_import_name", &import_name },
	{ "gss_display_name", &display_name },
	{ "gss_display_status", &display_status },
	{ "gss_acquire_cred", &acquire_cred },
	{ "gss_inquire_cred", &inquire_cred },
	{ "gss_init_sec_context", &init_sec_context },
};

/* Finds the library.  Returns -1 if libssh has brought none. */
static int
find_library(void)
{
	void *address;
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if ((address = dlsym(RTLD_DEFAULT, functions[i].name)) == NULL)
			return -1;
		memcpy(functions[i].function, &address, sizeof(address));
	}
	return 0;
}

/* A child's answer; it goes through the pipe in one piece. */
struct gss_answer {
	int	 good;
	char	 host[256];	/* whose ticket it was to be */
	char	 text[512];	/* whose ticket it is, or else what is wrong */
};

static void
explain(struct gss_answer *a, uint32_t major, uint32_t minor)
{
	struct gss_buffer text = { 0, NULL };
	uint32_t ignored, more = 0;

	(void)display_status(&ignored, minor != 0 ? minor : major,
	    minor != 0 ? C_MECH_CODE : C_GSS_CODE, NULL, &more, &text);
	strlcpy(a->text, text.length == 0 ? "no reason is given" :
	    (const char *)text.value, sizeof(a->text));
}

/* In the child: text as a name; OID 1.2.840.113554.1.2.1.kind is its type. */
static uint32_t
new_name(uint32_t *minor, const char *text, char kind, void **name)
{
	char oid[] = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x01";
	char *copy = xstrdup(text);
	struct gss_buffer b = { strlen(copy), copy };
	struct gss_oid type;

	oid[9] = kind;
	type.length = 10;
	type.elements = oid;
	return import_name(minor, &b, &type, name);
}

/* In the child: the credentials that identity, or nobody, asks for. */
static void *
credentials(struct gss_answer *a, const char *identity)
{
	void *name = NULL, *cred = NULL;
	uint32_t major = 0, minor = 0;

	if (identity != NULL)
		major = new_name(&minor, identity, USER_NAME, &name);
	if (!IS_ERROR(major))
		major = acquire_cred(&minor, name, UINT32_MAX, NULL,
		    C_INITIATE, &cred, NULL, NULL);
	if (!IS_ERROR(major))
		return cred;
	explain(a, major, minor);
	return NULL;
}

/* In the child: is there a ticket in the cache, and whose is it? */
static void
look_in_cache(struct gss_answer *a, const char *identity)
{
	struct gss_buffer text = { 0, NULL };
	void *cred, *name = NULL;
	uint32_t major, minor, left = 0;

	if ((cred = credentials(a, identity)) == NULL)
		return;
	major = inquire_cred(&minor, cred, &name, &left, NULL, NULL);
	if (IS_EXPIRED(major) || (!IS_ERROR(major) && left == 0))
		strlcpy(a->text, "it has expired", sizeof(a->text));
	else if (IS_ERROR(major))
		explain(a, major, minor);
	else {
		a->good = 1;
		if (!IS_ERROR(display_name(&minor, name, &text, NULL)))
			strlcpy(a->text, text.value, sizeof(a->text));
	}
}

/*
 * In the child: is there a ticket, or a client keytab that gets one?  libkrb5
 * would ask a KDC for a new one even where there is no such keytab, if the old
 * one has expired: so each is looked for without the other.
 */
static void
look(struct gss_answer *a, const char *identity)
{
	struct gss_answer without;
	char *keytab = getenv(CLIENT_KEYTAB);

	keytab = keytab == NULL ? NULL : xstrdup(keytab);
	setenv(CLIENT_KEYTAB, "none:", 1);
	look_in_cache(a, identity);
	if (a->good)
		return;
	if (keytab == NULL)
		unsetenv(CLIENT_KEYTAB);
	else
		setenv(CLIENT_KEYTAB, keytab, 1);
	setenv("KRB5CCNAME", "MEMORY:", 1);
	if (credentials(&without, identity) != NULL) {
		strlcpy(a->text, "the client keytab", sizeof(a->text));
		a->good = 1;
	}
}

/*
 * In the child: the name that GSSAPITrustDns has DNS say for the address that
 * we are connected to.
 */
static void
reverse(int fd, char *host, size_t size)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&ss, len, host, size,
		    NULL, 0, NI_NAMEREQD);
}

/* In the child: gets a ticket for the host, and leaves it in the cache. */
static void
get(struct gss_answer *a, const char *identity)
{
	char *service = xasprintf("host@%s", a->host);
	struct gss_buffer token = { 0, NULL };
	void *cred, *name = NULL, *context = NULL;
	uint32_t major, minor;

	if ((cred = credentials(a, identity)) == NULL)
		return;
	major = new_name(&minor, service, SERVICE_NAME, &name);
	if (!IS_ERROR(major))
		major = init_sec_context(&minor, cred, &context, name, NULL,
		    C_MUTUAL | C_INTEG, 0, NULL, NULL, NULL, &token, NULL,
		    NULL);
	if (IS_ERROR(major))
		explain(a, major, minor);
	else
		a->good = 1;
}

/* The name of l's host, as ssh takes it for its principal. */
static void
host_name(const struct link *l, struct gss_answer *a)
{
	const char *name = l->hop->gssapiserveridentity;
	size_t i;

	if (name != NULL) {
		strlcpy(a->host, name, sizeof(a->host));
		return;
	}
	strlcpy(a->host, l->hop->hostname, sizeof(a->host));
	for (i = 0; a->host[i] != '\0'; i++)
		a->host[i] = tolower((unsigned char)a->host[i]);
}

/* Starts a child that looks for a ticket or, with wanted, gets the host's. */
static pid_t
start(const struct link *l, int wanted, int *from)
{
	struct gss_answer a = { .good = 0 };
	pid_t pid;
	int end;

	if ((pid = child_pipe(SIGKILL, &end)) != 0) {
		if (pid != -1)
			*from = end;
		return pid;
	}
	host_name(l, &a);
	if (!wanted)
		look(&a, l->hop->gssapiclientidentity);
	else {
		if (l->hop->gssapiserveridentity == NULL &&
		    l->hop->gssapitrustdns == 1 && l->number == 1 &&
		    l->hop->proxycommand == NULL)
			reverse(ssh_get_fd(l->session), a.host,
			    sizeof(a.host));
		get(&a, l->hop->gssapiclientidentity);
	}
	_exit(write(end, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

/* Asks a child, and turns the chain until it has answered. */
static void
ask(struct login *login, int wanted, struct gss_answer *a)
{
	struct pollfd pfd = { .events = POLLIN };
	uint64_t until = now() + PATIENCE;
	pid_t pid;

	memset(a, 0, sizeof(*a));
	if ((pid = start(login->l, wanted, &pfd.fd)) == -1)
		return;
	/* this is not the server's time; it only says that something waits */
	login->c->deadline = until + PATIENCE;
	while (login->status == OK && pfd.revents == 0 && now() < until &&
	    !auth_over(login->l))
		login->status = chain_wait(login->c, &pfd, 1, until);
	if (login->status == OK && (pfd.revents == 0 ||
	    read(pfd.fd, a, sizeof(*a)) != sizeof(*a))) {
		memset(a, 0, sizeof(*a));
		strlcpy(a->text, now() < until ? "no answer" :
		    "no KDC has answered in time", sizeof(a->text));
	}
	close(pfd.fd);
	(void)kill(pid, SIGKILL);
	(void)child_wait(pid);
	auth_renew(login);
}

/*
 * Is there a ticket for login, and does the hop's configuration let it be
 * used?  Nothing is sent to find out, and no KDC is asked.
 */
int
gssapi_possible(struct login *login)
{
	struct gss_answer a = { .good = 0 };
	char *seen;

	if (login->l->hop->gssapiauthentication != 1 || login->gssapi_done)
		return 0;
	if (login->principal != NULL || login->no_ticket != NULL)
		return login->principal != NULL;
	if (find_library() == -1)
		strlcpy(a.text, "libssh has no GSS-API", sizeof(a.text));
	else
		ask(login, 0, &a);
	seen = str_quote(a.text);
	if (a.good)
		login->principal = seen;
	else
		login->no_ticket = seen;
	link_tell(login->l, 2, "Kerberos: %s", seen);
	return a.good;
}

/* There is no ticket for the host: that is one method less, as with ssh. */
static enum result
no_ticket(struct login *login, const struct gss_answer *a, uint64_t took)
{
	const struct link *l = login->l;
	char *why = str_quote(a->text), *host = str_quote(a->host), *s;

	s = xasprintf("gssapi-with-mic: no ticket%s%s: %s",
	    *host == '\0' ? "" : " for host/", host, why);
	if (took >= LONG)
		link_tell(l, 0, "%s; it took %d s to find out; to do without: "
		    "-o %s:GSSAPIAuthentication=no", s, (int)(took / 1000),
		    l->hop->name);
	else
		link_tell(l, 1, "%s", s);
	str_append(&login->passed_over, ", ", s);
	free(s);
	free(host);
	free(why);
	return AUTH_FAILURE;
}

/* libssh takes neither name from the calls; it never delegates. */
static int
set_names(const struct link *l, const struct gss_answer *a)
{
	const char *identity = l->hop->gssapiclientidentity;

	return ssh_options_set(l->session, SSH_OPTIONS_USER, l->hop->user) |
	    ssh_options_set(l->session, SSH_OPTIONS_GSSAPI_SERVER_IDENTITY,
	    a->host) | (identity == NULL ? 0 : ssh_options_set(l->session,
	    SSH_OPTIONS_GSSAPI_CLIENT_IDENTITY, identity));
}

/* One call of libssh's; what libkrb5 does in it is not the hop's time. */
static int
call(struct login *login)
{
	struct pause pause;
	int rc;

	chain_pause(login->c, &pause);
	rc = ssh_userauth_gssapi(login->l->session);
	chain_resume(login->c, &pause);
	return rc;
}

/*
 * Logs in with the ticket that gssapi_possible() has found.  A host without a
 * principal, or a KDC that is silent, is one method less and not the end.
 */
enum result
gssapi_login(struct login *login)
{
	struct gss_answer a;
	uint64_t began = now();
	int rc;

	login->gssapi_done = 1;
	ask(login, 1, &a);
	if (login->status != OK || auth_over(login->l))
		return AUTH_LOST;
	if (!a.good)
		return no_ticket(login, &a, now() - began);
	if (set_names(login->l, &a) != 0) {
		strlcpy(a.text, "libssh does not take the user's name",
		    sizeof(a.text));
		return no_ticket(login, &a, 0);
	}
	while ((rc = call(login)) == SSH_AUTH_AGAIN)
		if (auth_again(login) == -1)
			break;
	str_append(&login->offered, ", ", "the Kerberos ticket of ");
	str_append(&login->offered, "", login->principal);
	return auth_judge(login, rc);
}
