/* SPDX-License-Identifier: Apache-2.0 */
/* param - one row of a table: putting a value into its field, describing it. */
#ifndef CLI_PARAM_H
#define CLI_PARAM_H

#include "base/buf.h"
#include "cli/cli.h"

/* Put value, as a user wrote it, into the row's field of base. value is NULL
 * for a flag. The error says what is wrong with the value, not whose it is. */
int cli_param_set(const struct cli_param *row, void *base, const char *value, struct err *err);

/* Put the fallbacks of all rows into base; NULL rows are none. */
int cli_param_defaults(const struct cli_param *rows, void *base, struct err *err);

/* Append the metavariable of an option ("GROUP"); of a choice among few words
 * these words ("table|json"). */
void cli_param_value(const struct cli_param *row, struct buf *ret);

/* Append the summary, the words of a choice unless its value shows them, and the
 * default. */
void cli_param_about(const struct cli_param *row, struct buf *ret);

enum { CLI_VARIABLE = 64 };

/* The environment variable of a global option; false when it has none. */
bool cli_param_variable(const struct cli_param *row, char ret[static CLI_VARIABLE]);

#endif
