/*
 * What comes before a server's banner.
 */

#ifndef GREETING_H
#define GREETING_H

struct chain;
struct link;

int	 greeting_skip(struct chain *, struct link *, int);
int	 greeting_is_busy(const char *);
int	 greeting_is_penalty(const char *);

#endif
