/*
 * Is this the host we meant?  What the files say of every hop's key, and what
 * becomes of one that they do not have.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"

/* Where a line is, and which key it has; all NULL: no such line. */
struct place {
	const char	*file;		/* borrowed from the hop */
	char		*line;		/* file:line */
	char		*key;		/* type and fingerprint */
};

/* What the files say of one key: the first line of each kind. */
struct verdict {
	ssh_key		 key;		/* the server's */
	struct place	 known;
	struct place	 revoked;
	struct place	 changed;	/* another key of its type */
	struct place	 other;		/* a key of another type */
	struct place	 authority;
	char		*name;		/* that changed is about */
	char		*unproved;	/* why no certificate proves it */
};

static void
read_files(struct link *l)
{
	const struct hop *hop = l->hop;
	size_t n = 1;

	l->known[0].name = known_name(hop, 1);
	/* as ssh: a line for the name without port is good enough to accept */
	if (hop->port != 22 && hop->hostkeyalias == NULL)
		l->known[n++].name = known_name(hop, 0);
	known_read(hop, l->known, n);
}

/*
 * What KnownHostsCommand says of the name in to, asked as ssh asks it; a key is
 * NULL where none is shown yet.  Returns OK, or another status after saying why
 * it has failed.
 */
static int
ask_command(struct chain *c, struct link *l, const char *invocation,
    ssh_key key, struct knowns *to)
{
	struct pub pub;
	struct known_query q = { .invocation = invocation, .name = to->name };
	char *why;
	int status;

	if (key != NULL && pub_of(&pub, key) == 0)
		q.key = &pub;
	status = known_command(c, l->hop, &q, to, &why);
	if (q.key != NULL)
		pub_free(&pub);
	if (status == OK && why != NULL && q.over && key != NULL)
		say("%s (hop %d of %d): %s; it is passed over", l->hop->name,
		    l->number, c->plan->nhops, why);
	else if (status == OK && why != NULL && !q.over) {
		link_stage(l, STAGE_HOSTKEY);
		status = fail(c, l, q.late ? RETRY : GIVEUP, "%s", why);
	}
	free(why);
	return status;
}

/*
 * Reads what the files of l's hop say of it, for hostkey_algorithms() and
 * hostkey_check(), and to be done while its server is being waited for;
 * hostkey_forget() must follow.  Returns OK, or another status after saying
 * what has failed.
 */
int
hostkey_read(struct chain *c, struct link *l)
{
	int status;

	read_files(l);
	/* as ssh: for the order of the algorithms alone, and without a port */
	l->known[2].name = xstrdup(l->hop->hostname);
	status = ask_command(c, l, "ORDER", NULL, &l->known[2]);
	prove_prepare(l);
	return status;
}

/* Frees what hostkey_read() has read, if it has. */
void
hostkey_forget(struct link *l)
{
	known_free(&l->known[0]);
	known_free(&l->known[1]);
	known_free(&l->known[2]);
}

/* Is algorithm one that a key of those known can sign with? */
static int
has_type(const struct knowns *knowns, const char *algorithm)
{
	size_t i;

	if (strncmp(algorithm, "rsa-sha2-", 9) == 0)
		algorithm = "ssh-rsa";
	for (i = 0; i < knowns->n; i++)
		if (knowns->v[i].marker == PLAIN && strcmp(ssh_key_type_to_char(
		    ssh_key_type(knowns->v[i].key)), algorithm) == 0)
			return 1;
	return 0;
}

/* Is name in a list with commas? */
static int
in_list(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (len == n && strncmp(list, name, n) == 0)
			return 1;
		if (list[len] == '\0')
			return 0;
	}
}

/* Is algorithm one that is to be asked for first? */
static int
is_preferred(const struct link *l, const char *algorithm)
{
	return has_type(&l->known[0], algorithm) ||
	    has_type(&l->known[2], algorithm) ||
	    prove_prefers(l, strncmp(algorithm, "rsa-sha2-", 9) == 0 ?
	    "ssh-rsa" : algorithm);
}

