/* SPDX-License-Identifier: Apache-2.0 */
/* Frames by themselves: memory comes with bytes, not with what a head says. */
#include "base/err.h"
#include "feed.h"
#include "fuzz.h"
#include "member/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(buf) struct buf body = {.max = FRAME_MAX, .wipe = true};
	owned(feed) struct feed feed = {0};
	struct frame_pace pace;
	struct err err = {0};
	int kind;

	feed_time();
	feed_init(&feed);
	buf_put(&feed.says, data, len);
	pace = frame_pace(1000, 1000, 1000);
	account_begin();
	do {
		kind = frame_receive(&feed.stream, &body, &pace, &err);
		HOLDS(kind < 0 || (kind >= FRAME_HELLO && kind <= FRAME_REFUSED));
		HOLDS(body.len <= len);
	} while (kind >= 0);
	HOLDS(kind == -ERR_PROTOCOL || kind == -ERR_UNREACHABLE);
	HOLDS(account_peak() <= 4 * len + (128 << 10));
	return 0;
}
