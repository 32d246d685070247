/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - what a process does with a group, counted where others can see it.
 *
 * A process has one file for each group that it uses (layout.h), in the first of some folders that takes it. Without
 * such a folder it counts where nobody sees it: statistics are never a reason to fail. Nothing in them is secret, nor a
 * name of a key.
 *
 * Counting is some relaxed additions to memory: no lock, no system call, nothing allocated; from any thread. No
 * descriptor is kept. A child of fork() does not have the parent's (nor its memory: it must not count on); the file
 * goes when the process ends in good order.
 */
#ifndef STATS_STATS_H
#define STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/event.h"
#include "base/own.h"
#include "stats/layout.h"

struct err;
struct stats;

/*
 * store: the folder that the group is of. bundle: it is one that was written for an application. Fails for want of
 * memory only.
 */
int stats_open(const char *store, bool bundle, const char *group, const char *serial, struct stats **ret,
	       struct err *err);
/* The file goes. Nobody counts any more. */
void stats_free(struct stats *stats);
OWN_DEFINE(stats)

/* Where the file is; NULL: nobody sees it. */
const char *stats_path(const struct stats *stats);

/* A member of this number, which is its own for as long as it is one. */
void stats_member(struct stats *stats, size_t member, const char *name, bool standby);
/* It is none any more. */
void stats_left(struct stats *stats, size_t member);
/* A member was asked, which took from one moment of the monotonic clock to another. */
void stats_asked(struct stats *stats, size_t member, enum stats_outcome outcome, int64_t from_ns, int64_t to_ns);
/* The application was answered. */
void stats_answered(struct stats *stats, enum stats_outcome outcome, int64_t from_ns, int64_t to_ns);
void stats_failover(struct stats *stats, size_t member);
void stats_cut(struct stats *stats, size_t member);
void stats_replayed(struct stats *stats);
void stats_poisoned(struct stats *stats);
void stats_session(struct stats *stats, bool opened);
void stats_login(struct stats *stats, bool in);

/* It is so from now on, and why: a code of base/err.h, a token's return value or 0. */
void stats_state(struct stats *stats, size_t member, enum stats_state state, unsigned error, unsigned long rv);
/* Only why it is so is known better now. */
void stats_reason(struct stats *stats, size_t member, unsigned error, unsigned long rv);
/* Something happened. member: STATS_NOBODY for none. */
void stats_happened(struct stats *stats, enum event event, size_t member, unsigned error, unsigned long rv);

/* Into which part of a histogram does a time go, and how long are the times in it at most? */
size_t stats_bucket(int64_t us);
uint64_t stats_bucket_us(size_t bucket);

#endif
