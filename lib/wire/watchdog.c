/*
 * A limit on our own processor time.  What a server sends may keep libssh busy
 * without end in a single call; nothing that we could ask is reached then, no
 * time-out and no keepalive.  A timer that runs only while this process
 * computes, so that it wakes nobody, ends the process where chain_wait(), which
 * every loop that talks to a server passes, has not been reached for too long.
 */

#include <sys/time.h>

#include <signal.h>
#include <unistd.h>

#include "wire/local.h"
#include "wire/watchdog.h"

#define TICK	100000			/* us between two looks */
#define LIMIT	(20 * 1000000 / TICK)	/* ticks, for a key exchange, too */
#define PACKETS	20000			/* made in one turn of the chain */

static volatile sig_atomic_t	left;	/* ticks until the end; 0: no limit */

/*
 * A signal's: nothing is called that may be in the middle of something.  The
 * session is the one that libssh's log is said of.
 */
static void
on_tick(int sig)
{
	const struct link *l = ssh_get_log_userdata();
	const struct traffic *t = l == NULL ? NULL : &l->wire->traffic;

	(void)sig;
	if (left == 0)
		return;
	if (--left > 0 && (t == NULL || t->packets.out_packets - t->made <
	    PACKETS))
		return;
	say_dying(l == NULL ? NULL : l->label, l == NULL ? STAGE_CARRY :
	    l->stage, "libssh does not come to an end with what it sent; "
	    "do not trust it");
	_exit(RETRY);
}

/*
 * Starts the timer of this process; a child has none.  May be called again.
 */
void
watchdog_start(void)
{
	struct sigaction sa = { .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_interval.tv_usec = TICK,
	    .it_value.tv_usec = TICK };

	sa.sa_handler = on_tick;
	(void)sigaction(SIGPROF, &sa, NULL);
	(void)setitimer(ITIMER_PROF, &timer, NULL);
	watchdog_feed();
}

/* It goes on: from now on there is the whole time again. */
void
watchdog_feed(void)
{
	left = LIMIT;
}

/* The chain goes on: each of its sessions may make packets again, too. */
void
watchdog_turn(struct chain *c)
{
	struct traffic *t;
	int i;

	for (i = 0; i < c->n; i++) {
		t = &c->links[i].wire->traffic;
		t->made = t->packets.out_packets;
	}
	watchdog_feed();
}

/* What follows is our own work and may take its time, until the next feed. */
void
watchdog_rest(void)
{
	left = 0;
}
