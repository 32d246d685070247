/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_type - a document described once.
 *
 * A struct that is read from or written as JSON has one constant table of
 * fields: name, kind, offset. Reading, writing, copying, releasing, the JSON
 * Schema, and the tables people see are all done from it.
 *
 * In memory: strings are char * (NULL = absent), integers int64_t, numbers
 * double, enums unsigned (index into a name table), nested objects are
 * embedded structs, lists are a pointer to elements beside a size_t count, maps
 * are such a list of pairs. Everything reachable is owned by the outermost
 * struct and given back by json_release().
 */
#ifndef JSON_TYPE_H
#define JSON_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

enum json_kind {
	JSON_STRING,
	JSON_BOOL,
	JSON_INT,
	JSON_NUMBER,
	JSON_ENUM,
	JSON_OBJECT,	/* embedded struct of another type */
	JSON_LIST,	/* list of structs of another type */
	JSON_STRINGS,	/* list of char * */
	JSON_MAP,	/* object of strings with names of the user's: list of struct json_pair */
};

/* Names are unique; their order says nothing. */
struct json_pair {
	char *name, *value;
};

enum {
	JSON_REQUIRED = 1,	/* must be there when reading */
	JSON_OMIT = 2,		/* not written when NULL, 0, false or empty */
	JSON_NULLABLE = 4,	/* written as null when NULL or negative */
	JSON_COLUMN = 8,	/* shown to people (tables, "name: value" lines) */
	JSON_NAME = 16,		/* a str_is_name(); checked when reading */
	JSON_WIDE = 64,		/* a column that goes first when a table is wider than the terminal */
	JSON_UNIQUE = 32,	/* no two elements of a list share it (reading) */
};

struct json_type;

struct json_field {
	const char *name;
	enum json_kind kind;
	unsigned flags;
	size_t offset;
	size_t count_offset;		/* lists and maps: of the size_t count */
	const char *const *names;	/* JSON_ENUM: NULL-terminated */
	const struct json_type *type;	/* JSON_OBJECT, JSON_LIST */
	int64_t min, max;		/* JSON_INT: 0, 0 = any */
	const char *summary;		/* one line; goes into the schema */
};

struct json_type {
	/* Of a whole document: "verify" gives "schema":"hsmctl/verify/v1", written
	 * first and checked (when present) on reading. NULL for inner types. */
	const char *schema;
	const char *summary;
	size_t size;
	const struct json_field *fields;	/* ends with a row without name */
};

#define JSON_FIELD_(T, f, ctype) _Generic(((T *)0)->f, ctype: offsetof(T, f))
#define JSON_F_STRING(T, f, fl, s)                                             \
	{.name = #f, .kind = JSON_STRING, .flags = (fl), .offset = JSON_FIELD_(T, f, char *), .summary = (s)}
#define JSON_F_BOOL(T, f, fl, s)                                               \
	{.name = #f, .kind = JSON_BOOL, .flags = (fl), .offset = JSON_FIELD_(T, f, bool), .summary = (s)}
#define JSON_F_INT(T, f, fl, lo, hi, s)                                        \
	{.name = #f, .kind = JSON_INT, .flags = (fl), .offset = JSON_FIELD_(T, f, int64_t), .min = (lo), .max = (hi), .summary = (s)}
#define JSON_F_NUMBER(T, f, fl, s)                                             \
	{.name = #f, .kind = JSON_NUMBER, .flags = (fl), .offset = JSON_FIELD_(T, f, double), .summary = (s)}
#define JSON_F_ENUM(T, f, fl, n, s)                                            \
	{.name = #f, .kind = JSON_ENUM, .flags = (fl), .offset = JSON_FIELD_(T, f, unsigned), .names = (n), .summary = (s)}
#define JSON_F_OBJECT(T, f, fl, t, s)                                          \
	{.name = #f, .kind = JSON_OBJECT, .flags = (fl), .offset = offsetof(T, f), .type = &(t), .summary = (s)}
/* The count of a list f is the member n_f. */
#define JSON_F_LIST(T, f, fl, t, s)                                            \
	{.name = #f, .kind = JSON_LIST, .flags = (fl), .offset = offsetof(T, f), .count_offset = JSON_FIELD_(T, n_##f, size_t), .type = &(t), .summary = (s)}
#define JSON_F_STRINGS(T, f, fl, s)                                            \
	{.name = #f, .kind = JSON_STRINGS, .flags = (fl), .offset = JSON_FIELD_(T, f, char **), .count_offset = JSON_FIELD_(T, n_##f, size_t), .summary = (s)}
#define JSON_F_MAP(T, f, fl, s)                                                \
	{.name = #f, .kind = JSON_MAP, .flags = (fl), .offset = JSON_FIELD_(T, f, struct json_pair *), .count_offset = JSON_FIELD_(T, n_##f, size_t), .summary = (s)}
#define JSON_F_END {.name = NULL}

enum { JSON_COMMENTS = 1 };	/* // and slash-star comments are allowed */

/*
 * Read text (UTF-8, one object) into ret, a zeroed struct of type->size bytes.
 * Unknown and duplicate keys, wrong kinds and values out of range are
 * ERR_INVALID; the message begins "SOURCE:LINE: ". On failure ret is released
 * and zeroed.
 */
int json_read(const struct json_type *type, const char *text, size_t len,
	      const char *source, unsigned flags, void *ret, struct err *err);

/* Append the document. pretty: two spaces of indentation and a last newline;
 * otherwise one line without newline. Keys in the order of the table. */
int json_write(const struct json_type *type, const void *data, bool pretty,
	       struct buf *ret, struct err *err);

/* Deep copy into ret, a zeroed struct. */
int json_copy(const struct json_type *type, const void *data, void *ret, struct err *err);

bool json_equal(const struct json_type *type, const void *a, const void *b);

/* Free everything below data and zero it. */
void json_release(const struct json_type *type, void *data);

/* Append the JSON Schema (draft 2020-12) of a document. */
int json_schema(const struct json_type *type, struct buf *ret, struct err *err);

/* One more zeroed element at the end of a list; NULL without memory. items is
 * the address of the list pointer. */
void *json_append(void *items, size_t *count, size_t size);
/* Remove element i (already released) and close the gap. */
void json_remove(void *items, size_t *count, size_t size, size_t i);

#endif
