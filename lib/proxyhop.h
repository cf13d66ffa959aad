/*
 * proxyhop: everything that more than one file needs, in the order data flows:
 * the command line -> hops (the plan) -> links (alive) -> relays -> status.
 */

#ifndef PROXYHOP_H
#define PROXYHOP_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#define PROXYHOP_VERSION	"0.1"
#define MAX_HOPS		16
#define CONNECT_TIMEOUT		15	/* seconds a hop, if nobody says */
#define ALIVE_INTERVAL		30	/* seconds, if nobody says */
#define ALIVE_COUNT		3
#define REFUSALS		3	/* of a hop that are not believed */
#define MARK			"PROXYHOP"	/* set for what we start */

/* Exit status, and what every step of the chain returns. */
enum status {
	OK = 0,			/* carried and closed */
	GIVEUP = 1,		/* no use trying again as it is */
	RETRY = 2,		/* may work later */
	AGAIN = 3		/* nothing said yet: there is time to try again;
				 * never leaves the set-up of a hop */
};

/* What a hop passes through; messages, time-outs and -v speak of these. */
enum stage {
	STAGE_RESOLVE,
	STAGE_CONNECT,
	STAGE_BANNER,
	STAGE_KEX,
	STAGE_HOSTKEY,
	STAGE_AUTH,
	STAGE_FORWARD,
	STAGE_CARRY
};

/* A list of strings; it owns them.  All zero is the empty list. */
struct words {
	char	**v;
	size_t	  n;
};

/* One -o or -i, for every hop or for one. */
struct option {
	TAILQ_ENTRY(option)	 entry;
	int			 flag;	/* 'o' or 'i' */
	char			*hop;	/* name as typed or number; NULL: all */
	char			*text;	/* as ssh takes it after the flag */
	char			*typed;	/* the whole word, for complaints */
	char			*place;	/* where it was typed */
};
TAILQ_HEAD(options, option);

/* The command line, then the own file; read-only once both are through. */
struct conf {
	char		*configfile;	/* -F; NULL: ssh's own files */
	struct options	 options;	/* -o, -i, -4, -6 */
	char		*jump;		/* -J; NULL: not given */
	char		*jump_place;	/* where it was typed */
	char		*logfile;	/* -E; NULL: stderr */
	char		*routefile;	/* -r; NULL: ~/.ssh/proxyhop.conf */
	int		 print;		/* -G */
	int		 try;		/* -t, counted */
	int		 fdpass;	/* -f */
	int		 verbose;	/* -v, counted */
	int		 quiet;		/* -q */
	int		 version;	/* -V */
	const char	*host;		/* the target, as the client gave it */
	int		 port;
};

/* A gateway as asked for: plain data, first value wins, NULL or -1: not set. */
struct hop {
	TAILQ_ENTRY(hop)	 entry;
	char			*spec;		/* as typed in -J */
	char			*name;		/* its host part: what we call it */
	const char		*place;		/* where spec is written */
	char			*typed_user;	/* written in spec, or NULL */
	int			 typed_port;	/* written in spec, or 0 */

	int			 asked;		/* ssh has answered */
	int			 jumped;	/* it had a ProxyJump itself */
	int			 asked_alone;	/* as if none came before it */
	char			*command;	/* its ProxyCommand then */

