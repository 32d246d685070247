/* SPDX-License-Identifier: Apache-2.0 */
/* Records: versions, wire form, writing. */
#include "replica/record.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "member/member.h"

enum { RECORD_MAX = 65536, RECORD_VERSION = 1 };
static const char MAGIC[] = "hsmctl-record";
static const char APPLICATION[] = "hsmctl";
static const char NAME[] = "hsmctl record ";

void record_release(struct record *record)
{
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&record->objects[i]);
	*record = (struct record){0};
}

int record_copy(const struct record *from, struct record *ret, struct err *err)
{
	int rc = 0;

	*ret = *from;
	memset(ret->objects, 0, sizeof(ret->objects));
	for (size_t i = 0; i < from->n_objects && rc == 0; i++)
		rc = p11_attrs_merge(&ret->objects[i], from->objects[i].items, from->objects[i].count, err);
	if (rc < 0)
		record_release(ret);
	return rc;
}

static int compare(const struct record *a, const struct record *b)
{
	bool a_gone = a->state == RECORD_DELETED, b_gone = b->state == RECORD_DELETED;

	if (a_gone != b_gone)
		return a_gone ? 1 : -1;
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

int record_advance(struct record *record, enum record_state state, struct err *err)
{
	int rc = crypto_random(record->writer, WRITER_LEN, err);

	if (rc < 0)
		return rc;
	record->state = state;
	record->counter++;
	record->time_ms = clock_utc_ms();
	record->lease_ms = state == RECORD_CREATING ? record->time_ms + LEASE_MS : 0;
	return 0;
}

int record_encode(const struct record *record, struct buf *ret, struct err *err)
{
	uint8_t digest[SHA256_LEN];
	int rc;

	buf_put(ret, MAGIC, sizeof(MAGIC) - 1);
	buf_put_u8(ret, RECORD_VERSION);
	buf_put(ret, record->uid, UID_LEN);
	buf_put_u8(ret, (uint8_t)record->state);
	buf_put_u64(ret, record->counter);
	buf_put(ret, record->writer, WRITER_LEN);
	buf_put_u64(ret, (uint64_t)record->time_ms);
	buf_put_u64(ret, (uint64_t)record->lease_ms);
	buf_put_bytes(ret, record->check, record->check_len);
	buf_put_u8(ret, (uint8_t)record->n_objects);
	for (size_t i = 0; i < record->n_objects; i++)
		p11_attrs_encode(ret, record->objects[i].items, record->objects[i].count);
	rc = crypto_sha256(ret->data, ret->len, digest, err);
	if (rc < 0)
		return rc;
	buf_put(ret, digest, sizeof(digest));
	return buf_check(ret, err);
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
	ret->lease_ms = (int64_t)buf_get_u64(r);
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
	const uint8_t *magic = buf_get(r, sizeof(MAGIC) - 1), *uid;
	uint8_t version = buf_get_u8(r);
	int rc = -ERR_INVALID;

	uid = buf_get(r, UID_LEN);
	if (!uid || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0)
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
	uint8_t digest[SHA256_LEN];
	struct buf_reader r;
	int rc;

	*ret = (struct record){0};
	if (len < SHA256_LEN)
		return err_set(err, ERR_INVALID, "a record of %zu bytes", len);
	rc = crypto_sha256(data, len - SHA256_LEN, digest, err);
	if (rc < 0)
		return rc;
	if (memcmp(digest, (const uint8_t *)data + len - SHA256_LEN, SHA256_LEN) != 0)
		return err_set(err, ERR_INVALID, "a torn record");
	r = buf_reader(data, len - SHA256_LEN);
	rc = decode_body(&r, ret, err);
	if (rc < 0)
		record_release(ret);
	return rc;
}

/* CKA_LABEL of the records of one key. */
static void name_of(const uint8_t uid[static UID_LEN], char ret[static RECORD_LABEL])
{
	char hex[2 * UID_LEN + 1];

	str_hex(uid, UID_LEN, hex);
	snprintf(ret, RECORD_LABEL, "%s%s", NAME, hex);
}

/* Of a torn record at most its label says whose it is: 1 when it does. */
static int torn_of(struct member_channel *channel, CK_OBJECT_HANDLE handle, struct record *ret, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	char label[RECORD_LABEL];
	int rc = member_get(channel, handle, types, 1, &attrs, err);

	if (rc < 0)
		return rc;
	ret->state = RECORD_TORN;
	p11_attrs_text(&attrs, CKA_LABEL, label, sizeof(label));
	return str_starts(label, NAME) && str_unhex(label + sizeof(NAME) - 1, ret->uid, UID_LEN);
}

static int gone_is_fine(int rc, const struct err *err)
{
	return rc == -ERR_TOKEN && err->rv == CKR_OBJECT_HANDLE_INVALID ? 0 : rc;
}

static int read_one(struct member_channel *channel, CK_OBJECT_HANDLE handle,
		    int (*each)(void *, CK_OBJECT_HANDLE, struct record *, struct err *), void *data, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_VALUE};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	owned(record) struct record record = {0};
	const CK_ATTRIBUTE *value;
	int rc = member_get(channel, handle, types, 1, &attrs, err);

	if (rc < 0)
		return gone_is_fine(rc, err);
	value = p11_attrs_find(&attrs, CKA_VALUE);
	/* Whoever cannot read a record does not know whose the objects are. */
	if (!value)
		return err_set(err, ERR_TOKEN, "a record on '%s' cannot be read", member_name(member_of(channel)));
	rc = record_decode(value->pValue, value->ulValueLen, &record, err);
	if (rc == -ERR_INVALID) {
		rc = torn_of(channel, handle, &record, err);
		if (rc <= 0)
			return gone_is_fine(rc, err);
	} else if (rc < 0) {
		return rc;
	}
	return each(data, handle, &record, err);
}

