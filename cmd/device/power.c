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

static int one(struct store *store, struct store_edit *edit, struct fleet_device *device,
	       power_verb verb, struct inventory *inventory, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	const struct provider *provider;
	int rc = provider_of(fleet, device, &provider, err);

	if (rc == 0 && provider->layout) {
		err_set(err, ERR_UNSUPPORTED, "device '%s' is a %s: its cloud runs it", device->name, provider->makes);
		return err_hint(err, "hsmctl provision show tells how it is");
	}
	if (rc == 0)
		rc = verb(store, edit, provider, device, err);
	if (rc < 0)
		return rc;
	return inventory_add(store, fleet, device, inventory, err);
}

static int all(struct cli *cli, struct store *store, struct store_edit *edit, const char *doing,
	       power_verb verb, struct inventory *inventory, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	int first = 0;

	for (size_t i = 0; i < fleet->n_devices; i++) {
		struct fleet_device *device = &fleet->devices[i];
		struct err this = {0};
		int rc = cancel_check(err);

		if (rc < 0)
			return rc;
		observer_step(cli->observer, device->name, doing, i, fleet->n_devices);
		rc = one(store, edit, device, verb, inventory, &this);
		if (rc < 0)
			cli_say(cli, "%s", this.message);
		if (rc < 0 && !first) {
			*err = this;
			first = rc;
		}
	}
	return first;
}

int power_run(struct cli *cli, const struct power *power, const char *doing, power_verb verb,
	      struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(inventory) struct inventory inventory = {0};
	struct fleet_device *device;
	int rc = check_use(power, err);

	if (rc == 0)
		rc = store_open(cli_store_url(cli), 0, &store, err);
	if (rc == 0)
		rc = store_edit_begin(store, doing, &edit, err);
	if (rc == 0 && power->all)
		rc = all(cli, store, edit, doing, verb, &inventory, err);
	else if (rc == 0 && (rc = fleet_find_device(store_edit_fleet(edit), power->device, &device, err)) == 0)
		rc = one(store, edit, device, verb, &inventory, err);
	if (rc == 0)
		rc = inventory_begin(store_edit_fleet(edit), &inventory, err);
	return rc < 0 ? rc : cli_emit(cli, &inventory_type, &inventory, err);
}
