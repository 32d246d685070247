/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - commands as data.
 *
 * A command is one constant table: options, arguments, what it prints, what to
 * run. Parsing, --help, synopsis, man page, completion and the prompt all read
 * it. Rows hold the offset of a field in the command's own argument struct, so
 * a table can be read without running anything and each line of the prompt
 * parses into a fresh struct.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/observer.h"
#include "json/type.h"

struct buf;
struct err;
struct cli;

enum cli_kind {
	CLI_FLAG,	/* bool */
	CLI_STRING,	/* const char *, borrowed from argv */
	CLI_STRINGS,	/* struct cli_strings: may be repeated */
	CLI_INT,	/* int64_t within min, max */
	CLI_DURATION,	/* int64_t milliseconds: "10s", "250ms", "1.5m", "30" */
	CLI_CHOICE,	/* unsigned, index into names */
};

/* Values of a repeated option, at most CLI_STRINGS_MAX. */
enum { CLI_STRINGS_MAX = 64 };
struct cli_strings {
	const char *items[CLI_STRINGS_MAX];
	size_t count;
};

/* Candidates for a word; add each with cli_candidate(). Has 200 ms. */
struct cli_completion;
typedef void (*cli_completer)(struct cli *cli, struct cli_completion *c);
void cli_candidate(struct cli_completion *c, const char *word);
/* What the line gives already for a row ("GROUP", "member"), the last of several; NULL for none. */
const char *cli_given(const struct cli_completion *c, const char *name);
/* Does it give that value, among others, for that row? */
bool cli_is_given(const struct cli_completion *c, const char *name, const char *value);
/* What is typed of the word so far; what does not begin with it is no candidate. */
const char *cli_typed(const struct cli_completion *c);

/* Options and arguments are rows of one kind; an argument has no short name. */
struct cli_param {
	enum cli_kind kind;
	char letter;			/* options: 'g' for -g, 0 = none */
	const char *name;		/* "group"; arguments: "GROUP" */
	const char *value;		/* metavariable, "NAME"; NULL: name in capitals */
	size_t offset;
	const char *const *names;	/* CLI_CHOICE */
	int64_t min, max;		/* CLI_INT; CLI_DURATION in ms; 0, 0 = any */
	cli_completer complete;
	unsigned flags;			/* CLI_REQUIRED, CLI_HIDDEN */
	const char *summary;
	const char *fallback;		/* default as written by the user, NULL = zero */
};

enum {
	CLI_REQUIRED = 1,
	CLI_HIDDEN = 2,		/* parsed, not shown */
	CLI_DESTROYS = 4,	/* command: its run calls cli_confirm() */
	CLI_FILES = 8,		/* argument or option completes file names */
	CLI_ACCESS = 16,	/* option: how to prove who we are to a cloud. Many verbs share these: the
				 * synopsis sums them up, a manual page describes them once */
	CLI_CHANGES = 32,	/* command: it writes to the audit trail, whose head its result carries */
};

#define CLI_FIELD_(T, f, ctype) _Generic(((T *)0)->f, ctype: offsetof(T, f))
#define CLI_OPT_FLAG(T, f, l, n, s)                                            \
	{.kind = CLI_FLAG, .letter = (l), .name = (n), .offset = CLI_FIELD_(T, f, bool), .summary = (s)}
#define CLI_OPT_STRING(T, f, l, n, v, c, s)                                    \
	{.kind = CLI_STRING, .letter = (l), .name = (n), .value = (v), .complete = (c), \
	 .offset = CLI_FIELD_(T, f, const char *), .summary = (s)}
#define CLI_OPT_FILE(T, f, l, n, v, s)                                         \
	{.kind = CLI_STRING, .letter = (l), .name = (n), .value = (v), .flags = CLI_FILES, \
	 .offset = CLI_FIELD_(T, f, const char *), .summary = (s)}
#define CLI_OPT_STRINGS(T, f, l, n, v, c, s)                                   \
	{.kind = CLI_STRINGS, .letter = (l), .name = (n), .value = (v), .complete = (c), \
	 .offset = CLI_FIELD_(T, f, struct cli_strings), .summary = (s)}
