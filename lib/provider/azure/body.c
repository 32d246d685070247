/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests. */
#include "provider/azure/body.h"

#include "base/err.h"
#include "fleet/fleet.h"
#include "provider/azure/layout.h"

struct body body_begin(struct err *err)
{
	struct body body = {.tree = json_tree_object(), .err = err};

	if (!body.tree)
		body.rc = err_no_memory(err);
	return body;
}

void body_release(struct body *body)
{
	json_tree_free(body->tree);
	body->tree = NULL;
}

void body_text(struct body *body, const char *path, const char *text)
{
	if (body->rc == 0 && text)
		body->rc = json_tree_set_text(body->tree, path, text, body->err);
}

void body_bool(struct body *body, const char *path, bool value)
{
	if (body->rc == 0)
		body->rc = json_tree_set_bool(body->tree, path, value, body->err);
}

void body_list(struct body *body, const char *path, size_t objects)
{
	struct json_tree *list = json_tree_list();

	for (size_t i = 0; body->rc == 0 && list && i < objects; i++)
		body->rc = json_tree_append(list, json_tree_object(), body->err);
	if (body->rc == 0)
		body->rc = json_tree_set(body->tree, path, list, body->err);
	else
		json_tree_free(list);
}

/* The tree is ours, so what hangs in it may be changed. */
static struct json_tree *inside(struct body *body, const char *path)
{
	return (struct json_tree *)(uintptr_t)json_tree_get(body->tree, path);
}

void body_append_text(struct body *body, const char *path, const char *text)
{
	if (body->rc == 0)
		body->rc = json_tree_append(inside(body, path), json_tree_string(text), body->err);
}

void body_put(struct body *body, const char *path, struct body *other)
{
	if (body->rc == 0)
		body->rc = other->rc;
	if (body->rc == 0)
		body->rc = json_tree_set(body->tree, path, own_take(other->tree), body->err);
}

void body_member(struct body *body, const char *path, const char *name, struct body *other)
{
	if (body->rc == 0)
		body->rc = other->rc;
	if (body->rc == 0 && !json_tree_get(body->tree, path))
		body->rc = json_tree_set(body->tree, path, json_tree_object(), body->err);
	if (body->rc == 0)
		body->rc = json_tree_set_member(inside(body, path), name, own_take(other->tree), body->err);
}

static void put_tag(struct body *tags, const char *name, const char *value)
{
	if (tags->rc == 0)
		tags->rc = json_tree_set_member(tags->tree, name, json_tree_string(value), tags->err);
}

static struct body fleet_tags(const struct fleet *fleet, struct err *err)
{
	struct body tags = body_begin(err);

	for (size_t i = 0; i < fleet->azure.n_tags; i++)
		put_tag(&tags, fleet->azure.tags[i].name, fleet->azure.tags[i].value);
	return tags;
}

void body_group_tags(struct body *body, const struct fleet *fleet)
{
	owned(body) struct body tags = fleet_tags(fleet, body->err);

	put_tag(&tags, azure_group_tag, fleet->name);
	body_put(body, "tags", &tags);
}

void body_tags(struct body *body, const struct fleet *fleet)
{
	owned(body) struct body tags = fleet_tags(fleet, body->err);
	owned(buf) struct buf names = {.max = 1 << 20};

	for (size_t i = 0; i < fleet->azure.n_tags; i++)
		buf_printf(&names, "%s%s", i ? "," : "", fleet->azure.tags[i].name);
	put_tag(&tags, azure_fleet_tag, fleet->name);
	if (tags.rc == 0)
		tags.rc = buf_check(&names, tags.err);
	if (names.len)
		put_tag(&tags, azure_names_tag, buf_text(&names));
	body_put(body, "tags", &tags);
}
