/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the lines of what was read. */
#include "json/lines.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/lines_private.h"

struct json_lines *json_lines_new(const char *source, size_t room)
{
	owned(json_lines) struct json_lines *lines = mem_new(struct json_lines);

	if (!lines)
		return NULL;
	lines->source = mem_strdup(source);
	lines->rows = mem_zalloc(room * sizeof(*lines->rows));
	return lines->source && lines->rows ? own_take(lines) : NULL;
}

void json_lines_free(struct json_lines *lines)
{
	if (!lines)
		return;
	free(lines->source);
	free(lines->rows);
	free(lines);
}

void json_lines_add(struct json_lines *lines, const void *at, unsigned line)
{
	lines->rows[lines->count++] = (struct json_lines_row){.at = at, .line = line};
}

unsigned json_lines_of(const struct json_lines *lines, const void *at)
{
	/* A struct and its first field share an address; the field came later. */
	for (size_t i = lines->count; i > 0; i--)
		if (lines->rows[i - 1].at == at)
			return lines->rows[i - 1].line;
	return 0;
}

int json_lines_error(const struct json_lines *lines, const void *at, struct err *err,
		     const char *fmt, ...)
{
	unsigned line = json_lines_of(lines, at);
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!line)
		return err_set(err, ERR_INVALID, "%s: %s", lines->source, text);
	return err_set(err, ERR_INVALID, "%s:%u: %s", lines->source, line, text);
}
