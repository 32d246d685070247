/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder - what the application threads of a drill experienced.
 *
 * Each operation is added once, when it is over; only sums are kept, so memory
 * does not grow with the run. All times are clock_now_ns(). Thread-safe.
 *
 * Phases are cut by the faults, not by the clock, and an operation belongs to
 * the worst one it touched:
 *
 *	before	it ended before the first fault
 *	after	it began after the last heal had begun
 *	during	all others
 *
 * Latency is the time an operation took for the application, good or not.
 */
#ifndef DRILL_RECORDER_H
#define DRILL_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;
struct recorder;

enum drill_phase { DRILL_BEFORE, DRILL_DURING, DRILL_AFTER, DRILL_PHASES };
extern const char *const drill_phase_names[];	/* "before", "during", "after" */

/* The run begins at start_ns and is meant to last duration_ms. Slices of the
 * time series are 100 ms, wider when there would be more than 600. */
int recorder_new(int64_t start_ns, int64_t duration_ms, struct recorder **ret, struct err *err);
void recorder_free(struct recorder *recorder);
OWN_DEFINE(recorder)

/* An operation is over. good: it returned, and the result was right. */
void recorder_add(struct recorder *recorder, int64_t start_ns, int64_t end_ns, bool good);

/* Something is about to be broken; the first one ends the phase before. */
void recorder_fault(struct recorder *recorder, int64_t now_ns);
/* Something is about to be healed; the last one begins the phase after. */
void recorder_heal(struct recorder *recorder, int64_t now_ns);
/* Nothing will be added any more. */
void recorder_stop(struct recorder *recorder, int64_t now_ns);

/* So far. */
void recorder_count(struct recorder *recorder, uint64_t *ret_total, uint64_t *ret_failed);

/* Times in nanoseconds; -1 = there is none. */
struct recorder_phase {
	int64_t start_ns, end_ns;	/* since the start of the run; -1 = never began */
	uint64_t total, failed;
	int64_t p50, p99, max;
};

struct recorder_slice {
	uint64_t total, failed;
	int64_t p50, max;
};

struct recorder_summary {
	uint64_t total, failed;
	struct recorder_phase phases[DRILL_PHASES];
	/*
	 * The longest time, over all threads, in which no operation was completed
	 * well, that ended after the first fault. -1: there was no fault, or no
	 * operation began and succeeded after the heal (service did not come back).
	 */
	int64_t outage_ns;
	/*
	 * The longest that a fault held up one operation: from the fault, or from
	 * the operation's start if later, to its end, over the operations of the
	 * phase during. After that time everybody had turned away from the broken
	 * member. -1: no operation in that phase.
	 */
	int64_t detect_ns;
	int64_t interval_ns;		/* of a slice */
	struct recorder_slice *slices;	/* n_slices, from the start of the run */
	size_t n_slices;
};

/* Sum up; after recorder_stop(). */
int recorder_sum(struct recorder *recorder, struct recorder_summary *ret, struct err *err);
void recorder_summary_release(struct recorder_summary *summary);
OWN_DEFINE_RELEASE(recorder_summary)

#endif
