/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what a document names as existing is there and fits. */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/address.h"
#include "provider/azure/preflight_private.h"

enum { GATEWAY_BITS = 27 };

/* Of the region's network, ours or not. */
static const char *network_of(const struct preflight_live *l, const struct fleet_azure_region *region)
{
	for (size_t i = 0; i < l->layout->n_nodes; i++)
		if (l->layout->nodes[i].kind == AZURE_NETWORK && l->layout->nodes[i].region == region)
			return l->layout->nodes[i].id;
	return "";
}

static void fit_network(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	const char *location = json_tree_text(live, "location");
	struct err found = {0};

	if (!location || azure_same_location(location, node->region->location))
		return;
	err_set(&found, ERR_INVALID, "%s is in %s, not in %s", node->label, location, node->region->location);
	err_hint(&found, "write \"location\": \"%s\", or name a network there", location);
	preflight_tell_of(&l->p, node, &found);
}

/* false when the answer does not say. */
static bool subnet_range(const struct json_tree *live, struct address_range *ret)
{
	const char *text = json_tree_text(live, "properties.addressPrefix");

	if (!text)
		text = json_tree_text(live, "properties.addressPrefixes.0");
	return text && address_range_read(text, ret, NULL) == 0;
}

static bool is_delegated(const struct json_tree *live)
{
	const struct json_tree *delegations = json_tree_get(live, "properties.delegations");

	for (size_t i = 0; i < json_tree_count(delegations); i++) {
		const char *service = json_tree_text(json_tree_at(delegations, i), "properties.serviceName");

		if (service && strcasecmp(service, azure_kinds[AZURE_DEDICATED_HSM].type) == 0)
			return true;
	}
	return false;
}

static void fit_address(struct preflight_live *l, const struct fleet_device *device, const struct address_range *range)
{
	struct err found = {0};
	uint32_t address;

	if (!device->azure.address || address_read(device->azure.address, &address, NULL) < 0 ||
	    address_usable(address, range))
		return;
	err_set(&found, ERR_INVALID, "the address %s is none that a device can have in its HSM subnet",
		device->azure.address);
	err_hint(&found, "choose one behind the first four and before the last of its range, or leave \"address\" out");
	preflight_tell(&l->p, "device", device->name, &found);
}

static void fit_addresses(struct preflight_live *l, const struct azure_node *subnet, const struct json_tree *live)
{
	struct address_range range;

	for (size_t i = 0; subnet_range(live, &range) && i < l->layout->n_nodes; i++) {
		const struct azure_node *node = &l->layout->nodes[i];

		if (node->kind == AZURE_DEDICATED_HSM && node->region == subnet->region)
			fit_address(l, node->device, &range);
	}
}

static void fit_hsm_subnet(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	static const char *const refused[][2] = {
		{"properties.networkSecurityGroup", "a network security group"},
		{"properties.routeTable", "a route table"},
	};
	const char *service = azure_kinds[AZURE_DEDICATED_HSM].type;
	struct err found = {0};

	if (!is_delegated(live)) {
		err_set(&found, ERR_INVALID, "%s is not delegated to %s", node->label, service);
		err_hint(&found, "az network vnet subnet update --delegations %s --ids …", service);
		preflight_tell_of(&l->p, node, &found);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (json_tree_kind(json_tree_get(live, refused[i][0])) == JSON_TREE_ABSENT)
			continue;
		err_set(&found, ERR_INVALID, "%s has %s, which dedicated HSMs do not work with", node->label,
			refused[i][1]);
		err_hint(&found, "take it off the subnet");
		preflight_tell_of(&l->p, node, &found);
	}
	fit_addresses(l, node, live);
}

static void fit_subnet(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	struct address_range range;
	struct err found = {0};

	if (str_eq(node->id, node->region->hsm_subnet))
		fit_hsm_subnet(l, node, live);
	if (!str_eq(node->id, node->region->gateway_subnet) || !subnet_range(live, &range) ||
	    range.bits <= GATEWAY_BITS)
		return;
	err_set(&found, ERR_INVALID, "%s is a /%u; gateways need a /%d or larger", node->label, range.bits,
		GATEWAY_BITS);
	err_hint(&found, "enlarge it, or name another network");
	preflight_tell_of(&l->p, node, &found);
}

