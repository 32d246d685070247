/* SPDX-License-Identifier: Apache-2.0 */
/* Building and changing trees. */
#include "base/err.h"
#include "json/tree_private.h"

struct json_tree *json_tree_object(void)
{
	return json_tree_wrap(json_object_new_object());
}

struct json_tree *json_tree_list(void)
{
	return json_tree_wrap(json_object_new_array());
}

struct json_tree *json_tree_string(const char *text)
{
	return json_tree_wrap(json_object_new_string(text));
}

int json_tree_set_member(struct json_tree *tree, const char *name, struct json_tree *value, struct err *err)
{
	owned(json_tree) struct json_tree *mine = value;

	if (!tree || !value)
		return err_no_memory(err);
	if (json_tree_kind(tree) != JSON_TREE_OBJECT)
		return err_set(err, ERR_INVALID, "no place for '%s': not an object", name);
	if (json_object_object_add(json_tree_unwrap(tree), name, json_tree_unwrap(value)) < 0)
		return err_no_memory(err);
	mine = NULL;
	return 0;
}

/* By name or position: a list does not grow, so that its room is there. */
static int put(struct json_tree *tree, const char *name, struct json_tree *value, struct err *err)
{
	size_t at;

	if (!value || !json_tree_position(tree, name, &at))
		return json_tree_set_member(tree, name, value, err);
	json_object_array_put_idx(json_tree_unwrap(tree), at, json_tree_unwrap(value));
	return 0;
}

/* The object or list of that name; an object is made where there is nothing. */
static int enter(struct json_tree *tree, const char *name, struct json_tree **ret, struct err *err)
{
	struct json_tree *found = json_tree_step(tree, name);
	int rc = 0;

	if (!found) {
		found = json_tree_object();
		rc = put(tree, name, found, err);
	}
	if (rc == 0)
		*ret = found;
	return rc;
}

int json_tree_set(struct json_tree *tree, const char *path, struct json_tree *value, struct err *err)
{
	owned(json_tree) struct json_tree *mine = value;
	const char *rest = path;
	char name[JSON_TREE_NAME];
	int rc = 0;

	if (!tree || !value)
		return err_no_memory(err);
	while (rc == 0) {
		rest = *rest ? json_tree_next_name(rest, name) : NULL;
		if (!rest)
			return err_set(err, ERR_INVALID, "'%s' is no path to put a value at", path);
		if (!*rest)
			return put(tree, name, own_take(mine), err);
		rc = enter(tree, name, &tree, err);
	}
	return rc;
}

int json_tree_set_text(struct json_tree *tree, const char *path, const char *text, struct err *err)
{
	return text ? json_tree_set(tree, path, json_tree_string(text), err) : 0;
}

int json_tree_set_int(struct json_tree *tree, const char *path, int64_t value, struct err *err)
{
	return json_tree_set(tree, path, json_tree_wrap(json_object_new_int64(value)), err);
}

int json_tree_set_bool(struct json_tree *tree, const char *path, bool value, struct err *err)
{
	return json_tree_set(tree, path, json_tree_wrap(json_object_new_boolean(value)), err);
}

int json_tree_append(struct json_tree *list, struct json_tree *value, struct err *err)
{
	owned(json_tree) struct json_tree *mine = value;

	if (!list || !value)
		return err_no_memory(err);
	if (json_tree_kind(list) != JSON_TREE_LIST)
		return err_set(err, ERR_INVALID, "only a list can be appended to");
	if (json_object_array_add(json_tree_unwrap(list), json_tree_unwrap(value)) < 0)
		return err_no_memory(err);
	mine = NULL;
	return 0;
}

void json_tree_remove(struct json_tree *tree, const char *path)
{
	char name[JSON_TREE_NAME];
	size_t at;

	do {
		path = *path ? json_tree_next_name(path, name) : NULL;
		if (!path)
			return;
		if (*path)
			tree = json_tree_step(tree, name);
	} while (*path);
	if (json_tree_position(tree, name, &at))
		json_object_array_del_idx(json_tree_unwrap(tree), at, 1);
	else if (json_tree_kind(tree) == JSON_TREE_OBJECT)
		json_object_object_del(json_tree_unwrap(tree), name);
}
