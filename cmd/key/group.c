/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl key: the verbs. */
#include "key/group.h"

#include "cli/cli.h"
#include "key/key.h"

static const struct cli_command *const commands[] = {
	&key_generate_command, &key_list_command, &key_show_command, &key_delete_command, NULL};

const struct cli_group key_group = {
	.name = "key", .summary = "Keys of a group", .commands = commands,
};
