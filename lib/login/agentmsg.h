/*
 * Messages of the protocol between a client and its agent
 * (draft-ietf-sshm-ssh-agent).
 */

#ifndef LOGIN_AGENTMSG_H
#define LOGIN_AGENTMSG_H

#include <stdint.h>
#include <stdio.h>

#define REQUEST_IDENTITIES	11
#define IDENTITIES_ANSWER	12
#define MAX_ANSWER		(256 * 1024)	/* bytes */
#define ANSWER_TIME		60000	/* ms an agent may take for an answer:
					 * a person may have to unlock it */
#define REST_TIME		5000	/* ms for the rest of one */

/* What is left to be read of a message. */
struct agentmsg {
	const unsigned char	*p;
	size_t			 left;
};

int	 agentmsg_u32(struct agentmsg *, uint32_t *);
int	 agentmsg_string(struct agentmsg *, const unsigned char **, uint32_t *);
FILE	*agentmsg_begin(int, char **, size_t *);
void	 agentmsg_put_u32(FILE *, uint32_t);
void	 agentmsg_put_string(FILE *, const void *, size_t);
int	 agentmsg_send(int, FILE *, char **, const size_t *);
int	 agentmsg_write(int, const void *, size_t);
unsigned char *agentmsg_await(int, size_t *, int);

#endif
