/* SPDX-License-Identifier: Apache-2.0 */
/* Talk on stderr: progress, notes, plain sentences. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/board.h"
#include "cli/emit.h"
#include "cli/text.h"

enum { LINE_MAX_TEXT = 400, LOG_LINE_MAX = 2048, PICTURE_MAX = 1 << 20 };

/* ---- a board ---- */

/* Where the cursor has to go up to: a narrower terminal has made more lines of the picture. It goes
 * no further than the top: what has left the screen stays as it is. */
static size_t lines_above(struct progress *p)
{
	return p->picture.len ? board_lines(buf_text(&p->picture), text_extent(STDERR_FILENO).columns) : 0;
}

static void forget_picture(struct progress *p)
{
	buf_release(&p->picture);
	p->picture = (struct buf){0};
}

/* Over what is there, line by line and in one write, so that nothing flickers. */
static void put_lines(size_t above, const char *picture, struct buf *ret)
{
	buf_printf(ret, "\r");
	if (above)
		buf_printf(ret, "\033[%zuA", above);
	for (const char *end; (end = strchr(picture, '\n')); picture = end + 1) {
		buf_put(ret, picture, (size_t)(end - picture));
		buf_printf(ret, "\033[K\n");
	}
	buf_printf(ret, "\033[J");
}

static void draw_board(struct progress *p, const struct observer_item *items, size_t n)
{
	struct text_extent extent = text_extent(STDERR_FILENO);
	/* The last column stays empty, since a terminal may break a line behind it; the last line
	 * is the cursor's. */
	const struct board_view view = {
		.width = extent.columns - 1, .lines = extent.lines - 1, .utf8 = p->utf8, .colour = p->colour,
		.tick = p->tick++, .elapsed_ms = clock_now_ms() - p->began_ms,
	};
	owned(buf) struct buf picture = {.max = PICTURE_MAX}, text = {.max = 2 * PICTURE_MAX};

	board_compose(&view, items, n, &picture);
	put_lines(lines_above(p), buf_text(&picture), &text);
	if (buf_check(&picture, NULL) < 0 || buf_check(&text, NULL) < 0)
		return;
	fwrite(text.data, 1, text.len, stderr);
	p->drawn = false;
	forget_picture(p);
	p->picture = picture;
	picture = (struct buf){0};
}

static uint32_t hash_of(const struct observer_item *item)
{
	uint32_t hash = 2166136261u + item->state;

	for (const char *s = item->what; s && *s; s++)
		hash = (hash ^ (unsigned char)*s) * 16777619u;
	return hash ? hash : 1;
}

static void tell(const struct observer_item *item)
{
	owned(buf) struct buf text = {.max = LOG_LINE_MAX};
	char now[CLOCK_TEXT];

	clock_format(clock_utc_ms(), now);
	board_log(item, &text);
	if (buf_check(&text, NULL) == 0)
		fprintf(stderr, "%s %s\n", now, buf_text(&text));
}

static void tell_changes(struct progress *p, const struct observer_item *items, size_t n)
{
	if (p->n_told != n) {
		free(p->told);
		p->told = mem_zalloc(n * sizeof(*p->told));
		p->n_told = p->told ? n : 0;
	}
	for (size_t i = 0; i < p->n_told; i++) {
		uint32_t hash = hash_of(&items[i]);

		if (items[i].state != OBSERVER_WAITING && hash != p->told[i])
			tell(&items[i]);
		p->told[i] = hash;
	}
}

/* The next one is another: below this one, from the beginning. */
static void leave_board(struct progress *p)
{
	forget_picture(p);
	free(own_take(p->told));
	p->n_told = 0;
	p->began_ms = 0;
	p->tick = 0;
}

static void on_board(struct observer *o, const struct observer_item *items, size_t n)
{
	struct progress *p = (struct progress *)o;

	if (!p->steps || !n)
		return;
	if (!p->began_ms)
		p->began_ms = clock_now_ms();
	if (p->terminal)
		draw_board(p, items, n);
	else
		tell_changes(p, items, n);
	if (board_ended(items, n))
		leave_board(p);
}

/* ---- what it is told ---- */

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
	if (lines_above(p))
		progress_clear(o);
	if (p->terminal)
		fprintf(stderr, "\r\033[K%.*s", (int)text_extent(STDERR_FILENO).columns - 1, text);
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
	size_t above = p ? lines_above(p) : 0;

	if (!p)
		return;
	if (p->drawn || above)
		fputs("\r\033[K", stderr);
	/* Line by line: terminals keep a screen that is cleared at once for scrolling back to. */
	while (above--)
		fputs("\033[A\033[K", stderr);
	p->drawn = false;
	forget_picture(p);
}

void progress_init(struct progress *progress, const struct cli_globals *globals)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	bool wanted = globals->progress == CLI_PROGRESS_ALWAYS ||
		      (globals->progress == CLI_PROGRESS_AUTO && terminal);

	*progress = (struct progress){
		.observer = {.step = on_step, .board = on_board, .note = on_note},
		.steps = wanted && !globals->quiet,
		.notes = !globals->quiet,
		.terminal = terminal,
		.utf8 = text_speaks_utf8(),
		.colour = terminal && !(no_color && *no_color),
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
	cli_as_typed(cli, text);
	progress_clear(cli->observer);
	fprintf(stderr, "%s\n", text);
}
