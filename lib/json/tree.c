/* SPDX-License-Identifier: Apache-2.0 */
/* Reading trees. */
#include "json/tree.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "json/tree_private.h"

void json_tree_free(struct json_tree *tree)
{
	json_object_put(json_tree_unwrap(tree));
}

struct json_tree *json_tree_copy(const struct json_tree *tree)
{
	struct json_object *copy = NULL;

	if (!tree || json_object_deep_copy(json_tree_unwrap(tree), &copy, NULL) < 0)
		return NULL;
	return json_tree_wrap(copy);
}

bool json_tree_equal(const struct json_tree *a, const struct json_tree *b)
{
	return json_object_equal(json_tree_unwrap(a), json_tree_unwrap(b));
}

enum json_tree_kind json_tree_kind(const struct json_tree *tree)
{
	switch (json_object_get_type(json_tree_unwrap(tree))) {
	case json_type_boolean:
		return JSON_TREE_BOOL;
	case json_type_int:
		/* The upper half of the unsigned numbers is no int64_t. */
		return json_object_get_uint64(json_tree_unwrap(tree)) > INT64_MAX ? JSON_TREE_NUMBER : JSON_TREE_INT;
	case json_type_double:
		return JSON_TREE_NUMBER;
	case json_type_string:
		return JSON_TREE_STRING;
	case json_type_array:
		return JSON_TREE_LIST;
	case json_type_object:
		return JSON_TREE_OBJECT;
	default:
		return JSON_TREE_ABSENT;
	}
}

static struct json_tree *member(const struct json_tree *tree, const char *name)
{
	struct json_object *value = NULL;

	if (json_tree_kind(tree) == JSON_TREE_OBJECT)
		json_object_object_get_ex(json_tree_unwrap(tree), name, &value);
	return json_tree_wrap(value);
}

bool json_tree_position(const struct json_tree *tree, const char *name, size_t *ret)
{
	int64_t at;

	if (json_tree_kind(tree) != JSON_TREE_LIST || !str_int(name, 0, INT_MAX, &at) ||
	    (size_t)at >= json_tree_count(tree))
		return false;
	*ret = (size_t)at;
	return true;
}

struct json_tree *json_tree_step(const struct json_tree *tree, const char *name)
{
	size_t at;

	if (json_tree_position(tree, name, &at))
		return json_tree_wrap(json_object_array_get_idx(json_tree_unwrap(tree), at));
	return member(tree, name);
}

const char *json_tree_next_name(const char *path, char ret[static JSON_TREE_NAME])
{
	size_t len = strcspn(path, ".");

	if (len >= JSON_TREE_NAME)
		return NULL;
	memcpy(ret, path, len);
	ret[len] = 0;
	return path + len + (path[len] == '.');
}

const struct json_tree *json_tree_get(const struct json_tree *tree, const char *path)
{
	char name[JSON_TREE_NAME];

	while (tree && *path) {
		path = json_tree_next_name(path, name);
		if (!path)
			return NULL;
		tree = json_tree_step(tree, name);
	}
	return tree;
}

const struct json_tree *json_tree_member(const struct json_tree *tree, const char *name)
{
	return member(tree, name);
}

const char *json_tree_text(const struct json_tree *tree, const char *path)
{
	const struct json_tree *value = json_tree_get(tree, path);

	return json_tree_kind(value) == JSON_TREE_STRING ? json_object_get_string(json_tree_unwrap(value)) : NULL;
}

int64_t json_tree_int(const struct json_tree *tree, const char *path, int64_t fallback)
{
	const struct json_tree *value = json_tree_get(tree, path);
	int64_t number = fallback;

	if (json_tree_kind(value) == JSON_TREE_INT)
		return json_object_get_int64(json_tree_unwrap(value));
	str_int(json_tree_text(value, ""), INT64_MIN, INT64_MAX, &number);
	return number;
}

bool json_tree_bool(const struct json_tree *tree, const char *path, bool fallback)
{
	const struct json_tree *value = json_tree_get(tree, path);

	return json_tree_kind(value) == JSON_TREE_BOOL ? json_object_get_boolean(json_tree_unwrap(value)) : fallback;
}

double json_tree_number(const struct json_tree *tree, const char *path)
{
	const struct json_tree *value = json_tree_get(tree, path);
	enum json_tree_kind kind = json_tree_kind(value);

	if (kind != JSON_TREE_INT && kind != JSON_TREE_NUMBER)
		return NAN;
	return json_object_get_double(json_tree_unwrap(value));
}

size_t json_tree_count(const struct json_tree *tree)
{
	switch (json_tree_kind(tree)) {
	case JSON_TREE_LIST:
		return json_object_array_length(json_tree_unwrap(tree));
	case JSON_TREE_OBJECT:
		return (size_t)json_object_object_length(json_tree_unwrap(tree));
	default:
		return 0;
	}
}

static const struct lh_entry *entry(const struct json_tree *tree, size_t i)
{
	const struct lh_entry *at = NULL;

	if (json_tree_kind(tree) == JSON_TREE_OBJECT)
		at = lh_table_head(json_object_get_object(json_tree_unwrap(tree)));
	for (; at && i; i--)
		at = lh_entry_next(at);
	return at;
}

const struct json_tree *json_tree_at(const struct json_tree *tree, size_t i)
{
	const struct lh_entry *at = entry(tree, i);

	if (json_tree_kind(tree) == JSON_TREE_LIST)
		return json_tree_wrap(json_object_array_get_idx(json_tree_unwrap(tree), i));
	return at ? lh_entry_v(at) : NULL;
}

const char *json_tree_name(const struct json_tree *tree, size_t i)
{
	const struct lh_entry *at = entry(tree, i);

	return at ? lh_entry_k(at) : NULL;
}
