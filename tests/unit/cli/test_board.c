/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of what goes on at once, and how it is drawn. */
#include "sample.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/board.h"
#include "cli/emit.h"

#define W OBSERVER_WAITING
#define R OBSERVER_RUNNING
#define D OBSERVER_DONE
#define F OBSERVER_FAILED

static const struct observer_item four[] = {
	{"network n", "ready", D, 7000},
	{"dedicated HSM hsm-east-1", "Configuring the device...", R, 453000},
	{"gateway g", "it failed", F, 62000},
	{"connection c", "", W, 0},
};

static void expect(struct board_view view, const struct observer_item *items, size_t n, const char *text)
{
	owned(buf) struct buf buf = {.max = 1 << 20};

	board_compose(&view, items, n, &buf);
	assert_string_equal(buf_text(&buf), text);
}

static void test_a_line_for_each_and_one_for_the_whole(void **state)
{
	(void)state;
	expect((struct board_view){.width = 79, .lines = 23, .utf8 = true, .elapsed_ms = 842000}, four, 4,
	       "✓ network n                 ready                                            7s\n"
	       "⠋ dedicated HSM hsm-east-1  Configuring the device...                     7m33s\n"
	       "✗ gateway g                 it failed                                     1m02s\n"
	       "· connection c\n"
	       "[########------------------------] 1/4, 14m02s, 1 running, 1 failed\n");
}

static void test_long_messages_are_cut(void **state)
{
	static const char message[] = "Resource creation in progress. Connecting the device to the network...";
	const struct observer_item items[] = {
		{"a", message, R, 1000}, {"b", message, F, 1000},
		{"c", "Connecting the device to the network of the fleet", R, 0},
	};

	(void)state;
	expect((struct board_view){.width = 60, .lines = 23, .utf8 = true}, items, 3,
	       "⠋ a  Connecting the device to the network...              1s\n"
	       "✗ b  Resource creation in progress. Connecting the …      1s\n"
	       "⠋ c  Connecting the device to the network of the fl…      0s\n"
	       "[-----------------------------] 0/3, 0s, 2 running, 1 failed\n");
	expect((struct board_view){.width = 40, .lines = 23, .utf8 = true}, items, 1,
	       "⠋ a  Connecting the device to t…      1s\n"
	       "[-------------------] 0/1, 0s, 1 running\n");
}

static void test_without_utf8(void **state)
{
	static const struct observer_item foreign[] = {{"bl\xc3\xa4u", "東京 is up", R, 0}};

	(void)state;
	expect((struct board_view){.width = 60, .lines = 23, .tick = 5}, four, 4,
	       "ok network n                 ready                        7s\n"
	       " / dedicated HSM hsm-east-1  Configuring the devi...   7m33s\n"
	       "!! gateway g                 it failed                 1m02s\n"
	       " . connection c\n"
	       "[#######----------------------] 1/4, 0s, 1 running, 1 failed\n");
	expect((struct board_view){.width = 40, .lines = 23}, foreign, 1,
	       " | bl?u  ?? is up                     0s\n"
	       "[-------------------] 0/1, 0s, 1 running\n");
}

static void test_colours(void **state)
{
	(void)state;
	expect((struct board_view){.width = 60, .lines = 23, .utf8 = true, .colour = true, .tick = 11}, four, 4,
	       "\033[32m✓\033[0m network n                 ready                         7s\n"
	       "\033[36m⠙\033[0m dedicated HSM hsm-east-1  Configuring the device.…   7m33s\n"
	       "\033[31m✗\033[0m gateway g                 it failed                  1m02s\n"
	       "\033[2m· connection c\033[0m\n"
	       "[#######----------------------] 1/4, 0s, 1 running, 1 failed\n");
}

/* Sixteen: 0 to 5 done, 6 failed, 7 to 9 running, the rest waits. */
static void many(struct observer_item items[static 16])
{
	static const char *const subjects[] = {
		"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12", "a13", "a14", "a15",
	};

	for (size_t i = 0; i < 16; i++)
		items[i] = (struct observer_item){
			subjects[i], "", i < 6 ? D : i < 7 ? F : i < 10 ? R : W, i < 10 ? 1000 : 0,
		};
}

