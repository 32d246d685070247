/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes of a layout are resources of a template, and what each waits for. */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "provider/azure/template_private.h"

static bool is_in(const char *id, const char *outer)
{
	size_t len = strlen(outer);

	return strncasecmp(id, outer, len) == 0 && id[len] == '/';
}

static int refuse(const struct azure_node *node, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "%s would be made in another resource group than that of the template",
		node->label);
	return err_hint(err, "make it with 'hsmctl provision apply', or make it first and name its id in the document");
}

static int find_role(struct template *t, size_t i, const char *group, struct err *err)
{
	const struct azure_node *node = &t->layout->nodes[i];
	int network = node->kind == AZURE_SUBNET ? azure_layout_find(t->layout, node->network) : -1;

	if (node->kind == AZURE_GROUP || node->external)
		t->roles[i] = TEMPLATE_ABSENT;
	else if (network >= 0 && !t->layout->nodes[network].external)
		t->roles[i] = TEMPLATE_INSIDE;
	else if (is_in(node->id, group))
		t->roles[i] = TEMPLATE_RESOURCE;
	else
		return refuse(node, err);
	t->has_key = t->has_key || (t->roles[i] == TEMPLATE_RESOURCE && node->kind == AZURE_CONNECTION);
	return 0;
}

int template_init(const struct azure_layout *layout, struct template *ret, struct err *err)
{
	owned(mem) char *group = azure_group_id(layout->fleet);
	int rc = 0;

	ret->layout = layout;
	ret->roles = mem_zalloc((layout->n_nodes + 1) * sizeof(*ret->roles));
	if (!group || !ret->roles)
		return err_no_memory(err);
	for (size_t i = 0; rc == 0 && i < layout->n_nodes; i++)
		rc = find_role(ret, i, group, err);
	return rc;
}

void template_release(struct template *t)
{
	free(t->roles);
	*t = (struct template){0};
}

const char *template_location(const struct template *t)
{
	size_t i = 0;

	while (i < t->layout->n_nodes && t->layout->nodes[i].kind != AZURE_GROUP)
		i++;
	return i < t->layout->n_nodes ? json_tree_text(t->layout->nodes[i].body, "location") : NULL;
}

int template_find(const struct template *t, const char *text)
{
	int i = azure_layout_find(t->layout, text);

	return i < 0 || t->roles[i] == TEMPLATE_ABSENT ? -1 : i;
}

/* Behind a parent's id come a type and a name. */
int template_parent(const struct template *t, size_t i)
{
	const char *id = t->layout->nodes[i].id;

	for (size_t j = 0; j < t->layout->n_nodes; j++) {
		const char *other = t->layout->nodes[j].id;
		const char *name = is_in(id, other) ? strchr(id + strlen(other) + 1, '/') : NULL;

		if (name && !strchr(name + 1, '/') && t->roles[j] == TEMPLATE_RESOURCE)
			return (int)j;
	}
	return -1;
}

size_t template_home(const struct template *t, size_t i)
{
	return t->roles[i] == TEMPLATE_INSIDE ? (size_t)azure_layout_find(t->layout, t->layout->nodes[i].network) : i;
}

static void add_need(const struct template *t, size_t need, size_t ret[static TEMPLATE_NEEDS], size_t *n)
{
	size_t home = template_home(t, need);

	if (t->roles[home] != TEMPLATE_RESOURCE)
		return;
	for (size_t i = 0; i < *n; i++)
		if (ret[i] == home)
			return;
	ret[(*n)++] = home;
}

/* The service refuses a write in a network while another goes on. */
static bool is_serial(const struct template *t, size_t i)
{
	const struct azure_node *node = &t->layout->nodes[i];

	return t->roles[i] == TEMPLATE_RESOURCE && azure_kinds[node->kind].until_done && node->kind != AZURE_NETWORK;
}

size_t template_needs(const struct template *t, size_t i, size_t ret[static TEMPLATE_NEEDS])
{
	const struct azure_node *node = &t->layout->nodes[i];
	size_t n = 0;

	for (size_t j = 0; j < node->n_needs; j++)
		add_need(t, node->needs[j], ret, &n);
	for (size_t j = i; is_serial(t, i) && j-- > 0;)
		if (is_serial(t, j) && str_eq(t->layout->nodes[j].network, node->network)) {
			add_need(t, j, ret, &n);
			break;
		}
	return n;
}
