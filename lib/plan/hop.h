/*
 * A jump host as plain data: where it is from, and its settings.
 */

#ifndef HOP_H
#define HOP_H

#include "base/base.h"

/* A gateway as asked for: plain data, first value wins, NULL or -1: not set. */
struct hop {
	TAILQ_ENTRY(hop)	 entry;
	char			*spec;		/* as typed in -J */
	char			*name;		/* its host part: what we call it */
	const char		*place;		/* where spec is written */
	char			*typed_user;	/* written in spec, or NULL */
	int			 typed_port;	/* written in spec, or 0 */

	int			 nesting;	/* of the ProxyJump it is from */
	int			 asked;		/* ssh has answered */
	int			 jumped;	/* it had a ProxyJump itself */
	int			 asked_alone;	/* as if none came before it */
	char			*command;	/* its ProxyCommand then */
	struct strlist		 ignored;	/* settings that are not followed */
	int			 alive_default;	/* nobody wants keepalives */

	/* from here on as ssh_config(5) names them */
	char			*addkeystoagent;
	char			*addressfamily;
	int			 batchmode;
	char			*bindaddress;
	char			*bindinterface;
	char			*casignaturealgorithms;
	struct strlist		 certificatefile;
	int			 checkhostip;
	char			*ciphers;
	int			 compression;
	int			 connectionattempts;
	int			 connecttimeout;	/* seconds; 0: no limit */
	char			*controlmaster;
	char			*controlpath;	/* none: NULL */
	char			*controlpersist;
	char			*forkafterauthentication;
	char			*forwardcommand;	/* our own */
	struct strlist		 globalknownhostsfile;
	int			 gssapiauthentication;
	char			*gssapiclientidentity;
	int			 gssapikeyexchange;
	char			*gssapiserveridentity;
	int			 gssapitrustdns;
	int			 hashknownhosts;
	int			 hostbasedauthentication;
	char			*hostkeyalgorithms;
	char			*hostkeyalias;
	char			*hostname;
	int			 identitiesonly;
	char			*identityagent;
	struct strlist		 identityfile;
	int			 kbdinteractiveauthentication;
	char			*kexalgorithms;
	char			*knownhostscommand;
	int			 logintimeout;	/* seconds; 0: no limit; our own */
	char			*loglevel;
	char			*macs;
	int			 nohostauthenticationforlocalhost;
	int			 numberofpasswordprompts;
	int			 passwordauthentication;
	char			*pkcs11provider;
	int			 port;
	char			*preferredauthentications;
	char			*proxycommand;
	char			*proxyjump;
	int			 proxyusefdpass;
	char			*pubkeyacceptedalgorithms;
	char			*pubkeyauthentication;
	char			*rekeylimit;
	char			*remotecommand;
	int			 requiredrsasize;
	char			*revokedhostkeys;
	char			*securitykeyprovider;
	int			 serveralivecountmax;
	int			 serveraliveinterval;	/* seconds */
	char			*stricthostkeychecking;
	int			 tcpkeepalive;
	char			*user;
	struct strlist		 userknownhostsfile;
	char			*verifyhostkeydns;
};
TAILQ_HEAD(hops, hop);

#endif
