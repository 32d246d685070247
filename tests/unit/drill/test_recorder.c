/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <pthread.h>

#include "drill/recorder.h"

#define MS INT64_C(1000000)
#define START (INT64_C(777) * MS)

/* In milliseconds since the start. */
struct step {
	enum { OP, BAD, FAULT, HEAL, STOP } what;
	int64_t from, to;
};

static void play(const struct step *steps, size_t count, int64_t duration_ms, struct recorder_summary *ret)
{
	owned(recorder) struct recorder *r = NULL;

	assert_int_equal(recorder_new(START, duration_ms, &r, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		int64_t from = START + steps[i].from * MS, to = START + steps[i].to * MS;

		if (steps[i].what == OP || steps[i].what == BAD)
			recorder_add(r, from, to, steps[i].what == OP);
		else if (steps[i].what == FAULT)
			recorder_fault(r, from);
		else if (steps[i].what == HEAL)
			recorder_heal(r, from);
		else
			recorder_stop(r, from);
	}
	assert_int_equal(recorder_sum(r, ret, NULL), 0);
}

#define PLAY(duration, ret, ...)                                                                   \
	do {                                                                                       \
		const struct step steps_[] = {__VA_ARGS__};                                        \
		play(steps_, sizeof(steps_) / sizeof(*steps_), duration, ret);                     \
	} while (0)

static void near(int64_t ns, int64_t ms)
{
	assert_true(llabs(ns - ms * MS) * 100 <= ms * MS);
}

static void phases_are_cut_by_faults(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	PLAY(3000, &s, {OP, 0, 10}, {OP, 500, 520}, {FAULT, 1000, 0}, {OP, 990, 1500}, {OP, 1500, 1540},
	     {BAD, 1600, 1700}, {HEAL, 2000, 0}, {OP, 1990, 2090}, {OP, 2100, 2130}, {STOP, 3000, 0});
	assert_int_equal(s.total, 7);
	assert_int_equal(s.failed, 1);
	assert_int_equal(s.phases[DRILL_BEFORE].total, 2);
	assert_int_equal(s.phases[DRILL_DURING].total, 4);
	assert_int_equal(s.phases[DRILL_DURING].failed, 1);
	assert_int_equal(s.phases[DRILL_AFTER].total, 1);
	near(s.phases[DRILL_BEFORE].p50, 10);
	assert_int_equal(s.phases[DRILL_BEFORE].max, 20 * MS);
	near(s.phases[DRILL_DURING].p99, 510);
	assert_int_equal(s.phases[DRILL_DURING].max, 510 * MS);
	assert_int_equal(s.phases[DRILL_BEFORE].start_ns, 0);
	assert_int_equal(s.phases[DRILL_BEFORE].end_ns, 1000 * MS);
	assert_int_equal(s.phases[DRILL_DURING].end_ns, 2000 * MS);
	assert_int_equal(s.phases[DRILL_AFTER].end_ns, 3000 * MS);
}

static void detection_is_the_longest_hold_up(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	/* 400 ms before the fault do not count, and neither does what began after the heal. */
	PLAY(3000, &s, {FAULT, 1000, 0}, {OP, 600, 1300}, {OP, 1300, 1550}, {HEAL, 2000, 0}, {OP, 2010, 2900},
	     {STOP, 3000, 0});
	assert_int_equal(s.detect_ns, 300 * MS);
}

static void outage_is_the_longest_silence_after_the_fault(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	/* The longer silence before the fault does not count; failures do not end one. */
	PLAY(3000, &s, {OP, 0, 10}, {OP, 890, 900}, {FAULT, 1000, 0}, {BAD, 1000, 1100}, {OP, 1200, 1250},
	     {OP, 1250, 1300}, {HEAL, 2000, 0}, {OP, 1300, 1560}, {OP, 2001, 1800}, {STOP, 1900, 0});
	assert_int_equal(s.outage_ns, 350 * MS);
}

static void the_end_ends_a_silence(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	PLAY(3000, &s, {OP, 0, 900}, {FAULT, 1000, 0}, {OP, 1000, 1001}, {HEAL, 1500, 0}, {OP, 1500, 1501},
	     {STOP, 3000, 0});
	assert_int_equal(s.outage_ns, 1499 * MS);
}

static void service_that_stays_away_has_no_outage_time(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	PLAY(3000, &s, {OP, 0, 900}, {FAULT, 1000, 0}, {HEAL, 2000, 0}, {BAD, 2100, 2200}, {STOP, 3000, 0});
	assert_int_equal(s.outage_ns, -1);
}

static void without_a_fault_all_is_before(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	PLAY(3000, &s, {OP, 0, 2900}, {STOP, 3000, 0});
	assert_int_equal(s.phases[DRILL_BEFORE].total, 1);
	assert_int_equal(s.phases[DRILL_BEFORE].end_ns, 3000 * MS);
	assert_int_equal(s.phases[DRILL_DURING].start_ns, -1);
	assert_int_equal(s.phases[DRILL_AFTER].start_ns, -1);
	assert_int_equal(s.phases[DRILL_AFTER].p50, -1);
	assert_int_equal(s.detect_ns, -1);
	assert_int_equal(s.outage_ns, -1);
}

static void slices_hold_what_ended_in_them(void **state)
{
	owned(recorder_summary) struct recorder_summary s = {0};

	(void)state;
	PLAY(1050, &s, {OP, 0, 40}, {OP, 50, 99}, {OP, 50, 100}, {BAD, 100, 250}, {OP, 900, 5000}, {STOP, 5000, 0});
	assert_int_equal(s.interval_ns, 100 * MS);
	assert_int_equal(s.n_slices, 11);
	assert_int_equal(s.slices[0].total, 2);
	assert_int_equal(s.slices[0].max, 49 * MS);
	assert_int_equal(s.slices[1].total, 1);
	assert_int_equal(s.slices[2].failed, 1);
	assert_int_equal(s.slices[3].total, 0);
	assert_int_equal(s.slices[3].p50, -1);
	assert_int_equal(s.slices[10].total, 1);
}

static void memory_does_not_grow_with_the_run(void **state)
{
	static const struct {
		int64_t duration_ms, interval_ms;
	} cases[] = {{1, 100}, {60000, 100}, {60001, 200}, {3600000, 6000}, {86400000, 144000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		owned(recorder_summary) struct recorder_summary s = {0};

		PLAY(cases[i].duration_ms, &s, {STOP, 1, 0});
		assert_int_equal(s.interval_ns, cases[i].interval_ms * MS);
		assert_true(s.n_slices >= 1 && s.n_slices <= 600);
	}
}

enum { THREADS = 4, EACH = 20000 };

static void *add_many(void *data)
{
	for (int64_t i = 0; i < EACH; i++)
		recorder_add(data, START + i * 1000, START + i * 1000 + 500, i % 100 != 0);
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	owned(recorder) struct recorder *r = NULL;
	pthread_t threads[THREADS];
	uint64_t total, failed;

	(void)state;
	assert_int_equal(recorder_new(START, 1000, &r, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, r), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	recorder_count(r, &total, &failed);
	assert_int_equal(total, THREADS * EACH);
	assert_int_equal(failed, THREADS * EACH / 100);
}

static int make_and_sum(void)
{
	owned(recorder) struct recorder *r = NULL;
	owned(recorder_summary) struct recorder_summary s = {0};
	struct err err;
	int rc = recorder_new(START, 300, &r, &err);

	return rc < 0 ? rc : recorder_sum(r, &s, &err);
}

static void no_memory(void **state)
{
	(void)state;
	assert_survives_no_memory(make_and_sum());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_are_cut_by_faults),
		cmocka_unit_test(detection_is_the_longest_hold_up),
		cmocka_unit_test(outage_is_the_longest_silence_after_the_fault),
		cmocka_unit_test(the_end_ends_a_silence),
		cmocka_unit_test(service_that_stays_away_has_no_outage_time),
		cmocka_unit_test(without_a_fault_all_is_before),
		cmocka_unit_test(slices_hold_what_ended_in_them),
		cmocka_unit_test(memory_does_not_grow_with_the_run),
		cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
