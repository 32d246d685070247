/* SPDX-License-Identifier: Apache-2.0 */
/* How long calls of a kind take, as learned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ha/latency.h"

static void hear(struct latency *latency, uint32_t kind, unsigned times, int64_t us)
{
	while (times--)
		latency_hear(latency, kind, us, 0);
}

static void few_calls_say_nothing_and_the_first_is_no_measure(void **state)
{
	struct latency latency = {0};

	(void)state;
	latency_hear(&latency, 7, 9000, 0);
	latency_hear(&latency, 7, 110, 0);
	assert_int_equal(latency_guess(&latency, 7, 0).least_us, 0);
	latency_hear(&latency, 7, 100, 0);
	assert_int_equal(latency_guess(&latency, 7, 0).least_us, 100);
	assert_int_equal(latency_guess(&latency, 7, 0).mean_us, 100);
}

static void kinds_say_nothing_of_each_other(void **state)
{
	struct latency latency = {0};

	(void)state;
	for (uint32_t kind = 0; kind < 4; kind++)
		hear(&latency, kind * LATENCY_KINDS, 100, 100 << (4 * kind));
	for (uint32_t kind = 0; kind < 4; kind++)
		assert_int_equal(latency_guess(&latency, kind * LATENCY_KINDS, 0).mean_us, 100 << (4 * kind));
	/* There is no place for more that fall on the same: the one that was not heard for longest gives way. */
	for (int n = 0; n < LATENCY_KNOWN; n++)
		for (uint32_t kind = 1; kind < 5; kind++)
			latency_hear(&latency, kind * LATENCY_KINDS, 7, 1 + n);
	assert_int_equal(latency_guess(&latency, 0, 0).least_us, 0);
	assert_int_equal(latency_guess(&latency, 4 * LATENCY_KINDS, 0).least_us, 7);
}

static void one_long_call_is_no_slow_member_but_many_are(void **state)
{
	struct latency latency = {0};

	(void)state;
	hear(&latency, 1, 10, 100);
	hear(&latency, 1, 1, 2000000);
	assert_in_range(latency_guess(&latency, 1, 0).mean_us, 100, 150);
	hear(&latency, 1, 40, 10000);
	assert_in_range(latency_guess(&latency, 1, 0).mean_us, 9000, 10000);
	assert_in_range(latency_guess(&latency, 1, 0).least_us, 100, 5000);
	/* What stays slow is slow at the least, too. */
	hear(&latency, 1, 1000, 10000);
	assert_in_range(latency_guess(&latency, 1, 0).least_us, 9000, 10000);
}

static void what_was_long_ago_fades_to_the_least(void **state)
{
	struct latency latency = {0};

	(void)state;
	hear(&latency, 1, 10, 100);
	hear(&latency, 1, 20, 10000);
	assert_true(latency_guess(&latency, 1, 0).mean_us > 5000);
	assert_true(latency_guess(&latency, 1, 4 * LATENCY_FADES_MS).mean_us < 5000);
	assert_int_equal(latency_guess(&latency, 1, 1000 * LATENCY_FADES_MS).mean_us,
			 latency_guess(&latency, 1, 0).least_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_calls_say_nothing_and_the_first_is_no_measure),
		cmocka_unit_test(kinds_say_nothing_of_each_other),
		cmocka_unit_test(one_long_call_is_no_slow_member_but_many_are),
		cmocka_unit_test(what_was_long_ago_fades_to_the_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
