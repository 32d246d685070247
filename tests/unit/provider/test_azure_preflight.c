/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_fleet.h"

#include <ctype.h>

#include "provider/azure/preflight.h"

enum { EDITS = 5 };

#define A300                                                                                                         \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"       \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"       \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A60 "a23456789-a23456789-a23456789-a23456789-a23456789-a23456789-"
#define TEN_TAGS(p)                                                                                                \
	"\"" p "0\":\"\",\"" p "1\":\"\",\"" p "2\":\"\",\"" p "3\":\"\",\"" p "4\":\"\","                    \
	"\"" p "5\":\"\",\"" p "6\":\"\",\"" p "7\":\"\",\"" p "8\":\"\",\"" p "9\":\"\""

/* A region in the network of somebody else, whose subnets and gateways are named by their ids. */
#define IN_HUB(name, location, hsms, more)                                                                         \
	"{\"name\":\"" name "\",\"location\":\"" location "\",\"network\":\"" HUB "\","                          \
	"\"hsm_subnet\":\"" HUB "/subnets/" hsms "\"" more "}"
#define HUB_ER ",\"express_route_gateway\":\"" LANDING "/virtualNetworkGateways/er\""
#define HUB_VPN ",\"vpn_gateway\":\"" LANDING "/virtualNetworkGateways/vpn\""
#define HUB_GATEWAYS ",\"gateway_subnet\":\"" HUB "/subnets/GatewaySubnet\""

static const struct edit cloud[] = {CLOUD_EDITS, {0}};

/* "SUBJECT: TEXT (HINT)", a line each; good until the next call. */
static const char *all_of(const struct provider_plan *plan)
{
	static char text[16384];
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < plan->n_problems && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s: %s (%s)\n", plan->problems[i].subject,
					 plan->problems[i].text, plan->problems[i].hint);
	return text;
}

/* As errors are written everywhere: no capital, no full stop, and what to do. */
static void check_form(const struct provider_plan *plan)
{
	for (size_t i = 0; i < plan->n_problems; i++) {
		const struct provider_problem *p = &plan->problems[i];

		assert_true(p->code > ERR_OK && p->code < ERR_MAX);
		if (!*p->text || p->text[strlen(p->text) - 1] == '.' || !p->hint || !*p->hint)
			fail_msg("%s: %s (%s)", p->subject, p->text, p->hint);
		if (isupper((unsigned char)*p->text) && !str_starts(p->text, "Azure"))
			fail_msg("%s", p->text);
	}
}

static void preflight(const struct fleet *fleet, struct provider_plan *ret)
{
	struct err err = {0};

	if (azure_preflight_document(fleet, ret, &err) < 0)
		fail_msg("%s", err.message);
	check_form(ret);
}

static void the_example_is_good(void **state)
{
	owned(fleet) struct fleet *fleet = example(), *clouds = edited(cloud, NULL);
	owned(provider_plan) struct provider_plan plan = {0};

	(void)state;
	preflight(fleet, &plan);
	preflight(clouds, &plan);
	assert_string_equal(all_of(&plan), "");
}

struct rule {
	struct edit edits[EDITS];
	const char *subject, *says, *hint;	/* subject NULL: nothing is wrong */
};

static void check_rules(const struct edit *base, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &rules[i];
		owned(fleet) struct fleet *fleet = edited(base, r->edits);
		owned(provider_plan) struct provider_plan plan = {0};

		preflight(fleet, &plan);
		if (plan.n_problems != (r->subject ? 1 : 0))
			fail_msg("rule %zu (%s): %zu problems\n%s", i, r->edits[0].path, plan.n_problems,
				 all_of(&plan));
		if (r->subject && (!str_eq(plan.problems[0].subject, r->subject) ||
				   !strstr(plan.problems[0].text, r->says) || !strstr(plan.problems[0].hint, r->hint)))
			fail_msg("rule %zu (%s): %s", i, r->edits[0].path, all_of(&plan));
	}
}

#define RULES(base, rules) check_rules(base, rules, sizeof(rules) / sizeof((rules)[0]))

