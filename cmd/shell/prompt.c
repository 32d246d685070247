/* SPDX-License-Identifier: Apache-2.0 */
/* The prompt: readline with history and the completion of the command line. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "shell/shell.h"
#include "shell/words.h"

enum { HISTORY_LINES = 1000, CANDIDATES_MAX = 1 << 20 };

/* What readline's callbacks need; they have no argument for it. */
static struct {
	const char *store;
	char *candidates, *next;
	bool files;
} completing;

static bool completion_program(char ret[static PATH_MAX])
{
	static const char name[] = "hsmctl-completion";
	ssize_t len = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return false;
	ret[len] = 0;
	slash = strrchr(ret, '/');
	if (!slash || (size_t)(slash + 1 - ret) + sizeof(name) > PATH_MAX)
		return false;
	strcpy(slash + 1, name);
	return true;
}

/* Ask a process of its own: a live completer that hangs ends with it. */
static char *ask_candidates(const struct words *before, const char *text)
{
	char program[PATH_MAX];
	const char *argv[WORDS_MAX + 8] = {program, "__complete"};
	owned(buf) struct buf found = {.max = CANDIDATES_MAX}, errors = {.max = CANDIDATES_MAX};
	int n = 2, status;

	completing.files = false;
	if (completing.store) {
		argv[n++] = "--store";
		argv[n++] = completing.store;
	}
	for (int i = before->count && strcmp(before->items[0], "hsmctl") == 0; i < before->count; i++)
		argv[n++] = before->items[i];
	argv[n] = text;
	if (!completion_program(program))
		return NULL;
	status = proc_run(argv, NULL, &found, &errors, NULL);
	completing.files = status == CLI_WANTS_FILES;
	return status == 0 || completing.files ? mem_strdup(buf_text(&found)) : NULL;
}

static char *next_candidate(const char *text, int state)
{
	char *line;

	(void)text;
	if (state == 0)
		completing.next = completing.candidates;
	line = completing.next ? strsep(&completing.next, "\n") : NULL;
	if (!line || !*line)
		return NULL;
	return strpbrk(line, " '\"\\#") ? mem_printf("\"%s\"", line) : mem_strdup(line);
}

static char **complete(const char *text, int start, int end)
{
	owned(words) struct words before = {.count = 0};
	owned(mem) char *line = mem_strndup(rl_line_buffer, (size_t)start);
	char **matches;

	(void)end;
	rl_attempted_completion_over = 1;
	if (!line || words_split(line, &before, NULL) < 0)
		return NULL;
	completing.candidates = ask_candidates(&before, text);
	matches = completing.candidates ? rl_completion_matches(text, next_candidate) : NULL;
	free(completing.candidates);
	completing.candidates = completing.next = NULL;
	rl_attempted_completion_over = !completing.files;
	return matches;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void drop_line(void)
{
	interrupted = 0;
	fputs("^C\n", rl_outstream);
	rl_replace_line("", 0);
	rl_on_new_line();
	rl_redisplay();
}

/* Wait for a key; SIGINT is let in only while it waits, so that none falls between a look and the wait. */
static bool wait_for_key(int fd, const sigset_t *open)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};

	while (!fds[0].revents) {
		if (interrupted)
			drop_line();
		if (cancel_check(NULL) < 0)
			return false;
		fds[0].revents = fds[1].revents = 0;
		if (ppoll(fds, 2, NULL, open) < 0)
			rl_check_signals();
	}
	return true;
}

/* The next key. Ctrl-C drops the line that is being typed, SIGTERM ends the input. */
static int next_key(FILE *file)
{
	sigset_t interrupt, open;
	bool there;

	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &open);
	there = wait_for_key(fileno(file), &open);
	sigprocmask(SIG_SETMASK, &open, NULL);
	return there ? rl_getc(file) : EOF;
}

static void prepare(const struct cli *cli)
{
	rl_readline_name = "hsmctl";
	rl_outstream = stderr;
	rl_catch_signals = 0;
	rl_getc_function = next_key;
	rl_basic_word_break_characters = " \t";
	rl_completer_word_break_characters = " \t";
	rl_completer_quote_characters = "\"'";
	rl_attempted_completion_function = complete;
	completing.store = cli->globals.store;
	using_history();
	stifle_history(HISTORY_LINES);
}

/* While a line is typed SIGINT belongs to the prompt, while it runs to the command. */
static char *ask_line(void)
{
	const struct sigaction prompt = {.sa_handler = on_interrupt};
	struct sigaction command;
	char *line;

	cancel_install(0);
	sigaction(SIGINT, &prompt, &command);
	line = readline("hsmctl> ");
	sigaction(SIGINT, &command, NULL);
	return line;
}

/* Not kept: a line that begins with a blank, and one said twice in a row. */
static void remember(const char *line)
{
	const HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;

	if (*line && *line != ' ' && !(last && strcmp(last->line, line) == 0))
		add_history(line);
}

static void save_history(const char *path)
{
	owned(mem) char *folder = mem_strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!slash)
		return;
	*slash = 0;
	if (file_mkdirs(folder, 0700, NULL) == 0)
		(void)write_history(path);
}

int shell_prompt(struct shell *shell, struct err *err)
{
	char history[PATH_MAX];
	int r = 0;

	prepare(shell->cli);
	cli_state_path("hsmctl-history", history, sizeof(history));
	(void)read_history(history);
	while (r == 0 && !shell->ended) {
		owned(mem) char *line = ask_line();

		r = cancel_check(err);
		if (!line)
			fputc('\n', stderr);
		if (r < 0 || !line)
			break;
		remember(line);
		(void)shell_run_line(shell, line);
	}
	save_history(history);
	return r;
}
