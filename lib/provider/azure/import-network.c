/* SPDX-License-Identifier: Apache-2.0 */
/* From the networks that HSMs stand on to regions of the document. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "provider/azure/import_private.h"

static bool same_id(const char *a, const char *b)
{
	return a && b && strcasecmp(a, b) == 0;
}

/* ---- gateways ---- */

static bool knows_group(const struct import *m, const char *group)
{
	for (size_t i = 0; i < m->n_gateway_groups; i++)
		if (strcasecmp(m->gateway_groups[i], group) == 0)
			return true;
	return false;
}

static int keep_gateways(struct import *m, const struct json_tree *found, struct err *err)
{
	int rc = m->gateways || (m->gateways = json_tree_list()) ? 0 : err_no_memory(err);

	for (size_t i = 0; rc == 0 && i < json_tree_count(found); i++)
		rc = json_tree_append(m->gateways, json_tree_copy(json_tree_at(found, i)), err);
	return rc;
}

/* Gateways are listed by resource group; each group is asked once. */
static int read_gateways(struct import *m, const char *subscription, const char *group, struct err *err)
{
	owned(mem) char *list = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/%s", subscription, group,
					   azure_kinds[AZURE_GATEWAY].type);
	owned(json_tree) struct json_tree *found = NULL;
	struct err refused = {0};
	char **slot;
	int rc;

	if (!list)
		return err_no_memory(err);
	if (knows_group(m, group))
		return 0;
	slot = json_append(&m->gateway_groups, &m->n_gateway_groups, sizeof(*slot));
	if (!slot || !(*slot = mem_strdup(group)))
		return err_no_memory(err);
	rc = arm_list(m->session.arm, list, azure_api(m->fleet, AZURE_GATEWAY), &found, &refused);
	if (rc == -ERR_DENIED)
		return 0;
	if (rc < 0) {
		*err = refused;
		return err_wrap(err, "cannot list the gateways in resource group '%s'", group);
	}
	return keep_gateways(m, found, err);
}

/* They stand beside the HSMs, or beside the network. */
static int read_gateways_of(struct import *m, const char *network, struct err *err)
{
	owned(mem) char *subscription = import_part(network, "subscriptions");
	owned(mem) char *group = import_part(network, "resourceGroups");
	int rc = read_gateways(m, m->subscription, m->group, err);

	return rc < 0 || !subscription || !group ? rc : read_gateways(m, subscription, group, err);
}

static bool stands_in(const struct json_tree *gateway, const char *network)
{
	const struct json_tree *all = json_tree_get(gateway, "properties.ipConfigurations");

	for (size_t i = 0; i < json_tree_count(all); i++) {
		const char *subnet = json_tree_text(json_tree_at(all, i), "properties.subnet.id");
		owned(mem) char *parent = import_parent(subnet);

		if (same_id(parent, network))
			return true;
	}
	return false;
}

/* type: "ExpressRoute", "Vpn". */
static const struct json_tree *find_gateway(const struct import *m, const char *network, const char *type)
{
	for (size_t i = 0; i < json_tree_count(m->gateways); i++) {
		const struct json_tree *gateway = json_tree_at(m->gateways, i);
		const char *is = json_tree_text(gateway, "properties.gatewayType");

		if (is && arm_state_is(is, type) && stands_in(gateway, network))
			return gateway;
	}
	return NULL;
}

/* ---- what the document called a region ---- */

/* The word between "FLEET-" and end in the name of something we made: "" when it has no such name. */
static void middle(const struct import *m, const char *name, const char *end, char ret[static 64])
{
	size_t before = strlen(m->name), len = strlen(name), after = strlen(end);

	*ret = 0;
	if (len <= before + 1 + after || strncmp(name, m->name, before) != 0 || name[before] != '-' ||
	    strcmp(name + len - after, end) != 0 || len - before - 1 - after > 63)
		return;
	snprintf(ret, 64, "%.*s", (int)(len - before - 1 - after), name + before + 1);
	if (!str_is_name(ret))
		*ret = 0;
}

static void name_by_gateway(const struct import *m, const char *network, const char *type, const char *end,
			    char ret[static 64])
{
	const struct json_tree *gateway = find_gateway(m, network, type);

	if (!*ret && gateway && import_is_ours(m, gateway))
		middle(m, import_name_of(gateway), end, ret);
}

