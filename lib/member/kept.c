/* SPDX-License-Identifier: Apache-2.0 */
/* Names and wire forms of what a group keeps on tokens. */
#include "member/kept.h"

#include <string.h>

#include "base/err.h"
#include "crypto/digest.h"

/* ---- names ---- */

static const struct {
	const char *label;
	bool key, begins;	/* a key, not a memo; the label goes on */
	enum kept_kind kind;
} names[] = {
	{KEPT_DOMAIN, true, false, KEPT_IS_DOMAIN},	 {KEPT_TRANSPORT, true, false, KEPT_IS_TRANSPORT},
	{KEPT_RECORD, false, true, KEPT_IS_RECORD},	 {KEPT_PUBLIC, false, true, KEPT_IS_RECORD},
	{KEPT_GRAVES, false, false, KEPT_IS_GRAVES},	 {KEPT_GRAVES_FULL, false, false, KEPT_IS_GRAVES},
	{KEPT_VIEW, false, true, KEPT_IS_VIEW},
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static enum kept_kind by_label(const CK_ATTRIBUTE *label, bool key)
{
	for (size_t i = 0; label && i < NAMES; i++) {
		size_t len = strlen(names[i].label);

		if (names[i].key == key && (names[i].begins ? label->ulValueLen >= len : label->ulValueLen == len) &&
		    memcmp(label->pValue, names[i].label, len) == 0)
			return names[i].kind;
	}
	return key ? KEPT_IS_NOTHING : KEPT_IS_STRANGE;
}

enum kept_kind kept_kind(const struct p11_attrs *attrs)
{
	static const CK_ATTRIBUTE ours = {CKA_APPLICATION, (void *)KEPT_APPLICATION, sizeof(KEPT_APPLICATION) - 1};
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	bool data = class == CKO_DATA;

	if (data && !p11_attrs_match(attrs, &ours, 1))
		return KEPT_IS_NOTHING;
	return by_label(p11_attrs_find(attrs, CKA_LABEL), !data);
}

bool kept_is_key(enum kept_kind kind)
{
	return kind == KEPT_IS_DOMAIN || kind == KEPT_IS_TRANSPORT;
}

enum kept_kind kept_look(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, struct kept_seen *ret)
{
	CK_ATTRIBUTE items[] = {
		{CKA_CLASS, &ret->class, sizeof(ret->class)},
		{CKA_TOKEN, &ret->token, sizeof(ret->token)},
		{CKA_LABEL, ret->label, sizeof(ret->label)},
		{CKA_ID, ret->id, sizeof(ret->id)},
		{CKA_APPLICATION, ret->application, sizeof(ret->application)},
	};
	CK_ULONG n = sizeof(items) / sizeof(items[0]);
	CK_RV rv = f->C_GetAttributeValue(session, object, items, n);
	bool some = rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_BUFFER_TOO_SMALL;

	ret->attrs = (struct p11_attrs){.items = ret->items};
	for (CK_ULONG i = 0; i < n && some; i++)
		if (items[i].ulValueLen != CK_UNAVAILABLE_INFORMATION)
			ret->items[ret->attrs.count++] = items[i];
	return kept_kind(&ret->attrs);
}

/* ---- memos ---- */

int memo_seal(struct buf *value, struct err *err)
{
	uint8_t digest[SHA256_LEN];
	int rc = crypto_sha256(value->data, value->len, digest, err);

	if (rc < 0)
		return rc;
	buf_put(value, digest, sizeof(digest));
	return buf_check(value, err);
}

int memo_unseal(const void *data, size_t len, struct buf_reader *ret, struct err *err)
{
	uint8_t digest[SHA256_LEN];
	int rc;

	if (len < SHA256_LEN)
		return err_set(err, ERR_INVALID, "a memo of %zu bytes", len);
	rc = crypto_sha256(data, len - SHA256_LEN, digest, err);
	if (rc < 0)
		return rc;
	if (memcmp(digest, (const uint8_t *)data + len - SHA256_LEN, SHA256_LEN) != 0)
		return err_set(err, ERR_INVALID, "a torn memo");
	*ret = buf_reader(data, len - SHA256_LEN);
	return 0;
}

/* ---- lists of deleted keys ---- */

static const char GRAVES_MAGIC[] = "hsmctl-graves";
enum { GRAVES_VERSION = 1, GRAVES_ROOM = (MEMO_MAX - 64) / GRAVE_LEN };

int graves_encode(const uint8_t *uids, size_t count, struct buf *ret, struct err *err)
{
	buf_put(ret, GRAVES_MAGIC, sizeof(GRAVES_MAGIC) - 1);
	buf_put_u8(ret, GRAVES_VERSION);
	buf_put_u32(ret, (uint32_t)count);
	buf_put(ret, uids, count * GRAVE_LEN);
	return memo_seal(ret, err);
}

int graves_decode(const void *value, size_t len, const uint8_t **ret_uids, size_t *ret_count, struct err *err)
{
	struct buf_reader r;
	int rc = memo_unseal(value, len, &r, err);
	const uint8_t *magic = rc < 0 ? NULL : buf_get(&r, sizeof(GRAVES_MAGIC) - 1);

	if (rc < 0)
		return rc;
	if (!magic || memcmp(magic, GRAVES_MAGIC, sizeof(GRAVES_MAGIC) - 1) != 0)
		return 0;
	if (buf_get_u8(&r) != GRAVES_VERSION)
		return err_set(err, ERR_UNSUPPORTED, "a list of deleted keys of a later version");
	*ret_count = buf_get_u32(&r);
	*ret_uids = *ret_count <= GRAVES_ROOM ? buf_get(&r, *ret_count * GRAVE_LEN) : NULL;
	if (!*ret_uids && *ret_count)
		return err_set(err, ERR_INVALID, "a malformed list of deleted keys");
	return buf_read_done(&r) ? 1 : err_set(err, ERR_INVALID, "a list of deleted keys of wrong length");
}

/* ---- records ---- */

static const char RECORD_MAGIC[] = "hsmctl-record";
enum { RECORD_VERSION = 1 };

void record_release(struct record *record)
{
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&record->objects[i]);
	*record = (struct record){0};
}

