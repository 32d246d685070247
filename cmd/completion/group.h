/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COMPLETION_GROUP_H
#define CMD_COMPLETION_GROUP_H

#include "cli/cli.h"

extern const struct cli_group completion_group;

#endif