/*
 * Returns the HostKeyAlgorithms of l's hop with those first that known keys and
 * certificates, as far as they have been read, are for; NULL if none are set,
 * empty if none is left.  A type of certificates stands for that of the key in
 * it.  The caller frees it.
 */
char *
hostkey_algorithms(const struct link *l)
{
	const char *list = l->hop->hostkeyalgorithms;
	char *all, *rest, *name, *cert, *first = NULL, *then = NULL;

	if (list == NULL)
		return NULL;
	all = rest = xstrdup(list);
	while ((name = strsep(&rest, ",")) != NULL) {
		if ((cert = strstr(name, "-cert-v0")) != NULL) {
			*cert = '\0';
			if (strncmp(name, "sk-", 3) == 0 ||
			    in_list(list, name))
				continue;
		}
		str_append(is_preferred(l, name) ? &first : &then, ",", name);
	}
	free(all);
	if (first != NULL && then != NULL)
		str_append(&first, ",", then);
	else if (first == NULL) {
		first = then;
		then = NULL;
	}
	free(then);
	return first == NULL ? xstrdup("") : first;
}

/* Type and fingerprint, as a person compares them. */
static char *
describe(ssh_key key)
{
	char *print, *text;

	print = key_fingerprint(key);
	text = xasprintf("%s key %s", ssh_key_type_to_char(ssh_key_type(key)),
	    print);
	free(print);
	return text;
}

/* Keeps the first line of a kind. */
static void
keep(struct place *place, const struct known *known)
{
	if (place->file != NULL)
		return;
	place->file = known->file;
	place->line = xasprintf("%s:%u", known->file, known->line);
	place->key = describe(known->key);
}

static void
place_free(struct place *place)
{
	free(place->line);
	free(place->key);
	memset(place, 0, sizeof(*place));
}

/* Moves what is there to where nothing is yet. */
static void
place_move(struct place *to, struct place *from)
{
	if (to->file != NULL)
		return;
	*to = *from;
	memset(from, 0, sizeof(*from));
}

static void
judge_line(struct verdict *v, const struct known *known)
{
	int same = ssh_key_cmp(known->key, v->key, SSH_KEY_CMP_PUBLIC) == 0;

	if (known->marker == AUTHORITY)
		keep(&v->authority, known);
	else if (known->marker == REVOKED) {
		if (same)
			keep(&v->revoked, known);
	} else if (same)
		keep(&v->known, known);
	else if (ssh_key_type(known->key) == ssh_key_type(v->key))
		keep(&v->changed, known);
	else
		keep(&v->other, known);
}

static void
judge(struct verdict *v, const struct knowns *knowns)
{
	size_t i;

	for (i = 0; i < knowns->n; i++)
		judge_line(v, &knowns->v[i]);
}

static void
verdict_free(struct verdict *v)
{
	place_free(&v->known);
	place_free(&v->revoked);
	place_free(&v->changed);
	place_free(&v->other);
	place_free(&v->authority);
	free(v->name);
	free(v->unproved);
	v->name = v->unproved = NULL;
}

/* The line for the key, on a line of its own even if the last had no end. */
static char *
new_line(int fd, const struct hop *hop, ssh_key key)
{
	char *name, *hashed, *b64 = NULL, *line;
	char last = '\n';
	off_t size;

	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return NULL;
	name = known_name(hop, 1);
	if (hop->hashknownhosts == 1) {
		hashed = known_hash(name);
		free(name);
		name = hashed;
	}
	if ((size = lseek(fd, 0, SEEK_END)) > 0 &&
	    pread(fd, &last, 1, size - 1) != 1)
		last = '\0';	/* an empty line does no harm */
	line = xasprintf("%s%s %s %s\n", last == '\n' ? "" : "\n", name,
	    ssh_key_type_to_char(ssh_key_type(key)), b64);
	free(name);
	ssh_string_free_char(b64);
	return line;
}

/*
 * Writes the line in one go, so that those of several programs do not mix.  A
 * part of it, on a full disk, is taken back, unless another line is behind it.
 */
