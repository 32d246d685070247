/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the fleet document. */
#include "fleet/fleet.h"
#include "fleet/types.h"

const char *const fleet_provider_names[] = {"softhsm", "existing", "azure-dedicated-hsm", "azure-cloud-hsm", NULL};
const char *const fleet_azure_connection_names[] = {"auto", "none", "vpn", "peering", NULL};
const char *const fleet_azure_cloud_names[] = {"public", "usgov", "china", NULL};
const char *const fleet_role_names[] = {"active", "standby", NULL};
const char *const fleet_stale_names[] = {"refuse", "serve", NULL};
const char *const fleet_routing_names[] = {"own-datacenter", "least-work", NULL};
const char *const fleet_link_names[] = {"none", "tls", "module", "worker", NULL};

enum { HOUR_MS = 3600000 };

static const struct json_field link_fields[] = {
	JSON_F_ENUM(struct fleet_link, kind, JSON_OMIT, fleet_link_names,
		    "how the token is reached: across the network (tls), or by a library, in a process of its own (worker, "
		    "also when no kind is given) or in that of whoever uses it (module)"),
	JSON_F_STRING(struct fleet_link, address, JSON_OMIT,
		      "tls: HOST:PORT of the appliance, [HOST]:PORT for IPv6"),
	JSON_F_STRING(struct fleet_link, certificate, JSON_OMIT,
		      "tls: SHA-256 of the appliance's certificate, hexadecimal"),
	JSON_F_STRING(struct fleet_link, module, JSON_OMIT, "worker, module: path of the PKCS#11 library"),
	JSON_F_MAP(struct fleet_link, environment, JSON_OMIT,
		   "worker: variables for the library's process, SOFTHSM2_CONF for example; nothing secret"),
	JSON_F_END,
};
const struct json_type fleet_link_type = {
	.summary = "How a token is reached; written by hsmctl",
	.size = sizeof(struct fleet_link), .fields = link_fields,
};