static void where_it_is(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.subscription", NULL}}, "azure", "no subscription", "AZURE_SUBSCRIPTION_ID"},
		{{{"azure.subscription", "\"mine\""}}, "azure", "'subscription' is no id: 'mine'", "UUID"},
		{{{"azure.subscription", "\"00000000-0000-4000-8000-00000000000g\""}}, "azure", "is no id", "UUID"},
		{{{"azure.subscription", "\"ABCDEFAB-0000-4000-8000-00000000000F\""}}, NULL, NULL, NULL},
		{{{"azure.tenant", "\"contoso\""}}, "azure", "'tenant' is no id", "UUID"},
		{{{"azure.tenant", "\"" SUBSCRIPTION "\""}}, NULL, NULL, NULL},
		{{{"azure.resource_group", "\"a b\""}}, "azure", "'a b' is no name for a resource group",
		 "resource_group"},
		{{{"azure.resource_group", "\"hsms.\""}}, "azure", "no name for a resource group", "full stop"},
		{{{"azure.resource_group", "\"\""}}, "azure", "no name for a resource group", "1 to 90"},
		{{{"azure.resource_group", "\"HSMs_(prod).1-a\""}}, NULL, NULL, NULL},
		{{{"azure.location", "\"East US\""}}, "azure", "'East US' is no name of a location", "\"eastus\""},
		{{{"azure.regions.0.location", "\"west-us\""}}, "region east", "no name of a location", "\"westus\""},
		{{{"azure.dedicated_hsm_api", "\"latest\""}}, "azure", "'dedicated_hsm_api' is no api-version",
		 "2021-11-30"},
		{{{"azure.network_api", "\"2024-01-01&x=1\""}}, "azure", "'network_api' is no api-version",
		 "2024-01-01"},
		{{{"azure.cloud_hsm_api", "\"2025-12-01-preview\""}}, NULL, NULL, NULL},
	};

	(void)state;
	RULES(NULL, rules);
}

static void tags(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.tags", "{\"a b:c\":\"\"}"}}, NULL, NULL, NULL},
		{{{"azure.tags", "{\"a?\":\"1\"}"}}, "azure", "tag 'a?' has a name", "leave out"},
		{{{"azure.tags", "{\"a,b\":\"1\"}"}}, "azure", "comma", "hyphen"},
		{{{"azure.tags", "{\"\":\"1\"}"}}, "azure", "tag ''", "1 to 512"},
		{{{"azure.tags", "{\"a\":\"" A300 "\"}"}}, "azure", "more than 256", "shorten"},
		{{{"azure.tags", "{\"MicrosoftThing\":\"1\"}"}}, "azure", "reserved", "microsoft"},
		{{{"azure.tags", "{\"hsmctl-fleet\":\"1\"}"}}, "azure", "reserved", "hsmctl-"},
		{{{"azure.tags", "{\"Owner\":\"1\",\"owner\":\"2\"}"}}, "azure", "tag 'owner' is there twice",
		 "leave one"},
		{{{"azure.tags", "{\"" A300 "\":\"1\"}"}}, "azure", "300 characters together", "hsmctl-tags"},
		{{{"azure.tags", "{" TEN_TAGS("a") "," TEN_TAGS("b") "," TEN_TAGS("c") "," TEN_TAGS("d") ","
		   TEN_TAGS("e") "}"}}, "azure", "50 tags are too many", "leave 2 out"},
		{{{"azure.tags", "{" TEN_TAGS("a") "," TEN_TAGS("b") "," TEN_TAGS("c") "," TEN_TAGS("d") "}"}},
		 NULL, NULL, NULL},
	};
	static const struct rule of_zones[] = {
		{{{"azure.tags", "{\"a b\":\"1\"}"}}, "azure", "private DNS zones", "letters"},
		{{{"azure.tags", "{\"1a\":\"1\"}"}}, "azure", "private DNS zones", "letter"},
		{{{"azure.tags", "{" TEN_TAGS("a") "," TEN_TAGS("b") "}"}}, "azure", "20 tags are too many",
		 "leave 7 out"},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_zones);
}

