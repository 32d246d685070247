/* SPDX-License-Identifier: Apache-2.0 */
/* From probes to the document: what is up, and what that means for groups. */
#include "base/mem.h"
#include "base/str.h"
#include "member/library.h"
#include "status/status.h"

static const char *const state_names[] = {"up", "down", NULL};
static const char *const group_state_names[] = {"healthy", "degraded", "below_policy", "down", NULL};

static const struct json_field device_fields[] = {
	JSON_F_STRING(struct status_device, name, JSON_REQUIRED | JSON_COLUMN, "the device"),
	JSON_F_STRING(struct status_device, partition, JSON_REQUIRED, "its partition"),
	JSON_F_STRING(struct status_device, datacenter, JSON_REQUIRED | JSON_COLUMN, "where it stands"),
	JSON_F_STRING(struct status_device, region, JSON_REQUIRED | JSON_COLUMN, "of the datacenter"),
	JSON_F_ENUM(struct status_device, state, JSON_REQUIRED | JSON_COLUMN, state_names,
		    "up: its token was reached and answered"),
	JSON_F_NUMBER(struct status_device, latency_ms, JSON_NULLABLE | JSON_COLUMN,
		      "time to connect and be answered; null when it is down"),
	JSON_F_STRING(struct status_device, address, JSON_NULLABLE | JSON_COLUMN, "where it is reached"),
	JSON_F_STRING(struct status_device, serial, JSON_NULLABLE | JSON_COLUMN | JSON_WIDE, "serial number of the token"),
	JSON_F_STRING(struct status_device, label, JSON_NULLABLE, "label of the token"),
	JSON_F_STRING(struct status_device, detail, JSON_NULLABLE | JSON_COLUMN, "why it is down"),
	JSON_F_END
};
static const struct json_type device_type = {
	.summary = "A device's token", .size = sizeof(struct status_device), .fields = device_fields,
};
static const struct json_field member_fields[] = {
	JSON_F_STRING(struct status_member, name, JSON_REQUIRED | JSON_COLUMN,
		      "device, with its partition when it has several"),
	JSON_F_ENUM(struct status_member, role, JSON_REQUIRED | JSON_COLUMN, fleet_role_names, "its role"),
	JSON_F_ENUM(struct status_member, state, JSON_REQUIRED | JSON_COLUMN, state_names, "up or down"),
	JSON_F_END
};
static const struct json_type member_type = {
	.summary = "A member", .size = sizeof(struct status_member), .fields = member_fields,
};
static const struct json_field group_fields[] = {
	JSON_F_STRING(struct status_group, name, JSON_REQUIRED | JSON_COLUMN, "the group"),
	JSON_F_ENUM(struct status_group, state, JSON_REQUIRED | JSON_COLUMN, group_state_names,
		    "below_policy: too few members for writes; down: none at all"),
	JSON_F_INT(struct status_group, up, JSON_COLUMN, 0, 0, "members that are up"),
	JSON_F_INT(struct status_group, needed, JSON_COLUMN, 0, 0, "members that a write needs"),
	JSON_F_LIST(struct status_group, members, JSON_COLUMN, member_type, "its members"),
	JSON_F_END
};
static const struct json_type group_type = {
	.summary = "A group", .size = sizeof(struct status_group), .fields = group_fields,
};
static const struct json_field fields[] = {
	JSON_F_STRING(struct status, fleet, JSON_NULLABLE | JSON_COLUMN, "name of the fleet"),
	JSON_F_INT(struct status, revision, JSON_COLUMN, 0, INT64_MAX, "of the store's document"),
	JSON_F_BOOL(struct status, healthy, JSON_COLUMN, "everything shown is up"),
	JSON_F_LIST(struct status, devices, JSON_COLUMN, device_type, "the devices"),
	JSON_F_LIST(struct status, groups, JSON_COLUMN, group_type, "the groups"),
	JSON_F_END
};
const struct json_type status_type = {
	.schema = "status", .summary = "What is up", .size = sizeof(struct status), .fields = fields,
};

static int copy_texts(const struct fleet *fleet, const struct probe *probe, struct status_device *ret,
		      struct err *err)
{
	const struct fleet_device *device = probe->device;
	int rc = fleet_set(&ret->name, device->name, err);

