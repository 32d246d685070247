/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a document into its struct: json-c has the values, the scan their places. */
/* json-c has an enum of the name of our struct. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/field.h"
#include "json/lines_private.h"
#include "json/scan.h"

struct reader {
	const struct json_scan *scan;
	size_t next;	/* mark of the next value; json-c keeps the document's order */
	struct json_lines *lines;
	struct err *err;
};

/* One value: what it is, where it stands and what it is read into. */
struct place {
	struct json_object *value;
	struct json_mark mark;
	const struct json_field *field;
	void *data;	/* the struct that has the field */
};

static void own_object(struct json_object **object)
{
	json_object_put(*object);
}

static void own_tokener(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

static struct json_mark next_mark(struct reader *r)
{
	return r->scan->marks[r->next++];
}

__attribute__((format(printf, 3, 4))) static int fail(struct reader *r, unsigned line,
						      const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_INVALID, "%s:%u: %s", r->lines->source, line, text);
}

static int wrong_kind(struct reader *r, const struct place *p, const char *kind)
{
	return fail(r, p->mark.line, "'%s' must be %s", p->field->name, kind);
}

static int read_text(struct reader *r, const struct place *p, char **ret)
{
	const char *text = json_object_get_string(p->value);

	if (!json_object_is_type(p->value, json_type_string))
		return wrong_kind(r, p, p->field->kind == JSON_STRINGS ? "a list of strings" : "a string");
	if (strlen(text) != (size_t)json_object_get_string_len(p->value))
		return fail(r, p->mark.line, "'%s' holds a zero character", p->field->name);
	if ((p->field->flags & JSON_NAME) && !str_is_name(text))
		return fail(r, p->mark.line,
			    "'%s' must be a name (1 to 63 of a-z 0-9 - _ ., first a letter or digit), not '%.80s'",
			    p->field->name, text);
	*ret = mem_strdup(text);
	return *ret ? 0 : err_no_memory(r->err);
}

static int read_bool(struct reader *r, const struct place *p)
{
	if (!json_object_is_type(p->value, json_type_boolean))
		return wrong_kind(r, p, "true or false");
	*(bool *)field_at(p->field, p->data) = json_object_get_boolean(p->value);
	return 0;
}

static int out_of_range(struct reader *r, const struct place *p, int64_t min, int64_t max)
{
	if (max == INT64_MAX && min != INT64_MIN)
		return fail(r, p->mark.line, "'%s' must be at least %lld", p->field->name,
			    (long long)min);
	return fail(r, p->mark.line, "'%s' must be from %lld to %lld", p->field->name,
		    (long long)min, (long long)max);
}

/* From the text: json-c turns a number that is too large into the largest. */
static int read_int(struct reader *r, const struct place *p)
{
	const struct json_field *f = p->field;
	bool any = f->min == 0 && f->max == 0;
	int64_t min = any ? INT64_MIN : f->min, max = any ? INT64_MAX : f->max;
	const char *text = r->scan->text + p->mark.offset;
	size_t len = strspn(text, "-0123456789");
	char digits[24] = "";

	if (!json_object_is_type(p->value, json_type_int))
		return wrong_kind(r, p, "a whole number");
	if (len < sizeof(digits))
		memcpy(digits, text, len);
	if (!str_int(digits, min, max, field_at(f, p->data)))
		return out_of_range(r, p, min, max);
	return 0;
}

static int read_number(struct reader *r, const struct place *p)
{
	double number = json_object_get_double(p->value);

	if (!json_object_is_type(p->value, json_type_int) &&
	    !json_object_is_type(p->value, json_type_double))
		return wrong_kind(r, p, "a number");
	if (!isfinite(number))
		return fail(r, p->mark.line, "'%s' is too large", p->field->name);
	*(double *)field_at(p->field, p->data) = number;
	return 0;
}

static int read_enum(struct reader *r, const struct place *p)
{
	const char *text = json_object_get_string(p->value);
	const char *nearest;
	char names[300] = "";
	int at;

	if (!json_object_is_type(p->value, json_type_string))
		return wrong_kind(r, p, "a string");
	at = str_index(p->field->names, text);
	if (at >= 0) {
		*(unsigned *)field_at(p->field, p->data) = (unsigned)at;
		return 0;
	}
	for (int i = 0; p->field->names[i]; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
			 p->field->names[i]);
	}
	fail(r, p->mark.line, "'%s' must be one of %s, not '%.80s'", p->field->name, names, text);
	nearest = str_nearest(text, p->field->names);
	return nearest ? err_hint(r->err, "did you mean '%s'?", nearest) : -ERR_INVALID;
}

