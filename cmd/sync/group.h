/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SYNC_GROUP_H
#define CMD_SYNC_GROUP_H

extern const struct cli_group sync_group;

#endif
