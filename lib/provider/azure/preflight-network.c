/* SPDX-License-Identifier: Apache-2.0 */
/* What the document alone tells to be wrong with its networks and addresses. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/address.h"
#include "provider/azure/preflight_private.h"

enum { CLIENT, HSM, GATEWAY, SUBNETS };
enum { RANGE_TEXT = ADDRESS_TEXT + 4 };

/* A subnet of a region's document: what it is called there, and how small it may be. */
static const struct {
	const char *field;
	unsigned longest;	/* prefix */
	unsigned usual;
} subnets[SUBNETS] = {
	[CLIENT] = {"client_subnet", 29, 24},
	[HSM] = {"hsm_subnet", 29, 24},
	[GATEWAY] = {"gateway_subnet", 27, 26},
};

/* The address plan of one region, as far as it can be read. */
struct place {
	struct preflight *p;
	const struct fleet_azure_region *region;
	struct address_range *space;
	size_t n_space;
	bool whole;		/* all of space could be read */
	struct address_range range[SUBNETS];
	bool known[SUBNETS];
	struct address_range offered[SUBNETS];	/* in a hint: not offered again */
	bool offers[SUBNETS];
};

static void tell(const struct place *place, const struct err *found)
{
	preflight_tell(place->p, "region", place->region->name, found);
}

static const char *value_of(const struct fleet_azure_region *region, int subnet)
{
	return subnet == CLIENT ? region->client_subnet : subnet == HSM ? region->hsm_subnet : region->gateway_subnet;
}

static void range_text(const struct address_range *range, char ret[static RANGE_TEXT])
{
	char first[ADDRESS_TEXT];

	address_text(range->first, first);
	snprintf(ret, RANGE_TEXT, "%s/%u", first, range->bits);
}

/* ---- ranges that are free ---- */

static bool is_free(const struct place *place, const struct address_range *range, int except)
{
	for (int i = 0; i < SUBNETS; i++)
		if (i != except && ((place->known[i] && address_overlap(range, &place->range[i])) ||
				    (place->offers[i] && address_overlap(range, &place->offered[i]))))
			return false;
	return true;
}

/* The first range of that length in the address space that no other subnet has. */
static bool find_free(const struct place *place, unsigned bits, int except, struct address_range *ret)
{
	uint64_t size = UINT64_C(1) << (32 - bits);

	for (size_t i = 0; i < place->n_space; i++) {
		const struct address_range *space = &place->space[i];

		for (uint64_t at = space->first; bits >= space->bits && at + size - 1 <= space->last; at += size) {
			*ret = (struct address_range){(uint32_t)at, (uint32_t)(at + size - 1), bits};
			if (is_free(place, ret, except))
				return true;
		}
	}
	return false;
}

static void hint_range(struct place *place, int subnet, struct err *found)
{
	unsigned longest = subnets[subnet].longest, bits = subnets[subnet].usual;
	struct address_range *offer = &place->offered[subnet];
	char text[RANGE_TEXT];

	if (place->known[subnet] && place->range[subnet].bits <= longest)
		bits = place->range[subnet].bits;
	place->offers[subnet] = find_free(place, bits, subnet, offer) || find_free(place, longest, subnet, offer);
	range_text(offer, text);
	if (place->offers[subnet])
		err_hint(found, "write \"%s\": \"%s\"", subnets[subnet].field, text);
	else
		err_hint(found, "write a range of /%u or larger into \"address_space\" and into \"%s\"", longest,
			 subnets[subnet].field);
}

/* ---- what the document says ---- */

static bool read_range(const struct place *place, const char *field, const char *text, struct address_range *ret)
{
	struct err found = {0};

	if (address_range_read(text, ret, &found) == 0)
		return true;
	err_wrap(&found, "'%s'", field);
	tell(place, &found);
	return false;
}

static void check_allowed(const struct place *place, const struct address_range *range)
{
	static const char *const kept[] = {"127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "224.0.0.0/4",
					   "255.255.255.255/32"};
	struct address_range other;
	char text[RANGE_TEXT];
	struct err found = {0};

	range_text(range, text);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (address_range_read(kept[i], &other, NULL) < 0 || !address_overlap(range, &other))
			continue;
		err_set(&found, ERR_INVALID, "'address_space': %s overlaps %s, which no network can have", text,
			kept[i]);
		err_hint(&found, "write a private range, as in \"address_space\": [\"10.2.0.0/16\"]");
		tell(place, &found);
		return;
	}
}

