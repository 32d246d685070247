/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device decommission: unmake one device for good. */
#include <stdio.h>

#include "access.h"
#include "base/err.h"
#include "device/device.h"
#include "provider/inventory.h"

struct decommission {
	const char *device;
	bool zeroised;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct decommission, zeroised, 0, "zeroised", "The dedicated HSM holds no keys any more"),
	ACCESS_OPTIONS(struct decommission, access),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct decommission, device, "DEVICE", admin_complete_devices, CLI_REQUIRED, "Device to unmake"),
	CLI_END
};

static int confirm(struct cli *cli, const struct fleet *fleet, const char *name, struct err *err)
{
	struct fleet_device *device = NULL;
	char question[300];
	int rc = fleet_find_device(fleet, name, &device, err);

	if (rc < 0)
		return rc;
	if (fleet_adopts(fleet, device)) {
		snprintf(question, sizeof(question),
			 "take the device '%s' out of the fleet? Its token and keys stay as they are.", name);
		return cli_confirm(cli, question, name, err);
	}
	snprintf(question, sizeof(question), "unmake the device '%s' in %s with its token and all keys on it?", name,
		 device->datacenter);
	return cli_confirm(cli, question, name, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct decommission *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct provider_call call = {.observer = cli->observer, .access = &a->access, .zeroised = a->zeroised};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	call.store = store;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = provider_check_free(fleet, a->device, err);
	if (rc == 0)
		rc = provider_check_zeroised(&call, fleet, a->device, err);
	if (rc == 0)
		rc = confirm(cli, fleet, a->device, err);
	if (rc == 0)
		rc = provider_decommission(&call, a->device, err);
	if (rc == 0)
		admin_tell_released(cli, fleet, a->device);
	return rc < 0 ? rc : admin_print_devices(cli, store, err);
}

const struct cli_command device_decommission_command = {
	.name = "decommission", .summary = "Unmake a device, with its token and all keys on it", .flags = CLI_DESTROYS | CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct decommission),
	.output = &inventory_type, .run = run,
};
