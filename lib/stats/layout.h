/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - what stands in a file of statistics.
 *
 * The file is as long as struct stats_file, always, in the byte order of its host, and is written through a mapping
 * while others read it: each counter is right by itself, two may be of different moments. magic is written last. What is
 * added is added behind, with another version; readers refuse versions that they do not know.
 */
#ifndef STATS_LAYOUT_H
#define STATS_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	STATS_VERSION = 1,
	STATS_MEMBERS = 32,
	STATS_BUCKETS = 32,	/* of a histogram: below 1, 2, 4, … microseconds; what is longer is in the last */
	STATS_CHANGES = 32,	/* that are remembered */
	STATS_NOBODY = 0xffff,	/* a change that is no member's */
};
#define STATS_MAGIC 0x317461747368ull	/* "hstat1" */

/* How a call ended: the classes of p11/rv.h, and a link that failed. */
enum stats_outcome {
	STATS_DONE,
	STATS_MEMBER,
	STATS_CALLER,
	STATS_CREDENTIAL,
	STATS_BUSY,
	STATS_SESSION,
	STATS_HANDLE,
	STATS_AMBIGUOUS,
	STATS_LINK,
	STATS_OUTCOMES
};

enum stats_state { STATS_UP, STATS_DOWN, STATS_BEHIND, STATS_STATES };

typedef _Atomic uint64_t stats_count;

struct stats_calls {
	stats_count outcomes[STATS_OUTCOMES];
	stats_count times[STATS_BUCKETS];
};

struct stats_member {
	char name[128];
	_Atomic uint32_t role;		/* 0 active, 1 standby */
	_Atomic uint32_t there;		/* it is a member, and its name is written */
	_Atomic uint32_t state;
	_Atomic uint32_t error;		/* why: a code of base/err.h, */
	stats_count rv;			/* and the token's return value, 0 = none */
	_Atomic int64_t since_ms;	/* UTC, of the state */
	struct stats_calls calls;	/* that it was asked, more than one for a call of the application's now and then */
	stats_count failovers;		/* calls that went on to another member, for this one failed */
	stats_count cuts;		/* links that were cut, for its silence most of the time */
	stats_count outages;		/* how often it went down */
};

/* One thing that happened. number is 0 while the others are written. */
struct stats_change {
	stats_count number;
	_Atomic int64_t at_ms;		/* UTC */
	_Atomic uint32_t event, member, error;
	stats_count rv;
};

struct stats_file {
	stats_count magic;
	uint32_t version, size;
	/* the process: */
	uint32_t pid, uid;		/* whose file it is says its owner: users have other numbers in other containers */
	uint64_t started;		/* clock ticks since boot */
	uint64_t boot;			/* which boot of which host, */
	uint64_t space;			/* which space of process numbers */
	int64_t began_ms;		/* UTC: the file */
	char program[64];
	/* the group: */
	char group[64], serial[64];
	_Atomic int64_t ended_ms;	/* UTC; 0 = not yet */
	_Atomic int64_t last_ns;	/* of the newest call, by the monotonic clock; 0 = none */
	_Atomic uint32_t logged_in;
	_Atomic uint32_t sessions;	/* that are open */
	stats_count sessions_opened;
	stats_count replays;		/* operations that were put on another member */
	stats_count poisoned;		/* requests that are not sent again */
	struct stats_calls calls;	/* of the application: what members were asked for it */
	struct stats_member members[STATS_MEMBERS];
	stats_count n_changes;		/* that there ever were; each takes the place of the oldest */
	struct stats_change changes[STATS_CHANGES];
};

#endif
