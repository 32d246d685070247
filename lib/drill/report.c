/* SPDX-License-Identifier: Apache-2.0 */
/* The drill document, described once, and its numbers. */
#include "drill/report.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

const char *const drill_verdict_names[] = {"pass", "fail", "aborted", NULL};

#define LATENCY(f, s) JSON_F_NUMBER(struct drill_latency, f, JSON_NULLABLE | JSON_COLUMN, s)
static const struct json_field latency_fields[] = {
	LATENCY(p50, "half of the operations were at least this fast"),
	LATENCY(p99, "99 of 100 operations were at least this fast"),
	LATENCY(max, "the slowest operation"),
	JSON_F_END
};
static const struct json_type latency_type = {
	.summary = "Latency of operations in milliseconds; null without operations",
	.size = sizeof(struct drill_latency), .fields = latency_fields,
};

#define PHASE(f, s) JSON_F_OBJECT(struct drill_phase_latency, f, JSON_COLUMN, latency_type, s)
static const struct json_field phase_latency_fields[] = {
	PHASE(before, "operations that ended before the first fault"),
	PHASE(during, "operations in between"),
	PHASE(after, "operations that began after the last heal had begun"),
	JSON_F_END
};
static const struct json_type phase_latency_type = {
	.summary = "Latency in the three phases", .size = sizeof(struct drill_phase_latency),
	.fields = phase_latency_fields,
};

static const struct json_field operations_fields[] = {
	JSON_F_INT(struct drill_operations, total, JSON_COLUMN, 0, 0, "operations that ended"),
	JSON_F_INT(struct drill_operations, failed, JSON_COLUMN, 0, 0, "that gave an error or a wrong result"),
	JSON_F_END
};
static const struct json_type operations_type = {
	.summary = "What the application threads did", .size = sizeof(struct drill_operations),
	.fields = operations_fields,
};

static const struct json_field phase_fields[] = {
	JSON_F_STRING(struct drill_phase_facts, name, JSON_REQUIRED, "before, during or after"),
	JSON_F_NUMBER(struct drill_phase_facts, start_ms, JSON_NULLABLE, "since the start; null: the phase never began"),
	JSON_F_NUMBER(struct drill_phase_facts, end_ms, JSON_NULLABLE, "since the start"),
	JSON_F_INT(struct drill_phase_facts, operations, 0, 0, 0, "operations of the phase"),
	JSON_F_INT(struct drill_phase_facts, failed, 0, 0, 0, "failed ones"),
	JSON_F_NUMBER(struct drill_phase_facts, per_second, 0, "operations per second"),
	JSON_F_END
};
static const struct json_type phase_type = {
	.summary = "A phase of the run", .size = sizeof(struct drill_phase_facts), .fields = phase_fields,
};

static const struct json_field fault_fields[] = {
	JSON_F_STRING(struct drill_fault, at, JSON_REQUIRED, "when it was injected"),
	JSON_F_STRING(struct drill_fault, target, JSON_REQUIRED | JSON_COLUMN, "the member"),
	JSON_F_STRING(struct drill_fault, kind, JSON_REQUIRED | JSON_COLUMN, "crash, hang"),
	JSON_F_STRING(struct drill_fault, command, JSON_REQUIRED | JSON_COLUMN, "what was done, literally"),
	JSON_F_STRING(struct drill_fault, healed_at, JSON_NULLABLE | JSON_COLUMN, "when healing began"),
	JSON_F_NUMBER(struct drill_fault, at_ms, 0, "since the start"),
	JSON_F_NUMBER(struct drill_fault, healed_ms, JSON_NULLABLE, "since the start"),
	JSON_F_NUMBER(struct drill_fault, recovered_ms, JSON_NULLABLE, "the target answered a probe again, since the start"),
	JSON_F_END
};
static const struct json_type fault_type = {
	.summary = "A fault that was injected", .size = sizeof(struct drill_fault), .fields = fault_fields,
};

