/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha: the verbs. */
#include "ha/group.h"

#include "cli/cli.h"
#include "ha/verbs.h"

static const struct cli_command *const commands[] = {
	&ha_create_command, &ha_delete_command, &ha_export_command, &ha_list_command,
	&ha_mechanisms_command, &ha_policy_command, &ha_recover_command, &ha_show_command, NULL};

const struct cli_group ha_group = {
	.name = "ha", .summary = "HA groups of partitions across datacentres", .commands = commands,
};
