/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drill_report - what a drill did, measured and concluded (schema "drill").
 *
 * One document holds everything that the evidence needs; the HTML page is made
 * from it alone. Durations are milliseconds, moments "_ms" since started_at on
 * the monotonic clock, times RFC 3339 UTC of the system clock. A negative number
 * in a field that may be null means that it was not measured.
 */
#ifndef DRILL_REPORT_H
#define DRILL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drill/recorder.h"
#include "json/type.h"

struct err;

enum drill_verdict { DRILL_PASS, DRILL_FAIL, DRILL_ABORTED };
extern const char *const drill_verdict_names[];

struct drill_latency {
	double p50, p99, max;		/* ms, -1 = no operation */
};

struct drill_phase_facts {
	char *name;			/* a drill_phase_names */
	double start_ms, end_ms;	/* -1 = the phase never began */
	int64_t operations, failed;
	double per_second;
};

struct drill_fault {
	char *at, *healed_at;		/* times; healed_at NULL = not healed */
	char *target;			/* member */
	char *kind;
	char *command;			/* what was done, literally */
	double at_ms, healed_ms;
	double recovered_ms;		/* the target served again; -1 = it never did */
};

struct drill_member {
	char *name, *role, *datacenter, *region;
	char *serial, *model, *firmware;	/* of the token; NULL = it did not say */
	bool up_before, up_after;
	int64_t keys_before, keys_after;	/* -1 = not counted */
};

struct drill_verify {
	char *before, *after;		/* verify verdicts; "unknown" when it did not run */
	int64_t keys_before, keys_after;	/* -1 = not counted */
	int64_t proofs_before, proofs_after;	/* that passed */
	int64_t findings_before, findings_after;
};

/* A limit and what was measured. met also needs that it could be measured. */
struct drill_objective {
	char *name, *unit;
	double limit, measured;
	bool met;
	char *text;			/* what the objective means */
};

/* Something that a person should look at. */
struct drill_finding {
	char *what;			/* "sign with 'signing-1': CKR_DEVICE_ERROR" */
	int64_t count;
	double first_ms;
};

struct drill_sample {
	double at_ms;
	int64_t operations, failed;
	double p50_ms, max_ms;
};

struct drill_evidence {
	char *sha256;			/* of the document on one line, without this part */
	char *signature;		/* over the same bytes, hex; NULL = no key could sign */
	char *key, *mechanism;		/* label of the group's key; "ECDSA-SHA256" … */
	char *public_key;		/* SHA-256 of its SubjectPublicKeyInfo, hex */
	char *note;			/* why there is no signature */
	char *audit_head;		/* of the trail, when the drill's end stood in it */
};

struct drill_operations {
	int64_t total, failed;
};

struct drill_phase_latency {
	struct drill_latency before, during, after;
};

struct drill_report {
	char *id, *scenario, *group;
	char *summary, *hypothesis;
	unsigned verdict;
	char *reason;			/* the verdict in a sentence */
	char *started_at, *ended_at;
	double duration_ms;		/* as it was run */
	int64_t planned_ms;		/* as it was asked for */
	int64_t threads, seed;
	char *tool, *host, *operator;
	int64_t fleet_revision;
	char *fleet_sha256;		/* of the fleet document when it began */
	bool emulated;
	char *notice;			/* what emulated means for the result */
	char **keys;			/* labels that the application threads used */
	size_t n_keys;
	struct drill_operations operations;
	double availability;		/* share of operations that succeeded; 0 to 1 */
	struct drill_phase_latency latency_ms;
	double rto_ms, detect_ms, recover_ms;
	int64_t rpo_keys;
	struct drill_phase_facts *phases;
	size_t n_phases;
	struct drill_fault *faults;
	size_t n_faults;
	struct drill_member *members;
	size_t n_members;
	struct drill_verify verify;
	struct drill_objective *objectives;
	size_t n_objectives;
	struct drill_finding *findings;
	size_t n_findings;
	double interval_ms;		/* of a sample */
	struct drill_sample *samples;
	size_t n_samples;
	struct drill_evidence evidence;
};

extern const struct json_type drill_report_type;

/* Before anything is known: zeroed, and what may be null is. */
void drill_report_init(struct drill_report *report);

/* One more thing to look at; first_ms -1 = outside the run. */
int drill_report_finding(struct drill_report *report, const char *what, int64_t count, double first_ms,
			 struct err *err);

/*
 * The numbers of a run: operations, availability, latencies, phases, samples,
 * rto_ms, detect_ms. Replaces those there are. ERR_NO_MEMORY.
 */
int drill_report_measure(struct drill_report *report, const struct recorder_summary *summary, struct err *err);

/* The canonical text that evidence is about: one line, without evidence. */
int drill_report_canonical(const struct drill_report *report, struct buf *ret, struct err *err);

/* Append the report as one self-contained page. */
int drill_report_html(const struct drill_report *report, struct buf *ret, struct err *err);

#endif