static void names(void **state)
{
	static const struct rule rules[] = {
		{{{"devices.0.azure.name", "\"a_b\""}}, "device hsm-east-1", "'a_b' is no name for a dedicated HSM",
		 "\"name\""},
		{{{"devices.0.azure.name", "\"ab\""}}, "device hsm-east-1", "3 to 24", "\"name\""},
		{{{"devices.0.azure.name", "\"a-23456789-23456789-23456\""}}, "device hsm-east-1", "3 to 24",
		 "\"name\""},
		{{{"devices.0.azure.name", "\"a-23456789-23456789-2345\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.name", "\"1hsm\""}}, "device hsm-east-1", "begin with a letter", "\"name\""},
		{{{"devices.0.azure.name", "\"hsm-\""}}, "device hsm-east-1", "end with a letter or digit", "\"name\""},
		{{{"devices.0.azure.name", "\"h--1\""}}, "device hsm-east-1", "single hyphens", "\"name\""},
		{{{"devices.0.name", "\"hsm.east_1\""}}, "device hsm.east_1", "'hsm.east_1' is no name", "\"name\""},
		{{{"devices.0.azure.name", "\"HSM-West-2\""}}, "device hsm-west-2", "also that of device 'hsm-east-1'",
		 "\"name\""},
		/* Azure has taken the name of a device that exists. */
		{{{"devices.0.azure.name", "\"a_b\""}, {"devices.0.azure.id", "\"" HSMS "/dedicatedHSMs/a_b\""}},
		 NULL, NULL, NULL},
		{{{"azure.regions.0.network", "\"a/b\""}}, "region east", "'a/b' is no name for a virtual network",
		 "\"network\""},
		{{{"azure.regions.0.network", "\"" A60 "abcde\""}}, "region east", "2 to 64", "\"network\""},
		{{{"azure.regions.0.network", "\"hsms\""}, {"azure.regions.1.network", "\"HSMS\""}}, "region west",
		 "virtual network HSMS is also that of region 'east'", "\"network\""},
	};
	static const struct rule of_clusters[] = {
		{{{"devices.0.azure.name", "\"a-23456789-23456789-2345\""}}, "device hsm-east", "3 to 23", "\"name\""},
		{{{"devices.0.azure.name", "\"a-23456789-23456789-234\""}}, NULL, NULL, NULL},
	};
	owned(fleet) struct fleet *fleet = edited((const struct edit[]){{"name", "\"" A60 "abc\""}, {0}}, NULL);
	owned(provider_plan) struct provider_plan plan = {0};

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_clusters);
	/* Names made of the fleet's: each network is too long, gateways and connections just fit. */
	preflight(fleet, &plan);
	assert_non_null(strstr(all_of(&plan), "region east: '" A60 "abc-east' is no name for a virtual network"));
	assert_int_equal(plan.n_problems, 2);
}

