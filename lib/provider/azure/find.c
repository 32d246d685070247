/* SPDX-License-Identifier: Apache-2.0 */
/* Searches Azure for what belongs to a fleet. */
#include "provider/azure/find.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/compare.h"

static void release_found(struct azure_found *found)
{
	free(found->id);
	free(found->name);
	free(found->network);
}

void azure_finds_release(struct azure_finds *finds)
{
	for (size_t i = 0; i < finds->n; i++)
		release_found(&finds->items[i]);
	free(finds->items);
	*finds = (struct azure_finds){0};
}

static bool known(const struct azure_finds *finds, const char *id)
{
	for (size_t i = 0; i < finds->n; i++)
		if (strcasecmp(finds->items[i].id, id) == 0)
			return true;
	return false;
}

int azure_finds_add(struct azure_finds *finds, const struct fleet *fleet, enum azure_kind_name kind, const char *id,
		    const char *network, struct err *err)
{
	struct azure_found *found;
	const char *slash = strrchr(id, '/');

	if (known(finds, id))
		return 0;
	found = json_append(&finds->items, &finds->n, sizeof(*found));
	if (!found)
		return err_no_memory(err);
	found->kind = kind;
	found->api_version = azure_api(fleet, kind);
	found->id = mem_strdup(id);
	found->name = mem_strdup(slash ? slash + 1 : id);
	found->network = network ? mem_strdup(network) : NULL;
	return found->id && found->name && !found->network == !network ? 0 : err_no_memory(err);
}

static bool is_in_group(const char *group, const char *id)
{
	size_t len = strlen(group);

	return id && strncasecmp(id, group, len) == 0 && id[len] == '/' && !strpbrk(id, "?#%") && !strstr(id, "/..");
}

/* Ends of peerings that hsmctl made, by their name and since they lead to a network of its own group. */
static int add_peerings(const struct fleet *fleet, const char *network, const struct json_tree *live,
			const struct azure_layout *keep, struct azure_finds *ret, struct err *err)
{
	const struct json_tree *peerings = json_tree_get(live, "properties.virtualNetworkPeerings");
	owned(mem) char *group = azure_group_id(fleet);
	int rc = group ? 0 : err_no_memory(err);

	for (size_t i = 0; rc == 0 && i < json_tree_count(peerings); i++) {
		const struct json_tree *peering = json_tree_at(peerings, i);
		const char *name = json_tree_text(peering, "name");
		owned(mem) char *id = mem_printf("%s/virtualNetworkPeerings/%s", network, name ? name : "");

		if (!id)
			return err_no_memory(err);
		if (name && str_starts(name, "to-") && azure_layout_find(keep, id) < 0 &&
		    is_in_group(group, json_tree_text(peering, "properties.remoteVirtualNetwork.id")))
			rc = azure_finds_add(ret, fleet, AZURE_PEERING, id, network, err);
	}
	return rc;
}

/* Subnets that the store's document describes; others in our network are somebody's. */
static int add_subnets(const struct fleet *fleet, const char *network, const struct json_tree *live,
		       const struct azure_layout *before, const struct azure_layout *keep, struct azure_finds *ret,
		       struct err *err)
{
	const struct json_tree *subnets = json_tree_get(live, "properties.subnets");
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_tree_count(subnets); i++) {
		const char *name = json_tree_text(json_tree_at(subnets, i), "name");
		owned(mem) char *id = mem_printf("%s/subnets/%s", network, name ? name : "");

		if (!id)
			return err_no_memory(err);
		if (name && azure_layout_find(before, id) >= 0 && azure_layout_find(keep, id) < 0)
			rc = azure_finds_add(ret, fleet, AZURE_SUBNET, id, network, err);
	}
	return rc;
}

struct search {
	struct azure_session *session;
	const struct fleet *fleet;
	const char *group;			/* its id: what a list names outside of it is not ours */
	struct azure_layout before;		/* of the store's document */
	const struct azure_layout *keep;	/* may be empty */
	struct azure_finds *finds;
};

static void search_release(struct search *search)
{
	azure_layout_release(&search->before);
}
OWN_DEFINE_RELEASE(search)

/* In a network of ours that stays. */
static int add_parts(struct search *s, const char *network, struct err *err)
{
	owned(json_tree) struct json_tree *live = NULL;
	int rc = arm_get(s->session->arm, network, azure_api(s->fleet, AZURE_NETWORK), &live, err);

	if (rc > 0)
		rc = add_peerings(s->fleet, network, live, s->keep, s->finds, err);
	return rc < 0 || !live ? rc : add_subnets(s->fleet, network, live, &s->before, s->keep, s->finds, err);
}