/* The link between the zone of Cloud HSMs and the network says it too. */
static int name_by_link(struct import *m, const char *network, char ret[static 64], struct err *err)
{
	owned(mem) char *list = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/%s/%s/virtualNetworkLinks",
					   m->subscription, m->group, azure_kinds[AZURE_ZONE].type, azure_hsm_zone);
	owned(json_tree) struct json_tree *links = NULL;
	int rc = list ? arm_list(m->session.arm, list, azure_api(m->fleet, AZURE_ZONE_LINK), &links, err)
		      : err_no_memory(err);

	for (size_t i = 0; !*ret && i < json_tree_count(links); i++) {
		const struct json_tree *link = json_tree_at(links, i);

		if (same_id(json_tree_text(link, "properties.virtualNetwork.id"), network) && import_is_ours(m, link))
			middle(m, import_name_of(link), "", ret);
	}
	return rc < 0 ? rc : 0;
}

static bool region_taken(const struct fleet *fleet, const char *name)
{
	return fleet_azure_region(fleet, name) != NULL;
}

/* Names of resources that hsmctl made hold the region's: only with the same one they stay as they are. */
static int name_region(struct import *m, struct import_place *place, const char *location, struct err *err)
{
	char found[64] = "";
	int rc = 0;

	if (place->network) {
		name_by_gateway(m, place->network, "ExpressRoute", "-er", found);
		name_by_gateway(m, place->network, "Vpn", "-vpn", found);
		if (!*found)
			rc = name_by_link(m, place->network, found, err);
	}
	if (rc == 0 && !*found && place->ours)
		middle(m, import_name_of(place->live), "", found);
	if (rc < 0)
		return rc;
	place->region = import_make_name(m->fleet, *found ? found : location, region_taken);
	return place->region ? 0 : err_no_memory(err);
}

/* ---- one region ---- */

static const struct json_tree *find_subnet(const struct import_place *place, const char *name)
{
	const struct json_tree *subnets = json_tree_get(place->live, "properties.subnets");

	for (size_t i = 0; i < json_tree_count(subnets); i++)
		if (strcasecmp(import_name_of(json_tree_at(subnets, i)), name) == 0)
			return json_tree_at(subnets, i);
	return NULL;
}

static const char *range_of(const struct json_tree *subnet)
{
	const char *range = json_tree_text(subnet, "properties.addressPrefix");

	return range ? range : json_tree_text(subnet, "properties.addressPrefixes.0");
}

/* Its range when hsmctl made it, else the id of the one in use. */
static int set_subnet(const struct import_place *place, const char *our_name, const char *used, char **ret,
		      struct err *err)
{
	const struct json_tree *subnet = place->ours ? find_subnet(place, our_name) : NULL;

	if (subnet && range_of(subnet) && (!used || same_id(json_tree_text(subnet, "id"), used)))
		return fleet_set(ret, range_of(subnet), err);
	return fleet_set(ret, used, err);
}

static int set_network(const struct import *m, const struct import_place *place, struct fleet_azure_region *ret,
		       struct err *err)
{
	const struct json_tree *ranges = json_tree_get(place->live, "properties.addressSpace.addressPrefixes");
	owned(mem) char *usual = mem_printf("%s-%s", m->name, place->region);
	int rc = usual ? 0 : err_no_memory(err);

	if (rc == 0 && !place->ours)
		rc = fleet_set(&ret->network, place->network, err);
	else if (rc == 0 && strcasecmp(usual, import_name_of(place->live)) != 0)
		rc = fleet_set(&ret->network, import_name_of(place->live), err);
	for (size_t i = 0; rc == 0 && i < json_tree_count(ranges); i++) {
		const char *text = json_tree_text(json_tree_at(ranges, i), "");
		char **range;

		/* HSMs have addresses of IPv4 only, and so has the document. */
		if (!text || strchr(text, ':'))
			continue;
		range = json_append(&ret->address_space, &ret->n_address_space, sizeof(*range));
		rc = range ? fleet_set(range, text, err) : err_no_memory(err);
	}
	return rc;
}

