/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as base64. */
#include "base/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Straight into the buffer, so that no other memory holds what may be a secret. */
static size_t encode(const char *alphabet, const uint8_t *data, size_t len, uint8_t *ret)
{
	uint8_t *at = ret;

	while (len) {
		size_t n = len < 3 ? len : 3;
		uint32_t group = 0;

		for (size_t i = 0; i < 3; i++)
			group = group << 8 | (i < n ? data[i] : 0u);
		for (size_t i = 0; i <= n; i++)
			*at++ = (uint8_t)alphabet[group >> (18 - 6 * i) & 63];
		data += n;
		len -= n;
	}
	return (size_t)(at - ret);
}

static void put(const char *alphabet, bool padding, const void *data, size_t len, struct buf *ret)
{
	size_t room = (len + 2) / 3 * 4, written;
	uint8_t *at = buf_reserve(ret, padding ? room : room - (3 - len % 3) % 3);

	if (!at)
		return;
	written = encode(alphabet, data, len, at);
	while (padding && written < room)
		at[written++] = '=';
	ret->len += written;
}

void base64_put(struct buf *ret, const void *data, size_t len)
{
	put(standard, true, data, len, ret);
}

void base64url_put(struct buf *ret, const void *data, size_t len)
{
	put(url_safe, false, data, len, ret);
}
