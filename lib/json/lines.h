/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines - where the parts of a document stood, for errors that a table of
 * fields cannot find.
 *
 * It knows the address of each struct, list pointer and field that was read
 * into, so it is good as long as none of them moves.
 */
#ifndef JSON_LINES_H
#define JSON_LINES_H

#include "json/type.h"

struct json_lines;

/* As json_read(), and *ret_lines on success. */
int json_read_lines(const struct json_type *type, const char *text, size_t len,
		    const char *source, unsigned flags, void *ret,
		    struct json_lines **ret_lines, struct err *err);
void json_lines_free(struct json_lines *lines);
OWN_DEFINE(json_lines)

/* Line of the field at this address, of the struct there when it is not a
 * field that was read; 0 when nothing was read into it. */
unsigned json_lines_of(const struct json_lines *lines, const void *at);

/* ERR_INVALID "SOURCE:LINE: …"; without the line where it is not known. */
int json_lines_error(const struct json_lines *lines, const void *at, struct err *err,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
