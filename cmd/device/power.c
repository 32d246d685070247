/* SPDX-License-Identifier: Apache-2.0 */
/* Going through devices to start or stop them. */
#include "device/power.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/observer.h"
#include "provider/inventory.h"
#include "provider/provider.h"

const struct cli_param power_options[] = {
	CLI_OPT_FLAG(struct power, all, 'a', "all", "Every device of the fleet"),
	CLI_END
};
const struct cli_param power_args[] = {
	CLI_ARG(struct power, device, "DEVICE", admin_complete_devices, 0, "The device; or give --all"),
	CLI_END
};

static int check_use(const struct power *power, struct err *err)
{
	if (!power->device == !power->all)
		return err_set(err, ERR_USAGE, power->all ? "give a device or --all, not both"
							  : "give a device, or --all");
	return 0;
}

static int turn(struct store *store, struct store_edit *edit, struct fleet_device *device, power_verb verb,
		struct err *err)
{
	const struct provider *provider;
	int rc = provider_of(store_edit_fleet(edit), device, &provider, err);

	if (rc == 0 && provider->layout) {
		err_set(err, ERR_UNSUPPORTED, "device '%s' is a %s: its cloud runs it", device->name, provider->makes);
		return err_hint(err, "hsmctl provision show tells how it is");
	}
	return rc < 0 ? rc : verb(store, edit, provider, device, err);
}

static int one(struct store *store, struct store_edit *edit, const char *name, power_verb verb,
	       struct inventory *inventory, struct err *err)
{
	struct fleet_device *device;
	int rc = fleet_find_device(store_edit_fleet(edit), name, &device, err);

	if (rc == 0)
		rc = turn(store, edit, device, verb, err);
	return rc < 0 ? rc : inventory_add(store, store_edit_fleet(edit), device, inventory, err);
}

/* Each has its turn, and a row, whatever comes of it. */
static int all(struct cli *cli, struct store *store, struct store_edit *edit, const char *doing,
	       power_verb verb, struct inventory *inventory, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	int rc = 0;

	for (size_t i = 0; i < fleet->n_devices && rc == 0; i++) {
		struct fleet_device *device = &fleet->devices[i];
		struct err why = {0};

		observer_step(cli->observer, device->name, doing, i, fleet->n_devices);
		if (turn(store, edit, device, verb, &why) < 0)
			rc = inventory_fail(inventory, device->name, &why, err);
		if (rc == 0)
			rc = cancel_check(err);
		if (rc == 0)
			rc = inventory_add(store, fleet, device, inventory, err);
	}
	return rc;
}

int power_run(struct cli *cli, const struct power *power, const char *doing, power_verb verb,
	      struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(inventory) struct inventory inventory = {0};
	int rc = check_use(power, err);

	if (rc == 0)
		rc = store_open(cli_store_url(cli), 0, &store, err);
	if (rc == 0)
		rc = store_edit_begin(store, doing, &edit, err);
	if (rc == 0)
		rc = power->all ? all(cli, store, edit, doing, verb, &inventory, err)
				: one(store, edit, power->device, verb, &inventory, err);
	if (rc == 0)
		rc = inventory_begin(store_edit_fleet(edit), &inventory, err);
	if (rc == 0)
		rc = cli_emit(cli, &inventory_type, &inventory, err);
	return rc < 0 ? rc : inventory_check(&inventory, err);
}
