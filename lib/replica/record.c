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
#include "replica/graves.h"
#include "replica/memo.h"

enum { NAME_LEN = sizeof(KEPT_RECORD) - 1, TRIES = 5 };
_Static_assert(sizeof(KEPT_RECORD) == sizeof(KEPT_PUBLIC), "a uid stands at one place in both labels");

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

int record_draw(struct record *record, bool public, struct err *err)
{
	int rc = crypto_random(record->uid, UID_LEN, err);

	if (rc == 0 && public)
		memcpy(record->uid, UID_PUBLIC, strlen(UID_PUBLIC));
	return rc;
}

bool record_is_gone(const struct record *record, size_t object)
{
	return p11_attrs_bool(&record->objects[object], RECORD_GONE, false);
}

int record_advance(struct record *record, enum record_state state, struct err *err)
{
	int rc = crypto_random(record->writer, WRITER_LEN, err);

	if (rc < 0)
		return rc;
	record->state = state;
	record->counter++;
	record->time_ms = clock_utc_ms();
	return 0;
}

/* CKA_LABEL of the records of one key. */
static void name_of(const uint8_t uid[static UID_LEN], char ret[static MEMO_LABEL])
{
	char hex[2 * UID_LEN + 1];

	str_hex(uid, UID_LEN, hex);
	snprintf(ret, MEMO_LABEL, "%s%s", uid_is_public(uid) ? KEPT_PUBLIC : KEPT_RECORD, hex);
}

/* ---- reading ---- */

static bool is_name(const char *label)
{
	return str_starts(label, KEPT_RECORD) || str_starts(label, KEPT_PUBLIC);
}

struct walk {
	int (*each)(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err);
	void *data;
	const uint8_t *only;
	memo_visitor beside;
	void *beside_data;
	bool found;
};

/* Of a torn record at most the label says whose it is. */
static int torn(const struct walk *walk, CK_OBJECT_HANDLE handle, const char *label, struct err *err)
{
	struct record record = {.state = RECORD_TORN};

	if (!is_name(label) || !str_unhex(label + NAME_LEN, record.uid, UID_LEN) ||
	    uid_is_public(record.uid) != str_starts(label, KEPT_PUBLIC))
		return 0;
	return walk->each(walk->data, handle, &record, err);
}

static int graves(const struct walk *walk, const uint8_t *uids, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc >= 0; i++) {
		struct record record = {.state = RECORD_DELETED};

		memcpy(record.uid, uids + i * GRAVE_LEN, UID_LEN);
		if (!walk->only || memcmp(walk->only, record.uid, UID_LEN) == 0)
			rc = walk->each(walk->data, CK_INVALID_HANDLE, &record, err);
	}
	return rc;
}

static int take_in(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *err)
{
	struct walk *walk = data;
	owned(record) struct record record = {0};
	const uint8_t *uids;
	size_t count;
	int rc = walk->beside ? walk->beside(walk->beside_data, handle, label, value, len, err) : 0;

	if (rc < 0)
		return rc;
	rc = str_starts(label, KEPT_PUBLIC) ? 0 : graves_decode(value, len, &uids, &count, err);
	if (rc > 0)
		return graves(walk, uids, count, err);
	if (rc == -ERR_INVALID)
		return torn(walk, handle, label, err);
	if (rc < 0 || !is_name(label))
		return rc;
	rc = record_decode(value, len, &record, err);
	/* Anybody can write there. */
	if (rc == 0 && str_starts(label, KEPT_PUBLIC) != record_is_public(&record))
		return 0;
	if (rc == -ERR_INVALID)
		return torn(walk, handle, label, err);
	if (rc < 0)
		return rc;
	walk->found = true;
	return walk->each(walk->data, handle, &record, err);
}

static int read_key(struct member_channel *channel, struct walk *walk, struct err *err)
{
	char label[MEMO_LABEL];
	int rc = 1;

	name_of(walk->only, label);
	for (int i = 0; i < TRIES && rc > 0 && !walk->found; i++)
		rc = memo_each(channel, label, take_in, walk, err);
	/* Whoever deletes a key takes its record away as well, in that order. */
	return rc < 0 || walk->found ? rc : graves_each(channel, take_in, walk, err);
}

int record_read_beside(struct member_channel *channel, record_visitor each, void *data, memo_visitor beside,
		       void *beside_data, struct err *err)
{
	struct walk walk = {.each = each, .data = data, .beside = beside, .beside_data = beside_data};
	int gone = memo_each(channel, NULL, take_in, &walk, err), rc = gone;

	walk.beside = NULL;
	/* What was written anew meanwhile may have been the list of deleted keys; records are looked at again before they
	 * are written over. */
	if (gone > 0)
		rc = graves_each(channel, take_in, &walk, err);
	return rc < 0 ? rc : gone;
}

int record_read_all(struct member_channel *channel, const uint8_t *only, record_visitor each, void *data,
		    struct err *err)
{
	struct walk walk = {.each = each, .data = data, .only = only};
	int rc = only ? read_key(channel, &walk, err) : record_read_beside(channel, each, data, NULL, NULL, err);

	return rc < 0 ? rc : 0;
}

/* ---- writing ---- */

int record_put(struct member_channel *channel, const struct record *record, const struct record_base *base,
	       CK_OBJECT_HANDLE *ret, struct err *err)
{
	owned(step) struct step step = step_begin(channel);
	char label[MEMO_LABEL];
	struct memo *memo;
	int rc;

	name_of(record->uid, label);
	if (!base->n_old && !base->fresh)
		step_absent(&step, label);
	for (size_t i = 0; i < base->n_old; i++)
		step_ask(&step, base->old[i]);
	for (size_t o = 0; o < RECORD_OBJECTS_MAX; o++)
		step_ask(&step, base->objects[o]);
	if (base->graves)
		graves_ask(&step, base->graves);
	memo = step_put(&step, label);
	rc = record_encode(record, &memo->value, err);
	for (size_t i = 0; i < base->n_old; i++)
		step_destroy(&step, base->old[i]);
	if (rc == 0)
		rc = step_send(&step, err);
	if (rc == 0 && ret)
		*ret = memo->handle;
	return rc;
}

/* All that a member has of a key, but for its records, goes with the step. */
static int destroy_objects(struct step *step, const uint8_t *uid, struct err *err)
{
	const CK_ATTRIBUTE id = {CKA_ID, (void *)uid, UID_LEN};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;
	int rc = member_find(step->channel, &id, 1, &list, &count, err);

	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		step_destroy(step, list[i]);
	return rc;
}

int record_withdraw(struct member_channel *channel, CK_OBJECT_HANDLE record, const uint8_t uid[static UID_LEN],
		    struct err *err)
{
	owned(step) struct step step = step_begin(channel);
	int rc;

	step_ask(&step, record);
	rc = destroy_objects(&step, uid, err);
	step_destroy(&step, record);
	return rc < 0 ? rc : step_send(&step, err);
}

int record_sweep(struct member_channel *channel, const uint8_t uid[static UID_LEN], struct err *err)
{
	owned(step) struct step step = step_begin(channel);
	char label[MEMO_LABEL];
	int rc;

	name_of(uid, label);
	step_absent(&step, label);
	rc = destroy_objects(&step, uid, err);
	return rc < 0 ? rc : step_send(&step, err);
}
