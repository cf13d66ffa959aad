/*
 * A relay between a far end that sends anything at any time, a reader and a
 * writer of any speed.  libssh is stood in for by the functions below, which do
 * what 0.10 does with a channel and take their messages from the fuzzer: they
 * stand in the program itself, so that the linker prefers them.
 *
 * What has to hold: no byte out of its place, none lost if the far end keeps
 * to the rules, none held beyond what was granted, and an end.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/relay.h"

#define BASE	1280000		/* libssh's WINDOWBASE */
#define LIMIT	(BASE / 2)
#define MOST	(16 * 1024 * 1024)	/* bytes that a run may send */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The channel, as libssh keeps it. */
static struct {
	struct ssh_channel_callbacks_struct *cb;
	size_t		 len;		/* bytes that nobody has taken */
	uint32_t	 local;		/* window */
	uint32_t	 remote;
	int		 open, eof, closed;
	int		 delayed;	/* CLOSE came, but not all was taken */
	int		 pending;	/* the socket takes no more */
	size_t		 sent;
	int		 rogue;		/* has broken a rule */
} far;

static const uint8_t	*input;
static size_t		 left;
static size_t		 seen;		/* by the reader */
static char		 stream[MOST];	/* all that the far end sends */

static uint8_t
byte(void)
{
	if (left == 0)
		return 0;
	left--;
	return *input++;
}

/* A number of bytes: few, a packet, what is allowed, or too many. */
static size_t
amount(void)
{
	uint8_t b = byte();

	switch (b % 8) {
	case 0:
		return b / 8;
	case 1:
		return 32768;
	case 2:
		return (size_t)b << 10;
	case 3:
		return far.local;
	case 4:
		return far.local / 2;
	case 5:
		return (size_t)far.local + b;
	case 6:
		return 4 * 1024 * 1024;
	default:
		return (size_t)b << 14;
	}
}

static void
grow(size_t least)
{
	uint32_t window = least > BASE ? (uint32_t)least : BASE;

	if (window > far.local)
		far.local = window;
}

static void
pass(size_t n)
{
	if (n > far.len)
		abort();
	far.len -= n;
}

/* Where what is held begins. */
static char *
held(void)
{
	return stream + far.sent - far.len;
}

/* CHANNEL_DATA: channel_rcv_data(). */
static void
data(size_t n)
{
	int rest;

	if (n > MOST - far.sent)
		n = MOST - far.sent;
	if (!far.open || far.eof || n > far.local)
		far.rogue = 1;
	far.len += n;
	far.sent += n;
	far.local -= n > far.local ? far.local : n;
	if (far.len > 0 && (rest = far.cb->channel_data_function(NULL, NULL,
	    held(), far.len, 0, far.cb->userdata)) > 0)
		pass(rest);
	if (far.local + far.len < LIMIT)
		grow(0);
}

static void
end(int closing)
{
	if (!far.open)
		far.rogue = 1;
	far.eof = 1;
	if (closing) {
		far.closed = 1;
		far.delayed = far.len > 0;
		far.cb->channel_close_function(NULL, NULL, far.cb->userdata);
	} else
		far.cb->channel_eof_function(NULL, NULL, far.cb->userdata);
}

/* One message of the far end. */
static void
message(void)
{
	static char complaint[300];

	switch (byte() % 10) {
	case 0:
		end(0);
		break;
	case 1:
		end(1);
		break;
	case 2:
		far.remote += (uint32_t)byte() << 8;
		break;
	case 3:
		far.rogue |= far.open || far.eof;
		far.open = 1;
		far.remote = (uint32_t)byte() << 12;
		break;
	case 4:
		far.cb->channel_exit_status_function(NULL, NULL, byte(),
		    far.cb->userdata);
		break;
	case 5:
		(void)far.cb->channel_data_function(NULL, NULL, complaint,
		    byte(), 1, far.cb->userdata);
		break;
	default:
		data(amount());
	}
}

/* libssh handles what has come whenever it is called. */
static void
messages(void)
{
	int n;

	for (n = byte() % 4; n > 0 && left > 0; n--)
		message();
}

/* ---- in libssh's place ---- */

int
ssh_set_channel_callbacks(ssh_channel channel, ssh_channel_callbacks cb)
{
	(void)channel;
	far.cb = cb;
	return SSH_OK;
}