static int set_subnets(const struct import_place *place, struct fleet_azure_region *ret, struct err *err)
{
	const char *gateways = json_tree_text(find_subnet(place, azure_gateway_subnet), "id");
	int rc = set_subnet(place, "hsms", place->hsm_subnet, &ret->hsm_subnet, err);

	if (rc == 0)
		rc = set_subnet(place, azure_gateway_subnet, gateways, &ret->gateway_subnet, err);
	return rc < 0 ? rc : set_subnet(place, "clients", place->client_subnet, &ret->client_subnet, err);
}

/* Its SKU when hsmctl made it, else its id. end: how we name it. *ret_ours says which (may be NULL). */
static int set_gateway(const struct import *m, const struct import_place *place, const struct json_tree *gateway,
		       const char *end, char **ret, bool *ret_ours, struct err *err)
{
	owned(mem) char *name = mem_printf("%s-%s-%s", m->name, place->region, end);
	bool ours = gateway && name && import_is_ours(m, gateway) && strcasecmp(import_name_of(gateway), name) == 0;

	if (!name)
		return err_no_memory(err);
	if (ret_ours)
		*ret_ours = ours;
	return fleet_set(ret, json_tree_text(gateway, ours ? "properties.sku.name" : "id"), err);
}

static int set_gateways(const struct import *m, const struct import_place *place, struct fleet_azure_region *ret,
			struct err *err)
{
	const struct json_tree *express_route = find_gateway(m, place->network, "ExpressRoute");
	bool ours = false;
	int rc = set_gateway(m, place, express_route, "er", &ret->express_route_gateway, &ours, err);

	ret->express_route_public_ip =
		ours && json_tree_text(express_route, "properties.ipConfigurations.0.properties.publicIPAddress.id");
	if (rc < 0)
		return rc;
	return set_gateway(m, place, find_gateway(m, place->network, "Vpn"), "vpn", &ret->vpn_gateway, NULL, err);
}

static int write_region(struct import *m, const struct import_place *place, const char *location, struct err *err)
{
	struct fleet_azure *azure = &m->fleet->azure;
	struct fleet_azure_region *region = json_append(&azure->regions, &azure->n_regions, sizeof(*region));
	int rc = region ? fleet_set(&region->name, place->region, err) : err_no_memory(err);

	if (rc == 0)
		rc = fleet_set(&region->location, location, err);
	if (rc < 0 || !place->network)
		return rc;
	rc = set_network(m, place, region, err);
	if (rc == 0)
		rc = set_subnets(place, region, err);
	return rc < 0 ? rc : set_gateways(m, place, region, err);
}

/* ---- which region an HSM is in ---- */

static const char *subnet_of(const struct import_hsm *hsm)
{
	const char *id;

	if (hsm->kind == AZURE_CLOUD_HSM)
		return json_tree_text(hsm->endpoint, "properties.subnet.id");
	id = json_tree_text(hsm->live, "properties.networkProfile.subnet.id");
	return id ? id : json_tree_text(hsm->live, "properties.networkProfile.subnet.resourceId");
}

/* A region has one subnet of each kind, and hsmctl puts into it what it makes. */
static bool fits(const struct import_place *place, const struct import_hsm *hsm, const char *subnet)
{
	if (hsm->kind == AZURE_DEDICATED_HSM)
		return !place->hsm_subnet || same_id(place->hsm_subnet, subnet);
	return !hsm->our_endpoint || !place->client_subnet || same_id(place->client_subnet, subnet);
}

static struct import_place *find_place(const struct import *m, const struct import_hsm *hsm, const char *network,
				       const char *location)
{
	for (size_t i = 0; i < m->n_places; i++) {
		struct import_place *place = &m->places[i];
		const struct fleet_azure_region *region = fleet_azure_region(m->fleet, place->region);

		if (!region || !str_eq(region->location, location))
			continue;
		if (!network || (same_id(place->network, network) && fits(place, hsm, subnet_of(hsm))))
			return place;
	}
	return NULL;
}

static bool has_place(const struct import *m, const char *network)
{
	for (size_t i = 0; i < m->n_places; i++)
		if (same_id(m->places[i].network, network))
			return true;
	return false;
}

