/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device show: all that the store says of one device. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "device/device.h"
#include "provider/provider.h"

struct show {
	const char *device;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct show, device, "DEVICE", admin_complete_devices, CLI_REQUIRED, "Device to show"),
	CLI_END
};

/* Strings are borrowed from the fleet. */
struct partition_view {
	char *name, *serial, *uri, *link, *library, *address, *certificate, *pin_source, *group, *role;
};
struct device_view {
	char *name, *datacenter, *region, *provider;
	unsigned state;
	char *module;
	struct partition_view *partitions;
	size_t n_partitions;
};

static const struct json_field partition_fields[] = {
	JSON_F_STRING(struct partition_view, name, JSON_REQUIRED | JSON_COLUMN, "name of the partition"),
	JSON_F_STRING(struct partition_view, serial, JSON_NULLABLE | JSON_COLUMN | JSON_WIDE, "serial number of its token"),
	JSON_F_STRING(struct partition_view, uri, JSON_OMIT, "which token the document means"),
	JSON_F_STRING(struct partition_view, link, JSON_COLUMN, "how it is reached: none, tls, module, worker"),
	JSON_F_STRING(struct partition_view, library, JSON_OMIT, "module, worker: path of the library"),
	JSON_F_STRING(struct partition_view, address, JSON_NULLABLE | JSON_COLUMN, "where it is reached"),
	JSON_F_STRING(struct partition_view, certificate, JSON_NULLABLE,
		      "SHA-256 of the certificate it must show, hexadecimal"),
	JSON_F_STRING(struct partition_view, pin_source, JSON_NULLABLE, "where its user PIN comes from"),
	JSON_F_STRING(struct partition_view, group, JSON_NULLABLE | JSON_COLUMN, "group it serves in"),
	JSON_F_STRING(struct partition_view, role, JSON_NULLABLE | JSON_COLUMN, "its role there"),
	JSON_F_END
};
static const struct json_type partition_type = {
	.summary = "A partition", .size = sizeof(struct partition_view), .fields = partition_fields,
};
static const struct json_field fields[] = {
	JSON_F_STRING(struct device_view, name, JSON_REQUIRED | JSON_COLUMN, "name of the device"),
	JSON_F_STRING(struct device_view, datacenter, JSON_REQUIRED | JSON_COLUMN, "where it stands"),
	JSON_F_STRING(struct device_view, region, JSON_REQUIRED | JSON_COLUMN, "of the datacenter"),
	JSON_F_STRING(struct device_view, provider, JSON_REQUIRED | JSON_COLUMN, "what made it"),
	JSON_F_ENUM(struct device_view, state, JSON_REQUIRED | JSON_COLUMN, device_state_names,
		    "what is known without asking its token"),
	JSON_F_STRING(struct device_view, module, JSON_NULLABLE, "library that was asked for"),
	JSON_F_LIST(struct device_view, partitions, JSON_COLUMN, partition_type, "its tokens"),
	JSON_F_END
};
static const struct json_type device_type = {
	.schema = "device", .summary = "A device", .size = sizeof(struct device_view), .fields = fields,
};

static const struct fleet_member *member_of_group(const struct fleet_group *group, const char *device,
						  const char *partition)
{
	for (size_t i = 0; group && i < group->n_members; i++)
		if (strcmp(group->members[i].device, device) == 0 &&
		    strcmp(group->members[i].partition, partition) == 0)
			return &group->members[i];
	return NULL;
}

static void view_partition(const struct fleet *fleet, const struct fleet_device *device,
			   const struct fleet_partition *partition, struct partition_view *ret)
{
	const struct fleet_group *group = fleet_group_of(fleet, device->name, partition->name);
	const struct fleet_member *member = member_of_group(group, device->name, partition->name);

	*ret = (struct partition_view){
		.name = partition->name, .serial = partition->serial, .uri = partition->uri,
		.library = partition->link.module,
		.link = (char *)(uintptr_t)fleet_link_names[partition->link.kind],
		.address = partition->link.address, .certificate = partition->link.certificate,
		.pin_source = partition->pin_source, .group = group ? group->name : NULL,
		.role = member ? (char *)(uintptr_t)fleet_role_names[member->role] : NULL,
	};
}

static int print(struct cli *cli, const struct fleet *fleet, const struct fleet_device *device,
		 enum device_state state, const char *provider, struct err *err)
{
	owned(mem) struct partition_view *partitions =
		mem_zalloc(device->n_partitions * sizeof(*partitions));
	const struct device_view view = {
		.name = device->name, .datacenter = device->datacenter,
		.region = fleet_datacenter(fleet, device->datacenter)->region,
		.provider = (char *)(uintptr_t)provider, .state = state, .module = device->module,
		.partitions = partitions, .n_partitions = device->n_partitions,
	};

	if (!partitions)
		return err_no_memory(err);
	for (size_t i = 0; i < device->n_partitions; i++)
		view_partition(fleet, device, &device->partitions[i], &partitions[i]);
	return cli_emit(cli, &device_type, &view, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	const struct provider *provider;
	struct fleet_device *device;
	enum device_state state;
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = fleet_find_device(fleet, a->device, &device, err);
	if (rc == 0)
		rc = provider_of(fleet, device, &provider, err);
	if (rc == 0)
		rc = provider->state(store, device, &state, err);
	return rc < 0 ? rc : print(cli, fleet, device, state, provider->name, err);
}

const struct cli_command device_show_command = {
	.name = "show", .summary = "Show one device and its partitions",
	.options = options, .args = args, .args_size = sizeof(struct show),
	.output = &device_type, .run = run,
};
