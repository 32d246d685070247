/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit - JSON text, piece by piece: commas, indentation, escapes.
 *
 * Failures stay in the buffer (buf_check). Private to lib/json.
 */
#ifndef JSON_EMIT_H
#define JSON_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json_emit {
	struct buf *buf;
	bool pretty;
	unsigned depth;
	bool more;	/* the open object or list has an element already */
};

/* bracket: '{' '[' and '}' ']'. */
void json_emit_open(struct json_emit *e, char bracket);
void json_emit_close(struct json_emit *e, char bracket);
/* Before each value of a list; before each member of an object, with its key. */
void json_emit_element(struct json_emit *e);
void json_emit_key(struct json_emit *e, const char *key);

/* Bytes that are not UTF-8 become U+FFFD, control characters \u00xx. */
void json_emit_string(struct json_emit *e, const char *text);
void json_emit_int(struct json_emit *e, int64_t value);
/* The shortest text that reads back as the same number; finite. */
void json_emit_number(struct json_emit *e, double value);
/* true, false, null */
void json_emit_word(struct json_emit *e, const char *word);

#endif
