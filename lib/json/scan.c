/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a text as strict JSON and notes where its values stand. */
#include "json/scan.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/type.h"
#include "json/utf8.h"

enum { DEPTH_MAX = 32, KEYS_MAX = 128 };

struct cursor {
	struct json_scan *scan;
	const char *source;
	size_t at;
	unsigned line, depth;
	bool comments;
	struct err *err;
};

struct key {
	size_t offset, len;
	unsigned line;
};

static int scan_value(struct cursor *c, unsigned line);

__attribute__((format(printf, 2, 3))) static int fail(struct cursor *c, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(c->err, ERR_INVALID, "%s:%u: %s", c->source, c->line, text);
}

/* The next character, 0 at the end: a text with zero bytes does not get here. */
static char peek(const struct cursor *c)
{
	return c->scan->text[c->at];
}

static int expected(struct cursor *c, const char *what)
{
	char next = peek(c);

	if (!next)
		return fail(c, "the document ends where %s is expected", what);
	if (next == '/' && !c->comments)
		return fail(c, "comments are not allowed here");
	if (next < 0x21 || next > 0x7e)
		return fail(c, "expected %s", what);
	return fail(c, "expected %s, found '%c'", what, next);
}

/* Blank the comment that begins here; a line end stays what it is. */
static int skip_comment(struct cursor *c)
{
	char *p = c->scan->text + c->at;
	bool block = p[1] == '*';
	char *end = block ? strstr(p + 2, "*/") : p + strcspn(p, "\n");

	if (!end)
		return fail(c, "the comment that begins here has no end");
	if (block)
		end += 2;
	for (; p < end; p++) {
		if (*p == '\n')
			c->line++;
		else
			*p = ' ';
	}
	c->at = (size_t)(end - c->scan->text);
	return 0;
}

static int skip_space(struct cursor *c)
{
	for (;;) {
		char next = peek(c), after = next ? c->scan->text[c->at + 1] : 0;

		if (next == '/' && c->comments && (after == '/' || after == '*')) {
			int rc = skip_comment(c);

			if (rc < 0)
				return rc;
			continue;
		}
		if (!next || !strchr(" \t\r\n", next))
			return 0;
		c->line += next == '\n';
		c->at++;
	}
}

/* True when the next thing is this character, which is then passed. */
static bool take(struct cursor *c, char wanted)
{
	if (peek(c) != wanted)
		return false;
	c->at++;
	return true;
}

static int mark(struct cursor *c, unsigned line)
{
	struct json_scan *scan = c->scan;

	if (scan->n_marks == scan->room) {
		size_t room = scan->room ? scan->room * 2 : 64;
		struct json_mark *marks =
			mem_grow(scan->marks, scan->room, room, sizeof(*marks));

		if (!marks)
			return err_no_memory(c->err);
		scan->marks = marks;
		scan->room = room;
	}
	scan->marks[scan->n_marks++] = (struct json_mark){.offset = c->at, .line = line};
	return 0;
}

static bool take_hex4(struct cursor *c, unsigned *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++, c->at++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = peek(c) ? strchr(digits, peek(c) | 0x20) : NULL;

		if (!digit)
			return false;
		*ret = *ret << 4 | (unsigned)(digit - digits);
	}
	return true;
}

/* Behind the backslash. */
static int scan_escape(struct cursor *c)
{
	char kind = peek(c);
	unsigned high, low;

	if (!kind || !strchr("\"\\/bfnrtu", kind))
		return expected(c, "an escape");
	c->at++;
	if (kind != 'u')
		return 0;
	if (!take_hex4(c, &high))
		return expected(c, "four hexadecimal digits");
	if (high < 0xd800 || high > 0xdfff)
		return 0;
	if (high > 0xdbff || !take(c, '\\') || !take(c, 'u') || !take_hex4(c, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return fail(c, "half a surrogate pair in a string");
	return 0;
}

/* Behind the opening quote. */
static int scan_string(struct cursor *c, bool is_key)
{
	for (;;) {
		char next = peek(c);
		int rc = 0;

		if (next == '"') {
			c->at++;
			return 0;
		}
		if (!next)
			return fail(c, "the document ends inside a string");
		if ((unsigned char)next < 0x20)
			return fail(c, "a string holds a control character, or its quote is missing");
		c->at++;
		if (next == '\\')
			rc = is_key ? fail(c, "a key holds an escape") : scan_escape(c);
		if (rc < 0)
			return rc;
	}
}

static size_t take_digits(struct cursor *c)
{
	size_t n = strspn(c->scan->text + c->at, "0123456789");

	c->at += n;
	return n;
}

static int scan_number(struct cursor *c)
{
	take(c, '-');
	if (!take(c, '0') && !take_digits(c))
		return expected(c, "a digit");
	if (take(c, '.') && !take_digits(c))
		return expected(c, "a digit");
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			take(c, '-');
		if (!take_digits(c))
			return expected(c, "a digit");
	}
	return 0;
}

static int scan_word(struct cursor *c)
{
	static const char *const words[] = {"true", "false", "null", NULL};
	const char *p = c->scan->text + c->at;

	for (int i = 0; words[i]; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(p, words[i], len) == 0) {
			c->at += len;
			return 0;
		}
	}
	return expected(c, "a value");
}

