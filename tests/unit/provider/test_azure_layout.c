/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_fleet.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct edit cloud[] = {CLOUD_EDITS, {0}};

/* What must be there before, by label: "subnet hsms, gateway g"; good until the next call. */
static const char *needs_of(const struct azure_layout *layout, const struct azure_node *node)
{
	static char text[400];
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < node->n_needs; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "",
					 layout->nodes[node->needs[i]].label);
	return text;
}

struct expected {
	const char *label, *id, *needs;
};

static void check_nodes(const struct azure_layout *layout, const struct expected *expected, size_t n)
{
	for (size_t i = 0; i < n && i < layout->n_nodes; i++) {
		const struct azure_node *node = &layout->nodes[i];

		assert_string_equal(node->label, expected[i].label);
		assert_string_equal(node->id, expected[i].id);
		assert_string_equal(needs_of(layout, node), expected[i].needs);
	}
	assert_int_equal(layout->n_nodes, n);
}

/* Of any layout: behind what it needs, no id twice, types that fit their ids. */
static void check_graph(const struct azure_layout *layout)
{
	for (size_t i = 0; i < layout->n_nodes; i++) {
		const struct azure_node *node = &layout->nodes[i];

		for (size_t j = 0; j < node->n_needs; j++)
			assert_true(node->needs[j] < i);
		assert_int_equal(azure_layout_find(layout, node->id), i);
		assert_true(node->external == !node->body);
		assert_non_null(node->api_version);
	}
}

#define GATEWAYS NETWORKS "/virtualNetworkGateways"
#define VNETS NETWORKS "/virtualNetworks"
#define DEDICATED HSMS "/dedicatedHSMs"
#define ZONE NETWORKS "/privateDnsZones/privatelink.cloudhsm.azure.net"

#define REGION(r)                                                                                                    \
	{"virtual network two-regions-" r, VNETS "/two-regions-" r, "resource group two-regions"},                   \
	{"subnet two-regions-" r "/clients", VNETS "/two-regions-" r "/subnets/clients",                                               \
	 "resource group two-regions, virtual network two-regions-" r},                                              \
	{"subnet two-regions-" r "/hsms", VNETS "/two-regions-" r "/subnets/hsms",                                                     \
	 "resource group two-regions, virtual network two-regions-" r},                                              \
	{"subnet two-regions-" r "/GatewaySubnet", VNETS "/two-regions-" r "/subnets/GatewaySubnet",                                   \
	 "resource group two-regions, virtual network two-regions-" r}
#define REGION_GATEWAYS(r)                                                                                           \
	{"gateway two-regions-" r "-er", GATEWAYS "/two-regions-" r "-er",                                           \
	 "resource group two-regions, subnet two-regions-" r "/GatewaySubnet"},                                                        \
	{"public address two-regions-" r "-vpn-ip", NETWORKS "/publicIPAddresses/two-regions-" r "-vpn-ip",          \
	 "resource group two-regions"},                                                                              \
	{"gateway two-regions-" r "-vpn", GATEWAYS "/two-regions-" r "-vpn",                                         \
	 "resource group two-regions, subnet two-regions-" r "/GatewaySubnet, public address two-regions-" r "-vpn-ip"}
#define CONNECTION(a, b)                                                                                             \
	{"connection two-regions-" a "-to-" b, NETWORKS "/connections/two-regions-" a "-to-" b,                      \
	 "resource group two-regions, gateway two-regions-" a "-vpn, gateway two-regions-" b "-vpn"}
#define DEVICE(r, n)                                                                                                 \
	{"dedicated HSM hsm-" r "-" n, DEDICATED "/hsm-" r "-" n,                                                    \
	 "resource group two-regions, subnet two-regions-" r "/hsms, gateway two-regions-" r "-er"}
#define PEERING(a, b)                                                                                                \
	{"peering two-regions-" a "/to-" b, VNETS "/two-regions-" a "/virtualNetworkPeerings/to-" b,                                   \
	 "resource group two-regions, virtual network two-regions-" a ", virtual network two-regions-" b}