	if (rc == 0)
		rc = fleet_set(&ret->partition, probe->partition->name, err);
	if (rc == 0)
		rc = fleet_set(&ret->datacenter, device->datacenter, err);
	if (rc == 0)
		rc = fleet_set(&ret->region, fleet_datacenter(fleet, device->datacenter)->region, err);
	if (rc == 0)
		rc = fleet_set(&ret->address, probe->partition->link.address, err);
	return rc < 0 ? rc : fleet_set(&ret->serial, probe->partition->serial, err);
}

static int add_device(const struct fleet *fleet, const struct probe *probe, struct status *status,
		      struct err *err)
{
	struct status_device *device =
		json_append(&status->devices, &status->n_devices, sizeof(*device));
	char label[sizeof(probe->info.label) + 1];
	int rc;

	if (!device)
		return err_no_memory(err);
	device->state = !probe->up;
	device->latency_ms = probe->up ? probe->latency_ms : -1;
	status->healthy = status->healthy && probe->up;
	rc = copy_texts(fleet, probe, device, err);
	if (rc < 0 || !probe->up)
		return rc < 0 ? rc : fleet_set(&device->detail, probe->err.message, err);
	library_text(probe->info.label, sizeof(probe->info.label), label);
	return fleet_set(&device->label, label, err);
}

static bool is_up(const struct fleet_member *member, const struct probe *probes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(probes[i].device->name, member->device) &&
		    str_eq(probes[i].partition->name, member->partition))
			return probes[i].up;
	return false;
}

/* In how many datacenters do members stand that are up? */
static int64_t datacenters_up(const struct fleet *fleet, const struct fleet_group *group,
			      const struct probe *probes, size_t count)
{
	int64_t found = 0;

	for (size_t d = 0; d < fleet->n_datacenters; d++) {
		for (size_t i = 0; i < group->n_members; i++) {
			const struct fleet_device *device = fleet_device(fleet, group->members[i].device);

			if (str_eq(device->datacenter, fleet->datacenters[d].name) &&
			    is_up(&group->members[i], probes, count)) {
				found++;
				break;
			}
		}
	}
	return found;
}

static int add_members(const struct fleet *fleet, const struct fleet_group *group,
		       const struct probe *probes, size_t count, struct status_group *ret, struct err *err)
{
	for (size_t i = 0; i < group->n_members; i++) {
		struct status_member *member =
			json_append(&ret->members, &ret->n_members, sizeof(*member));
		char name[150];
		int rc;

		if (!member)
			return err_no_memory(err);
		member->role = group->members[i].role;
		member->state = !is_up(&group->members[i], probes, count);
		ret->up += !member->state;
		rc = fleet_set(&member->name, fleet_member_name(fleet, &group->members[i], name, sizeof(name)),
			       err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_group(const struct fleet *fleet, const struct fleet_group *from, const struct probe *probes,
		     size_t count, struct status *status, struct err *err)
{
	const struct fleet_policy policy = fleet_group_policy(fleet, from);
	struct status_group *group = json_append(&status->groups, &status->n_groups, sizeof(*group));
	int rc = group ? fleet_set(&group->name, from->name, err) : err_no_memory(err);

	if (rc == 0)
		rc = add_members(fleet, from, probes, count, group, err);
	if (rc < 0)
		return rc;
	group->needed = policy.min_members;
	if ((size_t)group->up == group->n_members)
		group->state = GROUP_HEALTHY;
	else if (!group->up)
		group->state = GROUP_DOWN;
	else if (group->up < policy.min_members ||
		 datacenters_up(fleet, from, probes, count) < policy.min_datacenters)
		group->state = GROUP_BELOW_POLICY;
	else
		group->state = GROUP_DEGRADED;
	status->healthy = status->healthy && group->state == GROUP_HEALTHY;
	return 0;
}

int status_compose(const struct fleet *fleet, const struct fleet_group *only, const struct probe *probes,
		   size_t count, struct status *ret, struct err *err)
{
	int rc = fleet_set(&ret->fleet, fleet->name, err);

	ret->revision = fleet->revision;
	ret->healthy = true;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_device(fleet, &probes[i], ret, err);
	for (size_t i = 0; rc == 0 && i < fleet->n_groups; i++)
		if (!only || only == &fleet->groups[i])
			rc = add_group(fleet, &fleet->groups[i], probes, count, ret, err);
	return rc;
}
