/* SPDX-License-Identifier: Apache-2.0 */
/* Replies: what a member reads. u8 calls, for each u8 function and u8 room, then the reply. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "shape.h"

enum { WIRE_MAX = 4 << 20 };

static void ask(struct bytes *in, struct shape *ret)
{
	size_t count = 1 + take_u8(in) % SHAPE_CALLS;

	for (size_t i = 0; i < count; i++) {
		uint8_t fn = take_u8(in);

		shape_add(ret, fn, take_u8(in));
	}
}

static int decode(const void *data, size_t len, struct shape *ret)
{
	struct buf_reader r = buf_reader(data, len);
	struct err err = {0};

	return p11_decode_reply(&r, ret->calls, ret->count, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(buf) struct buf once = {.max = WIRE_MAX}, twice = {.max = WIRE_MAX};
	owned(shape) struct shape calls = {0}, again = {0};
	struct bytes in = {data, len}, same = {data, len};
	int rc;

	ask(&in, &calls);
	account_begin();
	rc = decode(in.at, in.left, &calls);
	HOLDS(account_peak() <= 16 * len + (16 << 10));
	if (rc < 0)
		return 0;
	shape_check(&calls);
	p11_encode_reply(&once, calls.calls, calls.count);
	ask(&same, &again);
	HOLDS(decode(once.data, once.len, &again) == 0);
	p11_encode_reply(&twice, again.calls, again.count);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	return 0;
}
