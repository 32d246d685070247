/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the JSON Schema of a document from its table. */
#include <stdio.h>

#include "json/emit.h"
#include "json/type.h"

static void put_object(struct json_emit *e, const struct json_type *type);

static void put_pair(struct json_emit *e, const char *key, const char *text)
{
	if (!text)
		return;
	json_emit_key(e, key);
	json_emit_string(e, text);
}

static void put_type(struct json_emit *e, const char *type, bool nullable)
{
	if (!nullable) {
		put_pair(e, "type", type);
		return;
	}
	json_emit_key(e, "type");
	json_emit_open(e, '[');
	json_emit_element(e);
	json_emit_string(e, type);
	json_emit_element(e);
	json_emit_string(e, "null");
	json_emit_close(e, ']');
}

static void put_limit(struct json_emit *e, const char *key, int64_t limit)
{
	json_emit_key(e, key);
	json_emit_int(e, limit);
}

static void put_range(struct json_emit *e, const struct json_field *f)
{
	if (f->min == 0 && f->max == 0)
		return;
	put_limit(e, "minimum", f->min);
	if (f->max != INT64_MAX)
		put_limit(e, "maximum", f->max);
}

static void put_names(struct json_emit *e, const char *const *names)
{
	json_emit_key(e, "enum");
	json_emit_open(e, '[');
	for (; *names; names++) {
		json_emit_element(e);
		json_emit_string(e, *names);
	}
	json_emit_close(e, ']');
}

static void put_pattern(struct json_emit *e, const struct json_field *f)
{
	if (f->flags & JSON_NAME)
		put_pair(e, "pattern", "^[a-z0-9][a-z0-9._-]{0,62}$");
}

static void put_items(struct json_emit *e, const struct json_field *f)
{
	put_type(e, "array", false);
	json_emit_key(e, "items");
	json_emit_open(e, '{');
	if (f->kind == JSON_LIST) {
		put_object(e, f->type);
	} else {
		put_type(e, "string", false);
		put_pattern(e, f);
	}
	json_emit_close(e, '}');
}

static void put_map(struct json_emit *e)
{
	put_type(e, "object", false);
	json_emit_key(e, "additionalProperties");
	json_emit_open(e, '{');
	put_type(e, "string", false);
	json_emit_close(e, '}');
}

static void put_field(struct json_emit *e, const struct json_field *f)
{
	bool nullable = f->flags & JSON_NULLABLE;

	json_emit_key(e, f->name);
	json_emit_open(e, '{');
	put_pair(e, "description", f->summary);
	switch (f->kind) {
	case JSON_STRING:
		put_type(e, "string", nullable);
		put_pattern(e, f);
		break;
	case JSON_BOOL:
		put_type(e, "boolean", false);
		break;
	case JSON_INT:
		put_type(e, "integer", nullable);
		put_range(e, f);
		break;
	case JSON_NUMBER:
		put_type(e, "number", nullable);
		break;
	case JSON_ENUM:
		put_names(e, f->names);
		break;
	case JSON_OBJECT:
		put_object(e, f->type);
		break;
	case JSON_MAP:
		put_map(e);
		break;
	default:
		put_items(e, f);
	}
	json_emit_close(e, '}');
}

static void put_schema_key(struct json_emit *e, const char *name)
{
	char text[100];

	snprintf(text, sizeof(text), "hsmctl/%s/v1", name);
	json_emit_key(e, "schema");
	json_emit_open(e, '{');
	put_pair(e, "const", text);
	json_emit_close(e, '}');
}

/* The members of a schema whose braces are written already. */
static void put_object(struct json_emit *e, const struct json_type *type)
{
	put_type(e, "object", false);
	json_emit_key(e, "properties");
	json_emit_open(e, '{');
	if (type->schema)
		put_schema_key(e, type->schema);
	for (const struct json_field *f = type->fields; f->name; f++)
		put_field(e, f);
	json_emit_close(e, '}');
	json_emit_key(e, "required");
	json_emit_open(e, '[');
	for (const struct json_field *f = type->fields; f->name; f++) {
		if (!(f->flags & JSON_REQUIRED))
			continue;
		json_emit_element(e);
		json_emit_string(e, f->name);
	}
	json_emit_close(e, ']');
	json_emit_key(e, "additionalProperties");
	json_emit_word(e, "false");
}

int json_schema(const struct json_type *type, struct buf *ret, struct err *err)
{
	struct json_emit e = {.buf = ret, .pretty = true};

	json_emit_open(&e, '{');
	put_pair(&e, "$schema", "https://json-schema.org/draft/2020-12/schema");
	put_pair(&e, "title", type->schema);
	put_pair(&e, "description", type->summary);
	put_object(&e, type);
	json_emit_close(&e, '}');
	buf_put_u8(ret, '\n');
	return buf_check(ret, err);
}
