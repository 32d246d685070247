/* SPDX-License-Identifier: Apache-2.0 */
/* From a fleet document to the resources it means. */
#include "provider/azure/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/body.h"

const char azure_key_marker[] = "@@hsmctl:shared-key@@";
const char azure_fleet_tag[] = "hsmctl-fleet";
const char azure_names_tag[] = "hsmctl-tags";
const char azure_group_tag[] = "hsmctl-group";
const char azure_gateway_subnet[] = "GatewaySubnet";
const char azure_hsm_zone[] = "privatelink.cloudhsm.azure.net";

enum { NONE = -1 };

/* What one region has got so far: positions of nodes, NONE for what it does not have. */
struct place {
	const struct fleet_azure_region *region;
	int network, hsm_subnet, client_subnet, gateway_subnet;
	int express_route, vpn, zone_link;
};

struct maker {
	struct azure_layout *layout;
	const struct fleet *fleet;
	char *group;		/* id of the resource group */
	struct place *places;	/* one for each region */
	int group_node, zone;
	struct err *err;
	int rc;			/* the first failure: nothing is made after it */
};

/* ---- questions about the document ---- */

const char *azure_group_name(const struct fleet *fleet)
{
	return fleet->azure.resource_group ? fleet->azure.resource_group : fleet->name;
}

char *azure_group_id(const struct fleet *fleet)
{
	const char *subscription = fleet->azure.subscription ? fleet->azure.subscription : "SUBSCRIPTION";

	return mem_printf("/subscriptions/%s/resourceGroups/%s", subscription, azure_group_name(fleet));
}

static bool has_provider(const struct fleet *fleet, const struct fleet_device *device, const char *provider)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(fleet, device->datacenter);

	return datacenter && str_eq(datacenter->provider, provider);
}

bool azure_is_dedicated(const struct fleet *fleet, const struct fleet_device *device)
{
	return has_provider(fleet, device, "azure-dedicated-hsm");
}

bool azure_is_cloud(const struct fleet *fleet, const struct fleet_device *device)
{
	return has_provider(fleet, device, "azure-cloud-hsm");
}

bool azure_region_has(const struct fleet *fleet, const char *region, enum azure_kind_name kind)
{
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *device = &fleet->devices[i];
		const struct fleet_datacenter *datacenter = fleet_datacenter(fleet, device->datacenter);

		if (datacenter && (!region || str_eq(datacenter->region, region)) &&
		    (kind == AZURE_DEDICATED_HSM ? azure_is_dedicated(fleet, device) : azure_is_cloud(fleet, device)))
			return true;
	}
	return false;
}

unsigned azure_connects(const struct fleet *fleet)
{
	unsigned wish = fleet->azure.connection;

	if (fleet->azure.n_regions < 2)
		return FLEET_CONNECT_NONE;
	if (wish != FLEET_CONNECT_AUTO)
		return wish;
	/* Dedicated HSMs cannot be reached through a global peering. */
	return azure_region_has(fleet, NULL, AZURE_DEDICATED_HSM) ? FLEET_CONNECT_VPN : FLEET_CONNECT_PEERING;
}

