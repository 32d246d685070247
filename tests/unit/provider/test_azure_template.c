/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_fleet.h"

#include <ctype.h>

#include "provider/azure/template.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TEXT_MAX = 1 << 20 };

static const struct edit cloud[] = {CLOUD_EDITS, {0}};
/* All subnets and gateways of the east are somebody else's. */
static const struct edit external[] = {
	{"azure.regions.0.network", "\"" HUB "\""},
	{"azure.regions.0.hsm_subnet", "\"" HUB "/subnets/dhsm\""},
	{"azure.regions.0.client_subnet", "\"" HUB "/subnets/people\""},
	{"azure.regions.0.gateway_subnet", "\"" HUB "/subnets/GatewaySubnet\""},
	{"azure.regions.0.express_route_gateway", "\"" LANDING "/virtualNetworkGateways/er\""},
	{0},
};

typedef int spell(const struct azure_layout *layout, struct buf *ret, struct err *err);

/* The text of a fleet; the caller frees it. */
static char *spelled(spell *spelling, const struct edit *first, const struct edit *second)
{
	owned(fleet) struct fleet *fleet = edited(first, second);
	owned(azure_layout) struct azure_layout layout = {0};
	owned(buf) struct buf text = {.max = TEXT_MAX};
	struct err err;

	lay_out(fleet, &layout);
	if (spelling(&layout, &text, &err) < 0)
		fail_msg("%s", err.message);
	return mem_strdup(buf_text(&text));
}

static struct json_tree *arm(const struct edit *first, const struct edit *second)
{
	owned(mem) char *text = spelled(azure_template_arm, first, second);

	return parsed(text);
}

/* ---- ARM ---- */

static const struct json_tree *resource_of(const struct json_tree *template, const char *type, const char *name)
{
	const struct json_tree *resources = json_tree_get(template, "resources");

	for (size_t i = 0; i < json_tree_count(resources); i++) {
		const struct json_tree *resource = json_tree_at(resources, i);

		if (str_eq(json_tree_text(resource, "type"), type) && str_eq(json_tree_text(resource, "name"), name))
			return resource;
	}
	return NULL;
}

/* "[resourceId('TYPE', 'a', 'b')]" as TYPE and "a/b". */
static void read_reference(const char *text, char type[static 200], char name[static 200])
{
	const char *at = text + strlen("[resourceId('");
	size_t used = 0;

	snprintf(type, 200, "%.*s", (int)strcspn(at, "'"), at);
	at += strlen(type) + 1;
	*name = 0;
	while (strncmp(at, ", '", 3) == 0) {
		size_t len = strcspn(at + 3, "'");

		used += (size_t)snprintf(name + used, 200 - used, "%s%.*s", used ? "/" : "", (int)len, at + 3);
		at += len + 4;
	}
	assert_string_equal(at, ")]");
}

static bool has_subnet(const struct json_tree *template, char *name)
{
	char *slash = strchr(name, '/');
	const struct json_tree *subnets;
	bool found = false;

	*slash = 0;
	subnets = json_tree_get(resource_of(template, "Microsoft.Network/virtualNetworks", name), "properties.subnets");
	for (size_t i = 0; i < json_tree_count(subnets); i++)
		found = found || str_eq(json_tree_text(json_tree_at(subnets, i), "name"), slash + 1);
	return found;
}

/* Every reference leads to a resource of the template; the number of references. */
static size_t check_references(const struct json_tree *template, const struct json_tree *value)
{
	const char *text = json_tree_text(value, "");
	char type[200], name[200];
	size_t n = 0;

	if (text && str_starts(text, "[resourceId(")) {
		read_reference(text, type, name);
		if (!resource_of(template, type, name) &&
		    !(str_eq(type, "Microsoft.Network/virtualNetworks/subnets") && has_subnet(template, name)))
			fail_msg("%s leads nowhere", text);
		return 1;
	}
	if (text && (strstr(text, GROUP) || strstr(text, azure_key_marker)))
		fail_msg("%s stands as it is", text);
	for (size_t i = 0; i < json_tree_count(value); i++)
		n += check_references(template, json_tree_at(value, i));
	return n;
}

/* What each resource waits for stands before it. */
static void check_order(const struct json_tree *template)
{
	const struct json_tree *resources = json_tree_get(template, "resources");

	for (size_t i = 0; i < json_tree_count(resources); i++) {
		const struct json_tree *needs = json_tree_get(json_tree_at(resources, i), "dependsOn");

		for (size_t j = 0; j < json_tree_count(needs); j++) {
			char type[200], name[200];
			size_t k = 0;

			read_reference(json_tree_text(json_tree_at(needs, j), ""), type, name);
			while (json_tree_at(resources, k) != resource_of(template, type, name))
				k++;
			assert_true(k < i);
		}
	}
}