int
ssh_channel_read_timeout(ssh_channel channel, void *to, uint32_t count,
    int is_stderr, int timeout)
{
	size_t n;

	(void)channel;
	(void)is_stderr;
	(void)timeout;
	if (count == 0)
		return 0;
	if (count > far.len + far.local)
		grow(count - far.len);
	/* it only looks for more while it has nothing to give */
	if (far.len == 0 && !far.eof)
		messages();
	if (far.eof && far.len == 0)
		return 0;
	if (far.closed && !far.delayed)
		return SSH_ERROR;
	n = far.len < count ? far.len : count;
	if (n > 0)
		memcpy(to, held(), n);
	pass(n);
	far.delayed = far.delayed && far.len > 0;
	if (far.local < LIMIT)
		grow(0);
	return n;
}

int
ssh_channel_write(ssh_channel channel, const void *from, uint32_t len)
{
	const volatile char *p = from;
	uint32_t n, i;

	(void)channel;
	messages();
	if (!far.open || far.closed)
		return SSH_ERROR;
	n = byte() % 4 == 0 ? 0 : len;		/* it rekeys */
	n = n < far.remote ? n : far.remote;
	for (i = 0; i < n; i += n - 1 > 0 ? n - 1 : 1)
		(void)p[i];
	far.remote -= n;
	return n;
}

int
ssh_channel_send_eof(ssh_channel channel)
{
	(void)channel;
	messages();
	return SSH_OK;
}

uint32_t
ssh_channel_window_size(ssh_channel channel)
{
	(void)channel;
	return far.remote;
}

int
ssh_channel_is_open(ssh_channel channel)
{
	(void)channel;
	return far.open && !far.closed;
}

int
ssh_is_connected(ssh_session session)
{
	(void)session;
	return 1;
}

int
ssh_get_status(ssh_session session)
{
	(void)session;
	return far.pending ? SSH_WRITE_PENDING : 0;
}

/* ---- the two ends of ours ---- */

/* The reader takes what there is, up to n bytes; each has its place. */
static void
reader(int fd, size_t n)
{
	static char got[65536];
	ssize_t len;

	while (n > 0 && (len = read(fd, got, n < sizeof(got) ? n :
	    sizeof(got))) > 0) {
		if (memcmp(got, stream + seen, len) != 0)
			abort();
		seen += len;
		n -= len;
	}
}

static void
writer(int fd, size_t n)
{
	static const char zero[65536];

	if (write(fd, zero, n < sizeof(zero) ? n : sizeof(zero)) == -1 &&
	    errno != EAGAIN && errno != EPIPE)
		err(1, "write");
}

/* One turn of the loop, as chain_wait() has it. */
static void
turn(struct relay *r)
{
	struct pollfd pfd[2];

	relay_poll(r, pfd);
	while (poll(pfd, 2, 0) == -1)
		if (errno != EINTR)	/* libFuzzer's own alarm */
			err(1, "poll");
	relay_step(r, pfd);
}

static int
dead(const struct relay *r)
{
	return r->breach != NULL;
}

/* One thing happens. */
static void
happen(struct relay *r, int in, int out)
{
	switch (byte() % 12) {
	case 0:
		reader(out, amount());
		break;
	case 1:
		writer(in, amount());
		break;
	case 2:
		far.pending = byte() % 2;
		break;
	case 3:
		if (far.open && !r->started)
			relay_start(r, byte());
		break;
	case 4:
	case 5:
	case 6:
		turn(r);
		break;
	default:
		messages();
	}
	(void)relay_kept(r);
	(void)relay_ready(r);
}

/* All that is left is read, and the far end has nothing more to say. */
static void
finish(struct relay *r, int out)
{
	int i;

	left = 0;
	far.pending = 0;
	if (!r->started && far.open)
		relay_start(r, 0);
	if (!far.eof)
		end(1);
	for (i = 0; i < 2000 && !relay_done(r) && !dead(r); i++) {
		reader(out, MOST);
		turn(r);
	}
	reader(out, MOST);
	if (far.rogue)
		return;
	if (!relay_done(r) || seen != far.sent)
		abort();
}

static void
begin(void)
{
	uint32_t i, x = 1;

	for (i = 0; stream[0] == 0 && i < MOST; i++)
		stream[MOST - 1 - i] = (x = x * 1664525 + 1013904223) >> 24 | 1;
	memset(&far, 0, sizeof(far));
	far.local = BASE;
	seen = 0;
	(void)signal(SIGPIPE, SIG_IGN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static int fake;
	struct relay r = { 0 };
	int in[2], out[2];

	input = bytes;
	left = size;
	begin();
	if (pipe2(in, O_NONBLOCK) == -1 || pipe2(out, O_NONBLOCK) == -1)
		err(1, "pipe2");
	relay_init(&r, (ssh_session)&fake, (ssh_channel)&fake, in[0], out[1]);
	while (left > 0 && !dead(&r) && !relay_done(&r))
		happen(&r, in[1], out[0]);
	if (!dead(&r))
		finish(&r, out[0]);
	relay_free(&r);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
	return 0;
}
