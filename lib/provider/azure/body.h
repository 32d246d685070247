/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - building the body of a request, piece by piece; the first failure stays and is
 * asked for at the end. Private to lib/provider/azure.
 */
#ifndef PROVIDER_AZURE_BODY_H
#define PROVIDER_AZURE_BODY_H

#include "json/tree.h"

struct err;
struct fleet;

struct body {
	struct json_tree *tree;
	struct err *err;
	int rc;
};

struct body body_begin(struct err *err);
void body_release(struct body *body);
OWN_DEFINE_RELEASE(body)

/* Paths as in json/tree.h. A text that is NULL puts nothing. */
void body_text(struct body *body, const char *path, const char *text);
void body_bool(struct body *body, const char *path, bool value);
/* A list of so many empty objects, to be entered by position. */
void body_list(struct body *body, const char *path, size_t objects);
void body_append_text(struct body *body, const char *path, const char *text);
/* Another body, which is used up. */
void body_put(struct body *body, const char *path, struct body *other);
/* The same as the member name of the object at path: names may hold dots. */
void body_member(struct body *body, const char *path, const char *name, struct body *other);
/* The fleet's tags, and whose resource group it is. */
void body_group_tags(struct body *body, const struct fleet *fleet);
/* The fleet's tags, whose fleet it is, and which tags those are. */
void body_tags(struct body *body, const struct fleet *fleet);

#endif