static void check_template(const struct json_tree *template, size_t resources)
{
	assert_string_equal(json_tree_text(template, "$schema"),
			    "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#");
	assert_string_equal(json_tree_text(template, "contentVersion"), "1.0.0.0");
	assert_int_equal(json_tree_count(json_tree_get(template, "resources")), resources);
	assert_true(check_references(template, template) > 0);
	check_order(template);
}

#define NET "Microsoft.Network/"
#define HSM "Microsoft.HardwareSecurityModules/"
#define REF(type, name) "[resourceId('" type "', '" name "')]"

static void dedicated_hsms_become_an_arm_template(void **state)
{
	owned(json_tree) struct json_tree *template = arm(NULL, NULL);
	const struct json_tree *hsm = resource_of(template, HSM "dedicatedHSMs", "hsm-east-1");
	const struct json_tree *to = resource_of(template, NET "connections", "two-regions-east-to-west");

	(void)state;
	/* Two networks, two public addresses, four gateways, two connections, four HSMs. */
	check_template(template, 14);
	assert_string_equal(json_tree_text(hsm, "apiVersion"), "2021-11-30");
	assert_string_equal(json_tree_text(hsm, "location"), "eastus");
	assert_string_equal(json_tree_text(hsm, "properties.stampId"), "stamp1");
	assert_string_equal(json_tree_text(hsm, "tags.hsmctl-fleet"), "two-regions");
	assert_string_equal(json_tree_text(hsm, "properties.networkProfile.subnet.id"),
			    "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'two-regions-east', 'hsms')]");
	assert_int_equal(json_tree_count(json_tree_get(hsm, "dependsOn")), 2);
	assert_string_equal(json_tree_text(hsm, "dependsOn.0"), REF(NET "virtualNetworks", "two-regions-east"));
	assert_string_equal(json_tree_text(hsm, "dependsOn.1"),
			    REF(NET "virtualNetworkGateways", "two-regions-east-er"));
	assert_string_equal(json_tree_text(to, "properties.sharedKey"), "[parameters('sharedKey')]");
	assert_string_equal(json_tree_text(template, "parameters.sharedKey.type"), "securestring");
	assert_string_equal(json_tree_text(template, "metadata.resourceGroup.name"), "two-regions");
	assert_string_equal(json_tree_text(template, "metadata.resourceGroup.location"), "eastus");
	assert_string_equal(json_tree_text(template, "outputs.hsms.type"), "object");
	assert_string_equal(json_tree_text(template, "outputs.hsms.value.hsm-west-2"),
			    REF(HSM "dedicatedHSMs", "hsm-west-2"));
	assert_null(json_tree_get(resource_of(template, NET "virtualNetworks", "two-regions-east"), "dependsOn"));
}

static void clusters_become_an_arm_template(void **state)
{
	owned(json_tree) struct json_tree *template = arm(cloud, NULL);
	const struct json_tree *link = resource_of(template, NET "privateDnsZones/virtualNetworkLinks",
						   "privatelink.cloudhsm.azure.net/two-regions-east");
	const struct json_tree *group = resource_of(template, NET "privateEndpoints/privateDnsZoneGroups",
						    "hsm-east-endpoint/default");

	(void)state;
	/* Two networks, two peerings, a zone, two links; two clusters, endpoints and zone groups. */
	check_template(template, 13);
	assert_string_equal(json_tree_text(link, "location"), "global");
	assert_int_equal(json_tree_count(json_tree_get(link, "dependsOn")), 2);
	assert_string_equal(json_tree_text(group, "properties.privateDnsZoneConfigs.0.properties.privateDnsZoneId"),
			    REF(NET "privateDnsZones", "privatelink.cloudhsm.azure.net"));
	assert_int_equal(json_tree_count(json_tree_get(template, "parameters")), 0);
	assert_string_equal(json_tree_text(template, "outputs.hsms.value.hsm-east"),
			    REF(HSM "cloudHsmClusters", "hsm-east"));
}