#define ZONE_LINK(r)                                                                                                 \
	{"DNS zone link two-regions-" r, ZONE "/virtualNetworkLinks/two-regions-" r,                                 \
	 "resource group two-regions, private DNS zone privatelink.cloudhsm.azure.net, virtual network two-regions-" r}
#define CLUSTER(r)                                                                                                   \
	{"Cloud HSM cluster hsm-" r, HSMS "/cloudHsmClusters/hsm-" r, "resource group two-regions"},                 \
	{"private endpoint hsm-" r "-endpoint", NETWORKS "/privateEndpoints/hsm-" r "-endpoint",                     \
	 "resource group two-regions, Cloud HSM cluster hsm-" r ", subnet two-regions-" r "/clients"},                                 \
	{"DNS zone group hsm-" r "-endpoint/default", NETWORKS "/privateEndpoints/hsm-" r "-endpoint/privateDnsZoneGroups/default",     \
	 "resource group two-regions, private endpoint hsm-" r "-endpoint, "                                         \
	 "private DNS zone privatelink.cloudhsm.azure.net"}

static void dedicated_hsms_stand_on_networks_and_gateways(void **state)
{
	static const struct expected expected[] = {
		{"resource group two-regions", GROUP, ""},
		REGION("east"), REGION_GATEWAYS("east"), REGION("west"), REGION_GATEWAYS("west"),
		CONNECTION("east", "west"), CONNECTION("west", "east"),
		DEVICE("east", "1"), DEVICE("east", "2"), DEVICE("west", "1"), DEVICE("west", "2"),
	};
	owned(fleet) struct fleet *fleet = example();
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	check_graph(&layout);
	check_nodes(&layout, expected, COUNT(expected));
}

static void clusters_are_reached_through_endpoints(void **state)
{
	static const struct expected expected[] = {
		{"resource group two-regions", GROUP, ""}, REGION("east"), REGION("west"),
		PEERING("east", "west"), PEERING("west", "east"),
		{"private DNS zone privatelink.cloudhsm.azure.net", ZONE, "resource group two-regions"},
		ZONE_LINK("east"), ZONE_LINK("west"), CLUSTER("east"), CLUSTER("west"),
	};
	owned(fleet) struct fleet *fleet = edited(cloud, NULL);
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	check_graph(&layout);
	check_nodes(&layout, expected, COUNT(expected));
	assert_ptr_equal(node_of(&layout, HSMS "/cloudHsmClusters/hsm-west")->device, &fleet->devices[1]);
	assert_ptr_equal(node_of(&layout, NETWORKS "/privateEndpoints/hsm-west-endpoint")->serves, &fleet->devices[1]);
	assert_int_equal(azure_layout_device(&layout, "hsm-east"),
			 azure_layout_find(&layout, HSMS "/cloudHsmClusters/hsm-east"));
}

/* One value of one body. */
struct value {
	struct edit edits[4];
	const char *id, *path, *text;	/* text NULL: absent; "#n": a list of n */
};

static void check_values(const struct edit *base, const struct value *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct value *v = &values[i];
		owned(fleet) struct fleet *fleet = edited(base, v->edits);
		owned(azure_layout) struct azure_layout layout = {0};
		const struct json_tree *value;
		char text[400];

		lay_out(fleet, &layout);
		check_graph(&layout);
		value = json_tree_get(node_of(&layout, v->id)->body, v->path);
		if (json_tree_kind(value) == JSON_TREE_LIST)
			snprintf(text, sizeof(text), "#%zu", json_tree_count(value));
		else if (json_tree_kind(value) == JSON_TREE_BOOL)
			snprintf(text, sizeof(text), "%s", json_tree_bool(value, "", false) ? "true" : "false");
		else
			snprintf(text, sizeof(text), "%s", json_tree_kind(value) == JSON_TREE_STRING
								   ? json_tree_text(value, "") : "");
		if (v->text ? !str_eq(text, v->text) : json_tree_kind(value) != JSON_TREE_ABSENT)
			fail_msg("case %zu: %s of %s is %s", i, v->path, v->id, text);
	}
}

