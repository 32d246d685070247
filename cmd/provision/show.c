/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision show: what the store says exists, and what clouds say of it. */
#include "access.h"
#include "admin.h"
#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct show {
	bool offline;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct show, offline, 0, "offline", "Ask no cloud: only what the store says"),
	ACCESS_OPTIONS(struct show, access),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(store) struct store *store = NULL;
	owned(inventory) struct inventory inventory = {0};
	struct provider_call call = {.observer = cli->observer, .access = &a->access};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	call.store = store;
	if (rc < 0)
		return rc;
	return a->offline ? admin_print_devices(cli, store, err) : provision_print(cli, &call, true, &inventory, err);
}

const struct cli_command provision_show_command = {
	.name = "show", .summary = "Show the devices that were made, whether they run, and what remains to be done",
	.options = options, .args = none, .args_size = sizeof(struct show),
	.output = &inventory_type, .run = run,
};