static void check_space_twice(const struct place *place, size_t i)
{
	char text[RANGE_TEXT], other[RANGE_TEXT];
	struct err found = {0};

	for (size_t j = 0; j < i; j++) {
		if (!address_overlap(&place->space[i], &place->space[j]))
			continue;
		range_text(&place->space[i], text);
		range_text(&place->space[j], other);
		err_set(&found, ERR_INVALID, "'address_space': %s and %s overlap", other, text);
		err_hint(&found, "leave the smaller one out");
		tell(place, &found);
		return;
	}
}

static void read_space(struct place *place)
{
	const struct fleet_azure_region *region = place->region;

	place->space = mem_zalloc((region->n_address_space + 1) * sizeof(*place->space));
	if (!place->space) {
		place->p->rc = err_no_memory(place->p->err);
		return;
	}
	place->whole = true;
	for (size_t i = 0; i < region->n_address_space; i++) {
		struct address_range range;

		if (!read_range(place, "address_space", region->address_space[i], &range)) {
			place->whole = false;
			continue;
		}
		place->space[place->n_space] = range;
		check_allowed(place, &range);
		check_space_twice(place, place->n_space++);
	}
}

/* ---- subnets ---- */

static void check_size(struct place *place, int subnet)
{
	char text[RANGE_TEXT];
	struct err found = {0};

	if (place->range[subnet].bits <= subnets[subnet].longest)
		return;
	range_text(&place->range[subnet], text);
	err_set(&found, ERR_INVALID, "'%s': %s is too small: %s has to be /%u or larger", subnets[subnet].field, text,
		subnet == GATEWAY ? azure_gateway_subnet : "a subnet", subnets[subnet].longest);
	hint_range(place, subnet, &found);
	tell(place, &found);
}

static void check_inside(struct place *place, int subnet)
{
	char text[RANGE_TEXT];
	struct err found = {0};

	for (size_t i = 0; i < place->n_space; i++)
		if (address_within(&place->range[subnet], &place->space[i]))
			return;
	if (!place->whole || !place->n_space)
		return;
	range_text(&place->range[subnet], text);
	err_set(&found, ERR_INVALID, "'%s': %s is not inside the address space of the network", subnets[subnet].field,
		text);
	hint_range(place, subnet, &found);
	tell(place, &found);
}

static void check_apart(struct place *place, int subnet)
{
	char text[RANGE_TEXT], other[RANGE_TEXT];
	struct err found = {0};

	for (int i = 0; i < subnet; i++) {
		if (!place->known[i] || !address_overlap(&place->range[subnet], &place->range[i]))
			continue;
		range_text(&place->range[subnet], text);
		range_text(&place->range[i], other);
		err_set(&found, ERR_INVALID, "'%s' %s and '%s' %s overlap", subnets[i].field, other,
			subnets[subnet].field, text);
		hint_range(place, subnet, &found);
		tell(place, &found);
		return;
	}
}

static void read_subnets(struct place *place)
{
	for (int i = 0; i < SUBNETS; i++) {
		const char *text = value_of(place->region, i);

		if (text && !preflight_is_id(text))
			place->known[i] = read_range(place, subnets[i].field, text, &place->range[i]);
	}
	for (int i = 0; i < SUBNETS; i++) {
		if (!place->known[i])
			continue;
		check_size(place, i);
		check_inside(place, i);
		check_apart(place, i);
	}
}

/* ---- what exists already ---- */