	/* from here on as ssh_config(5) names them */
	char			*addressfamily;
	int			 batchmode;
	char			*bindaddress;
	char			*bindinterface;
	struct words		 certificatefile;
	int			 checkhostip;
	char			*ciphers;
	int			 compression;
	int			 connectionattempts;
	int			 connecttimeout;	/* seconds */
	char			*forwardcommand;	/* our own */
	struct words		 globalknownhostsfile;
	int			 hashknownhosts;
	char			*hostkeyalgorithms;
	char			*hostkeyalias;
	char			*hostname;
	int			 identitiesonly;
	char			*identityagent;
	struct words		 identityfile;
	int			 kbdinteractiveauthentication;
	char			*kexalgorithms;
	char			*knownhostscommand;
	char			*loglevel;
	char			*macs;
	int			 numberofpasswordprompts;
	int			 passwordauthentication;
	char			*pkcs11provider;
	int			 port;
	char			*preferredauthentications;
	char			*proxycommand;
	char			*proxyjump;
	char			*proxyusefdpass;
	char			*pubkeyacceptedalgorithms;
	char			*pubkeyauthentication;
	char			*rekeylimit;
	char			*remotecommand;
	int			 requiredrsasize;
	char			*revokedhostkeys;
	int			 serveralivecountmax;
	int			 serveraliveinterval;	/* seconds */
	char			*stricthostkeychecking;
	int			 tcpkeepalive;
	char			*user;
	struct words		 userknownhostsfile;
	char			*verifyhostkeydns;
};
TAILQ_HEAD(hops, hop);

/* The way to the target: what the command line and ssh say together. */
struct plan {
	struct hops	 hops;		/* nearest first */
	int		 nhops;		/* 0: connect straight */
	struct hop	*target;	/* if so, how to connect; else NULL */
	int		 no_ssh;	/* nobody answers ssh -G */
	const struct conf *conf;
	int		 fixed;		/* the first one's way is not asked */
	char		*hostname;	/* the target's, if ssh was asked */
	const char	*host;		/* the target; conf's, or hostname */
	int		 port;
};

/* Bytes between two descriptors: data[off] .. data[off + len - 1]. */
struct buf {
	char	*data;
	size_t	 off, len;
};

/* One direction of a relay. */
enum way {
	WAY_OPEN,		/* bytes flow */
	WAY_DRAINING,		/* the source has ended, some bytes are left */
	WAY_SHUT		/* the end has been passed on */
};

/* How a command ended, if not with a status. */
#define EXIT_UNTOLD	-1
#define EXIT_SIGNALED	-2

/* One channel joined to two descriptors: rfd -> channel -> wfd. */
struct relay {
	ssh_session				 session;	/* borrowed */
	ssh_channel				 channel;	/* session's */
	struct ssh_channel_callbacks_struct	 callbacks;
	int					 rfd, wfd;	/* borrowed */
	enum way				 up, down;
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
	int					 any;	/* a byte has come */
	int					 closed;
	int					 exit;	/* of a command */
	void					(*complain)(void *,
						    const char *, size_t);
	void					*arg;	/* complain's */
};

enum marker {
	PLAIN,
	REVOKED,
	AUTHORITY
};

/* One line of a known_hosts file. */
struct known {
	enum marker	 marker;
	ssh_key		 key;
	const char	*file;		/* borrowed from the hop */
	unsigned	 line;
};

/* All lines about one name, in their order. */
struct knowns {
	char		*name;
	struct known	*v;
	size_t		 n;
};

/* A hop we are connected to, or about to be. */
struct link {
	const struct hop	*hop;		/* borrowed from the plan */
	int			 number;	/* 1 .. nhops */
	ssh_session		 session;
	ssh_event		 event;		/* this session's alone */
	struct ssh_callbacks_struct callbacks;
	enum stage		 stage;
	uint64_t		 since;		/* ms; when stage began */
	uint64_t		 driven;	/* ms; when it last was */
	int			 up;		/* set up, belongs to the chain */
	int			 dead;
	struct ssh_counter_struct counter;	/* kept by libssh */
	uint64_t		 bytes;		/* from it, when last looked */
	uint64_t		 heard;		/* ms; the last of them */
	uint64_t		 asked;		/* ms; the last keepalive */
	uint64_t		 probed;	/* ms; the first of those that
						 * are not answered, or 0 */
	int			 unanswered;	/* keepalives of its own */
	char			*note;		/* what the stage has shown */
	struct ladder		*ladder;	/* borrowed; NULL: no -t */
	char			*greeting;	/* what is no banner, visible */
	char			*reason;	/* what libssh found wrong */
	uint32_t		 maxpacket;	/* of its channel; 0: not known */
	const char		*to_host;	/* what it was asked to open */
	int			 to_port;
	char			*command;	/* that goes there, or NULL */
	int			 session_open;	/* for the command */
	char			*complaint;	/* the command's, visible */
	char			 errline[400];	/* the next of them so far */
	size_t			 errlen;
	pid_t			 pid;		/* ProxyCommand; 0: none */
	struct knowns		 known[2];	/* by name with, without port */
	ssh_key			 hostkey;	/* the one that was checked */
	int			 rekeyed;	/* just now */
	int			 impostor;	/* with another key */
	int			 overrun;	/* sent more than it may */
	int			 agentfd;	/* libssh's, see agent.c */
	int			 joint;		/* relay's end of the joint to
						 * the next session, or -1 */
	struct relay		 relay;
};

