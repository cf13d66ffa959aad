/*
 * What is known of a host's key: the lines of the known_hosts files, and those
 * that KnownHostsCommand writes.
 */

#include <stdlib.h>
#include <string.h>

#include "trust/local.h"
#include "wire/key.h"

/*
 * Returns type and fingerprint of key, as a person compares them.  The caller
 * frees it.
 */
char *
lookup_describe(ssh_key key)
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
	place->key = lookup_describe(known->key);
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
judge_line(struct lookup *found, const struct known *known)
{
	int same = ssh_key_cmp(known->key, found->key, SSH_KEY_CMP_PUBLIC) == 0;

	if (known->marker == MARKER_CA)
		keep(&found->authority, known);
	else if (known->marker == MARKER_REVOKED) {
		if (same)
			keep(&found->revoked, known);
	} else if (same)
		keep(&found->known, known);
	else if (ssh_key_type(known->key) == ssh_key_type(found->key))
		keep(&found->changed, known);
	else
		keep(&found->other, known);
}

static void
judge(struct lookup *found, const struct knowns *knowns)
{
	size_t i;

	for (i = 0; i < knowns->n; i++)
		judge_line(found, &knowns->v[i]);
}

/* Frees what was found; the key stays the caller's. */
void
lookup_free(struct lookup *found)
{
	place_free(&found->known);
	place_free(&found->revoked);
	place_free(&found->changed);
	place_free(&found->other);
	place_free(&found->authority);
	free(found->name);
	free(found->unproved);
	found->name = found->unproved = NULL;
}

/* Reads what the files say of the hop of t, by its name as ssh writes it. */
void
lookup_read(struct trust *t)
{
	const struct hop *hop = t->l->hop;
	size_t n = 1;

	known_free(&t->known[0]);
	known_free(&t->known[1]);
	t->known[0].name = known_name(hop, 1);
	/* as ssh: a line for the name without port is good enough to accept */
	if (hop->port != 22 && hop->hostkeyalias == NULL)
		t->known[n++].name = known_name(hop, 0);
	known_read(hop, t->known, n);
}

/*
 * Adds to to what KnownHostsCommand says of the name there, asked for that
 * invocation (ssh_config(5)); key is NULL where none is shown yet.  Returns OK,
 * or another status after noting why it has failed.
 */
int
lookup_command(struct trust *t, const char *invocation, ssh_key key,
    struct knowns *to)
{
	struct link *l = t->l;
	struct pub pub;
	struct known_query q = { .invocation = invocation, .name = to->name };
	char *why;
	int status;

	if (key != NULL && pub_of(&pub, key) == 0)
		q.key = &pub;
	status = known_command(t->c, l->hop, &q, to, &why);
	if (q.key != NULL)
		pub_free(&pub);
	if (status == OK && why != NULL && q.over && key != NULL)
		link_tell(l, 0, "%s; it is passed over", why);
	else if (status == OK && why != NULL && !q.over) {
		link_stage(l, STAGE_HOSTKEY);
		status = fail(t->c, l, q.late ? RETRY : GIVEUP, "%s", why);
	}
	free(why);
	return status;
}

/* As ssh; but a line for the name without port may also revoke. */
static void
look_up_name(struct trust *t)
{
	struct lookup *found = &t->found, plain = { .key = found->key };

	found->name = xstrdup(t->known[0].name);
	judge(found, &t->known[0]);
	judge(found, &t->known[2]);
	judge(&plain, &t->known[1]);
	if (found->changed.file == NULL)
		place_move(&found->known, &plain.known);
	place_move(&found->revoked, &plain.revoked);
	place_move(&found->authority, &plain.authority);
	lookup_free(&plain);
}

/*
 * Returns the address of the hop where we have dialled it ourselves, or NULL.
 * The caller frees it.
 */
char *
lookup_address(const struct link *l)
{
	if (l->number != 1 || l->hop->proxycommand != NULL ||
	    l->hop->hostkeyalias != NULL)
		return NULL;
	return link_peer(ssh_get_fd(l->session));
}

/* The address has another key than the name: that counts as a changed one. */
static void
address_differs(struct lookup *found, struct lookup *of_address,
    const char *address)
{
	place_free(&found->changed);
	place_free(&found->known);
	place_move(&found->changed, &of_address->changed);
	free(found->name);
	found->name = xstrdup(address);
}

/* CheckHostIP: what is known of the address itself. */
static int
look_up_address(struct trust *t)
{
	struct lookup of_address = { .key = t->found.key };
	struct knowns all = { NULL, NULL, 0 };
	const struct hop *hop = t->l->hop;
	char *address;
	int status;

	if (hop->checkhostip != 1 || (address = lookup_address(t->l)) == NULL)
		return OK;
	if (strcmp(address, hop->hostname) == 0) {
		free(address);
		return OK;
	}
	all.name = known_host(address, hop->port);
	free(address);
	known_read(hop, &all, 1);
	status = lookup_command(t, "ADDRESS", t->found.key, &all);
	judge(&of_address, &all);
	place_move(&t->found.revoked, &of_address.revoked);
	if (of_address.known.file == NULL && of_address.changed.file != NULL)
		address_differs(&t->found, &of_address, all.name);
	known_free(&all);
	lookup_free(&of_address);
	return status;
}

/*
 * Leaves in t->found what the files and KnownHostsCommand say of its key.
 * Returns OK, or another status after noting what has failed.
 */
int
lookup_key(struct trust *t)
{
	int status;

	known_free(&t->known[2]);
	t->known[2].name = known_name(t->l->hop, 1);
	status = lookup_command(t, "HOSTNAME", t->found.key, &t->known[2]);
	if (status != OK)
		return status;
	if (t->known[0].name != NULL)
		look_up_name(t);
	/* a line may have been added while the server kept us waiting */
	if (t->found.known.file == NULL) {
		lookup_free(&t->found);
		lookup_read(t);
		look_up_name(t);
	}
	return look_up_address(t);
}
