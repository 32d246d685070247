/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl version: which version runs. */
#include "version/group.h"

static int run(struct cli *cli, const void *args, struct err *err)
{
	(void)args;
	return cli_print_version(cli, err);
}

static const struct cli_command version_command = {
	.summary = "Print the version",
	.output = &cli_version_type,
	.run = run,
};

static const struct cli_command *const commands[] = {&version_command, NULL};

const struct cli_group version_group = {
	.name = "version",
	.summary = "Print the version",
	.commands = commands,
};
