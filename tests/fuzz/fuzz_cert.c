/* A certificate, and a server that is to show one: whatever it sends. */

#include <stdlib.h>
#include <string.h>

#include "trust/local.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
certificate(const uint8_t *data, size_t size)
{
	struct pub pub, again;
	struct cert cert;
	char *text;

	if (pub_parse(&pub, data, size) == -1)
		return;
	text = pub_text(&pub);
	if (pub_read(&again, text) == -1 || !pub_same(&pub, &again))
		abort();
	free(text);
	free(pub_fingerprint(&pub));
	if (cert_parse(&cert, &pub) == 0) {
		if (cert_wrong(&cert, "gw.example", NULL, 1) == NULL)
			free(cert_proof(&cert, "gw.example"));
		cert_free(&cert);
	}
	pub_free(&again);
	pub_free(&pub);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct certkex s;
	size_t i, n;

	certificate(data, size);
	certkex_begin(&s, "ssh-ed25519-cert-v01@openssh.com,"
	    "rsa-sha2-512-cert-v01@openssh.com");
	for (i = 0; i < size && s.why == NULL && !s.done; i += n) {
		n = size - i < 700 ? size - i : 700;
		certkex_take(&s, data + i, n);
	}
	if (s.outlen > sizeof(s.out) || (s.done && !s.cert.cert))
		abort();
	certkex_free(&s);
	return 0;
}
