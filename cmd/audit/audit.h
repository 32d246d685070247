/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl audit. */
#ifndef CMD_AUDIT_AUDIT_H
#define CMD_AUDIT_AUDIT_H

extern const struct cli_command audit_show_command, audit_verify_command, audit_repair_command;

#endif
