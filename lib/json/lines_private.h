/* SPDX-License-Identifier: Apache-2.0 */
/* lines_private - how the reader fills struct json_lines. Private to lib/json. */
#ifndef JSON_LINES_PRIVATE_H
#define JSON_LINES_PRIVATE_H

#include "json/lines.h"

struct json_lines_row {
	const void *at;
	unsigned line;
};

struct json_lines {
	char *source;
	struct json_lines_row *rows;	/* in document order */
	size_t count;
};

/* Room for this many rows; NULL without memory. */
struct json_lines *json_lines_new(const char *source, size_t room);
void json_lines_add(struct json_lines *lines, const void *at, unsigned line);

#endif
