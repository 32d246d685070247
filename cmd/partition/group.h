/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_PARTITION_GROUP_H
#define CMD_PARTITION_GROUP_H

extern const struct cli_group partition_group;

#endif
