/*
 * Bytes between descriptors, with no session in between.
 */

#ifndef COPY_H
#define COPY_H

struct chain;
struct copy;

/* copy.c */
struct copy *copy_new(int, int, int);
void	 copy_close(struct copy *);

/* both.c: for a whole run */
int	 copy_both(struct chain *, int, int, int, int *);

#endif
