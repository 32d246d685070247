/* SPDX-License-Identifier: Apache-2.0 */
/* verdict - were the objectives met? */
#ifndef DRILL_VERDICT_H
#define DRILL_VERDICT_H

#include <stdint.h>

struct drill_report;
struct err;

/* What a user may ask for; no failed operation, no lost key and replicas in
 * sync are always asked for. */
struct drill_limits {
	int64_t rto_ms;			/* longest time without a completed operation */
	int64_t max_latency_ms;		/* of any operation; 0 = no limit */
};

/*
 * Fill the report's objectives, verdict and reason from its numbers. What could
 * not be measured is not met. ERR_NO_MEMORY.
 */
int drill_judge(struct drill_report *report, const struct drill_limits *limits, struct err *err);

/* The drill did not run to its end: verdict and reason say so. */
int drill_abort(struct drill_report *report, const struct err *why, struct err *err);

/* How the verdict ends a command: 0, ERR_OBJECTIVE, ERR_GUARD. */
int drill_verdict_err(const struct drill_report *report, struct err *err);

#endif
