/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a struct as its document. */
#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "json/emit.h"
#include "json/field.h"

struct writer {
	struct json_emit emit;
	struct err *err;
};

static int write_object(struct writer *w, const struct json_type *type, const void *data);

static int write_list(struct writer *w, const struct json_field *f, const void *data)
{
	const char *at = field_list(f, data);
	int rc = 0;

	json_emit_open(&w->emit, '[');
	for (size_t i = 0; rc == 0 && i < *field_count(f, data); i++) {
		json_emit_element(&w->emit);
		if (f->kind == JSON_STRINGS)
			json_emit_string(&w->emit, *(char *const *)(const void *)at);
		else
			rc = write_object(w, f->type, at);
		at += field_element_size(f);
	}
	json_emit_close(&w->emit, ']');
	return rc;
}

static int write_map(struct writer *w, const struct json_field *f, const void *data)
{
	const struct json_pair *pairs = field_list(f, data);

	json_emit_open(&w->emit, '{');
	for (size_t i = 0; i < *field_count(f, data); i++) {
		if (!json_field_is_key(pairs[i].name))
			return err_set(w->err, ERR_INVALID, "'%.80s' is no name for '%s': it needs an escape",
				       pairs[i].name, f->name);
		json_emit_key(&w->emit, pairs[i].name);
		json_emit_string(&w->emit, pairs[i].value);
	}
	json_emit_close(&w->emit, '}');
	return 0;
}

static int write_enum(struct writer *w, const struct json_field *f, unsigned value)
{
	for (unsigned i = 0; f->names[i]; i++)
		if (i == value) {
			json_emit_string(&w->emit, f->names[i]);
			return 0;
		}
	return err_set(w->err, ERR_INVALID, "'%s' has no name for %u", f->name, value);
}

static int write_value(struct writer *w, const struct json_field *f, const void *data)
{
	const void *at = field_at(f, data);

	switch (f->kind) {
	case JSON_STRING:
		json_emit_string(&w->emit, *(char *const *)at);
		return 0;
	case JSON_BOOL:
		json_emit_word(&w->emit, *(const bool *)at ? "true" : "false");
		return 0;
	case JSON_INT:
		json_emit_int(&w->emit, *(const int64_t *)at);
		return 0;
	case JSON_NUMBER:
		if (!isfinite(*(const double *)at))
			return err_set(w->err, ERR_INVALID, "'%s' is not a finite number", f->name);
		json_emit_number(&w->emit, *(const double *)at);
		return 0;
	case JSON_ENUM:
		return write_enum(w, f, *(const unsigned *)at);
	case JSON_OBJECT:
		return write_object(w, f->type, at);
	case JSON_MAP:
		return write_map(w, f, data);
	default:
		return write_list(w, f, data);
	}
}

static bool is_null(const struct json_field *f, const void *data)
{
	const void *at = field_at(f, data);

	if (!(f->flags & JSON_NULLABLE))
		return false;
	if (f->kind == JSON_STRING)
		return !*(char *const *)at;
	if (f->kind == JSON_INT)
		return *(const int64_t *)at < 0;
	/* not a number counts as unknown too */
	return f->kind == JSON_NUMBER && !(*(const double *)at >= 0);
}

static int write_field(struct writer *w, const struct json_field *f, const void *data)
{
	bool absent = f->kind == JSON_STRING && !*(char *const *)field_at(f, data);

	if ((f->flags & JSON_OMIT) && json_field_empty(f, data))
		return 0;
	if (is_null(f, data)) {
		json_emit_key(&w->emit, f->name);
		json_emit_word(&w->emit, "null");
		return 0;
	}
	if (absent && (f->flags & JSON_REQUIRED))
		return err_set(w->err, ERR_INVALID, "the key '%s' is missing", f->name);
	if (absent)
		return 0;
	json_emit_key(&w->emit, f->name);
	return write_value(w, f, data);
}

static int write_object(struct writer *w, const struct json_type *type, const void *data)
{
	char schema[100];
	int rc = 0;

	json_emit_open(&w->emit, '{');
	if (type->schema) {
		snprintf(schema, sizeof(schema), "hsmctl/%s/v1", type->schema);
		json_emit_key(&w->emit, "schema");
		json_emit_string(&w->emit, schema);
	}
	for (const struct json_field *f = type->fields; rc == 0 && f->name; f++)
		rc = write_field(w, f, data);
	json_emit_close(&w->emit, '}');
	return rc;
}

int json_write(const struct json_type *type, const void *data, bool pretty,
	       struct buf *ret, struct err *err)
{
	struct writer w = {.emit = {.buf = ret, .pretty = pretty}, .err = err};
	size_t start = ret->len;
	int rc = write_object(&w, type, data);

	if (pretty)
		buf_put_u8(ret, '\n');
	if (rc == 0)
		rc = buf_check(ret, err);
	if (rc < 0)
		ret->len = start;
	return rc;
}
