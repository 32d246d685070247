/* SPDX-License-Identifier: Apache-2.0 */
/* text - laying out lines for a terminal. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "base/buf.h"

enum { TEXT_WIDTH = 79, TEXT_COLUMN = 30 };

/* Append words of text, broken at TEXT_WIDTH; *column is where the line stands,
 * further lines begin at indent. */
void text_wrap(struct buf *ret, const char *text, size_t indent, size_t *column);

/* Append "  left    about", about in its own column and broken there. */
void text_entry(struct buf *ret, const char *left, const char *about);

/* Characters on the terminal, not bytes. */
size_t text_width(const char *text);

/* Append count blanks. */
void text_pad(struct buf *ret, size_t count);

/* Write all of buf to stdout and see that it arrived: ERR_IO. */
int text_print(struct buf *buf, struct err *err);

#endif
