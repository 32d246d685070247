/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_AUDIT_GROUP_H
#define CMD_AUDIT_GROUP_H

extern const struct cli_group audit_group;

#endif