static int read_network(struct import *m, struct import_place *place, bool again, struct err *err)
{
	int rc = import_read(m, place->network, AZURE_NETWORK, &place->live, err);

	if (rc < 0)
		return rc;
	/* Two regions cannot make one network. */
	place->ours = !again && place->live && import_is_ours(m, place->live);
	return read_gateways_of(m, place->network, err);
}

static int add_place(struct import *m, const char *network, const char *location, struct import_place **ret,
		     struct err *err)
{
	bool again = has_place(m, network);
	struct import_place *place = json_append(&m->places, &m->n_places, sizeof(*place));
	int rc = place ? fleet_set(&place->network, network, err) : err_no_memory(err);

	if (rc == 0 && network)
		rc = read_network(m, place, again, err);
	if (rc == 0)
		rc = name_region(m, place, location, err);
	if (rc == 0)
		*ret = place;
	return rc;
}

static int note_subnet(struct import_place *place, const struct import_hsm *hsm, struct err *err)
{
	char **field = hsm->kind == AZURE_DEDICATED_HSM ? &place->hsm_subnet : &place->client_subnet;

	return *field ? 0 : fleet_set(field, subnet_of(hsm), err);
}

/* The region's subnets, now that one more is known. */
static int refresh_subnets(struct import *m, const struct import_place *place, struct err *err)
{
	return place->network ? set_subnets(place, fleet_azure_region(m->fleet, place->region), err) : 0;
}

int import_region(struct import *m, const struct import_hsm *hsm, const char **ret, struct err *err)
{
	owned(mem) char *location = import_location(json_tree_text(hsm->live, "location"));
	owned(mem) char *network = import_parent(subnet_of(hsm));
	struct import_place *place = location ? find_place(m, hsm, network, location) : NULL;
	bool is_new = !place;
	int rc = location ? 0 : err_no_memory(err);

	if (rc == 0 && is_new)
		rc = add_place(m, network, location, &place, err);
	if (rc == 0 && network)
		rc = note_subnet(place, hsm, err);
	if (rc == 0)
		rc = is_new ? write_region(m, place, location, err) : refresh_subnets(m, place, err);
	if (rc == 0)
		*ret = place->region;
	return rc;
}

/* ---- what connects regions ---- */

static int has_connections(struct import *m, bool *ret, struct err *err)
{
	owned(mem) char *list = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/%s", m->subscription,
					   m->group, azure_kinds[AZURE_CONNECTION].type);
	owned(json_tree) struct json_tree *all = NULL;
	int rc = list ? arm_list(m->session.arm, list, azure_api(m->fleet, AZURE_CONNECTION), &all, err)
		      : err_no_memory(err);

	for (size_t i = 0; i < json_tree_count(all); i++)
		*ret = *ret || (import_is_ours(m, json_tree_at(all, i)) &&
				strstr(import_name_of(json_tree_at(all, i)), "-to-"));
	return rc < 0 ? rc : 0;
}

/* Does hsmctl's peering from one of our networks lead to another region? */
static bool has_peerings(const struct import *m)
{
	for (size_t i = 0; i < m->n_places; i++) {
		const struct json_tree *all = json_tree_get(m->places[i].live, "properties.virtualNetworkPeerings");

		for (size_t j = 0; m->places[i].ours && j < json_tree_count(all); j++) {
			const char *name = import_name_of(json_tree_at(all, j));

			if (str_starts(name, "to-") && fleet_azure_region(m->fleet, name + strlen("to-")))
				return true;
		}
	}
	return false;
}

static bool all_ours(const struct import *m)
{
	for (size_t i = 0; i < m->n_places; i++)
		if (!m->places[i].ours)
			return false;
	return true;
}

int import_connection(struct import *m, struct err *err)
{
	struct fleet_azure *azure = &m->fleet->azure;
	bool vpn = false;
	unsigned found;
	int rc = has_connections(m, &vpn, err);

	if (rc < 0)
		return rc;
	found = vpn ? FLEET_CONNECT_VPN : has_peerings(m) ? FLEET_CONNECT_PEERING : FLEET_CONNECT_NONE;
	/* Said only where it is not what hsmctl would do by itself. */
	azure->connection = FLEET_CONNECT_AUTO;
	if (azure_connects(m->fleet) != found || !all_ours(m))
		azure->connection = found;
	return 0;
}
