/* SPDX-License-Identifier: Apache-2.0 */
/* text - laying out lines for a terminal. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { TEXT_WIDTH = 79, TEXT_COLUMN = 30 };

/* Append words of text, broken at TEXT_WIDTH; *column is where the line stands,
 * further lines begin at indent. */
void text_wrap(struct buf *ret, const char *text, size_t indent, size_t *column);

/* Append "  left    about", about in its own column and broken there. */
void text_entry(struct buf *ret, const char *left, const char *about);

/* Columns of the terminal, not bytes, of valid UTF-8. */
size_t text_width(const char *text);
/* Those of the character at s, and its bytes. */
size_t text_width_at(const char *s, size_t *ret_len);

/* Append text, which is valid UTF-8, cut to at most that many columns; the columns it took. What was cut ends with "…",
 * on a terminal without UTF-8 with "...". */
size_t text_put(struct buf *ret, const char *text, size_t most, bool utf8);

/* Does the terminal show UTF-8? By the variables alone: programs never leave the C locale. */
bool text_speaks_utf8(void);

struct text_extent {
	size_t columns, lines;
};
/* Of the terminal at fd; 80 by 24 where it does not say. */
struct text_extent text_extent(int fd);

/* Append count blanks. */
void text_pad(struct buf *ret, size_t count);

/* Write all of buf to stdout and see that it arrived: ERR_IO. */
int text_print(struct buf *buf, struct err *err);

#endif
