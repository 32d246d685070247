/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device start: bring back what is down. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "device/power.h"
#include "provider/inventory.h"
#include "provider/provider.h"

/* The port may be another one now. */
static int start(struct store *store, struct store_edit *edit, const struct provider *provider,
		 struct fleet_device *device, struct err *err)
{
	owned(mem) char *before = NULL;
	enum device_state state;
	int rc = provider->state(store, device, &state, err);

	if (rc == 0 && device->n_partitions && device->partitions[0].link.address) {
		before = mem_strdup(device->partitions[0].link.address);
		rc = before ? 0 : err_no_memory(err);
	}
	if (rc == 0)
		rc = provider->start(store, device, err);
	if (rc < 0)
		return rc;
	if (!str_eq(before, device->partitions[0].link.address))
		return store_edit_commit(edit, "device start", device->name,
					 device->partitions[0].link.address, err);
	if (state == DEVICE_RUNNING)
		return 0;
	return store_audit(store, "device start", device->name, device->partitions[0].link.address, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	return power_run(cli, data, "device start", start, err);
}

const struct cli_command device_start_command = {
	.name = "start", .summary = "Start a device that is down, or all of them",
	.options = power_options, .args = power_args, .args_size = sizeof(struct power),
	.output = &inventory_type, .run = run,
};