static bool stands_in(const struct json_tree *live, const char *network)
{
	const char *subnet = json_tree_text(live, "properties.ipConfigurations.0.properties.subnet.id");
	size_t len = strlen(network);

	return !subnet || (strncasecmp(subnet, network, len) == 0 && subnet[len] == '/');
}

static void fit_gateway(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	bool vpn = str_eq(node->id, node->region->vpn_gateway);
	const char *want = vpn ? "Vpn" : "ExpressRoute", *type = json_tree_text(live, "properties.gatewayType");
	const char *state = json_tree_text(live, "properties.provisioningState");
	const char *sku = json_tree_text(live, "properties.sku.name");
	struct err found = {0};

	if (type && strcasecmp(type, want) != 0)
		err_set(&found, ERR_INVALID, "%s is of type %.60s, not %s", node->label, type, want);
	else if (vpn && sku && strcasecmp(sku, "Basic") == 0)
		err_set(&found, ERR_UNSUPPORTED, "%s is of SKU Basic, which cannot stand beside an ExpressRoute "
			"gateway", node->label);
	else if (!stands_in(live, network_of(l, node->region)))
		err_set(&found, ERR_INVALID, "%s stands in another network than the region's", node->label);
	else if (state && strcasecmp(state, "Succeeded") != 0)
		err_set(&found, ERR_FAILED, "%s is in state %.60s", node->label, state);
	else
		return;
	err_hint(&found, "name a gateway of type %s in the region's network that is ready, or leave \"%s\" out", want,
		 vpn ? "vpn_gateway" : "express_route_gateway");
	preflight_tell_of(&l->p, node, &found);
}

static bool leads_to(const struct json_tree *connections, const char *id)
{
	for (size_t i = 0; i < json_tree_count(connections); i++) {
		const char *to = json_tree_text(json_tree_at(connections, i), "properties.privateLinkServiceId");

		if (to && strcasecmp(to, id) == 0)
			return true;
	}
	return false;
}

static void fit_endpoint(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	int device = node->serves ? azure_layout_device(l->layout, node->serves->name) : -1;
	const char *id = device < 0 ? NULL : l->layout->nodes[device].id;
	struct err found = {0};

	if (!id || leads_to(json_tree_get(live, "properties.privateLinkServiceConnections"), id) ||
	    leads_to(json_tree_get(live, "properties.manualPrivateLinkServiceConnections"), id))
		return;
	err_set(&found, ERR_INVALID, "%s leads to another resource", node->label);
	err_hint(&found, "name the private endpoint of this cluster, or leave \"endpoint\" out");
	preflight_tell_of(&l->p, node, &found);
}

static void check_fit(struct preflight_live *l, const struct azure_node *node, const struct json_tree *live)
{
	switch (node->kind) {
	case AZURE_NETWORK:
		fit_network(l, node, live);
		break;
	case AZURE_SUBNET:
		fit_subnet(l, node, live);
		break;
	case AZURE_GATEWAY:
		fit_gateway(l, node, live);
		break;
	case AZURE_PRIVATE_ENDPOINT:
		fit_endpoint(l, node, live);
		break;
	default:
		break;
	}
}

static void tell_missing(struct preflight_live *l, const struct preflight_question *q)
{
	struct err found = {0};

	err_set(&found, ERR_NOT_FOUND, "%s does not exist: '%.300s'", q->about, q->id);
	err_hint(&found, "the document names it as one that is there already: correct its id, or make it");
	if (q->node)
		preflight_tell_of(&l->p, q->node, &found);
	else
		preflight_tell(&l->p, "device", q->device->name, &found);
}

void preflight_existing(struct preflight_live *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct preflight_question *q = &l->questions[i];

		if ((!q->node && !q->device) || q->failure.code != ERR_OK)
			continue;
		if (!q->answer)
			tell_missing(l, q);
		else if (q->node)
			check_fit(l, q->node, q->answer);
	}
}