static int
append(int fd, const char *line)
{
	ssize_t n, len = strlen(line);
	struct stat st;
	off_t end;

	if ((n = write(fd, line, len)) == len)
		return 0;
	if (n == -1)
		return -1;
	end = lseek(fd, 0, SEEK_CUR);
	if (fstat(fd, &st) == 0 && st.st_size == end &&
	    ftruncate(fd, end - n) == -1)
		say_debug(1, "known hosts: a cut line is left");
	errno = ENOSPC;
	return -1;
}

/*
 * Adds the key to the first user file: whole, or not at all.  Returns NULL, or
 * why it could not be done.
 */
static const char *
add(const struct hop *hop, ssh_key key)
{
	const char *file;
	char *line, *dir, *name = known_name(hop, 1);
	int fd, rc = -1, plain = known_plain(name);

	free(name);
	if (!plain)
		return "the name would be read as a pattern there";
	if (hop->userknownhostsfile.n == 0)
		return strerror(ENOENT);
	file = hop->userknownhostsfile.v[0];
	dir = xstrdup(file);
	(void)mkdir(dirname(dir), 0700);	/* ~/.ssh, the first time */
	free(dir);
	fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return strerror(errno);
	if ((line = new_line(fd, hop, key)) != NULL)
		rc = append(fd, line);
	free(line);
	close(fd);
	return rc == -1 ? strerror(errno) : NULL;
}

static int
accept_new(struct chain *c, struct link *l, ssh_key key)
{
	const char *why;
	char *text;

	text = describe(key);
	if ((why = add(l->hop, key)) != NULL)
		say("%s (hop %d of %d): cannot add its %s to %s: %s",
		    l->hop->name, l->number, c->plan->nhops, text,
		    l->hop->userknownhostsfile.n == 0 ? "a known_hosts file" :
		    l->hop->userknownhostsfile.v[0], why);
	else
		say_debug(1, "%s (hop %d): Permanently added its %s to %s",
		    l->hop->name,
		    l->number, text, l->hop->userknownhostsfile.v[0]);
	free(text);
	return OK;
}

static int
mode_is(const struct hop *hop, const char *mode)
{
	return hop->stricthostkeychecking != NULL &&
	    strcmp(hop->stricthostkeychecking, mode) == 0;
}

/* Does the mode ask nobody about a new key? */
static int
is_lax(const struct hop *hop)
{
	return mode_is(hop, "no") || mode_is(hop, "off") ||
	    mode_is(hop, "false");
}

/*
 * The command that removes the line; ssh-keygen(1) leaves alone a file that
 * it is not named.
 */
static char *
removal(const struct verdict *v)
{
	char *name = str_shell(v->name), *file = str_shell(v->changed.file);
	char *s = xasprintf("remove the old one: ssh-keygen -R %s -f %s", name,
	    file);

	free(name);
	free(file);
	return s;
}

/* Where known keys are kept apart by address alone, two hosts may share it. */
static int
changed(struct chain *c, struct link *l, const struct verdict *v)
{
	char *text, *advice;

	text = describe(v->key);
	if (strcmp(v->changed.file, KNOWN_COMMAND) == 0)
		advice = xasprintf("%s has to say so",
		    l->hop->knownhostscommand);
	else
		advice = removal(v);
	(void)fail(c, l, GIVEUP, "Host key verification failed: the host key "
	    "has changed (REMOTE HOST IDENTIFICATION HAS CHANGED): %s offers "
	    "%s, but %s has %s; somebody may be listening in%s%s; if it is "
	    "right, %s", l->hop->name, text, v->changed.line, v->changed.key,
	    is_lax(l->hop) ? "; StrictHostKeyChecking does not change that" :
	    "", l->hop->hostkeyalias != NULL ? "" : "; if two hosts share this "
	    "address, give each its own HostKeyAlias", advice);
	free(advice);
	free(text);
	return GIVEUP;
}

static int
is_off(const char *value)
{
	return value == NULL || strcmp(value, "no") == 0 ||
	    strcmp(value, "false") == 0;
}

