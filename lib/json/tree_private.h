/* SPDX-License-Identifier: Apache-2.0 */
/* tree_private - a tree is one of json-c's objects; steps of a path. Private to lib/json. */
#ifndef JSON_TREE_PRIVATE_H
#define JSON_TREE_PRIVATE_H

/* json-c has an enum of the name of our struct. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

#include "json/tree.h"

enum { JSON_TREE_NAME = 256 };	/* bytes of one name in a path, with its terminator */

static inline struct json_object *json_tree_unwrap(const struct json_tree *tree)
{
	return (struct json_object *)(uintptr_t)tree;
}

static inline struct json_tree *json_tree_wrap(struct json_object *object)
{
	return (struct json_tree *)object;
}

/* The first name of a path into ret; returns what is behind it, NULL for a name too long. */
const char *json_tree_next_name(const char *path, char ret[static JSON_TREE_NAME]);

/* The position that a name stands for in a list; false when there is none. */
bool json_tree_position(const struct json_tree *tree, const char *name, size_t *ret);

/* The member or element of that name, NULL when there is none. */
struct json_tree *json_tree_step(const struct json_tree *tree, const char *name);

#endif
