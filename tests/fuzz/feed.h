/* SPDX-License-Identifier: Apache-2.0 */
/* feed - a stream whose peer says what an input says and then goes; what it is told is kept. And time that only waits move. */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include "base/buf.h"
#include "base/own.h"
#include "member/stream.h"

struct feed {
	struct stream stream;
	struct buf says, hears;
	size_t at;	/* of says: read so far */
	bool cut;
};

/* Into a zeroed one. */
void feed_init(struct feed *feed);
void feed_release(struct feed *feed);
OWN_DEFINE_RELEASE(feed)

/* A frame more to say. */
void feed_frame(struct feed *feed, unsigned kind, const void *body, size_t len);

/* From now on in this thread. */
void feed_time(void);

#endif
