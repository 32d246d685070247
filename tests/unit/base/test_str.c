/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include "base/clock.h"
#include "base/str.h"

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		bool good;
		int64_t value;
	} cases[] = {
		{"0", 0, 9, true, 0},		{"9", 0, 9, true, 9},		{"10", 0, 9, false, 0},
		{"-1", -5, 5, true, -1},	{"-6", -5, 5, false, 0},	{"007", 0, 9, true, 7},
		{"", 0, 9, false, 0},		{"-", -5, 5, false, 0},		{"--1", -5, 5, false, 0},
		{"+1", 0, 9, false, 0},		{" 1", 0, 9, false, 0},		{"1 ", 0, 9, false, 0},
		{"1x", 0, 9, false, 0},		{"0x1", 0, 9, false, 0},	{"1.0", 0, 9, false, 0},
		{"- 1", -5, 5, false, 0},	{NULL, 0, 9, false, 0},
		{"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
		{"9223372036854775808", 0, INT64_MAX, false, 0},
		{"-9223372036854775808", INT64_MIN, 0, true, INT64_MIN},
		{"-9223372036854775809", INT64_MIN, 0, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t v = 42;

		assert_int_equal(str_int(cases[i].text, cases[i].min, cases[i].max, &v), cases[i].good);
		assert_true(v == (cases[i].good ? cases[i].value : 42));
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;	/* 0 = refused */
	} cases[] = {
		{"10s", 10000}, {"1.5m", 90000}, {"250ms", 250}, {"30", 30000}, {"2h", 7200000},
		{"1ms", 1}, {"0.5ms", 0}, {"0", 0}, {"0.001", 1}, {"1.001s", 1001}, {"0.29s", 290},
		{".5", 500}, {"1.", 1000}, {".", 0}, {"", 0}, {"s", 0}, {"-1s", 0}, {"+1", 0},
		{" 1", 0}, {"1 s", 0}, {"1d", 0}, {"1S", 0}, {"0x10", 0}, {"1e3", 0}, {"1e3ms", 0},
		{"inf", 0}, {"nan", 0}, {"1.2.3", 0}, {"1000000000s", 1000000000000},
		{"1000000001s", 0}, {NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = 42;

		assert_int_equal(str_duration_ms(cases[i].text, &ms), cases[i].ms != 0);
		assert_true(ms == (cases[i].ms ? cases[i].ms : 42));
	}
}

static void names(void **state)
{
	static const char *const good[] = {"a", "hsm-east-1", "0", "a.b_c", "x--",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL};
	static const char *const bad[] = {"", "A", "-a", ".a", "_a", "..", "a/b", "a b", "a\n", "\xc3\xbc",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL};

	(void)state;
	for (int i = 0; good[i]; i++)
		assert_true(str_is_name(good[i]));
	for (int i = 0; bad[i]; i++)
		assert_false(str_is_name(bad[i]));
	assert_false(str_is_name(NULL));
}

static void comparisons(void **state)
{
	static const char *const table[] = {"zero", "one", NULL};

	(void)state;
	assert_int_equal(str_index(table, "one"), 1);
	assert_int_equal(str_index(table, "on"), -1);
	assert_int_equal(str_index(table, NULL), -1);
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("", NULL));
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("a", "ab"));
}

static void hexadecimal(void **state)
{
	uint8_t bytes[4] = {0};
	char hex[9];

	(void)state;
	str_hex("\x00\xff\x1a\x80", 4, hex);
	assert_string_equal(hex, "00ff1a80");
	assert_true(str_unhex("00Ff1A80", bytes, 4));
	assert_memory_equal(bytes, "\x00\xff\x1a\x80", 4);
	assert_false(str_unhex("00ff1a8", bytes, 4));
	assert_false(str_unhex("00ff1a8000", bytes, 4));
	assert_false(str_unhex("00ff1a8g", bytes, 4));
	assert_false(str_unhex(" 0ff1a80", bytes, 4));
	assert_true(str_unhex("", bytes, 0));
	str_hex("", 0, hex);
	assert_string_equal(hex, "");
}

static void near_words(void **state)
{
	static const char *const words[] = {"provision", "partition", "ha", "sync", "status", NULL};
	static const struct {
		const char *text, *nearest;
	} cases[] = {
		{"provison", "provision"}, {"synk", "sync"}, {"sycn", "sync"}, {"stats", "status"},
		{"hq", "ha"}, {"sync", "sync"}, {"banana", NULL}, {"", NULL}, {"xy", NULL},
	};
	char longest[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found = str_nearest(cases[i].text, words);

		assert_true(str_eq(found, cases[i].nearest));
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t len = 60; len < sizeof(longest); len++) {
		const char *one[] = {longest, NULL};

		longest[len] = 0;
		str_nearest(longest, words);
		str_nearest("sync", one);
		str_nearest(longest, one);
		longest[len] = 'a';
	}
}

static void allocated_text(void **state)
{
	(void)state;
	owned(mem) char *part = mem_strndup("abcdef", 3);
	owned(mem) char *whole = mem_strndup("ab", 100);
	owned(mem) char *printed = mem_printf("%s-%d", "x", 5);
	owned(mem) int *numbers_ = mem_grow(NULL, 0, 2, sizeof(int));

	assert_string_equal(part, "abc");
	assert_string_equal(whole, "ab");
	assert_string_equal(printed, "x-5");
	numbers_[1] = 7;
	numbers_ = mem_grow(numbers_, 2, 4, sizeof(int));
	assert_int_equal(numbers_[1], 7);
	assert_int_equal(numbers_[0] | numbers_[2] | numbers_[3], 0);
	assert_null(mem_grow(NULL, 0, SIZE_MAX / 2, 4));
	mem_fail_after = 2;
	owned(mem) char *first = mem_strdup("1");
	assert_non_null(first);
	assert_null(mem_strdup("2"));
	assert_int_equal(mem_fail_after, 0);
}

static void times(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{1795509000123, "2026-11-24T08:30:00.123Z"},
		{951782399999, "2000-02-28T23:59:59.999Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
	};
	char text[CLOCK_TEXT];
	int64_t before = clock_now_ns();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_format(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
	clock_format(INT64_MAX, text);
	assert_true(strlen(text) < CLOCK_TEXT);
	assert_true(clock_now_ns() >= before);
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
	clock_sleep_ms(1);
	assert_true(clock_now_ns() >= before + 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(names),
		cmocka_unit_test(comparisons),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(near_words),
		cmocka_unit_test(allocated_text),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
