/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision show: what the store says exists. */
#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct show {
	bool unused;
};

static const struct cli_param none[] = {CLI_END};

static int run(struct cli *cli, const void *data, struct err *err)
{
	owned(store) struct store *store = NULL;
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	return rc < 0 ? rc : provision_print(cli, store, err);
}

const struct cli_command provision_show_command = {
	.name = "show", .summary = "Show the devices that were made, and whether they run",
	.options = none, .args = none, .args_size = sizeof(struct show),
	.output = &inventory_type, .run = run,
};
