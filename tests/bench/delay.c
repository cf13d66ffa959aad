/*
 * delay: a long link.  Listens on a free port of 127.0.0.1, prints "listening
 * PORT", and passes each connection on to another port, every byte half a
 * round trip later, in both directions, as many of them as there are.
 *
 *	usage: delay ROUND-TRIP-MS PORT
 *
 * Loopback connects at once; so what the client sends in the first round trip
 * is held back until that is over, and the server is connected half a round
 * trip after it: as if the TCP handshake had crossed the link, too.
 *
 * What it cannot do is to hold back TCP's own acknowledgements.
 */

#include <sys/prctl.h>

#include <pthread.h>

#include "bench.h"

/* Bytes under way, or with len 0 the end of them. */
struct chunk {
	struct chunk	*next;
	uint64_t	 due;		/* when they arrive */
	size_t		 len;
	char		 data[];
};

/* One direction: a thread that reads, a queue, a thread that writes. */
struct way {
	int		 from, to;
	uint64_t	 begin;		/* what comes before leaves then */
	pthread_mutex_t	 lock;
	pthread_cond_t	 more;
	struct chunk	*head, **tail;
};

static uint64_t rtt;

static void *
reader(void *arg)
{
	static _Thread_local char buf[CHUNK];
	struct way *w = arg;
	struct chunk *c;
	uint64_t t;
	ssize_t n;

	do {
		n = read(w->from, buf, sizeof(buf));
		t = now_ns();
		if (n < 0)
			n = 0;
		if ((c = malloc(sizeof(*c) + (size_t)n)) == NULL)
			err(1, NULL);
		c->next = NULL;
		c->due = (t > w->begin ? t : w->begin) + rtt / 2;
		c->len = (size_t)n;
		memcpy(c->data, buf, c->len);
		pthread_mutex_lock(&w->lock);
		*w->tail = c;
		w->tail = &c->next;
		pthread_cond_signal(&w->more);
		pthread_mutex_unlock(&w->lock);
	} while (n > 0);
	return NULL;
}

static struct chunk *
take(struct way *w)
{
	struct chunk *c;

	pthread_mutex_lock(&w->lock);
	while ((c = w->head) == NULL)
		pthread_cond_wait(&w->more, &w->lock);
	if ((w->head = c->next) == NULL)
		w->tail = &w->head;
	pthread_mutex_unlock(&w->lock);
	return c;
}

static void *
writer(void *arg)
{
	struct way *w = arg;
	struct chunk *c;
	int over;

	do {
		c = take(w);
		sleep_until(c->due);
		over = c->len == 0 || write_all(w->to, c->data, c->len) == -1;
		free(c);
	} while (!over);
	shutdown(w->to, SHUT_WR);
	shutdown(w->from, SHUT_RD);	/* if nobody wants it */
	return NULL;
}

static void
run(pthread_t *t, void *(*function)(void *), struct way *w)
{
	if (pthread_create(t, NULL, function, w) != 0)
		errx(1, "pthread_create");
}

static void
serve(int client, uint64_t accepted, uint16_t port)
{
	static struct way up, down;
	pthread_t t, last;

	pthread_mutex_init(&up.lock, NULL);
	pthread_mutex_init(&down.lock, NULL);
	pthread_cond_init(&up.more, NULL);
	pthread_cond_init(&down.more, NULL);
	up.tail = &up.head;
	down.tail = &down.head;
	up.from = down.to = client;
	up.begin = accepted + rtt;
	run(&t, reader, &up);
	sleep_until(accepted + rtt + rtt / 2);
	up.to = down.from = loopback_connect(port);
	run(&last, writer, &up);
	run(&t, reader, &down);
	(void)writer(&down);
	pthread_join(last, NULL);
}

int
main(int argc, char *argv[])
{
	uint64_t accepted;
	int s, fd;

	if (argc != 3)
		errx(1, "usage: delay round-trip-ms port");
	rtt = strtoull(argv[1], NULL, 10) * MS;
	prctl(PR_SET_TIMERSLACK, 1);
	s = loopback_listen();
	for (;;) {
		fd = loopback_accept(s);
		accepted = now_ns();
		if (fork() == 0) {
			serve(fd, accepted, (uint16_t)atoi(argv[2]));
			_exit(0);
		}
		close(fd);
	}
}