bool azure_same_location(const char *a, const char *b)
{
	while (a && b) {
		while (*a == ' ')
			a++;
		while (*b == ' ')
			b++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
	return a == b;
}

/* ---- nodes ---- */

static const struct azure_node *node_at(const struct maker *m, int i)
{
	return &m->layout->nodes[i];
}

static const char *id_of(const struct maker *m, int i)
{
	return i == NONE ? NULL : node_at(m, i)->id;
}

static void need(struct azure_node *node, int other)
{
	/* As many as there are kinds of needs: the group, a network, a gateway, an address. */
	if (other != NONE && node->n_needs < AZURE_NODE_NEEDS)
		node->needs[node->n_needs++] = (size_t)other;
}

/* The id of a resource of this fleet: the names of a type with two parts stand between its words. */
static char *make_id(const struct maker *m, enum azure_kind_name kind, const char *name)
{
	const char *type = azure_kinds[kind].type, *child = strchr(strchr(type, '/') + 1, '/');
	const char *slash = strchr(name, '/');

	if (!child || !slash)
		return mem_printf("%s/providers/%s/%s", m->group, type, name);
	return mem_printf("%s/providers/%.*s/%.*s%s%s", m->group, (int)(child - type), type, (int)(slash - name), name,
			  child, slash);
}

static bool named_whole(enum azure_kind_name kind)
{
	return kind == AZURE_SUBNET || kind == AZURE_PEERING || kind == AZURE_ZONE_GROUP;
}

/* A new node behind the others; its position, NONE after a failure. id NULL: made from the name. */
static int add(struct maker *m, enum azure_kind_name kind, const char *id, const char *name, struct body *body)
{
	struct azure_node *node = m->rc < 0 ? NULL
					    : json_append(&m->layout->nodes, &m->layout->n_nodes, sizeof(*node));
	const char *last = strrchr(name, '/');

	if (m->rc == 0 && !node)
		m->rc = err_no_memory(m->err);
	if (m->rc == 0 && body && body->rc < 0)
		m->rc = body->rc;
	if (m->rc < 0)
		return NONE;
	node->kind = kind;
	node->api_version = azure_api(m->fleet, kind);
	node->name = mem_strdup(name);
	node->id = id ? mem_strdup(id) : make_id(m, kind, name);
	/* Several networks have subnets of one name. */
	node->label = mem_printf("%s %s", azure_kinds[kind].noun, last && !named_whole(kind) ? last + 1 : name);
	node->body = body ? own_take(body->tree) : NULL;
	if (!node->name || !node->id || !node->label)
		m->rc = err_no_memory(m->err);
	need(node, kind == AZURE_GROUP ? NONE : m->group_node);
	return (int)(node - m->layout->nodes);
}

/* With a name, and an id where own is one, that may have found no memory. */
static int add_named(struct maker *m, enum azure_kind_name kind, const char *own, const char *name, struct body *body)
{
	if (!name && m->rc == 0)
		m->rc = err_no_memory(m->err);
	return m->rc < 0 ? NONE : add(m, kind, own, name, body);
}

static void set_network(struct maker *m, int node, int network)
{
	struct azure_node *n = node == NONE ? NULL : &m->layout->nodes[node];

	if (!n || m->rc < 0)
		return;
	n->network = mem_strdup(id_of(m, network));
	if (!n->network)
		m->rc = err_no_memory(m->err);
}

static struct body begin(struct maker *m, const char *location, bool tagged)
{
	struct body body = body_begin(m->err);

	body_text(&body, "location", location);
	if (tagged)
		body_tags(&body, m->fleet);
	return body;
}

/* ---- the network of a region ---- */

static int add_group(struct maker *m)
{
	const struct fleet_azure *azure = &m->fleet->azure;
	const char *location = azure->location ? azure->location
					       : azure->n_regions ? azure->regions[0].location : NULL;
	owned(body) struct body body = body_begin(m->err);

	body_text(&body, "location", location);
	body_group_tags(&body, m->fleet);
	return add(m, AZURE_GROUP, m->group, azure_group_name(m->fleet), &body);
}

static void subnet_body(struct body *body, const char *name, const char *range, bool delegated)
{
	body_text(body, "name", name);
	body_text(body, "properties.addressPrefix", range);
	if (!delegated)
		return;
	body_list(body, "properties.delegations", 1);
	body_text(body, "properties.delegations.0.name", "hsmctl");
	body_text(body, "properties.delegations.0.properties.serviceName",
		  azure_kinds[AZURE_DEDICATED_HSM].type);
}

/* What belongs to somebody else: looked at, never written. */
static int adopt(struct maker *m, enum azure_kind_name kind, const char *id)
{
	const char *slash = strrchr(id, '/');
	int node = add(m, kind, id, slash ? slash + 1 : id, NULL);

	if (node != NONE)
		m->layout->nodes[node].external = true;
	return node;
}

static bool is_id(const char *text)
{
	return text && *text == '/';
}

struct subnet {
	const char *name, *range;
	bool delegated;
	int *node;
};

static size_t subnets_of(struct place *place, struct subnet ret[static 3])
{
	const struct fleet_azure_region *region = place->region;
	const struct subnet all[] = {
		{"clients", region->client_subnet, false, &place->client_subnet},
		{"hsms", region->hsm_subnet, true, &place->hsm_subnet},
		{azure_gateway_subnet, region->gateway_subnet, false, &place->gateway_subnet},
	};
	size_t n = 0;

	for (size_t i = 0; i < 3; i++)
		if (all[i].range && !is_id(all[i].range))
			ret[n++] = all[i];
	return n;
}

static void adopt_subnets(struct maker *m, struct place *place)
{
	const struct fleet_azure_region *region = place->region;

	if (is_id(region->client_subnet))
		place->client_subnet = adopt(m, AZURE_SUBNET, region->client_subnet);
	if (is_id(region->hsm_subnet))
		place->hsm_subnet = adopt(m, AZURE_SUBNET, region->hsm_subnet);
	if (is_id(region->gateway_subnet))
		place->gateway_subnet = adopt(m, AZURE_SUBNET, region->gateway_subnet);
}

/* All subnets at once: one write, and nothing to wait for between them. */
static void add_network(struct maker *m, struct place *place, const char *name)
{
	const struct fleet_azure_region *region = place->region;
	owned(body) struct body body = begin(m, region->location, true);
	struct subnet subnets[3];
	size_t n = subnets_of(place, subnets);

	body_list(&body, "properties.addressSpace.addressPrefixes", 0);
	for (size_t i = 0; i < region->n_address_space; i++)
		body_append_text(&body, "properties.addressSpace.addressPrefixes", region->address_space[i]);
	body_list(&body, "properties.subnets", n);
	for (size_t i = 0; i < n; i++) {
		owned(body) struct body subnet = body_begin(m->err);
		char path[40];

		snprintf(path, sizeof(path), "properties.subnets.%zu", i);
		subnet_body(&subnet, subnets[i].name, subnets[i].range, subnets[i].delegated);
		body_put(&body, path, &subnet);
	}
	place->network = add(m, AZURE_NETWORK, NULL, name, &body);
}

static void add_subnets(struct maker *m, struct place *place)
{
	struct subnet subnets[3];
	size_t n = subnets_of(place, subnets);

	for (size_t i = 0; m->rc == 0 && i < n; i++) {
		owned(body) struct body body = body_begin(m->err);
		owned(mem) char *id =
			mem_printf("%s/subnets/%s", id_of(m, place->network), subnets[i].name);
		owned(mem) char *name =
			mem_printf("%s/%s", node_at(m, place->network)->name, subnets[i].name);

		if (!id || !name) {
			m->rc = err_no_memory(m->err);
			return;
		}
		subnet_body(&body, subnets[i].name, subnets[i].range, subnets[i].delegated);
		*subnets[i].node = add(m, AZURE_SUBNET, id, name, &body);
		set_network(m, *subnets[i].node, place->network);
		if (m->rc == 0)
			need(&m->layout->nodes[*subnets[i].node], place->network);
	}
}

/* ---- gateways ---- */

static int add_public_ip(struct maker *m, const struct place *place, const char *what)
{
	owned(body) struct body body = begin(m, place->region->location, true);
	owned(mem) char *name =
		mem_printf("%s-%s-%s-ip", m->fleet->name, place->region->name, what);

	/* Basic and dynamic ones are retired. */
	body_text(&body, "sku.name", "Standard");
	body_text(&body, "properties.publicIPAllocationMethod", "Static");
	return add_named(m, AZURE_PUBLIC_IP, NULL, name, &body);
}

static int add_gateway(struct maker *m, struct place *place, const char *what, const char *type, const char *sku,
		       bool public_ip)
{
	static const char config[] = "properties.ipConfigurations.0.properties.";
	int address = public_ip && !is_id(sku) ? add_public_ip(m, place, what) : NONE, node;
	owned(body) struct body body = begin(m, place->region->location, true);
	owned(mem) char *name =
		mem_printf("%s-%s-%s", m->fleet->name, place->region->name, what);
	char path[120];

	if (is_id(sku))
		return adopt(m, AZURE_GATEWAY, sku);
	if (!name)
		m->rc = err_no_memory(m->err);
	if (m->rc < 0)
		return NONE;
	body_text(&body, "properties.gatewayType", type);
	body_text(&body, "properties.vpnType", "RouteBased");
	body_bool(&body, "properties.activeActive", false);
	body_text(&body, "properties.sku.name", sku);
	body_text(&body, "properties.sku.tier", sku);
	body_list(&body, "properties.ipConfigurations", 1);
	body_text(&body, "properties.ipConfigurations.0.name", "default");
	snprintf(path, sizeof(path), "%sprivateIPAllocationMethod", config);
	body_text(&body, path, "Dynamic");
	snprintf(path, sizeof(path), "%ssubnet.id", config);
	body_text(&body, path, id_of(m, place->gateway_subnet));
	snprintf(path, sizeof(path), "%spublicIPAddress.id", config);
	body_text(&body, path, id_of(m, address));
	node = add(m, AZURE_GATEWAY, NULL, name, &body);
	if (node == NONE)
		return NONE;
	need(&m->layout->nodes[node], place->gateway_subnet);
	need(&m->layout->nodes[node], address);
	set_network(m, node, place->network);
	return node;
}

static void add_gateways(struct maker *m, struct place *place)
{
	const struct fleet_azure_region *region = place->region;
	const char *express_route = region->express_route_gateway ? region->express_route_gateway : "Standard";
	const char *vpn = region->vpn_gateway ? region->vpn_gateway : "VpnGw1AZ";

	/* It carries traffic between the devices and the network, nothing else. */
	if (azure_region_has(m->fleet, region->name, AZURE_DEDICATED_HSM) || region->express_route_gateway)
		place->express_route = add_gateway(m, place, "er", "ExpressRoute", express_route,
						   region->express_route_public_ip);
	if (azure_connects(m->fleet) == FLEET_CONNECT_VPN)
		place->vpn = add_gateway(m, place, "vpn", "Vpn", vpn, true);
}

static void add_place(struct maker *m, struct place *place)
{
	const struct fleet_azure_region *region = place->region;
	owned(mem) char *name =
		region->network ? mem_strdup(region->network) : mem_printf("%s-%s", m->fleet->name, region->name);

	if (!name)
		m->rc = err_no_memory(m->err);
	else if (is_id(name))
		place->network = adopt(m, AZURE_NETWORK, name);
	else
		add_network(m, place, name);
	set_network(m, place->network, place->network);
	if (m->rc == 0)
		adopt_subnets(m, place);
	if (m->rc == 0)
		add_subnets(m, place);
	if (m->rc == 0)
		add_gateways(m, place);
}

/* ---- what connects regions ---- */

static void add_connection(struct maker *m, const struct place *from, const struct place *to)
{
	owned(body) struct body body = begin(m, from->region->location, true);
	owned(mem) char *name =
		mem_printf("%s-%s-to-%s", m->fleet->name, from->region->name, to->region->name);
	int node;

	body_text(&body, "properties.connectionType", "Vnet2Vnet");
	body_text(&body, "properties.sharedKey", azure_key_marker);
	body_text(&body, "properties.virtualNetworkGateway1.id", id_of(m, from->vpn));
	body_text(&body, "properties.virtualNetworkGateway2.id", id_of(m, to->vpn));
	node = add_named(m, AZURE_CONNECTION, NULL, name, &body);
	if (node == NONE)
		return;
	need(&m->layout->nodes[node], from->vpn);
	need(&m->layout->nodes[node], to->vpn);
}

static void add_peering(struct maker *m, const struct place *from, const struct place *to)
{
	owned(body) struct body body = body_begin(m->err);
	owned(mem) char *name =
		mem_printf("%s/to-%s", node_at(m, from->network)->name, to->region->name);
	owned(mem) char *id =
		mem_printf("%s/virtualNetworkPeerings/to-%s", id_of(m, from->network), to->region->name);
	int node;

	body_bool(&body, "properties.allowVirtualNetworkAccess", true);
	body_bool(&body, "properties.allowForwardedTraffic", false);
	body_text(&body, "properties.remoteVirtualNetwork.id", id_of(m, to->network));
	if (!id && m->rc == 0)
		m->rc = err_no_memory(m->err);
	node = add_named(m, AZURE_PEERING, id, name, &body);
	if (node == NONE)
		return;
	need(&m->layout->nodes[node], from->network);
	need(&m->layout->nodes[node], to->network);
	set_network(m, node, from->network);
}

/* Each direction is a resource of its own. */
static void connect_regions(struct maker *m)
{
	unsigned how = azure_connects(m->fleet);

	for (size_t i = 0; how != FLEET_CONNECT_NONE && i < m->fleet->azure.n_regions; i++)
		for (size_t j = 0; m->rc == 0 && j < m->fleet->azure.n_regions; j++) {
			if (i == j)
				continue;
			if (how == FLEET_CONNECT_VPN)
				add_connection(m, &m->places[i], &m->places[j]);
			else
				add_peering(m, &m->places[i], &m->places[j]);
		}
}

/* ---- devices ---- */

static struct place *place_of(struct maker *m, const struct fleet_device *device)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(m->fleet, device->datacenter);

	for (size_t i = 0; datacenter && i < m->fleet->azure.n_regions; i++)
		if (str_eq(m->fleet->azure.regions[i].name, datacenter->region))
			return &m->places[i];
	return NULL;
}

