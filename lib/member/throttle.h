/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle - slows down who guesses PINs, and nobody else.
 *
 * Wrong PINs are counted for each client, that is for each certificate. An answer to
 * a wrong one is held back, longer each time; the right PIN is never held back. A
 * client whose certificate has never shown the right PIN has only a few tries under
 * way at once: more are turned away unlooked at, so that hanging up early is no
 * way round the wait. A client that has shown it is not held up by the mistakes of
 * others with the same certificate.
 *
 * Before the first good login of a host each new PIN has to be shown to the token,
 * whose own counter locks it for everybody: so a PIN that it has refused is
 * not shown to it again, and it is shown few others.
 *
 * Times are monotonic milliseconds and come from the caller. Not thread-safe.
 */
#ifndef MEMBER_THROTTLE_H
#define MEMBER_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cert.h"
#include "crypto/digest.h"

enum {
	THROTTLE_CLIENTS = 64,		/* certificates remembered, the latest ones */
	THROTTLE_AT_ONCE = 4,		/* tries under way of an unproven client */
	THROTTLE_FIRST_MS = 50,		/* wait after the first wrong PIN; doubles each time */
	THROTTLE_LONGEST_MS = 2000,
	THROTTLE_FORGET_MS = 600000,	/* without a wrong PIN the next one is the first again */
	THROTTLE_TOKEN_TRIES = 3,	/* PINs the token may refuse before a good one is known: */
	THROTTLE_ADMIN_TRIES = 6,	/* from anybody, and from administrators in all */
};

struct throttle_client {
	char fingerprint[SHA256_TEXT];	/* of its certificate */
	bool proven;
	unsigned wrong, under_way;
	int64_t last_ms;
};

/* All zeros is a new one. */
struct throttle {
	struct throttle_client clients[THROTTLE_CLIENTS];
	uint8_t refused[THROTTLE_ADMIN_TRIES][SHA256_LEN];
	unsigned n_refused;
};

/* May this client try a PIN now? NULL: not before one of its tries has ended. Valid
 * until throttle_leave(), which must follow. */
struct throttle_client *throttle_enter(struct throttle *throttle, const char *fingerprint, int64_t now_ms);
/* How long the answer is to be held back; the try stays under way until then. */
int64_t throttle_judge(struct throttle_client *client, bool right, int64_t now_ms);
void throttle_leave(struct throttle_client *client);

/* What to do with a PIN that nobody knows to be right; mac: a salted digest of it. */
enum throttle_verdict { THROTTLE_ASK_TOKEN, THROTTLE_KNOWN_WRONG, THROTTLE_NO_MORE };
enum throttle_verdict throttle_token(const struct throttle *throttle, const uint8_t mac[static SHA256_LEN],
				     enum cert_role role);
void throttle_token_refused(struct throttle *throttle, const uint8_t mac[static SHA256_LEN]);

#endif
