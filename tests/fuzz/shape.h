/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape - a call as somebody sent it who waits for its reply: each place for a result has exactly the room it was
 * given, as a block of its own, so that one byte more is seen.
 */
#ifndef FUZZ_SHAPE_H
#define FUZZ_SHAPE_H

#include "p11/call.h"

enum { SHAPE_CALLS = 4, SHAPE_BLOCKS = 64 };

struct shape {
	struct p11_call calls[SHAPE_CALLS];
	size_t count;
	struct { void *at; size_t room; } blocks[SHAPE_BLOCKS];
	size_t n_blocks;
};

void shape_release(struct shape *shape);
OWN_DEFINE_RELEASE(shape)

/* One call more, of any function; how much room by one byte. */
void shape_add(struct shape *shape, unsigned fn, uint8_t room);
/* What a token answers whose results fill the room. */
void shape_answer(struct shape *shape, CK_RV rv);
/* Do the results of a call that came back stay within their room? */
void shape_check(const struct shape *shape);

#endif
