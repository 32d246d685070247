/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <errno.h>

static void every_code_has_a_name_a_text_and_a_status(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_MAX; i++) {
		const char *name = err_code_name((enum err_code)i);

		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(err_code_text((enum err_code)i)) > 0);
		assert_int_equal(err_exit_status((enum err_code)i) == 0, i == ERR_OK);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, err_code_name((enum err_code)j));
	}
	assert_string_equal(err_code_name(ERR_MAX), "failed");
	assert_int_equal(err_exit_status(ERR_MAX), 1);
}

/* The contract's table of exit statuses. */
static void statuses_are_those_of_the_contract(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} cases[] = {
		{ERR_FAILED, 1},    {ERR_GUARD, 1},   {ERR_USAGE, 2},	     {ERR_INVALID, 2},
		{ERR_AMBIGUOUS, 2}, {ERR_CONFIRM, 2}, {ERR_DIFFERENT, 3},    {ERR_OBJECTIVE, 4},
		{ERR_DENIED, 5},    {ERR_NOT_OURS, 5}, {ERR_NOT_FOUND, 6},   {ERR_EXISTS, 6},
		{ERR_UNREACHABLE, 7}, {ERR_POLICY, 7}, {ERR_LOCKED, 8},	     {ERR_CHANGED, 8},
		{ERR_TIMEOUT, 9},
		{ERR_INTERRUPTED, 130}, {ERR_TERMINATED, 143}, {ERR_HUNG_UP, 129}, {ERR_QUIT, 131},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(err_exit_status(cases[i].code), cases[i].status);
}

static void setting_replaces_everything(void **state)
{
	struct err err = {.rv = 5, .retry = ERR_RETRY_SAFE, .hint = "old"};

	(void)state;
	assert_int_equal(err_set(&err, ERR_LOCKED, "no '%s'", "x"), -ERR_LOCKED);
	assert_int_equal(err.code, ERR_LOCKED);
	assert_string_equal(err.message, "no 'x'");
	assert_string_equal(err.hint, "");
	assert_int_equal(err.retry, ERR_RETRY_NEVER);
	assert_int_equal(err.rv, 0);
}

static void wrapping_keeps_the_rest(void **state)
{
	struct err err = {0};
	char text[700];

	(void)state;
	err_set(&err, ERR_DENIED, "inner");
	err.retry = ERR_RETRY_SAFE;
	assert_int_equal(err_hint(&err, "try '%s'", "y"), -ERR_DENIED);
	assert_int_equal(err_wrap(&err, "outer %d", 1), -ERR_DENIED);
	assert_string_equal(err.message, "outer 1: inner");
	assert_string_equal(err.hint, "try 'y'");
	assert_int_equal(err.retry, ERR_RETRY_SAFE);

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	err_set(&err, ERR_DENIED, "%s", text);
	for (int i = 0; i < 5; i++)
		err_wrap(&err, "%s", text);
	assert_true(strlen(err.message) < sizeof(err.message));
}

/* A failure never turns into success, with or without a struct err. */
static void codes_survive_wrapping_without_a_struct(void **state)
{
	struct err clear = {0};

	(void)state;
	assert_int_equal(err_set(NULL, ERR_NOT_OURS, "x"), -ERR_NOT_OURS);
	assert_int_equal(err_hint(NULL, "y"), -ERR_NOT_OURS);
	assert_int_equal(err_wrap(NULL, "z"), -ERR_NOT_OURS);
	assert_int_equal(err_wrap(&clear, "z"), -ERR_FAILED);
	assert_int_equal(err_hint(&clear, "z"), -ERR_FAILED);
	err_clear(NULL);
}

static void system_errors_name_their_reason(void **state)
{
	struct err err;

	(void)state;
	errno = EACCES;
	assert_int_equal(err_errno(&err, "cannot open '%s'", "f"), -ERR_IO);
	assert_string_equal(err.message, "cannot open 'f': Permission denied");
	assert_int_equal(errno, EACCES);
	errno = ENOMEM;
	assert_int_equal(err_errno(&err, "x"), -ERR_NO_MEMORY);
}

static void foreign_text_is_masked(void **state)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"plain", "plain"},
		{"a\x1b[2Jb\n\t\x7f", "a?[2Jb???"},
		{"Gr\xc3\xbc\xc3\x9f" "e \xe2\x80\xa6 \xf0\x9f\x94\x91", "Gr\xc3\xbc\xc3\x9f" "e \xe2\x80\xa6 \xf0\x9f\x94\x91"},
		{"\x9b" "2J", "?2J"},			/* a bare C1 byte */
		{"\xc2\x9b" "2J", "??2J"},		/* the same as UTF-8 */
		{"\xc2\xa0", "\xc2\xa0"},
		{"cut \xe2\x80", "cut ??"},
		{"\xc3", "?"},
		{"\xc0\xaf \xe0\x80\xaf", "?? ???"},	/* overlong */
		{"\xed\xa0\x80", "???"},		/* surrogate */
		{"\xf4\x90\x80\x80\xf8", "?????"},	/* past the end of Unicode */
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"", ""},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s", cases[i].text);
		err_mask(text);
		assert_string_equal(text, cases[i].masked);
	}
}

static void a_message_cut_in_a_character_stays_valid(void **state)
{
	struct err err;
	char text[1200];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	text[sizeof(text) - 2] = 0;
	err_set(&err, ERR_FAILED, "%s", text);	/* 599 bytes: half of one is lost */
	assert_int_equal(err.message[598], '?');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_name_a_text_and_a_status),
		cmocka_unit_test(statuses_are_those_of_the_contract),
		cmocka_unit_test(setting_replaces_everything),
		cmocka_unit_test(wrapping_keeps_the_rest),
		cmocka_unit_test(codes_survive_wrapping_without_a_struct),
		cmocka_unit_test(system_errors_name_their_reason),
		cmocka_unit_test(foreign_text_is_masked),
		cmocka_unit_test(a_message_cut_in_a_character_stays_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
