/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - break members of a group on purpose, under load, and judge.
 *
 * A drill verifies the replicas, starts application threads on the group's
 * virtual slot, breaks and heals what its scenario says, watches the broken
 * members come back, verifies again and compares what was measured with the
 * objectives. Whatever ends it - its time, an error, Ctrl-C - what was broken
 * is healed first.
 */
#ifndef DRILL_RUN_H
#define DRILL_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "drill/report.h"
#include "drill/verdict.h"

struct err;
struct observer;
struct store;

enum { DRILL_MIN_MS = 3000 };

struct drill_config {
	const char *scenario, *group;
	const char *const *targets;	/* members to break together; none: as the scenario chooses */
	size_t n_targets;
	const char *module;	/* path of the PKCS#11 module */
	int64_t duration_ms;	/* at least DRILL_MIN_MS */
	int64_t threads;	/* 1 to DRILL_THREADS_MAX */
	int64_t seed;
	struct drill_limits limits;
	/* Run also when the replicas are not in sync, or when only standby
	 * members are left. A group without any member left is never run. */
	bool force;
};

/*
 * Run a drill. ret is set up with drill_report_init() by the caller and given
 * back with json_release(); ret->id is NULL when the drill did not begin.
 *
 * 0: every objective was met. With a report: ERR_OBJECTIVE (one was not),
 * ERR_GUARD (aborted), ERR_INTERRUPTED and other cancel codes. Without:
 * ERR_GUARD (refused), ERR_NOT_FOUND, ERR_LOCKED (another drill runs), ….
 *
 * The report is kept in the store, drills/ID/report.json and report.html, and
 * the audit trail names it.
 */
int drill_run(struct store *store, const struct drill_config *config, struct observer *observer,
	      struct drill_report *ret, struct err *err);

#endif
