/* SPDX-License-Identifier: Apache-2.0 */
/* From what was recorded to what is kept. */
#include <stdio.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"
#include "drill/exercise.h"
#include "drill/workload.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "replica/set.h"
#include "replica/verify.h"
#include "store/store.h"

enum { REPORT_MAX = 16 << 20 };

static int measure(struct exercise *x, struct err *err)
{
	owned(recorder_summary) struct recorder_summary summary = {0};
	struct drill_report *r = x->report;
	char time[CLOCK_TEXT];
	int rc = 0;

	clock_format(clock_utc_ms(), time);
	if (x->recorder)
		rc = recorder_sum(x->recorder, &summary, err);
	if (rc == 0 && x->recorder)
		rc = drill_report_measure(r, &summary, err);
	if (rc == 0 && x->workload)
		rc = drill_workload_findings(x->workload, r, err);
	for (size_t i = 0; i < r->n_phases; i++)
		r->duration_ms = r->phases[i].end_ms > r->duration_ms ? r->phases[i].end_ms : r->duration_ms;
	return rc < 0 ? rc : fleet_set(&r->ended_at, time, err);
}

static int find_absent(struct exercise *x, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < x->set->n_members && i < x->report->n_members && rc == 0; i++) {
		struct drill_member *m = &x->report->members[i];
		struct err why = {0};
		char what[400];

		m->up_after = member_probe(x->set->members[i].member, NULL, &why) == 0;
		rc = cancel_check(err);
		if (rc < 0 || m->up_after || !m->up_before)
			continue;
		snprintf(what, sizeof(what), "%s was up before the drill and is down after it: %.200s", m->name, why.message);
		rc = drill_report_finding(x->report, what, 1, -1, err);
	}
	return rc;
}

static int take_verdict(struct exercise *x, const struct replica_report *v, struct err *err)
{
	struct drill_report *r = x->report;
	int64_t lost = r->verify.keys_before - v->keys;

	r->verify.keys_after = v->keys;
	r->verify.proofs_after = v->proofs.passed;
	r->verify.findings_after = (int64_t)v->n_findings;
	r->rpo_keys = lost > 0 ? lost : 0;
	for (size_t i = 0; i < v->n_members && i < r->n_members; i++)
		r->members[i].keys_after = v->members[i].reachable ? v->members[i].keys : -1;
	for (size_t i = 0; i < v->n_findings && i < 20; i++) {
		const struct replica_report_finding *f = &v->findings[i];
		char what[600];

		/* What policy lets be, since the verdict does. */
		if (v->verdict == VERDICT_IN_SYNC)
			break;
		snprintf(what, sizeof(what), "verify: %s on %s%s%s: %.300s", finding_kind_names[f->kind], f->member,
			 f->key.label ? ", key " : "", f->key.label ? f->key.label : "", f->detail);
		if (drill_report_finding(r, what, 1, -1, err) < 0)
			return -ERR_NO_MEMORY;
	}
	return fleet_set(&r->verify.after, replica_verdict_names[v->verdict], err);
}

/* A verification that cannot be done is a finding, not the end of the report. */
static int verify_after(struct exercise *x, struct err *err)
{
	struct replica_report v = {0};
	struct err why = {0};
	char what[700];
	int rc;

	observer_step(x->observer, x->group->name, "verifying after the drill", 0, 0);
	rc = drill_verify(x->store, x->group->name, x->observer, &v, &why);
	if (rc == 0) {
		rc = take_verdict(x, &v, err);
	} else if (cancel_is(rc)) {
		*err = why;
	} else {
		snprintf(what, sizeof(what), "the verification after the drill failed: %s", why.message);
		rc = drill_report_finding(x->report, what, 1, -1, err);
	}
	json_release(&replica_report_type, &v);
	return rc;
}

static int write_file(const struct exercise *x, const char *name, const struct buf *text, struct err *err)
{
	owned(mem) char *path = store_file(x->store, "drills/%s/%s", x->report->id, name);

	return path ? file_write(path, text->data, text->len, 0600, err) : err_no_memory(err);
}

static int keep(const struct exercise *x, struct err *err)
{
	owned(mem) char *folder = store_file(x->store, "drills/%s", x->report->id);
	owned(buf) struct buf json, html;
	int rc = folder ? file_mkdirs(folder, 0700, err) : err_no_memory(err);

	buf_init(&json, REPORT_MAX);
	buf_init(&html, REPORT_MAX);
	if (rc == 0)
		rc = json_write(&drill_report_type, x->report, true, &json, err);
	if (rc == 0)
		rc = drill_report_html(x->report, &html, err);
	if (rc == 0)
		rc = write_file(x, "report.json", &json, err);
	return rc < 0 ? rc : write_file(x, "report.html", &html, err);
}

static int end_deed(struct exercise *x, const struct err *why, struct err *err)
{
	struct drill_report *r = x->report;
	owned(mem) char *detail = mem_printf("%s %s: %s, sha256 %s", r->scenario, r->id,
					     drill_verdict_names[r->verdict], r->evidence.sha256);

	if (!detail)
		return err_no_memory(err);
	store_deed_end(x->deed, detail, r->verdict == DRILL_ABORTED ? -ERR_FAILED : 0, why);
	return fleet_set(&r->evidence.audit_head, store_head(x->store), err);
}

/* How members and keys are now. To be cancelled here is how the run ended, unless it had failed before; no finding. */
static int look_again(struct exercise *x, int *why_rc, struct err *why, struct err *err)
{
	int rc = find_absent(x, err);

	if (rc == 0)
		rc = verify_after(x, err);
	if (!cancel_is(rc) || *why_rc < 0)
		return cancel_is(rc) ? 0 : rc;
	*why = *err;
	*why_rc = rc;
	return 0;
}

static int decide(struct exercise *x, int *why_rc, struct err *why, struct err *err)
{
	int rc = measure(x, err);

	if (x->returning)
		x->report->recover_ms = -1;
	if (rc == 0)
		rc = fleet_set(&x->report->verify.after, "unknown", err);
	if (rc == 0 && !cancel_is(*why_rc))
		rc = look_again(x, why_rc, why, err);
	if (rc < 0)
		return rc;
	return *why_rc < 0 ? drill_abort(x->report, why, err) : drill_judge(x->report, &x->config->limits, err);
}

/* It must be kept before the trail names it, and then holds the head of the trail too. */
static int file_report(struct exercise *x, const struct err *why, struct err *err)
{
	int rc = drill_evidence(x->report, x->module, &x->keys, err);

	if (rc == 0)
		rc = keep(x, err);
	if (rc == 0)
		rc = end_deed(x, why, err);
	return rc < 0 ? rc : keep(x, err);
}

int exercise_conclude(struct exercise *x, int why_rc, struct err *why, struct err *err)
{
	int rc = decide(x, &why_rc, why, err);

	/* A drill that broke something has a report, however it ended. */
	cancel_shield();
	if (rc == 0)
		rc = file_report(x, why, err);
	if (rc < 0)
		store_deed_end(x->deed, NULL, rc, err);
	cancel_unshield();
	if (rc < 0)
		return rc;
	if (cancel_is(why_rc)) {
		*err = *why;
		return why_rc;
	}
	rc = drill_verdict_err(x->report, err);
	if (why_rc == 0)
		return rc;
	err_wrap(err, "%s", why->message);
	return *why->hint ? err_hint(err, "%s", why->hint) : rc;
}