#define NET "properties.networkProfile."
#define EAST VNETS "/two-regions-east"
#define ER GATEWAYS "/two-regions-east-er"
#define VPN GATEWAYS "/two-regions-east-vpn"
#define HSM DEDICATED "/hsm-east-1"

static void bodies_say_what_the_document_says(void **state)
{
	static const struct value values[] = {
		{{{0}}, GROUP, "location", "eastus"},
		{{{"azure.location", "\"westeurope\""}}, GROUP, "location", "westeurope"},
		{{{0}}, EAST, "properties.addressSpace.addressPrefixes.0", "10.2.0.0/16"},
		{{{0}}, EAST, "properties.subnets", "#3"},
		{{{0}}, EAST, "properties.subnets.1.properties.delegations.0.properties.serviceName",
		 "Microsoft.HardwareSecurityModules/dedicatedHSMs"},
		{{{0}}, EAST, "tags.owner", "key-management"},
		{{{0}}, EAST, "tags.hsmctl-fleet", "two-regions"},
		{{{0}}, EAST, "tags.hsmctl-tags", "owner,environment"},
		{{{"azure.tags", NULL}}, EAST, "tags.hsmctl-tags", NULL},
		{{{0}}, EAST "/subnets/GatewaySubnet", "properties.delegations", NULL},
		{{{0}}, ER, "properties.gatewayType", "ExpressRoute"},
		{{{0}}, ER, "properties.sku.name", "Standard"},
		{{{0}}, ER, "properties.ipConfigurations.0.properties.publicIPAddress", NULL},
		{{{"azure.regions.0.express_route_public_ip", "true"}, {"azure.regions.0.express_route_gateway",
		 "\"ErGw1AZ\""}},
		 ER, "properties.ipConfigurations.0.properties.publicIPAddress.id",
		 NETWORKS "/publicIPAddresses/two-regions-east-er-ip"},
		{{{"azure.regions.0.express_route_gateway", "\"ErGw1AZ\""}}, ER, "properties.sku.tier", "ErGw1AZ"},
		{{{0}}, VPN, "properties.gatewayType", "Vpn"},
		{{{0}}, VPN, "properties.sku.name", "VpnGw1AZ"},
		{{{0}}, VPN, "properties.ipConfigurations.0.properties.subnet.id", EAST "/subnets/GatewaySubnet"},
		{{{0}}, NETWORKS "/publicIPAddresses/two-regions-east-vpn-ip", "sku.name", "Standard"},
		{{{0}}, NETWORKS "/connections/two-regions-east-to-west", "properties.sharedKey",
		 "@@hsmctl:shared-key@@"},
		{{{0}}, NETWORKS "/connections/two-regions-east-to-west", "properties.virtualNetworkGateway2.id",
		 GATEWAYS "/two-regions-west-vpn"},
		{{{0}}, HSM, "properties.stampId", "stamp1"},
		{{{0}}, HSM, "zones", NULL},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"2\""}}, HSM, "zones.0", "2"},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"2\""}}, HSM, "properties.stampId", NULL},
		{{{0}}, HSM, NET "networkInterfaces.0.privateIpAddress", "10.2.1.5"},
		{{{"devices.0.azure.address", NULL}}, HSM, NET "networkInterfaces", NULL},
		{{{0}}, HSM, "sku.name", "SafeNet Luna Network HSM A790"},
		{{{"devices.0.azure.sku", "\"A800\""}}, HSM, "sku.name", "A800"},
		{{{"devices.0.azure.name", "\"prime\""}}, DEDICATED "/prime", "location", "eastus"},
	};

	(void)state;
	check_values(NULL, values, COUNT(values));
}

