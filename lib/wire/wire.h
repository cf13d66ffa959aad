/*
 * Sessions, channels, relays, keepalives, and the one poll(2).
 */

#ifndef WIRE_H
#define WIRE_H

#include <sys/socket.h>

#include <poll.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "plan/plan.h"

/* Bytes between two descriptors: data[off] .. data[off + len - 1]. */
struct buf {
	char	*data;
	size_t	 size;		/* what data has room for */
	size_t	 off, len;
};

/* One direction of a relay. */
enum flow {
	FLOW_OPEN,		/* bytes flow */
	FLOW_DRAINING,		/* the source has ended, some bytes are left */
	FLOW_SHUT		/* the end has been passed on */
};

/* A time that does not come, in ms: where there is no limit. */
#define FOREVER		(UINT64_MAX / 2)

/* How a command ended, if not with a status. */
#define EXIT_UNTOLD	-1
#define EXIT_SIGNALED	-2

/* One channel joined to two descriptors: rfd -> channel -> wfd. */
struct relay {
	ssh_session				 session;	/* borrowed */
	ssh_channel				 channel;	/* session's */
	struct ssh_channel_callbacks_struct	 callbacks;
	int					 rfd, wfd;	/* borrowed */
	enum flow				 up, down;
	struct buf				 upbuf, downbuf;
	size_t					 held;	/* bytes libssh keeps */
	size_t					 window; /* what is granted */
	size_t					 taken;	/* since last grant */
	size_t					 seen;	/* since ... */
	uint64_t				 since;	/* ms */
	uint64_t				 rtt;	/* ms, of the channel */
	int					 blocked; /* wfd takes no more */
	int					 gone;	/* errno: wfd has failed */
	int					 started; /* channel is open */
	int					 moved;	/* wrote to wfd */
	int					 refused; /* by the channel: rekey */
	const struct ssh_counter_struct		*packets; /* of the session, or
						 * NULL */
	uint64_t				 due;	/* bytes of them, once
						 * all we gave is in them */
	uint64_t				 pieces; /* of data that came */
	int					 any;	/* a byte has come */
	int					 confirmed; /* by the far end */
	int					 ended;	/* it sends no more */
	int					 closed;
	const char				*breach; /* what it sent against
						 * the rules; NULL: nothing */
	uint32_t				 allowed; /* bytes to the far
						 * end, when last looked */
	int					 exit;	/* of a command */
	void					(*complain)(void *,
						    const char *, size_t);
	void					(*look)(void *, int,
						    const char *, size_t);
						/* at what is carried, 1: from
						 * the far end; or NULL */
	void					*arg;	/* of both */
};

struct link;

/* Who is told what happens.  NULL: nobody. */
struct listener {
	/* the stage of a link is over, at that time (ms) */
	void	 (*stage)(void *, const struct link *, uint64_t);
	/* something about a link that -v, so often, is to show */
	void	 (*notice)(void *, const struct link *, int, const char *);
	/* the chain waits; returns when to tell it again (ms), 0: never */
	uint64_t (*wait)(void *);
	void	*arg;
};

/* What libssh's log has told of a session; libssh.c's alone. */
struct logged {
	char		*reason;	/* what libssh found wrong */
	uint32_t	 maxpacket;	/* of its channel; 0: not known */
};

/* Bytes of a session; drive.c's and watchdog.c's alone. */
struct traffic {
	struct ssh_counter_struct raw;		/* kept by libssh */
	struct ssh_counter_struct packets;	/* the same */
	int64_t			 ahead;		/* packets', of the other,
						 * when all was written */
	uint64_t		 made;		/* packets written, before the
						 * last turn */
	uint64_t		 out;		/* the same, at the last look */
	int64_t			 in;		/* packets read by then, that
						 * had no data */
	int			 tested;	/* for a rekey without answer */
};

/* The host key that was checked; drive.c's alone. */
struct pin {
	ssh_key		 key;		/* NULL: none yet */
	int		 impostor;	/* with another key */
};

