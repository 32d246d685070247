/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - files of statistics, as they lie beside each other: PID-STARTED-N.GROUP.
 *
 * What others wrote is believed as statistics and as nothing else: files are read without following links, as a
 * copy, and everything in the copy is within its bounds.
 */
#ifndef STATS_FOLDER_H
#define STATS_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/proc.h"
#include "stats/layout.h"

struct err;

/* Of the process: runs; is over; or is in a container of its own, where we cannot look. */
enum stats_life { STATS_RUNS, STATS_ENDED, STATS_ELSEWHERE };

struct stats_entry {
	struct stats_file file;		/* texts are terminated and can be printed, counters are below 2^53 */
	uid_t uid;			/* of the file */
	enum stats_life life;
	int64_t last_ms;		/* UTC, of the newest call; 0 = none, or long ago */
};

enum { STATS_NAME_MAX = 128, STATS_FILES_MAX = 10000 };
void stats_file_name(const struct proc_id *process, unsigned number, const char *group, char ret[static STATS_NAME_MAX]);
/* ret_group: within name. */
bool stats_file_of(const char *name, struct proc_id *ret, const char **ret_group);

/* Who looks: the boot and the space of process numbers of this process. */
void stats_here(uint64_t *ret_boot, uint64_t *ret_space);

/* ERR_INVALID for what is no file of statistics, or of another version. */
int stats_read(int folder, const char *name, struct stats_entry *ret, struct err *err);

/* What became of a folder that was read. */
struct stats_folder {
	bool there, denied;
	bool more;		/* than STATS_FILES_MAX */
	size_t files, refused;	/* those that were shown; others of such names */
};

/* entry is the callee's until it returns; a negative return ends the walk. */
typedef int (*stats_visitor)(void *data, const struct stats_entry *entry, struct err *err);
/*
 * All files of a folder. One of a process that is over since a day goes, if we may. Fails when each does, or for want
 * of memory.
 */
int stats_each(const char *folder, stats_visitor each, void *data, struct stats_folder *ret, struct err *err);

/* Make room in a folder in which many files of ours are that are of no use; false: it is full all the same. */
bool stats_tidy(int folder);

/* Times of a histogram so that share of them (0.5: half) are shorter, in milliseconds; -1: there are none. Within a
 * part of the histogram they are taken to be spread evenly. */
double stats_share_ms(const stats_count times[static STATS_BUCKETS], double share);
uint64_t stats_sum(const stats_count *counts, size_t n);

#endif
