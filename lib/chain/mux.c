/*
 * The packets of OpenSSH's connection sharing, as its file PROTOCOL.mux and
 * its mux.c have them: a length and a type, then what the type asks for; all
 * numbers in network byte order.  Nothing here waits or allocates.
 */

#include <arpa/inet.h>

#include <string.h>

#include "chain/mux.h"

#define VERSION	4	/* of the protocol */

/* What ssh and we ask for. */
#define ALIVE_CHECK	0x10000004
#define STDIO_FWD	0x10000008

/* Writes n behind *len bytes of to, which has room for it. */
static void
put_number(unsigned char *to, size_t *len, uint32_t n)
{
	n = htonl(n);
	memcpy(to + *len, &n, sizeof(n));
	*len += sizeof(n);
}

static uint32_t
get_number(const unsigned char *from)
{
	uint32_t n;

	memcpy(&n, from, sizeof(n));
	return ntohl(n);
}

/*
 * Writes the first packet either side sends: which version it speaks.  Each of
 * these three returns how many bytes of to, which holds MUX_REQUEST, it wrote.
 */
size_t
mux_hello(unsigned char *to)
{
	size_t len = 0;

	put_number(to, &len, 8);
	put_number(to, &len, MUX_HELLO);
	put_number(to, &len, VERSION);
	return len;
}

/* Writes the question whether the master is alive, and who it is. */
size_t
mux_alive_check(unsigned char *to, uint32_t id)
{
	size_t len = 0;

	put_number(to, &len, 8);
	put_number(to, &len, ALIVE_CHECK);
	put_number(to, &len, id);
	return len;
}

/*
 * Writes the request for a channel to host and port, to be joined to the two
 * descriptors that are sent next.  The port is a number, whatever the document
 * says.  Returns 0 if host is too long.
 */
size_t
mux_stdio_forward(unsigned char *to, uint32_t id, const char *host, int port)
{
	size_t len = 0, n = strlen(host);

	if (n > MUX_REQUEST - 24)
		return 0;
	put_number(to, &len, 20 + n);
	put_number(to, &len, STDIO_FWD);
	put_number(to, &len, id);
	put_number(to, &len, 0);	/* reserved, a string */
	put_number(to, &len, n);
	memcpy(to + len, host, n);
	len += n;
	put_number(to, &len, port);
	return len;
}

/* Sets m to what stands in the n bytes behind the type; -1: not enough. */
static int
take_apart(struct mux_answer *m, const unsigned char *body, size_t n)
{
	if (n < 4)
		return -1;
	m->id = get_number(body);
	if (m->type == MUX_HELLO)
		return m->id == VERSION ? 0 : -1;
	if (n < 8)
		return m->type == MUX_ALIVE || m->type == MUX_OPENED ? -1 : 0;
	m->number = get_number(body + 4);
	if (m->type != MUX_FAILURE && m->type != MUX_DENIED)
		return 0;
	if (m->number > n - 8)
		return -1;
	m->text = (const char *)body + 8;
	m->len = m->number;
	return 0;
}

/*
 * Reads the first packet of the len bytes that a master has sent.  Returns how
 * many bytes it has, with what it says in m, whose text lies in data; 0 if
 * some of it is still to come, or -1 if that is none, is longer than
 * MUX_ANSWER, or is of another version.
 */
int
mux_answer(const unsigned char *data, size_t len, struct mux_answer *m)
{
	uint32_t n;

	memset(m, 0, sizeof(*m));
	if (len < 4)
		return 0;
	if ((n = get_number(data)) < 8 || n > MUX_ANSWER - 4)
		return -1;
	if (len - 4 < n)
		return 0;
	m->type = get_number(data + 4);
	return take_apart(m, data + 8, n - 4) == -1 ? -1 : (int)n + 4;
}