static void what_is_external_stays_an_id(void **state)
{
	owned(json_tree) struct json_tree *template = arm(external, NULL);
	const struct json_tree *hsm = resource_of(template, HSM "dedicatedHSMs", "hsm-east-1");
	const struct json_tree *vpn = resource_of(template, NET "virtualNetworkGateways", "two-regions-east-vpn");

	(void)state;
	check_template(template, 12);
	assert_string_equal(json_tree_text(hsm, "properties.networkProfile.subnet.id"), HUB "/subnets/dhsm");
	assert_null(json_tree_get(hsm, "dependsOn"));
	assert_int_equal(json_tree_count(json_tree_get(vpn, "dependsOn")), 1);
}

static void the_subscription_is_no_part_of_it(void **state)
{
	static const struct edit nowhere[] = {{"azure.subscription", NULL}, {0}};
	owned(mem) char *with = spelled(azure_template_arm, NULL, NULL);
	owned(mem) char *without = spelled(azure_template_arm, nowhere, NULL);
	owned(mem) char *bicep = spelled(azure_template_bicep, NULL, NULL);

	(void)state;
	assert_string_equal(with, without);
	assert_null(strstr(with, SUBSCRIPTION));
	assert_null(strstr(bicep, SUBSCRIPTION));
}

/* Three regions: writes in one network follow each other. */
static void peerings_of_a_network_wait_for_each_other(void **state)
{
	static const struct edit edits[] = {
		{"azure.regions", "[{\"name\":\"a\",\"location\":\"eastus\",\"address_space\":[\"10.2.0.0/16\"]},"
				  "{\"name\":\"b\",\"location\":\"westus\",\"address_space\":[\"10.3.0.0/16\"]},"
				  "{\"name\":\"c\",\"location\":\"ukwest\",\"address_space\":[\"10.4.0.0/16\"]}]"},
		{"datacenters", "[]"}, {"devices", "[]"}, {0},
	};
	owned(json_tree) struct json_tree *template = arm(edits, NULL);
	owned(mem) char *bicep = spelled(azure_template_bicep, edits, NULL);
	const struct json_tree *second =
		resource_of(template, NET "virtualNetworks/virtualNetworkPeerings", "two-regions-b/to-c");

	(void)state;
	check_template(template, 9);
	assert_string_equal(json_tree_text(second, "dependsOn.2"),
			    "[resourceId('Microsoft.Network/virtualNetworks/virtualNetworkPeerings', 'two-regions-b', "
			    "'to-a')]");
	assert_non_null(strstr(bicep, "  dependsOn: [\n    peering_two_regions_b_to_a\n  ]\n"));
}

static void what_looks_like_an_expression_is_told_apart(void **state)
{
	static const struct edit edits[] = {
		{"azure.tags",
		 "{\"a\":\"[resourceGroup().id]\",\"b\":\"[x\",\"c\":\"it's ${a} \\\\ \\n\\u0001\",\"d.e\":\"\"}"}, {0},
	};
	owned(json_tree) struct json_tree *template = arm(edits, NULL);
	owned(mem) char *bicep = spelled(azure_template_bicep, edits, NULL);
	const struct json_tree *tags = json_tree_get(template, "resources.0.tags");

	(void)state;
	assert_string_equal(json_tree_text(tags, "a"), "[[resourceGroup().id]");
	assert_string_equal(json_tree_text(tags, "b"), "[x");
	assert_string_equal(json_tree_text(tags, "c"), "it's ${a} \\ \n\x01");
	assert_non_null(strstr(bicep, "    a: '[resourceGroup().id]'\n"));
	assert_non_null(strstr(bicep, "    c: 'it\\'s \\${a} \\\\ \\n\\u{1}'\n"));
	assert_non_null(strstr(bicep, "    'd.e': ''\n"));
}

/* ---- what a template cannot do ---- */

static void other_resource_groups_are_refused(void **state)
{
	static const struct {
		const struct edit *base;
		struct edit edits[4];
		const char *says;
	} cases[] = {
		{NULL, {{"azure.regions.0.network", "\"" HUB "\""}}, "subnet hub/clients would be made in another"},
		{cloud, {{"azure.regions.0.network", "\"" HUB "\""}, {"azure.regions.0.hsm_subnet", NULL},
			 {"azure.regions.0.gateway_subnet", NULL},
			 {"azure.regions.0.client_subnet", "\"" HUB "/subnets/s\""}},
			 "peering hub/to-west would be made in another"},
	};
	spell *const spellings[] = {azure_template_arm, azure_template_bicep};

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(spellings); i++) {
		struct edit edits[5] = {{0}};
		owned(fleet) struct fleet *fleet = NULL;
		owned(azure_layout) struct azure_layout layout = {0};
		owned(buf) struct buf text = {.max = TEXT_MAX};
		struct err err = {0};

		memcpy(edits, cases[i / 2].edits, sizeof(cases[i / 2].edits));
		fleet = edited(cases[i / 2].base, edits);
		lay_out(fleet, &layout);
		assert_int_equal(spellings[i % 2](&layout, &text, &err), -ERR_UNSUPPORTED);
		assert_non_null(strstr(err.message, cases[i / 2].says));
		assert_non_null(strstr(err.hint, "provision apply"));
		assert_int_equal(text.len, 0);
	}
}

