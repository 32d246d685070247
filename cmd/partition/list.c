/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl partition list: every token of the fleet, without asking it. */
#include <stdlib.h>

#include "base/err.h"
#include "partition/partition.h"

struct list {
	bool unused;
};

static const struct cli_param none[] = {CLI_END};

/* Strings are borrowed from the fleet. */
struct row {
	char *device, *partition, *datacenter, *serial;
	unsigned link;
	char *address, *group;
};
struct rows {
	struct row *partitions;
	size_t n_partitions;
};

static const struct json_field row_fields[] = {
	JSON_F_STRING(struct row, device, JSON_REQUIRED | JSON_COLUMN, "device it is on"),
	JSON_F_STRING(struct row, partition, JSON_REQUIRED | JSON_COLUMN, "name of the partition"),
	JSON_F_STRING(struct row, datacenter, JSON_REQUIRED | JSON_COLUMN, "where the device stands"),
	JSON_F_STRING(struct row, serial, JSON_NULLABLE | JSON_COLUMN | JSON_WIDE, "serial number of its token"),
	JSON_F_ENUM(struct row, link, JSON_COLUMN, fleet_link_names, "how it is reached"),
	JSON_F_STRING(struct row, address, JSON_NULLABLE | JSON_COLUMN, "where it is reached"),
	JSON_F_STRING(struct row, group, JSON_NULLABLE | JSON_COLUMN, "group it serves in"),
	JSON_F_END
};
static const struct json_type row_type = {
	.summary = "A partition", .size = sizeof(struct row), .fields = row_fields,
};
static const struct json_field fields[] = {
	JSON_F_LIST(struct rows, partitions, JSON_COLUMN, row_type, "the partitions"),
	JSON_F_END
};
static const struct json_type rows_type = {
	.schema = "partitions", .summary = "The partitions of the fleet",
	.size = sizeof(struct rows), .fields = fields,
};

static int add(const struct fleet *fleet, const struct fleet_device *device,
	       const struct fleet_partition *partition, struct rows *rows, struct err *err)
{
	const struct fleet_group *group = fleet_group_of(fleet, device->name, partition->name);
	struct row *row = json_append(&rows->partitions, &rows->n_partitions, sizeof(*row));

	if (!row)
		return err_no_memory(err);
	*row = (struct row){
		.device = device->name, .partition = partition->name, .datacenter = device->datacenter,
		.serial = partition->serial, .link = partition->link.kind,
		.address = partition->link.address, .group = group ? group->name : NULL,
	};
	return 0;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct rows rows = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	for (size_t i = 0; rc == 0 && i < fleet->n_devices; i++)
		for (size_t j = 0; rc == 0 && j < fleet->devices[i].n_partitions; j++)
			rc = add(fleet, &fleet->devices[i], &fleet->devices[i].partitions[j], &rows, err);
	if (rc == 0)
		rc = cli_emit(cli, &rows_type, &rows, err);
	free(rows.partitions);
	return rc;
}

const struct cli_command partition_list_command = {
	.name = "list", .summary = "List the partitions of the fleet",
	.options = none, .args = none, .args_size = sizeof(struct list),
	.output = &rows_type, .run = run,
};
