/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SHELL_GROUP_H
#define CMD_SHELL_GROUP_H

#include "cli/cli.h"

extern const struct cli_group shell_group;

#endif