static void references_are_named_as_the_api_version_wants(void **state)
{
	static const struct value values[] = {
		{{{0}}, HSM, NET "subnet.id", EAST "/subnets/hsms"},
		{{{0}}, HSM, NET "subnet.resourceId", NULL},
		{{{"azure.dedicated_hsm_api", "\"2018-10-31-preview\""}}, HSM, NET "subnet.id", EAST "/subnets/hsms"},
		{{{"azure.dedicated_hsm_api", "\"2024-06-30-preview\""}}, HSM, NET "subnet.resourceId",
		 EAST "/subnets/hsms"},
		{{{"azure.dedicated_hsm_api", "\"2025-03-31\""}}, HSM, NET "subnet.resourceId", EAST "/subnets/hsms"},
		{{{"azure.dedicated_hsm_api", "\"2025-03-31\""}}, HSM, NET "subnet.id", NULL},
	};
	owned(fleet) struct fleet *fleet =
		edited((const struct edit[]){{"azure.dedicated_hsm_api", "\"2025-03-31\""},
					     {"azure.network_api", "\"2023-09-01\""}, {0}}, NULL);
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	check_values(NULL, values, COUNT(values));
	lay_out(fleet, &layout);
	assert_string_equal(node_of(&layout, HSM)->api_version, "2025-03-31");
	assert_string_equal(node_of(&layout, EAST)->api_version, "2023-09-01");
	assert_string_equal(node_of(&layout, VPN)->api_version, "2023-09-01");
}

#define ENDPOINT NETWORKS "/privateEndpoints/hsm-east-endpoint"
#define CLUSTERS HSMS "/cloudHsmClusters"

static void bodies_of_clusters(void **state)
{
	static const char connection[] = "properties.privateLinkServiceConnections.0.properties.privateLinkServiceId";
	static const struct value values[] = {
		{{{0}}, CLUSTERS "/hsm-east", "sku.name", "Standard_B1"},
		{{{0}}, CLUSTERS "/hsm-east", "sku.family", "B"},
		{{{0}}, CLUSTERS "/hsm-east", "properties.autoGeneratedDomainNameLabelScope", "TenantReuse"},
		{{{0}}, CLUSTERS "/hsm-east", "identity", NULL},
		{{{"devices.0.azure.name_scope", "\"NoReuse\""}}, CLUSTERS "/hsm-east",
		 "properties.autoGeneratedDomainNameLabelScope", "NoReuse"},
		{{{"devices.0.azure.identity", "\"" IDENTITY "\""}}, CLUSTERS "/hsm-east", "identity.type",
		 "UserAssigned"},
		{{{0}}, ENDPOINT, connection, CLUSTERS "/hsm-east"},
		{{{0}}, ENDPOINT, "properties.subnet.id", EAST "/subnets/clients"},
		{{{0}}, ENDPOINT, "properties.privateLinkServiceConnections.0.properties.groupIds.0", "cloudhsm"},
		{{{0}}, ENDPOINT "/privateDnsZoneGroups/default",
		 "properties.privateDnsZoneConfigs.0.properties.privateDnsZoneId",
		 ZONE},
		{{{0}}, ZONE, "location", "global"},
		{{{0}}, ZONE "/virtualNetworkLinks/two-regions-west", "properties.virtualNetwork.id",
		 VNETS "/two-regions-west"},
		{{{0}}, ZONE "/virtualNetworkLinks/two-regions-west", "properties.registrationEnabled", "false"},
		{{{0}}, EAST "/virtualNetworkPeerings/to-west", "properties.remoteVirtualNetwork.id",
		 VNETS "/two-regions-west"},
		{{{0}}, EAST "/virtualNetworkPeerings/to-west", "properties.allowVirtualNetworkAccess", "true"},
	};
	owned(fleet) struct fleet *fleet =
		edited(cloud, (const struct edit[]){{"devices.0.azure.identity", "\"" IDENTITY "\""}, {0}});
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	check_values(cloud, values, COUNT(values));
	lay_out(fleet, &layout);
	assert_non_null(json_tree_member(json_tree_get(node_of(&layout, CLUSTERS "/hsm-east")->body,
						       "identity.userAssignedIdentities"), IDENTITY));
}