/* What there is instead of the line that we miss. */
static char *
instead(const struct hop *hop, const struct verdict *v)
{
	if (v->other.file != NULL)
		return xasprintf(", but %s has %s", v->other.line,
		    v->other.key);
	if (v->unproved != NULL && v->authority.file != NULL)
		return xasprintf(", and no certificate of the CA in %s proves "
		    "it: %s", v->authority.line, v->unproved);
	if (v->unproved != NULL)
		return xasprintf(", and no certificate proves it: %s",
		    v->unproved);
	if (!is_off(hop->verifyhostkeydns))
		return xstrdup(", and VerifyHostKeyDNS is not looked up");
	return xstrdup("");
}

/* What the answer means, as ssh takes it: 1 yes, 0 no, -1 neither. */
static int
meaning(char *answer, const char *print)
{
	answer += strspn(answer, " \t");
	answer[strcspn(answer, " \t")] = '\0';
	if (*answer == '\0' || strcasecmp(answer, "no") == 0)
		return 0;
	return strcasecmp(answer, "yes") == 0 || strcmp(answer, print) == 0 ?
	    1 : -1;
}

/* Is the answer "yes", or the fingerprint itself? */
static int
agreed(struct chain *c, struct link *l, ssh_key key, const char *question,
    int *status)
{
	char answer[ANSWER_MAX], *print, *first, *name;
	const char *text;
	int got, yes = -1;

	print = key_fingerprint(key);
	name = known_name(l->hop, 1);
	first = xasprintf("The authenticity of host '%s' can't be established: "
	    "%s. Are you sure you want to continue connecting "
	    "(yes/no/[fingerprint])? ", name, question);
	free(name);
	for (text = first; yes == -1;
	    text = "Please type 'yes', 'no' or the fingerprint: ") {
		*status = prompt(c, l, text, 1, answer, &got);
		yes = *status == OK && got ? meaning(answer, print) : 0;
	}
	free(first);
	free(print);
	return yes;
}

/* Adds flag and value, which is quoted for a shell. */
static void
add_flag(char **to, const char *flag, const char *value)
{
	char *quoted, *s;

	if (value == NULL)
		return;
	quoted = str_shell(value);
	s = xasprintf("%s %s", flag, quoted);
	str_append(to, " ", s);
	free(s);
	free(quoted);
}

/*
 * Returns the ssh command that reaches l's hop by the same route, and asks
 * about its key: with all that decides which server that is and where its key
 * is kept.  Of values that stand twice ssh takes the first.
 */
static char *
asking_ssh(const struct chain *c, const struct link *l)
{
	const struct conf *conf = c->plan->conf;
	char *route = plan_route(c->plan, l->hop, ",");
	char *port, *s = xstrdup("ssh");
	char *name = str_shell(l->hop->name);
	const struct option *o;

	port = xasprintf("%d", l->hop->port);
	if (mode_is(l->hop, "yes") || mode_is(l->hop, "true"))
		str_append(&s, " ", "-o StrictHostKeyChecking=ask");
	if (l->hop->batchmode == 1)
		str_append(&s, " ", "-o BatchMode=no");
	add_flag(&s, "-F", conf->configfile);
	add_flag(&s, "-J", route);
	TAILQ_FOREACH(o, &conf->options, entry)
		if (!conf_own(o) && ask_concerns(o, l->hop, l->number))
			add_flag(&s, o->flag == 'i' ? "-i" : "-o", o->text);
	add_flag(&s, "-p", port);
	add_flag(&s, "-l", l->hop->user);
	str_append(&s, " ", name);
	free(name);
	free(port);
	free(route);
	return s;
}

/* Nobody has accepted the key; ssh, by the same route, can ask. */
static int
refuse(struct chain *c, struct link *l, const char *question)
{
	char *command = asking_ssh(c, l);

	(void)fail(c, l, GIVEUP, "Host key verification failed: %s; compare "
	    "it, and accept it with: %s", question, command);
	free(command);
	return GIVEUP;
}

