/* SPDX-License-Identifier: Apache-2.0 */
/* A layout as an ARM template: the bodies, with expressions in the place of ids. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/template_private.h"

enum { EXPRESSION_MAX = 1024 };

static const char schema[] = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
static const char key_description[] = "pre-shared key of the connections between regions";

/* The first failure stays; nothing is made after it. */
struct writer {
	const struct template *t;
	struct err *err;
	int rc;
};

/* ---- pieces ---- */

static struct json_tree *checked(struct writer *w, struct json_tree *tree)
{
	if (!tree && w->rc == 0)
		w->rc = err_no_memory(w->err);
	return tree;
}

static void put(struct writer *w, struct json_tree *object, const char *name, struct json_tree *value)
{
	if (w->rc == 0)
		w->rc = json_tree_set_member(object, name, value, w->err);
	else
		json_tree_free(value);
}

static void put_text(struct writer *w, struct json_tree *object, const char *name, const char *text)
{
	put(w, object, name, json_tree_string(text));
}

static void append(struct writer *w, struct json_tree *list, struct json_tree *value)
{
	if (w->rc == 0)
		w->rc = json_tree_append(list, value, w->err);
	else
		json_tree_free(value);
}

/* ---- expressions ---- */

/* 'name', with quotes in it doubled. */
static void put_quoted(struct buf *buf, const char *text, size_t len)
{
	buf_printf(buf, "'");
	for (size_t i = 0; i < len; i++)
		buf_printf(buf, text[i] == '\'' ? "''" : "%c", text[i]);
	buf_printf(buf, "'");
}

/* [resourceId('Microsoft.Network/virtualNetworks/subnets', 'network', 'hsms')] */
static struct json_tree *reference(struct writer *w, size_t i)
{
	const struct azure_node *node = &w->t->layout->nodes[i];
	owned(buf) struct buf text = {.max = EXPRESSION_MAX};

	buf_printf(&text, "[resourceId('%s'", azure_kinds[node->kind].type);
	for (const char *part = node->name; *part;) {
		size_t len = strcspn(part, "/");

		buf_printf(&text, ", ");
		put_quoted(&text, part, len);
		part += len + (part[len] == '/');
	}
	buf_printf(&text, ")]");
	if (w->rc == 0)
		w->rc = buf_check(&text, w->err);
	return w->rc < 0 ? NULL : checked(w, json_tree_string(buf_text(&text)));
}

/* What looks like an expression and is none gets a second bracket. */
static struct json_tree *literal(struct writer *w, const char *text)
{
	size_t len = strlen(text);
	owned(mem) char *escaped = *text == '[' && text[len - 1] == ']' ? mem_printf("[%s", text) : mem_strdup(text);

	return checked(w, escaped ? json_tree_string(escaped) : NULL);
}

static struct json_tree *translate_text(struct writer *w, const char *text)
{
	int node = template_find(w->t, text);

	if (node >= 0)
		return reference(w, (size_t)node);
	if (str_eq(text, azure_key_marker))
		return checked(w, json_tree_string("[parameters('sharedKey')]"));
	return literal(w, text);
}

/* Names that look like expressions are taken for such, too. */
static void put_escaped(struct writer *w, struct json_tree *object, const char *name, struct json_tree *part)
{
	owned(mem) char *escaped = *name == '[' ? mem_printf("[%s", name) : NULL;

	if (*name == '[' && !escaped && w->rc == 0)
		w->rc = err_no_memory(w->err);
	put(w, object, escaped ? escaped : name, part);
}

/* A copy of a body or a part of it, with expressions in the place of ids. */
static struct json_tree *translate(struct writer *w, const struct json_tree *value)
{
	enum json_tree_kind kind = json_tree_kind(value);
	owned(json_tree) struct json_tree *copy = NULL;

	if (kind == JSON_TREE_STRING)
		return translate_text(w, json_tree_text(value, ""));
	if (kind != JSON_TREE_OBJECT && kind != JSON_TREE_LIST)
		return checked(w, json_tree_copy(value));
	copy = checked(w, kind == JSON_TREE_OBJECT ? json_tree_object() : json_tree_list());
	for (size_t i = 0; w->rc == 0 && i < json_tree_count(value); i++) {
		struct json_tree *part = translate(w, json_tree_at(value, i));

		if (kind == JSON_TREE_OBJECT)
			put_escaped(w, copy, json_tree_name(value, i), part);
		else
			append(w, copy, part);
	}
	return own_take(copy);
}

