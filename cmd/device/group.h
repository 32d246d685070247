/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_DEVICE_GROUP_H
#define CMD_DEVICE_GROUP_H

extern const struct cli_group device_group;

#endif
