/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_fleet.h"

#include <pthread.h>
#include <strings.h>

#include "provider/azure/preflight.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { EDITS = 6, ANSWERS = 5 };

/* ---- a subscription that answers ---- */

/* What is at an id: JSON; NULL: refused; "": not there. The list ends with an id that is NULL. */
struct answer {
	const char *id, *json;
	enum err_code code;	/* of a refusal */
};

#define PROVIDERS "/subscriptions/" SUBSCRIPTION "/providers/"
#define HSM_PROVIDER PROVIDERS "Microsoft.HardwareSecurityModules"
#define NETWORK_PROVIDER PROVIDERS "Microsoft.Network"
#define FEATURES PROVIDERS "Microsoft.Features/providers/"
#define HSM_FEATURE FEATURES "Microsoft.HardwareSecurityModules/features/AzureDedicatedHSM"
#define NETWORK_FEATURE FEATURES "Microsoft.Network/features/AllowBaremetalServers"
#define HSM_LIST HSM_PROVIDER "/dedicatedHSMs"

#define LOCATIONS "\"locations\":[\"East US\",\"West US\",\"East US 2\"],"
#define HSM_TYPES(locations, mappings)                                                                               \
	"{\"registrationState\":\"Registered\",\"resourceTypes\":["                                                  \
	"{\"resourceType\":\"dedicatedhsms\"," locations "\"apiVersions\":[\"2021-11-30\",\"2025-03-31\"],"          \
	"\"zoneMappings\":" mappings "},"                                                                            \
	"{\"resourceType\":\"cloudHsmClusters\"," locations "\"apiVersions\":[\"2025-03-31\"]}]}"
#define NETWORK_TYPES(state)                                                                                         \
	"{\"registrationState\":\"" state "\",\"resourceTypes\":["                                                   \
	"{\"resourceType\":\"virtualNetworks\"," LOCATIONS "\"apiVersions\":[\"2024-01-01\"]}]}"
#define STATE(state) "{\"properties\":{\"state\":\"" state "\"}}"

static const struct answer usual[] = {
	{HSM_PROVIDER, HSM_TYPES(LOCATIONS, "[{\"location\":\"East US 2\",\"zones\":[\"1\",\"2\",\"3\"]}]"), 0},
	{NETWORK_PROVIDER, NETWORK_TYPES("Registered"), 0},
	{HSM_FEATURE, STATE("Registered"), 0},
	{NETWORK_FEATURE, STATE("Registered"), 0},
	{HSM_LIST, "[]", 0},
	{0},
};

static const struct answer *changed;	/* instead of the usual ones */
static enum err_code all_fail;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t asked;

static const struct answer *find(const struct answer *answers, const char *id)
{
	for (; answers && answers->id; answers++)
		if (strcasecmp(answers->id, id) == 0)
			return answers;
	return NULL;
}

static int answer(const char *id, struct json_tree **ret, struct err *err)
{
	const struct answer *a = find(changed, id) ? find(changed, id) : find(usual, id);

	pthread_mutex_lock(&lock);
	asked++;
	pthread_mutex_unlock(&lock);
	if (all_fail)
		return err_set(err, all_fail, "no token: AADSTS7000215");
	if (!a || (a->json && !*a->json))
		return 0;
	if (!a->json)
		return err_set(err, a->code, "AuthorizationFailed (403)");
	return json_tree_parse(a->json, strlen(a->json), id, ret, err) < 0 ? -ERR_INVALID : 1;
}

int arm_get(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret, struct err *err)
{
	(void)arm;
	return api_version ? answer(id, ret, err) : err_set(err, ERR_USAGE, "no api-version");
}

int arm_list(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret, struct err *err)
{
	(void)arm;
	return api_version ? answer(id, ret, err) : err_set(err, ERR_USAGE, "no api-version");
}

/* ---- asking it ---- */

static int ask(const struct fleet *fleet, struct provider_plan *ret, struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	struct azure_session session = {0};

	lay_out(fleet, &layout);
	asked = 0;
	return azure_preflight_live(&session, &layout, ret, err);
}