bool uid_is_public(const uint8_t uid[static UID_LEN])
{
	return memcmp(uid, UID_PUBLIC, strlen(UID_PUBLIC)) == 0;
}

bool record_is_all(const struct record *record)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(&record->objects[0], CKA_CLASS, CKO_SECRET_KEY);

	return record->n_objects && class != CKO_PRIVATE_KEY && class != CKO_SECRET_KEY;
}

bool record_is_public(const struct record *record)
{
	return uid_is_public(record->uid) && record_is_all(record) &&
	       !p11_attrs_bool(&record->objects[0], CKA_PRIVATE, true);
}

static int compare(const struct record *a, const struct record *b)
{
	bool a_gone = a->state == RECORD_DELETED, b_gone = b->state == RECORD_DELETED;

	if (a_gone || b_gone)
		return a_gone - b_gone;
	if (a->counter != b->counter)
		return a->counter > b->counter ? 1 : -1;
	return memcmp(a->writer, b->writer, WRITER_LEN);
}

bool record_newer(const struct record *a, const struct record *b)
{
	return compare(a, b) > 0;
}

bool record_same_version(const struct record *a, const struct record *b)
{
	return compare(a, b) == 0 && a->state == b->state;
}

int record_encode(const struct record *record, struct buf *ret, struct err *err)
{
	buf_put(ret, RECORD_MAGIC, sizeof(RECORD_MAGIC) - 1);
	buf_put_u8(ret, RECORD_VERSION);
	buf_put(ret, record->uid, UID_LEN);
	buf_put_u8(ret, (uint8_t)record->state);
	buf_put_u64(ret, record->counter);
	buf_put(ret, record->writer, WRITER_LEN);
	buf_put_u64(ret, (uint64_t)record->time_ms);
	buf_put_u64(ret, 0);	/* was the end of a lease by the maker's clock */
	buf_put_bytes(ret, record->check, record->check_len);
	buf_put_u8(ret, (uint8_t)record->n_objects);
	for (size_t i = 0; i < record->n_objects; i++)
		p11_attrs_encode(ret, record->objects[i].items, record->objects[i].count);
	return memo_seal(ret, err);
}

static int decode_rest(struct buf_reader *r, struct record *ret, struct err *err)
{
	const uint8_t *bytes;
	size_t len;
	int rc = 0;

	ret->state = buf_get_u8(r);
	ret->counter = buf_get_u64(r);
	bytes = buf_get(r, WRITER_LEN);
	if (bytes)
		memcpy(ret->writer, bytes, WRITER_LEN);
	ret->time_ms = (int64_t)buf_get_u64(r);
	buf_get_u64(r);
	bytes = buf_get_bytes(r, &len);
	if (!bytes || len > CHECK_MAX)
		return err_set(err, ERR_INVALID, "a record with a bad check value");
	memcpy(ret->check, bytes, len);
	ret->check_len = len;
	ret->n_objects = buf_get_u8(r);
	if (ret->state > RECORD_DELETED || ret->n_objects > RECORD_OBJECTS_MAX)
		return err_set(err, ERR_INVALID, "a malformed record");
	for (size_t i = 0; i < ret->n_objects && rc == 0; i++)
		rc = p11_attrs_decode(r, &ret->objects[i], err);
	if (rc == 0 && !buf_read_done(r))
		rc = err_set(err, ERR_INVALID, "a record of wrong length");
	return rc;
}

static int decode_body(struct buf_reader *r, struct record *ret, struct err *err)
{
	const uint8_t *magic = buf_get(r, sizeof(RECORD_MAGIC) - 1), *uid;
	uint8_t version = buf_get_u8(r);
	int rc = -ERR_INVALID;

	uid = buf_get(r, UID_LEN);
	if (!uid || memcmp(magic, RECORD_MAGIC, sizeof(RECORD_MAGIC) - 1) != 0)
		return err_set(err, ERR_INVALID, "not a record");
	if (version == RECORD_VERSION)
		rc = decode_rest(r, ret, err);
	/* Whole, by its digest, and not what we would write: somebody else's, who knew better. */
	if (rc < 0 && rc != -ERR_NO_MEMORY) {
		record_release(ret);
		ret->state = RECORD_UNKNOWN;
		rc = 0;
	}
	memcpy(ret->uid, uid, UID_LEN);
	return rc;
}

int record_decode(const void *data, size_t len, struct record *ret, struct err *err)
{
	struct buf_reader r;
	int rc = memo_unseal(data, len, &r, err);

	*ret = (struct record){0};
	if (rc == 0)
		rc = decode_body(&r, ret, err);
	if (rc < 0)
		record_release(ret);
	return rc;
}
