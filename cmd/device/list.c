/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device list: the devices of the store, without asking their tokens. */
#include "base/err.h"
#include "device/device.h"
#include "provider/inventory.h"

struct list {
	bool unused;
};

static const struct cli_param none[] = {CLI_END};

static int run(struct cli *cli, const void *data, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = inventory_make(store, fleet, &inventory, err);
	return rc < 0 ? rc : cli_emit(cli, &inventory_type, &inventory, err);
}

const struct cli_command device_list_command = {
	.name = "list", .summary = "List the devices and whether they run",
	.options = none, .args = none, .args_size = sizeof(struct list),
	.output = &inventory_type, .run = run,
};