static void devices(void **state)
{
	static const struct rule rules[] = {
		{{{"devices.0.azure.sku", "\"payShield10K_LMK1_CPS60\""}}, "device hsm-east-1", "does not make",
		 "A790"},
		{{{"devices.0.azure.sku", "\"SafeNet Luna Network HSM A800\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.endpoint", "\"/x\""}}, "device hsm-east-1", "has no 'endpoint'", "leave it out"},
		{{{"devices.0.azure.identity", "\"/x\""}}, "device hsm-east-1", "has no 'identity'", "leave it out"},
		{{{"devices.0.azure.name_scope", "\"NoReuse\""}}, "device hsm-east-1", "has no 'name_scope'",
		 "leave it out"},
		{{{"datacenters.0.stamp", "\"stamp01\""}}, "datacenter east-1", "'stamp01' is no stamp", "stamp1"},
		{{{"datacenters.0.stamp", "\"one\""}}, "datacenter east-1", "'one' is no stamp", "stamp1"},
		{{{"datacenters.0.stamp", "\"stamp3\""}}, "datacenter east-1", "'stamp3' is no stamp", "stamp1"},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1\""}}, "datacenter east-2",
		 "datacenter 'east-1' of the same region a zone", "availability zones"},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1\""}, {"datacenters.1.stamp", NULL},
		  {"datacenters.1.zone", "\"2\""}}, NULL, NULL, NULL},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1/2\""}, {"datacenters.1.stamp", NULL},
		  {"datacenters.1.zone", "\"2\""}}, "datacenter east-1", "'1/2' is no availability zone", "\"2\""},
	};
	static const struct rule of_clusters[] = {
		{{{"devices.0.azure.name_scope", "\"Never\""}}, "device hsm-east", "'name_scope' cannot be 'Never'",
		 "NoReuse"},
		{{{"devices.0.azure.name_scope", "\"ResourceGroupReuse\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.sku", "\"Standard B10\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.identity", "\"" IDENTITY "\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.identity", "\"i\""}}, "device hsm-east", "'identity' is no id",
		 "userAssignedIdentities/…"},
		{{{"devices.0.azure.identity", "\"" HUB "\""}}, "device hsm-east", "'identity' is no id",
		 "ManagedIdentity"},
		{{{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e/x\""}}, "device hsm-east",
		 "'endpoint' is no id",
		 "privateEndpoints/…"},
		{{{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e?x\""}}, "device hsm-east",
		 "'endpoint' is no id",
		 "privateEndpoints/…"},
		{{{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e\""},
		  {"devices.1.azure.endpoint", "\"" LANDING "/PrivateEndpoints/E\""}}, "device hsm-west",
		 "also that of device 'hsm-east'", "serves nothing else"},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_clusters);
}

static void address_plans(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.regions.0.address_space", NULL}}, "region east", "'address_space' is missing", "10.2.0.0/16"},
		{{{"azure.regions.0.address_space", "[\"10.2.0.0/16\",\"10.2.128.0/17\"]"}}, "region east",
		 "10.2.0.0/16 and 10.2.128.0/17 overlap", "smaller"},
		{{{"azure.regions.0.address_space.0", "\"10.2.0.9/16\""}}, "region east",
		 "'address_space': '10.2.0.9/16'",
		 "10.2.0.0/16"},
		{{{"azure.regions.0.address_space", "[\"10.2.0.0/16\",\"169.254.7.0/24\"]"}}, "region east",
		 "169.254.7.0/24 overlaps 169.254.0.0/16", "private"},
		{{{"azure.regions.0.gateway_subnet", "\"10.2.255.0/28\""}}, "region east",
		 "GatewaySubnet has to be /27 or larger", "\"gateway_subnet\": \"10.2.2.0/26\""},
		{{{"azure.regions.0.hsm_subnet", "\"10.2.1.0/30\""}, {"devices.0.azure.address", NULL},
		  {"devices.1.azure.address", NULL}}, "region east", "has to be /29",
		 "\"hsm_subnet\": \"10.2.1.0/24\""},
		{{{"azure.regions.0.hsm_subnet", "\"10.9.1.0/24\""}, {"devices.0.azure.address", NULL},
		  {"devices.1.azure.address", NULL}}, "region east", "not inside the address space",
		 "\"hsm_subnet\": \"10.2.1.0/24\""},
		{{{"azure.regions.0.client_subnet", "\"10.2.1.0/24\""}}, "region east",
		 "'client_subnet' 10.2.1.0/24 and 'hsm_subnet' 10.2.1.0/24 overlap", "\"hsm_subnet\": \"10.2.0.0/24\""},
		{{{"azure.regions.0.client_subnet", "\"10.2.0.0\""}}, "region east", "'client_subnet': '10.2.0.0'",
		 "10.2.0.0/16"},
		{{{"azure.regions.0.address_space", "[\"10.2.0.0/24\",\"10.2.1.0/24\",\"10.2.255.0/24\"]"}}, NULL, NULL,
		 NULL},
		{{{"azure.regions.1.address_space", "[\"10.3.0.0/16\",\"10.2.128.0/24\"]"}}, "region west",
		 "10.2.128.0/24 overlaps 10.2.0.0/16 of region 'east'", "range of its own"},
		{{{"azure.regions.1.address_space", "[\"10.3.0.0/16\",\"10.2.128.0/24\"]"},
		  {"azure.connection", "\"none\""}}, NULL, NULL, NULL},
		{{{"devices.0.azure.address", "\"10.2.1.300\""}}, "device hsm-east-1", "no IPv4 address", "255"},
		{{{"devices.0.azure.address", "\"10.2.2.5\""}}, "device hsm-east-1",
		 "not in the HSM subnet 10.2.1.0/24",
		 "\"address\": \"10.2.1.4\""},
		{{{"devices.0.azure.address", "\"10.2.1.3\""}}, "device hsm-east-1", "Azure keeps",
		 "\"address\": \"10.2.1.4\""},
		{{{"devices.0.azure.address", "\"10.2.1.255\""}}, "device hsm-east-1", "Azure keeps", "10.2.1.4"},
		{{{"devices.0.azure.address", "\"10.2.1.6\""}}, "device hsm-east-2",
		 "10.2.1.6 is that of device 'hsm-east-1'",
		 "10.2.1.4"},
		{{{"devices.0.azure.address", NULL}}, NULL, NULL, NULL},
	};

	(void)state;
	RULES(NULL, rules);
}

