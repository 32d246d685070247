/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept - what a group keeps on its members' tokens beside the keys: names and bytes.
 *
 * lib/replica writes it and lives by it; a token's host knows as much of it as it takes to say who may touch what
 * (role.h). Keys of the group's own go by their CKA_LABEL. Memos (replica/memo.h) are data objects whose CKA_APPLICATION
 * is KEPT_APPLICATION, and go by the beginning of theirs; their value ends with a digest of the rest.
 */
#ifndef MEMBER_KEPT_H
#define MEMBER_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/own.h"
#include "p11/attr.h"

struct err;

#define KEPT_APPLICATION "hsmctl"
#define KEPT_DOMAIN "hsmctl domain"
#define KEPT_TRANSPORT "hsmctl transport"
#define KEPT_RECORD "hsmctl record "		/* and a uid */
#define KEPT_PUBLIC "hsmctl public "		/* the same, for everybody to see */
#define KEPT_GRAVES "hsmctl graves"
#define KEPT_GRAVES_FULL "hsmctl graves, full"
#define KEPT_VIEW "hsmctl view "		/* and the group's domain id */

enum { UID_LEN = 16, MEMO_LABEL = 64, MEMO_MAX = 65536, GRAVE_LEN = UID_LEN };

/* KEPT_STRANGE: called one of ours, and none that is known here. */
enum kept_kind {
	KEPT_IS_NOTHING,
	KEPT_IS_DOMAIN,
	KEPT_IS_TRANSPORT,
	KEPT_IS_RECORD,
	KEPT_IS_GRAVES,
	KEPT_IS_VIEW,
	KEPT_IS_STRANGE
};
/* What an object with these attributes is: those that say it are CKA_CLASS, CKA_LABEL, CKA_APPLICATION. */
enum kept_kind kept_kind(const struct p11_attrs *attrs);
/* Is it a key of the group's own, rather than a memo? */
bool kept_is_key(enum kept_kind kind);

/* Of an object on a token, what says which it is. */
struct kept_seen {
	CK_OBJECT_CLASS class;
	CK_BBOOL token;
	uint8_t label[MEMO_LABEL], application[sizeof(KEPT_APPLICATION)], id[UID_LEN];
	CK_ATTRIBUTE items[5];
	struct p11_attrs attrs;		/* those of items that it has, and that are no longer than ours */
};
/* One that is not there is nothing, and the token will say so. */
enum kept_kind kept_look(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, struct kept_seen *ret);

/* The digest at the end of a value. */
int memo_seal(struct buf *value, struct err *err);
/* What stands before the digest. ERR_INVALID when it is torn or no memo at all. */
int memo_unseal(const void *data, size_t len, struct buf_reader *ret, struct err *err);

/* A list of deleted keys, sealed. */
int graves_encode(const uint8_t *uids, size_t count, struct buf *ret, struct err *err);
/* The uids in a memo's value. 1 when it is one of these, 0 when it is another memo, ERR_INVALID when it is torn. */
int graves_decode(const void *value, size_t len, const uint8_t **ret_uids, size_t *ret_count, struct err *err);

/* ---- records (replica/record.h) ---- */

/* The last two are never written, and only the uid is known of them: a record that a kill left half of; one of a
 * later version than this program knows. */
enum record_state { RECORD_CREATING, RECORD_LIVE, RECORD_DELETED, RECORD_TORN, RECORD_UNKNOWN };

enum { WRITER_LEN = 8, CHECK_MAX = 32, RECORD_OBJECTS_MAX = 2 };

struct record {
	uint8_t uid[UID_LEN];
	enum record_state state;
	uint64_t counter;		/* version: counter, then writer */
	uint8_t writer[WRITER_LEN];
	int64_t time_ms;		/* UTC, when this version was written */
	/* Secret keys: what the key makes of record_challenge(), the anchor of proofs. */
	uint8_t check[CHECK_MAX];
	size_t check_len;
	/* [0]: the private or secret key; [1]: the public half. None when deleted,
	 * but the label stays for people. */
	struct p11_attrs objects[RECORD_OBJECTS_MAX];
	size_t n_objects;
};

void record_release(struct record *record);
OWN_DEFINE_RELEASE(record)

/* Is there nothing of it on members but this: data, a certificate, a public key by itself? What is used of it is made of
 * the record. */
bool record_is_all(const struct record *record);

/* Of an object that is all in its record and may be seen by everybody: its record is public (replica/memo.h), and so says
 * its uid. What is kept so, and is not such an object, is somebody else's. */
bool record_is_public(const struct record *record);
#define UID_PUBLIC "public"	/* how their uids begin */
bool uid_is_public(const uint8_t uid[static UID_LEN]);

int record_encode(const struct record *record, struct buf *ret, struct err *err);
/* ERR_INVALID for anything that is not a whole record; RECORD_UNKNOWN is one of a later version. */
int record_decode(const void *data, size_t len, struct record *ret, struct err *err);

/* Does a stand above b? Deleted beats everything, then counter, then writer. */
bool record_newer(const struct record *a, const struct record *b);
/* One deletion is like another. */
bool record_same_version(const struct record *a, const struct record *b);

#endif
