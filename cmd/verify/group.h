/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VERIFY_GROUP_H
#define CMD_VERIFY_GROUP_H

extern const struct cli_group verify_group;

#endif
