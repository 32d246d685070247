/* SPDX-License-Identifier: Apache-2.0 */
/* HA groups in the document. */
#include <stdio.h>

#include "base/str.h"
#include "fleet/fleet.h"
#include "fleet/types.h"
#include "fleet/group.h"

static bool has_member(const struct fleet_group *group, const char *device, const char *partition)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (str_eq(group->members[i].device, device) &&
		    (!partition || str_eq(group->members[i].partition, partition)))
			return true;
	return false;
}

struct fleet_group *fleet_group_of(const struct fleet *fleet, const char *device,
				   const char *partition)
{
	for (size_t i = 0; i < fleet->n_groups; i++)
		if (has_member(&fleet->groups[i], device, partition))
			return &fleet->groups[i];
	return NULL;
}

const char *fleet_member_name(const struct fleet *fleet, const struct fleet_member *member,
			      char *text, size_t size)
{
	const struct fleet_device *device = fleet_device(fleet, member->device);

	if (device && device->n_partitions > 1 && member->partition)
		snprintf(text, size, "%s/%s", member->device, member->partition);
	else
		snprintf(text, size, "%s", member->device);
	return text;
}

static const char *datacenter_of(const struct fleet *fleet, const struct fleet_member *member)
{
	const struct fleet_device *device = fleet_device(fleet, member->device);

	return device ? device->datacenter : NULL;
}

size_t fleet_group_datacenters(const struct fleet *fleet, const struct fleet_group *group)
{
	size_t count = 0;

	for (size_t i = 0; i < group->n_members; i++) {
		const char *datacenter = datacenter_of(fleet, &group->members[i]);
		size_t j = 0;

		while (j < i && !str_eq(datacenter, datacenter_of(fleet, &group->members[j])))
			j++;
		count += datacenter && j == i;
	}
	return count;
}

struct fleet_policy fleet_group_policy(const struct fleet *fleet, const struct fleet_group *group)
{
	struct fleet_policy policy = group->policy;

	if (!policy.min_members)
		policy.min_members = group->n_members < 2 ? (int64_t)group->n_members : 2;
	if (!policy.min_datacenters)
		policy.min_datacenters = fleet_group_datacenters(fleet, group) > 1 ? 2 : 1;
	if (!policy.connect_ms)
		policy.connect_ms = 2000;
	if (!policy.answer_ms)
		policy.answer_ms = 1000;
	if (!policy.call_ms)
		policy.call_ms = 60000;
	if (!policy.connections)
		policy.connections = 32;
	return policy;
}

/* FNV-1a, folded. */
uint32_t fleet_group_slot(const struct fleet_group *group)
{
	uint32_t hash = 0x811c9dc5;

	for (const char *c = group->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x01000193;
	return (hash >> 31) ^ (hash & INT32_MAX);
}

void fleet_remove_group(struct fleet *fleet, struct fleet_group *group)
{
	json_release(&fleet_group_type, group);
	json_remove(&fleet->groups, &fleet->n_groups, sizeof(*group), (size_t)(group - fleet->groups));
}