static int read_object(struct reader *r, const struct json_type *type, struct json_object *object,
		       void *data, unsigned line);

static int read_element(struct reader *r, const struct place *list, struct json_object *value,
			void *at)
{
	struct place p = {.value = value, .mark = next_mark(r), .field = list->field};

	json_lines_add(r->lines, at, p.mark.line);
	if (list->field->kind == JSON_STRINGS)
		return read_text(r, &p, at);
	if (!json_object_is_type(value, json_type_object))
		return fail(r, p.mark.line, "'%s' must be a list of objects", list->field->name);
	return read_object(r, list->field->type, value, at, p.mark.line);
}

/* No earlier element has the same text in this field. */
static int check_unique(struct reader *r, const struct place *list, const struct json_field *field,
			char *elements, size_t i)
{
	size_t size = list->field->type->size;
	char *const *mine = field_at(field, elements + i * size);

	for (size_t j = 0; *mine && j < i; j++) {
		char *const *other = field_at(field, elements + j * size);

		if (str_eq(*mine, *other))
			return fail(r, json_lines_of(r->lines, mine),
				    "the %s '%.80s' in '%s' stands in line %u already", field->name,
				    *mine, list->field->name, json_lines_of(r->lines, other));
	}
	return 0;
}

static int check_list(struct reader *r, const struct place *list, char *elements, size_t count)
{
	for (const struct json_field *f = list->field->type->fields; f->name; f++) {
		if (!(f->flags & JSON_UNIQUE) || f->kind != JSON_STRING)
			continue;
		for (size_t i = 1; i < count; i++) {
			int rc = check_unique(r, list, f, elements, i);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int read_list(struct reader *r, const struct place *p)
{
	size_t size = field_element_size(p->field), count;
	char *elements;

	if (!json_object_is_type(p->value, json_type_array))
		return wrong_kind(r, p, "a list");
	count = json_object_array_length(p->value);
	if (!count)
		return 0;
	elements = mem_zalloc(count * size);
	if (!elements)
		return err_no_memory(r->err);
	field_set_list(p->field, p->data, elements, count);
	for (size_t i = 0; i < count; i++) {
		int rc = read_element(r, p, json_object_array_get_idx(p->value, i),
				      elements + i * size);

		if (rc < 0)
			return rc;
	}
	return p->field->kind == JSON_LIST ? check_list(r, p, elements, count) : 0;
}

static int read_pair(struct reader *r, const struct place *map, const char *name, struct json_object *value,
		     struct json_pair *ret)
{
	struct place p = {.value = value, .mark = next_mark(r), .field = map->field};

	json_lines_add(r->lines, ret, p.mark.line);
	if (!json_field_is_key(name))
		return fail(r, p.mark.line, "a name in '%s' holds a control character", map->field->name);
	if (!json_object_is_type(value, json_type_string))
		return fail(r, p.mark.line, "'%.80s' in '%s' must be a string", name, map->field->name);
	ret->name = mem_strdup(name);
	return ret->name ? read_text(r, &p, &ret->value) : err_no_memory(r->err);
}

static int read_map(struct reader *r, const struct place *p)
{
	struct json_pair *pairs;
	int count;

	if (!json_object_is_type(p->value, json_type_object))
		return wrong_kind(r, p, "an object of strings");
	count = json_object_object_length(p->value);
	if (!count)
		return 0;
	pairs = mem_zalloc((size_t)count * sizeof(*pairs));
	if (!pairs)
		return err_no_memory(r->err);
	field_set_list(p->field, p->data, pairs, (size_t)count);
	json_object_object_foreach(p->value, name, value)
	{
		int rc = read_pair(r, p, name, value, pairs++);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What null and an absent key stand for where null may be written. */
static void set_null(const struct json_field *field, void *data)
{
	if (field->kind == JSON_INT)
		*(int64_t *)field_at(field, data) = -1;
	if (field->kind == JSON_NUMBER)
		*(double *)field_at(field, data) = -1;
}

static int read_field(struct reader *r, const struct place *p)
{
	void *at = field_at(p->field, p->data);

	if (!p->value && (p->field->flags & JSON_NULLABLE)) {
		set_null(p->field, p->data);
		return 0;
	}
	switch (p->field->kind) {
	case JSON_STRING:
		return read_text(r, p, at);
	case JSON_BOOL:
		return read_bool(r, p);
	case JSON_INT:
		return read_int(r, p);
	case JSON_NUMBER:
		return read_number(r, p);
	case JSON_ENUM:
		return read_enum(r, p);
	case JSON_OBJECT:
		if (!json_object_is_type(p->value, json_type_object))
			return wrong_kind(r, p, "an object");
		return read_object(r, p->field->type, p->value, at, p->mark.line);
	case JSON_MAP:
		return read_map(r, p);
	default:
		return read_list(r, p);
	}
}

static const struct json_field *find_field(const struct json_type *type, const char *name)
{
	for (const struct json_field *f = type->fields; f->name; f++)
		if (str_eq(f->name, name))
			return f;
	return NULL;
}

static int unknown_key(struct reader *r, const struct json_type *type, const char *key,
		       unsigned line)
{
	const char *names[130] = {NULL};
	const char *nearest;
	size_t n = 0;

	for (const struct json_field *f = type->fields; f->name && n < 128; f++)
		names[n++] = f->name;
	if (type->schema)
		names[n] = "schema";
	fail(r, line, "unknown key '%.80s'", key);
	nearest = str_nearest(key, names);
	return nearest ? err_hint(r->err, "did you mean '%s'?", nearest) : -ERR_INVALID;
}

static int check_schema(struct reader *r, const struct json_type *type, struct json_object *value,
			unsigned line)
{
	char wanted[100];

	snprintf(wanted, sizeof(wanted), "hsmctl/%s/v1", type->schema);
	if (json_object_is_type(value, json_type_string) &&
	    str_eq(json_object_get_string(value), wanted))
		return 0;
	return fail(r, line, "'schema' must be '%s'", wanted);
}

static int read_member(struct reader *r, const struct json_type *type, const char *key,
		       struct json_object *value, void *data)
{
	struct place p = {.value = value, .mark = next_mark(r), .data = data};

	if (type->schema && str_eq(key, "schema"))
		return check_schema(r, type, value, p.mark.line);
	p.field = find_field(type, key);
	if (!p.field)
		return unknown_key(r, type, key, p.mark.line);
	json_lines_add(r->lines, field_at(p.field, data), p.mark.line);
	return read_field(r, &p);
}

static int check_absent(struct reader *r, const struct json_type *type, struct json_object *object,
			void *data, unsigned line)
{
	for (const struct json_field *f = type->fields; f->name; f++) {
		if (json_object_object_get_ex(object, f->name, NULL))
			continue;
		if (f->flags & JSON_REQUIRED)
			return fail(r, line, "the key '%s' is missing", f->name);
		if ((f->flags & JSON_NULLABLE) && !(f->flags & JSON_OMIT))
			set_null(f, data);
	}
	return 0;
}

static int read_object(struct reader *r, const struct json_type *type, struct json_object *object,
		       void *data, unsigned line)
{
	json_object_object_foreach(object, key, value)
	{
		int rc = read_member(r, type, key, value, data);

		if (rc < 0)
			return rc;
	}
	return check_absent(r, type, object, data, line);
}

static int parse(const struct json_scan *scan, const char *source, struct json_object **ret,
		 struct err *err)
{
	__attribute__((cleanup(own_tokener))) struct json_tokener *tokener = json_tokener_new_ex(64);
	enum json_tokener_error problem;

	if (!tokener)
		return err_no_memory(err);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret = json_tokener_parse_ex(tokener, scan->text, (int)scan->len + 1);
	if (*ret)
		return 0;
	problem = json_tokener_get_error(tokener);
	return err_set(err, ERR_INVALID, "%s: %s", source, json_tokener_error_desc(problem));
}

int json_read_lines(const struct json_type *type, const char *text, size_t len,
		    const char *source, unsigned flags, void *ret,
		    struct json_lines **ret_lines, struct err *err)
{
	__attribute__((cleanup(own_object))) struct json_object *object = NULL;
	owned(json_scan) struct json_scan scan = {0};
	owned(json_lines) struct json_lines *lines = NULL;
	struct reader r = {.scan = &scan, .err = err};
	int rc;

	if (len >= INT_MAX)
		return err_set(err, ERR_INVALID, "%s: the document is too large", source);
	rc = json_scan(text, len, source, flags, &scan, err);
	if (rc == 0)
		rc = parse(&scan, source, &object, err);
	if (rc < 0)
		return rc;
	r.lines = lines = json_lines_new(source, scan.n_marks);
	if (!lines)
		return err_no_memory(err);
	rc = read_object(&r, type, object, ret, next_mark(&r).line);
	if (rc < 0) {
		json_release(type, ret);
		return rc;
	}
	*ret_lines = own_take(lines);
	return 0;
}

int json_read(const struct json_type *type, const char *text, size_t len,
	      const char *source, unsigned flags, void *ret, struct err *err)
{
	owned(json_lines) struct json_lines *lines = NULL;

	return json_read_lines(type, text, len, source, flags, ret, &lines, err);
}
