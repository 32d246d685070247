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
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	return rc < 0 ? rc : admin_print_devices(cli, store, err);
}

const struct cli_command device_list_command = {
	.name = "list", .summary = "List the devices and whether they run",
	.options = none, .args = none, .args_size = sizeof(struct list),
	.output = &inventory_type, .run = run,
};
