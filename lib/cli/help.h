/* SPDX-License-Identifier: Apache-2.0 */
/* help - what --help prints, as text. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "base/buf.h"
#include "cli/cli.h"

/* command NULL: the whole group, or its own command if it has one. */
void cli_help(const struct cli_group *group, const struct cli_command *command, struct buf *ret);
void cli_help_overview(const struct cli_group *const *groups, struct buf *ret);

#endif
