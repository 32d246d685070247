/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the tokens of JSON. */
#include "json/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/utf8.h"

static void new_line(struct json_emit *e)
{
	if (!e->pretty)
		return;
	buf_put_u8(e->buf, '\n');
	for (unsigned i = 0; i < e->depth; i++)
		buf_put_str(e->buf, "  ");
}

void json_emit_open(struct json_emit *e, char bracket)
{
	buf_put_u8(e->buf, (uint8_t)bracket);
	e->depth++;
	e->more = false;
}

void json_emit_close(struct json_emit *e, char bracket)
{
	e->depth--;
	if (e->more)
		new_line(e);
	buf_put_u8(e->buf, (uint8_t)bracket);
	e->more = true;
}

void json_emit_element(struct json_emit *e)
{
	if (e->more)
		buf_put_u8(e->buf, ',');
	e->more = true;
	new_line(e);
}

void json_emit_key(struct json_emit *e, const char *key)
{
	json_emit_element(e);
	json_emit_string(e, key);
	buf_put_str(e->buf, e->pretty ? ": " : ":");
}

static void put_character(struct buf *buf, uint32_t c, const char *bytes, size_t len)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *escape = c && c < 0x80 ? strchr(plain, (int)c) : NULL;

	if (escape)
		buf_printf(buf, "\\%c", letter[escape - plain]);
	else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		buf_printf(buf, "\\u%04x", (unsigned)c);
	else
		buf_put(buf, bytes, len);
}

void json_emit_string(struct json_emit *e, const char *text)
{
	size_t left = strlen(text);

	buf_put_u8(e->buf, '"');
	while (left) {
		uint32_t c;
		size_t n = json_utf8(text, left, &c);

		if (n)
			put_character(e->buf, c, text, n);
		else
			buf_put_str(e->buf, "\xef\xbf\xbd");
		n += !n;
		text += n;
		left -= n;
	}
	buf_put_u8(e->buf, '"');
}

void json_emit_int(struct json_emit *e, int64_t value)
{
	buf_printf(e->buf, "%" PRId64, value);
}

void json_emit_number(struct json_emit *e, double value)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	/* The host's locale may write a decimal comma. */
	for (char *p = text; *p; p++)
		if (!strchr("+-0123456789e", *p))
			*p = '.';
	buf_put_str(e->buf, text);
}

void json_emit_word(struct json_emit *e, const char *word)
{
	buf_put_str(e->buf, word);
}
