/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "http/answer.h"
#include "http/retry.h"

/* 2026-11-24T08:30:00Z */
static const int64_t now_ms = INT64_C(1795509000000);

static struct http_answer answer(unsigned status, const struct http_header *headers)
{
	struct http_answer a = {.status = status};

	for (; headers && headers->name; headers++)
		assert_int_equal(answer_add(&a, headers->name, headers->value, NULL), 0);
	return a;
}

static void answers_that_are_repeated(void **state)
{
	static const struct {
		unsigned status;
		bool asks, idempotent, once;
	} cases[] = {
		{200, false, false, false}, {202, true, false, false}, {204, false, false, false},
		{302, true, false, false}, {307, false, false, false}, {400, true, false, false},
		{401, false, false, false}, {403, true, false, false}, {404, true, false, false},
		{408, false, true, false}, {408, true, true, false}, {409, true, false, false},
		{410, false, false, false}, {412, true, false, false},
		{429, false, true, true}, {429, true, true, true},
		{500, false, true, false}, {500, true, true, false}, {501, false, false, false},
		{502, false, true, false}, {502, true, true, false},
		{503, false, true, false}, {503, true, true, true},
		{504, false, true, false}, {504, true, true, false}, {505, true, false, false},
	};
	static const struct http_header asking[] = {{"retry-after", "1"}, {NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(http_answer) struct http_answer a = answer(cases[i].status, cases[i].asks ? asking : NULL);

		assert_int_equal(retry_answer(&a, HTTP_IDEMPOTENT), cases[i].idempotent);
		assert_int_equal(retry_answer(&a, HTTP_ONCE), cases[i].once);
		assert_int_equal(retry_nothing_done(&a), cases[i].once);
	}
}

static void failures_that_are_repeated(void **state)
{
	static const struct {
		bool transient;
		enum err_retry retry;
		bool idempotent, once;
	} cases[] = {
		{true, ERR_RETRY_SAFE, true, true},
		{true, ERR_RETRY_IDEMPOTENT, true, false},
		{true, ERR_RETRY_NEVER, false, false},
		{false, ERR_RETRY_SAFE, false, false},
		{false, ERR_RETRY_IDEMPOTENT, false, false},
		{false, ERR_RETRY_NEVER, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool idempotent = retry_failure(cases[i].transient, cases[i].retry, HTTP_IDEMPOTENT);
		bool once = retry_failure(cases[i].transient, cases[i].retry, HTTP_ONCE);

		assert_int_equal(idempotent, cases[i].idempotent);
		assert_int_equal(once, cases[i].once);
	}
}

static void what_answers_ask_for(void **state)
{
	static const char before[] = "Tue, 24 Nov 2026 08:29:00 GMT", after[] = "Tue, 24 Nov 2026 08:30:05 GMT";
	static const struct {
		struct http_header headers[4];
		double seconds;
	} cases[] = {
		{{{NULL, NULL}}, -1},
		{{{"Retry-After", "0"}}, 0},
		{{{"retry-AFTER", "17"}}, 17},
		{{{"Retry-After", "1200"}}, 1200},
		{{{"Retry-After", ""}}, -1},
		{{{"Retry-After", "-1"}}, -1},
		{{{"Retry-After", "1.5"}}, -1},
		{{{"Retry-After", "soon"}}, -1},
		{{{"Retry-After", "20261124"}}, 20261124},
		{{{"Retry-After", "99999999999999999999"}}, -1},
		{{{"Retry-After", "1e3"}}, -1},
		{{{"Retry-After", "0x10"}}, -1},
		/* The three forms of RFC 9110 section 5.6.7. */
		{{{"Retry-After", after}}, 5},
		{{{"Retry-After", "Tuesday, 24-Nov-26 08:30:05 GMT"}}, 5},
		{{{"Retry-After", "Tue Nov 24 08:30:05 2026"}}, 5},
		{{{"Retry-After", before}}, 0},
		{{{"Retry-After", "Tue, 32 Nov 2026 08:30:05 GMT"}}, -1},
		/* The server's clock is what its date counts from. */
		{{{"Retry-After", after}, {"Date", before}}, 65},
		{{{"Date", after}, {"Retry-After", before}}, 0},
		{{{"Retry-After", after}, {"Date", "yesterday or so"}}, 5},
		{{{"Retry-After", "7"}, {"Date", before}}, 7},
		{{{"Date", before}}, -1},
		{{{"retry-after-ms", "1500"}}, 1.5},
		{{{"x-ms-retry-after-ms", "250"}}, 0.25},
		{{{"Retry-After", "9"}, {"x-ms-retry-after-ms", "250"}, {"retry-after-ms", "40"}}, 0.04},
		{{{"Retry-After", "9"}, {"x-ms-retry-after-ms", "250"}}, 0.25},
		{{{"Retry-After", "9"}, {"retry-after-ms", "many"}}, 9},
		{{{"retry-after-ms", "many"}, {"x-ms-retry-after-ms", "250"}}, 0.25},
		/* The last one counts. */
		{{{"Retry-After", "9"}, {"Retry-After", "3"}}, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(http_answer) struct http_answer a = answer(503, cases[i].headers);

		if (retry_asked(&a, now_ms) != cases[i].seconds)
			fail_msg("case %zu: %g", i, retry_asked(&a, now_ms));
	}
}

static void dates_count_from_now(void **state)
{
	static const struct http_header headers[] = {{"Retry-After", "Tue, 24 Nov 2026 08:30:05 GMT"}, {NULL, NULL}};
	owned(http_answer) struct http_answer a = answer(503, headers);

	(void)state;
	assert_true(retry_asked(&a, now_ms - 1500) == 6.5);
	assert_true(retry_asked(&a, now_ms + 5000) == 0);
	assert_true(retry_asked(&a, now_ms + 5001) == 0);
}

static void pauses_grow_to_a_minute(void **state)
{
	static const double bases[] = {0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2};
	char id[37];

	(void)state;
	for (unsigned attempt = 1; attempt < 100; attempt++) {
		double base = attempt <= 7 ? bases[attempt - 1] : 100, low = 1e9, high = 0;

		for (unsigned i = 0; i < 1000; i++) {
			double pause;

			snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i);
			pause = retry_backoff(attempt, id);
			assert_true(pause == retry_backoff(attempt, id));
			low = pause < low ? pause : low;
			high = pause > high ? pause : high;
		}
		if (base * 0.8 < 60)
			assert_true(low >= base * 0.8 && low < base * 0.81);
		else
			assert_true(low == 60);
		if (base * 1.3 < 60)
			assert_true(high < base * 1.3 && high > base * 1.29);
		else
			assert_true(high == 60);
	}
	assert_true(retry_backoff(UINT32_MAX, id) == 60);
}

static void headers_are_looked_up(void **state)
{
	static const struct http_header headers[] = {
		{"Location", "one"}, {"X", ""}, {"location", "two"}, {NULL, NULL}
	};
	owned(http_answer) struct http_answer a = answer(200, headers), none = {0};

	(void)state;
	assert_string_equal(http_answer_header(&a, "LOCATION"), "two");
	assert_string_equal(http_answer_header(&a, "x"), "");
	assert_null(http_answer_header(&a, "locatio"));
	assert_null(http_answer_header(&a, ""));
	assert_null(http_answer_header(&none, "x"));
	answer_clear(&a);
	assert_null(http_answer_header(&a, "x"));
	assert_int_equal(a.status, 0);
}

static int fill(void)
{
	owned(http_answer) struct http_answer a = {0};
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = answer_add(&a, "name", "value", NULL);
	/* Also what is half done can be read. */
	if (rc < 0)
		assert_null(http_answer_header(&a, "other"));
	return rc;
}

static void fields_have_a_limit_and_memory_an_end(void **state)
{
	owned(http_answer) struct http_answer a = {0};
	struct err err = {0};

	(void)state;
	for (int i = 0; i < ANSWER_FIELDS; i++)
		assert_int_equal(answer_add(&a, "a", "b", NULL), 0);
	assert_int_equal(answer_add(&a, "a", "b", &err), -ERR_PROTOCOL);
	assert_int_equal(a.n_fields, ANSWER_FIELDS);
	assert_survives_no_memory(fill());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_that_are_repeated),
		cmocka_unit_test(failures_that_are_repeated),
		cmocka_unit_test(what_answers_ask_for),
		cmocka_unit_test(dates_count_from_now),
		cmocka_unit_test(pauses_grow_to_a_minute),
		cmocka_unit_test(headers_are_looked_up),
		cmocka_unit_test(fields_have_a_limit_and_memory_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