static void test_what_does_not_fit_is_counted(void **state)
{
	static const char whole[] = "[######----------] 6/16, 2s, 3 running, 1 failed\n";
	static const struct {
		size_t lines;
		const char *shown, *rest;
	} rows[] = {
		{0, NULL, NULL},
		{1, "", NULL},
		{2, "", "3 more running, 1 more failed, 6 more done, 6 more waiting"},
		{3, "a6 ", "3 more running, 6 more done, 6 more waiting"},
		{6, "a6 a7 a8 a9 ", "6 more done, 6 more waiting"},
		{8, "a6 a7 a8 a9 a4 a5 ", "4 more done, 6 more waiting"},
		{12, "a6 a7 a8 a9 a0 a1 a2 a3 a4 a5 ", "6 more waiting"},
		{16, "a6 a7 a8 a9 a0 a1 a2 a3 a4 a5 ", "6 more waiting"},
		{17, "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14 a15 ", NULL},
	};
	struct observer_item items[16];

	(void)state;
	many(items);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct board_view view = {.width = 70, .lines = rows[i].lines, .utf8 = true, .elapsed_ms = 2000};
		owned(buf) struct buf picture = {.max = 1 << 20}, shown = {.max = 1 << 10};
		const char *p, *last = NULL;

		board_compose(&view, items, 16, &picture);
		p = buf_text(&picture);
		assert_true(board_lines(p, 70) <= rows[i].lines);
		for (const char *end; (end = strchr(p, '\n')); p = end + 1) {
			const char *word = memchr(p, 'a', 6);

			if (word)
				buf_printf(&shown, "%.*s ", (int)strcspn(word, " \n"), word);
			else if (*p == ' ')
				assert_memory_equal(p + 2, rows[i].rest, strlen(rows[i].rest));
			last = p;
		}
		assert_string_equal(buf_text(&shown), rows[i].shown ? rows[i].shown : "");
		assert_int_equal(strstr(buf_text(&picture), "more") != NULL, rows[i].rest != NULL);
		if (rows[i].shown)
			assert_non_null(strstr(last, strchr(whole, '6')));
	}
}

static void test_no_line_is_wider_than_the_terminal(void **state)
{
	static const struct observer_item items[] = {
		{"Cloud HSM cluster 東京データセンター", "デバイスを構成しています。しばらくお待ちください", R, 7200000},
		{"e\xcc\x81t\xc3\xa9", "x", D, 359999000},
		{NULL, NULL, F, 0},
		{"a\033[2J\n\x80z", "\tb", W, 0},
	};

	(void)state;
	for (size_t width = 1; width < 120; width++)
		for (unsigned utf8 = 0; utf8 < 2; utf8++) {
			const struct board_view view = {.width = width, .lines = 9, .utf8 = utf8, .colour = true};
			owned(buf) struct buf buf = {.max = 1 << 20};

			board_compose(&view, items, 4, &buf);
			assert_int_equal(buf_check(&buf, NULL), 0);
			assert_int_equal(board_lines(buf_text(&buf), width), 5);
			assert_null(strstr(buf_text(&buf), "\033[2J"));
		}
}

