/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device start: bring back what is down. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "device/power.h"
#include "provider/inventory.h"
#include "provider/provider.h"

/* The port may be another one now, which is a change of the document. */
static int bring_up(struct store_edit *edit, const struct provider *provider, struct fleet_device *device,
		    struct store *store, struct store_deed *deed, struct err *err)
{
	const char *address = device->n_partitions ? device->partitions[0].link.address : NULL;
	owned(mem) char *before = address ? mem_strdup(address) : NULL;
	int rc = address && !before ? err_no_memory(err) : provider->start(store, device, err);

	if (rc < 0)
		return rc;
	address = device->partitions[0].link.address;
	if (str_eq(before, address))
		return 0;
	return deed ? store_deed_commit(deed, edit, address, err)
		    : store_edit_commit(edit, "device start", device->name, address, err);
}

static int start(struct store *store, struct store_edit *edit, const struct provider *provider,
		 struct fleet_device *device, struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	enum device_state state;
	int rc = provider->state(store, device, &state, err);

	/* One that runs is not started, but may have to be written down. */
	if (rc == 0 && state != DEVICE_RUNNING)
		rc = store_deed_begin(store, "device start", device->name, NULL, &deed, err);
	if (rc < 0)
		return rc;
	rc = bring_up(edit, provider, device, store, deed, err);
	if (deed)
		store_deed_end(deed, rc == 0 ? device->partitions[0].link.address : NULL, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	return power_run(cli, data, "device start", start, err);
}

const struct cli_command device_start_command = {
	.name = "start", .summary = "Start a device that is down, or all of them", .flags = CLI_CHANGES,
	.options = power_options, .args = power_args, .args_size = sizeof(struct power),
	.output = &inventory_type, .run = run,
};