#define CLI_OPT_INT(T, f, l, n, v, lo, hi, d, s)                               \
	{.kind = CLI_INT, .letter = (l), .name = (n), .value = (v), .min = (lo), .max = (hi), .fallback = (d), \
	 .offset = CLI_FIELD_(T, f, int64_t), .summary = (s)}
#define CLI_OPT_DURATION(T, f, l, n, v, d, s)                                  \
	{.kind = CLI_DURATION, .letter = (l), .name = (n), .value = (v), .fallback = (d), \
	 .offset = CLI_FIELD_(T, f, int64_t), .summary = (s)}
#define CLI_OPT_CHOICE(T, f, l, n, t, d, s)                                    \
	{.kind = CLI_CHOICE, .letter = (l), .name = (n), .names = (t), .fallback = (d), \
	 .offset = CLI_FIELD_(T, f, unsigned), .summary = (s)}
#define CLI_ARG(T, f, n, c, fl, s)                                             \
	{.kind = CLI_STRING, .name = (n), .complete = (c), .flags = (fl),      \
	 .offset = CLI_FIELD_(T, f, const char *), .summary = (s)}
#define CLI_ARGS(T, f, n, c, fl, s)                                            \
	{.kind = CLI_STRINGS, .name = (n), .complete = (c), .flags = (fl),     \
	 .offset = CLI_FIELD_(T, f, struct cli_strings), .summary = (s)}
#define CLI_OPT_ACCESS(T, f, n, v, fl, s)                                       \
	{.kind = CLI_STRING, .name = (n), .value = (v), .flags = CLI_ACCESS | (fl), \
	 .offset = CLI_FIELD_(T, f, const char *), .summary = (s)}
#define CLI_OPT_ACCESS_FLAG(T, f, n, s)                                         \
	{.kind = CLI_FLAG, .name = (n), .flags = CLI_ACCESS, .offset = CLI_FIELD_(T, f, bool), .summary = (s)}
#define CLI_END {.name = NULL}

struct cli_command {
	const char *name;		/* verb; NULL: the group's own command (sync, verify) */
	const char *summary;
	unsigned flags;			/* CLI_DESTROYS, CLI_CHANGES, CLI_HIDDEN */
	const struct cli_param *options;
	const struct cli_param *args;
	size_t args_size;		/* of the struct the rows point into */
	const struct json_type *output;	/* what it prints; NULL = free text */
	/* What it prints when this option is given. */
	struct {
		const char *option;
		const struct json_type *output;
	} instead;
	/* 0 or a negative code. A command that printed its result may still
	 * return ERR_DIFFERENT, ERR_OBJECTIVE, ERR_UNREACHABLE…: the status
	 * follows, the result stands. */
	int (*run)(struct cli *cli, const void *args, struct err *err);
};

/* One subcommand binary: `hsmctl NAME …`. */
struct cli_group {
	const char *name;
	const char *summary;
	const struct cli_command *const *commands;	/* NULL-terminated */
};

enum cli_output { CLI_TABLE, CLI_WIDE, CLI_JSON };	/* wide: a table that is not cut to the terminal */
enum cli_progress { CLI_PROGRESS_AUTO, CLI_PROGRESS_ALWAYS, CLI_PROGRESS_NEVER };

/* The global options; cli_globals in globals.c is their table. */
struct cli_globals {
	const char *store;
	unsigned output;
	unsigned progress;
	bool yes;
	int64_t timeout_ms;
	bool quiet, verbose, help, version;
};
extern const struct cli_param cli_globals[];

/* What a running command is given. */
struct cli {
	struct cli_globals globals;
	const struct cli_group *group;
	const struct cli_command *command;
	struct observer *observer;	/* progress on stderr, or a silent one */
	bool emitted;			/* a result document was printed */
	bool lines;			/* documents on one line each: shell, --watch */
	const struct cli_group *const *groups;	/* of a line of the shell: what may be typed there; else NULL */
	int status;			/* exit status when run returned 0: of shell's lines */
	const char *head;		/* of the audit trail, when the command wrote to it; the result carries it */
};

