/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memo - a data object of ours on a member, and the step that changes some.
 *
 * What members know beside the keys themselves lies in small data objects: records (record.h), the
 * list of deleted keys (graves.h), the view (view.h). CKA_APPLICATION is "hsmctl", CKA_LABEL says which it is; the
 * value begins with a word for its kind and ends with a digest (member/kept.h), so that a torn one is told from a whole
 * one. None is ever changed: the new one is written beside the old one, which is then destroyed.
 *
 * They are private, but for those whose label says that they are public: these are for people who did not log in, and a
 * token lets whoever wants write more of them. So what is not as its label says is no memo, and is not looked at.
 *
 * A step is one message: first what must still be so, then what is done. The host of the token carries it out
 * as one, and not at all when a condition does not hold.
 */
#ifndef REPLICA_MEMO_H
#define REPLICA_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/own.h"
#include "member/kept.h"
#include "p11/call.h"

struct err;
struct member_channel;

enum { STEP_MAX = 40, STEP_MEMOS = 2 };

/* A memo that is being written, and what its template points to. */
struct memo {
	char label[MEMO_LABEL];
	struct buf value;
	CK_OBJECT_HANDLE handle;	/* afterwards */
	CK_ATTRIBUTE items[6];
};

struct step {
	struct member_channel *channel;
	struct p11_call calls[STEP_MAX];
	CK_ATTRIBUTE asked[STEP_MAX];
	char absent[STEP_MEMOS][MEMO_LABEL];
	CK_ATTRIBUTE absent_items[STEP_MEMOS][4];
	size_t n_absent;
	struct memo memos[STEP_MEMOS];
	size_t n_memos, count;
};

struct step step_begin(struct member_channel *channel);
void step_release(struct step *step);
OWN_DEFINE_RELEASE(step)

/* Conditions: the object is still there (CK_INVALID_HANDLE asks nothing); no memo has this label. */
void step_ask(struct step *step, CK_OBJECT_HANDLE object);
void step_absent(struct step *step, const char *label);
/* Deeds: a new memo, whose sealed value the caller puts into the buffer; an object that goes. */
struct memo *step_put(struct step *step, const char *label);
void step_destroy(struct step *step, CK_OBJECT_HANDLE object);

/* ERR_CHANGED, and nothing is done, when a condition does not hold. */
int step_send(struct step *step, struct err *err);

/* Gets label and value as the member has them, valid during the call. A negative return ends the walk. */
typedef int (*memo_visitor)(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len,
			    struct err *err);
/*
 * Read memos, of one label or (NULL) all. The number of those that were gone before they could be read: others stand
 * in their places by now. One that cannot be read is an error: whoever cannot read what a member knows does not know
 * what it holds.
 */
int memo_each(struct member_channel *channel, const char *label, memo_visitor each, void *data, struct err *err);
/* Handles of the memos of a label, at most room; how many there are. */
int memo_find(struct member_channel *channel, const char *label, CK_OBJECT_HANDLE *ret, size_t room, size_t *ret_count,
	      struct err *err);

#endif
