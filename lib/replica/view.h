/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - who missed a write, as the members remember of each other.
 *
 * Of each member the others keep a mark: current, joining, or out. Whoever writes and does not reach a member marks it
 * as out on those that took the write, before anybody is told that it is done. So of a member that missed
 * something the others know it, whoever they are asked by. It comes back in two steps: it joins (it takes writes,
 * and does not serve) and is brought up to date; then it is marked as current, unless it was marked otherwise
 * meanwhile.
 *
 * A mark has a counter, which rises with each change; of two the greater counts, and at the same counter out stands
 * above joining, joining above current. So what members know can be put together in any order, and somebody who was
 * left out by one writer is not taken in by what another one wrote beside it. A member that is marked as current
 * knows so itself: one that does not came back from a backup. Where the group's policy lets stale members serve, they do
 * while nobody else is there, and stay marked.
 *
 * The marks are a memo (memo.h) on each member. Nobody who was never marked missed anything.
 */
#ifndef REPLICA_VIEW_H
#define REPLICA_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/graves.h"
#include "replica/record.h"
#include "replica/sites.h"

struct err;

enum { VIEW_HANDLES = 4 };
enum view_state { VIEW_CURRENT, VIEW_JOINING, VIEW_OUT };

struct view_mark {
	uint64_t counter;	/* 0: never marked */
	enum view_state state;
};

struct view {
	struct {
		char name[128];		/* of the member in the fleet */
		struct view_mark mark;
	} of[SET_MAX];
	size_t count;
};

/* What one site knows. */
struct view_seen {
	struct view_mark marks[SET_MAX];	/* by index of the member */
	CK_OBJECT_HANDLE handles[VIEW_HANDLES];	/* of the memo; more than one after a kill */
	size_t count;
	bool read;
};

/* What the sites that are up know together. */
struct views {
	struct view all;
	struct view_seen at[SET_MAX];
};

bool view_mark_above(struct view_mark a, struct view_mark b);
/* The mark of a member; counter 0 when it has none. */
struct view_mark view_mark_of(const struct view *view, const char *name);
/* Put together what two know. */
void view_merge(struct view *into, const struct view *from);

int view_encode(const struct view *view, struct buf *ret, struct err *err);
/* ERR_INVALID for anything that is not a whole view, ERR_UNSUPPORTED for one of a later version. */
int view_decode(const void *value, size_t len, struct view *ret, struct err *err);

/* Read the views of the sites of mask that are up; what the set saw before counts, too (set.h). Sites whose link
 * fails are lost, not an error. */
int views_read(struct replica_sites *sites, uint32_t mask, struct views *ret, struct err *err);

/* What views_read() and record_read_all() give of one site, and what graves_look() does (NULL: nobody asks), in one
 * walk over its memos: none of it is older than the other. After all sites: views_learned(). */
int views_read_along(const struct replica_sites *sites, size_t site, struct views *ret, struct graves *graves,
		     record_visitor each, void *data, struct err *err);
void views_learned(const struct replica_sites *sites, struct views *views);

/* Members, as masks: those that missed nothing and may serve, of the sites that were read; those that are marked as
 * joining, whether they were read or not. */
uint32_t views_current(const struct views *views, const struct replica_sites *sites);
/* Those that may serve: while none of the sites is current, all that were read, where the policy says so. */
uint32_t views_serving(const struct views *views, const struct replica_sites *sites);
uint32_t views_joining(const struct views *views, const struct replica_sites *sites);

/* What the store says of a member, and what is to be told to it: the mark that the set knows. */
void replica_set_mark(struct replica_set *set, size_t member, struct view_mark mark);
/* It may have missed anything, and nobody else knows: whoever is asked from now on hears of it from this set. */
void replica_set_mark_out(struct replica_set *set, size_t member);
struct view_mark replica_set_mark_of(struct replica_set *set, size_t member);
/* Members that missed nothing, by all that the set ever saw. */
uint32_t replica_set_current(struct replica_set *set);
/* Those of mask that may serve: none that missed anything, while one is there that did not or the policy refuses them. */
uint32_t replica_set_serving(struct replica_set *set, uint32_t mask);

/* ERR_STALE in words. */
int views_nobody_current(const struct replica_sites *sites, struct err *err);

/*
 * Those of *mask took a write; those of excused cannot, whoever asks them, and the policy lets that be; the others of the
 * group missed it: make that known on all of *mask. Sites that fail meanwhile leave the mask. ERR_CHANGED when others
 * kept marking members; ERR_POLICY when too few are left.
 */
int views_leave_out(struct replica_sites *sites, uint32_t *mask, uint32_t excused, struct err *err);

/* Sites of mask that are up and not current join. 1 when any did, and *ret is what is known then. ERR_STALE: nobody who
 * is current is up. */
int views_join(struct replica_sites *sites, uint32_t mask, struct views *ret, struct err *err);
/* Those of mask have joined and hold everything now: current, unless any member knows otherwise by now
 * (ERR_CHANGED); or nobody of whom they got it is up any more, or those who are away, one of them current, are enough for
 * the policy, and may have taken writes by themselves (ERR_STALE). */
int views_admit(struct replica_sites *sites, const struct views *joined, uint32_t mask, struct err *err);

/* An administrator says that what only others know is lost: the members of mask that are up are current from now on,
 * those that are away are not. */
int views_accept_loss(struct replica_sites *sites, uint32_t mask, struct err *err);

#endif
