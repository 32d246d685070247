/* SPDX-License-Identifier: Apache-2.0 */
/* Going through devices to start or stop them. */
#include "device/power.h"

#include <stdio.h>

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

static int turn(struct store *store, struct store_edit *edit, const char *name, power_verb verb, struct err *err)
{
	const struct provider *provider;
	struct fleet_device *device;
	int rc = fleet_find_device(store_edit_fleet(edit), name, &device, err);

	if (rc == 0)
		rc = provider_of(store_edit_fleet(edit), device, &provider, err);
	if (rc == 0)
		rc = provider_check_power(provider, device, err);
	return rc < 0 ? rc : verb(store, edit, provider, device, err);
}

static int one(struct cli *cli, struct store *store, const char *name, const char *doing, power_verb verb, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_DEVICE, .name = name};
	owned(store_lock) struct store_lock *lock = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	char shown[128];
	int rc;

	snprintf(shown, sizeof(shown), "%s %.64s", doing, name);
	rc = store_lock(store, &subject, 1, shown, cli->observer, &lock, err);
	if (rc == 0)
		rc = store_edit_begin(store, shown, &edit, err);
	if (rc < 0)
		return rc;
	store_edit_yield(edit);
	return turn(store, edit, name, verb, err);
}

/* Each has its turn, and what fails a row, whatever comes of it. */
static int all(struct cli *cli, struct store *store, const struct fleet *fleet, const char *doing, power_verb verb,
	       struct inventory *inventory, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < fleet->n_devices && rc == 0; i++) {
		const char *name = fleet->devices[i].name;
		struct err why = {0};

		/* Whoever asks for all means all that can be started and stopped. */
		if (fleet_adopts(fleet, &fleet->devices[i]))
			continue;
		observer_step(cli->observer, name, doing, i, fleet->n_devices);
		if (one(cli, store, name, doing, verb, &why) < 0)
			rc = inventory_fail(inventory, name, &why, err);
		if (rc == 0)
			rc = cancel_check(err);
	}
	return rc;
}

/* What was named, as it is now. */
static int print(struct cli *cli, struct store *store, const char *name, struct inventory *inventory, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_device *device;
	int rc = store_read(store, &fleet, err);

	if (rc == 0 && !name)
		rc = inventory_make(store, fleet, inventory, err);
	if (rc == 0 && name)
		rc = inventory_begin(fleet, inventory, err);
	if (rc == 0 && name)
		rc = fleet_find_device(fleet, name, &device, err);
	if (rc == 0 && name)
		rc = inventory_add(store, fleet, device, inventory, err);
	return rc < 0 ? rc : admin_emit(cli, store, &inventory_type, inventory, err);
}

int power_run(struct cli *cli, const struct power *power, const char *doing, power_verb verb,
	      struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	struct fleet_device *device;
	int rc = check_use(power, err);

	if (rc == 0)
		rc = store_open(cli_store_url(cli), 0, &store, err);
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0 && power->all)
		rc = all(cli, store, fleet, doing, verb, &inventory, err);
	if (rc == 0 && !power->all)
		rc = fleet_find_device(fleet, power->device, &device, err);
	if (rc == 0 && !power->all)
		rc = one(cli, store, power->device, doing, verb, err);
	if (rc == 0)
		rc = print(cli, store, power->device, &inventory, err);
	return rc < 0 ? rc : inventory_check(&inventory, err);
}
