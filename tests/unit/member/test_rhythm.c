/* SPDX-License-Identifier: Apache-2.0 */
/* How long a peer may be silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "member/frame.h"
#include "member/rhythm.h"

enum { MOST_MS = 1000, QUICK_US = 300 };

static void hear(struct rhythm *rhythm, unsigned times, int64_t silence_us)
{
	while (times--)
		rhythm_hear(rhythm, silence_us);
}

static void a_stranger_gets_what_the_policy_says(void **state)
{
	struct rhythm rhythm = {0};

	(void)state;
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), MOST_MS);
	hear(&rhythm, RHYTHM_SOUNDS - 1, QUICK_US);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), MOST_MS);
	hear(&rhythm, 1, QUICK_US);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), FRAME_BEAT_MS + RHYTHM_LATE_MS);
}

static void the_policy_is_the_most(void **state)
{
	struct rhythm rhythm = {0};

	(void)state;
	hear(&rhythm, RHYTHM_SOUNDS, QUICK_US);
	assert_int_equal(rhythm_silence_ms(&rhythm, 200), 200);
	hear(&rhythm, 1, 900 * 1000);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), MOST_MS);
}

/* A beat in time is not late, however long the call takes; and what was late may be as late again, many times over. */
static void who_was_late_may_be_later(void **state)
{
	struct rhythm rhythm = {0};

	(void)state;
	hear(&rhythm, RHYTHM_SOUNDS, FRAME_BEAT_MS * 1000);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), FRAME_BEAT_MS + RHYTHM_LATE_MS);
	hear(&rhythm, 1, (FRAME_BEAT_MS + 50) * 1000);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), FRAME_BEAT_MS + RHYTHM_TIMES * 50);
	hear(&rhythm, 10, QUICK_US);
	assert_in_range(rhythm_silence_ms(&rhythm, MOST_MS), FRAME_BEAT_MS + RHYTHM_TIMES * 40, FRAME_BEAT_MS + RHYTHM_TIMES * 50);
}

static void what_was_long_ago_is_forgotten(void **state)
{
	struct rhythm rhythm = {0};

	(void)state;
	hear(&rhythm, RHYTHM_SOUNDS, 900 * 1000);
	hear(&rhythm, 100000, QUICK_US);
	assert_int_equal(rhythm_silence_ms(&rhythm, MOST_MS), FRAME_BEAT_MS + RHYTHM_LATE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_gets_what_the_policy_says),
		cmocka_unit_test(the_policy_is_the_most),
		cmocka_unit_test(who_was_late_may_be_later),
		cmocka_unit_test(what_was_long_ago_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
