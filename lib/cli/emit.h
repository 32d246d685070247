/* SPDX-License-Identifier: Apache-2.0 */
/* emit - what a run prints besides its result: progress, errors. */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "cli/cli.h"

/* The error as the JSON document of a command that has no result. */
int cli_emit_error(struct cli *cli, struct err *error);

/* Progress on stderr. The observer stays valid for as long as the struct. */
struct progress {
	struct observer observer;	/* first: observers are cast back */
	bool steps, notes;		/* which of the two are shown */
	bool terminal;			/* one line, drawn again and again */
	bool drawn;
};
void progress_init(struct progress *progress, const struct cli_globals *globals);
/* Take the drawn line away, so that other text may follow. NULL is allowed. */
void progress_clear(struct observer *observer);

#endif
