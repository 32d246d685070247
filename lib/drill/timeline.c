/* SPDX-License-Identifier: Apache-2.0 */
/* The load, and what happens while it lasts. */
#include <stdio.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/observer.h"
#include "drill/exercise.h"
#include "drill/workload.h"

enum { WATCH_MS = 20, TICK_MS = 250, RETURN_MS = 30000 };

static void tell(struct exercise *x)
{
	uint64_t total, failed;
	int64_t now = (clock_now_ns() - x->start_ns) / 1000000;
	char text[128];

	recorder_count(x->recorder, &total, &failed);
	snprintf(text, sizeof(text), "%s, %llu operations, %llu failed",
		 x->broken ? "broken" : x->returning ? "healing" : "running", (unsigned long long)total,
		 (unsigned long long)failed);
	observer_step(x->observer, x->config->group, text, (size_t)(now / 1000),
		      (size_t)(x->config->duration_ms / 1000));
}

/* Until at_ms of the run, or until nobody is awaited any more. */
static int wait_until(struct exercise *x, double at_ms, bool only_return, struct err *err)
{
	double told = 0;

	for (;;) {
		double now = exercise_ms(x, clock_now_ns()), left = at_ms - now;
		double most = x->returning ? WATCH_MS : TICK_MS;

		if (left <= 0 || (only_return && !x->returning))
			return cancel_check(err);
		if (cancel_check(err) < 0)
			return -(int)err->code;
		if (x->returning)
			exercise_watch(x);
		if (now - told >= 1000) {
			tell(x);
			told = now;
		}
		clock_sleep_ms((int64_t)(left < most ? left : most) + 1);
	}
}

static int take_step(struct exercise *x, size_t i, struct err *err)
{
	const struct drill_step *step = &x->scenario->steps[i];
	int rc = wait_until(x, step->at * (double)x->config->duration_ms, false, err);

	if (rc < 0)
		return rc;
	if (step->action == DRILL_BREAK)
		return exercise_break(x, x->targets[i], step->kind, err);
	return exercise_heal(x, x->targets[i], err);
}

static int start_load(struct exercise *x, struct err *err)
{
	int rc;

	x->start_ns = clock_now_ns();
	rc = recorder_new(x->start_ns, x->config->duration_ms, &x->recorder, err);
	return rc < 0 ? rc
		      : drill_workload_start(x->module, &x->keys, x->recorder, (size_t)x->config->threads,
					     (uint64_t)x->config->seed, x->start_ns, &x->workload, err);
}

static int run_steps(struct exercise *x, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < x->scenario->n_steps && rc == 0; i++)
		rc = take_step(x, i, err);
	return rc < 0 ? rc : wait_until(x, (double)x->config->duration_ms, false, err);
}

/* The load ends after the healing, so that the phase after is never empty for
 * that reason. */
int exercise_perform(struct exercise *x, struct err *err)
{
	struct err heal_err;
	int rc = start_load(x, err), heal_rc;

	if (rc == 0)
		rc = run_steps(x, err);
	heal_rc = exercise_heal_all(x, &heal_err);
	if (x->workload)
		drill_workload_stop(x->workload);
	if (x->recorder)
		recorder_stop(x->recorder, clock_now_ns());
	if (heal_rc < 0) {
		*err = heal_err;
		return heal_rc;
	}
	if (rc == 0 && x->returning)
		rc = wait_until(x, exercise_ms(x, clock_now_ns()) + RETURN_MS, true, err);
	return rc;
}
