/* SPDX-License-Identifier: Apache-2.0 */
/* familiar - the words of Luna's tools, and what does that job here. */
#ifndef CLI_FAMILIAR_H
#define CLI_FAMILIAR_H

#include <stdbool.h>

struct err;

/*
 * Hint at the command that does what lunacm or vtl call by these words, in any
 * case and by their short forms. next may be NULL. exact: only where the table
 * knows both words. False when it does not know them; err, which is set, keeps its
 * hint then.
 */
bool familiar_hint(const char *word, const char *next, bool exact, struct err *err);

#endif
