# pam.sh: real sshds whose PAM asks what a scenario wants; after harness.sh, and
# as root.

SERVICE=proxyhop-test-$$

# sshd names its PAM service after itself.
clean_up()
{
	local status=$?

	rm -f "/etc/pam.d/$SERVICE"
	(exit "$status")
	finish
}

# A module that asks what its arguments say: each "off:PROMPT:ANSWER" or
# "on:PROMPT:ANSWER" is a round, "tell:TEXT" is shown before the next one.
pam_module()
{
	cat >"$T/ask.c" <<-'END'
	#include <stdlib.h>
	#include <string.h>
	struct message { int style; const char *text; };
	struct response { char *text; int code; };
	struct conv {
		int (*ask)(int, const struct message **, struct response **,
		    void *);
		void *arg;
	};
	int pam_get_item(const void *, int, const void **);

	static int
	one(const struct conv *conv, char *word)
	{
		char *kind = strsep(&word, ":"), *prompt = strsep(&word, ":");
		struct message m = { !strcmp(kind, "off") ? 1 :
		    !strcmp(kind, "on") ? 2 : 4, prompt };
		const struct message *pm = &m;
		struct response *r = NULL;
		int bad;

		if (conv->ask(1, &pm, &r, conv->arg) != 0)
			return 1;
		bad = m.style != 4 && (r == NULL || r->text == NULL ||
		    strcmp(r->text, word) != 0);
		return bad;
	}

	int
	pam_sm_authenticate(void *h, int flags, int argc, const char **argv)
	{
		const void *conv;
		int i, bad = 0;

		(void)flags;
		if (pam_get_item(h, 5, &conv) != 0)
			return 7;
		for (i = 0; i < argc; i++)
			bad |= one(conv, strdup(argv[i]));
		return bad ? 7 : 0;
	}

	int
	pam_sm_setcred(void *h, int flags, int argc, const char **argv)
	{
		(void)h, (void)flags, (void)argc, (void)argv;
		return 0;
	}
	END
	cc -shared -fPIC -D_GNU_SOURCE -o "$T/ask.so" "$T/ask.c" \
	    >"$T/cc.log" 2>&1 || die "cc builds a PAM module" "$T/cc.log"
}

# start_pam NAME WORDS [sshd_config lines]: an sshd whose PAM asks so.
start_pam()
{
	local name=$1 words=$2 real=$SSHD

	shift 2
	SSHD=$T/$SERVICE
	ln -sf "$real" "$SSHD"
	cat >"/etc/pam.d/$SERVICE" <<-END
	auth required $T/ask.so $words
	account required pam_permit.so
	session required pam_permit.so
	END
	start_sshd "$name" "UsePAM yes" "KbdInteractiveAuthentication yes" "$@"
	SSHD=$real
}

# What PAM asks is read when somebody logs in: one file for all, one at a time.
pam_asks()
{
	sed -i "s|^auth .*|auth required $T/ask.so $1|" "/etc/pam.d/$SERVICE"
}
