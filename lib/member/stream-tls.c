/* SPDX-License-Identifier: Apache-2.0 */
/* A stream across the network: mutual TLS. */
#include "base/err.h"
#include "base/mem.h"
#include "crypto/tls.h"
#include "member/stream.h"

struct tls_stream {
	struct stream stream;
	struct tls *tls;
};

static struct tls *tls_of(const struct stream *stream)
{
	return ((const struct tls_stream *)stream)->tls;
}

static int over_tls_read(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	return tls_read_some(tls_of(stream), data, len, deadline_ms, err);
}

static int over_tls_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	return tls_write(tls_of(stream), data, len, deadline_ms, err);
}

static int over_tls_wait(struct stream *stream, int64_t deadline_ms, struct err *err)
{
	return tls_wait(tls_of(stream), deadline_ms, err);
}

static bool over_tls_ended(const struct stream *stream)
{
	return tls_ended(tls_of(stream));
}

static void over_tls_cut(struct stream *stream)
{
	tls_cut(tls_of(stream));
}

static void over_tls_close(struct stream *stream)
{
	tls_free(tls_of(stream));
	free(stream);
}

static const struct stream_ops over_tls = {
	.read = over_tls_read, .write = over_tls_write, .wait = over_tls_wait,
	.ended = over_tls_ended, .cut = over_tls_cut, .close = over_tls_close,
};

int stream_over_tls(struct tls *tls, struct stream **ret, struct err *err)
{
	struct tls_stream *s = mem_new(struct tls_stream);

	if (!s) {
		tls_free(tls);
		return err_no_memory(err);
	}
	*s = (struct tls_stream){.stream.ops = &over_tls, .tls = tls};
	*ret = &s->stream;
	return 0;
}
