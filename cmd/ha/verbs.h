/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl ha, and the documents they print. */
#ifndef CMD_HA_VERBS_H
#define CMD_HA_VERBS_H

#include "admin.h"

extern const struct cli_command ha_create_command, ha_delete_command, ha_export_command, ha_list_command,
	ha_mechanisms_command, ha_recover_command, ha_show_command;

/* schema "group" */
extern const struct json_type ha_show_type;

/* Look at the members and print the group. */
int ha_show_group(struct cli *cli, struct admin *admin, struct err *err);

#endif
