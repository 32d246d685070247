/* SPDX-License-Identifier: Apache-2.0 */
/* Talk on stderr: progress, notes, plain sentences. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/emit.h"

enum { LINE_MAX_TEXT = 400 };

static size_t terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
}

static void on_step(struct observer *o, const char *subject, const char *what, size_t done,
		    size_t total)
{
	struct progress *p = (struct progress *)o;
	char text[LINE_MAX_TEXT], count[48] = "";

	if (!p->steps)
		return;
	if (total)
		snprintf(count, sizeof(count), "[%zu/%zu] ", done, total);
	snprintf(text, sizeof(text), "%s%s%s%s", count, subject ? subject : "",
		 subject && what ? ": " : "", what ? what : "");
	err_mask(text);
	if (p->terminal)
		fprintf(stderr, "\r\033[K%.*s", (int)terminal_width(), text);
	else
		fprintf(stderr, "%s\n", text);
	p->drawn = p->terminal;
}

static void on_note(struct observer *o, const char *text)
{
	struct progress *p = (struct progress *)o;
	char masked[LINE_MAX_TEXT];

	if (!p->notes)
		return;
	snprintf(masked, sizeof(masked), "%s", text);
	err_mask(masked);
	progress_clear(o);
	fprintf(stderr, "hsmctl: %s\n", masked);
}

void progress_clear(struct observer *observer)
{
	struct progress *p = (struct progress *)observer;

	if (!p || !p->drawn)
		return;
	fputs("\r\033[K", stderr);
	p->drawn = false;
}

void progress_init(struct progress *progress, const struct cli_globals *globals)
{
	const char *term = getenv("TERM");
	bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	bool wanted = globals->progress == CLI_PROGRESS_ALWAYS ||
		      (globals->progress == CLI_PROGRESS_AUTO && terminal);

	*progress = (struct progress){
		.observer = {on_step, on_note},
		.steps = wanted && !globals->quiet,
		.notes = !globals->quiet,
		.terminal = terminal,
	};
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (cli->globals.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_mask(text);
	progress_clear(cli->observer);
	fprintf(stderr, "%s\n", text);
}
