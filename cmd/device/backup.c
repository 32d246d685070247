/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device backup: have a cloud put a device's keys into a storage container. */
#include "device/backup.h"

#include <stdio.h>

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
	store_lock_free(place->lock);
	store_free(place->store);
	*place = (struct backup_place){0};
}

static int find(struct backup_place *place, const char *device, struct err *err)
{
	int rc;

	fleet_free(own_take(place->fleet));
	rc = store_read(place->store, &place->fleet, err);
	return rc < 0 ? rc : fleet_find_device(place->fleet, device, &place->device, err);
}

int backup_place_open(const struct cli *cli, const char *device, const char *doing, struct backup_place *ret,
		      struct err *err)
{
	const struct store_subject subject = {.kind = STORE_DEVICE, .name = device};
	const struct provider *provider = NULL;
	char shown[128];
	int rc = store_open(cli_store_url(cli), 0, &ret->store, err);

	snprintf(shown, sizeof(shown), "%s %.80s", doing, device);
	if (rc == 0)
		rc = find(ret, device, err);
	if (rc == 0)
		rc = store_lock(ret->store, &subject, 1, shown, cli->observer, &ret->lock, err);
	if (rc == 0)
		rc = find(ret, device, err);
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

/* What the cloud was asked to do was checked by then. Once it has begun, what became of it is known only by its word. */
static void end_deed(struct store_deed *deed, const struct provider_backup *what,
		     const struct provider_backup_result *result, int rc, const struct err *why)
{
	owned(mem) char *detail = !result->state ? NULL
						 : mem_printf("%s %s %s: %s", result->id ? result->id : "backup",
							      what->id ? "from" : "into", what->container, result->state);

	store_deed_end(deed, detail, rc < 0 && result->state ? -ERR_NOT_KNOWN : rc, why);
}

int backup_run(struct cli *cli, const struct backup_place *place, const struct provider_access *access,
	       const struct provider_backup *what, struct err *err)
{
	const struct provider_call call = {.store = place->store, .observer = cli->observer, .access = access};
	owned(store_deed) struct store_deed *deed = NULL;
	struct provider_backup_result result = {0};
	/* Not the container: nobody has looked yet whether a secret stands in its URL. */
	int rc = store_deed_begin(place->store, what->id ? "device restore" : "device backup", place->device->name,
				  what->id, &deed, err);

	if (rc < 0)
		return rc;
	rc = place->layout->backup(&call, place->fleet, place->device, what, &result, err);
	end_deed(deed, what, &result, rc, err);
	if (rc == 0)
		rc = admin_emit(cli, place->store, &provider_backup_type, &result, err);
	json_release(&provider_backup_type, &result);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct backup *a = data;
	owned(backup_place) struct backup_place place = {0};
	int rc = backup_place_open(cli, a->device, "device backup", &place, err);

	return rc < 0 ? rc : backup_run(cli, &place, &a->access, &a->what, err);
}

const struct cli_command device_backup_command = {
	.name = "backup", .summary = "Have the cloud put a device's keys into a storage container", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct backup),
	.output = &provider_backup_type, .run = run,
};
