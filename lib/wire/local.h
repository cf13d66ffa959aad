/*
 * What the files of this folder share, and nobody else sees.
 */

#ifndef WIRE_LOCAL_H
#define WIRE_LOCAL_H

#include "wire/wire.h"

/* link.c: one hop, stage after stage */
void	 link_reset(struct link *);

/* drive.c: one turn of a session */
void	 link_rekeyed(struct link *);
uint64_t link_sent(const struct link *);
uint64_t link_rest(const struct link *, uint64_t);
void	 link_drive(struct link *);
void	 link_step(struct link *, const struct pollfd *);

/* greeting.c: what comes before a banner */
int	 greeting_send(struct link *, int);
struct opening *opening_new(void);
void	 opening_look(struct opening *, int, const char *, size_t);
int	 opening_told(const struct opening *);
size_t	 opening_wants(const struct opening *);
int	 opening_is_ssh(const struct opening *);
const char *opening_text(struct opening *);
void	 opening_free(struct opening *);

/* relay.c: one channel, two descriptors */
void	 relay_init(struct relay *, ssh_session, ssh_channel, int, int);
void	 relay_start(struct relay *, uint64_t);
void	 relay_poll(const struct relay *, struct pollfd *);
size_t	 relay_kept(const struct relay *);
int	 relay_ready(const struct relay *);
void	 relay_step(struct relay *, const struct pollfd *);
int	 relay_safe(const struct relay *);
void	 relay_breach(struct relay *, const char *);
void	 relay_free(struct relay *);

/* watchdog.c: a limit on our own processor time */
void	 watchdog_start(void);
void	 watchdog_turn(struct chain *);

/* keepalive.c: keepalives */
uint64_t keepalive_due(const struct link *);
int	 keepalive_step(struct chain *);

/* libssh.c: what libssh tells only in its log */
void	 libssh_log(void);
struct link *libssh_log_of(struct link *);
void	 libssh_forget(struct link *);

#endif