/* All links, and the one place that waits. */
struct chain {
	const struct plan	*plan;
	struct link		 links[MAX_HOPS];
	int			 n;		/* links in use */
	struct link		*at;		/* who is to get on now */
	uint64_t		 deadline;	/* ms; until when; 0: no limit */
	int			 carrying;	/* all is up */
	uint64_t		 began;		/* ms */
	int			 tries;		/* of the hop, that failed */
	const char		*cause;		/* of the last */
	uint32_t		 pause;		/* ms before the next */
	uint64_t		 until;		/* ms; no try after that */
	char			 tried[24];	/* in words */
	struct ladder		*ladder;	/* borrowed; NULL: no -t */
};

#define MAX_ADDRESSES	16

/* What there is of a name. */
struct address {
	struct sockaddr_storage	 addr;
	socklen_t		 len;
};

struct addresses {
	struct address	 v[MAX_ADDRESSES];
	size_t		 n;
	int		 error;		/* as getaddrinfo(3) returns it */
};

/* words.c: lists of strings, and words that are fit to be shown */
char	*xvasprintf(const char *, va_list)
	    __attribute__((format(printf, 1, 0)));
char	*xasprintf(const char *, ...) __attribute__((format(printf, 1, 2)));
void	*xcalloc(size_t, size_t);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
void	 words_add(struct words *, char *);
void	 words_free(struct words *);
void	 words_join(char **, const char *, const char *);
char	*words_visible(const char *);
char	*words_base64(const void *, size_t);
int	 words_unbase64(const char *, unsigned char **);
const char *words_split(struct words *, const char *);

