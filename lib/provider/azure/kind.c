/* SPDX-License-Identifier: Apache-2.0 */
/* The table of resource types. Versions and durations: what was seen to work. */
#include "provider/azure/kind.h"

#include <string.h>
#include <strings.h>

#include "fleet/fleet.h"

enum { MINUTE = 60, HOUR = 3600 };

/* Subnets are resources of their own; the rest the service decides. */
static const char *const network_ignored[] = {"properties.subnets", NULL};
/* Names of parts are whoever's made them. */
static const char *const subnet_ignored[] = {"properties.delegations.0.name", NULL};
/* Newer ones live without a public address: not having one is no drift. */
static const char *const gateway_ignored[] = {
	"properties.ipConfigurations.0.properties.publicIPAddress", "properties.ipConfigurations.0.name", NULL
};
static const char *const connection_ignored[] = {"properties.sharedKey", NULL};
/* Where a group was made is no matter of what is in it; its tags are its owner's. */
static const char *const group_ignored[] = {"location", "tags", NULL};

const struct azure_kind azure_kinds[AZURE_KINDS] = {
	[AZURE_GROUP] = {
		.noun = "resource group", .type = "Microsoft.Resources/resourceGroups",
		.poll = 15, .limit = HOUR, .ignored = group_ignored,
	},
	[AZURE_NETWORK] = {
		.noun = "virtual network", .type = "Microsoft.Network/virtualNetworks", .tagged = true,
		.in_network = true, .until_done = true, .poll = 10, .limit = 15 * MINUTE, .ignored = network_ignored,
	},
	[AZURE_SUBNET] = {
		.noun = "subnet", .type = "Microsoft.Network/virtualNetworks/subnets",
		.child_of = "Microsoft.Network/virtualNetworks", .ignored = subnet_ignored,
		.in_network = true, .until_done = true, .poll = 10, .limit = 15 * MINUTE,
	},
	[AZURE_PEERING] = {
		.noun = "peering", .put_again = true, .type = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
		.child_of = "Microsoft.Network/virtualNetworks",
		.in_network = true, .until_done = true, .poll = 10, .limit = 15 * MINUTE,
	},
	[AZURE_PUBLIC_IP] = {
		.noun = "public address", .put_again = true, .type = "Microsoft.Network/publicIPAddresses", .tagged = true,
		.poll = 10, .limit = 15 * MINUTE,
	},
	[AZURE_GATEWAY] = {
		.noun = "gateway", .put_again = true, .type = "Microsoft.Network/virtualNetworkGateways", .tagged = true,
		.in_network = true, .poll = 10, .limit = 2 * HOUR, .ignored = gateway_ignored,
	},
	[AZURE_CONNECTION] = {
		.noun = "connection", .put_again = true, .type = "Microsoft.Network/connections", .tagged = true,
		.poll = 10, .limit = HOUR, .ignored = connection_ignored,
	},
	[AZURE_DEDICATED_HSM] = {
		.noun = "dedicated HSM", .type = "Microsoft.HardwareSecurityModules/dedicatedHSMs", .tagged = true,
		.poll = 30, .limit = 2 * HOUR,
	},
	[AZURE_CLOUD_HSM] = {
		.noun = "Cloud HSM cluster", .type = "Microsoft.HardwareSecurityModules/cloudHsmClusters",
		.tagged = true, .poll = 30, .limit = 2 * HOUR,
	},
	[AZURE_PRIVATE_ENDPOINT] = {
		.noun = "private endpoint", .put_again = true, .type = "Microsoft.Network/privateEndpoints", .tagged = true,
		.tags_by_put = true, .poll = 10, .limit = HOUR,
	},
	[AZURE_ZONE] = {
		.noun = "private DNS zone", .put_again = true, .type = "Microsoft.Network/privateDnsZones", .tagged = true,
		.poll = 10, .limit = HOUR,
	},
	[AZURE_ZONE_LINK] = {
		.noun = "DNS zone link", .put_again = true, .type = "Microsoft.Network/privateDnsZones/virtualNetworkLinks", .tagged = true,
		.poll = 10, .limit = HOUR,
	},
	[AZURE_ZONE_GROUP] = {
		.noun = "DNS zone group", .put_again = true, .type = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
		.child_of = "Microsoft.Network/privateEndpoints", .poll = 10, .limit = HOUR,
	},
};

int azure_kind_of(const char *type)
{
	for (int i = 0; type && i < AZURE_KINDS; i++)
		if (strcasecmp(azure_kinds[i].type, type) == 0)
			return i;
	return -1;
}

const char *azure_api(const struct fleet *fleet, enum azure_kind_name kind)
{
	const struct fleet_azure *azure = &fleet->azure;

	switch (kind) {
	case AZURE_GROUP:
		return "2021-04-01";
	case AZURE_DEDICATED_HSM:
		return azure->dedicated_hsm_api ? azure->dedicated_hsm_api : "2021-11-30";
	case AZURE_CLOUD_HSM:
		return azure->cloud_hsm_api ? azure->cloud_hsm_api : "2025-03-31";
	case AZURE_ZONE:
	case AZURE_ZONE_LINK:
		return "2020-06-01";
	default:
		return azure->network_api ? azure->network_api : "2024-01-01";
	}
}

/* Renamed in 2024-06-30-preview; every live answer before it said "id". */
const char *azure_reference_name(const char *dedicated_api)
{
	return strcmp(dedicated_api, "2024-06-30") < 0 ? "id" : "resourceId";
}
