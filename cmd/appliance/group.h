/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_APPLIANCE_GROUP_H
#define CMD_APPLIANCE_GROUP_H

extern const struct cli_group appliance_group;

#endif
