/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device stop: take a device out of service; its token stays. */
#include "base/err.h"
#include "device/power.h"
#include "provider/inventory.h"
#include "provider/provider.h"

static int stop(struct store *store, struct store_edit *edit, const struct provider *provider,
		struct fleet_device *device, struct err *err)
{
	enum device_state before, after;
	int rc = provider->state(store, device, &before, err);

	(void)edit;
	if (rc == 0)
		rc = provider->stop(store, device, err);
	if (rc == 0)
		rc = provider->state(store, device, &after, err);
	if (rc < 0 || before == after)
		return rc;
	return store_audit(store, "device stop", device->name, NULL, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	return power_run(cli, data, "device stop", stop, err);
}

const struct cli_command device_stop_command = {
	.name = "stop", .summary = "Stop a device, or all of them; tokens and keys stay",
	.options = power_options, .args = power_args, .args_size = sizeof(struct power),
	.output = &inventory_type, .run = run,
};
