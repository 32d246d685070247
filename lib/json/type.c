/* SPDX-License-Identifier: Apache-2.0 */
/* What a table of fields does to structs in memory: copy, compare, release. */
#include "json/type.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/field.h"
#include "json/utf8.h"

static void release_element(const struct json_field *f, void *element)
{
	if (f->kind == JSON_LIST) {
		json_release(f->type, element);
	} else if (f->kind == JSON_MAP) {
		free(((struct json_pair *)element)->name);
		free(((struct json_pair *)element)->value);
	} else {
		free(*(char **)element);
	}
}

static void release_list(const struct json_field *f, void *data)
{
	char *elements = field_list(f, data);

	for (size_t i = 0; i < *field_count(f, data); i++)
		release_element(f, elements + i * field_element_size(f));
	free(elements);
}

void json_release(const struct json_type *type, void *data)
{
	for (const struct json_field *f = type->fields; f->name; f++) {
		if (f->kind == JSON_STRING)
			free(*(char **)field_at(f, data));
		else if (f->kind == JSON_OBJECT)
			json_release(f->type, field_at(f, data));
		else if (f->kind == JSON_LIST || f->kind == JSON_STRINGS || f->kind == JSON_MAP)
			release_list(f, data);
	}
	memset(data, 0, type->size);
}

static int copy_object(const struct json_type *type, const void *data, void *ret);

static int copy_text(const char *text, char **ret)
{
	if (!text)
		return 0;
	*ret = mem_strdup(text);
	return *ret ? 0 : -ERR_NO_MEMORY;
}

static int copy_pair(const struct json_pair *pair, struct json_pair *ret)
{
	int rc = copy_text(pair->name, &ret->name);

	return rc < 0 ? rc : copy_text(pair->value, &ret->value);
}

static int copy_element(const struct json_field *f, const void *from, void *to)
{
	if (f->kind == JSON_LIST)
		return copy_object(f->type, from, to);
	return f->kind == JSON_MAP ? copy_pair(from, to) : copy_text(*(char *const *)from, to);
}

static int copy_list(const struct json_field *f, const void *data, void *ret)
{
	size_t count = *field_count(f, data), size = field_element_size(f);
	char *from = field_list(f, data), *to;
	int rc = 0;

	if (!count)
		return 0;
	to = mem_zalloc(count * size);
	if (!to)
		return -ERR_NO_MEMORY;
	field_set_list(f, ret, to, count);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = copy_element(f, from + i * size, to + i * size);
	return rc;
}

static int copy_field(const struct json_field *f, const void *data, void *ret)
{
	const void *from = field_at(f, data);
	void *to = field_at(f, ret);

	switch (f->kind) {
	case JSON_STRING:
		return copy_text(*(char *const *)from, to);
	case JSON_BOOL:
		*(bool *)to = *(const bool *)from;
		return 0;
	case JSON_INT:
		*(int64_t *)to = *(const int64_t *)from;
		return 0;
	case JSON_NUMBER:
		*(double *)to = *(const double *)from;
		return 0;
	case JSON_ENUM:
		*(unsigned *)to = *(const unsigned *)from;
		return 0;
	case JSON_OBJECT:
		return copy_object(f->type, from, to);
	default:
		return copy_list(f, data, ret);
	}
}

static int copy_object(const struct json_type *type, const void *data, void *ret)
{
	int rc = 0;

	for (const struct json_field *f = type->fields; rc == 0 && f->name; f++)
		rc = copy_field(f, data, ret);
	return rc;
}

int json_copy(const struct json_type *type, const void *data, void *ret, struct err *err)
{
	if (copy_object(type, data, ret) == 0)
		return 0;
	json_release(type, ret);
	return err_no_memory(err);
}

static bool equal_lists(const struct json_field *f, const void *a, const void *b)
{
	size_t count = *field_count(f, a), size = field_element_size(f);
	const char *one = field_list(f, a), *other = field_list(f, b);

	if (count != *field_count(f, b))
		return false;
	for (size_t i = 0; i < count; i++, one += size, other += size) {
		if (f->kind == JSON_LIST && !json_equal(f->type, one, other))
			return false;
		if (f->kind == JSON_STRINGS && !str_eq(*(char *const *)(const void *)one,
						       *(char *const *)(const void *)other))
			return false;
	}
	return true;
}

static bool has_pair(const struct json_pair *pairs, size_t count, const struct json_pair *pair)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(pairs[i].name, pair->name))
			return str_eq(pairs[i].value, pair->value);
	return false;
}

static bool equal_maps(const struct json_field *f, const void *a, const void *b)
{
	const struct json_pair *one = field_list(f, a), *other = field_list(f, b);
	size_t count = *field_count(f, a);

	if (count != *field_count(f, b))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!has_pair(other, count, &one[i]))
			return false;
	return true;
}

static bool equal_fields(const struct json_field *f, const void *a, const void *b)
{
	const void *one = field_at(f, a), *other = field_at(f, b);

	switch (f->kind) {
	case JSON_STRING:
		return str_eq(*(char *const *)one, *(char *const *)other);
	case JSON_BOOL:
		return *(const bool *)one == *(const bool *)other;
	case JSON_INT:
		return *(const int64_t *)one == *(const int64_t *)other;
	case JSON_NUMBER:
		return *(const double *)one == *(const double *)other;
	case JSON_ENUM:
		return *(const unsigned *)one == *(const unsigned *)other;
	case JSON_OBJECT:
		return json_equal(f->type, one, other);
	case JSON_MAP:
		return equal_maps(f, a, b);
	default:
		return equal_lists(f, a, b);
	}
}

bool json_equal(const struct json_type *type, const void *a, const void *b)
{
	for (const struct json_field *f = type->fields; f->name; f++)
		if (!equal_fields(f, a, b))
			return false;
	return true;
}

static bool empty_object(const struct json_type *type, const void *data)
{
	for (const struct json_field *f = type->fields; f->name; f++)
		if (!json_field_empty(f, data))
			return false;
	return true;
}

bool json_field_empty(const struct json_field *field, const void *data)
{
	const void *at = field_at(field, data);

	switch (field->kind) {
	case JSON_STRING:
		return !*(char *const *)at;
	case JSON_BOOL:
		return !*(const bool *)at;
	case JSON_INT:
		return *(const int64_t *)at == 0;
	case JSON_NUMBER:
		return *(const double *)at == 0;
	case JSON_ENUM:
		return *(const unsigned *)at == 0;
	case JSON_OBJECT:
		return empty_object(field->type, at);
	default:
		return *field_count(field, data) == 0;
	}
}

bool json_field_is_key(const char *name)
{
	size_t left = strlen(name);
	uint32_t c;

	for (size_t n; left; name += n, left -= n) {
		n = json_utf8(name, left, &c);
		if (!n || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '"' || c == '\\')
			return false;
	}
	return true;
}

void *json_append(void *items, size_t *count, size_t size)
{
	void *old, *grown;

	memcpy(&old, items, sizeof(old));
	grown = mem_grow(old, *count, *count + 1, size);
	if (!grown)
		return NULL;
	memcpy(items, &grown, sizeof(grown));
	return (char *)grown + size * (*count)++;
}

void json_remove(void *items, size_t *count, size_t size, size_t i)
{
	char *list;

	memcpy(&list, items, sizeof(list));
	--*count;
	memmove(list + i * size, list + (i + 1) * size, (*count - i) * size);
	/* The room behind the last element stays as json_append() makes it. */
	memset(list + *count * size, 0, size);
}
