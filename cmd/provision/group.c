/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision: the verbs. */
#include "cli/cli.h"
#include "provision/provision.h"
#include "provision/group.h"

static const struct cli_command *const commands[] = {
	&provision_plan_command, &provision_apply_command, &provision_show_command, &provision_destroy_command,
	&provision_export_command, &provision_import_command, NULL
};

const struct cli_group provision_group = {
	.name = "provision", .summary = "Make the devices of a fleet document exist, initialised and reachable", .commands = commands,
};
