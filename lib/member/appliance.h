/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appliance - a daemon that hosts one token of a PKCS#11 library and serves it
 * over mutual TLS, as a network HSM would be reached.
 *
 * To the token all clients are one application, so the daemon keeps apart what
 * PKCS#11 would mix: login is virtual per client (guest.h; a later PIN is compared
 * with a salted verifier made at the first good login, wrong PINs slow down their
 * sender, see throttle.h), sessions and session objects belong to the client
 * that made them, finds do not show other clients' session objects nor
 * private objects to who is not logged in.
 *
 * Who has not shown a certificate yet is a newcomer: newcomers have few places and
 * little time, and never take a place of a guest. A guest that comes too many is told
 * so; idle ones make room.
 */
#ifndef MEMBER_APPLIANCE_H
#define MEMBER_APPLIANCE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct appliance_config {
	const char *name;	/* of the device */
	const char *library;	/* path of the PKCS#11 library to host */
	const char *serial, *uri;	/* which of its tokens (library.h) */
	const char *address;	/* to listen on, "127.0.0.1:0": port 0 = any free one */
	const char *tls_folder;	/* ca.pem, NAME.pem, NAME.key */
	const char *pid_file;	/* locked while it runs; holds "ADDRESS:PORT" */
	const char *tokens;	/* SoftHSM's token folder, guarded and watched; NULL = none */
	const char *guard;	/* where whole copies of token.object are kept */
	bool shared;		/* others write to the token past this host */
	unsigned guests;	/* connections at once; 0 = 512 */
	int64_t idle_ms;	/* an idle connection ends; 0 = 15 minutes */
	int64_t yield_ms;	/* when places are short, one idle for so long ends; 0 = a minute */
	void (*serves)(void);	/* called when it does; NULL = nobody asks */
};

/*
 * Serve until a signal says to stop (base/cancel.h, which the caller has installed; returns 0). ERR_LOCKED when a
 * daemon with this pid file runs already, ERR_IN_USE for a taken port, ERR_NOT_FOUND without such a token. The process
 * is to end by _exit() then: a call may be stuck in the library, which must not be taken down under it.
 */
int appliance_serve(const struct appliance_config *config, struct err *err);

/*
 * The same in a child, which is started again when the library has ended it: SoftHSM calls exit() on some inputs, and
 * any may crash. We are the watcher then, which loads no library, and keeps the port (nobody listens there meanwhile,
 * so that clients go on with another member at once).
 *
 * The process in the pid file is the device, and that is the daemon. With the watcher there, who suspends the device
 * would suspend a bystander. So whoever kills or stops what the pid file names has lost the device or ended it, as
 * ever, and nothing is started behind a drill's back: a daemon that was killed (SIGKILL, also for want of memory,
 * SIGTERM and the like) or that said it ends is not started again, only one that ended by a crash or an exit() without
 * a word. Until it is, the watcher is in the pid file. A daemon whose watcher is gone ends.
 *
 * It is tried again for as long as it takes, after 0.1 s at first and up to 5 s in the end; but one that never came so
 * far as to serve is not. ERR_FAILED: it was killed, or did not come so far.
 */
int appliance_watch(const struct appliance_config *config, struct err *err);

/*
 * Make a token: C_InitToken in the first free slot, then the user PIN. For a
 * process of its own that does nothing else. ret_serial holds 17 characters.
 * An initialised token with this label is left as it is and its serial
 * returned, after its user PIN was set if it had none.
 */
struct secret;
int appliance_init_token(const char *library, const char *label, const struct secret *so_pin,
			 const struct secret *pin, char ret_serial[static 17], struct err *err);

#endif
