/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - a JSON value of any shape: what foreign services send and want.
 *
 * Documents of our own have a table (type.h) and are read strictly. A tree is
 * for documents that others define and extend: members nobody here knows are
 * kept and never an error. A tree owns all below it; what the readers return
 * lives as long as the tree. NULL is allowed wherever a tree is read and counts
 * as absent, and JSON null counts as absent too, so that chains need no checks.
 *
 * A path names a value below a tree: member names with dots between them, list
 * positions as numbers: "properties.networkInterfaces.0.privateIpAddress". The
 * path "" is the tree itself. Members whose names hold dots are reached with
 * json_tree_member().
 */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct json_tree;

enum json_tree_kind {
	JSON_TREE_ABSENT,	/* NULL, or JSON null */
	JSON_TREE_BOOL,
	JSON_TREE_INT,
	JSON_TREE_NUMBER,	/* any other number, also a whole one beyond int64_t */
	JSON_TREE_STRING,
	JSON_TREE_LIST,
	JSON_TREE_OBJECT,
};

/* UTF-8, with or without a byte order mark; nesting up to 64; no zero characters; of
 * members of one name the last counts. ERR_INVALID "SOURCE: …" for what is no JSON;
 * the text itself is never repeated, since it may hold secrets. An empty or blank
 * text is the empty tree: 0 with *ret NULL. */
int json_tree_parse(const char *text, size_t len, const char *source, struct json_tree **ret,
		    struct err *err);
void json_tree_free(struct json_tree *tree);
OWN_DEFINE(json_tree)

/* A deep copy; NULL without memory (and of NULL). */
struct json_tree *json_tree_copy(const struct json_tree *tree);

/* Append it as text; members in the order they were put in. pretty: two spaces
 * of indentation and a last newline. NULL is written as null. ERR_INVALID for a
 * number that is not finite; ret is then as it was. */
int json_tree_write(const struct json_tree *tree, bool pretty, struct buf *ret, struct err *err);

/* ---- reading ---- */

enum json_tree_kind json_tree_kind(const struct json_tree *tree);
const struct json_tree *json_tree_get(const struct json_tree *tree, const char *path);
const struct json_tree *json_tree_member(const struct json_tree *tree, const char *name);

/* NULL unless there is a string. */
const char *json_tree_text(const struct json_tree *tree, const char *path);
/* Numbers also from strings of digits; fallback for anything else. */
int64_t json_tree_int(const struct json_tree *tree, const char *path, int64_t fallback);
bool json_tree_bool(const struct json_tree *tree, const char *path, bool fallback);
/* The number at path; NAN when there is none. */
double json_tree_number(const struct json_tree *tree, const char *path);

/* Elements of a list or members of an object; 0 for anything else. */
size_t json_tree_count(const struct json_tree *tree);
/* Element i of a list, value of member i of an object; NULL behind the end. */
const struct json_tree *json_tree_at(const struct json_tree *tree, size_t i);
/* Name of member i of an object, NULL behind the end. */
const char *json_tree_name(const struct json_tree *tree, size_t i);

/* Same kind and value; objects whatever the order of their members. A member that is
 * null is not the same as none. */
bool json_tree_equal(const struct json_tree *a, const struct json_tree *b);

/* ---- building ----
 *
 * 0; ERR_NO_MEMORY, also for a tree or value that is NULL, since it was not made;
 * ERR_INVALID where nothing can be put: through a value without members, behind the
 * end of a list, at the path "". On failure objects made on the way may stay. */

struct json_tree *json_tree_object(void);	/* NULL without memory, as the next two */
struct json_tree *json_tree_list(void);
struct json_tree *json_tree_string(const char *text);

/* Put a value at path, making the objects on the way and replacing what was
 * there. A list on the way is entered by position, never grown. set_text with
 * text NULL does nothing. */
int json_tree_set_text(struct json_tree *tree, const char *path, const char *text, struct err *err);
int json_tree_set_int(struct json_tree *tree, const char *path, int64_t value, struct err *err);
int json_tree_set_bool(struct json_tree *tree, const char *path, bool value, struct err *err);
/* Takes value over, also on failure. */
int json_tree_set(struct json_tree *tree, const char *path, struct json_tree *value, struct err *err);
/* A member by its plain name; takes value over likewise. */
int json_tree_set_member(struct json_tree *tree, const char *name, struct json_tree *value,
			 struct err *err);
/* At the end of a list; takes value over likewise. */
int json_tree_append(struct json_tree *list, struct json_tree *value, struct err *err);
/* Take a member or an element away; nothing happens when there is none. */
void json_tree_remove(struct json_tree *tree, const char *path);

#endif
