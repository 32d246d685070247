/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - bytes to a peer and back, whatever carries them: TLS, or a socket of this machine.
 *
 * One thread at a time reads or writes, as with TLS (crypto/tls.h): callers take turns or hold a lock. stream_cut()
 * may be called from any thread at any time. All deadlines are monotonic, in ms.
 */
#ifndef MEMBER_STREAM_H
#define MEMBER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;
struct stream;
struct tls;

struct stream_ops {
	int (*read)(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err);
	int (*write)(struct stream *stream, const void *data, size_t len, int64_t deadline_ms, struct err *err);
	int (*wait)(struct stream *stream, int64_t deadline_ms, struct err *err);
	bool (*ended)(const struct stream *stream);
	void (*cut)(struct stream *stream);
	void (*close)(struct stream *stream);
};

struct stream {
	const struct stream_ops *ops;
};

/* Both take over what they are given, also when they fail. */
int stream_over_tls(struct tls *tls, struct stream **ret, struct err *err);
/* A connected local socket, one end of a socketpair; children of fork() do not keep it. */
int stream_over_socket(int fd, struct stream **ret, struct err *err);

/* From 1 to len bytes, as soon as there are any; how many. ERR_UNREACHABLE (end, reset, cut), a cancel code, or
 * ERR_TIMEOUT, which leaves the stream whole. What was asked of the peer may be repeated if that does no harm. */
static inline int stream_read(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	return stream->ops->read(stream, data, len, deadline_ms, err);
}

/* All of it. A failure leaves a stream on which everything else is ERR_UNREACHABLE; the peer never sees the end of
 * what was not written whole: safe to retry. */
static inline int stream_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
			       struct err *err)
{
	return stream->ops->write(stream, data, len, deadline_ms, err);
}

/* 1 when a byte or the end can be read now, 0 at the deadline, ERR_UNREACHABLE, or a cancel code. */
static inline int stream_wait(struct stream *stream, int64_t deadline_ms, struct err *err)
{
	return stream->ops->wait(stream, deadline_ms, err);
}

/* Was it the peer who ended it (and not we, and not a deadline)? */
static inline bool stream_ended(const struct stream *stream)
{
	return stream->ops->ended(stream);
}

/* End every wait on it with ERR_UNREACHABLE, now and later. */
static inline void stream_cut(struct stream *stream)
{
	stream->ops->cut(stream);
}

static inline void stream_free(struct stream *stream)
{
	if (stream)
		stream->ops->close(stream);
}
OWN_DEFINE(stream)

#endif
