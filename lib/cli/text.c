/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of text: wrapping, columns, printing. */
#include "cli/text.h"

#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "base/err.h"

static locale_t wide;
static pthread_once_t wide_once = PTHREAD_ONCE_INIT;

/* Programs run in the C locale, which knows no width but that of ASCII. */
static void find_wide(void)
{
	wide = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

size_t text_width_at(const char *s, size_t *ret_len)
{
	mbstate_t state = {0};
	wchar_t c = 0;
	locale_t before;
	size_t len;
	int columns;

	pthread_once(&wide_once, find_wide);
	before = uselocale(wide);
	len = mbrtowc(&c, s, MB_LEN_MAX, &state);
	if (len == 0 || len > MB_LEN_MAX) {
		for (len = 1; ((unsigned char)s[len] & 0xc0) == 0x80; len++)
			;
		c = L'?';
	}
	columns = wcwidth(c);
	uselocale(before);
	*ret_len = len;
	return columns < 0 ? 1 : (size_t)columns;
}

size_t text_width(const char *text)
{
	size_t width = 0, len;

	for (; *text; text += len)
		width += text_width_at(text, &len);
	return width;
}

size_t text_put(struct buf *ret, const char *text, size_t most, bool utf8)
{
	const char *dots = utf8 ? "…" : "...";
	size_t dots_width = utf8 ? 1 : 3, used = 0, len = 0;
	bool cut = text_width(text) > most;

	if (cut)
		most = most > dots_width ? most - dots_width : 0;
	for (; *text; text += len) {
		size_t columns = text_width_at(text, &len);

		if (used + columns > most)
			break;
		buf_put(ret, text, len);
		used += columns;
	}
	if (!cut || !most)
		return used;
	buf_put_str(ret, dots);
	return used + dots_width;
}

bool text_speaks_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;

	for (size_t i = 0; i < 3 && !(value && *value); i++)
		value = getenv(variables[i]);
	return value && (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

struct text_extent text_extent(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col < 2 || !size.ws_row)
		return (struct text_extent){80, 24};
	return (struct text_extent){size.ws_col, size.ws_row};
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
	if (fwrite(buf_text(buf), 1, buf->len, stdout) == buf->len && fflush(stdout) == 0)
		return 0;
	/* What did not go out now must not go out later either. */
	clearerr(stdout);
	return err_errno(err, "cannot write to stdout");
}
