/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl partition: the verbs. */
#include "cli/cli.h"
#include "partition/partition.h"
#include "partition/group.h"

static const struct cli_command *const commands[] = {
	&partition_list_command, &partition_show_command, &partition_contents_command, NULL
};

const struct cli_group partition_group = {
	.name = "partition", .summary = "Look at partitions: the tokens on devices", .commands = commands,
};