static void what_regions_must_have(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.regions.0.hsm_subnet", NULL}}, "region east", "'hsm_subnet' is missing", "\"10.2.1.0/24\""},
		{{{"azure.regions.0.gateway_subnet", NULL}}, "region east", "ExpressRoute gateway", "\"10.2.2.0/26\""},
		{{{"azure.regions.0.client_subnet", NULL}}, NULL, NULL, NULL},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_ER)}}, "region east",
		 "'gateway_subnet' is missing: the VPN gateway stands there", "make it there, and write its id"},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_VPN)}}, "region east",
		 "'gateway_subnet' is missing: the ExpressRoute gateway stands there",
		 "make it there, and write its id"},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_ER HUB_VPN)}}, NULL, NULL, NULL},
	};
	static const struct rule of_clusters[] = {
		{{{"azure.regions.0.client_subnet", NULL}}, "region east", "private endpoints", "\"10.2.0.0/24\""},
		{{{"azure.regions.0.client_subnet", NULL},
		  {"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e\""}}, NULL, NULL, NULL},
		{{{"azure.regions.0.hsm_subnet", NULL}, {"azure.regions.0.gateway_subnet", NULL}}, NULL, NULL, NULL},
		{{{"azure.connection", "\"vpn\""}, {"azure.regions.0.gateway_subnet", NULL}}, "region east",
		 "the VPN gateway",
		 "\"10.2.2.0/26\""},
		{{{"azure.regions.0.express_route_gateway", "\"Standard\""}, {"azure.regions.0.gateway_subnet", NULL}},
		 "region east", "the ExpressRoute gateway", "\"10.2.2.0/26\""},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_clusters);
}

static void gateways_and_connections(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.regions.0.express_route_gateway", "\"VpnGw1\""}}, "region east", "no ExpressRoute gateway",
		 "Standard"},
		{{{"azure.regions.0.express_route_gateway", "\"ErGw9\""}}, NULL, NULL, NULL},
		{{{"azure.regions.0.vpn_gateway", "\"ErGw1AZ\""}}, "region east", "no VPN gateway", "VpnGw1"},
		{{{"azure.regions.0.vpn_gateway", "\"basic\""}}, "region east", "SKU Basic", "VpnGw1"},
		{{{"azure.regions.0.vpn_gateway", "\"VpnGw9AZ\""}}, NULL, NULL, NULL},
		{{{"azure.connection", "\"peering\""}}, "azure", "cannot be reached through a peering", "vpn"},
		{{{"azure.connection", "\"peering\""}, {"azure.regions.1.location", "\"EastUS\""}}, NULL, NULL, NULL},
	};

	(void)state;
	RULES(NULL, rules);
}

