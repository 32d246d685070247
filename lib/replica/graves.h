/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graves - the keys that were deleted, as each member remembers them.
 *
 * A memo holds up to GRAVES_FULL uids. One, the open one, takes new ones: it is written anew for each, so that whoever
 * rests a write on the open one's handle learns of any deletion in between. A uid that is in any of them is
 * deleted, whatever records say. They are never taken away: sixteen bytes are the price of a key that does not return.
 */
#ifndef REPLICA_GRAVES_H
#define REPLICA_GRAVES_H

#include "replica/memo.h"

struct err;

enum { GRAVES_FULL = 500, GRAVES_OPEN_MAX = 4 };

/* The open ones of a member: one; none before the first deletion; more after a kill. Read before what rests on them. */
struct graves {
	CK_OBJECT_HANDLE open[GRAVES_OPEN_MAX];
	size_t count;
};
int graves_look(struct member_channel *channel, struct graves *ret, struct err *err);
/* The same, and is this uid in any of the open ones? */
int graves_look_for(struct member_channel *channel, const uint8_t *uid, struct graves *ret, bool *ret_there,
		    struct err *err);
/* The same out of a walk over memos: this one may be an open one. */
void graves_note(struct graves *graves, CK_OBJECT_HANDLE handle, const char *label);

/* A condition of a step: no key was deleted on that member since the look. */
void graves_ask(struct step *step, const struct graves *graves);

/* Write these uids (count times GRAVE_LEN bytes) down, unless they are. May be repeated. known (may be NULL) is an earlier
 * look: while nobody else deleted anything since, it is brought up to date, so that what rests on it goes on. */
int graves_dig(struct member_channel *channel, const uint8_t *uids, size_t count, struct graves *known, struct err *err);

/* All lists of a member, as memo_each() gives them; again when one was written anew meanwhile. */
int graves_each(struct member_channel *channel, memo_visitor each, void *data, struct err *err);

#endif