/* No line has this key: the mode decides, or the person. */
static int
unknown(struct chain *c, struct link *l, const struct verdict *v)
{
	const struct hop *hop = l->hop;
	char *text, *name, *known, *question;
	int status = OK;

	if (v->other.file == NULL && (mode_is(hop, "accept-new") ||
	    is_lax(hop)))
		return accept_new(c, l, v->key);
	text = describe(v->key);
	name = known_name(hop, 1);
	known = instead(hop, v);
	question = xasprintf("%s is not known for %s%s", text, name, known);
	if ((hop->stricthostkeychecking == NULL || mode_is(hop, "ask")) &&
	    agreed(c, l, v->key, question, &status))
		status = accept_new(c, l, v->key);
	else if (status == OK && link_gone(l))
		status = fail(c, l, RETRY, "connection closed while its host "
		    "key was in question; answer it before its "
		    "LoginGraceTime is over");
	else if (status == OK)
		status = refuse(c, l, question);
	free(question);
	free(known);
	free(name);
	free(text);
	return status;
}

/*
 * Is the key in RevokedHostKeys?  Returns OK, or another status after saying
 * that it is, or that nobody can know.
 */
static int
check_revoked(struct chain *c, struct link *l, ssh_key key)
{
	struct pub pub;
	char *text, *why;
	int found, status;

	if (pub_of(&pub, key) == -1)
		return fail(c, l, GIVEUP, "its host key has a form that "
		    "cannot be compared");
	status = revoked_check(c, l->hop, &pub, NULL, &found, &why);
	pub_free(&pub);
	text = describe(key);
	if (status == OK && found == 1)
		status = fail(c, l, GIVEUP, "the host key is revoked: %s: %s; "
		    "ask who runs %s", text, why, l->hop->name);
	else if (status == OK && found == -1)
		status = fail(c, l, GIVEUP, "RevokedHostKeys %s; nobody can "
		    "know whether it holds %s", why, text);
	free(text);
	free(why);
	return status;
}

/* As ssh; but a line for the name without port may also revoke. */
static void
look_up(const struct link *l, struct verdict *v)
{
	struct verdict plain = { .key = v->key };

	v->name = xstrdup(l->known[0].name);
	judge(v, &l->known[0]);
	judge(v, &l->known[2]);
	judge(&plain, &l->known[1]);
	if (v->changed.file == NULL)
		place_move(&v->known, &plain.known);
	place_move(&v->revoked, &plain.revoked);
	place_move(&v->authority, &plain.authority);
	verdict_free(&plain);
}

/*
 * CheckHostIP: may the address have another key?  Only the first hop's is
 * known to us.
 */
static int
look_up_address(struct chain *c, struct link *l, struct verdict *v)
{
	struct verdict of_address = { .key = v->key };
	struct knowns all = { NULL, NULL, 0 };
	char *address;
	int status;

	if (l->hop->checkhostip != 1 || l->number != 1 || l->pid != 0 ||
	    l->hop->hostkeyalias != NULL ||
	    (address = link_peer(ssh_get_fd(l->session))) == NULL)
		return OK;
	if (strcmp(address, l->hop->hostname) == 0) {
		free(address);
		return OK;
	}
	all.name = known_host(address, l->hop->port);
	free(address);
	known_read(l->hop, &all, 1);
	status = ask_command(c, l, "ADDRESS", v->key, &all);
	judge(&of_address, &all);
	place_move(&v->revoked, &of_address.revoked);
	if (of_address.known.file == NULL && of_address.changed.file != NULL) {
		place_free(&v->changed);
		place_free(&v->known);
		place_move(&v->changed, &of_address.changed);
		free(v->name);
		v->name = xstrdup(all.name);
	}
	known_free(&all);
	verdict_free(&of_address);
	return status;
}

/* Notes the key and where it is known. */
static void
note_key(struct link *l, const struct verdict *v)
{
	char *text = describe(v->key);

	link_note(l, "%s%s%s", text, v->known.file == NULL ? ", accepted" :
	    " in ", v->known.file == NULL ? "" : v->known.line);
	free(text);
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

	if (l->hop->nohostauthenticationforlocalhost != 1 || l->number != 1 ||
	    l->pid != 0 || l->hop->hostkeyalias != NULL ||
	    (address = link_peer(ssh_get_fd(l->session))) == NULL)
		return 0;
	local = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
	free(address);
	return local;
}