static const struct json_field member_fields[] = {
	JSON_F_STRING(struct drill_member, name, JSON_REQUIRED, "the member"),
	JSON_F_STRING(struct drill_member, role, JSON_REQUIRED, "active or standby"),
	JSON_F_STRING(struct drill_member, datacenter, JSON_REQUIRED, "its datacentre"),
	JSON_F_STRING(struct drill_member, region, JSON_REQUIRED, "region of the datacentre"),
	JSON_F_STRING(struct drill_member, serial, JSON_NULLABLE, "serial number of the token"),
	JSON_F_STRING(struct drill_member, model, JSON_NULLABLE, "model of the token"),
	JSON_F_STRING(struct drill_member, firmware, JSON_NULLABLE, "firmware version of the token"),
	JSON_F_BOOL(struct drill_member, up_before, 0, "it answered a probe before the run"),
	JSON_F_BOOL(struct drill_member, up_after, 0, "it answered a probe after the run"),
	JSON_F_INT(struct drill_member, keys_before, JSON_NULLABLE, 0, 0, "live keys listed there before the run"),
	JSON_F_INT(struct drill_member, keys_after, JSON_NULLABLE, 0, 0, "live keys listed there after the run"),
	JSON_F_END
};
static const struct json_type member_type = {
	.summary = "A member of the group", .size = sizeof(struct drill_member), .fields = member_fields,
};

static const struct json_field verify_fields[] = {
	JSON_F_STRING(struct drill_verify, before, JSON_REQUIRED | JSON_COLUMN, "verdict of 'verify' before the run"),
	JSON_F_STRING(struct drill_verify, after, JSON_REQUIRED | JSON_COLUMN, "verdict of 'verify' after the run"),
	JSON_F_INT(struct drill_verify, keys_before, JSON_NULLABLE, 0, 0, "live keys before the run"),
	JSON_F_INT(struct drill_verify, keys_after, JSON_NULLABLE, 0, 0, "live keys after the run"),
	JSON_F_INT(struct drill_verify, proofs_before, JSON_NULLABLE, 0, 0, "proofs that passed before the run"),
	JSON_F_INT(struct drill_verify, proofs_after, JSON_NULLABLE, 0, 0, "proofs that passed after the run"),
	JSON_F_INT(struct drill_verify, findings_before, JSON_NULLABLE, 0, 0, "findings before the run"),
	JSON_F_INT(struct drill_verify, findings_after, JSON_NULLABLE, 0, 0, "findings after the run"),
	JSON_F_END
};
static const struct json_type verify_type = {
	.summary = "Were the replicas in sync?", .size = sizeof(struct drill_verify), .fields = verify_fields,
};

static const struct json_field objective_fields[] = {
	JSON_F_STRING(struct drill_objective, name, JSON_REQUIRED | JSON_COLUMN, "what is limited"),
	JSON_F_NUMBER(struct drill_objective, limit, JSON_COLUMN, "the most that is allowed"),
	JSON_F_NUMBER(struct drill_objective, measured, JSON_NULLABLE | JSON_COLUMN, "null: it could not be measured"),
	JSON_F_STRING(struct drill_objective, unit, JSON_REQUIRED | JSON_COLUMN, "of both"),
	JSON_F_BOOL(struct drill_objective, met, JSON_COLUMN, "measured, and within the limit"),
	JSON_F_STRING(struct drill_objective, text, 0, "what the objective means"),
	JSON_F_END
};
static const struct json_type objective_type = {
	.summary = "An objective", .size = sizeof(struct drill_objective), .fields = objective_fields,
};

static const struct json_field finding_fields[] = {
	JSON_F_STRING(struct drill_finding, what, JSON_REQUIRED | JSON_COLUMN, "in words"),
	JSON_F_INT(struct drill_finding, count, JSON_COLUMN, 0, 0, "how often"),
	JSON_F_NUMBER(struct drill_finding, first_ms, JSON_NULLABLE, "the first time, since the start; null: outside the run"),
	JSON_F_END
};
static const struct json_type finding_type = {
	.summary = "Something to look at", .size = sizeof(struct drill_finding), .fields = finding_fields,
};

static const struct json_field sample_fields[] = {
	JSON_F_NUMBER(struct drill_sample, at_ms, 0, "begin of the interval, since the start"),
	JSON_F_INT(struct drill_sample, operations, 0, 0, 0, "operations that ended in it"),
	JSON_F_INT(struct drill_sample, failed, 0, 0, 0, "failed ones"),
	JSON_F_NUMBER(struct drill_sample, p50_ms, JSON_NULLABLE, "median latency"),
	JSON_F_NUMBER(struct drill_sample, max_ms, JSON_NULLABLE, "highest latency"),
	JSON_F_END
};
static const struct json_type sample_type = {
	.summary = "An interval of the time series", .size = sizeof(struct drill_sample), .fields = sample_fields,
};