static const char *resource_name(const struct fleet_device *device)
{
	return device->azure.name ? device->azure.name : device->name;
}

static void mark_device(struct maker *m, int node, const struct place *place, const struct fleet_device *device)
{
	if (node == NONE)
		return;
	m->layout->nodes[node].device = device;
	m->layout->nodes[node].region = place->region;
}

static void add_dedicated(struct maker *m, const struct place *place, const struct fleet_device *device)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(m->fleet, device->datacenter);
	owned(body) struct body body = begin(m, place->region->location, true);
	char subnet[60];
	int node;

	snprintf(subnet, sizeof(subnet), "properties.networkProfile.subnet.%s",
		 azure_reference_name(azure_api(m->fleet, AZURE_DEDICATED_HSM)));
	body_text(&body, "sku.name", device->azure.sku ? device->azure.sku : "SafeNet Luna Network HSM A790");
	body_text(&body, subnet, id_of(m, place->hsm_subnet));
	if (device->azure.address) {
		body_list(&body, "properties.networkProfile.networkInterfaces", 1);
		body_text(&body, "properties.networkProfile.networkInterfaces.0.privateIpAddress",
			  device->azure.address);
	}
	body_text(&body, "properties.stampId", datacenter->stamp);
	if (datacenter->zone) {
		body_list(&body, "zones", 0);
		body_append_text(&body, "zones", datacenter->zone);
	}
	node = add(m, AZURE_DEDICATED_HSM, NULL, resource_name(device), &body);
	mark_device(m, node, place, device);
	if (node == NONE)
		return;
	need(&m->layout->nodes[node], place->hsm_subnet);
	need(&m->layout->nodes[node], place->express_route);
}

