/* SPDX-License-Identifier: Apache-2.0 */
/* parse - a command line into the argument struct of its command. */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include "cli/cli.h"

/*
 * Read the words behind the group's name. environment: global options begin with
 * their defaults and environment variables; otherwise with what cli->globals
 * holds. Sets cli->group, cli->command (NULL when none is
 * named) and cli->globals; *ret_args is a new struct of the command, freed with
 * free(), whose strings are borrowed from argv. With --help or --version the
 * rest may be incomplete and *ret_args stays NULL. ERR_USAGE with a hint.
 */
int cli_parse(struct cli *cli, const struct cli_group *group, bool environment, int argc,
	      char **argv, void **ret_args, struct err *err);

/* Does some word of a line that cannot be read as a whole ask for JSON? */
bool cli_parse_wants_json(int argc, char **argv, bool otherwise);

#endif
