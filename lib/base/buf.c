/* SPDX-License-Identifier: Apache-2.0 */
/* Growing buffers and strict reading of foreign bytes. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_release(struct buf *buf)
{
	if (buf->wipe && buf->data)
		explicit_bzero(buf->data, buf->cap);
	free(buf->data);
	*buf = (struct buf){.max = buf->max, .wipe = buf->wipe};
}

/* Most of what a buffer holds is short: one that was large once must not cost
 * its size for ever, neither in memory nor in wiping. */
void buf_clear(struct buf *buf)
{
	if (buf->wipe && buf->data)
		explicit_bzero(buf->data, buf->touched > buf->len ? buf->touched : buf->len);
	if (buf->cap > BUF_KEPT) {
		free(buf->data);
		buf->data = NULL;
		buf->cap = 0;
	}
	buf->len = buf->touched = 0;
	buf->bad = false;
}

/* Room for len bytes in all, at least one; doubled, so that many small writes
 * stay cheap. */
static bool grow(struct buf *buf, size_t len)
{
	size_t cap = buf->cap > 32 ? buf->cap : 32;
	uint8_t *data;

	if (buf->data && len <= buf->cap)
		return true;
	cap = cap > SIZE_MAX / 2 || 2 * cap < len ? len : 2 * cap;
	if (cap > buf->max && len <= buf->max)
		cap = buf->max;
	data = mem_zalloc(cap);
	if (!data)
		return false;
	if (buf->data) {
		memcpy(data, buf->data, buf->len);
		if (buf->wipe)
			explicit_bzero(buf->data, buf->cap);
		free(buf->data);
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

/* True when len more bytes fit and there is room for them and for extra. */
static bool reserve(struct buf *buf, size_t len, size_t extra)
{
	if (buf->bad || len > buf->max || buf->len > buf->max - len ||
	    !grow(buf, buf->len + len + extra))
		buf->bad = true;
	if (!buf->bad && buf->touched < buf->len + len)
		buf->touched = buf->len + len;
	return !buf->bad;
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
	return reserve(buf, len, 0) ? buf->data + buf->len : NULL;
}

void buf_put(struct buf *buf, const void *data, size_t len)
{
	uint8_t *at = buf_reserve(buf, len);

	if (!at)
		return;
	if (len)
		memcpy(at, data, len);
	buf->len += len;
}

void buf_put_u8(struct buf *buf, uint8_t v)
{
	buf_put(buf, &v, 1);
}

void buf_put_u32(struct buf *buf, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	buf_put(buf, b, sizeof(b));
}

void buf_put_u64(struct buf *buf, uint64_t v)
{
	buf_put_u32(buf, (uint32_t)(v >> 32));
	buf_put_u32(buf, (uint32_t)v);
}

void buf_put_bytes(struct buf *buf, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		buf->bad = true;
		return;
	}
	buf_put_u32(buf, (uint32_t)len);
	buf_put(buf, data, len);
}

void buf_put_str(struct buf *buf, const char *s)
{
	buf_put(buf, s, strlen(s));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		buf->bad = true;
	/* The terminator does not count. */
	if (!reserve(buf, (size_t)len, 1))
		return;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
}

void buf_patch_u32(struct buf *buf, size_t offset, uint32_t v)
{
	if (buf->bad || buf->len < 4 || offset > buf->len - 4)
		return;
	for (int i = 0; i < 4; i++)
		buf->data[offset + (size_t)i] = (uint8_t)(v >> (24 - 8 * i));
}

int buf_check(const struct buf *buf, struct err *err)
{
	return buf->bad ? err_set(err, ERR_NO_MEMORY,
				  "out of memory, or more than %zu bytes", buf->max)
			: 0;
}

const char *buf_text(struct buf *buf)
{
	if (!reserve(buf, 0, 1))
		return "";
	buf->data[buf->len] = 0;
	return (const char *)buf->data;
}

struct buf_reader buf_reader(const void *data, size_t len)
{
	return (struct buf_reader){.data = data, .len = len};
}

const uint8_t *buf_get(struct buf_reader *r, size_t len)
{
	if (r->bad || len > r->len - r->pos) {
		r->bad = true;
		return NULL;
	}
	r->pos += len;
	return r->pos ? r->data + (r->pos - len) : r->data;
}

uint8_t buf_get_u8(struct buf_reader *r)
{
	const uint8_t *p = buf_get(r, 1);

	return p ? *p : 0;
}

uint32_t buf_get_u32(struct buf_reader *r)
{
	const uint8_t *p = buf_get(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			   (uint32_t)p[2] << 8 | p[3]
		 : 0;
}

uint64_t buf_get_u64(struct buf_reader *r)
{
	uint64_t high = buf_get_u32(r);

	return high << 32 | buf_get_u32(r);
}

const uint8_t *buf_get_bytes(struct buf_reader *r, size_t *ret_len)
{
	const uint8_t *at;

	*ret_len = buf_get_u32(r);
	at = buf_get(r, *ret_len);
	if (r->bad)
		*ret_len = 0;
	return at;
}

bool buf_read_done(const struct buf_reader *r)
{
	return !r->bad && r->pos == r->len;
}