static int add_cluster(struct maker *m, const struct place *place, const struct fleet_device *device)
{
	owned(body) struct body body = begin(m, place->region->location, true);
	int node;

	body_text(&body, "sku.family", "B");
	body_text(&body, "sku.name", device->azure.sku ? device->azure.sku : "Standard_B1");
	if (device->azure.identity) {
		owned(body) struct body nobody = body_begin(m->err);

		body_text(&body, "identity.type", "UserAssigned");
		body_member(&body, "identity.userAssignedIdentities", device->azure.identity, &nobody);
	}
	body_text(&body, "properties.autoGeneratedDomainNameLabelScope",
		  device->azure.name_scope ? device->azure.name_scope : "TenantReuse");
	node = add(m, AZURE_CLOUD_HSM, NULL, resource_name(device), &body);
	mark_device(m, node, place, device);
	return node;
}

static int add_endpoint(struct maker *m, const struct place *place, const struct fleet_device *device, int cluster)
{
	static const char first[] = "properties.privateLinkServiceConnections.0";
	owned(body) struct body body = begin(m, place->region->location, true);
	owned(mem) char *name = mem_printf("%s-endpoint", resource_name(device));
	char path[120];
	int node;

	body_text(&body, "properties.subnet.id", id_of(m, place->client_subnet));
	body_list(&body, "properties.privateLinkServiceConnections", 1);
	snprintf(path, sizeof(path), "%s.name", first);
	body_text(&body, path, resource_name(device));
	snprintf(path, sizeof(path), "%s.properties.privateLinkServiceId", first);
	body_text(&body, path, id_of(m, cluster));
	snprintf(path, sizeof(path), "%s.properties.groupIds", first);
	body_list(&body, path, 0);
	body_append_text(&body, path, "cloudhsm");
	node = add_named(m, AZURE_PRIVATE_ENDPOINT, NULL, name, &body);
	if (node == NONE)
		return NONE;
	need(&m->layout->nodes[node], cluster);
	need(&m->layout->nodes[node], place->client_subnet);
	return node;
}

