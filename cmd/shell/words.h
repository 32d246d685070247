/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words - a line cut into words as a shell does: blanks part words, '…' keeps
 * all, "…" all but \" and \\, a backslash the next character; # begins a
 * comment where a word could begin.
 */
#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H

#include <stddef.h>

#include "base/own.h"

struct err;

enum { WORDS_MAX = 256 };

struct words {
	char *text;		/* what items point into */
	char *items[WORDS_MAX + 1];	/* ends with NULL */
	int count;
};

/* ERR_INVALID: a quote is not closed, or too many words. */
int words_split(const char *line, struct words *ret, struct err *err);
void words_release(struct words *words);
OWN_DEFINE_RELEASE(words)

#endif
