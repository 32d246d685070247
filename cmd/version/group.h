/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VERSION_GROUP_H
#define CMD_VERSION_GROUP_H

#include "cli/cli.h"

extern const struct cli_group version_group;

#endif