/* What the files and KnownHostsCommand say of v's key. */
static int
look(struct chain *c, struct link *l, struct verdict *v)
{
	int status;

	known_free(&l->known[2]);
	l->known[2].name = known_name(l->hop, 1);
	status = ask_command(c, l, "HOSTNAME", v->key, &l->known[2]);
	if (status != OK)
		return status;
	if (l->known[0].name != NULL)
		look_up(l, v);
	/* a line may have been added while the server kept us waiting */
	if (v->known.file == NULL) {
		verdict_free(v);
		known_free(&l->known[0]);
		known_free(&l->known[1]);
		read_files(l);
		look_up(l, v);
	}
	return look_up_address(c, l, v);
}

/* Is a certificate of key wanted, and not the key alone? */
static int
is_to_be_proved(const struct link *l, ssh_key key)
{
	return prove_only(l->hop, ssh_key_type_to_char(ssh_key_type(key)));
}

/*
 * The files do not have v's key, or it is not enough.  Returns OK and whether a
 * certificate proves it, with the reason in v if not; or another status after
 * saying why it cannot be the host, or, saying nothing, if a certificate has to
 * be fetched first.
 */
static int
by_certificate(struct chain *c, struct link *l, struct verdict *v,
    enum proved *proved)
{
	char *text = NULL, *why;
	int status;

	if ((status = prove(c, l, proved, &why)) != OK || l->cert_wanted)
		status = status == OK ? RETRY : status;
	else if (*proved == PROVED) {
		text = describe(v->key);
		link_note(l, "%s, %s", text, why);
	} else if (*proved == DISPROVED)
		status = fail(c, l, GIVEUP, "%s; ask who runs %s", why,
		    l->hop->name);
	else if (is_to_be_proved(l, v->key))
		status = fail(c, l, GIVEUP, "HostKeyAlgorithms wants a "
		    "certificate, and none proves its key%s%s",
		    why == NULL ? "" : ": ", why == NULL ? "" : why);
	else {
		free(v->unproved);
		v->unproved = why;
		why = NULL;
	}
	free(text);
	free(why);
	return status;
}

/* What is to be done after what the files say of v's key. */
static int
decide(struct chain *c, struct link *l, struct verdict *v)
{
	enum proved proved;
	int status;

	if ((status = check_revoked(c, l, v->key)) != OK)
		return status;
	if (is_exempt(l)) {
		link_note(l, "not checked: "
		    "NoHostAuthenticationForLocalhost");
		return OK;
	}
	if ((status = look(c, l, v)) != OK)
		return status;
	if (v->revoked.file != NULL)
		return fail(c, l, GIVEUP, "the host key is revoked: "
		    "%s is @revoked in %s; ask who runs %s", v->revoked.key,
		    v->revoked.line, l->hop->name);
	if (v->known.file == NULL || is_to_be_proved(l, v->key)) {
		status = by_certificate(c, l, v, &proved);
		if (status != OK || proved == PROVED)
			return status;
	}
	if (v->changed.file != NULL && v->known.file == NULL)
		return changed(c, l, v);
	if (v->known.file == NULL && (status = unknown(c, l, v)) != OK)
		return status;
	note_key(l, v);
	return OK;
}

/*
 * Decides whether the key that l's server has proved to own is its own.
 * Nothing is sent to the server before that.  Returns OK, or another status
 * after saying why not, or saying nothing and with l->cert_wanted if the server
 * has to be asked for its certificate, and this to be called for another
 * session; hostkey_done() must follow.
 */
int
hostkey_check(struct chain *c, struct link *l)
{
	struct verdict v = { .key = NULL };
	int status;

	link_stage(l, STAGE_HOSTKEY);
	l->cert_wanted = 0;
	if (ssh_get_server_publickey(l->session, &v.key) != SSH_OK)
		return fail(c, l, GIVEUP, "it has shown no host key");
	link_pin(l, v.key);	/* from here on it must stay the same */
	status = decide(c, l, &v);
	verdict_free(&v);
	hostkey_forget(l);
	return status;
}

/* The host key of l is decided on. */
void
hostkey_done(struct link *l)
{
	prove_forget(l);
}