/* main() of a subcommand binary: parse, run, print errors; the exit status. */
int cli_main(const struct cli_group *group, int argc, char **argv);

/* The same for one line of the prompt: the first word that is no global option
 * names the group, behind "hsmctl" or without it. groups is NULL-terminated. defaults stand for global options
 * that the line does not give. The status, and nothing ends the process. */
int cli_run_line(const struct cli_group *const *groups, const struct cli_globals *defaults,
		 int argc, char **argv);

/* Tell how a run ended: the message on stderr, with -o json and no result yet also
 * the error document on stdout. The exit status. cli_main and cli_run_line do it. */
int cli_conclude(struct cli *cli, struct err *err);

/* URL of the store: --store, HSMCTL_STORE, or the default folder. */
const char *cli_store_url(const struct cli *cli);

/* Path of a file of this user in $XDG_STATE_HOME or ~/.local/state. */
void cli_state_path(const char *name, char *ret, size_t size);

/* Print a result document: JSON with -o json, tables for people otherwise. Nothing, and the code of
 * base/cancel.h, once the command is cancelled: what it found since then may be wrong.
 * With cli->head, and CLI_CHANGES, the JSON ends with it as "audit_head". */
int cli_emit(struct cli *cli, const struct json_type *type, const void *data, struct err *err);

/* The schema of a result, with audit_head where a command that prints it changes something. groups NULL-terminated. */
int cli_schema(const struct cli_group *const *groups, const struct json_type *type, struct buf *ret, struct err *err);

/* Print free text (a report, Prometheus lines) as the result; also into a full
 * disk or a closed stdout, which is ERR_IO. */
int cli_write(struct cli *cli, const char *text, size_t len, struct err *err);

/* Talk on stderr; silent with --quiet. */
void cli_say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Ask before something is destroyed. question: "destroy fleet 'x' with 4
 * devices?". With --yes 0 at once; without a terminal ERR_CONFIRM; a "no" is
 * ERR_INTERRUPTED-free ERR_FAILED "not confirmed". word (may be NULL) must be
 * typed instead of y.
 */
int cli_confirm(struct cli *cli, const char *question, const char *word, struct err *err);

/* Introspection: text for people, man pages, shells. groups NULL-terminated. */
int cli_print_help(const struct cli_group *group, const struct cli_command *command,
		   struct err *err);
int cli_print_overview(const struct cli_group *const *groups, struct err *err);
int cli_write_man(const struct cli_group *group, struct buf *ret, struct err *err);
/* hsmctl(1): the groups, global options, exit statuses, error codes. */
int cli_write_man_overview(const struct cli_group *const *groups, struct buf *ret, struct err *err);
/* The verb of that name; NULL or a name no verb has: the group's own command, or
 * NULL. */
const struct cli_command *cli_find_command(const struct cli_group *group, const char *verb);
const struct cli_group *cli_find_group(const struct cli_group *const *groups, const char *name);
/* ERR_USAGE "no command 'name'", with the nearest one as hint; next: the word behind it, or NULL. */
int cli_no_group(const struct cli_group *const *groups, const char *name, const char *next, struct err *err);
/* ERR_USAGE "no verb 'verb' ...", likewise. */
int cli_no_verb(const struct cli_group *group, const char *verb, struct err *err);

/* Documents of cli itself: errors and the version. */
extern const struct json_type cli_error_type, cli_version_type;
/* What --version prints. */
int cli_print_version(struct cli *cli, struct err *err);

/* The exit status of "hsmctl __complete" where a path may stand, so that the shell offers files. */
enum { CLI_WANTS_FILES = 3 };

/* words: what stands on the command line behind "hsmctl", the last one is being
 * typed (may be ""). Candidates, one a line, on stdout. The exit status: 0,
 * CLI_WANTS_FILES, or 1. */
int cli_complete(const struct cli_group *const *groups, int count, char **words);

#endif