static int sort_out(struct search *s, const struct json_tree *resource, struct err *err)
{
	const char *id = json_tree_text(resource, "id");
	int kind = azure_kind_of(json_tree_text(resource, "type"));

	if (!is_in_group(s->group, id) || kind < 0 || azure_kinds[kind].child_of || !azure_is_ours(resource, s->fleet->name))
		return 0;
	if (azure_layout_find(s->keep, id) >= 0)
		return kind == AZURE_NETWORK ? add_parts(s, id, err) : 0;
	return azure_finds_add(s->finds, s->fleet, (enum azure_kind_name)kind, id, kind == AZURE_NETWORK ? id : NULL, err);
}

/* The kind that an id names, -1: "/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME". */
static int kind_of_id(const char *id)
{
	for (int i = 0; i < AZURE_KINDS; i++) {
		const char *at = strcasestr(id, azure_kinds[i].type);

		if (at && at[strlen(azure_kinds[i].type)] == '/' && !strchr(at + strlen(azure_kinds[i].type) + 1, '/'))
			return i;
	}
	return -1;
}

/* Devices that the store knows, whatever tags they carry: imported ones have none. */
static int add_devices(struct search *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->fleet->n_devices; i++) {
		const char *id = s->fleet->devices[i].azure.id;
		int kind = id ? kind_of_id(id) : -1;

		if (kind < 0 || azure_layout_find(s->keep, id) >= 0)
			continue;
		rc = azure_finds_add(s->finds, s->fleet, (enum azure_kind_name)kind, id, NULL, err);
		if (rc == 0)
			s->finds->items[s->finds->n - 1].recorded = true;
	}
	return rc;
}

/* One without a mark lost it, or somebody made it: unmaking says so, and the store keeps the fleet. Of an HSM
 * that we made the store would know the id. */
static bool may_be_ours(const struct search *s, const struct azure_node *node, const struct json_tree *live)
{
	return azure_is_ours(live, s->fleet->name) || (!azure_owner(live) && !node->device);
}

/* A resource group's list may be behind, and leave out what is just being deleted and holds on to others. */
static int add_unlisted(struct search *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->before.n_nodes; i++) {
		const struct azure_node *node = &s->before.nodes[i];
		owned(json_tree) struct json_tree *live = NULL;

		if (node->external || !azure_kinds[node->kind].tagged || known(s->finds, node->id) ||
		    azure_layout_find(s->keep, node->id) >= 0)
			continue;
		rc = arm_get(s->session->arm, node->id, node->api_version, &live, err);
		if (rc > 0)
			rc = may_be_ours(s, node, live)
				     ? azure_finds_add(s->finds, s->fleet, node->kind, node->id,
						       node->kind == AZURE_NETWORK ? node->id : NULL, err)
				     : 0;
	}
	return rc;
}

static int by_kind(const void *a, const void *b)
{
	const struct azure_found *one = a, *other = b;

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return strcasecmp(one->id, other->id);
}

static int search_all(struct search *s, struct err *err)
{
	owned(mem) char *group = azure_group_id(s->fleet), *list = group ? mem_printf("%s/resources", group) : NULL;
	owned(json_tree) struct json_tree *all = NULL;
	int rc = list ? arm_list(s->session->arm, list, azure_api(s->fleet, AZURE_GROUP), &all, err) : err_no_memory(err);

	s->group = group;
	if (rc < 0)
		return err_wrap(err, "cannot list resource group '%s'", azure_group_name(s->fleet));
	rc = add_devices(s, err);
	for (size_t i = 0; rc == 0 && i < json_tree_count(all); i++)
		rc = sort_out(s, json_tree_at(all, i), err);
	return rc < 0 ? rc : add_unlisted(s, err);
}

int azure_find_doomed(struct azure_session *session, const struct fleet *fleet, const struct azure_layout *keep,
		      struct azure_finds *ret, struct err *err)
{
	static const struct azure_layout nothing;
	owned(search) struct search search = {
		.session = session, .fleet = fleet, .keep = keep ? keep : &nothing, .finds = ret,
	};
	int rc = azure_layout_make(fleet, &search.before, err);

	if (rc == 0)
		rc = search_all(&search, err);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_kind);
	return rc;
}

int azure_find_device(const struct azure_layout *layout, const struct fleet_device *device, struct azure_finds *ret,
		      struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < layout->n_nodes; i++) {
		const struct azure_node *node = &layout->nodes[i];
		const struct fleet_device *of = node->device ? node->device : node->serves;

		const char *recorded = node->device ? device->azure.id : NULL;

		if (!of || !str_eq(of->name, device->name) || node->external || azure_kinds[node->kind].child_of)
			continue;
		rc = azure_finds_add(ret, layout->fleet, node->kind, recorded ? recorded : node->id, NULL, err);
		if (rc == 0)
			ret->items[ret->n - 1].recorded = recorded != NULL;
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_kind);
	return rc;
}