/* A network of somebody else in the fleet's own resource group takes subnets as resources. */
static void subnets_may_stand_alone(void **state)
{
	static const struct edit edits[] = {{"azure.regions.0.network", "\"" NETWORKS "/virtualNetworks/old\""}, {0}};
	owned(json_tree) struct json_tree *template = NULL;
	owned(mem) char *text = spelled(azure_template_arm, edits, NULL);
	owned(mem) char *bicep = spelled(azure_template_bicep, edits, NULL);
	const struct json_tree *subnet;

	(void)state;
	template = parsed(text);
	subnet = resource_of(template, NET "virtualNetworks/subnets", "old/hsms");
	assert_string_equal(json_tree_text(subnet, "properties.addressPrefix"), "10.2.1.0/24");
	assert_string_equal(json_tree_text(subnet, "dependsOn.0"),
			    "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'old', 'clients')]");
	assert_null(json_tree_get(subnet, "name.x"));
	check_order(template);
	assert_non_null(strstr(bicep, "  name: 'old/hsms'\n"));
	assert_non_null(strstr(bicep, "id: subnet_old_hsms.id"));
}

/* ---- Bicep ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool declares(const char *bicep, const char *symbol, size_t len)
{
	owned(mem) char *line = mem_printf("resource %.*s '", (int)len, symbol);

	return strstr(bicep, line) != NULL;
}

/* Every word before ".id" or ".name" and behind "parent: " is a resource. */
static void check_symbols(const char *bicep)
{
	static const char *const behind[] = {".id\n", ".name,"};
	size_t n = 0;

	for (size_t i = 0; i < COUNT(behind); i++)
		for (const char *at = strstr(bicep, behind[i]); at; at = strstr(at + 1, behind[i])) {
			const char *begin = at;

			while (begin > bicep && is_word(begin[-1]))
				begin--;
			n++;
			if (!declares(bicep, begin, (size_t)(at - begin)))
				fail_msg("no resource %.*s", (int)(at - begin), begin);
		}
	for (const char *at = strstr(bicep, "parent: "); at; at = strstr(at + 1, "parent: "))
		if (!declares(bicep, at + 8, strcspn(at + 8, "\n")))
			fail_msg("no resource %.40s", at + 8);
	assert_true(n > 0);
}

/* Brackets close in the order in which they opened, but for those in strings. */
static void check_brackets(const char *bicep)
{
	char open[64];
	size_t depth = 0;
	bool quoted = false;

	for (const char *c = bicep; *c; c++) {
		if (*c == '\'' && !(quoted && c[-1] == '\\'))
			quoted = !quoted;
		if (quoted)
			assert_true(*c != '\n');
		else if (strchr("{[(", *c))
			open[depth++] = *c;
		else if (strchr("}])", *c))
			assert_true(depth && open[--depth] == (*c == '}' ? '{' : *c == ']' ? '[' : '('));
	}
	assert_false(quoted);
	assert_int_equal(depth, 0);
}

