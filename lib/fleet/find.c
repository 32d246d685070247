/* SPDX-License-Identifier: Apache-2.0 */
/* Looks up parts of a fleet by what people type. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/mem.h"
#include "fleet/fleet.h"
#include "fleet/part.h"

bool fleet_link_is_local(const struct fleet_link *link)
{
	return link->kind == FLEET_LINK_MODULE || link->kind == FLEET_LINK_WORKER;
}

struct fleet_datacenter *fleet_datacenter(const struct fleet *fleet, const char *name)
{
	return fleet_part(FLEET_PARTS(fleet, datacenters), name);
}

struct fleet_device *fleet_device(const struct fleet *fleet, const char *name)
{
	return fleet_part(FLEET_PARTS(fleet, devices), name);
}

struct fleet_partition *fleet_partition(const struct fleet_device *device, const char *name)
{
	return fleet_part(FLEET_PARTS(device, partitions), name);
}

struct fleet_azure_region *fleet_azure_region(const struct fleet *fleet, const char *name)
{
	return fleet_part(FLEET_PARTS(&fleet->azure, regions), name);
}

struct fleet_group *fleet_group(const struct fleet *fleet, const char *name)
{
	return fleet_part(FLEET_PARTS(fleet, groups), name);
}

static int not_found(struct fleet_parts parts, const char *noun, const char *name,
		     const char *command, struct err *err)
{
	const char *nearest = fleet_part_nearest(parts, name);

	err_set(err, ERR_NOT_FOUND, "no %s '%s'", noun, name);
	if (nearest)
		err_hint(err, "did you mean '%s'? see 'hsmctl %s'", nearest, command);
	else
		err_hint(err, "see 'hsmctl %s'", command);
	return -ERR_NOT_FOUND;
}

int fleet_find_device(const struct fleet *fleet, const char *name,
		      struct fleet_device **ret, struct err *err)
{
	struct fleet_device *device = fleet_device(fleet, name);

	if (!device)
		return not_found(FLEET_PARTS(fleet, devices), "device", name, "device list", err);
	*ret = device;
	return 0;
}

int fleet_find_group(const struct fleet *fleet, const char *name,
		     struct fleet_group **ret, struct err *err)
{
	struct fleet_group *group = fleet_group(fleet, name);

	if (!group)
		return not_found(FLEET_PARTS(fleet, groups), "group", name, "ha list", err);
	*ret = group;
	return 0;
}

static int several(const struct fleet_device *device, struct err *err)
{
	err_set(err, ERR_AMBIGUOUS, "device '%s' has %zu partitions", device->name,
		device->n_partitions);
	err_hint(err, "say which one: %s/%s", device->name, device->partitions[0].name);
	return -ERR_AMBIGUOUS;
}

static int locate_in(const struct fleet_device *device, const char *name,
		     struct fleet_partition **ret, struct err *err)
{
	struct fleet_partition *partition = name ? fleet_partition(device, name) : device->partitions;
	char noun[100];

	if (!name && !device->n_partitions)
		return err_set(err, ERR_NOT_FOUND, "device '%s' has no partition", device->name);
	if (!name && device->n_partitions > 1)
		return several(device, err);
	if (!partition) {
		snprintf(noun, sizeof(noun), "partition on device '%s' is named", device->name);
		return not_found(FLEET_PARTS(device, partitions), noun, name, "partition list", err);
	}
	*ret = partition;
	return 0;
}

int fleet_locate(const struct fleet *fleet, const char *where, struct fleet_device **ret_device,
		 struct fleet_partition **ret_partition, struct err *err)
{
	const char *slash = strchr(where, '/');
	owned(mem) char *name = mem_strndup(where, slash ? (size_t)(slash - where) : strlen(where));
	struct fleet_device *device;
	int rc;

	if (!name)
		return err_no_memory(err);
	rc = fleet_find_device(fleet, name, &device, err);
	if (rc == 0)
		rc = locate_in(device, slash ? slash + 1 : NULL, ret_partition, err);
	if (rc == 0)
		*ret_device = device;
	return rc;
}

bool fleet_adopts(const struct fleet *fleet, const struct fleet_device *device)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(fleet, device->datacenter);

	return datacenter && str_eq(datacenter->provider, "existing");
}