static void what_exists_already(void **state)
{
	static const struct rule rules[] = {
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_GATEWAYS)}}, NULL, NULL, NULL},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_GATEWAYS)},
		  {"azure.regions.0.network",
		   "\"/SUBSCRIPTIONS/00000000-0000-4000-8000-000000000009/RESOURCEGROUPS/landing/Providers/"
		   "microsoft.network/VIRTUALNETWORKS/Hub\""}}, NULL, NULL, NULL},
		{{{"azure.regions.0.hsm_subnet", "\"" HUB "/subnets/hsms\""}}, "region east",
		 "'hsm_subnet' is a subnet of another network", "\"network\": \"" HUB "\""},
		{{{"azure.regions.0.hsm_subnet", "\"" LANDING "/routeTables/r\""}}, "region east",
		 "'hsm_subnet' is no id", "subnets/…"},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_GATEWAYS)},
		  {"azure.regions.0.gateway_subnet", "\"" HUB "/subnets/gw\""}},
		 "region east", "GatewaySubnet only", "/subnets/GatewaySubnet"},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "hsms", HUB_GATEWAYS)},
		  {"azure.regions.0.gateway_subnet", "\"" HUB "/subnets/gatewaysubnet\""}}, NULL, NULL, NULL},
		{{{"azure.regions.0.vpn_gateway", "\"" HUB "\""}}, "region east", "'vpn_gateway' is no id",
		 "virtualNetworkGateways/…"},
		{{{"azure.regions.0.express_route_gateway", "\"" HUB "\""}}, "region east",
		 "'express_route_gateway' is no id", "virtualNetworkGateways/…"},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "A", HUB_GATEWAYS)},
		  {"azure.regions.0.client_subnet", "\"" HUB "/subnets/a\""}}, "region east",
		 "subnet A is also that of region 'east'", "serves nothing else"},
		/* One network of somebody else may be that of several regions, and so may its gateways. */
		{{{"azure.regions.0", IN_HUB("east", "eastus", "a", HUB_ER HUB_VPN)},
		  {"azure.regions.1", IN_HUB("west", "eastus", "b", HUB_ER HUB_VPN)}}, NULL, NULL, NULL},
		{{{"azure.regions.0", IN_HUB("east", "eastus", "a", HUB_ER HUB_VPN)},
		  {"azure.regions.1", IN_HUB("west", "eastus", "a", HUB_ER HUB_VPN)}}, "region west",
		 "subnet a is also that of region 'east'", "serves nothing else"},
	};
	/* Nothing but the network is wrong. */
	static const struct edit bare[] = {
		CLOUD_EDITS, {"azure.connection", "\"none\""},
		{"azure.regions.0", "{\"name\":\"east\",\"location\":\"eastus\",\"network\":\"" HUB "\"}"},
		{"devices.0.azure.endpoint", "\"" LANDING "/privateEndpoints/e\""}, {0},
	};
	static const struct rule of_networks[] = {
		{{{0}}, NULL, NULL, NULL},
		{{{"azure.regions.0.network", "\"/networks/hub\""}}, "region east", "'network' is no id",
		 "virtualNetworks/…"},
		{{{"azure.regions.0.network", "\"" LANDING "/publicIPAddresses/hub\""}}, "region east",
		 "'network' is no id", "virtualNetworks/…"},
		{{{"azure.regions.0.network",
		 "\"/subscriptions/me/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v\""}},
		 "region east", "'network' is no id", "virtualNetworks/…"},
		{{{"azure.regions.0.client_subnet", "\"10.2.0.0/24\""}}, "region east",
		 "'client_subnet': no subnet is made in a network that is named by its id", "make it there"},
		{{{"azure.regions.0.hsm_subnet", "\"10.2.0.0/24\""}}, "region east",
		 "'hsm_subnet': no subnet is made", "write its id"},
		{{{"azure.regions.0.gateway_subnet", "\"10.2.0.0/24\""}}, "region east",
		 "'gateway_subnet': no subnet is made", "\"gateway_subnet\""},
		{{{"azure.connection", "\"peering\""}}, "region east",
		 "no peering is written into a network that is named by its id", "\"connection\": \"none\""},
		{{{"azure.connection", NULL}}, "region east", "no peering is written", "\"connection\": \"none\""},
		{{{"devices.0.azure.endpoint", NULL}}, "region east",
		 "'client_subnet' is missing: the private endpoints", "make it there, and write its id"},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(bare, of_networks);
}

