/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - how a channel reaches its token; inside the room only.
 *
 * Three kinds: tls, worker and module. A link carries batches; it knows nothing of
 * pools and logins. Links of all kinds that talk frames are alike once they are open (link_stream_open()).
 */
#ifndef MEMBER_LINK_H
#define MEMBER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/call.h"

struct call_limit;
struct err;
struct link;
struct member_config;
struct stream;

struct link_ops {
	/* Connect and learn the epoch. err->rv is of class P11_BUSY when the peer is well
	 * and has no place free. */
	int (*open)(const struct member_config *config, struct link **ret, struct err *err);
	/* Carry out a batch within limit, as far as the link can keep it; err->retry on
	 * failure, and err->rv of class P11_BUSY when the peer had no place for it. */
	int (*call)(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		    struct err *err);
	/* Between calls: is the peer still there, as far as can be told without asking? */
	bool (*alive)(struct link *link);
	/* From another thread: a call under way fails, and so do all after it. */
	void (*cut)(struct link *link);
	void (*close)(struct link *link);
};

struct link {
	const struct link_ops *ops;
	const struct member_config *config;
	uint64_t epoch;
	uint64_t changes;	/* newest change counter, 0 = unknown */
	int64_t silence_us;	/* the longest of the last call, of a link that hears its peer */
	bool ended;		/* the peer ended the connection during a call */
	bool logged_in;		/* when it was opened: by another connection of this member */
};

/* Whoever opens one of these gets a link with operations of its own. */
extern const struct link_ops link_tls;
extern const struct link_ops link_worker;
extern const struct link_ops link_module;

/*
 * Shake hands over a stream, which the link then owns (also on failure). version: the newest to speak, up to
 * FRAME_VERSION. ERR_DENIED when the peer finds our hello malformed, as one of before does with a newer one.
 * The link's operations are all but open.
 */
int link_stream_open(const struct member_config *config, struct stream *stream, uint8_t version, int64_t deadline_ms,
		     struct link **ret, struct err *err);

static inline void link_free(struct link *link)
{
	if (link)
		link->ops->close(link);
}
OWN_DEFINE(link)

#endif
