/* SPDX-License-Identifier: Apache-2.0 */
/* The global options, shared with the dispatcher. */
#include "cli/globals.h"

#include <string.h>

static const char *const output_names[] = {"table", "wide", "json", NULL};
static const char *const progress_names[] = {"auto", "always", "never", NULL};

const struct cli_param cli_globals[] = {
	CLI_OPT_FILE(struct cli_globals, store, 0, "store", "URL",
		     "Where the fleet document lives: a folder"),
	CLI_OPT_CHOICE(struct cli_globals, output, 'o', "output", output_names, "table",
		       "How results are printed; wide: tables are not cut to the terminal"),
	CLI_OPT_CHOICE(struct cli_globals, progress, 0, "progress", progress_names, "auto",
		       "Progress on stderr; auto: only on a terminal"),
	CLI_OPT_FLAG(struct cli_globals, yes, 'y', "yes", "Do not ask before something is destroyed"),
	CLI_OPT_DURATION(struct cli_globals, timeout_ms, 0, "timeout", "SECONDS", NULL,
			 "Time for the whole command; units ms, s, m, h are understood"),
	CLI_OPT_FLAG(struct cli_globals, quiet, 'q', "quiet", "No talk on stderr but errors"),
	CLI_OPT_FLAG(struct cli_globals, verbose, 'v', "verbose", "Say on stderr what is done"),
	CLI_OPT_FLAG(struct cli_globals, version, 0, "version", "Print the version"),
	CLI_OPT_FLAG(struct cli_globals, help, 'h', "help", "Print help"),
	CLI_END
};

const struct cli_param *cli_long(const struct cli_param *rows, const char *name, size_t len)
{
	for (; rows && rows->name; rows++)
		if (strlen(rows->name) == len && strncmp(rows->name, name, len) == 0)
			return rows;
	return NULL;
}

const struct cli_param *cli_short(const struct cli_param *rows, char letter)
{
	for (; rows && rows->name; rows++)
		if (letter && rows->letter == letter)
			return rows;
	return NULL;
}

/* Words that a run of letters ("-qo") takes: 0 when one of them is not global. */
static int letters_span(const char *letters)
{
	for (; *letters; letters++) {
		const struct cli_param *row = cli_short(cli_globals, *letters);

		if (!row)
			return 0;
		if (row->kind != CLI_FLAG)
			return letters[1] ? 1 : 2;
	}
	return 1;
}

/* Words that the option at arg takes: 0 when it is not a global one. */
static int global_span(const char *arg)
{
	const struct cli_param *row;

	if (arg[1] != '-')
		return letters_span(arg + 1);
	row = cli_long(cli_globals, arg + 2, strcspn(arg + 2, "="));
	if (!row)
		return 0;
	return row->kind == CLI_FLAG || strchr(arg, '=') ? 1 : 2;
}

int cli_find_word(int argc, char *const *argv)
{
	int i = 0, span;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		span = global_span(argv[i]);
		if (span == 0)
			return i;
		i += span;
	}
	return i < argc ? i : argc;
}
