/*
 * How one session's channel becomes the next one's connection.
 */

#ifndef JOINT_H
#define JOINT_H

#include <sys/types.h>

void	 joint_open(int *, int *);
void	 joint_pipe(int *, int *);
void	 joint_block(int);
void	 joint_unblock(int);
int	 joint_send(int, const void *, size_t, int);
int	 joint_pass(int, int);
ssize_t	 joint_receive(int, void *, size_t, int *);

#endif