/* What has been heard of a hop that is up; keepalive.c's alone. */
struct keepalive {
	uint64_t	 bytes;		/* from it, when last looked */
	uint64_t	 heard;		/* ms; the last of them */
	uint64_t	 asked;		/* ms; the last keepalive */
	uint64_t	 probed;	/* ms; the first of those that are not
					 * answered, or 0 */
	int		 unanswered;	/* keepalives of its own */
	unsigned	 asks;		/* those that want an answer */
	uint64_t	 before;	/* bytes from it before the last */
	int		 answers;	/* one was answered */
	int		 mute;		/* it does not answer them */
};

/* What a hop was asked to open; forward.c's alone. */
struct forward {
	const char	*host;
	int		 port;
	char		*command;	/* ForwardCommand, or NULL */
	int		 session_open;	/* for the command */
	char		*complaint;	/* the command's, printable */
	char		 errline[400];	/* the next of them so far */
	size_t		 errlen;
	struct opening	*opening;	/* greeting.c's; NULL: not looked at */
	int		 joint;		/* relay's end of the joint to the
					 * next session, or -1 */
};

/* A hop we are connected to, or about to be. */
/* What an agent wants to know of a session: see binding.c. */
struct binding {
	unsigned char	*seen;		/* so far; NULL: not looked at */
	size_t		 len;
	uint64_t	 base;		/* libssh's counter, at its beginning */
	unsigned char	*key, *sig;	/* NULL: not known */
	size_t		 keylen, siglen;
	int		 missed;	/* they came between two looks */
};

/* The key that has logged us in, for those who ask what it may do. */
struct credential {
	char	*key;		/* name and fingerprint; NULL: it was none */
	int	 certificate;
};

struct link {
	const struct hop	*hop;		/* borrowed from the plan */
	int			 shown;		/* lines of its server's */
	int			 number;	/* 1 .. nhops; 0: the target */
	char			*label;		/* what failures begin with;
						 * NULL: they are not said */
	ssh_session		 session;
	ssh_event		 event;		/* this session's alone */
	struct ssh_callbacks_struct callbacks;
	enum stage		 stage;
	uint64_t		 since;		/* ms; when stage began */
	char			*note;		/* what the stage has shown */
	const struct listener	*listener;	/* borrowed, the chain's */
	uint64_t		 driven;	/* ms; when it last was */
	int			 up;		/* set up, belongs to the chain */
	int			 dead;
	struct traffic		 traffic;
	struct pin		 pin;
	struct keepalive	 keepalive;
	char			*greeting;	/* what came before a banner */
	struct logged		 logged;
	struct forward		 forward;
	struct relay		 relay;
	struct binding		 binding;
	int			 agentfd;	/* libssh's, see agent.c */
	struct credential	 credential;	/* login's */
};

/* What can fail; chain finds the text for all but the first two. */
enum what {
	FAIL_NOTHING,		/* or nobody is to be told */
	FAIL_TEXT,		/* what text says */
	FAIL_CONNECT,		/* no address has answered: error */
	FAIL_SESSION,		/* it ended before the keys were exchanged */
	FAIL_FORWARD,		/* its channel was not opened */
	FAIL_TIMEOUT,		/* its time is over */
	FAIL_SILENT,		/* it was up, and no longer answers */
	FAIL_LOST		/* it was up, and has gone */
};

/* What has failed last; all zero: nothing. */
struct failure {
	enum what	 what;
	struct link	*link;		/* whose fault it is */
	enum stage	 stage;		/* it was in */
	enum status	 status;	/* what the run ends with */
	char		*text;		/* cause and advice, or NULL */
	int		 error;		/* errno of FAIL_CONNECT */
};

struct own;
struct sequence;

/* All links, and the one place that waits. */
struct chain {
	const struct plan	*plan;
	struct link		 links[MAX_HOPS];
	int			 n;		/* links in use */
	struct link		*at;		/* whose stage is being waited for */
	int			 limit;		/* seconds that deadline is from */
	uint64_t		 deadline;	/* ms; until when; FOREVER, or 0:
						 * nothing is waited for */
	int			 carrying;	/* all is up */
	struct failure		 failure;
	struct listener		 listener;
	struct own		*own;		/* login's; NULL: not started */
	struct sequence		*sequence;	/* lib/chain's */
};

/* loop.c: the one place that waits */
void	 chain_limit(struct chain *, struct link *, int);
int	 chain_turn(struct chain *);
int	 chain_wait(struct chain *, struct pollfd *, nfds_t, uint64_t);

