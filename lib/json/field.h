/* SPDX-License-Identifier: Apache-2.0 */
/* field - a field's value inside a struct. Private to lib/json. */
#ifndef JSON_FIELD_H
#define JSON_FIELD_H

#include <string.h>

#include "json/type.h"

static inline void *field_at(const struct json_field *field, const void *data)
{
	return (char *)(uintptr_t)data + field->offset;
}

static inline size_t *field_count(const struct json_field *field, const void *data)
{
	return (size_t *)((uintptr_t)data + field->count_offset);
}

/* The pointer of a list, whatever it points to. */
static inline void *field_list(const struct json_field *field, const void *data)
{
	void *list;

	memcpy(&list, field_at(field, data), sizeof(list));
	return list;
}

static inline void field_set_list(const struct json_field *field, void *data, void *list,
				  size_t count)
{
	memcpy(field_at(field, data), &list, sizeof(list));
	*field_count(field, data) = count;
}

/* Bytes of one element of a list or map. */
static inline size_t field_element_size(const struct json_field *field)
{
	if (field->kind == JSON_MAP)
		return sizeof(struct json_pair);
	return field->kind == JSON_STRINGS ? sizeof(char *) : field->type->size;
}

/* True when there is nothing worth writing: NULL, 0, false, empty. */
bool json_field_empty(const struct json_field *field, const void *data);

/* Can a map have it? Keys with escapes are refused, so no name may need one. */
bool json_field_is_key(const char *name);

#endif
