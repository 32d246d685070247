/* SPDX-License-Identifier: Apache-2.0 */
/* globals - finding the command word among global options; needs libc only. */
#ifndef CLI_GLOBALS_H
#define CLI_GLOBALS_H

#include "cli/cli.h"

/* Index of the first word that is neither a global option nor the value of one;
 * argc when there is none. It may be an option nobody here knows. */
int cli_find_word(int argc, char *const *argv);

/* Row of a long option (len characters of name), or of a letter; NULL when the
 * table has none. rows may be NULL. */
const struct cli_param *cli_long(const struct cli_param *rows, const char *name, size_t len);
const struct cli_param *cli_short(const struct cli_param *rows, char letter);

#endif