static int scan_key(struct cursor *c, struct key *keys, size_t *count)
{
	struct key key = {.offset = c->at + 1, .line = c->line};
	const char *text = c->scan->text;
	int rc;

	if (!take(c, '"'))
		return expected(c, "a key in double quotes");
	rc = scan_string(c, true);
	if (rc < 0)
		return rc;
	key.len = c->at - 1 - key.offset;
	for (size_t i = 0; i < *count; i++)
		if (keys[i].len == key.len &&
		    memcmp(text + keys[i].offset, text + key.offset, key.len) == 0)
			return fail(c, "the key '%.*s' stands in line %u already",
				    (int)(key.len > 80 ? 80 : key.len), text + key.offset,
				    keys[i].line);
	if (*count == KEYS_MAX)
		return fail(c, "more than %d keys in one object", KEYS_MAX);
	keys[(*count)++] = key;
	return 0;
}

static int scan_member(struct cursor *c, struct key *keys, size_t *count)
{
	unsigned line = c->line;
	int rc = scan_key(c, keys, count);

	if (rc == 0)
		rc = skip_space(c);
	if (rc < 0)
		return rc;
	if (!take(c, ':'))
		return expected(c, "':'");
	rc = skip_space(c);
	return rc < 0 ? rc : scan_value(c, line);
}

/* Behind the opening bracket: members or elements up to the closing one. */
static int scan_container(struct cursor *c, char close)
{
	struct key keys[KEYS_MAX];
	size_t count = 0;
	int rc = skip_space(c);

	if (rc < 0 || take(c, close))
		return rc;
	for (;;) {
		rc = close == '}' ? scan_member(c, keys, &count) : scan_value(c, c->line);
		if (rc == 0)
			rc = skip_space(c);
		if (rc < 0 || take(c, close))
			return rc;
		if (!take(c, ','))
			return expected(c, close == '}' ? "',' or '}'" : "',' or ']'");
		rc = skip_space(c);
		if (rc < 0)
			return rc;
	}
}

static int scan_value(struct cursor *c, unsigned line)
{
	char next = peek(c);
	int rc = mark(c, line);

	if (rc < 0)
		return rc;
	if (next == '{' || next == '[') {
		if (++c->depth > DEPTH_MAX)
			return fail(c, "nested deeper than %d", DEPTH_MAX);
		c->at++;
		rc = scan_container(c, next == '{' ? '}' : ']');
		c->depth--;
		return rc;
	}
	if (take(c, '"'))
		return scan_string(c, false);
	if (next == '-' || (next >= '0' && next <= '9'))
		return scan_number(c);
	return scan_word(c);
}

static int check_text(struct cursor *c, const char *text, size_t len)
{
	uint32_t character;

	for (size_t i = 0, n; i < len; i += n) {
		n = json_utf8(text + i, len - i, &character);
		if (!n)
			return fail(c, "the text is not valid UTF-8");
		if (!character)
			return fail(c, "the text holds a zero byte");
		c->line += character == '\n';
	}
	c->line = 1;
	return 0;
}

int json_scan(const char *text, size_t len, const char *source, unsigned flags,
	      struct json_scan *ret, struct err *err)
{
	struct cursor c = {.scan = ret, .source = source, .line = 1,
			   .comments = flags & JSON_COMMENTS, .err = err};
	int rc = check_text(&c, text, len);

	if (rc < 0)
		return rc;
	ret->text = mem_strndup(len ? text : "", len);
	if (!ret->text)
		return err_no_memory(err);
	ret->len = len;
	rc = skip_space(&c);
	if (rc == 0)
		rc = peek(&c) == '{' ? scan_value(&c, c.line) : expected(&c, "'{'");
	if (rc == 0)
		rc = skip_space(&c);
	if (rc < 0)
		return rc;
	return c.at == len ? 0 : expected(&c, "the end of the document");
}

void json_scan_release(struct json_scan *scan)
{
	free(scan->text);
	free(scan->marks);
	*scan = (struct json_scan){0};
}
