/* SPDX-License-Identifier: Apache-2.0 */
/* What applications may do with memos, and what records let them do with keys. */
#include "member/role_private.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "member/catalogue.h"
#include "member/host.h"
#include "p11/object.h"

/* ---- what is on the token ---- */

enum { FOUND_MAX = 256 };

/* Memos, the newest first. */
struct found {
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count;
};

static CK_RV find(const struct asked *a, const void *label, size_t len, struct found *ret)
{
	return catalogue_find(a->host, label, len, ret->list, FOUND_MAX, &ret->count);
}

/* A memo's value, in new memory; false when it cannot be read. */
static bool read_value(const struct asked *a, CK_OBJECT_HANDLE object, struct buf *ret)
{
	CK_ATTRIBUTE value = {.type = CKA_VALUE};
	CK_FUNCTION_LIST *f = host_functions(a->host);
	CK_SESSION_HANDLE session = a->call->args[0].number;
	owned(mem) void *room = NULL;

	if (f->C_GetAttributeValue(session, object, &value, 1) != CKR_OK || value.ulValueLen > MEMO_MAX)
		return false;
	room = mem_zalloc(value.ulValueLen + 1);
	value.pValue = room;
	if (!room || f->C_GetAttributeValue(session, object, &value, 1) != CKR_OK || value.ulValueLen > MEMO_MAX)
		return false;
	buf_put(ret, room, value.ulValueLen);
	return !ret->bad;
}

/* One that is whole, and of a version that is known here. */
static bool read_record(const struct asked *a, CK_OBJECT_HANDLE object, struct record *ret)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};

	return read_value(a, object, &value) && record_decode(value.data, value.len, ret, NULL) == 0 &&
	       ret->state != RECORD_UNKNOWN;
}

/* ---- what the batch has put before ---- */

/* The next memo of a kind from *at on, as its template; false when there is none. */
static bool next_put(const struct asked *a, enum kept_kind kind, size_t *at, struct p11_attrs *ret)
{
	for (; &a->calls[*at] < a->call; (*at)++) {
		const struct p11_arg *template = &a->calls[*at].args[1];

		if (a->calls[*at].fn != P11_C_CreateObject)
			continue;
		*ret = (struct p11_attrs){.items = (CK_ATTRIBUTE *)template->in, .count = template->number};
		if (kept_kind(ret) == kind && p11_attrs_bool(ret, CKA_TOKEN, false))
			return (*at)++, true;
	}
	return false;
}

/* Memos that are not as private as their names say are none to those who read them. */
static bool is_hidden(const struct p11_attrs *template, bool as)
{
	return p11_attrs_bool(template, CKA_PRIVATE, !as) == as;
}

/* ---- lists of deleted keys ---- */

struct list {
	const uint8_t *uids;
	size_t count, next;	/* what stands after the one that was found last */
};

static bool decode_list(const void *value, size_t len, struct list *ret)
{
	*ret = (struct list){0};
	return graves_decode(value, len, &ret->uids, &ret->count, NULL) == 1;
}

/* One list has the order of the other, as a rule. */
static bool lists(struct list *list, const uint8_t *uid)
{
	for (size_t i = 0; i < list->count; i++) {
		size_t at = (list->next + i) % list->count;

		if (memcmp(list->uids + at * GRAVE_LEN, uid, GRAVE_LEN) == 0) {
			list->next = at + 1;
			return true;
		}
	}
	return false;
}

static bool says_deleted(const struct asked *a, CK_OBJECT_HANDLE graves, const uint8_t *uid)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	struct list list;

	return read_value(a, graves, &value) && decode_list(value.data, value.len, &list) && lists(&list, uid);
}

static bool is_deleted(const struct asked *a, const uint8_t *uid)
{
	static const char *const labels[] = {KEPT_GRAVES, KEPT_GRAVES_FULL};
	struct found found;

	for (size_t l = 0; l < sizeof(labels) / sizeof(labels[0]); l++) {
		if (find(a, labels[l], strlen(labels[l]), &found) != CKR_OK)
			return false;
		for (CK_ULONG i = 0; i < found.count; i++)
			if (says_deleted(a, found.list[i], uid))
				return true;
	}
	return false;
}

/* The whole ones that the batch has put. */
static size_t put_lists(const struct asked *a, struct list ret[static P11_BATCH_MAX])
{
	struct p11_attrs put;
	size_t n = 0;

	for (size_t at = 0; n < P11_BATCH_MAX && next_put(a, KEPT_IS_GRAVES, &at, &put);) {
		const CK_ATTRIBUTE *value = p11_attrs_find(&put, CKA_VALUE);

		n += value && decode_list(value->pValue, value->ulValueLen, &ret[n]);
	}
	return n;
}

