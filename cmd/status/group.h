/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_STATUS_GROUP_H
#define CMD_STATUS_GROUP_H

extern const struct cli_group status_group;

#endif
