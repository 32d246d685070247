/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - what the members know of one key.
 *
 * Beside the objects of a key each member holds a small private data object,
 * its record: uid, state, version, and the attributes of the key's objects as
 * applications see them. The objects themselves carry the uid as their
 * CKA_ID and are never changed after they were made (SoftHSM empties an object
 * when it is killed during C_SetAttributeValue): a changed label, CKA_ID or
 * usage flag is a new version of the record, written beside the old one,
 * which is then destroyed. The highest valid version counts.
 *
 * A record is a memo (memo.h) whose label is "hsmctl record UID". A deleted key has none: graves.h remembers it. One
 * that is being created is its maker's for LEASE_MS, by the age of its record on the member's own host; after that
 * whoever syncs may take it away, and the maker, who goes on only while it is there, finds that out.
 *
 * Whatever a later version is like, it begins with the same word, its number and the uid, and ends with the digest:
 * so who does not understand it knows at least whose it is, and leaves that key alone. Its bytes: member/kept.h.
 */
#ifndef REPLICA_RECORD_H
#define REPLICA_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "member/kept.h"
#include "p11/attr.h"
#include "replica/memo.h"

enum { LEASE_MS = 60000, RECORD_OLD_MAX = 9 };

struct err;
struct graves;
struct member_channel;

int record_copy(const struct record *from, struct record *ret, struct err *err);

/* A new uid, of a public record or of any other. */
int record_draw(struct record *record, bool public, struct err *err);

/* A public half that the application destroyed: members keep it, for it proves the other one. An attribute of ours says so,
 * which is never taken back. */
#define RECORD_GONE ((CK_ATTRIBUTE_TYPE)(CKA_VENDOR_DEFINED | 0x08534d00))
bool record_is_gone(const struct record *record, size_t object);

/* Make it the next version of itself: counter + 1, this process as writer. */
int record_advance(struct record *record, enum record_state state, struct err *err);

/*
 * What a write rests on: it is carried out only while all of it is so, by handles on this channel. ERR_CHANGED, and
 * nothing is done, when it is not.
 */
struct record_base {
	CK_OBJECT_HANDLE old[RECORD_OLD_MAX];	/* records of the key that are replaced, and go; none = there is none */
	size_t n_old;
	CK_OBJECT_HANDLE objects[RECORD_OBJECTS_MAX];	/* that must be there; CK_INVALID_HANDLE is none */
	const struct graves *graves;		/* no key was deleted since this look; NULL = that does not matter */
	bool fresh;	/* the uid was just drawn, and nothing was written of it yet: nobody has to look for it */
};

/* Write this version to a member. *ret (may be NULL): its handle. */
int record_put(struct member_channel *channel, const struct record *record, const struct record_base *base,
	       CK_OBJECT_HANDLE *ret, struct err *err);
/* Destroy what there is of the uid, as found now, then the record, while that is there: a creation that went on is left
 * alone. */
int record_withdraw(struct member_channel *channel, CK_OBJECT_HANDLE record, const uint8_t uid[static UID_LEN],
		    struct err *err);
/* The same while there is no record of the key: of a creation whose record others took away. */
int record_sweep(struct member_channel *channel, const uint8_t uid[static UID_LEN], struct err *err);

typedef int (*record_visitor)(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err);

/*
 * Read the records a member holds, of one key or (only NULL) all. What it remembers as deleted (graves.h) comes as
 * deleted records without a handle; one that is torn or not understood says so by its state. each may take the record's content over by
 * zeroing it; a negative return ends the walk.
 */
int record_read_all(struct member_channel *channel, const uint8_t *only, record_visitor each, void *data,
		    struct err *err);
/* All of them, and every memo that is come by on the way goes to beside first. How many memos were gone before they
 * could be read, as memo_each() counts them. */
int record_read_beside(struct member_channel *channel, record_visitor each, void *data, memo_visitor beside,
		       void *beside_data, struct err *err);

#endif
