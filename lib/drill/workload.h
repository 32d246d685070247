/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drill_workload - application threads that use the group without a pause.
 *
 * Each thread has a session of its own and mixes operations over all keys and
 * random numbers, as its seed says. Every result is checked; an operation that
 * gives an error or a wrong result has failed. After a failure a thread opens
 * a new session and waits 10 ms, so that an outage is not a million failures.
 */
#ifndef DRILL_WORKLOAD_H
#define DRILL_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct drill_keys;
struct drill_module;
struct drill_report;
struct drill_workload;
struct err;
struct recorder;

enum { DRILL_THREADS_MAX = 64 };

/* Module, keys and recorder are borrowed until drill_workload_free(). */
int drill_workload_start(const struct drill_module *module, const struct drill_keys *keys,
			 struct recorder *recorder, size_t threads, uint64_t seed, int64_t start_ns,
			 struct drill_workload **ret, struct err *err);

/* Let every thread finish its operation and wait for it; may be repeated. */
void drill_workload_stop(struct drill_workload *workload);

/* What failed, each kind once, into the report; after stopping. */
int drill_workload_findings(const struct drill_workload *workload, struct drill_report *report, struct err *err);

void drill_workload_free(struct drill_workload *workload);
OWN_DEFINE(drill_workload)

#endif