static const struct json_field partition_fields[] = {
	JSON_F_STRING(struct fleet_partition, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name, unique in its device"),
	JSON_F_STRING(struct fleet_partition, serial, JSON_OMIT, "serial number of the token"),
	JSON_F_STRING(struct fleet_partition, uri, JSON_OMIT,
		      "which token its link is to, RFC 7512: pkcs11: with token, serial, manufacturer, model, slot-id"),
	JSON_F_STRING(struct fleet_partition, pin_source, JSON_OMIT,
		      "reference to the user PIN: file:PATH, env:NAME, exec:PROGRAM or prompt:"),
	JSON_F_STRING(struct fleet_partition, so_pin_source, JSON_OMIT,
		      "reference to the security officer's PIN"),
	JSON_F_OBJECT(struct fleet_partition, link, JSON_OMIT, fleet_link_type,
		      "how the token is reached; put in by the provider"),
	JSON_F_END,
};
static const struct json_type partition_type = {
	.summary = "A token on a device",
	.size = sizeof(struct fleet_partition), .fields = partition_fields,
};

static const struct json_field azure_device_fields[] = {
	JSON_F_STRING(struct fleet_azure_device, name, JSON_OMIT,
		      "name of the resource; without it that of the device"),
	JSON_F_STRING(struct fleet_azure_device, sku, JSON_OMIT,
		      "SKU; without it SafeNet Luna Network HSM A790, or Standard_B1"),
	JSON_F_STRING(struct fleet_azure_device, address, JSON_OMIT,
		      "address in its network; a dedicated HSM without one is given one by Azure"),
	JSON_F_STRING(struct fleet_azure_device, endpoint, JSON_OMIT,
		      "cloud HSM: id of a private endpoint that exists and is kept; without it one is made"),
	JSON_F_STRING(struct fleet_azure_device, identity, JSON_OMIT,
		      "cloud HSM: id of the user-assigned identity that makes backups"),
	JSON_F_STRING(struct fleet_azure_device, name_scope, JSON_OMIT,
		      "cloud HSM: TenantReuse, SubscriptionReuse, ResourceGroupReuse or NoReuse of its DNS label"),
	JSON_F_STRING(struct fleet_azure_device, id, JSON_OMIT, "id of the resource; written by hsmctl"),
	JSON_F_STRINGS(struct fleet_azure_device, hosts, JSON_OMIT,
		       "cloud HSM: names of the cluster's HSMs; written by hsmctl"),
	JSON_F_END,
};
const struct json_type fleet_azure_device_type = {
	.summary = "What the device is in Azure",
	.size = sizeof(struct fleet_azure_device), .fields = azure_device_fields,
};

static const struct json_field device_fields[] = {
	JSON_F_STRING(struct fleet_device, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name of the device"),
	JSON_F_STRING(struct fleet_device, datacenter, JSON_REQUIRED | JSON_NAME,
		      "datacenter it stands in"),
	JSON_F_STRING(struct fleet_device, module, JSON_OMIT,
		      "softhsm: path of the PKCS#11 library that the appliance hosts"),
	JSON_F_OBJECT(struct fleet_device, azure, JSON_OMIT, fleet_azure_device_type,
		      "what it is in Azure"),
	JSON_F_LIST(struct fleet_device, partitions, JSON_OMIT, partition_type,
		    "its tokens; without any it gets one with the name of the device"),
	JSON_F_END,
};
static const struct json_type device_type = {
	.summary = "A device that hosts tokens",
	.size = sizeof(struct fleet_device), .fields = device_fields,
};

static const struct json_field datacenter_fields[] = {
	JSON_F_STRING(struct fleet_datacenter, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name of the datacenter"),
	JSON_F_STRING(struct fleet_datacenter, region, JSON_REQUIRED | JSON_NAME,
		      "region it belongs to"),
	JSON_F_STRING(struct fleet_datacenter, provider, JSON_REQUIRED,
		      "what makes devices there: softhsm, azure-dedicated-hsm or azure-cloud-hsm; existing: tokens "
		      "that are there already and stay what they are"),
	JSON_F_STRING(struct fleet_datacenter, stamp, JSON_OMIT,
		      "azure-dedicated-hsm: stamp1 or stamp2, where the region has no availability zones"),
	JSON_F_STRING(struct fleet_datacenter, zone, JSON_OMIT,
		      "azure-dedicated-hsm: availability zone 1, 2 or 3, where the region has them"),
	JSON_F_END,
};
static const struct json_type datacenter_type = {
	.summary = "A place where devices stand and fail together",
	.size = sizeof(struct fleet_datacenter), .fields = datacenter_fields,
};

static const struct json_field azure_region_fields[] = {
	JSON_F_STRING(struct fleet_azure_region, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "region that datacenters name"),
	JSON_F_STRING(struct fleet_azure_region, location, JSON_REQUIRED, "Azure's name of it: westus"),
	JSON_F_STRING(struct fleet_azure_region, network, JSON_OMIT,
		      "name of its virtual network, or the id of one that exists and is kept"),
	JSON_F_STRINGS(struct fleet_azure_region, address_space, JSON_OMIT,
		       "address ranges of the virtual network: 10.2.0.0/16"),
	JSON_F_STRING(struct fleet_azure_region, hsm_subnet, JSON_OMIT,
		      "address range that is delegated to dedicated HSMs; or the id of a subnet that exists and is kept"),
	JSON_F_STRING(struct fleet_azure_region, gateway_subnet, JSON_OMIT,
		      "address range of GatewaySubnet, /27 or larger; or an id"),
	JSON_F_STRING(struct fleet_azure_region, client_subnet, JSON_OMIT,
		      "address range for clients and private endpoints; or an id"),
	JSON_F_STRING(struct fleet_azure_region, express_route_gateway, JSON_OMIT,
		      "SKU of the gateway that dedicated HSMs need, without it Standard; or the id of one that exists and is kept"),
	JSON_F_STRING(struct fleet_azure_region, vpn_gateway, JSON_OMIT,
		      "SKU of the gateway to other regions, without it VpnGw1AZ; or an id"),
	JSON_F_BOOL(struct fleet_azure_region, express_route_public_ip, JSON_OMIT,
		    "the ExpressRoute gateway gets a public address of its own, as older regions want it"),
	JSON_F_END,
};
static const struct json_type azure_region_type = {
	.summary = "The network of one region",
	.size = sizeof(struct fleet_azure_region), .fields = azure_region_fields,
};

static const struct json_field azure_fields[] = {
	JSON_F_ENUM(struct fleet_azure, cloud, JSON_OMIT, fleet_azure_cloud_names, "national cloud"),
	JSON_F_STRING(struct fleet_azure, subscription, JSON_OMIT, "id of the subscription"),
	JSON_F_STRING(struct fleet_azure, tenant, JSON_OMIT, "id of the tenant"),
	JSON_F_STRING(struct fleet_azure, resource_group, JSON_OMIT,
		      "resource group of all; without it the name of the fleet"),
	JSON_F_STRING(struct fleet_azure, location, JSON_OMIT,
		      "location of the resource group; without it the first region's"),
	JSON_F_MAP(struct fleet_azure, tags, JSON_OMIT, "tags of every resource"),
	JSON_F_ENUM(struct fleet_azure, connection, JSON_OMIT, fleet_azure_connection_names,
		    "between regions; auto: vpn where there are dedicated HSMs, else peering"),
	JSON_F_INT(struct fleet_azure, hsms_per_stamp, JSON_OMIT, 0, 1000,
		   "dedicated HSMs that the subscription may have in a stamp or zone; 0 = 2"),
	JSON_F_INT(struct fleet_azure, hsms_per_region, JSON_OMIT, 0, 1000, "and in a region; 0 = 4"),
	JSON_F_STRING(struct fleet_azure, dedicated_hsm_api, JSON_OMIT, "api-version of dedicatedHSMs"),
	JSON_F_STRING(struct fleet_azure, cloud_hsm_api, JSON_OMIT, "api-version of cloudHsmClusters"),
	JSON_F_STRING(struct fleet_azure, network_api, JSON_OMIT, "api-version of Microsoft.Network"),
	JSON_F_LIST(struct fleet_azure, regions, JSON_OMIT, azure_region_type, "the networks"),
	JSON_F_END,
};
const struct json_type fleet_azure_type = {
	.summary = "Where the fleet is in Azure",
	.size = sizeof(struct fleet_azure), .fields = azure_fields,
};

static const struct json_field member_fields[] = {
	JSON_F_STRING(struct fleet_member, device, JSON_REQUIRED | JSON_NAME, "its device"),
	JSON_F_STRING(struct fleet_member, partition, JSON_OMIT | JSON_NAME,
		      "its partition; may be left out where the device has one"),
	JSON_F_ENUM(struct fleet_member, role, 0, fleet_role_names,
		    "active members serve, standby members take over when none is left"),
	JSON_F_STRING(struct fleet_member, transport, JSON_OMIT,
		      "fingerprint of its transport key, hexadecimal SHA-256"),
	JSON_F_INT(struct fleet_member, epoch, JSON_OMIT, 0, INT64_MAX,
		   "counts the times it joined"),
	JSON_F_INT(struct fleet_member, mark, JSON_OMIT, 0, INT64_MAX,
		   "counts what became known of writes that it missed"),
	JSON_F_BOOL(struct fleet_member, stale, JSON_OMIT,
		    "it missed writes and was not brought up to date since, as far as this store knows"),
	JSON_F_END,
};
static const struct json_type member_type = {
	.summary = "A partition that serves in a group",
	.size = sizeof(struct fleet_member), .fields = member_fields,
};

static const struct json_field policy_fields[] = {
	JSON_F_INT(struct fleet_policy, min_members, JSON_OMIT, 0, 1000,
		   "a write succeeds on this many members; 0 = two, or one where there is one"),
	JSON_F_INT(struct fleet_policy, min_datacenters, JSON_OMIT, 0, 1000,
		   "in this many datacenters; 0 = two where the members span several"),
	JSON_F_INT(struct fleet_policy, connect_ms, JSON_OMIT, 0, HOUR_MS,
		   "longest connection set-up; 0 = 2000"),
	JSON_F_INT(struct fleet_policy, answer_ms, JSON_OMIT, 0, HOUR_MS,
		   "longest silence of a peer that owes an answer; 0 = 1000"),
	JSON_F_INT(struct fleet_policy, call_ms, JSON_OMIT, 0, HOUR_MS,
		   "longest call that makes keys; others have five times answer_ms, at least 5000; 0 = 60000"),
	JSON_F_BOOL(struct fleet_policy, allow_unreplicated, JSON_OMIT,
		    "accept keys that members cannot carry over"),
	JSON_F_ENUM(struct fleet_policy, stale_members, JSON_OMIT, fleet_stale_names,
		    "while only members are up that missed writes: refuse until an administrator decides, or let them serve"),
	JSON_F_ENUM(struct fleet_policy, routing, JSON_OMIT, fleet_routing_names,
		    "whom an application asks first: members of its own datacenter (HSMCTL_DATACENTRE), or whoever is done first"),
	JSON_F_INT(struct fleet_policy, connections, JSON_OMIT, 0, 512,
		   "at most so many from one application to one member, beside those of operations that stay open; 0 = 32"),
	JSON_F_END,
};
const struct json_type fleet_policy_type = {
	.summary = "What a group promises",
	.size = sizeof(struct fleet_policy), .fields = policy_fields,
};

static const struct json_field group_fields[] = {
	JSON_F_STRING(struct fleet_group, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name of the group and label of its token"),
	JSON_F_STRING(struct fleet_group, serial, JSON_OMIT,
		      "serial number of the group's token, 16 characters"),
	JSON_F_STRING(struct fleet_group, domain, JSON_OMIT,
		      "CKA_ID of the domain key, hexadecimal"),
	JSON_F_STRING(struct fleet_group, pin_source, JSON_OMIT,
		      "reference to the user PIN that the members share"),
	JSON_F_OBJECT(struct fleet_group, policy, JSON_OMIT, fleet_policy_type, "what it promises"),
	JSON_F_LIST(struct fleet_group, members, JSON_REQUIRED, member_type,
		    "the partitions that serve in it"),
	JSON_F_END,
};
const struct json_type fleet_group_type = {
	.summary = "Partitions that hold the same keys and are used as one token",
	.size = sizeof(struct fleet_group), .fields = group_fields,
};

/* datacenters and devices are required, if empty: a FILE that forgot them
 * would ask for the removal of every device. */
#define FLEET_FIELDS(groups_flags)                                                                 \
	JSON_F_STRING(struct fleet, name, JSON_REQUIRED | JSON_NAME, "name of the fleet"),         \
	JSON_F_INT(struct fleet, revision, 0, 0, INT64_MAX, "counted by the store"),               \
	JSON_F_OBJECT(struct fleet, azure, JSON_OMIT, fleet_azure_type,                            \
		      "subscription and networks of a fleet in Azure"),                            \
	JSON_F_LIST(struct fleet, datacenters, JSON_REQUIRED, datacenter_type, "where devices stand"), \
	JSON_F_LIST(struct fleet, devices, JSON_REQUIRED, device_type, "the devices"),             \
	JSON_F_LIST(struct fleet, groups, (groups_flags), fleet_group_type, "the HA groups"),            \
	JSON_F_END

#define FLEET_SUMMARY "What should exist: datacenters, devices and HA groups"

static const struct json_field fields[] = {FLEET_FIELDS(0)};
const struct json_type fleet_type = {
	.schema = "fleet", .summary = FLEET_SUMMARY,
	.size = sizeof(struct fleet), .fields = fields,
};

static const struct json_field fields_without_groups[] = {FLEET_FIELDS(JSON_OMIT)};
const struct json_type fleet_type_without_groups = {
	.schema = "fleet", .summary = FLEET_SUMMARY,
	.size = sizeof(struct fleet), .fields = fields_without_groups,
};
