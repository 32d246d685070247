/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl drill: the verbs. */
#include "cli/cli.h"
#include "drill/verbs.h"
#include "drill/group.h"

static const struct cli_command *const commands[] = {&drill_list_command, &drill_run_command, NULL};

const struct cli_group drill_group = {
	.name = "drill",
	.summary = "Break members on purpose, under load, and judge",
	.commands = commands,
};