static const char *all_of(const struct provider_plan *plan)
{
	static char text[8192];
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < plan->n_problems && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s: %s (%s)\n", plan->problems[i].subject,
					 plan->problems[i].text, plan->problems[i].hint ? plan->problems[i].hint : "");
	return text;
}

struct rule {
	struct edit edits[EDITS];
	struct answer answers[ANSWERS];
	const char *subject, *says, *hint;	/* subject NULL: nothing is wrong */
};

static void check_rules(const struct edit *base, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &rules[i];
		owned(fleet) struct fleet *fleet = edited(base, r->edits);
		owned(provider_plan) struct provider_plan plan = {0};
		struct err err = {0};

		changed = r->answers;
		assert_int_equal(ask(fleet, &plan, &err), 0);
		changed = NULL;
		if (plan.n_problems != (r->subject ? 1 : 0))
			fail_msg("rule %zu: %zu problems\n%s", i, plan.n_problems, all_of(&plan));
		if (r->subject && (!str_eq(plan.problems[0].subject, r->subject) ||
				   !strstr(plan.problems[0].text, r->says) ||
				   (r->hint && !strstr(plan.problems[0].hint, r->hint))))
			fail_msg("rule %zu: %s", i, all_of(&plan));
	}
}

#define RULES(base, rules) check_rules(base, rules, COUNT(rules))
#define ONE(id, json) {{id, json, 0}}

static const struct edit cloud[] = {CLOUD_EDITS, {0}};

static void the_subscription(void **state)
{
	static const struct rule rules[] = {
		{{{0}}, {{0}}, NULL, NULL, NULL},
		{{{0}}, ONE(NETWORK_PROVIDER, NETWORK_TYPES("NotRegistered")), "azure",
		 "Microsoft.Network: NotRegistered",
		 "az provider register --namespace Microsoft.Network"},
		{{{0}}, ONE(NETWORK_PROVIDER, NETWORK_TYPES("Registering")), "azure", "Registering", "wait"},
		{{{0}}, ONE(NETWORK_PROVIDER, ""), "azure", "NotRegistered", "az provider register"},
		{{{0}}, ONE(HSM_FEATURE, STATE("Pending")), "azure", "AzureDedicatedHSM is Pending",
		 "hsmrequest@microsoft.com"},
		{{{0}}, ONE(HSM_FEATURE, STATE("NotRegistered")), "azure", "AzureDedicatedHSM: NotRegistered",
		 "az feature register --namespace Microsoft.HardwareSecurityModules --name AzureDedicatedHSM"},
		{{{0}}, ONE(NETWORK_FEATURE, ""), "azure", "Microsoft.Network/AllowBaremetalServers: NotRegistered",
		 "--name AllowBaremetalServers"},
		{{{0}}, {{HSM_FEATURE, NULL, ERR_DENIED}}, "azure",
		 "cannot ask about AzureDedicatedHSM: AuthorizationFailed", NULL},
		{{{0}}, {{HSM_PROVIDER, NULL, ERR_DENIED}}, "azure",
		 "cannot ask about Microsoft.HardwareSecurityModules: AuthorizationFailed", NULL},
		{{{0}}, {{HSM_LIST, NULL, ERR_DENIED}}, "azure",
		 "cannot ask about the dedicated HSMs of the subscription", NULL},
	};
	static const struct rule of_clusters[] = {
		/* They need no features. */
		{{{0}}, {{HSM_FEATURE, "", 0}, {NETWORK_FEATURE, "", 0}}, NULL, NULL, NULL},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_clusters);
}