static bool any_lists(struct list *all, size_t count, const uint8_t *uid)
{
	for (size_t i = 0; i < count; i++)
		if (lists(&all[i], uid))
			return true;
	return false;
}

/* All that it lists must stand in what the batch has put. A torn one says nothing. */
static CK_RV destroy_graves(struct asked *a, CK_OBJECT_HANDLE object)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	struct list old = {0}, anew[P11_BATCH_MAX];
	size_t n = put_lists(a, anew);
	int rc = -ERR_INVALID;

	if (read_value(a, object, &value))
		rc = graves_decode(value.data, value.len, &old.uids, &old.count, NULL);
	if (rc == -ERR_INVALID)
		return CKR_OK;
	for (size_t i = 0; i < old.count && rc == 1; i++)
		rc = any_lists(anew, n, old.uids + i * GRAVE_LEN);
	return rc == 1 ? CKR_OK : asked_prohibit(a, "a list of deleted keys that would be shortened");
}

/* ---- records ---- */

/* The counter of what is written in the place of another record; a first one has less. */
enum { REWRITTEN = 2 };

static bool is_of(const struct record *record, const struct record *other)
{
	return memcmp(record->uid, other->uid, UID_LEN) == 0;
}

/* Does the object let something be done that it did not before, and may not come to let (PKCS#11 v3.0 section 4, notes
 * 11 and 12)? */
static bool is_looser(const struct p11_attrs *now, const struct p11_attrs *before)
{
	const struct p11_object object = p11_object_of(before);

	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		const struct p11_attr_place *place = p11_object_place(object, info);
		bool was, is;

		if (!place || info->kind != P11_ATTR_BOOL || !p11_attrs_find(before, info->type))
			continue;
		was = p11_attrs_bool(before, info->type, false);
		is = p11_attrs_bool(now, info->type, !was);
		if ((place->notes & P11_STAYS_TRUE && was && !is) || (place->notes & P11_STAYS_FALSE && !was && is))
			return true;
	}
	return false;
}

static bool restricts_as_much(const struct record *now, const struct record *before)
{
	if (now->n_objects < before->n_objects)
		return false;
	for (size_t o = 0; o < before->n_objects; o++)
		if (is_looser(&now->objects[o], &before->objects[o]))
			return false;
	return true;
}

/* Has the batch put another record of the key in its place, no older? That was judged beside it (put_record). */
static bool is_replaced(const struct asked *a, const struct record *old)
{
	struct p11_attrs put;

	for (size_t at = 0; next_put(a, KEPT_IS_RECORD, &at, &put);) {
		owned(record) struct record record = {0};
		const CK_ATTRIBUTE *value = p11_attrs_find(&put, CKA_VALUE);

		if (value && record_decode(value->pValue, value->ulValueLen, &record, NULL) == 0 && is_of(&record, old) &&
		    !record_newer(old, &record))
			return true;
	}
	return false;
}

/* Is another one there that stands in for it: no older, and as strict? */
static bool is_left_over(const struct asked *a, CK_OBJECT_HANDLE object, const struct record *old,
			 const CK_ATTRIBUTE *label)
{
	struct found found;

	if (find(a, label->pValue, label->ulValueLen, &found) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < found.count; i++) {
		owned(record) struct record other = {0};

		if (found.list[i] != object && read_record(a, found.list[i], &other) && is_of(&other, old) &&
		    !record_newer(old, &other) && restricts_as_much(&other, old))
			return true;
	}
	return false;
}

/* A torn one says nothing. What was live from the first, and not written again since, is taken back when too few took
 * it. */
static CK_RV destroy_record(struct asked *a, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *label)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	owned(record) struct record old = {0};

	if (!read_value(a, object, &value) || record_decode(value.data, value.len, &old, NULL) < 0)
		return CKR_OK;
	if (old.state == RECORD_UNKNOWN)
		return asked_prohibit(a, "a record of a later version than is known here");
	if (old.state == RECORD_CREATING || old.counter < REWRITTEN || is_replaced(a, &old) || is_deleted(a, old.uid) ||
	    is_left_over(a, object, &old, label))
		return CKR_OK;
	return asked_prohibit(a, "a record of a key that is not deleted");
}

static bool is_named(const struct record *record, const CK_ATTRIBUTE *label)
{
	char name[MEMO_LABEL], hex[2 * UID_LEN + 1];

	str_hex(record->uid, UID_LEN, hex);
	snprintf(name, sizeof(name), "%s%s", record_is_public(record) ? KEPT_PUBLIC : KEPT_RECORD, hex);
	return label->ulValueLen == strlen(name) && memcmp(label->pValue, name, strlen(name)) == 0;
}

