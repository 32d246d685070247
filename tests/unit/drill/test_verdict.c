/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "drill/verdict.h"
#include "synthetic.h"

static void own_report(struct drill_report *r)
{
	json_release(&drill_report_type, r);
}

#define REPORT __attribute__((cleanup(own_report))) struct drill_report

static const struct drill_limits limits = {5000, 0};

static const struct drill_objective *objective(const struct drill_report *r, const char *name)
{
	for (size_t i = 0; i < r->n_objectives; i++)
		if (strcmp(r->objectives[i].name, name) == 0)
			return &r->objectives[i];
	fail_msg("no objective '%s'", name);
	return NULL;
}

static void a_good_drill_passes(void **state)
{
	REPORT r;
	struct err err = {0};

	(void)state;
	assert_int_equal(synthetic_report(false, &r), 0);
	assert_int_equal(drill_judge(&r, &limits, &err), 0);
	assert_int_equal(r.verdict, DRILL_PASS);
	assert_int_equal(r.n_objectives, 4);
	for (size_t i = 0; i < r.n_objectives; i++)
		assert_true(r.objectives[i].met);
	assert_int_equal(drill_verdict_err(&r, &err), 0);
}

/* What one change to a good report makes of it. */
struct miss {
	const char *objective;
	void (*spoil)(struct drill_report *r);
	bool measured;
};

static void spoil_operations(struct drill_report *r)
{
	r->operations.failed = 1;
}

static void spoil_everything_missing(struct drill_report *r)
{
	r->operations.total = 0;
}

static void spoil_rto(struct drill_report *r)
{
	r->rto_ms = 5000.5;
}

static void spoil_return(struct drill_report *r)
{
	r->rto_ms = -1;
}

static void spoil_keys(struct drill_report *r)
{
	r->rpo_keys = 1;
}

static void spoil_count(struct drill_report *r)
{
	r->rpo_keys = -1;
}

static void spoil_sync(struct drill_report *r)
{
	r->verify.findings_after = 2;
	fleet_set(&r->verify.after, "diverged", NULL);
}

static void spoil_verification(struct drill_report *r)
{
	fleet_set(&r->verify.after, "unknown", NULL);
}

static void one_miss_fails(void **state)
{
	static const struct miss cases[] = {
		{"failed_operations", spoil_operations, true},
		{"failed_operations", spoil_everything_missing, false},
		{"rto_ms", spoil_rto, true},
		{"rto_ms", spoil_return, false},
		{"rpo_keys", spoil_keys, true},
		{"rpo_keys", spoil_count, false},
		{"verify_after", spoil_sync, true},
		{"verify_after", spoil_verification, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		REPORT r;
		struct err err = {0};

		assert_int_equal(synthetic_report(false, &r), 0);
		cases[i].spoil(&r);
		assert_int_equal(drill_judge(&r, &limits, &err), 0);
		assert_int_equal(r.verdict, DRILL_FAIL);
		assert_false(objective(&r, cases[i].objective)->met);
		assert_int_equal(objective(&r, cases[i].objective)->measured >= 0, cases[i].measured);
		assert_non_null(strstr(r.reason, cases[i].objective));
		assert_int_equal(drill_verdict_err(&r, &err), -ERR_OBJECTIVE);
		assert_int_equal(err_exit_status(err.code), 4);
	}
}

static void latency_is_an_objective_when_asked_for(void **state)
{
	static const struct {
		int64_t limit_ms;
		bool met;
	} cases[] = {{999, false}, {1000, true}, {5000, true}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		REPORT r;
		const struct drill_limits asked = {5000, cases[i].limit_ms};

		assert_int_equal(synthetic_report(false, &r), 0);
		assert_int_equal(drill_judge(&r, &asked, NULL), 0);
		assert_int_equal(r.n_objectives, 5);
		assert_int_equal(objective(&r, "max_latency_ms")->met, cases[i].met);
		assert_int_equal(r.verdict, cases[i].met ? DRILL_PASS : DRILL_FAIL);
	}
}

static void an_aborted_drill_says_why(void **state)
{
	REPORT r;
	struct err why = {0}, err = {0};

	(void)state;
	assert_int_equal(synthetic_report(false, &r), 0);
	err_set(&why, ERR_IO, "no room");
	assert_int_equal(drill_abort(&r, &why, &err), 0);
	assert_int_equal(r.verdict, DRILL_ABORTED);
	assert_non_null(strstr(r.reason, "no room"));
	assert_int_equal(drill_verdict_err(&r, &err), -ERR_GUARD);
	assert_int_equal(err_exit_status(err.code), 1);
}

static int judge_again(struct drill_report *r)
{
	struct err err;

	for (size_t i = 0; i < r->n_objectives; i++) {
		free(r->objectives[i].name);
		free(r->objectives[i].unit);
		free(r->objectives[i].text);
	}
	r->n_objectives = 0;
	free(r->objectives);
	r->objectives = NULL;
	return drill_judge(r, &limits, &err);
}

static void no_memory(void **state)
{
	REPORT r;

	(void)state;
	assert_int_equal(synthetic_report(false, &r), 0);
	assert_survives_no_memory(judge_again(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_drill_passes),
		cmocka_unit_test(one_miss_fails),
		cmocka_unit_test(latency_is_an_objective_when_asked_for),
		cmocka_unit_test(an_aborted_drill_says_why),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
