/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device backup: have a cloud put a device's keys into a storage container. */
#include "device/backup.h"

#include "access.h"
#include "base/err.h"
#include "base/mem.h"

struct backup {
	const char *device;
	struct provider_backup what;
	struct provider_access access;
};

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .name = "container", .value = "URL", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct backup, what.container, const char *),
	 .summary = "Storage container that the backup goes to"},
	ACCESS_OPTIONS(struct backup, access),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct backup, device, "DEVICE", admin_complete_devices, CLI_REQUIRED, "Device whose keys are saved"),
	CLI_END
};

/* ---- what restoring needs too ---- */

void backup_place_release(struct backup_place *place)
{
	fleet_free(place->fleet);
	store_free(place->store);
	*place = (struct backup_place){0};
}

int backup_place_open(const struct cli *cli, const char *device, struct backup_place *ret, struct err *err)
{
	const struct provider *provider = NULL;
	int rc = store_open(cli_store_url(cli), 0, &ret->store, err);

	if (rc == 0)
		rc = store_read(ret->store, &ret->fleet, err);
	if (rc == 0)
		rc = fleet_find_device(ret->fleet, device, &ret->device, err);
	if (rc == 0)
		rc = provider_of(ret->fleet, ret->device, &provider, err);
	if (rc < 0)
		return rc;
	if (!provider->layout) {
		err_set(err, ERR_UNSUPPORTED, "device '%s' is a %s: no cloud makes backups of it", device,
			provider->makes);
		return err_hint(err, "members of a group hold the same keys: see 'hsmctl help ha'");
	}
	return provider->layout(&ret->layout, err);
}

/* What happened stands in the trail, also when its end was not seen. */
static int record(const struct backup_place *place, const struct provider_backup *what,
		  const struct provider_backup_result *result, struct err *err)
{
	owned(mem) char *detail = mem_printf("%s %s %s: %s", result->id ? result->id : "backup",
					     what->id ? "from" : "into", what->container, result->state);

	if (!detail)
		return err_no_memory(err);
	return store_audit(place->store, what->id ? "device restore" : "device backup", place->device->name, detail,
			   err);
}

int backup_run(struct cli *cli, const struct backup_place *place, const struct provider_access *access,
	       const struct provider_backup *what, struct err *err)
{
	const struct provider_call call = {.store = place->store, .observer = cli->observer, .access = access};
	struct provider_backup_result result = {0};
	struct err second = {0};
	int rc = place->layout->backup(&call, place->fleet, place->device, what, &result, err);

	if (result.state && record(place, what, &result, &second) < 0 && rc == 0) {
		*err = second;
		rc = -(int)second.code;
	}
	if (rc == 0)
		rc = cli_emit(cli, &provider_backup_type, &result, err);
	json_release(&provider_backup_type, &result);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct backup *a = data;
	owned(backup_place) struct backup_place place = {0};
	int rc = backup_place_open(cli, a->device, &place, err);

	return rc < 0 ? rc : backup_run(cli, &place, &a->access, &a->what, err);
}

const struct cli_command device_backup_command = {
	.name = "backup", .summary = "Have the cloud put a device's keys into a storage container",
	.options = options, .args = args, .args_size = sizeof(struct backup),
	.output = &provider_backup_type, .run = run,
};
