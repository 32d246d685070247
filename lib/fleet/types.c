/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the fleet document. */
#include "fleet/fleet.h"
#include "fleet/types.h"

const char *const fleet_provider_names[] = {"softhsm", NULL};
const char *const fleet_role_names[] = {"active", "standby", NULL};
const char *const fleet_link_names[] = {"none", "tls", "module", NULL};

enum { HOUR_MS = 3600000 };

static const struct json_field link_fields[] = {
	JSON_F_ENUM(struct fleet_link, kind, JSON_OMIT, fleet_link_names,
		    "how the token is reached: across the network (tls) or a library (module)"),
	JSON_F_STRING(struct fleet_link, address, JSON_OMIT,
		      "tls: HOST:PORT of the appliance, [HOST]:PORT for IPv6"),
	JSON_F_STRING(struct fleet_link, certificate, JSON_OMIT,
		      "tls: SHA-256 of the appliance's certificate, hexadecimal"),
	JSON_F_STRING(struct fleet_link, module, JSON_OMIT, "module: path of the PKCS#11 library"),
	JSON_F_END,
};
static const struct json_type link_type = {
	.summary = "How a token is reached; written by hsmctl",
	.size = sizeof(struct fleet_link), .fields = link_fields,
};

static const struct json_field partition_fields[] = {
	JSON_F_STRING(struct fleet_partition, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name, unique in its device"),
	JSON_F_STRING(struct fleet_partition, serial, JSON_OMIT, "serial number of the token"),
	JSON_F_STRING(struct fleet_partition, pin_source, JSON_OMIT,
		      "reference to the user PIN: file:PATH, env:NAME, exec:PROGRAM or prompt:"),
	JSON_F_STRING(struct fleet_partition, so_pin_source, JSON_OMIT,
		      "reference to the security officer's PIN"),
	JSON_F_OBJECT(struct fleet_partition, link, JSON_OMIT, link_type,
		      "how the token is reached; put in by the provider"),
	JSON_F_END,
};
static const struct json_type partition_type = {
	.summary = "A token on a device",
	.size = sizeof(struct fleet_partition), .fields = partition_fields,
};

static const struct json_field device_fields[] = {
	JSON_F_STRING(struct fleet_device, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE,
		      "name of the device"),
	JSON_F_STRING(struct fleet_device, datacenter, JSON_REQUIRED | JSON_NAME,
		      "datacenter it stands in"),
	JSON_F_STRING(struct fleet_device, module, JSON_OMIT,
		      "softhsm: path of the PKCS#11 library that the appliance hosts"),
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
		      "what makes devices there: softhsm"),
	JSON_F_END,
};
static const struct json_type datacenter_type = {
	.summary = "A place where devices stand and fail together",
	.size = sizeof(struct fleet_datacenter), .fields = datacenter_fields,
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
		   "longest call; 0 = 60000"),
	JSON_F_BOOL(struct fleet_policy, allow_unreplicated, JSON_OMIT,
		    "accept keys that members cannot carry over"),
	JSON_F_END,
};
static const struct json_type policy_type = {
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
	JSON_F_OBJECT(struct fleet_group, policy, JSON_OMIT, policy_type, "what it promises"),
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
