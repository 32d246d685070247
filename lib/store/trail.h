/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trail - audit.log, open and locked for appending.
 *
 * The lock is the kernel's, on the file itself, and held for moments: apart from
 * the store's own so that entries can be written while another command edits. A
 * commit holds it until its document is in place, so whoever else holds it and
 * sees an entry for a revision beyond the document knows that a commit died.
 * Private to lib/store.
 */
#ifndef STORE_TRAIL_H
#define STORE_TRAIL_H

#include <stdint.h>

#include "base/buf.h"
#include "store/folder.h"

enum { TRAIL_HASH_TEXT = 65 };

struct store_trail;

/* What an entry says; texts that are too long are cut. */
struct store_note {
	const char *action, *subject, *detail;
	const char *deed;	/* its id; NULL: an entry by itself */
	enum store_outcome outcome;
	const char *reason;
};

/* Lock, cut a torn last line off and, after a commit that died or a change by other means, say so. *ret_now is
 * the document as it is. ERR_INVALID when its end is not an entry. */
int store_trail_open(struct store *store, struct store_trail **ret, struct store_state *ret_now, struct err *err);
void store_trail_free(struct store_trail *trail);	/* unlocks */
OWN_DEFINE(store_trail)

/* Could it be appended to? Changes nothing. */
int store_trail_check(struct store *store, struct err *err);

/*
 * A trail whose end is broken. Lock it, whatever it is; then go on behind its first whole bytes, over what stands
 * there, and cut off the rest. Killed in between, it is still one whose end is broken.
 */
int store_trail_lock(struct store *store, struct store_trail **ret, struct err *err);
int store_trail_resume(struct store_trail *trail, size_t whole, struct store_state *ret_now, struct err *err);
int store_trail_cut(struct store_trail *trail, struct err *err);

/* Put one that holds only note in the place of the one that is locked. */
int store_trail_renew(struct store_trail *trail, const struct store_note *note, struct err *err);

/* An entry of now, on disk when this returns; after an error as if never begun.
 * A commit names the document it is made from, before, so that one which died is told from a
 * document of another hand; everything else, which changes nothing, passes NULL. */
int store_trail_append(struct store_trail *trail, const struct store_note *note, const struct store_state *before,
		       const struct store_state *after, struct err *err);

/* A commit whose entry is note: store_edit_commit() with more to say. */
int store_edit_note(struct store_edit *edit, const struct store_note *note, struct err *err);

/* The last entry was not carried out; the document stayed as it is now. */
int store_trail_recover(struct store_trail *trail, const struct store_state *now, struct err *err);

/* The entry's line as it is hashed (hash absent) or stored, without newline. */
int store_trail_line(const struct store_audit_entry *entry, struct buf *ret, struct err *err);

/* Hash that belongs to an entry whose own may be absent. */
int store_trail_hash(const struct store_audit_entry *entry, char ret[static TRAIL_HASH_TEXT],
		     struct err *err);

/* Of the entry before the first. */
extern const char store_trail_origin[];

#endif
