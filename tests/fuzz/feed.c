/* SPDX-License-Identifier: Apache-2.0 */
/* A peer in memory. */
#include "feed.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "fuzz.h"

static int end(struct feed *feed, struct err *err)
{
	return err_set(err, ERR_UNREACHABLE, feed->cut ? "the connection was cut" : "the peer closed the connection");
}

static bool is_over(const struct feed *feed)
{
	return feed->cut || feed->at == feed->says.len;
}

static int feed_read(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	struct feed *feed = (struct feed *)stream;
	size_t left = feed->says.len - feed->at, n = len < left ? len : left;

	(void)deadline_ms;
	HOLDS(len);
	if (is_over(feed))
		return end(feed, err);
	memcpy(data, feed->says.data + feed->at, n);
	feed->at += n;
	return (int)n;
}

static int feed_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	struct feed *feed = (struct feed *)stream;

	(void)deadline_ms;
	if (feed->cut)
		return end(feed, err);
	buf_put(&feed->hears, data, len);
	return buf_check(&feed->hears, err);
}

static int feed_wait(struct stream *stream, int64_t deadline_ms, struct err *err)
{
	struct feed *feed = (struct feed *)stream;

	(void)deadline_ms;
	return is_over(feed) ? end(feed, err) : 1;
}

static bool feed_ended(const struct stream *stream)
{
	return ((const struct feed *)stream)->at == ((const struct feed *)stream)->says.len;
}

static void feed_cut(struct stream *stream)
{
	((struct feed *)stream)->cut = true;
}

/* It is its owner's. */
static void feed_close(struct stream *stream)
{
	feed_cut(stream);
}

static const struct stream_ops ops = {.read = feed_read, .write = feed_write, .wait = feed_wait,
				      .ended = feed_ended, .cut = feed_cut, .close = feed_close};

void feed_init(struct feed *feed)
{
	*feed = (struct feed){.stream.ops = &ops};
	buf_init(&feed->says, 64 << 20);
	buf_init(&feed->hears, 64 << 20);
}

void feed_release(struct feed *feed)
{
	buf_release(&feed->says);
	buf_release(&feed->hears);
}

void feed_frame(struct feed *feed, unsigned kind, const void *body, size_t len)
{
	buf_put_u32(&feed->says, (uint32_t)len);
	buf_put_u8(&feed->says, (uint8_t)kind);
	buf_put(&feed->says, body, len);
}

/* ---- time ---- */

static int64_t now;

static int64_t now_ns(void *data)
{
	(void)data;
	return now * 1000000;
}

static int64_t utc_ms(void *data)
{
	(void)data;
	return 1700000000000 + now;
}

static void sleep_ms(void *data, int64_t ms)
{
	(void)data;
	now += ms > 0 ? ms : 0;
}

void feed_time(void)
{
	static const struct clock_source source = {.now_ns = now_ns, .utc_ms = utc_ms, .sleep_ms = sleep_ms};

	clock_source = &source;
	now = 1000000;
}