int record_read_all(struct member_channel *channel, const uint8_t *only,
		    int (*each)(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err),
		    void *data, struct err *err)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	char label[RECORD_LABEL];
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_APPLICATION, (void *)APPLICATION, sizeof(APPLICATION) - 1},
		{CKA_LABEL, label, 0},
	};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;
	int rc;

	if (only) {
		name_of(only, label);
		template[2].ulValueLen = strlen(label);
	}
	rc = member_find(channel, template, only ? 3 : 2, &list, &count, err);
	for (CK_ULONG i = 0; i < count && rc >= 0; i++)
		rc = read_one(channel, list[i], each, data, err);
	return rc;
}

/* ---- writing ---- */

/* A data object's template, over value; items point into it. */
struct drawn {
	struct buf value;
	char label[RECORD_LABEL];
	CK_OBJECT_CLASS class;
	CK_BBOOL yes;
	CK_ATTRIBUTE items[6];
};
enum { DRAWN = 6, BATCH_MAX = 24 };

static void drawn_release(struct drawn *drawn)
{
	buf_release(&drawn->value);
}
OWN_DEFINE_RELEASE(drawn)

static int draw(const struct record *record, struct drawn *ret, struct err *err)
{
	*ret = (struct drawn){.value = {.max = RECORD_MAX}, .class = CKO_DATA, .yes = CK_TRUE};
	name_of(record->uid, ret->label);
	if (record_encode(record, &ret->value, err) < 0)
		return -(int)err->code;
	ret->items[0] = (CK_ATTRIBUTE){CKA_CLASS, &ret->class, sizeof(ret->class)};
	ret->items[1] = (CK_ATTRIBUTE){CKA_TOKEN, &ret->yes, sizeof(ret->yes)};
	ret->items[2] = (CK_ATTRIBUTE){CKA_PRIVATE, &ret->yes, sizeof(ret->yes)};
	ret->items[3] = (CK_ATTRIBUTE){CKA_APPLICATION, (void *)APPLICATION, sizeof(APPLICATION) - 1};
	ret->items[4] = (CK_ATTRIBUTE){CKA_LABEL, ret->label, strlen(ret->label)};
	ret->items[5] = (CK_ATTRIBUTE){CKA_VALUE, ret->value.data, ret->value.len};
	return 0;
}

/* A batch that ends at the first object that is no longer there. */
struct batch {
	struct p11_call calls[BATCH_MAX];
	CK_ATTRIBUTE asked[BATCH_MAX];
	size_t count;
};

static void ask(struct batch *batch, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	CK_ATTRIBUTE *asked = &batch->asked[batch->count];

	if (!object)
		return;
	*asked = (CK_ATTRIBUTE){.type = CKA_CLASS};
	batch->calls[batch->count++] = p11_get_attributes(session, object, asked, 1);
}

static void destroy(struct batch *batch, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	if (object)
		batch->calls[batch->count++] = p11_destroy_object(session, object);
}

static int send(struct member_channel *channel, struct batch *batch, struct err *err)
{
	int rc = member_run(channel, batch->calls, batch->count, err);

	if (rc == -ERR_TOKEN && err->rv == CKR_OBJECT_HANDLE_INVALID)
		return err_set(err, ERR_CHANGED, "somebody else changed the key on '%s'", member_name(member_of(channel)));
	return rc;
}

int record_write(struct member_channel *channel, const struct record *record,
		 CK_OBJECT_HANDLE *ret, struct err *err)
{
	owned(drawn) struct drawn drawn;
	CK_OBJECT_HANDLE handle;
	struct p11_call call;
	int rc = draw(record, &drawn, err);

	if (rc < 0)
		return rc;
	call = p11_create_object(member_session(channel), drawn.items, DRAWN, &handle);
	rc = member_run(channel, &call, 1, err);
	if (rc == 0 && ret)
		*ret = handle;
	return rc;
}

int record_replace(struct member_channel *channel, const struct record *record, const struct record_base *base,
		   struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	owned(drawn) struct drawn drawn;
	struct batch batch = {0};
	CK_OBJECT_HANDLE handle;
	int rc = draw(record, &drawn, err);

	if (rc < 0)
		return rc;
	ask(&batch, session, base->record);
	for (size_t o = 0; o < RECORD_OBJECTS_MAX; o++)
		ask(&batch, session, base->objects[o]);
	batch.calls[batch.count++] = p11_create_object(session, drawn.items, DRAWN, &handle);
	destroy(&batch, session, base->record);
	return send(channel, &batch, err);
}

int record_withdraw(struct member_channel *channel, CK_OBJECT_HANDLE record, const CK_OBJECT_HANDLE *objects, size_t count,
		    struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	struct batch batch = {0};

	ask(&batch, session, record);
	for (size_t i = 0; i < count && i < BATCH_MAX - 2; i++)
		destroy(&batch, session, objects[i]);
	destroy(&batch, session, record);
	return send(channel, &batch, err);
}