static void serve(struct maker *m, int node, const struct place *place, const struct fleet_device *device)
{
	if (node == NONE)
		return;
	m->layout->nodes[node].serves = device;
	m->layout->nodes[node].region = place->region;
}

static int add_zone_group(struct maker *m, int endpoint)
{
	static const char first[] = "properties.privateDnsZoneConfigs.0";
	owned(body) struct body body = body_begin(m->err);
	owned(mem) char *name =
		endpoint == NONE ? NULL : mem_printf("%s/default", node_at(m, endpoint)->name);
	char path[80];
	int node;

	if (m->rc == 0 && !name)
		m->rc = err_no_memory(m->err);
	if (m->rc < 0)
		return NONE;
	body_list(&body, "properties.privateDnsZoneConfigs", 1);
	snprintf(path, sizeof(path), "%s.name", first);
	body_text(&body, path, "cloudhsm");
	snprintf(path, sizeof(path), "%s.properties.privateDnsZoneId", first);
	body_text(&body, path, id_of(m, m->zone));
	node = add(m, AZURE_ZONE_GROUP, NULL, name, &body);
	if (node == NONE)
		return NONE;
	need(&m->layout->nodes[node], endpoint);
	need(&m->layout->nodes[node], m->zone);
	return node;
}

/* The zone that holds the clusters' names, known to every network with clients. */
static void add_zone(struct maker *m)
{
	owned(body) struct body body = begin(m, "global", true);

	m->zone = add(m, AZURE_ZONE, NULL, azure_hsm_zone, &body);
	for (size_t i = 0; m->rc == 0 && i < m->fleet->azure.n_regions; i++) {
		owned(body) struct body link = begin(m, "global", true);
		owned(mem) char *name =
			mem_printf("%s/%s-%s", azure_hsm_zone, m->fleet->name, m->places[i].region->name);
		int node;

		body_bool(&link, "properties.registrationEnabled", false);
		body_text(&link, "properties.virtualNetwork.id", id_of(m, m->places[i].network));
		node = add_named(m, AZURE_ZONE_LINK, NULL, name, &link);
		if (node == NONE)
			return;
		need(&m->layout->nodes[node], m->zone);
		need(&m->layout->nodes[node], m->places[i].network);
	}
}