static void everything_is_named_at_once(void **state)
{
	static const struct edit edits[] = {
		{"azure.subscription", NULL},
		{"azure.tags", "{\"a?\":\"1\"}"},
		{"azure.regions.0.gateway_subnet", "\"10.2.255.0/28\""},
		{"azure.regions.1.address_space", "[\"10.2.0.0/16\"]"},
		{"datacenters.0.stamp", "\"one\""},
		{"devices.0.azure.address", "\"10.2.1.1\""},
		{"devices.1.azure.sku", "\"payShield10K_LMK1_CPS60\""},
		{"devices.2.azure.name", "\"x\""},
		{0},
	};
	static const char *const told[] = {
		"azure: no subscription", "azure: tag 'a?'", "region east: 'gateway_subnet'",
		"region west: 'client_subnet': 10.3.0.0/24 is not inside", "region west: 'hsm_subnet': 10.3.1.0/24",
		"region west: 'gateway_subnet': 10.3.255.0/26", "region west: 'address_space': 10.2.0.0/16 overlaps",
		"datacenter east-1:", "device hsm-east-1: the address 10.2.1.1", "device hsm-east-2: hsmctl shows",
		"device hsm-west-1: 'x' is no name",
	};
	owned(fleet) struct fleet *fleet = edited(edits, NULL);
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err;

	(void)state;
	preflight(fleet, &plan);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (!strstr(all_of(&plan), told[i]))
			fail_msg("no '%s' in\n%s", told[i], all_of(&plan));
	assert_int_equal(plan.n_problems, sizeof(told) / sizeof(told[0]));
	assert_int_equal(provider_plan_check(&plan, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "11 problems stand in the way"));
}

/* Ranges that are proposed for what is missing do not overlap either. */
static void what_is_proposed_fits(void **state)
{
	static const struct edit edits[] = {
		{"azure.regions.0.hsm_subnet", NULL}, {"azure.regions.0.gateway_subnet", NULL},
		{"azure.regions.0.client_subnet", "\"10.2.0.0/25\""}, {0},
	};
	owned(fleet) struct fleet *fleet = edited(edits, NULL);
	owned(provider_plan) struct provider_plan plan = {0};

	(void)state;
	preflight(fleet, &plan);
	assert_int_equal(plan.n_problems, 2);
	assert_string_equal(plan.problems[0].hint, "write \"hsm_subnet\": \"10.2.1.0/24\"");
	assert_string_equal(plan.problems[1].hint, "write \"gateway_subnet\": \"10.2.0.128/26\"");
}

static int preflight_once(const struct fleet *fleet)
{
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err = {0};

	return azure_preflight_document(fleet, &plan, &err);
}

static void it_survives_a_lack_of_memory(void **state)
{
	static const struct edit edits[] = {
		{"azure.regions",
		 "[{\"name\":\"east\",\"location\":\"east us\",\"network\":\"/x\",\"address_space\":[\"10.2.0.0/16\"],"
				  "\"hsm_subnet\":\"10.2.1.0/30\"}]"},
		{"datacenters",
		 "[{\"name\":\"e\",\"region\":\"east\",\"provider\":\"azure-dedicated-hsm\",\"stamp\":\"stamp1\"}]"},
		{"devices", "[{\"name\":\"a_b\",\"datacenter\":\"e\",\"azure\":{\"address\":\"10.2.1.1\"}}]"},
		{0},
	};
	owned(fleet) struct fleet *fleet = edited(edits, NULL);

	(void)state;
	assert_survives_no_memory(preflight_once(fleet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(where_it_is),
		cmocka_unit_test(tags),
		cmocka_unit_test(names),
		cmocka_unit_test(devices),
		cmocka_unit_test(address_plans),
		cmocka_unit_test(what_regions_must_have),
		cmocka_unit_test(gateways_and_connections),
		cmocka_unit_test(what_exists_already),
		cmocka_unit_test(everything_is_named_at_once),
		cmocka_unit_test(what_is_proposed_fits),
		cmocka_unit_test(it_survives_a_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