static void what_locations_offer(void **state)
{
	static const struct edit in_east2[] = {{"azure.regions.0.location", "\"eastus2\""}, {0}};
	static const struct rule rules[] = {
		{{{"azure.regions.1.location", "\"westeurope\""}}, {{0}}, "region west",
		 "no location 'westeurope' for networks",
		 "list-locations"},
		{{{0}}, ONE(HSM_PROVIDER, HSM_TYPES("\"locations\":[\"West US\",\"UK West\"],", "[]")), "region east",
		 "no dedicated HSMs in eastus", "West US, UK West"},
		{{{0}}, ONE(HSM_PROVIDER, "{\"registrationState\":\"Registered\"}"), NULL, NULL, NULL},
		{{{"azure.dedicated_hsm_api", "\"2018-10-31-preview\""}}, {{0}}, "azure",
		 "dedicatedHSMs does not speak api-version 2018-10-31-preview", "2021-11-30, 2025-03-31"},
		{{{"azure.network_api", "\"2019-01-01\""}}, {{0}}, "azure", "virtualNetworks does not speak",
		 "network_api"},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1\""}, {"datacenters.1.stamp", NULL},
		  {"datacenters.1.zone", "\"2\""}, {"azure.regions.0.location", "\"eastus2\""}}, {{0}}, NULL, NULL,
		 NULL},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"7\""}, {"datacenters.1.stamp", NULL},
		  {"datacenters.1.zone", "\"2\""}, {"azure.regions.0.location", "\"eastus2\""}}, {{0}},
		 "datacenter east-1",
		 "eastus2 has no availability zone '7'", "1, 2, 3"},
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1\""}}, {{0}}, "datacenter east-1",
		 "eastus has no availability zones: use \"stamp\" instead of \"zone\"", "stamp1"},
		/* Of a service that says nothing about zones nothing follows. */
		{{{"datacenters.0.stamp", NULL}, {"datacenters.0.zone", "\"1\""}},
		 ONE(HSM_PROVIDER, HSM_TYPES(LOCATIONS, "[]")), NULL, NULL, NULL},
	};
	static const struct rule of_clusters[] = {
		{{{0}}, ONE(HSM_PROVIDER, HSM_TYPES("\"locations\":[\"East US\"],", "[]")), "region west",
		 "no Cloud HSM clusters in westus", "East US"},
	};
	owned(fleet) struct fleet *fleet = edited(in_east2, NULL);
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err;

	(void)state;
	RULES(NULL, rules);
	RULES(cloud, of_clusters);
	assert_int_equal(ask(fleet, &plan, &err), 0);
	assert_int_equal(plan.n_problems, 2);
	assert_string_equal(plan.problems[0].subject, "datacenter east-1");
	assert_string_equal(plan.problems[0].text, "eastus2 has availability zones: use \"zone\" instead of \"stamp\"");
	assert_string_equal(plan.problems[0].hint, "write \"zone\" with one of: 1, 2, 3");
}

#define OTHER(n, location, stamp)                                                                                    \
	"{\"id\":\"/subscriptions/" SUBSCRIPTION "/resourceGroups/other/providers/"                                  \
	"Microsoft.HardwareSecurityModules/dedicatedHSMs/" n "\",\"location\":\"" location "\","                     \
	"\"sku\":{\"name\":\"SafeNet Luna Network HSM A790\"},\"properties\":{\"stampId\":\"" stamp "\"}}"
#define PAYMENT(n)                                                                                                   \
	"{\"id\":\"/p/" n "\",\"location\":\"eastus\",\"sku\":{\"name\":\"payShield10K_LMK1_CPS60\"},"               \
	"\"properties\":{\"stampId\":\"stamp1\"}}"
#define OURS(n)                                                                                                      \
	"{\"id\":\"/SUBSCRIPTIONS/" SUBSCRIPTION "/resourcegroups/TWO-REGIONS/providers/"                            \
	"Microsoft.HardwareSecurityModules/dedicatedhsms/hsm-east-" n "\",\"location\":\"eastus\","                  \
	"\"sku\":{\"name\":\"SafeNet Luna Network HSM A790\"},\"properties\":{\"stampId\":\"stamp" n "\"}}"