/* It restricts the key as much as each that is there, whichever is the newest, and whoever looks for it finds it. */
static CK_RV put_record(struct asked *a, const CK_ATTRIBUTE *value, const struct p11_attrs *template)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(template, CKA_LABEL);
	owned(record) struct record record = {0};
	struct found found = {0};
	CK_RV rv;

	if (record_decode(value->pValue, value->ulValueLen, &record, NULL) < 0 || record.state == RECORD_UNKNOWN)
		return asked_prohibit(a, "a record that is none");
	if (!is_named(&record, label) || !is_hidden(template, !record_is_public(&record)))
		return asked_prohibit(a, "a record that nobody finds");
	rv = find(a, label->pValue, label->ulValueLen, &found);
	for (CK_ULONG i = 0; i < found.count && rv == CKR_OK; i++) {
		owned(record) struct record other = {0};

		if (read_record(a, found.list[i], &other) && is_of(&other, &record) && !restricts_as_much(&record, &other))
			rv = asked_prohibit(a, "a record that restricts its key less");
	}
	return rv;
}

/* ---- all memos ---- */

static CK_RV destroy_view(struct asked *a, const CK_ATTRIBUTE *label)
{
	struct p11_attrs put;

	for (size_t at = 0; next_put(a, KEPT_IS_VIEW, &at, &put);)
		if (p11_attrs_match(&put, label, 1))
			return CKR_OK;
	return asked_prohibit(a, "marks of members without others in their place");
}

CK_RV role_destroy_memo(struct asked *a, enum kept_kind kind, CK_OBJECT_HANDLE object, const struct kept_seen *seen)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(&seen->attrs, CKA_LABEL);

	switch (kind) {
	case KEPT_IS_RECORD:
		return destroy_record(a, object, label);
	case KEPT_IS_GRAVES:
		return destroy_graves(a, object);
	case KEPT_IS_VIEW:
		return destroy_view(a, label);
	default:
		return asked_prohibit(a, "an object of the group's own");
	}
}

CK_RV role_put_memo(struct asked *a, enum kept_kind kind, const struct p11_attrs *template)
{
	const CK_ATTRIBUTE none = {CKA_VALUE, (void *)"", 0}, *value = p11_attrs_find(template, CKA_VALUE);
	struct buf_reader r;
	const uint8_t *uids;
	size_t count;
	bool whole = false;

	value = value ? value : &none;
	if (kind == KEPT_IS_RECORD)
		return put_record(a, value, template);
	if (kind == KEPT_IS_GRAVES)
		whole = graves_decode(value->pValue, value->ulValueLen, &uids, &count, NULL) == 1;
	else if (kind == KEPT_IS_VIEW)
		whole = memo_unseal(value->pValue, value->ulValueLen, &r, NULL) == 0;
	return whole && is_hidden(template, true) ? CKR_OK : asked_prohibit(a, "a memo that is none");
}

/* ---- what records say of keys ---- */

/* None of what can have none. */
static CK_RV records_of(const struct asked *a, const CK_ATTRIBUTE *id, struct found *ret)
{
	char label[sizeof(KEPT_RECORD) + 2 * UID_LEN] = KEPT_RECORD;

	ret->count = 0;
	if (!id || id->ulValueLen != UID_LEN)
		return CKR_OK;
	str_hex(id->pValue, UID_LEN, label + sizeof(KEPT_RECORD) - 1);
	return find(a, label, strlen(label), ret);
}

/* Members hold keys so that they can be carried. */
bool role_may_leave(const struct asked *a, const CK_ATTRIBUTE *id)
{
	struct found found;

	if (records_of(a, id, &found) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < found.count; i++) {
		owned(record) struct record record = {0};

		if (!read_record(a, found.list[i], &record) ||
		    !p11_attrs_bool(&record.objects[0], CKA_EXTRACTABLE, false))
			return false;
	}
	return found.count > 0;
}

/* A record of what is being made says nothing yet. */
CK_RV role_judge_readable(struct asked *a, const CK_ATTRIBUTE *id)
{
	struct found found;
	CK_RV rv = records_of(a, id, &found);

	for (CK_ULONG i = 0; i < found.count && rv == CKR_OK; i++) {
		owned(record) struct record record = {0};

		if (read_record(a, found.list[i], &record) && record.n_objects &&
		    p11_attrs_bool(&record.objects[0], CKA_SENSITIVE, true))
			rv = asked_prohibit(a, "a replica that is not sensitive, of a key that is");
	}
	return rv;
}
