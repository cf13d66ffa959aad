/*
 * The session of one hop: from a connected descriptor through key exchange.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libssh/server.h>

#include "wire/greeting.h"
#include "wire/local.h"

/* As ssh, with Compression or without: a server gets what it has. */
#define COMPRESSED	"zlib@openssh.com,zlib,none"
#define NOT_COMPRESSED	"none,zlib@openssh.com,zlib"

/* What the server says it is. */
static void
note_banner(struct link *l)
{
	const char *banner = ssh_get_serverbanner(l->session);

	if (banner != NULL)
		link_note(l, "%s", banner);
}

/* What was agreed on (RFC 4253, 7.1). */
static void
note_algorithms(struct link *l)
{
	const char *kex = ssh_get_kex_algo(l->session);
	const char *in = ssh_get_cipher_in(l->session);
	const char *out = ssh_get_cipher_out(l->session);

	if (kex == NULL || in == NULL || out == NULL)
		return;
	link_note(l, "%s, %s", kex, out);
	link_tell(l, 2, "kex %s; out %s %s; in %s %s", kex, out,
	    ssh_get_hmac_out(l->session), in, ssh_get_hmac_in(l->session));
}

/* libssh tells its progress as a part of 1; 0.4 is the server's banner. */
static void
on_progress(void *arg, float part)
{
	struct link *l = arg;

	if (part >= 0.4f && l->stage == STAGE_BANNER) {
		note_banner(l);
		link_stage(l, STAGE_KEX);
	}
	if (part >= 1.0f)
		link_rekeyed(l);
}

static int
set(struct link *l, enum ssh_options_e option, const void *value)
{
	return value == NULL ? 0 : ssh_options_set(l->session, option, value);
}

static int
set_rekey(struct link *l)
{
	uint64_t bytes;
	uint32_t seconds;

	if (l->hop->rekeylimit == NULL || sscanf(l->hop->rekeylimit,
	    "%" SCNu64 " %" SCNu32, &bytes, &seconds) != 2)
		return 0;
	return (bytes == 0 ? 0 : set(l, SSH_OPTIONS_REKEY_DATA, &bytes)) |
	    (seconds == 0 ? 0 : set(l, SSH_OPTIONS_REKEY_TIME, &seconds));
}

/*
 * libssh is to read no file by itself: neither ssh_config nor known_hosts.  It
 * is told of a user and a folder, or it would look them up, and fail where the
 * password file has no line for us; who logs in stands in each request.
 */
static int
set_options(struct link *l, int fd, const char *hostkeys)
{
	const struct hop *hop = l->hop;
	const char *compression = hop->compression == 1 ? COMPRESSED :
	    NOT_COMPRESSED;
	int off = 0;

	return set(l, SSH_OPTIONS_PROCESS_CONFIG, &off) |
	    set(l, SSH_OPTIONS_FD, &fd) |
	    set(l, SSH_OPTIONS_USER, "nobody") |
	    set(l, SSH_OPTIONS_SSH_DIR, "/dev/null") |
	    set(l, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
	    set(l, SSH_OPTIONS_KEY_EXCHANGE, hop->kexalgorithms) |
	    set(l, SSH_OPTIONS_CIPHERS_C_S, hop->ciphers) |
	    set(l, SSH_OPTIONS_CIPHERS_S_C, hop->ciphers) |
	    set(l, SSH_OPTIONS_HMAC_C_S, hop->macs) |
	    set(l, SSH_OPTIONS_HMAC_S_C, hop->macs) |
	    set(l, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
	    hop->pubkeyacceptedalgorithms) |
	    set(l, SSH_OPTIONS_COMPRESSION, compression) |
	    set(l, SSH_OPTIONS_RSA_MIN_SIZE, hop->requiredrsasize > 0 ?
	    &hop->requiredrsasize : NULL) |
	    set(l, SSH_OPTIONS_HOSTKEYS, hostkeys) | set_rekey(l);
}

/* What a server may ask of a client we refuse; libssh would keep it all. */
static int
on_message(ssh_session session, ssh_message message, void *arg)
{
	(void)session;
	(void)message;
	(void)arg;
	return 1;	/* answered with a refusal, and freed */
}

static int
new_session(struct link *l, int fd, const char *hostkeys)
{
	struct wire *w = l->wire;

	if ((l->session = ssh_new()) == NULL)
		errx(RETRY, "out of memory");
	libssh_log();
	watchdog_start();
	ssh_set_message_callback(l->session, on_message, NULL);
	w->callbacks.userdata = l;
	w->callbacks.connect_status_function = on_progress;
	ssh_callbacks_init(&w->callbacks);
	ssh_set_callbacks(l->session, &w->callbacks);
	ssh_set_counters(l->session, &w->traffic.raw, &w->traffic.packets);
	ssh_set_blocking(l->session, 0);
	return set_options(l, fd, hostkeys);
}

/*
 * Begins a session with l's hop over fd, which is connected and libssh's from
 * here on, and sends our banner.  hostkeys are the host key algorithms, NULL
 * for those of libssh.  Nothing more is read before session_kex();
 * session_drop() must follow.  Returns OK, or another status after noting why
 * not.
 */
int
session_begin(struct chain *c, struct link *l, int fd, const char *hostkeys)
{
	link_stage(l, STAGE_BANNER);
	if (new_session(l, fd, hostkeys) != 0)
		return failure_note(c, l, FAIL_SET);
	libssh_overhear(l);
	binding_begin(l);
	if (greeting_send(l, fd) == -1)
		return failure_note(c, l, FAIL_SESSION);
	joint_unblock(fd);
	return OK;
}

/*
 * Waits for the banner of l's hop, within the limit that is set, and exchanges
 * keys with it, within LoginTimeout.  hostkeys are those of session_begin(),
 * perhaps in another order.  Returns OK, or another status after noting why
 * not.
 */
int
session_kex(struct chain *c, struct link *l, const char *hostkeys)
{
	struct wire *w = l->wire;
	int fd = ssh_get_fd(l->session), rc, status;

	(void)set(l, SSH_OPTIONS_HOSTKEYS, hostkeys);
	if ((status = greeting_skip(c, l, fd)) != OK)
		return status;
	chain_limit(c, l, l->hop->logintimeout);
	if ((w->event = ssh_event_new()) == NULL ||
	    ssh_event_add_session(w->event, l->session) != SSH_OK)
		errx(RETRY, "out of memory");
	do {
		if ((status = chain_turn(c)) != OK)
			return status;
		binding_look(l);
		rc = w->relay.breach != NULL ? SSH_ERROR :
		    ssh_connect(l->session);
		joint_unblock(fd);
	} while (rc == SSH_AGAIN && w->relay.breach == NULL);
	if (rc != SSH_OK)
		return failure_note(c, l, FAIL_SESSION);
	binding_end(l);
	note_algorithms(l);
	return OK;
}

/* Ends the session, so that another one can begin in its place. */
void
session_drop(struct link *l)
{
	if (l->wire->event != NULL)
		ssh_event_free(l->wire->event);
	l->wire->event = NULL;
	ssh_free(l->session);
	l->session = NULL;
	free(l->greeting);
	l->greeting = NULL;
	libssh_forget(l);
	binding_free(&l->wire->exchange);
	link_reset(l);
}
