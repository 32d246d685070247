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

static int decode_body(struct buf_reader *r, struct record *ret, struct err *err)
{
	const uint8_t *magic = buf_get(r, sizeof(MAGIC) - 1), *bytes;
	uint8_t version = buf_get_u8(r);
	size_t len;
	int rc = 0;

	if (!magic || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0 || version != RECORD_VERSION)
		return err_set(err, ERR_INVALID, "not a record of version %d", RECORD_VERSION);
	bytes = buf_get(r, UID_LEN);
	if (bytes)
		memcpy(ret->uid, bytes, UID_LEN);
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
	snprintf(ret, RECORD_LABEL, "hsmctl record %s", hex);
}

static int read_one(struct member_channel *channel, CK_OBJECT_HANDLE handle,
		    int (*each)(void *, CK_OBJECT_HANDLE, struct record *, struct err *), void *data, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_VALUE};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	owned(record) struct record record = {0};
	const CK_ATTRIBUTE *value;
	int rc = member_get(channel, handle, types, 1, &attrs, err);

	if (rc < 0)	/* gone meanwhile is fine */
		return rc == -ERR_TOKEN ? 0 : rc;
	value = p11_attrs_find(&attrs, CKA_VALUE);
	/* A torn record cannot say whose it is; a whole one is written beside it. */
	if (!value || record_decode(value->pValue, value->ulValueLen, &record, NULL) < 0)
		return 0;
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

int record_write(struct member_channel *channel, const struct record *record,
		 CK_OBJECT_HANDLE *ret, struct err *err)
{
	owned(buf) struct buf value = {.max = RECORD_MAX};
	char label[RECORD_LABEL];
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE handle;
	struct p11_call call;
	int rc = record_encode(record, &value, err);

	if (rc < 0)
		return rc;
	name_of(record->uid, label);
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_TOKEN, &yes, sizeof(yes)},
		{CKA_PRIVATE, &yes, sizeof(yes)},
		{CKA_APPLICATION, (void *)APPLICATION, sizeof(APPLICATION) - 1},
		{CKA_LABEL, label, strlen(label)},
		{CKA_VALUE, value.data, value.len},
	};

	call = p11_create_object(member_session(channel), template, sizeof(template) / sizeof(template[0]), &handle);
	rc = member_run(channel, &call, 1, err);
	if (rc == 0 && ret)
		*ret = handle;
	return rc;
}
