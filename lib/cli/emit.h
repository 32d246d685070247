/* SPDX-License-Identifier: Apache-2.0 */
/* emit - what a run prints besides its result: progress, errors. */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "base/buf.h"
#include "cli/cli.h"

/* The error as the JSON document of a command that has no result. */
int cli_emit_error(struct cli *cli, struct err *error);

/* Commands in text for people, without the word "hsmctl" where a line of the shell is run: there they are typed so. */
void cli_as_typed(const struct cli *cli, char *text);

/* Progress on stderr. The observer stays valid for as long as the struct. */
struct progress {
	struct observer observer;	/* first: observers are cast back */
	bool steps, notes;		/* which of the two are shown */
	bool terminal;			/* drawn again and again in place */
	bool drawn;			/* the cursor stands in the line of a step */
	bool utf8, colour;
	/* Of a board, until all on it has ended: */
	int64_t began_ms;
	unsigned tick;
	struct buf picture;		/* stands above the cursor */
	uint32_t *told;			/* no terminal: what was last said of each item, as a hash */
	size_t n_told;
};
void progress_init(struct progress *progress, const struct cli_globals *globals);
/* Take away what is drawn, so that other text may follow; the last picture of a board that
 * has ended stays. NULL is allowed. */
void progress_clear(struct observer *observer);

#endif
