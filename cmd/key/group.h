/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_KEY_GROUP_H
#define CMD_KEY_GROUP_H

extern const struct cli_group key_group;

#endif