static void check_subnet_id(const struct place *place, int subnet)
{
	const char *id = value_of(place->region, subnet), *network = place->region->network;
	const char *last = preflight_is_id(id) ? strrchr(id, '/') : NULL;
	struct err found = {0};
	size_t len;

	if (!last || !preflight_check_id(place->p, "region", place->region->name, subnets[subnet].field, id,
					 azure_kinds[AZURE_SUBNET].type))
		return;
	len = strlen(id) - strlen(last) - strlen("/subnets");
	if (!preflight_is_id(network) || strlen(network) != len || strncasecmp(id, network, len) != 0) {
		err_set(&found, ERR_INVALID, "'%s' is a subnet of another network than the region's",
			subnets[subnet].field);
		err_hint(&found, "write \"network\": \"%.*s\"", (int)len, id);
		tell(place, &found);
	} else if (subnet == GATEWAY && strcasecmp(last + 1, azure_gateway_subnet) != 0) {
		err_set(&found, ERR_INVALID, "'gateway_subnet' is the subnet '%.80s'; gateways stand in %s only",
			last + 1, azure_gateway_subnet);
		err_hint(&found, "write \"gateway_subnet\": \"%.*s/%s\"", (int)(last - id), id, azure_gateway_subnet);
		tell(place, &found);
	}
}

static void hint_foreign(int subnet, struct err *found)
{
	err_hint(found, "make it there, and write its id, that of the network and /subnets/%s, as \"%s\"",
		 subnet == GATEWAY ? azure_gateway_subnet : "NAME", subnets[subnet].field);
}

/* A network that the document names by its id is looked at, never written. */
static void check_foreign(const struct place *place)
{
	const char *network = place->region->network;
	struct err found = {0};

	for (int i = 0; preflight_is_id(network) && i < SUBNETS; i++) {
		const char *text = value_of(place->region, i);

		if (!text || preflight_is_id(text))
			continue;
		err_set(&found, ERR_INVALID, "'%s': no subnet is made in a network that is named by its id",
			subnets[i].field);
		hint_foreign(i, &found);
		tell(place, &found);
	}
	if (preflight_is_id(network) && azure_connects(place->p->fleet) == FLEET_CONNECT_PEERING) {
		err_set(&found, ERR_INVALID, "no peering is written into a network that is named by its id");
		err_hint(&found, "peer the networks yourself, and write \"connection\": \"none\"");
		tell(place, &found);
	}
}

static void check_ids(const struct place *place)
{
	const struct fleet_azure_region *region = place->region;
	const char *gateway = azure_kinds[AZURE_GATEWAY].type;

	if (preflight_is_id(region->network))
		preflight_check_id(place->p, "region", region->name, "network", region->network,
				   azure_kinds[AZURE_NETWORK].type);
	for (int i = 0; i < SUBNETS; i++)
		check_subnet_id(place, i);
	check_foreign(place);
	if (preflight_is_id(region->express_route_gateway))
		preflight_check_id(place->p, "region", region->name, "express_route_gateway",
				   region->express_route_gateway, gateway);
	if (preflight_is_id(region->vpn_gateway))
		preflight_check_id(place->p, "region", region->name, "vpn_gateway", region->vpn_gateway, gateway);
}

/* ---- what a region must have ---- */

static void want_subnet(struct place *place, int subnet, const char *why)
{
	struct err found = {0};

	if (!why || value_of(place->region, subnet))
		return;
	err_set(&found, ERR_INVALID, "'%s' is missing: %s", subnets[subnet].field, why);
	if (preflight_is_id(place->region->network))
		hint_foreign(subnet, &found);
	else
		hint_range(place, subnet, &found);
	tell(place, &found);
}

static void check_wanted(struct place *place)
{
	const struct fleet_azure_region *region = place->region;
	const struct fleet *fleet = place->p->fleet;
	bool dedicated = azure_region_has(fleet, region->name, AZURE_DEDICATED_HSM);
	bool express_route = (dedicated || region->express_route_gateway) &&
			     !preflight_is_id(region->express_route_gateway);
	bool vpn = azure_connects(fleet) == FLEET_CONNECT_VPN && !preflight_is_id(region->vpn_gateway);
	struct err found = {0};

	if (!region->n_address_space && !preflight_is_id(region->network)) {
		err_set(&found, ERR_INVALID, "'address_space' is missing: its network needs one");
		err_hint(&found, "write \"address_space\": [\"10.2.0.0/16\"], or the id of a network that exists as "
				 "\"network\"");
		tell(place, &found);
	}
	want_subnet(place, HSM, dedicated ? "dedicated HSMs stand in a subnet of their own" : NULL);
	want_subnet(place, GATEWAY, express_route ? "the ExpressRoute gateway stands there"
				    : vpn	  ? "the VPN gateway stands there"
						  : NULL);
	want_subnet(place, CLIENT, preflight_makes_endpoints(fleet, region->name)
					   ? "the private endpoints of Cloud HSMs stand there" : NULL);
}

