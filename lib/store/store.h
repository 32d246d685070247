/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - where the fleet document lives, is locked and is changed.
 *
 * A URL names it: a path or file:PATH is a directory store; the interface leaves
 * room for others. The folder holds
 *
 *	fleet.json	the canonical document, written by the store alone
 *	audit.log	one JSON object a line, a hash chain
 *	lock		held during an edit; names its holder
 *	locks/		of what commands work on, and one of each deed that goes on
 *	pki/  secrets/  appliances/  drills/	what providers and drills keep
 *
 * Every change is an edit: lock, read, change the copy, commit. A commit
 * compares the document on disk with the one read (ERR_CHANGED), appends to
 * the audit trail and replaces the document. An edit that is not committed
 * leaves no trace. Slow work is done between store_edit_yield() and a commit,
 * under locks of its subjects: others may edit meanwhile, and a commit puts its
 * changes into what the document has become.
 *
 * What is done with keys or devices and does not show in the document is a deed:
 * an entry "begun", the deed, an entry that says how it ended. Without the first
 * there is no deed.
 *
 * A commit killed at any point leaves the old document or the new one. The new
 * document lies ready on disk before the audit entry is written, so a full disk
 * is met before anything is said; then the entry, then one rename. Between
 * these two a crash leaves an entry for a revision that never came: whoever
 * next appends to the trail sees it and appends "store recover", which says
 * that the entry was not carried out. The trail is never rewritten.
 *
 * Each entry holds the digest of the document after it. Whoever next appends sees
 * a document that was changed by other means than this, appends "store changed"
 * before anything else, and logs an error that programs show.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "json/type.h"

struct err;
struct fleet;
struct observer;
struct store;

enum { STORE_CREATE = 1 };	/* make the folder (0700) when it does not exist */

/* Absolute path of the folder that a URL names, which need not exist; new memory. ERR_UNSUPPORTED for other URLs. */
int store_locate(const char *url, char **ret, struct err *err);

/*
 * ERR_NOT_OURS: others own it or can write it. ERR_NOT_FOUND (hint: provision
 * apply) without STORE_CREATE, also for an empty folder. A folder with anything
 * else in it and without our marks (fleet.json, or lock + audit.log) is refused
 * with ERR_NOT_OURS: "not an hsmctl store". ERR_UNSUPPORTED for other URLs.
 */
int store_open(const char *url, unsigned flags, struct store **ret, struct err *err);
void store_free(struct store *store);
OWN_DEFINE(store)

