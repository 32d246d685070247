/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl shell: many commands in one process. */
#include "shell/group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "groups.h"
#include "shell/shell.h"
#include "shell/words.h"

enum { LINE_MAX_LEN = 1 << 16 };

struct shell_args {
	const char *line, *file;
	bool keep_going;
};

static const struct cli_param options[] = {
	CLI_OPT_STRING(struct shell_args, line, 'c', "command", "WORDS", NULL, "Run these words and end"),
	CLI_OPT_FLAG(struct shell_args, keep_going, 0, "keep-going", "Go on after a line that failed"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct shell_args, file, "FILE", NULL, CLI_FILES, "Lines to run; none: ask, or read stdin"),
	CLI_END
};

/* An error of the line itself, told as its command would. */
static int tell(const struct shell *shell, struct err *err)
{
	struct cli cli = {.globals = shell->cli->globals, .lines = true};

	return cli_conclude(&cli, err);
}

/* The global options of a line that gives none, with what is left of the time. */
static int line_globals(const struct shell *shell, struct cli_globals *ret, struct err *err)
{
	int64_t left = shell->deadline_ms - clock_now_ms();

	*ret = shell->cli->globals;
	if (!shell->deadline_ms)
		return 0;
	if (left <= 0)
		return err_set(err, ERR_TIMEOUT, "the time given with --timeout ran out");
	ret->timeout_ms = left;
	return 0;
}

int shell_run_line(struct shell *shell, const char *line)
{
	owned(words) struct words words = {.count = 0};
	struct cli_globals globals;
	struct err err = {0};

	if (words_split(line, &words, &err) < 0)
		return tell(shell, &err);
	if (words.count == 0)
		return 0;
	shell->ended = str_eq(words.items[0], "exit") || str_eq(words.items[0], "quit");
	if (shell->ended)
		return 0;
	if (line_globals(shell, &globals, &err) < 0)
		return tell(shell, &err);
	return cli_run_line(all_groups, &globals, words.count, words.items);
}

static bool was_stopped(int status)
{
	return status > 128 || status == err_exit_status(ERR_TIMEOUT);
}

/* Returns true when no further line is to be run. */
static bool run_script_line(struct shell *shell, const char *line, const char *source, int number)
{
	int status = shell_run_line(shell, line);

	if (status == 0)
		return shell->ended;
	if (shell->status == 0)
		shell->status = status;
	if (shell->keep_going && !was_stopped(status))
		return false;
	cli_say(shell->cli, "%s:%d: ended here with status %d", source, number, status);
	return true;
}

/* One line without its end. 1, 0 at the end of the input, or a negative code. */
static int read_line(FILE *file, struct buf *line, struct err *err)
{
	int c;

	buf_clear(line);
	while ((c = getc(file)) != EOF && c != '\n')
		buf_put_u8(line, (uint8_t)c);
	if (ferror(file))
		return cancel_check(err) < 0 ? -(int)err->code : err_errno(err, "cannot read lines");
	if (line->bad)
		return err_set(err, ERR_INVALID, "a line is longer than %d bytes", LINE_MAX_LEN);
	return c != EOF || line->len > 0;
}

static int run_script(struct shell *shell, FILE *file, const char *source, struct err *err)
{
	owned(buf) struct buf line = {.max = LINE_MAX_LEN};
	int r;

	for (int number = 1;; number++) {
		r = read_line(file, &line, err);
		if (r < 0)
			return err_wrap(err, "%s:%d", source, number);
		if (r == 0 || run_script_line(shell, buf_text(&line), source, number))
			return 0;
	}
}

static int run_file(struct shell *shell, const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "no file '%s'", path);
	if (!file)
		return err_errno(err, "cannot open '%s'", path);
	r = run_script(shell, file, path, err);
	fclose(file);
	return r;
}

static int run_lines(struct shell *shell, const struct shell_args *a, struct err *err)
{
	if (a->line) {
		shell->status = shell_run_line(shell, a->line);
		return 0;
	}
	if (a->file)
		return run_file(shell, a->file, err);
	if (!isatty(STDIN_FILENO))
		return run_script(shell, stdin, "stdin", err);
	shell->deadline_ms = 0;
	return shell_prompt(shell, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	static bool running;
	const struct shell_args *a = data;
	int64_t timeout = cli->globals.timeout_ms;
	struct shell shell = {
		.cli = cli,
		.keep_going = a->keep_going,
		.deadline_ms = timeout ? clock_now_ms() + timeout : 0,
	};
	int r;

	if (running)
		return err_set(err, ERR_USAGE, "this is a shell already");
	if (a->line && a->file)
		return err_set(err, ERR_USAGE, "either --command or FILE, not both");
	running = true;
	r = run_lines(&shell, a, err);
	running = false;
	cli->status = shell.status;
	return r;
}

static const struct cli_command shell_command = {
	.summary = "Run many commands: at a prompt, from a file, from stdin",
	.options = options,
	.args = args,
	.args_size = sizeof(struct shell_args),
	.run = run,
};

static const struct cli_command *const commands[] = {&shell_command, NULL};

const struct cli_group shell_group = {
	.name = "shell",
	.summary = "Run many commands: at a prompt, from a file, from stdin",
	.commands = commands,
};
