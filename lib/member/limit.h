/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit - how long a call may take before it counts as hung.
 *
 * A peer whose heart beats may host a library that never comes back, so every
 * call has an end of its own, by its kind: what makes a key may take as long as
 * the policy's call_ms, everything else is a matter of milliseconds and ends
 * after CALL_SHORT_MS. Both ends know it: past the limit the appliance stops
 * beating, and the caller stops waiting whatever it hears. What travels has more
 * time, by its size (FRAME_RATE).
 */
#ifndef MEMBER_LIMIT_H
#define MEMBER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "p11/call.h"

enum {
	CALL_SHORT_MS = 5000,		/* find, read, sign, login, wrap: everything but the next */
	CALL_LONG_MS = 600000,		/* making keys, as the appliance sees it */
	CALL_SILENCES = 5,		/* a short call is never shorter than so many silences */
};

/* Milliseconds, of one batch. */
struct call_limit {
	int64_t silence_ms;	/* without a byte from the peer; less, where its rhythm is known (rhythm.h) */
	int64_t total_ms;	/* until the end of the reply, whatever comes */
	int64_t longest_ms;	/* the same with all that a large size grants */
};

/* Does the batch make a key? */
bool call_is_long(const struct p11_call *calls, size_t count);

/* What a policy's answer_ms and call_ms mean for a batch. */
struct call_limit call_limit(const struct p11_call *calls, size_t count, int64_t answer_ms, int64_t call_ms);
/* The same, but for what the caller limits itself: what is not 0 there. NULL = nothing. */
struct call_limit call_limit_within(struct call_limit limit, const struct call_limit *own);

#endif
