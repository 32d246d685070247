/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device restore: have a cloud put the keys of a backup into a device. */
#include <stdio.h>

#include "access.h"
#include "base/err.h"
#include "device/backup.h"

struct restore {
	const char *device;
	struct provider_backup what;
	struct provider_access access;
};

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .name = "container", .value = "URL", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct restore, what.container, const char *),
	 .summary = "Storage container that the backup is in"},
	{.kind = CLI_STRING, .name = "backup-id", .value = "ID", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct restore, what.id, const char *),
	 .summary = "The backup, as 'device backup' printed it"},
	CLI_OPT_FLAG(struct restore, what.activated, 0, "activated",
		     "Restore even into a device that may be activated, which damages it"),
	ACCESS_OPTIONS(struct restore, access),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct restore, device, "DEVICE", admin_complete_devices, CLI_REQUIRED, "Device that gets the keys"),
	CLI_END
};

static int check_free(const struct backup_place *place, struct err *err)
{
	const struct fleet_group *group = fleet_group_of(place->fleet, place->device->name, NULL);

	if (!group)
		return 0;
	err_set(err, ERR_IN_USE, "device '%s' serves in group '%s'", place->device->name, group->name);
	return err_hint(err, "restore into a device that is in no group; see 'hsmctl device list'");
}

static int confirm(struct cli *cli, const struct restore *a, struct err *err)
{
	char question[400];

	snprintf(question, sizeof(question), "put the keys of backup '%.200s' in place of what device '%s' holds?",
		 a->what.id, a->device);
	return cli_confirm(cli, question, a->device, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct restore *a = data;
	owned(backup_place) struct backup_place place = {0};
	int rc = backup_place_open(cli, a->device, "device restore", &place, err);

	if (rc == 0)
		rc = check_free(&place, err);
	if (rc == 0)
		rc = confirm(cli, a, err);
	return rc < 0 ? rc : backup_run(cli, &place, &a->access, &a->what, err);
}

const struct cli_command device_restore_command = {
	.name = "restore", .summary = "Have the cloud put the keys of a backup into a device", .flags = CLI_DESTROYS | CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct restore),
	.output = &provider_backup_type, .run = run,
};