static const struct json_field evidence_fields[] = {
	JSON_F_STRING(struct drill_evidence, sha256, JSON_REQUIRED, "of the document on one line, without evidence"),
	JSON_F_STRING(struct drill_evidence, signature, JSON_NULLABLE, "over the same bytes, hexadecimal"),
	JSON_F_STRING(struct drill_evidence, key, JSON_NULLABLE, "label of the group's key that signed"),
	JSON_F_STRING(struct drill_evidence, mechanism, JSON_NULLABLE, "how it signed"),
	JSON_F_STRING(struct drill_evidence, public_key, JSON_NULLABLE, "SHA-256 of its SubjectPublicKeyInfo"),
	JSON_F_STRING(struct drill_evidence, note, JSON_OMIT, "why there is no signature"),
	JSON_F_STRING(struct drill_evidence, audit_head, JSON_OMIT, "hash of the audit entry that names this digest"),
	JSON_F_END
};
static const struct json_type evidence_type = {
	.summary = "Digest and signature", .size = sizeof(struct drill_evidence), .fields = evidence_fields,
};

#define R struct drill_report
static const struct json_field report_fields[] = {
	JSON_F_STRING(R, id, JSON_REQUIRED | JSON_COLUMN, "of the drill; its folder in the store"),
	JSON_F_STRING(R, scenario, JSON_REQUIRED | JSON_COLUMN, "what was broken"),
	JSON_F_STRING(R, group, JSON_REQUIRED | JSON_COLUMN, "the group"),
	JSON_F_STRING(R, summary, 0, "the scenario in words"),
	JSON_F_STRING(R, hypothesis, 0, "what was expected"),
	JSON_F_ENUM(R, verdict, JSON_COLUMN, drill_verdict_names, "pass: every objective was met"),
	JSON_F_STRING(R, reason, JSON_COLUMN, "the verdict in a sentence"),
	JSON_F_STRING(R, started_at, JSON_REQUIRED | JSON_COLUMN, "when the load began"),
	JSON_F_STRING(R, ended_at, JSON_REQUIRED, "when the load ended"),
	JSON_F_NUMBER(R, duration_ms, JSON_COLUMN, "of the load"),
	JSON_F_INT(R, planned_ms, 0, 0, 0, "duration that was asked for"),
	JSON_F_INT(R, threads, 0, 0, 0, "application threads"),
	JSON_F_INT(R, seed, 0, 0, 0, "of the choice of keys and inputs"),
	JSON_F_STRING(R, tool, JSON_REQUIRED, "what measured"),
	JSON_F_STRING(R, host, JSON_REQUIRED, "where it ran"),
	JSON_F_STRING(R, operator, JSON_REQUIRED, "user who ran it"),
	JSON_F_INT(R, fleet_revision, 0, 0, 0, "of the fleet document when it began"),
	JSON_F_STRING(R, fleet_sha256, 0, "digest of the fleet document when it began"),
	JSON_F_BOOL(R, emulated, JSON_COLUMN, "members are local appliances on one host"),
	JSON_F_STRING(R, notice, JSON_OMIT, "what that means for the result"),
	JSON_F_STRINGS(R, keys, 0, "labels of the keys that were used"),
	JSON_F_OBJECT(R, operations, JSON_COLUMN, operations_type, "operations of all application threads"),
	JSON_F_NUMBER(R, availability, JSON_COLUMN, "share of operations that succeeded"),
	JSON_F_OBJECT(R, latency_ms, JSON_COLUMN, phase_latency_type, "latency in milliseconds"),
	JSON_F_NUMBER(R, rto_ms, JSON_NULLABLE | JSON_COLUMN,
		      "longest time without a completed operation; null: service did not come back"),
	JSON_F_INT(R, rpo_keys, JSON_NULLABLE | JSON_COLUMN, 0, 0, "keys that were live before and are not any more; null: not known"),
	JSON_F_NUMBER(R, detect_ms, JSON_NULLABLE | JSON_COLUMN, "longest that the fault held up one operation"),
	JSON_F_NUMBER(R, recover_ms, JSON_NULLABLE | JSON_COLUMN,
		      "from the begin of healing until the member answered a probe again"),
	JSON_F_LIST(R, phases, 0, phase_type, "before, during, after"),
	JSON_F_LIST(R, faults, JSON_COLUMN, fault_type, "what was broken"),
	JSON_F_LIST(R, members, 0, member_type, "members of the group"),
	JSON_F_OBJECT(R, verify, JSON_COLUMN, verify_type, "proof of the replicas"),
	JSON_F_LIST(R, objectives, JSON_COLUMN, objective_type, "what was asked for, and what was measured"),
	JSON_F_LIST(R, findings, JSON_COLUMN, finding_type, "what went wrong"),
	JSON_F_NUMBER(R, interval_ms, 0, "of a sample"),
	JSON_F_LIST(R, samples, 0, sample_type, "the run as a time series"),
	JSON_F_OBJECT(R, evidence, JSON_OMIT, evidence_type, "digest and signature"),
	JSON_F_END
};
const struct json_type drill_report_type = {
	.schema = "drill", .summary = "Report of a failover drill", .size = sizeof(R), .fields = report_fields,
};

