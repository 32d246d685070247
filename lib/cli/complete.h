/* SPDX-License-Identifier: Apache-2.0 */
/* complete - what may stand at the end of a command line. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "base/buf.h"
#include "cli/cli.h"

/*
 * Append the candidates for the last word, one a line. Words may come as bash
 * cuts them ("--type" "=" "ec"). True where the name of a file may stand: shells know
 * those themselves.
 */
bool cli_candidates(const struct cli_group *const *groups, int count, char **words,
		    struct buf *ret);

#endif
