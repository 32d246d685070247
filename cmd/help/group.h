/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HELP_GROUP_H
#define CMD_HELP_GROUP_H

#include "cli/cli.h"

extern const struct cli_group help_group;

#endif
