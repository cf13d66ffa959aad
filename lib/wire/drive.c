/*
 * One turn of a session: what has come is read, and what libssh has to say is
 * written, within bounds.
 */

#include <unistd.h>

#include "wire/local.h"

#define TURNS		16	/* reads of one session before the others' */
#define REST		2	/* ms between them while a reader is late */
#define AHEAD		(128 * 1024)	/* bytes read for it without a rest */
#define MAX_UNREAD	(1024 * 1024)	/* bytes not written */
#define MAX_KEPT	2048	/* messages that come while nothing is sent */

/* Returns how many bytes have come from l's server so far. */
uint64_t
link_received(const struct link *l)
{
	return l->wire->traffic.raw.in_bytes;
}

/* Returns how many packets have been made for l's server so far. */
uint64_t
link_sent(const struct link *l)
{
	return l->wire->traffic.packets.out_packets;
}

/*
 * The host key of l's session is key, which l owns from here on: another one
 * in a later key exchange is an impostor's, and ends the session.
 */
void
link_pin(struct link *l, ssh_key key)
{
	ssh_key_free(l->wire->pin.key);
	l->wire->pin.key = key;
}

/* Has another host key come, in a later key exchange? */
int
link_impostor(const struct link *l)
{
	return l->wire->pin.impostor;
}

/* Returns what l's server has sent against the rules, a constant, or NULL. */
const char *
link_breach(const struct link *l)
{
	return l->wire->relay.breach;
}

/*
 * A key exchange is over, and libssh takes any host key then (RFC 4253, 9): it
 * has to be the one that was checked, before anything else is read; the first
 * exchange has none to compare with.
 */
void
link_rekeyed(struct link *l)
{
	struct wire *w = l->wire;
	ssh_key key = NULL;

	if (w->pin.key == NULL)
		return;
	if (ssh_get_server_publickey(l->session, &key) != SSH_OK ||
	    ssh_key_cmp(key, w->pin.key, SSH_KEY_CMP_PUBLIC) != 0) {
		w->dead = w->pin.impostor = 1;
		relay_breach(&w->relay, "another host key");
	}
	ssh_key_free(key);
}

/*
 * While the reader of what l carries is late, its session rests between reads:
 * what is to come then waits in the kernel's buffers, and not in ours.  The
 * rest is short, since window adjusts, rekeying and EOF have to get through
 * whatever the reader does.  Returns until when, or 0 if not at the time t (both
 * milliseconds as of now()).
 */
uint64_t
link_rest(const struct link *l, uint64_t t)
{
	const struct wire *w = l->wire;
	/* a joint holds enough by itself */
	size_t ahead = w->channel.joint == -1 ? AHEAD : 0;

	return relay_kept(&w->relay) > ahead && t < w->driven + REST ?
	    w->driven + REST : 0;
}

/*
 * For a gateway sshd leaves Nagle's algorithm on (RFC 896): what little it has
 * to send next waits until we have acknowledged the last, and a kernel takes
 * up to 40 ms for that, unless it is told each time.
 */
static void
acknowledge(const struct link *l)
{
	os_ack_now(ssh_get_fd(l->session));
}

/*
 * How many bytes of packets libssh has made for l that it has not written yet,
 * more or less: what is left of the difference between the two since there
 * were none.  A packet is 16 bytes more than what is in it, at the least.
 */
static int64_t
unwritten(struct link *l)
{
	struct traffic *t = &l->wire->traffic;
	int64_t ahead = (int64_t)(t->packets.out_bytes +
	    16 * t->packets.out_packets - t->raw.out_bytes);

	if (!(ssh_get_status(l->session) & SSH_WRITE_PENDING))
		t->ahead = ahead;
	return ahead - t->ahead;
}

/*
 * Requests, channels and messages that nobody knows have to be answered (RFC
 * 4253, 11.4; RFC 4254, 4 and 5), and libssh keeps the answers for as long as
 * the server does not read: a server that asks on, and reads none, is dropped.
 * We ourselves add nothing while something is not written, and while libssh
 * rekeys no more than two reads of 64 KiB.
 */
static void
judge_answers(struct link *l)
{
	if (unwritten(l) > MAX_UNREAD)
		relay_breach(&l->wire->relay, "requests without end, and "
		    "reads none of the answers");
}

/*
 * From its own KEXINIT on, until that is answered, libssh keeps its answers as
 * well (RFC 4253, 7.1), and does not tell.  Where much has come that is no data
 * and nothing was sent, something is: if that does not leave either, libssh
 * waits, and if as much comes again, the server is dropped.
 */
static void
judge_rekey(struct link *l)
{
	struct traffic *t = &l->wire->traffic;
	int64_t in = t->packets.in_packets - l->wire->relay.pieces;

	if (t->out != t->packets.out_packets) {
		t->out = t->packets.out_packets;
		t->in = in;
		t->tested = 0;
	}
	if (l->stage < STAGE_FORWARD || in - t->in < MAX_KEPT)
		return;
	if (t->tested) {
		relay_breach(&l->wire->relay, "requests without end, and no "
		    "answer to a key exchange");
		return;
	}
	(void)ssh_send_ignore(l->session, "");
	t->in = in;
	t->tested = 1;
}

/*
 * Is what comes from l's server still read?  Once the session has ended, or the
 * server has broken the rules, its descriptor may be open and readable for as
 * long as something else is waited for.
 */
int
link_is_read(const struct link *l)
{
	const struct wire *w = l->wire;

	return w->event != NULL && !w->dead && w->relay.breach == NULL;
}

/*
 * Lets libssh read and write what l's descriptor is ready for; notes if the
 * session has ended.
 */
void
link_drive(struct link *l)
{
	struct wire *w = l->wire;
	struct link *logged;
	int i, rc = SSH_OK;

	if (!link_is_read(l))
		return;
	logged = libssh_log_of(l);
	for (i = 0; i < TURNS && rc != SSH_AGAIN && !w->dead; i++) {
		binding_look(l);
		rc = ssh_event_dopoll(w->event, 0);
		judge_answers(l);
		judge_rekey(l);
		w->dead |= rc == SSH_ERROR || w->relay.breach != NULL;
	}
	(void)libssh_log_of(logged);
	w->driven = now();
	if (l->number == 1 && rc == SSH_AGAIN)
		acknowledge(l);
}

/* The end of what comes has been written: a pipe is closed then. */
static void
end_pipe(struct wire *w)
{
	if (w->channel.pipe == -1 || !relay_done(&w->relay))
		return;
	close(w->channel.pipe);
	w->channel.pipe = w->relay.wfd = -1;
}

/* relay_step() for l's channel; libssh reads the session there, too. */
void
link_step(struct link *l, const struct pollfd *pfd)
{
	struct link *logged = libssh_log_of(l);

	(void)unwritten(l);	/* the relay only adds when there is nothing */
	relay_step(&l->wire->relay, pfd);
	(void)libssh_log_of(logged);
	end_pipe(l->wire);
}