/* say.c: messages */
void	 say_open(const struct conf *);
void	 say_more(int);
int	 say_level(void);
void	 say(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_debug(int, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
const char *say_stage(enum stage);
uint64_t say_began(void);
int	 say_live(void);
void	 say_status(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 say_erase(void);
uint64_t now(void);

/* child.c: children that do the waiting */
pid_t	 child_fork(int);
pid_t	 child_pipe(int, int *);
int	 child_wait(pid_t);

/* conf.c: the command line and the own file */
int	 conf_options(struct conf *, int, char *[]);
int	 conf_file(struct conf *);
int	 conf_parse(struct conf *, FILE *, const char *);
int	 conf_names(const struct option *, const char *);
const char *conf_value(const struct option *);
int	 conf_own(const struct option *);
void	 conf_free(struct conf *);

/* hop.c: one gateway as text and as data */
struct hop *hop_parse(const char *, const char **);
struct hop *hop_new(const char *, const char *);
char	*hop_list(struct hops *, const char *);
int	 hop_target(const char *, const char *, int *, const char **);
void	 hop_free(struct hop *);
void	 hops_free(struct hops *);

/* keyword.c: the settings of a hop, one table */
int	 keyword_set(struct hop *, const char *, const char *);
int	 keyword_known(const char *);
void	 keyword_unset(struct hop *);
void	 keyword_free(struct hop *);
void	 keyword_each(const struct hop *, void (*)(const char *, size_t,
	    const char *, void *), void *);

/* expand.c: what ssh -G leaves to be expanded */
char	*expand_file(const struct hop *, const char *, const char **);
char	*expand_tilde(const char *);
const char *expand_home(void);
const char *expand_user(void);

/* ask.c: what ssh itself says of a hop */
enum answer {
	ANSWER_OK,
	ANSWER_REFUSED,		/* ssh has, and was quoted */
	ANSWER_NONE		/* no ssh, or one without -G */
};

/* How to ask. */
struct question {
	const struct conf	*conf;
	int			 number;	/* of the hop; 0: the target */
	const char		*earlier;	/* hops before, or NULL */
	const char		*next;		/* where to, as ssh -W has it */
	const char *const	*extra;		/* -o's before all others */
};

struct ask {
	struct hop	*hop;		/* borrowed; gets the answer */
	pid_t		 pid;		/* -1: not running */
	int		 out, err;	/* what ssh wrote: memory files */
};

void	 ask_start(struct ask *, struct hop *, const struct question *);
enum answer ask_finish(struct ask *, int);
int	 ask_read(struct hop *, char *);
int	 ask_concerns(const struct option *, const struct hop *, int);

/* cipher.c: which cipher first */
void	 cipher_order(struct hop *);

/* plan.c: command line and ssh's answers to a list of hops */
int	 plan_make(struct plan *, const struct conf *);
char	*plan_way(const struct plan *, const struct hop *, const char *);
void	 plan_free(struct plan *);

/* without.c: a hop's settings where there is no ssh */
int	 without_ssh(const struct conf *, struct hop *, int);

/* print.c: the plan in words */
void	 print_plan(const struct plan *);

/* chain.c: the links, and the one poll() */
int	 chain_open(struct chain *, const struct plan *, int, int);
int	 chain_dial(struct chain *, const struct plan *, int *);
int	 chain_carry(struct chain *);
void	 chain_close(struct chain *);
int	 chain_turn(struct chain *);
int	 chain_wait(struct chain *, struct pollfd *, nfds_t, uint64_t);
int	 chain_again(struct chain *, int, const char *);
const char *chain_tries(struct chain *, int);

/* alive.c: keepalives */
uint64_t alive_due(const struct link *);
int	 alive_step(struct chain *);

/* link.c: one session, from a connected descriptor to an open channel */
void	 link_stage(struct link *, enum stage);
void	 link_over(struct link *, const char *);
void	 link_note(struct link *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
int	 link_connect(struct chain *, struct link *, int);
int	 link_forward(struct chain *, struct link *, const char *, int, int,
	    int);
void	 link_unforward(struct link *);
const char *link_complaint(struct link *);
uint64_t link_rest(const struct link *, uint64_t);
void	 link_drive(struct link *);
int	 link_gone(const struct link *);
void	 link_overhear(struct link *);
void	 link_drop(struct link *);
void	 link_close(struct link *);

/* fail.c: what went wrong, in one line */
int	 fail(struct chain *, struct link *, enum status, const char *, ...)
	    __attribute__((format(printf, 4, 5)));
int	 fail_timeout(struct chain *, struct link *);
int	 fail_connect(struct chain *, struct link *);
int	 fail_forward(struct chain *, struct link *);
int	 fail_lost(struct chain *, struct link *);
int	 fail_silent(struct chain *, struct link *);
char	*fail_words(const struct link *);
int	 fail_is_finding(const char *);

/* ladder.c: -t */
struct ladder *ladder_new(int);
void	 ladder_rung(struct ladder *, const struct link *, uint64_t);
void	 ladder_fail(struct ladder *, const struct link *, char *);
int	 ladder_climb(struct chain *, const struct plan *, struct ladder *);
void	 ladder_end(struct ladder *);

/* resolve.c: the addresses of the first hop */
int	 resolve(struct chain *, struct link *, struct addresses *);

/* dial.c: the first hop's socket */
int	 dial(struct chain *, struct link *, int *);
char	*dial_address(int);

/* straight.c: no gateway at all */
int	 straight(struct chain *, const struct plan *, int, int);

/* joint.c: how one session's channel becomes the next one's connection */
void	 joint_open(int *, int *);
void	 joint_block(int);
void	 joint_unblock(int);

/* command.c: ProxyCommand and ForwardCommand */
int	 command_check(const struct hop *);
void	 command_start(struct link *, int *);
int	 command_end(struct link *);
int	 command_fail(struct chain *, struct link *);
int	 command_lost(struct chain *, struct link *);
char	*command_forward(const struct hop *, const char *, int);
int	 command_forward_fail(struct chain *, struct link *, const char *);
int	 command_forward_end(struct chain *, struct link *, const char *);

/* fdpass.c: -f */
int	 fdpass(struct chain *, const struct plan *);
int	 fdpass_possible(void);

/* known.c: what known_hosts files say */
char	*known_host(const char *, int);
char	*known_name(const struct hop *, int);
char	*known_hash(const char *);
void	 known_line(struct knowns *, size_t, char *, const char *, unsigned);
void	 known_read(const struct hop *, struct knowns *, size_t);
void	 known_free(struct knowns *);

/* hostkey.c: is this the host we meant */
void	 hostkey_read(struct link *);
void	 hostkey_forget(struct link *);
char	*hostkey_algorithms(const struct link *);
int	 hostkey_check(struct chain *, struct link *);
int	 hostkey_same(const struct link *);
char	*hostkey_fingerprint(ssh_key);

/* terminal.c: one question at a time on a terminal */
void	 terminal_take(void);
int	 terminal_taken(void);

/* prompt.c: questions to a person */
#define ANSWER_MAX	1024	/* bytes of an answer, with its NUL */

int	 prompt_possible(const struct hop *);
int	 prompt(struct chain *, struct link *, const char *, int, char *,
	    int *);

/* agent.c: keys that only the agent holds */
struct agent_key {
	ssh_key		 key;		/* public */
	char		*blob;		/* as the agent names it */
	size_t		 len;
	char		*comment;
};

struct agent {
	int			 fd;	/* -1: no agent (any more) */
	const char		*path;
	struct agent_key	*keys;
	size_t			 n;
};

struct login;

int	 agent_open(struct chain *, struct link *, struct agent *);
int	 agent_login(struct login *, const struct agent_key *);
void	 agent_close(struct agent *);

/* auth.c: who we are there */
#define MAX_KEYS	64	/* tried on one hop */

/* How one key, or one method, went. */
enum result {
	NO,			/* refused: the next one */
	YES,			/* logged in */
	PARTLY,			/* taken, but the server wants more */
	LOST			/* nobody to talk to: see login's status */
};

/* One login to one hop. */
struct login {
	struct chain	*c;
	struct link	*l;
	int		 status;	/* the chain's, if it has failed */
	int		 used;		/* methods, as ssh_userauth_list() */
	int		 listed;	/* the server has said what it takes */
	int		 partial;	/* a method was taken, more is wanted */
	int		 mute;		/* there was nobody to ask */
	ssh_key		 tried[MAX_KEYS];	/* public halves */
	size_t		 ntried;
	struct agent	 agent;
	int		 agent_asked;
	char		*how;		/* methods that were taken */
	char		*offered;	/* which keys, for the failure's line */
	char		*passed_over;	/* which not, and why */
};

int	 auth(struct chain *, struct link *);
int	 auth_again(struct login *);
int	 auth_ask(struct login *, const char *, int, char *);
enum result auth_judge(struct login *, int);

/* pubkey.c: logging in with a key */
enum result pubkey_login(struct login *);
void	 pubkey_free(struct login *);

/* relay.c: one channel, two descriptors */
void	 relay_init(struct relay *, ssh_session, ssh_channel, int, int);
void	 relay_start(struct relay *, uint64_t);
void	 relay_poll(const struct relay *, struct pollfd *);
size_t	 relay_kept(const struct relay *);
int	 relay_ready(const struct relay *);
void	 relay_step(struct relay *, const struct pollfd *);
int	 relay_done(const struct relay *);
int	 relay_safe(const struct relay *);
int	 relay_overrun(const struct relay *);
void	 relay_free(struct relay *);

#endif
