/* SPDX-License-Identifier: Apache-2.0 */
/* groups - every command, for the programs that know them all. */
#ifndef CMD_GROUPS_H
#define CMD_GROUPS_H

#include "cli/cli.h"

/* NULL-terminated, in the order of the overview. */
extern const struct cli_group *const all_groups[];

#endif
