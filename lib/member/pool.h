/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - the connections of a member: those that are idle, those in somebody's hands, and who waits for one.
 *
 * There are at most so many, and whoever comes when all are in use waits for one that comes back rather than make
 * another. Those that hold an operation for its application (kept) do not count: they stay away for as long as it likes,
 * and the others are for calls that end. One that nobody needed for POOL_IDLE_MS is closed when another is asked for or
 * comes back; no thread does it.
 *
 * After one was lost the member is in doubt: one caller at a time connects, and when that fails, too, those who wait
 * with nobody left to wait for hear of it. So a crowd costs a member that is gone, or is back, one attempt.
 *
 * Thread-safe. Entries are the caller's: a list that is returned is his to close.
 */
#ifndef MEMBER_POOL_H
#define MEMBER_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	POOL_MOST = 32,
	POOL_IDLE_MS = 30000,
	POOL_TURN_MS = 5,	/* who waited so long is given the next; before, whoever comes first has it */
};

/* A connection, in its owner's struct. */
struct pool_entry {
	struct pool_entry *next, *before;
	int64_t since_ms;	/* idle */
	bool kept;
};

struct pool_list {
	struct pool_entry *first, *last;
};

struct pool_waiter;

struct pool {
	pthread_mutex_t lock;
	struct pool_list idle;		/* most recently used first */
	struct pool_list out;		/* in somebody's hands */
	struct pool_waiter *waiting;	/* longest first */
	unsigned most;
	unsigned n_idle, n_busy;	/* busy: out and not kept, or being made */
	unsigned n_making;
	bool doubtful, cut;
	int64_t since_ms;		/* doubtful */
};

/* most: 0 = POOL_MOST. */
void pool_init(struct pool *pool, unsigned most);
void pool_set_most(struct pool *pool, unsigned most);	/* from now on */
void pool_release(struct pool *pool);	/* nobody waits, none is out; idle ones were dropped */

enum pool_turn {
	POOL_TAKEN,	/* *ret is out */
	POOL_MAKE,	/* there is a place for another: pool_enter() and pool_made(), or pool_failed() */
	POOL_BUSY,	/* all are in use, and none came back in time */
	POOL_LOST,	/* nobody reaches the member */
	POOL_CUT,
};

struct pool_wish {
	int64_t wait_ms;	/* for one that is in use */
	int64_t doubt_ms;	/* for whoever finds out whether the member is there; then POOL_LOST */
	bool no_more;		/* wait, and make none: there is no place at the other end */
};
/* *ret_old: those that are closed now. */
enum pool_turn pool_take(struct pool *pool, const struct pool_wish *wish, struct pool_entry **ret,
			 struct pool_entry **ret_old);

/* It is there, and out from now on. False: the pool was cut meanwhile. */
bool pool_enter(struct pool *pool, struct pool_entry *entry);
void pool_made(struct pool *pool);
/* entry: it was entered; NULL = it never was. lost: the member cannot be reached. */
void pool_failed(struct pool *pool, struct pool_entry *entry, bool lost);

/* Back; reuse false: it is the caller's to close. */
struct pool_entry *pool_give(struct pool *pool, struct pool_entry *entry, bool reuse);

/* It holds an operation from now on, or does no longer. */
void pool_keep(struct pool *pool, struct pool_entry *entry, bool keep);

/* Those that are idle. */
struct pool_entry *pool_drop(struct pool *pool);
/* The same, because one was lost. */
struct pool_entry *pool_doubt(struct pool *pool);
/* For good: nobody gets one, nobody waits. each: of those that are out, called with the pool locked. */
struct pool_entry *pool_cut(struct pool *pool, void (*each)(struct pool_entry *entry));

#endif
