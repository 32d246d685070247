/* SPDX-License-Identifier: Apache-2.0 */
/* shell - lines of commands, from a person or a script. */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

struct shell {
	struct cli *cli;
	bool keep_going;
	bool ended;		/* exit or quit was said */
	int64_t deadline_ms;	/* monotonic, for all lines of a script; 0 = none */
	int status;		/* of the first line that failed */
};

/* Run one line; its status. Errors of the line are told already. */
int shell_run_line(struct shell *shell, const char *line);

/* Ask for lines with editing, history and completion until exit or Ctrl-D. */
int shell_prompt(struct shell *shell, struct err *err);

#endif
