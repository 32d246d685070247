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
 *	pki/  secrets/  appliances/  drills/	what providers and drills keep
 *
 * Every change is an edit: lock, read, change the copy, commit. A commit
 * compares the document on disk with the one read (ERR_CHANGED), appends to
 * the audit trail and replaces the document. An edit that is not committed
 * leaves no trace.
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

#include <stdint.h>

#include "base/own.h"
#include "json/type.h"

struct err;
struct fleet;
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

struct store_edit;

/* Lock (waiting up to 5 s) and read. ERR_LOCKED names the holder; ERR_DENIED
 * when this user may only read. doing is shown to others: "ha create payments". */
int store_edit_begin(struct store *store, const char *doing, struct store_edit **ret,
		     struct err *err);
/* The document to change, owned by the edit. */
struct fleet *store_edit_fleet(struct store_edit *edit);
/*
 * Write the document with revision + 1 and an audit entry. action is a word
 * pair ("ha create"), subject what it was done to, detail free text without
 * secrets (may be NULL). May be called several times in one edit: a command
 * commits each whole step. After an error (but a failed last flush of the
 * folder) the document on disk is the one before, and the edit may be changed
 * and committed again. ERR_CHANGED; ERR_INVALID when the changed document could
 * not be read again.
 */
int store_edit_commit(struct store_edit *edit, const char *action, const char *subject,
		      const char *detail, struct err *err);
void store_edit_free(struct store_edit *edit);	/* unlocks */
OWN_DEFINE(store_edit)

/* An audit entry without a change of the document (key generated, sync, drill).
 * Needs no edit; may be called during one. */
int store_audit(struct store *store, const char *action, const char *subject,
		const char *detail, struct err *err);

/* The trail as it is printed and stored (schema "audit_entry" a line). */
struct store_audit_entry {
	int64_t number;		/* from 1 */
	char *time;		/* RFC 3339 */
	char *user;		/* name or uid of who ran the command */
	char *sudo_user;	/* who became that user by sudo, by the environment's word; NULL */
	char *host;
	char *action, *subject, *detail;
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

#endif