static void quota(void **state)
{
	static const struct rule rules[] = {
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "eastus", "stamp1") "]"), NULL, NULL, NULL},
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "East US", "stamp1") "," OTHER("b", "eastus", "stamp1") "]"),
		 "datacenter east-1", "3 dedicated HSMs in stamp1 of eastus, 2 that exist and 1 to be made",
		 "hsms_per_stamp"},
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "eastus", "stamp3") "," OTHER("b", "eastus", "stamp3") ","
			    OTHER("c", "eastus", "stamp4") "]"), "region east",
		 "5 dedicated HSMs in eastus, 3 that exist and 2 to be made, are more than the quota of 4",
		 "raise"},
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "westeurope", "stamp1") "," OTHER("b", "westeurope",
		 "stamp1") "]"),
		 NULL, NULL, NULL},
		{{{0}}, ONE(HSM_LIST, "[" PAYMENT("a") "," PAYMENT("b") "]"), NULL, NULL, NULL},
		/* Ours exist already. */
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "eastus", "stamp1") "," OURS("1") "," OURS("2") "]"), NULL, NULL,
		 NULL},
		/* Who has three in a stamp has had the quota raised. */
		{{{0}}, ONE(HSM_LIST, "[" OTHER("a", "eastus", "stamp1") "," OTHER("b", "eastus", "stamp1") ","
			    OTHER("c", "eastus", "stamp1") "]"), "region east", "5 dedicated HSMs", "raise"},
		{{{"devices.1.datacenter", "\"east-1\""}, {"devices.2.datacenter", "\"east-1\""},
		  {"devices.2.azure.address", "\"10.2.1.9\""}}, {{0}}, "datacenter east-1",
		 "3 dedicated HSMs in stamp1 of eastus, 0 that exist and 3 to be made", "spread"},
		/* Who had it raised may say so. */
		{{{"azure.hsms_per_stamp", "3"}},
		 ONE(HSM_LIST, "[" OTHER("a", "eastus", "stamp1") "," OTHER("b", "eastus", "stamp1") "]"), NULL, NULL, NULL},
	};
	/* What exists needs no feature and no zone any more. */
	static const struct rule made[] = {
		{{{"devices", "[{\"name\":\"hsm-east-1\",\"datacenter\":\"east-1\",\"azure\":{}}]"}},
		 {{HSM_LIST, "[" OURS("1") "]", 0}, {HSM_FEATURE, "", 0}, {NETWORK_FEATURE, STATE("Pending"), 0}},
		 NULL, NULL, NULL},
	};

	(void)state;
	RULES(NULL, rules);
	RULES(NULL, made);
}

#define ER LANDING "/virtualNetworkGateways/er"
#define VPN LANDING "/virtualNetworkGateways/vpn"
#define HUB_JSON "{\"location\":\"East US\"}"
#define SUBNET(more) "{\"properties\":{\"addressPrefix\":\"10.2.1.0/24\"" more "}}"
#define DELEGATED                                                                                                    \
	",\"delegations\":[{\"properties\":{\"serviceName\":\"microsoft.hardwaresecuritymodules/dedicatedHSMs\"}}]"
#define GATEWAY(type, more)                                                                                          \
	"{\"properties\":{\"gatewayType\":\"" type "\",\"ipConfigurations\":[{\"properties\":{\"subnet\":"          \
	"{\"id\":\"" HUB "/subnets/GatewaySubnet\"}}}]" more "}}"

static const struct edit external[] = {
	{"azure.regions.0.network", "\"" HUB "\""},
	{"azure.regions.0.hsm_subnet", "\"" HUB "/subnets/dhsm\""},
	{"azure.regions.0.gateway_subnet", "\"" HUB "/subnets/GatewaySubnet\""},
	{"azure.regions.0.express_route_gateway", "\"" ER "\""},
	{"azure.regions.0.vpn_gateway", "\"" VPN "\""},
	{0},
};

/* What external names, all of it as it should be. */
static const struct answer landing[] = {
	{HUB, HUB_JSON, 0},
	{HUB "/subnets/dhsm", SUBNET(DELEGATED), 0},
	{HUB "/subnets/GatewaySubnet", "{\"properties\":{\"addressPrefixes\":[\"10.2.255.0/26\"]}}", 0},
	{ER, GATEWAY("ExpressRoute", ",\"provisioningState\":\"Succeeded\""), 0},
	{VPN, GATEWAY("Vpn", ",\"provisioningState\":\"SUCCEEDED\",\"sku\":{\"name\":\"VpnGw1\"}"), 0},
	{0},
};

