/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device stop: take a device out of service; its token stays. */
#include "base/err.h"
#include "device/power.h"
#include "provider/inventory.h"
#include "provider/provider.h"

static int stop(struct store *store, struct store_edit *edit, const struct provider *provider,
		struct fleet_device *device, struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	enum device_state state;
	int rc = provider->state(store, device, &state, err);

	(void)edit;
	/* One that is stopped, or hangs, serves nobody. */
	if (rc == 0 && (state == DEVICE_STOPPED || state == DEVICE_ABSENT))
		return provider->stop(store, device, err);
	if (rc == 0)
		rc = store_deed_begin(store, "device stop", device->name, NULL, &deed, err);
	if (rc < 0)
		return rc;
	rc = provider->stop(store, device, err);
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	return power_run(cli, data, "device stop", stop, err);
}

const struct cli_command device_stop_command = {
	.name = "stop", .summary = "Stop a device, or all of them; tokens and keys stay", .flags = CLI_CHANGES,
	.options = power_options, .args = power_args, .args_size = sizeof(struct power),
	.output = &inventory_type, .run = run,
};