/* ---- gateways ---- */

static bool is_one_of(const char *sku, const char *const *skus)
{
	for (; *skus; skus++)
		if (strcasecmp(sku, *skus) == 0)
			return true;
	return false;
}

static const char *const express_route_skus[] = {
	"Standard", "HighPerformance", "UltraPerformance", "ErGw1AZ", "ErGw2AZ", "ErGw3AZ", "ErGwScale", NULL
};
static const char *const vpn_skus[] = {
	"Basic", "VpnGw1", "VpnGw2", "VpnGw3", "VpnGw4", "VpnGw5", "VpnGw1AZ", "VpnGw2AZ", "VpnGw3AZ", "VpnGw4AZ",
	"VpnGw5AZ", NULL
};

/* A SKU that neither list knows may be newer than they are. */
static void check_express_route(const struct place *place)
{
	const char *sku = place->region->express_route_gateway, *name = place->region->name;
	struct err found = {0};

	if (!sku || preflight_is_id(sku) || !preflight_check_sku(place->p, "region", name, "express_route_gateway", sku) ||
	     !is_one_of(sku, vpn_skus))
		return;
	err_set(&found, ERR_INVALID, "no ExpressRoute gateway has the SKU '%s'", sku);
	err_hint(&found, "write \"express_route_gateway\": \"Standard\", or ErGw1AZ in regions with availability "
			 "zones");
	tell(place, &found);
}

static void check_vpn(const struct place *place)
{
	const char *sku = place->region->vpn_gateway;
	struct err found = {0};

	if (!preflight_is_id(sku) &&
	    !preflight_check_sku(place->p, "region", place->region->name, "vpn_gateway", sku))
		return;
	if (sku && is_one_of(sku, express_route_skus))
		err_set(&found, ERR_INVALID, "no VPN gateway between regions has the SKU '%s'", sku);
	else if (sku && strcasecmp(sku, "Basic") == 0)
		err_set(&found, ERR_UNSUPPORTED, "a VPN gateway of SKU Basic cannot stand beside an ExpressRoute "
			"gateway, nor have a standard public address");
	else
		return;
	err_hint(&found, "write \"vpn_gateway\": \"VpnGw1AZ\"");
	tell(place, &found);
}

/* ---- addresses of devices ---- */

static bool stands_in(const struct place *place, const struct fleet_device *device)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(place->p->fleet, device->datacenter);

	return azure_is_dedicated(place->p->fleet, device) && str_eq(datacenter->region, place->region->name);
}

/* Which device of the region, before the end of the list, has the address; NULL. */
static const struct fleet_device *holder(const struct place *place, uint32_t address, const struct fleet_device *end)
{
	const struct fleet *fleet = place->p->fleet;
	uint32_t other;

	for (const struct fleet_device *device = fleet->devices; device < end; device++)
		if (device->azure.address && stands_in(place, device) &&
		    address_read(device->azure.address, &other, NULL) == 0 && other == address)
			return device;
	return NULL;
}

static void hint_address(const struct place *place, struct err *found)
{
	const struct address_range *range = &place->range[HSM];
	const struct fleet *fleet = place->p->fleet;
	char text[ADDRESS_TEXT];

	for (uint64_t at = range->first; place->known[HSM] && at <= range->last; at++)
		if (address_usable((uint32_t)at, range) &&
		    !holder(place, (uint32_t)at, fleet->devices + fleet->n_devices)) {
			address_text((uint32_t)at, text);
			err_hint(found, "write \"address\": \"%s\"", text);
			return;
		}
	err_hint(found, "leave \"address\" out: Azure chooses one");
}

