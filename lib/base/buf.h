/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - bytes that grow up to a maximum fixed at birth.
 *
 * Writing never needs a check in the middle: the first failure (maximum
 * reached, memory) makes the buffer bad, later writes do nothing, and
 * buf_check() tells at the end. Integers are big-endian.
 *
 * buf_reader walks foreign bytes: a read past the end makes it bad and yields
 * zeros, so a decoder checks once, at the end, with buf_read_done().
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;

struct buf {
	uint8_t *data;
	size_t len, cap, max;
	size_t touched;	/* bytes from the start that may have been written since it was clear */
	bool bad;
	bool wipe;	/* zero the bytes before they are given back */
};

/* max: the most bytes it may ever hold. */
void buf_init(struct buf *buf, size_t max);
void buf_release(struct buf *buf);
OWN_DEFINE_RELEASE(buf)

/* Memory that a cleared buffer keeps. */
enum { BUF_KEPT = 64 << 10 };

/* Empty it and forget a failure. Up to BUF_KEPT bytes of memory are kept; of a
 * buffer that wipes, what was written is zeroed, and nothing more. */
void buf_clear(struct buf *buf);

void buf_put(struct buf *buf, const void *data, size_t len);
void buf_put_u8(struct buf *buf, uint8_t v);
void buf_put_u32(struct buf *buf, uint32_t v);
void buf_put_u64(struct buf *buf, uint64_t v);
/* A u32 length, then the bytes. */
void buf_put_bytes(struct buf *buf, const void *data, size_t len);
void buf_put_str(struct buf *buf, const char *s);
void buf_printf(struct buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Overwrite four bytes at offset, which must exist. */
void buf_patch_u32(struct buf *buf, size_t offset, uint32_t v);
/* Room for len more bytes that the caller fills and then counts with
 * buf->len += n; NULL when the buffer is or turns bad. */
uint8_t *buf_reserve(struct buf *buf, size_t len);

/* 0, or ERR_NO_MEMORY. */
int buf_check(const struct buf *buf, struct err *err);

/* The text so far, always terminated; owned by the buffer; "" when bad. */
const char *buf_text(struct buf *buf);

struct buf_reader {
	const uint8_t *data;
	size_t len, pos;
	bool bad;
};

struct buf_reader buf_reader(const void *data, size_t len);
uint8_t buf_get_u8(struct buf_reader *r);
uint32_t buf_get_u32(struct buf_reader *r);
uint64_t buf_get_u64(struct buf_reader *r);
/* len bytes inside the input, NULL (and bad) when there are fewer. */
const uint8_t *buf_get(struct buf_reader *r, size_t len);
/* A u32 length, then that many bytes inside the input; NULL and 0 when bad. */
const uint8_t *buf_get_bytes(struct buf_reader *r, size_t *ret_len);
/* True when nothing went wrong and nothing is left over. */
bool buf_read_done(const struct buf_reader *r);

#endif
