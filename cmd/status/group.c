/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl status: a command without verbs. */
#include "cli/cli.h"
#include "status/group.h"
#include "status/status.h"

static const struct cli_command *const commands[] = {&status_command, NULL};

const struct cli_group status_group = {
	.name = "status", .summary = "Health of devices and groups", .commands = commands,
};