static void check_address(const struct place *place, const struct fleet_device *device)
{
	const struct address_range *range = &place->range[HSM];
	const struct fleet_device *other;
	char subnet[RANGE_TEXT];
	struct err found = {0};
	uint32_t address;

	if (address_read(device->azure.address, &address, &found) < 0) {
		preflight_tell(place->p, "device", device->name, &found);
		return;
	}
	range_text(range, subnet);
	other = holder(place, address, device);
	if (other)
		err_set(&found, ERR_INVALID, "the address %s is that of device '%s' too", device->azure.address,
			other->name);
	else if (place->known[HSM] && (address < range->first || address > range->last))
		err_set(&found, ERR_INVALID, "the address %s is not in the HSM subnet %s", device->azure.address,
			subnet);
	else if (place->known[HSM] && !address_usable(address, range))
		err_set(&found, ERR_INVALID, "the address %s is one that Azure keeps: the first four and the last "
			"of %s", device->azure.address, subnet);
	else
		return;
	hint_address(place, &found);
	preflight_tell(place->p, "device", device->name, &found);
}

static void check_addresses(const struct place *place)
{
	const struct fleet *fleet = place->p->fleet;

	for (size_t i = 0; i < fleet->n_devices; i++)
		if (fleet->devices[i].azure.address && stands_in(place, &fleet->devices[i]))
			check_address(place, &fleet->devices[i]);
}

/* ---- between regions ---- */

static void check_overlap(const struct place *place, const struct place *other)
{
	char text[RANGE_TEXT], others[RANGE_TEXT];
	struct err found = {0};

	for (size_t i = 0; i < place->n_space; i++)
		for (size_t j = 0; j < other->n_space; j++) {
			if (!address_overlap(&place->space[i], &other->space[j]))
				continue;
			range_text(&place->space[i], text);
			range_text(&other->space[j], others);
			err_set(&found, ERR_INVALID, "'address_space': %s overlaps %s of region '%s', and they are "
				"connected", text, others, other->region->name);
			err_hint(&found, "give each region a range of its own, as in 10.2.0.0/16 and 10.3.0.0/16");
			tell(place, &found);
			return;
		}
}

/* HSM subnets are not reached through a peering between locations. */
static void check_peering(const struct place *places, size_t n)
{
	const struct fleet *fleet = places->p->fleet;
	struct err found = {0};

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			if (!azure_region_has(fleet, places[i].region->name, AZURE_DEDICATED_HSM) ||
			    azure_same_location(places[i].region->location, places[j].region->location))
				continue;
			err_set(&found, ERR_UNSUPPORTED, "dedicated HSMs of region '%s' cannot be reached through a "
				"peering with region '%s'", places[i].region->name, places[j].region->name);
			err_hint(&found, "write \"connection\": \"vpn\", or leave it out");
			preflight_tell(places->p, "azure", NULL, &found);
			return;
		}
}

static void check_between(const struct place *places, size_t n)
{
	unsigned how = azure_connects(places->p->fleet);

	for (size_t i = 0; how != FLEET_CONNECT_NONE && i < n; i++)
		for (size_t j = 0; j < i; j++)
			check_overlap(&places[i], &places[j]);
	if (how == FLEET_CONNECT_PEERING)
		check_peering(places, n);
}

static void check_region(struct place *place)
{
	preflight_check_location(place->p, "region", place->region->name, place->region->location);
	read_space(place);
	if (place->p->rc < 0)
		return;
	read_subnets(place);
	check_ids(place);
	check_wanted(place);
	check_express_route(place);
	check_vpn(place);
	check_addresses(place);
}

void preflight_network(struct preflight *p)
{
	const struct fleet_azure *azure = &p->fleet->azure;
	owned(mem) struct place *places = mem_zalloc((azure->n_regions + 1) * sizeof(*places));

	if (!places && p->rc == 0)
		p->rc = err_no_memory(p->err);
	for (size_t i = 0; p->rc == 0 && i < azure->n_regions; i++) {
		places[i].p = p;
		places[i].region = &azure->regions[i];
		check_region(&places[i]);
	}
	if (p->rc == 0 && azure->n_regions)
		check_between(places, azure->n_regions);
	for (size_t i = 0; places && i < azure->n_regions; i++)
		free(places[i].space);
}
