/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl appliance: the verbs. */
#include "cli/cli.h"
#include "appliance/appliance.h"
#include "appliance/group.h"

static const struct cli_command *const commands[] = {&appliance_serve_command, &appliance_init_command, NULL};

const struct cli_group appliance_group = {
	.name = "appliance",
	.summary = "Serve one token library over mutual TLS",
	.commands = commands,
};