/* Absolute path of the folder; lives as long as the store. */
const char *store_path(const struct store *store);
/* "PATH/a/b" for a format below the folder; new memory, NULL without. */
char *store_file(const struct store *store, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The document; an empty fleet with revision 0 when there is none yet. */
int store_read(struct store *store, struct fleet **ret, struct err *err);

/* ---- locks of what is worked on ---- */

enum store_subject_kind { STORE_DRILL, STORE_FLEET, STORE_DEVICE, STORE_GROUP, STORE_KEY };
struct store_subject {
	enum store_subject_kind kind;
	const char *name;	/* of the device or group; the drill and the fleet have none */
	const char *label;	/* of a key of that group */
};
struct store_lock;

/*
 * Take all of them, or none: nobody else works on the same until they are given back, or we die. Waits up to 5 s for
 * each, tells the observer (may be NULL) after a moment for whom, and then fails with ERR_LOCKED, which names the
 * holder. Who holds some takes others only in the order drill, fleet, devices, groups, keys; those of one call may
 * come in any order, and twice.
 */
int store_lock(struct store *store, const struct store_subject *subjects, size_t n, const char *doing,
	       struct observer *observer, struct store_lock **ret, struct err *err);
void store_lock_free(struct store_lock *lock);
OWN_DEFINE(store_lock)

/* ---- changing the document ---- */

struct store_edit;
struct store_deed;

/* See that the trail can be written, lock (waiting up to 5 s) and read. ERR_LOCKED names the holder; ERR_DENIED
 * when this user may only read. doing is shown to others: "ha create payments". */
int store_edit_begin(struct store *store, const char *doing, struct store_edit **ret,
		     struct err *err);
/* The document to change, owned by the edit. */
struct fleet *store_edit_fleet(struct store_edit *edit);
/* Slow work follows: give the lock back until a commit, which takes it for itself. */
void store_edit_yield(struct store_edit *edit);
/*
 * Write the document with revision + 1 and an audit entry. action is a word
 * pair ("ha create"), subject what it was done to, detail free text without
 * secrets (may be NULL). May be called several times in one edit: a command
 * commits each whole step. After an error (but a failed last flush of the
 * folder) the document on disk is the one before, and the edit may be changed
 * and committed again. ERR_CHANGED: by other means, or after a yield the same part
 * by another command; ERR_INVALID when the changed document could not be read again.
 */
int store_edit_commit(struct store_edit *edit, const char *action, const char *subject,
		      const char *detail, struct err *err);
void store_edit_free(struct store_edit *edit);	/* unlocks */
OWN_DEFINE(store_edit)

/* ---- the trail ---- */

/* An entry by itself, of what is over and changed no key, device or document.
 * Needs no edit; may be called during one. */
int store_audit(struct store *store, const char *action, const char *subject,
		const char *detail, struct err *err);

/*
 * Something done with keys or devices: begin writes the entry without which it must not be done, on disk when this
 * returns. Deeds of others that died before their end are ended on the way, with "not known", and an error is logged
 * for each.
 */
int store_deed_begin(struct store *store, const char *action, const char *subject, const char *detail,
		     struct store_deed **ret, struct err *err);
/*
 * How it ended: rc is 0 or the code that why (may be NULL) explains; ERR_NOT_KNOWN, or one of base/cancel.h, says that
 * nobody knows what was done. detail NULL: that of the beginning. The deed is done whether this can be written or not,
 * so a failure is logged as an error, and whoever begins the next deed writes the end. Not cancelled.
 */
void store_deed_end(struct store_deed *deed, const char *detail, int rc, const struct err *why);
/* The deed shows in the document: one commit whose entry says that it is done. After an error it has not ended. */
int store_deed_commit(struct store_deed *deed, struct store_edit *edit, const char *detail, struct err *err);
/* One without an end is left as if this process had died. */
void store_deed_free(struct store_deed *deed);
OWN_DEFINE(store_deed)

/* Hash of the newest entry that was written through this store; NULL: none was. */
const char *store_head(const struct store *store);

enum store_outcome { STORE_NOTED, STORE_BEGUN, STORE_DONE, STORE_FAILED, STORE_NOT_KNOWN };
extern const char *const store_outcome_names[];	/* "noted", "begun", "done", "failed", "not_known" */

/* The trail as it is printed and stored (schema "audit_entry" a line). */
struct store_audit_entry {
	int64_t number;		/* from 1 */
	char *time;		/* RFC 3339 */
	char *user;		/* name or uid of who ran the command */
	char *sudo_user;	/* who became that user by sudo, by the environment's word; NULL */
	char *host;
	char *action, *subject, *detail;
	char *deed;		/* the same in the entries of its beginning and its end; NULL: the entry is all */
	unsigned outcome;	/* enum store_outcome; noted: an entry by itself */
	char *reason;		/* why it failed, or is not known */
	int64_t revision;	/* of the document after it */
	char *before;		/* of a change: SHA-256 of the document it was made from; NULL: there was none */
	char *document;		/* SHA-256 of its bytes; NULL: there was none, or an older version wrote the entry */
	char *previous;		/* hash of the entry before; zeros for the first */
	char *hash;		/* SHA-256 over the line without ,"hash":"…" */
};
struct store_audit_trail {
	struct store_audit_entry *entries;
	size_t n_entries;
};
extern const struct json_type store_audit_entry_type;	/* inner type */
extern const struct json_type store_audit_trail_type;	/* schema "audit" */

/* All entries, unchecked. ret is zeroed by the caller, released with
 * json_release(&store_audit_trail_type, ret). */
int store_audit_read(struct store *store, struct store_audit_trail *ret, struct err *err);

/* One entry a deed: of those that ended, the end alone. What is left and says "begun" has no end. */
int store_audit_fold(struct store_audit_trail *trail, struct err *err);
/* Does the process that began it live? */
bool store_deed_goes_on(const struct store *store, const struct store_audit_entry *begun);

/*
 * Walk the chain: the number of entries when whole, ERR_DIFFERENT naming the
 * first line that does not match, or saying that the trail ends before the
 * document's revision (lines were cut off), that the document is older than the
 * trail, or that it is not the one that the trail speaks of (it was changed by
 * other means). A torn last line (a crash while it was written) counts as never
 * written and is cut by the next append.
 *
 * noted (may be NULL) is a hash that was seen before; ERR_DIFFERENT when no entry
 * has it: the trail was cut behind it, or made anew. ret_head (may be NULL, of
 * SHA256_TEXT bytes) is the hash of the newest entry.
 */
int store_audit_verify(struct store *store, const char *noted, char *ret_head, struct err *err);


/* ---- mending the trail ---- */

enum store_damage {
	STORE_WHOLE,
	STORE_END_BROKEN,	/* behind the entries that hold there is nothing that is one */
	STORE_CHAIN_BROKEN,	/* there is */
};
struct store_repair {
	enum store_damage damage;	/* that was found */
	int64_t entries;	/* that hold */
	int64_t bytes;		/* that go: behind them, or all */
	char why[600];		/* for people, "" when it is whole */
	char *kept;		/* path of a file (0600) beside the trail that holds these bytes; NULL: nothing was done */
	char digest[65];	/* their SHA-256 */
};
void store_repair_release(struct store_repair *repair);
OWN_DEFINE_RELEASE(store_repair)

/* What a repair would find. ret is zeroed by the caller. */
int store_audit_look(struct store *store, struct store_repair *ret, struct err *err);

/*
 * Mend a trail with a broken end: what is behind the last entry that holds is kept beside it, and an entry that tells
 * of it and its digest stands in its place. Nothing before it is touched. One that is broken further up is ERR_DIFFERENT
 * unless anew, which puts it aside and begins another with an entry that names its digest. Killed at any point, it can
 * be run again. Nothing happens to one that is whole.
 */
int store_audit_repair(struct store *store, bool anew, struct store_repair *ret, struct err *err);

#endif
