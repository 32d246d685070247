/* SPDX-License-Identifier: Apache-2.0 */
/* Composes the picture of what goes on at once. */
#include "cli/board.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/text.h"

enum {
	TEXT = 400,
	WHAT_MAX = 72,	/* a longer way from message to time is hard to follow */
	SUBJECT_MIN = 8,
	BAR_MIN = 4,
	BAR_MAX = 32,
};

/* Text as a terminal can show it; one without UTF-8 shows "?" for what is not ASCII. */
static void prepare(const char *text, bool utf8, char ret[static TEXT])
{
	char *to = ret;

	snprintf(ret, TEXT, "%s", text ? text : "");
	err_mask(ret);
	for (const char *p = ret; !utf8 && *p; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			*to++ = (unsigned char)*p < 0x80 ? *p : '?';
	if (!utf8)
		*to = 0;
}

/* ---- a line ---- */

struct line {
	struct buf *ret;
	size_t column, width;
	bool utf8, colour;
};

static void go_to(struct line *line, size_t column)
{
	for (; line->column < column && line->column < line->width; line->column++)
		buf_put_u8(line->ret, ' ');
}

/* At most that many columns of text, which is prepared. */
static void put(struct line *line, const char *text, size_t most)
{
	size_t left = line->width - line->column;

	line->column += text_put(line->ret, text, most < left ? most : left, line->utf8);
}

static void paint(struct line *line, const char *code)
{
	if (line->colour)
		buf_printf(line->ret, "\033[%sm", code);
}

/* ---- an item ---- */

/* Indexed by state; what runs has no mark of its own but the spinner's. */
static const char *const marks[2][4] = {{" .", "", "ok", "!!"}, {"·", "", "✓", "✗"}};
static const char *const colours[] = {"2", "36", "32", "31"};
static const char *const spinner[2][10] = {
	{" |", " /", " -", " \\"}, {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
};

static const char *mark_of(const struct board_view *view, enum observer_state state)
{
	if (state == OBSERVER_RUNNING)
		return spinner[view->utf8][view->tick % (view->utf8 ? 10 : 4)];
	return marks[view->utf8][state];
}

void board_time(int64_t ms, char ret[static BOARD_TIME])
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 60)
		snprintf(ret, BOARD_TIME, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(ret, BOARD_TIME, "%" PRId64 "m%02ds", s / 60, (int)(s % 60));
	else
		snprintf(ret, BOARD_TIME, "%" PRId64 "h%02dm", s / 3600, (int)(s / 60 % 60));
}

/* "" for what never began. */
static void time_of(const struct observer_item *item, char ret[static BOARD_TIME])
{
	*ret = 0;
	if (item->state == OBSERVER_RUNNING || (item->state != OBSERVER_WAITING && item->elapsed_ms > 0))
		board_time(item->elapsed_ms, ret);
}

struct columns {
	size_t subject, what, time;	/* widths */
};

/* Of all items, also those that do not fit: columns should not move with every change. */
static struct columns measure(const struct board_view *view, const struct observer_item *items, size_t n)
{
	size_t most = view->width * 2 / 5, mark = view->utf8 ? 1 : 2, used;
	struct columns c = {0, 0, sizeof("59m59s") - 1};

	for (size_t i = 0; i < n; i++) {
		char subject[TEXT];
		size_t width;

		prepare(items[i].subject, view->utf8, subject);
		width = text_width(subject);
		c.subject = width > c.subject ? width : c.subject;
	}
	most = most > SUBJECT_MIN ? most : SUBJECT_MIN;
	c.subject = c.subject < most ? c.subject : most;
	used = mark + 1 + c.subject + 2 + 2 + c.time;
	c.what = view->width > used ? view->width - used : 0;
	c.what = c.what < WHAT_MAX ? c.what : WHAT_MAX;
	return c;
}

/* Services begin with what does not change ("Resource creation in progress. Connecting …"): where all
 * of it does not fit, what they say last says more. */
static const char *newest_words(const char *text, size_t width)
{
	const char *next;

	while (text_width(text) > width && (next = strstr(text, ". ")))
		text = next + 2;
	return text;
}

static void put_item(const struct board_view *view, const struct columns *c, const struct observer_item *item,
		     struct buf *ret)
{
	struct line line = {ret, 0, view->width, view->utf8, view->colour};
	size_t subject = view->utf8 ? 2 : 3, what = subject + c->subject + 2, end = what + c->what + 2 + c->time;
	char text[TEXT], time[BOARD_TIME];

	time_of(item, time);
	paint(&line, colours[item->state]);
	put(&line, mark_of(view, item->state), 2);
	if (item->state != OBSERVER_WAITING)
		paint(&line, "0");
	go_to(&line, subject);
	prepare(item->subject, view->utf8, text);
	put(&line, text, c->subject);
	prepare(item->what, view->utf8, text);
	if (*text && c->what) {
		go_to(&line, what);
		put(&line, item->state == OBSERVER_RUNNING ? newest_words(text, c->what) : text, c->what);
	}
	if (*time) {
		go_to(&line, end - strlen(time));
		put(&line, time, c->time + 1);
	}
	if (item->state == OBSERVER_WAITING)
		paint(&line, "0");
	buf_put_u8(ret, '\n');
}

/* ---- the whole ---- */

struct counts {
	size_t of[4];	/* by state */
};

static struct counts count(const struct observer_item *items, size_t n)
{
	struct counts counts = {{0}};

	for (size_t i = 0; i < n; i++)
		counts.of[items[i].state]++;
	return counts;
}

bool board_ended(const struct observer_item *items, size_t n)
{
	struct counts counts = count(items, n);

	return !counts.of[OBSERVER_WAITING] && !counts.of[OBSERVER_RUNNING];
}

static void put_bar(const struct board_view *view, const struct counts *counts, size_t n, struct buf *ret)
{
	struct line line = {ret, 0, view->width, view->utf8, view->colour};
	size_t done = counts->of[OBSERVER_DONE], room, bar;
	char text[160], time[BOARD_TIME];
	int len;

	board_time(view->elapsed_ms, time);
	len = snprintf(text, sizeof(text), "%zu/%zu, %s", done, n, time);
	if (counts->of[OBSERVER_RUNNING])
		len += snprintf(text + len, sizeof(text) - (size_t)len, ", %zu running", counts->of[OBSERVER_RUNNING]);
	if (counts->of[OBSERVER_FAILED])
		len += snprintf(text + len, sizeof(text) - (size_t)len, ", %zu failed", counts->of[OBSERVER_FAILED]);
	room = view->width > (size_t)len + 3 ? view->width - (size_t)len - 3 : 0;
	bar = room < BAR_MAX ? room : BAR_MAX;
	if (bar >= BAR_MIN) {
		size_t full = n ? bar * done / n : bar;

		put(&line, "[", 1);
		for (size_t i = 0; i < bar; i++)
			put(&line, i < full ? "#" : "-", 1);
		put(&line, "] ", 2);
	}
	put(&line, text, view->width);
	buf_put_u8(ret, '\n');
}

static void put_rest(const struct board_view *view, const struct counts *rest, struct buf *ret)
{
	static const enum observer_state order[] = {OBSERVER_RUNNING, OBSERVER_FAILED, OBSERVER_DONE, OBSERVER_WAITING};
	static const char *const words[] = {"waiting", "running", "done", "failed"};
	struct line line = {ret, 0, view->width, view->utf8, view->colour};
	char text[160] = "";
	size_t len = 0;

	for (size_t i = 0; i < 4; i++)
		if (rest->of[order[i]])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%zu more %s", len ? ", " : "",
						rest->of[order[i]], words[order[i]]);
	paint(&line, "2");
	go_to(&line, view->utf8 ? 2 : 3);
	put(&line, text, view->width);
	paint(&line, "0");
	buf_put_u8(ret, '\n');
}