struct fit {
	struct answer answer;	/* instead of one of the landing's */
	size_t n;
	const char *subject, *says, *hint;
};

static void what_exists_has_to_fit(void **state)
{
	static const struct fit fits[] = {
		{{"none", "", 0}, 0, NULL, NULL, NULL},
		{{HUB, "", 0}, 1, "region east", "virtual network hub does not exist: '" HUB "'", "correct its id"},
		{{HUB, "{\"location\":\"westus\"}", 0}, 1, "region east", "hub is in westus, not in eastus",
		 "\"westus\""},
		{{HUB, NULL, ERR_DENIED}, 1, "region east", "cannot ask about virtual network hub: AuthorizationFailed",
		 NULL},
		{{HUB "/subnets/dhsm", SUBNET(""), 0}, 1, "region east",
		 "subnet dhsm is not delegated to Microsoft.HardwareSecurityModules/dedicatedHSMs", "--delegations"},
		{{HUB "/subnets/dhsm", SUBNET(DELEGATED ",\"networkSecurityGroup\":{\"id\":\"x\"}"), 0}, 1,
		 "region east",
		 "subnet dhsm has a network security group", "take it off"},
		{{HUB "/subnets/dhsm", SUBNET(DELEGATED ",\"routeTable\":{\"id\":\"x\"},\"networkSecurityGroup\":null"),
		 0},
		 1, "region east", "subnet dhsm has a route table", "take it off"},
		{{HUB "/subnets/dhsm", "{\"properties\":{\"addressPrefix\":\"10.9.1.0/24\"" DELEGATED "}}", 0}, 2,
		 "device hsm-east-1", "the address 10.2.1.5 is none", "leave \"address\" out"},
		{{HUB "/subnets/GatewaySubnet", "{\"properties\":{\"addressPrefix\":\"10.2.255.0/28\"}}", 0}, 1,
		 "region east",
		 "GatewaySubnet is a /28; gateways need a /27", "enlarge"},
		{{ER, GATEWAY("Vpn", ""), 0}, 1, "region east", "gateway er is of type Vpn, not ExpressRoute",
		 "express_route_gateway"},
		{{ER, GATEWAY("ExpressRoute", ",\"provisioningState\":\"Updating\""), 0}, 1, "region east",
		 "gateway er is in state Updating", "ready"},
		{{ER,
		 "{\"properties\":{\"gatewayType\":\"ExpressRoute\",\"ipConfigurations\":[{\"properties\":{\"subnet\":{"
		      "\"id\":\"" HUB "2/subnets/GatewaySubnet\"}}}]}}", 0}, 1, "region east",
		 "gateway er stands in another network", "region's network"},
		{{VPN, GATEWAY("Vpn", ",\"sku\":{\"name\":\"Basic\"}"), 0}, 1, "region east", "SKU Basic",
		 "vpn_gateway"},
		{{VPN, GATEWAY("ExpressRoute", ""), 0}, 1, "region east",
		 "gateway vpn is of type ExpressRoute, not Vpn",
		 "vpn_gateway"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(fits); i++) {
		struct answer answers[COUNT(landing) + 1];
		owned(fleet) struct fleet *fleet = edited(external, NULL);
		owned(provider_plan) struct provider_plan plan = {0};
		struct err err;

		answers[0] = fits[i].answer;
		memcpy(answers + 1, landing, sizeof(landing));
		changed = answers;
		assert_int_equal(ask(fleet, &plan, &err), 0);
		changed = NULL;
		if (plan.n_problems != fits[i].n)
			fail_msg("case %zu: %s", i, all_of(&plan));
		if (fits[i].n && (!str_eq(plan.problems[0].subject, fits[i].subject) ||
				  !strstr(plan.problems[0].text, fits[i].says) ||
				  (fits[i].hint && !strstr(plan.problems[0].hint, fits[i].hint))))
			fail_msg("case %zu: %s", i, all_of(&plan));
	}
}

#define ENDPOINT LANDING "/privateEndpoints/e"
#define LEADS(list, id) "{\"properties\":{\"" list "\":[{\"properties\":{\"privateLinkServiceId\":\"" id "\"}}]}}"

static void what_clusters_name_has_to_fit(void **state)
{
	static const struct rule rules[] = {
		{{{"devices.0.azure.identity", "\"" IDENTITY "\""}}, ONE(IDENTITY, "{}"), NULL, NULL, NULL},
		{{{"devices.0.azure.identity", "\"" IDENTITY "\""}}, {{0}}, "device hsm-east",
		 "its identity does not exist: '"
		 IDENTITY, "correct its id"},
		{{{"devices.0.azure.identity", "\"" IDENTITY "\""}}, {{IDENTITY, NULL, ERR_DENIED}}, "device hsm-east",
		 "cannot ask about its identity", NULL},
		{{{"devices.0.azure.endpoint", "\"" ENDPOINT "\""}},
		 ONE(ENDPOINT, LEADS("privateLinkServiceConnections", HSMS "/cloudhsmclusters/HSM-EAST")), NULL, NULL,
		 NULL},
		{{{"devices.0.azure.endpoint", "\"" ENDPOINT "\""}},
		 ONE(ENDPOINT, LEADS("manualPrivateLinkServiceConnections", HSMS "/cloudHsmClusters/hsm-east")), NULL,
		 NULL, NULL},
		{{{"devices.0.azure.endpoint", "\"" ENDPOINT "\""}},
		 ONE(ENDPOINT, LEADS("privateLinkServiceConnections", HSMS "/cloudHsmClusters/hsm-west")),
		 "device hsm-east",
		 "private endpoint e leads to another resource", "\"endpoint\""},
		{{{"devices.0.azure.endpoint", "\"" ENDPOINT "\""}}, {{0}}, "device hsm-east", "does not exist",
		 "correct"},
	};

	(void)state;
	RULES(cloud, rules);
}

static void when_nothing_is_answered_there_is_one_problem(void **state)
{
	owned(fleet) struct fleet *fleet = edited(external, NULL);
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err;

	(void)state;
	all_fail = ERR_DENIED;
	assert_int_equal(ask(fleet, &plan, &err), 0);
	all_fail = ERR_OK;
	assert_int_equal(asked, 10);
	assert_int_equal(plan.n_problems, 1);
	assert_string_equal(plan.problems[0].subject, "azure");
	assert_non_null(strstr(plan.problems[0].text, "AADSTS7000215"));
	assert_int_equal(plan.problems[0].code, ERR_DENIED);
}

static void being_cancelled_is_no_problem_of_the_fleet(void **state)
{
	owned(fleet) struct fleet *fleet = example();
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err;

	(void)state;
	all_fail = ERR_INTERRUPTED;
	assert_int_equal(ask(fleet, &plan, &err), -ERR_INTERRUPTED);
	all_fail = ERR_OK;
	assert_int_equal(plan.n_problems, 0);
}

static void without_a_subscription_nobody_is_asked(void **state)
{
	owned(fleet) struct fleet *fleet = edited((const struct edit[]){{"azure.subscription", NULL}, {0}}, NULL);
	owned(provider_plan) struct provider_plan plan = {0};
	struct err err;

	(void)state;
	assert_int_equal(ask(fleet, &plan, &err), 0);
	assert_int_equal(asked + plan.n_problems, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_subscription),
		cmocka_unit_test(what_locations_offer),
		cmocka_unit_test(quota),
		cmocka_unit_test(what_exists_has_to_fit),
		cmocka_unit_test(what_clusters_name_has_to_fit),
		cmocka_unit_test(when_nothing_is_answered_there_is_one_problem),
		cmocka_unit_test(being_cancelled_is_no_problem_of_the_fleet),
		cmocka_unit_test(without_a_subscription_nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