static void test_lines_of_a_picture(void **state)
{
	static const struct {
		const char *picture;
		size_t columns, lines;
	} rows[] = {
		{"", 10, 0},
		{"abc\n", 3, 1},
		{"abcd\n", 3, 2},
		{"abcdefg\nh\n", 3, 4},
		{"\033[31mab\033[0mc\n", 3, 1},
		{"東京\n", 4, 1},
		{"東京\n", 3, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(board_lines(rows[i].picture, rows[i].columns), rows[i].lines);
}

static void test_times(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{-5, "0s"}, {999, "0s"}, {59999, "59s"}, {60000, "1m00s"}, {842000, "14m02s"},
		{3599999, "59m59s"}, {3720000, "1h02m"}, {360000000, "100h00m"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[BOARD_TIME];

		board_time(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_lines_of_a_log(void **state)
{
	static const struct {
		struct observer_item item;
		const char *text;
	} rows[] = {
		{{"hsm-1", "Configuring the device...", R, 125000}, "hsm-1: Configuring the device... (2m05s)"},
		{{"hsm-1", "", R, 0}, "hsm-1: running (0s)"},
		{{"hsm-1", "ready", D, 3000}, "hsm-1: done: ready (3s)"},
		{{"hsm-1", NULL, D, 0}, "hsm-1: done"},
		{{"hsm-1", "left out", F, 0}, "hsm-1: failed: left out"},
		{{"h\n1", "a\033b", F, 1000}, "h?1: failed: a?b (1s)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		owned(buf) struct buf buf = {.max = 1 << 10};

		board_log(&rows[i].item, &buf);
		assert_string_equal(buf_text(&buf), rows[i].text);
	}
}

static void test_memory_may_run_out(void **state)
{
	bool failed = true;

	(void)state;
	for (unsigned long n = 1; failed; n++) {
		const struct board_view view = {.width = 79, .lines = 23, .utf8 = true};
		owned(buf) struct buf buf = {.max = 1 << 20};

		assert_true(n < 100);
		mem_fail_after = n;
		board_compose(&view, four, 4, &buf);
		failed = mem_fail_after == 0;
		mem_fail_after = 0;
		assert_int_equal(buf_check(&buf, NULL) < 0, failed);
	}
}

/* ---- drawing ---- */

/* stderr is a terminal of our own, or a file. */
struct screen {
	int saved, master, file;
	char text[1 << 14];
};

static void open_screen(struct screen *s, bool terminal)
{
	struct winsize size = {.ws_row = 10, .ws_col = 60};
	int slave;

	memset(s, 0, sizeof(*s));
	s->master = -1;
	s->saved = fcntl(2, F_DUPFD_CLOEXEC, 10);
	if (terminal)
		assert_int_equal(openpty(&s->master, &slave, NULL, NULL, &size), 0);
	else
		slave = fileno(tmpfile());
	s->file = slave;
	dup2(slave, 2);
}

/* What was written since the last time. */
static const char *seen(struct screen *s)
{
	ssize_t n = 0;

	fflush(stderr);
	if (s->master < 0) {
		n = pread(s->file, s->text, sizeof(s->text) - 1, 0);
		assert_int_equal(ftruncate(s->file, 0), 0);
		lseek(s->file, 0, SEEK_SET);
	} else {
		/* A mark, so that reading ends without waiting. */
		assert_int_equal(write(s->file, "\001", 1), 1);
		while (n < (ssize_t)sizeof(s->text) - 1 && read(s->master, s->text + n, 1) == 1 && s->text[n] != 1)
			n++;
	}
	assert_true(n >= 0);
	s->text[n] = 0;
	return s->text;
}

static void close_screen(struct screen *s)
{
	dup2(s->saved, 2);
	close(s->saved);
	close(s->file);
	if (s->master >= 0)
		close(s->master);
}

static struct progress progress_of(unsigned wanted, bool quiet)
{
	const struct cli_globals globals = {.progress = wanted, .quiet = quiet};
	struct progress progress;

	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("NO_COLOR");
	progress_init(&progress, &globals);
	return progress;
}

static void test_it_is_drawn_in_place(void **state)
{
	struct observer_item items[] = {{"a", "one", R, 0}, {"b", "", W, 0}};
	struct screen screen;
	struct progress p;

	(void)state;
	open_screen(&screen, true);
	p = progress_of(CLI_PROGRESS_AUTO, false);
	observer_step(&p.observer, "f", "planning", 0, 0);
	seen(&screen);
	observer_board(&p.observer, items, 2);
	assert_non_null(strstr(seen(&screen), "0/2, 0s, 1 running\033[K\r\n\033[J"));
	assert_int_equal(screen.text[0], '\r');
	observer_board(&p.observer, items, 2);
	assert_ptr_equal(strstr(seen(&screen), "\r\033[3A"), screen.text);
	assert_null(strchr(screen.text + strlen("\r\033[3A"), 'A'));

	/* A note takes it away, and the next one is drawn anew. */
	observer_note(&p.observer, "by the way");
	assert_string_equal(seen(&screen), "\r\033[K\033[A\033[K\033[A\033[K\033[A\033[Khsmctl: by the way\r\n");
	observer_board(&p.observer, items, 2);
	assert_null(strchr(seen(&screen), 'A'));

	/* The last one stays. */
	items[0].state = items[1].state = D;
	observer_board(&p.observer, items, 2);
	assert_non_null(strstr(seen(&screen), "2/2, 0s\033[K\r\n\033[J"));
	progress_clear(&p.observer);
	assert_string_equal(seen(&screen), "");
	observer_board(&p.observer, items, 2);
	assert_null(strchr(seen(&screen), 'A'));
	close_screen(&screen);
}

static void test_a_step_follows_a_board(void **state)
{
	struct observer_item item = {"a", "one", R, 0};
	struct screen screen;
	struct progress p;

	(void)state;
	open_screen(&screen, true);
	p = progress_of(CLI_PROGRESS_AUTO, false);
	observer_board(&p.observer, &item, 1);
	seen(&screen);
	observer_step(&p.observer, "b", "two", 0, 0);
	assert_string_equal(seen(&screen), "\r\033[K\033[A\033[K\033[A\033[K\r\033[Kb: two");
	progress_clear(&p.observer);
	assert_string_equal(seen(&screen), "\r\033[K");
	close_screen(&screen);
}

static void test_a_narrower_terminal_has_more_lines(void **state)
{
	struct winsize narrow = {.ws_row = 10, .ws_col = 20};
	struct observer_item item = {"a", "one", R, 0};
	struct screen screen;
	struct progress p;

	(void)state;
	open_screen(&screen, true);
	p = progress_of(CLI_PROGRESS_AUTO, false);
	observer_board(&p.observer, &item, 1);
	seen(&screen);
	assert_int_equal(ioctl(screen.file, TIOCSWINSZ, &narrow), 0);
	observer_board(&p.observer, &item, 1);
	assert_ptr_equal(strstr(seen(&screen), "\r\033[6A"), screen.text);
	progress_clear(&p.observer);
	close_screen(&screen);
}

static size_t lines_in(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

static void test_a_log_has_a_line_for_each_change(void **state)
{
	struct observer_item items[] = {{"a", "one", R, 0}, {"b", "", W, 0}};
	struct screen screen;
	struct progress p;

	(void)state;
	open_screen(&screen, false);
	p = progress_of(CLI_PROGRESS_ALWAYS, false);
	observer_board(&p.observer, items, 2);
	assert_int_equal(lines_in(seen(&screen)), 1);
	assert_non_null(strstr(screen.text, "Z a: one (0s)\n"));
	items[0].elapsed_ms = 5000;
	observer_board(&p.observer, items, 2);
	assert_string_equal(seen(&screen), "");
	progress_clear(&p.observer);
	items[0].what = "two";
	items[1].state = R;
	observer_board(&p.observer, items, 2);
	assert_int_equal(lines_in(seen(&screen)), 2);
	assert_non_null(strstr(screen.text, "Z a: two (5s)\n"));
	assert_non_null(strstr(screen.text, "Z b: running (0s)\n"));
	items[0].state = items[1].state = D;
	observer_board(&p.observer, items, 2);
	assert_non_null(strstr(seen(&screen), "Z a: done: two (5s)\n"));
	assert_null(p.told);
	close_screen(&screen);
}

static void test_who_wants_none_gets_none(void **state)
{
	static const struct {
		unsigned wanted;
		bool quiet, terminal;
	} rows[] = {
		{CLI_PROGRESS_NEVER, false, true}, {CLI_PROGRESS_NEVER, false, false},
		{CLI_PROGRESS_AUTO, false, false}, {CLI_PROGRESS_AUTO, true, true},
		{CLI_PROGRESS_ALWAYS, true, true}, {CLI_PROGRESS_ALWAYS, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct screen screen;
		struct progress p;

		open_screen(&screen, rows[i].terminal);
		p = progress_of(rows[i].wanted, rows[i].quiet);
		observer_board(&p.observer, four, 4);
		progress_clear(&p.observer);
		assert_string_equal(seen(&screen), "");
		close_screen(&screen);
	}
}

static void test_nothing_is_drawn_of_nothing(void **state)
{
	struct screen screen;
	struct progress p;

	(void)state;
	open_screen(&screen, true);
	p = progress_of(CLI_PROGRESS_ALWAYS, false);
	observer_board(&p.observer, NULL, 0);
	assert_string_equal(seen(&screen), "");
	close_screen(&screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_for_each_and_one_for_the_whole),
		cmocka_unit_test(test_long_messages_are_cut),
		cmocka_unit_test(test_without_utf8),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_what_does_not_fit_is_counted),
		cmocka_unit_test(test_no_line_is_wider_than_the_terminal),
		cmocka_unit_test(test_lines_of_a_picture),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lines_of_a_log),
		cmocka_unit_test(test_memory_may_run_out),
		cmocka_unit_test(test_it_is_drawn_in_place),
		cmocka_unit_test(test_a_step_follows_a_board),
		cmocka_unit_test(test_a_narrower_terminal_has_more_lines),
		cmocka_unit_test(test_a_log_has_a_line_for_each_change),
		cmocka_unit_test(test_who_wants_none_gets_none),
		cmocka_unit_test(test_nothing_is_drawn_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
