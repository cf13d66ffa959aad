/*
 * What libssh does not tell of a public key.
 */

#ifndef KEY_H
#define KEY_H

#include <libssh/libssh.h>

int	 key_blob(ssh_key, unsigned char **);
char	*key_fingerprint(ssh_key);
ssh_key	 key_from_text(const char *, const char *);
int	 key_same(ssh_key, ssh_key);
ssh_key	 key_plain(ssh_key);
ssh_key	 key_public(ssh_key);
int	 key_in_device(ssh_key);
int	 key_is_certificate(ssh_key);
int	 key_certifies(ssh_key, ssh_key);

#endif
