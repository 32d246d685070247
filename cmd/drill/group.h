/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_DRILL_GROUP_H
#define CMD_DRILL_GROUP_H

extern const struct cli_group drill_group;

#endif