void drill_report_init(struct drill_report *report)
{
	static const struct drill_latency none = {-1, -1, -1};

	*report = (struct drill_report){
		.latency_ms = {none, none, none},
		.rto_ms = -1, .detect_ms = -1, .recover_ms = -1, .rpo_keys = -1,
		.verify = {.keys_before = -1, .keys_after = -1, .proofs_before = -1, .proofs_after = -1,
			   .findings_before = -1, .findings_after = -1},
	};
}

int drill_report_finding(struct drill_report *r, const char *what, int64_t count, double first_ms, struct err *err)
{
	struct drill_finding *f = json_append(&r->findings, &r->n_findings, sizeof(*f));

	if (!f || !(f->what = mem_strdup(what)))
		return err_no_memory(err);
	f->count = count;
	f->first_ms = first_ms;
	return 0;
}

/* Microseconds are as precise as it gets. */
static double ms_of(int64_t ns)
{
	return ns < 0 ? -1 : round((double)ns / 1000) / 1000;
}

static struct drill_latency latency_of(const struct recorder_phase *phase)
{
	return (struct drill_latency){ms_of(phase->p50), ms_of(phase->p99), ms_of(phase->max)};
}

static int measure_phases(struct drill_report *r, const struct recorder_summary *s)
{
	for (size_t i = 0; i < DRILL_PHASES; i++) {
		const struct recorder_phase *from = &s->phases[i];
		struct drill_phase_facts *p = json_append(&r->phases, &r->n_phases, sizeof(*p));
		double seconds = (double)(from->end_ns - from->start_ns) / 1e9;

		if (!p || !(p->name = mem_strdup(drill_phase_names[i])))
			return -ERR_NO_MEMORY;
		p->start_ms = ms_of(from->start_ns);
		p->end_ms = ms_of(from->end_ns);
		p->operations = (int64_t)from->total;
		p->failed = (int64_t)from->failed;
		p->per_second = seconds > 0 ? round((double)from->total / seconds * 10) / 10 : 0;
	}
	return 0;
}

static int measure_samples(struct drill_report *r, const struct recorder_summary *s)
{
	r->interval_ms = ms_of(s->interval_ns);
	r->samples = mem_zalloc(s->n_slices * sizeof(*r->samples));
	if (!r->samples)
		return -ERR_NO_MEMORY;
	r->n_samples = s->n_slices;
	for (size_t i = 0; i < s->n_slices; i++)
		r->samples[i] = (struct drill_sample){
			.at_ms = (double)i * r->interval_ms,
			.operations = (int64_t)s->slices[i].total, .failed = (int64_t)s->slices[i].failed,
			.p50_ms = ms_of(s->slices[i].p50), .max_ms = ms_of(s->slices[i].max),
		};
	return 0;
}

static void forget_measures(struct drill_report *r)
{
	for (size_t i = 0; i < r->n_phases; i++)
		json_release(&phase_type, &r->phases[i]);
	free(r->phases);
	free(r->samples);
	r->phases = NULL;
	r->samples = NULL;
	r->n_phases = r->n_samples = 0;
}

int drill_report_measure(struct drill_report *r, const struct recorder_summary *s, struct err *err)
{
	forget_measures(r);
	r->operations = (struct drill_operations){(int64_t)s->total, (int64_t)s->failed};
	r->availability = s->total ? (double)(s->total - s->failed) / (double)s->total : 0;
	r->latency_ms = (struct drill_phase_latency){
		latency_of(&s->phases[DRILL_BEFORE]),
		latency_of(&s->phases[DRILL_DURING]),
		latency_of(&s->phases[DRILL_AFTER]),
	};
	r->rto_ms = ms_of(s->outage_ns);
	r->detect_ms = ms_of(s->detect_ns);
	if (measure_phases(r, s) < 0 || measure_samples(r, s) < 0)
		return err_no_memory(err);
	return 0;
}

int drill_report_canonical(const struct drill_report *report, struct buf *ret, struct err *err)
{
	struct drill_report bare = *report;

	bare.evidence = (struct drill_evidence){0};
	return json_write(&drill_report_type, &bare, false, ret, err);
}
