/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "drill/text.h"

static void durations(void **state)
{
	static const struct {
		double ms;
		const char *text;
	} cases[] = {
		{-1, "–"}, {0, "0 ms"}, {0.0004, "0 µs"}, {0.84, "840 µs"}, {0.9996, "1.00 ms"}, {12.34, "12.3 ms"},
		{99.96, "100 ms"}, {612, "612 ms"}, {999.6, "1.00 s"}, {4210, "4.21 s"}, {10000, "10.0 s"},
		{59949, "59.9 s"}, {59990, "1 min 0 s"}, {123000, "2 min 3 s"}, {3600000, "60 min 0 s"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[48];

		assert_string_equal(text_duration(text, sizeof(text), cases[i].ms), cases[i].text);
	}
}

static void counts(void **state)
{
	static const struct {
		long long count;
		const char *text;
	} cases[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"}, {-1234, "-1,234"}};
	char text[48], small[5];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(text_count(text, sizeof(text), cases[i].count), cases[i].text);
	assert_true(strlen(text_count(small, sizeof(small), 1234567)) < sizeof(small));
}

static void amounts(void **state)
{
	char text[48];

	(void)state;
	assert_string_equal(text_amount(text, sizeof(text), 5000, "ms"), "5.00 s");
	assert_string_equal(text_amount(text, sizeof(text), 0, "keys"), "0 keys");
	assert_string_equal(text_amount(text, sizeof(text), 1, "operations"), "1 operation");
	assert_string_equal(text_amount(text, sizeof(text), -1, "keys"), "–");
}

static void shares_are_never_rounded_up(void **state)
{
	char text[48];

	(void)state;
	assert_string_equal(text_percent(text, sizeof(text), 1), "100 %");
	assert_string_equal(text_percent(text, sizeof(text), 0.99999999), "99.9999 %");
	assert_string_equal(text_percent(text, sizeof(text), 0.5), "50 %");
	assert_string_equal(text_percent(text, sizeof(text), 0), "0 %");
}

static void times(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(text_time(text, sizeof(text), "2026-11-24T08:30:00.123Z"), "2026-11-24 08:30:00.123 UTC");
	assert_string_equal(text_time(text, sizeof(text), "soon"), "soon");
	assert_string_equal(text_time(text, sizeof(text), NULL), "–");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(counts),
		cmocka_unit_test(amounts),
		cmocka_unit_test(shares_are_never_rounded_up),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
