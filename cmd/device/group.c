/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl device: the verbs. */
#include "cli/cli.h"
#include "device/device.h"
#include "device/group.h"

static const struct cli_command *const commands[] = {
	&device_list_command, &device_show_command, &device_start_command, &device_stop_command,
	&device_decommission_command, &device_backup_command, &device_restore_command, NULL
};

const struct cli_group device_group = {
	.name = "device", .summary = "Look at devices, start and stop them, back them up, unmake them",
	.commands = commands,
};