static void add_reach(struct maker *m, const struct place *place, const struct fleet_device *device, int cluster)
{
	int endpoint;

	if (m->rc < 0)
		return;
	if (device->azure.endpoint) {
		serve(m, adopt(m, AZURE_PRIVATE_ENDPOINT, device->azure.endpoint), place, device);
		return;
	}
	endpoint = add_endpoint(m, place, device, cluster);
	serve(m, endpoint, place, device);
	serve(m, add_zone_group(m, endpoint), place, device);
}

static bool wants_zone(const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n_devices; i++)
		if (azure_is_cloud(fleet, &fleet->devices[i]) && !fleet->devices[i].azure.endpoint)
			return true;
	return false;
}

static void add_device(struct maker *m, const struct fleet_device *device)
{
	const struct place *place = place_of(m, device);

	if (!place)
		return;
	if (azure_is_dedicated(m->fleet, device))
		add_dedicated(m, place, device);
	else if (azure_is_cloud(m->fleet, device))
		add_reach(m, place, device, add_cluster(m, place, device));
}

/* ---- the whole ---- */

static void make(struct maker *m)
{
	const struct fleet_azure *azure = &m->fleet->azure;

	m->group_node = add_group(m);
	for (size_t i = 0; m->rc == 0 && i < azure->n_regions; i++) {
		size_t first = m->layout->n_nodes;

		m->places[i] = (struct place){.region = &azure->regions[i], NONE, NONE, NONE, NONE, NONE, NONE, NONE};
		add_place(m, &m->places[i]);
		for (size_t j = first; j < m->layout->n_nodes; j++)
			m->layout->nodes[j].region = &azure->regions[i];
	}
	if (m->rc == 0)
		connect_regions(m);
	if (m->rc == 0 && wants_zone(m->fleet))
		add_zone(m);
	for (size_t i = 0; m->rc == 0 && i < m->fleet->n_devices; i++)
		add_device(m, &m->fleet->devices[i]);
}