static bool is_external(const struct azure_layout *layout, const char *id)
{
	const struct azure_node *node = node_of(layout, id);

	assert_int_equal(node->external, !node->body);
	return node->external;
}

static void what_exists_is_only_looked_at(void **state)
{
	static const struct edit edits[] = {
		{"azure.regions.0.network", "\"" HUB "\""},
		{"azure.regions.0.hsm_subnet", "\"" HUB "/subnets/dhsm\""},
		{"azure.regions.0.gateway_subnet", "\"" HUB "/subnets/GatewaySubnet\""},
		{"azure.regions.0.express_route_gateway", "\"" LANDING "/virtualNetworkGateways/er\""},
		{"azure.regions.0.client_subnet", "\"10.2.7.0/24\""},
		{0},
	};
	owned(fleet) struct fleet *fleet = edited(edits, NULL);
	owned(azure_layout) struct azure_layout layout = {0};
	const struct azure_node *node;

	(void)state;
	lay_out(fleet, &layout);
	check_graph(&layout);
	assert_true(is_external(&layout, HUB));
	assert_true(is_external(&layout, HUB "/subnets/dhsm"));
	assert_true(is_external(&layout, HUB "/subnets/GatewaySubnet"));
	assert_true(is_external(&layout, LANDING "/virtualNetworkGateways/er"));
	/* A range in a network of somebody else is a subnet of ours, written by itself. */
	node = node_of(&layout, HUB "/subnets/clients");
	assert_false(node->external);
	assert_string_equal(node->network, HUB);
	assert_string_equal(json_tree_text(node->body, "properties.addressPrefix"), "10.2.7.0/24");
	/* What stands on it is ours, and refers to it. */
	node = node_of(&layout, HSM);
	assert_string_equal(json_tree_text(node->body, NET "subnet.id"), HUB "/subnets/dhsm");
	assert_string_equal(needs_of(&layout, node), "resource group two-regions, subnet dhsm, gateway er");
	node = node_of(&layout, VPN);
	assert_string_equal(json_tree_text(node->body, "properties.ipConfigurations.0.properties.subnet.id"),
			    HUB "/subnets/GatewaySubnet");
	assert_string_equal(node->network, HUB);
	assert_int_equal(azure_layout_find(&layout, ER), -1);
}

static void an_endpoint_that_exists_needs_no_zone(void **state)
{
	static const struct edit edits[] = {
		{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e\""},
		{"devices.1.azure.endpoint", "\"" LANDING "/privateEndpoints/f\""},
		{0},
	};
	owned(fleet) struct fleet *fleet = edited(cloud, edits);
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	check_graph(&layout);
	assert_true(is_external(&layout, LANDING "/privateEndpoints/f"));
	assert_ptr_equal(node_of(&layout, LANDING "/privateEndpoints/f")->serves, &fleet->devices[1]);
	assert_int_equal(azure_layout_find(&layout, ZONE), -1);
	assert_int_equal(azure_layout_find(&layout, ENDPOINT), -1);
}