static void fleets_become_bicep(void **state)
{
	static const struct {
		const struct edit *base;
		const char *has[6];
	} cases[] = {
		{NULL, {"@secure()\n", "param sharedKey string\n", "    sharedKey: sharedKey\n",
			"resource hsm_hsm_east_1 'Microsoft.HardwareSecurityModules/dedicatedHSMs@2021-11-30' = {\n"
			"  name: 'hsm-east-1'\n  location: 'eastus'\n",
			"  dependsOn: [\n    gateway_two_regions_east_er\n  ]\n",
			"  'hsm-west-2': hsm_hsm_west_2.id\n"}},
		{cloud, {"  parent: endpoint_hsm_east_endpoint\n  name: 'default'\n",
		 "privateLinkServiceId: cluster_hsm_east.id\n",
			 "  parent: zone_privatelink_cloudhsm_azure_net\n  name: 'two-regions-east'\n"
			 "  location: 'global'\n",
			 "  parent: network_two_regions_east\n  name: 'to-west'\n",
			 "id: resourceId('Microsoft.Network/virtualNetworks/subnets', network_two_regions_east.name, "
			 "'clients')\n",
			 "metadata resourceGroup = {\n  name: 'two-regions'\n  location: 'eastus'\n}\n"}},
		{external, {"id: '" HUB "/subnets/dhsm'\n"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		owned(mem) char *bicep = spelled(azure_template_bicep, cases[i].base, NULL);

		check_symbols(bicep);
		check_brackets(bicep);
		assert_null(strstr(bicep, azure_key_marker));
		assert_null(strstr(bicep, GROUP));
		for (size_t j = 0; j < COUNT(cases[i].has) && cases[i].has[j]; j++)
			if (!strstr(bicep, cases[i].has[j]))
				fail_msg("case %zu: no %s", i, cases[i].has[j]);
	}
}

/* What a body refers to by name is waited for already. */
static void bicep_says_only_what_is_not_implied(void **state)
{
	owned(mem) char *bicep = spelled(azure_template_bicep, NULL, NULL);
	owned(mem) char *clouds = spelled(azure_template_bicep, cloud, NULL);
	size_t n = 0;

	(void)state;
	for (const char *at = strstr(bicep, "dependsOn"); at; at = strstr(at + 1, "dependsOn"))
		n++;
	assert_int_equal(n, 4);
	assert_null(strstr(clouds, "dependsOn"));
}

static void names_that_look_alike_are_told_apart(void **state)
{
	static const struct edit edits[] = {
		{"devices.0.azure.name", "\"a-b\""}, {"devices.1.azure.name", "\"a.b\""}, {0}
	};
	owned(mem) char *bicep = spelled(azure_template_bicep, edits, NULL);

	(void)state;
	assert_non_null(strstr(bicep, "resource hsm_a_b '"));
	assert_non_null(strstr(bicep, "resource hsm_a_b_2 '"));
	assert_non_null(strstr(bicep, "  'hsm-east-2': hsm_a_b_2.id\n"));
	check_symbols(bicep);
}

static void the_same_fleet_makes_the_same_text(void **state)
{
	spell *const spellings[] = {azure_template_arm, azure_template_bicep};

	(void)state;
	for (size_t i = 0; i < COUNT(spellings); i++) {
		owned(mem) char *one = spelled(spellings[i], NULL, NULL), *two = spelled(spellings[i], NULL, NULL);

		assert_string_equal(one, two);
	}
}

static void no_allocation_fails_unnoticed(void **state)
{
	spell *const spellings[] = {azure_template_arm, azure_template_bicep};
	owned(fleet) struct fleet *fleet = example();
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	for (size_t i = 0; i < COUNT(spellings); i++) {
		bool failed = true;

		for (unsigned long n = 1; failed; n++) {
			owned(buf) struct buf text = {.max = TEXT_MAX};
			int rc;

			mem_fail_after = n;
			rc = spellings[i](&layout, &text, NULL);
			failed = !mem_fail_after;
			mem_fail_after = 0;
			assert_int_equal(rc, failed ? -ERR_NO_MEMORY : 0);
		}
	}
}

static void a_text_that_is_too_long_is_refused(void **state)
{
	spell *const spellings[] = {azure_template_arm, azure_template_bicep};
	owned(fleet) struct fleet *fleet = example();
	owned(azure_layout) struct azure_layout layout = {0};

	(void)state;
	lay_out(fleet, &layout);
	for (size_t i = 0; i < COUNT(spellings); i++) {
		owned(buf) struct buf text = {.max = 500};

		assert_int_equal(spellings[i](&layout, &text, NULL), -ERR_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dedicated_hsms_become_an_arm_template),
		cmocka_unit_test(clusters_become_an_arm_template),
		cmocka_unit_test(what_is_external_stays_an_id),
		cmocka_unit_test(the_subscription_is_no_part_of_it),
		cmocka_unit_test(peerings_of_a_network_wait_for_each_other),
		cmocka_unit_test(what_looks_like_an_expression_is_told_apart),
		cmocka_unit_test(other_resource_groups_are_refused),
		cmocka_unit_test(subnets_may_stand_alone),
		cmocka_unit_test(fleets_become_bicep),
		cmocka_unit_test(bicep_says_only_what_is_not_implied),
		cmocka_unit_test(names_that_look_alike_are_told_apart),
		cmocka_unit_test(the_same_fleet_makes_the_same_text),
		cmocka_unit_test(no_allocation_fails_unnoticed),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
