/* SPDX-License-Identifier: Apache-2.0 */
/* A layout in Bicep: the bodies, with symbolic names in the place of ids. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/template_private.h"

static const char *const words[AZURE_KINDS] = {
	[AZURE_CONNECTION] = "connection",
	[AZURE_PEERING] = "peering",
	[AZURE_ZONE_GROUP] = "zoneGroup",
	[AZURE_PRIVATE_ENDPOINT] = "endpoint",
	[AZURE_DEDICATED_HSM] = "hsm",
	[AZURE_CLOUD_HSM] = "cluster",
	[AZURE_GATEWAY] = "gateway",
	[AZURE_PUBLIC_IP] = "publicIp",
	[AZURE_ZONE_LINK] = "zoneLink",
	[AZURE_ZONE] = "zone",
	[AZURE_SUBNET] = "subnet",
	[AZURE_NETWORK] = "network",
	[AZURE_GROUP] = "group",
};

struct writer {
	const struct template *t;
	char **symbols;		/* one for each node */
	struct buf *out;
};

/* ---- symbolic names ---- */

static bool is_taken(const struct writer *w, const char *symbol, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(w->symbols[i], symbol))
			return true;
	return false;
}

static char *symbol_of(const struct writer *w, size_t i)
{
	const struct azure_node *node = &w->t->layout->nodes[i];
	char *symbol = mem_printf("%s_%s", words[node->kind], node->name);

	for (char *c = symbol; c && *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	for (unsigned n = 2; symbol && is_taken(w, symbol, i); n++) {
		owned(mem) char *plain = symbol;

		symbol = mem_printf("%s_%u", plain, n);
	}
	return symbol;
}

static int make_symbols(struct writer *w, struct err *err)
{
	w->symbols = mem_zalloc((w->t->layout->n_nodes + 1) * sizeof(*w->symbols));
	for (size_t i = 0; w->symbols && i < w->t->layout->n_nodes; i++) {
		w->symbols[i] = symbol_of(w, i);
		if (!w->symbols[i])
			return err_no_memory(err);
	}
	return w->symbols ? 0 : err_no_memory(err);
}

static void free_symbols(struct writer *w)
{
	for (size_t i = 0; w->symbols && i < w->t->layout->n_nodes; i++)
		free(w->symbols[i]);
	free(w->symbols);
}

/* ---- values ---- */

static void indent(const struct writer *w, unsigned depth)
{
	while (depth--)
		buf_printf(w->out, "  ");
}

static void put_string(const struct writer *w, const char *text)
{
	buf_printf(w->out, "'");
	for (const char *c = text; *c; c++) {
		if (*c == '\'' || *c == '\\' || (*c == '$' && c[1] == '{'))
			buf_printf(w->out, "\\%c", *c);
		else if (*c == '\n')
			buf_printf(w->out, "\\n");
		else if ((unsigned char)*c < ' ' || *c == 0x7f)
			buf_printf(w->out, "\\u{%x}", (unsigned)(unsigned char)*c);
		else
			buf_printf(w->out, "%c", *c);
	}
	buf_printf(w->out, "'");
}

static void put_key(const struct writer *w, const char *name)
{
	static const char *const taken[] = {"true", "false", "null", NULL};
	bool plain = (isalpha((unsigned char)*name) || *name == '_') && str_index(taken, name) < 0;

	for (const char *c = name; *c; c++)
		plain = plain && (isalnum((unsigned char)*c) || *c == '_');
	if (plain)
		buf_printf(w->out, "%s", name);
	else
		put_string(w, name);
	buf_printf(w->out, ": ");
}

/* A subnet inside its network has no symbol; naming the network makes what refers to it wait. */
static void put_reference(const struct writer *w, size_t i)
{
	const struct azure_node *node = &w->t->layout->nodes[i];
	const char *slash = strrchr(node->name, '/');

	if (w->t->roles[i] != TEMPLATE_INSIDE) {
		buf_printf(w->out, "%s.id", w->symbols[i]);
		return;
	}
	buf_printf(w->out, "resourceId('%s', %s.name, ", azure_kinds[node->kind].type,
		   w->symbols[template_home(w->t, i)]);
	put_string(w, slash ? slash + 1 : node->name);
	buf_printf(w->out, ")");
}

static void put_text(const struct writer *w, const char *text)
{
	int node = template_find(w->t, text);

	if (node >= 0)
		put_reference(w, (size_t)node);
	else if (str_eq(text, azure_key_marker))
		buf_printf(w->out, "sharedKey");
	else
		put_string(w, text);
}

static void put_value(const struct writer *w, const struct json_tree *value, unsigned depth);

static void put_parts(const struct writer *w, const struct json_tree *value, bool object, unsigned depth)
{
	size_t n = json_tree_count(value);

	buf_printf(w->out, object ? "{" : "[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(w->out, "\n");
		indent(w, depth + 1);
		if (object)
			put_key(w, json_tree_name(value, i));
		put_value(w, json_tree_at(value, i), depth + 1);
	}
	if (n) {
		buf_printf(w->out, "\n");
		indent(w, depth);
	}
	buf_printf(w->out, object ? "}" : "]");
}

static void put_value(const struct writer *w, const struct json_tree *value, unsigned depth)
{
	switch (json_tree_kind(value)) {
	case JSON_TREE_ABSENT:
		buf_printf(w->out, "null");
		break;
	case JSON_TREE_BOOL:
		buf_printf(w->out, "%s", json_tree_bool(value, "", false) ? "true" : "false");
		break;
	case JSON_TREE_INT:
		buf_printf(w->out, "%" PRId64, json_tree_int(value, "", 0));
		break;
	case JSON_TREE_NUMBER:
		/* It knows whole numbers only. */
		buf_printf(w->out, "json('%.17g')", json_tree_number(value, ""));
		break;
	case JSON_TREE_STRING:
		put_text(w, json_tree_text(value, ""));
		break;
	default:
		put_parts(w, value, json_tree_kind(value) == JSON_TREE_OBJECT, depth);
	}
}

/* ---- what a symbolic name implies ---- */

static bool mentions(const struct writer *w, const struct json_tree *value, size_t resource)
{
	int node = template_find(w->t, json_tree_text(value, ""));

	if (node >= 0)
		return template_home(w->t, (size_t)node) == resource;
	for (size_t i = 0; i < json_tree_count(value); i++)
		if (mentions(w, json_tree_at(value, i), resource))
			return true;
	return false;
}

static void put_needs(const struct writer *w, size_t i)
{
	size_t needs[TEMPLATE_NEEDS], n = template_needs(w->t, i, needs), told = 0;

	for (size_t j = 0; j < n; j++) {
		if (template_parent(w->t, i) == (int)needs[j] || mentions(w, w->t->layout->nodes[i].body, needs[j]))
			continue;
		buf_printf(w->out, "%s    %s\n", told++ ? "" : "  dependsOn: [\n", w->symbols[needs[j]]);
	}
	if (told)
		buf_printf(w->out, "  ]\n");
}

/* ---- parts of the file ---- */

static void put_name(const struct writer *w, size_t i)
{
	const char *name = w->t->layout->nodes[i].name, *slash = strrchr(name, '/');
	int parent = template_parent(w->t, i);

	if (parent >= 0)
		buf_printf(w->out, "  parent: %s\n", w->symbols[parent]);
	buf_printf(w->out, "  name: ");
	put_string(w, parent >= 0 && slash ? slash + 1 : name);
	buf_printf(w->out, "\n");
}

static void put_resource(const struct writer *w, size_t i)
{
	const struct azure_node *node = &w->t->layout->nodes[i];

	buf_printf(w->out, "\nresource %s '%s@%s' = {\n", w->symbols[i], azure_kinds[node->kind].type,
		   node->api_version);
	put_name(w, i);
	for (size_t j = 0; j < json_tree_count(node->body); j++) {
		if (str_eq(json_tree_name(node->body, j), "name"))
			continue;
		buf_printf(w->out, "  ");
		put_key(w, json_tree_name(node->body, j));
		put_value(w, json_tree_at(node->body, j), 1);
		buf_printf(w->out, "\n");
	}
	put_needs(w, i);
	buf_printf(w->out, "}\n");
}

static void put_metadata(const struct writer *w)
{
	const struct fleet *fleet = w->t->layout->fleet;
	const char *location = template_location(w->t);

	buf_printf(w->out, "metadata fleet = ");
	put_string(w, fleet->name);
	buf_printf(w->out, "\nmetadata resourceGroup = {\n  name: ");
	put_string(w, azure_group_name(fleet));
	if (location) {
		buf_printf(w->out, "\n  location: ");
		put_string(w, location);
	}
	buf_printf(w->out, "\n}\n");
}

static void put_outputs(const struct writer *w)
{
	buf_printf(w->out, "\noutput hsms object = {\n");
	for (size_t i = 0; i < w->t->layout->n_nodes; i++) {
		if (!w->t->layout->nodes[i].device || w->t->roles[i] != TEMPLATE_RESOURCE)
			continue;
		buf_printf(w->out, "  ");
		put_key(w, w->t->layout->nodes[i].device->name);
		buf_printf(w->out, "%s.id\n", w->symbols[i]);
	}
	buf_printf(w->out, "}\n");
}

static void put_file(const struct writer *w)
{
	put_metadata(w);
	if (w->t->has_key)
		buf_printf(w->out, "\n@secure()\n@description('pre-shared key of the connections between regions')\n"
				   "param sharedKey string\n");
	for (size_t i = 0; i < w->t->layout->n_nodes; i++)
		if (w->t->roles[i] == TEMPLATE_RESOURCE)
			put_resource(w, i);
	put_outputs(w);
}

int azure_template_bicep(const struct azure_layout *layout, struct buf *ret, struct err *err)
{
	owned(template) struct template t = {0};
	struct writer w = {.t = &t, .out = ret};
	int rc = template_init(layout, &t, err);

	if (rc == 0)
		rc = make_symbols(&w, err);
	if (rc == 0)
		put_file(&w);
	free_symbols(&w);
	return rc < 0 ? rc : buf_check(ret, err);
}
