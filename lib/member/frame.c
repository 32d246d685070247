/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over TLS. */
#include "member/frame.h"

#include "base/err.h"
#include "crypto/tls.h"

void frame_begin(struct buf *frame)
{
	static const uint8_t head[FRAME_HEAD] = {0};

	buf_clear(frame);
	buf_put(frame, head, sizeof(head));
}

int frame_send(struct tls *tls, struct buf *frame, enum frame_kind kind, int64_t deadline_ms, struct err *err)
{
	int rc = buf_check(frame, err);

	if (rc < 0)
		return rc;
	buf_patch_u32(frame, 0, (uint32_t)(frame->len - FRAME_HEAD));
	frame->data[4] = kind;
	return tls_write(tls, frame->data, frame->len, deadline_ms, err);
}

int frame_receive(struct tls *tls, struct buf *body, int64_t deadline_ms, struct err *err)
{
	uint8_t head[FRAME_HEAD] = {0};
	struct buf_reader r = buf_reader(head, sizeof(head));
	uint32_t len;
	int kind, rc = tls_read(tls, head, sizeof(head), deadline_ms, err);

	if (rc < 0)
		return rc;
	len = buf_get_u32(&r);
	kind = buf_get_u8(&r);
	if (len > FRAME_MAX || kind < FRAME_HELLO || kind > FRAME_REFUSED)
		return err_set(err, ERR_PROTOCOL, "a frame of kind %d with %u bytes", kind, len);
	buf_clear(body);
	if (!buf_reserve(body, len))
		return buf_check(body, err);
	if (len)
		rc = tls_read(tls, body->data, len, deadline_ms, err);
	body->len = len;
	return rc < 0 ? rc : kind;
}
