/* SPDX-License-Identifier: Apache-2.0 */
/* Objectives against numbers. */
#include "drill/verdict.h"

#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "drill/report.h"
#include "drill/text.h"

static int add(struct drill_report *r, const char *name, const char *unit, double limit, double measured,
	       const char *text)
{
	struct drill_objective *o = json_append(&r->objectives, &r->n_objectives, sizeof(*o));

	if (!o || !(o->name = mem_strdup(name)) || !(o->unit = mem_strdup(unit)) || !(o->text = mem_strdup(text)))
		return -ERR_NO_MEMORY;
	o->limit = limit;
	o->measured = measured;
	o->met = measured >= 0 && measured <= limit;
	return 0;
}

static double slowest(const struct drill_phase_latency *l)
{
	return fmax(l->before.max, fmax(l->during.max, l->after.max));
}

/* A run without operations shows nothing, so its zero failures are no success. */
static double failed(const struct drill_report *r)
{
	return r->operations.total > 0 ? (double)r->operations.failed : -1;
}

/* Findings count only when the verification was able to tell. */
static double findings(const struct drill_report *r)
{
	return str_eq(r->verify.after, "unknown") ? -1 : (double)r->verify.findings_after;
}

static int add_all(struct drill_report *r, const struct drill_limits *limits)
{
	int rc = add(r, "failed_operations", "operations", 0, failed(r),
		     "No operation fails or gives a wrong result while a member could have answered.");

	if (rc == 0)
		rc = add(r, "rto_ms", "ms", (double)limits->rto_ms, r->rto_ms,
			 "Longest time without a completed operation.");
	if (rc == 0 && limits->max_latency_ms > 0)
		rc = add(r, "max_latency_ms", "ms", (double)limits->max_latency_ms, slowest(&r->latency_ms),
			 "No operation takes longer.");
	if (rc == 0)
		rc = add(r, "rpo_keys", "keys", 0, (double)r->rpo_keys,
			 "Every key that was live before is live after.");
	if (rc == 0)
		rc = add(r, "verify_after", "findings", 0, findings(r),
			 "Every key is proven on every member after the drill.");
	return rc;
}

/* The objective's name says what is counted. */
static const char *bare_amount(char *ret, size_t size, double amount, const char *unit)
{
	if (amount < 0)
		snprintf(ret, size, "not measured");
	else if (str_eq(unit, "ms"))
		text_duration(ret, size, amount);
	else
		text_count(ret, size, llround(amount));
	return ret;
}

static void name_missed(const struct drill_report *r, struct buf *ret)
{
	const char *before = "Missed: ";
	char measured[48], limit[48];

	for (size_t i = 0; i < r->n_objectives; i++) {
		const struct drill_objective *o = &r->objectives[i];

		if (o->met)
			continue;
		buf_printf(ret, "%s%s %s (limit %s)", before, o->name,
			   bare_amount(measured, sizeof(measured), o->measured, o->unit),
			   bare_amount(limit, sizeof(limit), o->limit, o->unit));
		before = ", ";
	}
	if (ret->len)
		buf_put_u8(ret, '.');
}

static int say(struct drill_report *r, enum drill_verdict verdict, struct buf *reason, struct err *err)
{
	char *text = mem_strdup(buf_text(reason));

	if (!text)
		return err_no_memory(err);
	free(r->reason);
	r->reason = text;
	r->verdict = verdict;
	return 0;
}

static void praise(const struct drill_report *r, struct buf *ret)
{
	char rto[48], total[48];

	buf_printf(ret, "All %s operations succeeded, the longest pause was %s, and every key is proven on every member.",
		   text_count(total, sizeof(total), r->operations.total), text_duration(rto, sizeof(rto), r->rto_ms));
}

int drill_judge(struct drill_report *r, const struct drill_limits *limits, struct err *err)
{
	owned(buf) struct buf reason;

	buf_init(&reason, 2000);
	if (add_all(r, limits) < 0)
		return err_no_memory(err);
	name_missed(r, &reason);
	if (reason.len)
		return say(r, DRILL_FAIL, &reason, err);
	praise(r, &reason);
	return say(r, DRILL_PASS, &reason, err);
}

int drill_abort(struct drill_report *r, const struct err *why, struct err *err)
{
	owned(buf) struct buf reason;

	buf_init(&reason, 2000);
	buf_printf(&reason, "The drill did not run to its end: %s.", why->message);
	return say(r, DRILL_ABORTED, &reason, err);
}

int drill_verdict_err(const struct drill_report *r, struct err *err)
{
	size_t missed = 0;

	if (r->verdict == DRILL_ABORTED)
		return err_set(err, ERR_GUARD, "drill '%s' was aborted", r->id);
	if (r->verdict == DRILL_PASS)
		return 0;
	for (size_t i = 0; i < r->n_objectives; i++)
		missed += !r->objectives[i].met;
	return err_set(err, ERR_OBJECTIVE, "drill '%s' missed %zu of %zu objectives", r->id, missed, r->n_objectives);
}
