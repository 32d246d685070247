/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HA_GROUP_H
#define CMD_HA_GROUP_H

extern const struct cli_group ha_group;

#endif
