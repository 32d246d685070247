/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl ha, and the documents they print. */
#ifndef CMD_HA_VERBS_H
#define CMD_HA_VERBS_H

#include "admin.h"

extern const struct cli_command ha_create_command, ha_delete_command, ha_export_command, ha_list_command,
	ha_mechanisms_command, ha_policy_command, ha_recover_command, ha_show_command;

/* Rows of a struct fleet_policy with its defaults put in. */
#define HA_POLICY_FIELDS(flags)                                                                                        \
	JSON_F_INT(struct fleet_policy, min_members, flags, 0, 0, "members a write must reach"),                       \
	JSON_F_INT(struct fleet_policy, min_datacenters, flags, 0, 0, "datacentres a write must reach"),               \
	JSON_F_INT(struct fleet_policy, connect_ms, flags, 0, 0, "longest connection set-up"),                         \
	JSON_F_INT(struct fleet_policy, answer_ms, flags, 0, 0, "longest silence of a member that owes an answer"),    \
	JSON_F_INT(struct fleet_policy, call_ms, flags, 0, 0, "longest call"),                                         \
	JSON_F_BOOL(struct fleet_policy, allow_unreplicated, flags, "keys that members cannot carry over are accepted"), \
	JSON_F_ENUM(struct fleet_policy, stale_members, flags, fleet_stale_names,                                      \
		    "when only members are up that missed writes"),                                                    \
	JSON_F_ENUM(struct fleet_policy, routing, flags, fleet_routing_names, "whom applications ask first"),          \
	JSON_F_INT(struct fleet_policy, connections, flags, 0, 0, "of an application to a member, at most")

/* schema "group" */
extern const struct json_type ha_show_type;

/* Look at the members and print the group. */
int ha_show_group(struct cli *cli, struct admin *admin, struct err *err);

#endif