/* ---- parts of the template ---- */

static void put_needs(struct writer *w, struct json_tree *resource, size_t i)
{
	size_t needs[TEMPLATE_NEEDS], n = template_needs(w->t, i, needs);
	struct json_tree *list = n ? checked(w, json_tree_list()) : NULL;

	for (size_t j = 0; w->rc == 0 && j < n; j++)
		append(w, list, reference(w, needs[j]));
	if (n)
		put(w, resource, "dependsOn", list);
}

static struct json_tree *resource_of(struct writer *w, size_t i)
{
	const struct azure_node *node = &w->t->layout->nodes[i];
	owned(json_tree) struct json_tree *resource = checked(w, json_tree_object());

	put_text(w, resource, "type", azure_kinds[node->kind].type);
	put_text(w, resource, "apiVersion", node->api_version);
	put_text(w, resource, "name", node->name);
	for (size_t j = 0; w->rc == 0 && j < json_tree_count(node->body); j++)
		if (!str_eq(json_tree_name(node->body, j), "name"))
			put(w, resource, json_tree_name(node->body, j), translate(w, json_tree_at(node->body, j)));
	put_needs(w, resource, i);
	return own_take(resource);
}

static struct json_tree *metadata_of(struct writer *w)
{
	const struct fleet *fleet = w->t->layout->fleet;
	struct json_tree *metadata = checked(w, json_tree_object()), *group = checked(w, json_tree_object());

	put_text(w, group, "name", azure_group_name(fleet));
	if (template_location(w->t))
		put_text(w, group, "location", template_location(w->t));
	put_text(w, metadata, "fleet", fleet->name);
	put(w, metadata, "resourceGroup", group);
	return metadata;
}

static struct json_tree *parameters_of(struct writer *w)
{
	struct json_tree *parameters = checked(w, json_tree_object()), *key, *about;

	if (!w->t->has_key)
		return parameters;
	key = checked(w, json_tree_object());
	about = checked(w, json_tree_object());
	put_text(w, about, "description", key_description);
	put_text(w, key, "type", "securestring");
	put(w, key, "metadata", about);
	put(w, parameters, "sharedKey", key);
	return parameters;
}

static struct json_tree *resources_of(struct writer *w)
{
	struct json_tree *list = checked(w, json_tree_list());

	for (size_t i = 0; w->rc == 0 && i < w->t->layout->n_nodes; i++)
		if (w->t->roles[i] == TEMPLATE_RESOURCE)
			append(w, list, resource_of(w, i));
	return list;
}

/* The id of each device's HSM, by the name of the device. */
static struct json_tree *outputs_of(struct writer *w)
{
	struct json_tree *outputs = checked(w, json_tree_object()), *hsms = checked(w, json_tree_object());
	struct json_tree *ids = checked(w, json_tree_object());

	for (size_t i = 0; w->rc == 0 && i < w->t->layout->n_nodes; i++)
		if (w->t->layout->nodes[i].device && w->t->roles[i] == TEMPLATE_RESOURCE)
			put(w, ids, w->t->layout->nodes[i].device->name, reference(w, i));
	put_text(w, hsms, "type", "object");
	put(w, hsms, "value", ids);
	put(w, outputs, "hsms", hsms);
	return outputs;
}

int azure_template_arm(const struct azure_layout *layout, struct buf *ret, struct err *err)
{
	owned(template) struct template t = {0};
	owned(json_tree) struct json_tree *root = json_tree_object();
	struct writer w = {.t = &t, .err = err, .rc = root ? 0 : err_no_memory(err)};

	if (w.rc == 0)
		w.rc = template_init(layout, &t, err);
	if (w.rc < 0)
		return w.rc;
	put_text(&w, root, "$schema", schema);
	put_text(&w, root, "contentVersion", "1.0.0.0");
	put(&w, root, "metadata", metadata_of(&w));
	put(&w, root, "parameters", parameters_of(&w));
	put(&w, root, "resources", resources_of(&w));
	put(&w, root, "outputs", outputs_of(&w));
	return w.rc < 0 ? w.rc : json_tree_write(root, true, ret, err);
}
