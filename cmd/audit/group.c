/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl audit: the verbs. */
#include "cli/cli.h"
#include "audit/audit.h"
#include "audit/group.h"

static const struct cli_command *const commands[] = {
	&audit_show_command, &audit_verify_command, &audit_repair_command, NULL
};

const struct cli_group audit_group = {
	.name = "audit", .summary = "Read, check and mend the tamper-evident trail of every change", .commands = commands,
};
