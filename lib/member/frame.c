/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a stream: bytes are signs of life. */
#include "member/frame.h"

#include "base/clock.h"
#include "base/err.h"
#include "member/stream.h"

enum {
	PIECE = 16 << 10,	/* what fits a TLS record is sent and waited for at once */
	OVERSLEPT_MS = 200,	/* a wait longer than asked for by so much: it was us who slept */
	LATE_MS = 20,		/* by so much: this host is too busy to say of a peer that it is silent */
};

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Far enough, and no overflow when something is added. */
static int64_t later(int64_t now, int64_t ms)
{
	return ms > INT64_MAX / 4 ? INT64_MAX / 2 : now + ms;
}

struct frame_pace frame_pace(int64_t silence_ms, int64_t total_ms, int64_t longest_ms)
{
	int64_t now = clock_now_ms();

	return (struct frame_pace){
		.silence_ms = silence_ms,
		.end_ms = later(now, earlier(total_ms, longest_ms)),
		.last_ms = later(now, longest_ms),
		.beat_ms = now + FRAME_BEAT_MS,
	};
}

static void allow(struct frame_pace *pace, size_t len)
{
	pace->end_ms = earlier(pace->end_ms + (int64_t)len / FRAME_RATE, pace->last_ms);
}

/* After a wait that began at start and had to end at deadline. */
static void forgive(struct frame_pace *pace, int64_t deadline)
{
	int64_t overslept = clock_now_ms() - deadline;

	if (overslept < OVERSLEPT_MS)
		return;
	pace->end_ms += overslept;
	pace->last_ms += overslept;
}

void frame_begin(struct buf *frame)
{
	static const uint8_t head[FRAME_HEAD] = {0};

	buf_clear(frame);
	buf_put(frame, head, sizeof(head));
}

static int send_pieces(struct stream *stream, const uint8_t *data, size_t len, struct frame_pace *pace, struct err *err)
{
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += PIECE) {
		int64_t deadline = earlier(later(clock_now_ms(), pace->silence_ms), pace->end_ms);

		rc = stream_write(stream, data + at, len - at < PIECE ? len - at : PIECE, deadline, err);
		forgive(pace, deadline);
	}
	return rc;
}

int frame_send(struct stream *stream, struct buf *frame, enum frame_kind kind, struct frame_pace *pace,
	       struct err *err)
{
	int rc = buf_check(frame, err);

	if (rc == 0) {
		buf_patch_u32(frame, 0, (uint32_t)(frame->len - FRAME_HEAD));
		frame->data[4] = kind;
		allow(pace, frame->len);
		rc = send_pieces(stream, frame->data, frame->len, pace, err);
	}
	/* It may hold a PIN. */
	buf_clear(frame);
	return rc;
}

/* One that cannot leave at once is not worth waiting for: the peer is not reading. */
int frame_send_beat(struct stream *stream, struct err *err)
{
	static const uint8_t beat[FRAME_HEAD] = {[4] = FRAME_BEAT};

	return stream_write(stream, beat, sizeof(beat), clock_now_ms(), err);
}

/* When it is time for one. Bytes that come do not count: only ours tell the peer. */
static int beat(struct stream *stream, struct frame_pace *pace, struct err *err)
{
	int64_t now = clock_now_ms();

	if (!pace->beats || now < pace->beat_ms)
		return 0;
	pace->beat_ms = now + FRAME_BEAT_MS;
	return frame_send_beat(stream, err);
}

/* At least one byte of len; how many. */
static int receive_some(struct stream *stream, uint8_t *data, size_t len, struct frame_pace *pace, struct err *err)
{
	int64_t deadline = earlier(later(clock_now_ms(), pace->silence_ms), pace->end_ms);

	for (;;) {
		int rc = beat(stream, pace, err);
		int64_t next = pace->beats ? earlier(deadline, pace->beat_ms) : deadline;
		int n = rc < 0 ? rc : stream_read(stream, data, len, next, err);
		bool late = clock_now_ms() - next >= LATE_MS;

		forgive(pace, next);
		if (n != -ERR_TIMEOUT || rc < 0 || (next == deadline && (!late || clock_now_ms() >= pace->end_ms)))
			return n;
		if (next == deadline)
			deadline = earlier(later(clock_now_ms(), pace->silence_ms), pace->end_ms);
	}
}

static int receive_all(struct stream *stream, uint8_t *data, size_t len, struct frame_pace *pace, struct err *err)
{
	while (len) {
		int n = receive_some(stream, data, len, pace, err);

		if (n < 0)
			return n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A kind that is not here is none. */
static const struct {
	bool known;
	uint32_t longest;
} kinds[] = {
	[FRAME_HELLO] = {true, FRAME_SHORT}, [FRAME_WELCOME] = {true, FRAME_SHORT}, [FRAME_CALL] = {true, FRAME_MAX},
	[FRAME_REPLY] = {true, FRAME_MAX}, [FRAME_BEAT] = {true, 0}, [FRAME_REFUSED] = {true, FRAME_SHORT},
};

int frame_receive_head(struct stream *stream, uint32_t *ret_len, struct frame_pace *pace, struct err *err)
{
	uint8_t head[FRAME_HEAD] = {0};
	struct buf_reader r = buf_reader(head, sizeof(head));
	int kind, rc = receive_all(stream, head, sizeof(head), pace, err);

	if (rc < 0)
		return rc;
	*ret_len = buf_get_u32(&r);
	kind = buf_get_u8(&r);
	if (kind > FRAME_REFUSED || !kinds[kind].known || *ret_len > kinds[kind].longest)
		return err_set(err, ERR_PROTOCOL, "a frame of kind %d with %u bytes", kind, *ret_len);
	return kind;
}

int frame_receive_body(struct stream *stream, uint32_t len, struct buf *body, struct frame_pace *pace, struct err *err)
{
	buf_clear(body);
	allow(pace, len);
	while (body->len < len) {
		size_t left = len - body->len, piece = left < PIECE ? left : PIECE;
		uint8_t *at = buf_reserve(body, piece);
		int rc = at ? receive_all(stream, at, piece, pace, err) : buf_check(body, err);

		if (rc < 0)
			return rc;
		body->len += piece;
	}
	return 0;
}

int frame_receive(struct stream *stream, struct buf *body, struct frame_pace *pace, struct err *err)
{
	uint32_t len;
	int kind = frame_receive_head(stream, &len, pace, err);
	int rc = kind < 0 ? kind : frame_receive_body(stream, len, body, pace, err);

	return rc < 0 ? rc : kind;
}
