/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl device. */
#ifndef CMD_DEVICE_DEVICE_H
#define CMD_DEVICE_DEVICE_H

#include "admin.h"
#include "cli/cli.h"

extern const struct cli_command device_list_command, device_show_command, device_start_command,
	device_stop_command, device_decommission_command, device_backup_command, device_restore_command;

#endif