static void put_all(const struct board_view *view, const struct columns *c, const struct observer_item *items,
		    size_t n, struct buf *ret)
{
	for (size_t i = 0; i < n; i++)
		put_item(view, c, &items[i], ret);
}

static bool is_urgent(const struct observer_item *item)
{
	return item->state == OBSERVER_RUNNING || item->state == OBSERVER_FAILED;
}

/* In room lines, the last of which counts what is not shown. */
static void put_some(const struct board_view *view, const struct columns *c, const struct observer_item *items,
		     size_t n, size_t room, struct buf *ret)
{
	struct counts rest = count(items, n);
	size_t left = room - 1, skip;

	for (size_t i = 0; i < n && left; i++) {
		if (!is_urgent(&items[i]))
			continue;
		put_item(view, c, &items[i], ret);
		rest.of[items[i].state]--;
		left--;
	}
	skip = rest.of[OBSERVER_DONE] > left ? rest.of[OBSERVER_DONE] - left : 0;
	for (size_t i = 0; i < n && left; i++) {
		if (items[i].state != OBSERVER_DONE)
			continue;
		if (skip) {
			skip--;
			continue;
		}
		put_item(view, c, &items[i], ret);
		rest.of[OBSERVER_DONE]--;
		left--;
	}
	put_rest(view, &rest, ret);
}

void board_compose(const struct board_view *view, const struct observer_item *items, size_t n,
		   struct buf *ret)
{
	struct columns c = measure(view, items, n);
	struct counts counts = count(items, n);

	if (!view->lines)
		return;
	if (n < view->lines)
		put_all(view, &c, items, n, ret);
	else if (view->lines > 1)
		put_some(view, &c, items, n, view->lines - 1, ret);
	put_bar(view, &counts, n, ret);
}

/* Behind the escape sequence at s. */
static const char *skip_escape(const char *s)
{
	while (*s && *s != 'm')
		s++;
	return *s ? s + 1 : s;
}

size_t board_lines(const char *picture, size_t columns)
{
	size_t lines = 0, column = 0, len;

	for (; *picture; picture += len) {
		size_t width;

		if (*picture == '\033') {
			len = (size_t)(skip_escape(picture) - picture);
			continue;
		}
		if (*picture == '\n') {
			lines++;
			column = 0;
			len = 1;
			continue;
		}
		width = text_width_at(picture, &len);
		if (column + width > columns) {
			lines++;
			column = 0;
		}
		column += width;
	}
	return lines;
}

/* ---- logs ---- */

void board_log(const struct observer_item *item, struct buf *ret)
{
	static const char *const words[] = {"waiting", "running", "done", "failed"};
	bool ended = item->state == OBSERVER_DONE || item->state == OBSERVER_FAILED;
	char text[TEXT], time[BOARD_TIME];

	prepare(item->subject, true, text);
	buf_printf(ret, "%s: ", text);
	prepare(item->what, true, text);
	if (ended || !*text)
		buf_printf(ret, "%s%s", words[item->state], *text ? ": " : "");
	buf_printf(ret, "%s", text);
	time_of(item, time);
	if (*time)
		buf_printf(ret, " (%s)", time);
}
