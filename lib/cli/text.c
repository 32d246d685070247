/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of text: wrapping, columns, printing. */
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void text_pad(struct buf *ret, size_t count)
{
	while (count--)
		buf_put_u8(ret, ' ');
}

void text_wrap(struct buf *ret, const char *text, size_t indent, size_t *column)
{
	bool first = true;

	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " ");

		if (!first && *column + 1 + len > TEXT_WIDTH) {
			buf_put_u8(ret, '\n');
			text_pad(ret, indent);
			*column = indent;
		} else if (!first) {
			buf_put_u8(ret, ' ');
			++*column;
		}
		buf_put(ret, text, len);
		*column += len;
		text += len;
		first = false;
	}
}

void text_entry(struct buf *ret, const char *left, const char *about)
{
	size_t column = 2 + text_width(left);

	buf_printf(ret, "  %s", left);
	if (column + 2 > TEXT_COLUMN) {
		buf_put_u8(ret, '\n');
		column = 0;
	}
	text_pad(ret, TEXT_COLUMN - column);
	column = TEXT_COLUMN;
	text_wrap(ret, about, TEXT_COLUMN, &column);
	buf_put_u8(ret, '\n');
}

int text_print(struct buf *buf, struct err *err)
{
	int r = buf_check(buf, err);

	if (r < 0)
		return r;
	if (fwrite(buf->data, 1, buf->len, stdout) == buf->len && fflush(stdout) == 0)
		return 0;
	/* What did not go out now must not go out later either. */
	clearerr(stdout);
	return err_errno(err, "cannot write to stdout");
}