int azure_layout_make(const struct fleet *fleet, struct azure_layout *ret, struct err *err)
{
	owned(mem) struct place *places = mem_zalloc((fleet->azure.n_regions + 1) * sizeof(*places));
	owned(mem) char *group = azure_group_id(fleet);
	struct maker maker = {
		.layout = ret, .fleet = fleet, .group = group, .places = places,
		.group_node = NONE, .zone = NONE, .err = err,
	};

	if (!places || !group)
		return err_no_memory(err);
	ret->fleet = fleet;
	make(&maker);
	if (maker.rc < 0)
		azure_layout_release(ret);
	return maker.rc;
}

void azure_layout_release(struct azure_layout *layout)
{
	for (size_t i = 0; i < layout->n_nodes; i++) {
		struct azure_node *node = &layout->nodes[i];

		free(node->id);
		free(node->name);
		free(node->label);
		free(node->network);
		json_tree_free(node->body);
	}
	free(layout->nodes);
	*layout = (struct azure_layout){0};
}

int azure_layout_find(const struct azure_layout *layout, const char *id)
{
	for (size_t i = 0; id && i < layout->n_nodes; i++)
		if (strcasecmp(layout->nodes[i].id, id) == 0)
			return (int)i;
	return -1;
}

int azure_layout_device(const struct azure_layout *layout, const char *device)
{
	for (size_t i = 0; i < layout->n_nodes; i++)
		if (layout->nodes[i].device && str_eq(layout->nodes[i].device->name, device))
			return (int)i;
	return -1;
}