/* link.c: one hop, stage after stage */
void	 link_init(struct link *, struct chain *, const struct hop *, int);
void	 link_stage(struct link *, enum stage);
void	 link_over(struct link *, const char *);
void	 link_question(struct link *, uint64_t);
void	 link_note(struct link *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
void	 link_tell(const struct link *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
#define LINES_MAX	20	/* of a server's, shown in one run */
int	 link_may_show(struct link *);
int	 link_gone(const struct link *);
char	*link_peer(int);
void	 link_free(struct link *);

/* drive.c: one turn of a session */
uint64_t link_received(const struct link *);
void	 link_pin(struct link *, ssh_key);

/* session.c: from a connected descriptor through key exchange */
int	 session_begin(struct chain *, struct link *, int, const char *);
int	 session_kex(struct chain *, struct link *, const char *);
void	 session_drop(struct link *);

/* greeting.c: what comes before a banner */
int	 greeting_skip(struct chain *, struct link *, int);
int	 greeting_is_busy(const char *);
int	 greeting_is_penalty(const char *);

/* forward.c: the channel to the next hop or the target */
int	 forward_open(struct chain *, struct link *, const char *, int, int,
	    int);
int	 forward_joint(struct chain *, struct link *, const char *, int,
	    int *);
const char *forward_complaint(struct link *);
const char *forward_text(struct link *);
int	 forward_is_ssh(struct link *);
void	 forward_withdraw(struct link *);
void	 forward_drop(struct link *);

/* relay.c: one channel, two descriptors */
int	 relay_done(const struct relay *);

/* watchdog.c: a limit on our own processor time */
void	 watchdog_feed(void);
void	 watchdog_rest(void);

/* keepalive.c: keepalives */
uint64_t keepalive_silence(const struct link *);

/* joint.c: how one session's channel becomes the next one's connection */
void	 joint_open(int *, int *);
void	 joint_block(int);
void	 joint_unblock(int);
int	 joint_send(int, const void *, size_t, int);
int	 joint_pass(int, int);
ssize_t	 joint_receive(int, void *, size_t, int *);

/* failure.c: what has failed, as data */
int	 fail(struct chain *, struct link *, enum status, const char *, ...)
	    __attribute__((format(printf, 4, 5)));
int	 failure_note(struct chain *, struct link *, enum what);
void	 failure_at(struct chain *, enum stage);
void	 failure_forget(struct chain *);

/* libssh.c: what libssh tells only in its log or an error's text */
#define LIBSSH_NO_MATCH		"kex error : no match for method"
#define LIBSSH_NO_VERSION	"No version of SSH protocol"
#define LIBSSH_NO_PROOF		"Failed to verify server hostkey signature"
#define LIBSSH_RESET		"Connection reset"

void	 libssh_overhear(struct link *);
const char *libssh_error(const struct link *);
char	*libssh_reason(const struct link *);
int	 libssh_disconnected(const struct link *);
int	 libssh_found(const struct link *, const char *);
int	 libssh_stuck(const struct link *);
const char *libssh_no_match(const struct link *, char **, char **);
int	 libssh_must_change(const struct link *);
char	*libssh_ruled_out(const struct link *);

/* binding.c: the signature that the first key exchange had */
void	 binding_begin(struct link *);
void	 binding_look(struct link *);
void	 binding_take(struct binding *);
void	 binding_end(struct link *);
void	 binding_free(struct link *);

/* run.c: programs that know more than we do */
struct run {
	char	*out;		/* what it wrote; a NUL behind it */
	size_t	 len;
	char	*said;		/* what it wrote to stderr; NULL: nothing */
	int	 exit;		/* its status; -1: none, or too much */
	char	*how;		/* it ended, for a failure */
};

int	 run_program(struct chain *, char *const [], const char *,
	    struct run *);
int	 run_with(struct chain *, char *const [], char *const [],
	    const char *, struct run *);
void	 run_free(struct run *);

/* key.c: public keys */
int	 key_blob(ssh_key, unsigned char **);
char	*key_fingerprint(ssh_key);
int	 key_same(ssh_key, ssh_key);
ssh_key	 key_public(ssh_key);
int	 key_in_device(ssh_key);
int	 key_is_certificate(ssh_key);
int	 key_certifies(ssh_key, ssh_key);

#endif