static void regions_are_connected_as_the_document_says(void **state)
{
	static const struct {
		const struct edit *base;
		struct edit edits[2];
		unsigned how;
		size_t connections, peerings, vpns;
	} cases[] = {
		{NULL, {{0}}, FLEET_CONNECT_VPN, 2, 0, 2},
		{NULL, {{"azure.connection", "\"none\""}}, FLEET_CONNECT_NONE, 0, 0, 0},
		{NULL, {{"azure.connection", "\"peering\""}}, FLEET_CONNECT_PEERING, 0, 2, 0},
		{cloud, {{0}}, FLEET_CONNECT_PEERING, 0, 2, 0},
		{cloud, {{"azure.connection", "\"vpn\""}}, FLEET_CONNECT_VPN, 2, 0, 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		owned(fleet) struct fleet *fleet = edited(cases[i].base, cases[i].edits);
		owned(azure_layout) struct azure_layout layout = {0};
		size_t n[AZURE_KINDS] = {0}, vpns = 0;

		lay_out(fleet, &layout);
		check_graph(&layout);
		for (size_t j = 0; j < layout.n_nodes; j++) {
			n[layout.nodes[j].kind]++;
			vpns += str_eq(json_tree_text(layout.nodes[j].body, "properties.gatewayType"), "Vpn");
		}
		assert_int_equal(azure_connects(fleet), cases[i].how);
		assert_int_equal(n[AZURE_CONNECTION], cases[i].connections);
		assert_int_equal(n[AZURE_PEERING], cases[i].peerings);
		assert_int_equal(vpns, cases[i].vpns);
	}
}

static void without_a_subscription_ids_have_a_word_for_it(void **state)
{
	owned(fleet) struct fleet *fleet = edited((const struct edit[]){{"azure.subscription", NULL}, {0}}, NULL);
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	assert_string_equal(layout.nodes[0].id, "/subscriptions/SUBSCRIPTION/resourceGroups/two-regions");
}

static void ids_and_locations_are_found_in_any_case(void **state)
{
	owned(fleet) struct fleet *fleet = example();
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	assert_int_equal(azure_layout_find(&layout, "/SUBSCRIPTIONS/" SUBSCRIPTION "/RESOURCEGROUPS/TWO-REGIONS"), 0);
	assert_int_equal(azure_layout_find(&layout, GROUP "/x"), -1);
	assert_int_equal(azure_layout_find(&layout, NULL), -1);
	assert_int_equal(azure_layout_device(&layout, "nobody"), -1);
	assert_true(azure_same_location("East US 2", "eastus2"));
	assert_true(azure_same_location("eastus", "EASTUS "));
	assert_false(azure_same_location("eastus", "eastus2"));
	assert_false(azure_same_location("eastus", NULL));
	assert_true(azure_same_location(NULL, NULL));
}

static int lay_out_once(const struct fleet *fleet)
{
	owned(azure_layout) struct azure_layout layout = {0};
	struct err err;

	return azure_layout_make(fleet, &layout, &err);
}

static void no_allocation_fails_unnoticed(void **state)
{
	owned(fleet) struct fleet *fleet = edited(cloud, (const struct edit[]){
		{"devices.0.azure.identity", "\"" IDENTITY "\""}, {"azure.regions.0.express_route_gateway",
		 "\"Standard\""},
		{"azure.regions.1.network", "\"" HUB "\""}, {0}});
	bool failed = true;

	(void)state;
	for (unsigned long n = 1; failed; n++) {
		int rc;

		mem_fail_after = n;
		rc = lay_out_once(fleet);
		failed = !mem_fail_after;
		mem_fail_after = 0;
		if (rc != (failed ? -ERR_NO_MEMORY : 0))
			fail_msg("allocation %lu: %d", n, rc);
		assert_true(n < 10000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dedicated_hsms_stand_on_networks_and_gateways),
		cmocka_unit_test(clusters_are_reached_through_endpoints),
		cmocka_unit_test(bodies_say_what_the_document_says),
		cmocka_unit_test(references_are_named_as_the_api_version_wants),
		cmocka_unit_test(bodies_of_clusters),
		cmocka_unit_test(what_exists_is_only_looked_at),
		cmocka_unit_test(an_endpoint_that_exists_needs_no_zone),
		cmocka_unit_test(regions_are_connected_as_the_document_says),
		cmocka_unit_test(without_a_subscription_ids_have_a_word_for_it),
		cmocka_unit_test(ids_and_locations_are_found_in_any_case),
		cmocka_unit_test(no_allocation_fails_unnoticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
