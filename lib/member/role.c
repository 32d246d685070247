/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the table, and its conditions. */
#include "member/role.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "member/book.h"
#include "member/host.h"
#include "member/kept.h"
#include "p11/object.h"
#include "p11/rv.h"

/* A call of an application, being judged. */
struct asked {
	struct host *host;
	const struct p11_call *calls, *call;	/* the batch, and the one of it */
	const char *why;			/* of a refusal */
};

static CK_RV refuse(struct asked *a, CK_RV rv, const char *why)
{
	a->why = why;
	return rv;
}

static CK_RV prohibit(struct asked *a, const char *why)
{
	return refuse(a, CKR_ACTION_PROHIBITED, why);
}

/* ---- what is on the token ---- */

/* What says which object it is. */
struct seen {
	CK_OBJECT_CLASS class;
	CK_BBOOL token;
	uint8_t label[MEMO_LABEL], application[sizeof(KEPT_APPLICATION)], id[UID_LEN];
	CK_ATTRIBUTE items[5];
	struct p11_attrs attrs;		/* those of items that it has */
};

/* One that is not there is nothing, and the token will say so. */
static enum kept_kind look(const struct asked *a, CK_OBJECT_HANDLE object, struct seen *ret)
{
	CK_ATTRIBUTE items[] = {
		{CKA_CLASS, &ret->class, sizeof(ret->class)},
		{CKA_TOKEN, &ret->token, sizeof(ret->token)},
		{CKA_LABEL, ret->label, sizeof(ret->label)},
		{CKA_ID, ret->id, sizeof(ret->id)},
		{CKA_APPLICATION, ret->application, sizeof(ret->application)},
	};
	CK_ULONG n = sizeof(items) / sizeof(items[0]);
	CK_RV rv = host_functions(a->host)->C_GetAttributeValue(a->call->args[0].number, object, items, n);
	bool some = rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_BUFFER_TOO_SMALL;

	ret->attrs = (struct p11_attrs){.items = ret->items};
	for (CK_ULONG i = 0; i < n && some; i++)
		if (items[i].ulValueLen != CK_UNAVAILABLE_INFORMATION)
			ret->items[ret->attrs.count++] = items[i];
	return kept_kind(&ret->attrs);
}

static bool is_key_of_ours(enum kept_kind kind)
{
	return kind == KEPT_IS_DOMAIN || kind == KEPT_IS_TRANSPORT;
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

enum { FOUND_MAX = 256 };

/* Memos of a label. CKR_HOST_MEMORY when there are more than can be looked at. */
static CK_RV find_memos(const struct asked *a, const void *label, size_t len, CK_OBJECT_HANDLE list[static FOUND_MAX],
			CK_ULONG *ret_count)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_APPLICATION, (void *)KEPT_APPLICATION, sizeof(KEPT_APPLICATION) - 1},
		{CKA_LABEL, (void *)label, len},
	};
	CK_RV rv = book_find(host_book(a->host), template, 3, list, FOUND_MAX, ret_count);

	return rv == CKR_OK && *ret_count == FOUND_MAX ? CKR_HOST_MEMORY : rv;
}

/* ---- memos that the batch has made before ---- */

static struct p11_attrs template_of(const struct p11_arg *arg)
{
	return (struct p11_attrs){.items = (CK_ATTRIBUTE *)arg->in, .count = arg->number};
}

/* The next memo of a kind from *at on, as a template that was put onto the token; false when there is none. */
static bool next_put(const struct asked *a, enum kept_kind kind, size_t *at, struct p11_attrs *ret)
{
	for (; &a->calls[*at] < a->call; (*at)++) {
		if (a->calls[*at].fn != P11_C_CreateObject)
			continue;
		*ret = template_of(&a->calls[*at].args[1]);
		if (kept_kind(ret) == kind && p11_attrs_bool(ret, CKA_TOKEN, false))
			return (*at)++, true;
	}
	return false;
}

static bool lists(const CK_ATTRIBUTE *value, const uint8_t *uid)
{
	const uint8_t *uids;
	size_t count;

	if (!value || graves_decode(value->pValue, value->ulValueLen, &uids, &count, NULL) != 1)
		return false;
	for (size_t i = 0; i < count; i++)
		if (memcmp(uids + i * GRAVE_LEN, uid, GRAVE_LEN) == 0)
			return true;
	return false;
}

/* ---- restrictions ---- */

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

/* ---- records ---- */

/* The counter of what is written in the place of another record; a first one has less. */
enum { REWRITTEN = 2 };

/* Has the batch put another record of the key in its place, no older? */
static bool is_replaced(const struct asked *a, const struct record *old)
{
	struct p11_attrs put;

	for (size_t at = 0; next_put(a, KEPT_IS_RECORD, &at, &put);) {
		owned(record) struct record record = {0};
		const CK_ATTRIBUTE *value = p11_attrs_find(&put, CKA_VALUE);

		if (value && record_decode(value->pValue, value->ulValueLen, &record, NULL) == 0 &&
		    memcmp(record.uid, old->uid, UID_LEN) == 0 && !record_newer(old, &record))
			return true;
	}
	return false;
}

static bool list_says(const struct asked *a, CK_OBJECT_HANDLE list, const uint8_t *uid)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	struct seen seen;

	if (look(a, list, &seen) != KEPT_IS_GRAVES || !read_value(a, list, &value))
		return false;
	return lists(&(CK_ATTRIBUTE){CKA_VALUE, value.data, value.len}, uid);
}

/* Is the key of this record among the deleted ones? The newest list tells, as a rule. */
static bool is_buried(const struct asked *a, const uint8_t *uid)
{
	static const char *const labels[] = {KEPT_GRAVES, KEPT_GRAVES_FULL};
	CK_OBJECT_HANDLE list[FOUND_MAX], newest = host_roles(a->host)->graves;
	CK_ULONG count = 0;

	if (newest && list_says(a, newest, uid))
		return true;
	for (size_t l = 0; l < 2; l++) {
		if (find_memos(a, labels[l], strlen(labels[l]), list, &count) != CKR_OK)
			return false;
		for (CK_ULONG i = 0; i < count; i++)
			if (list_says(a, list[i], uid))
				return true;
	}
	return false;
}

/* One of this label, whole; false when it is none. */
static bool read_record(const struct asked *a, CK_OBJECT_HANDLE object, struct record *ret)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};

	return read_value(a, object, &value) && record_decode(value.data, value.len, ret, NULL) == 0 &&
	       ret->state != RECORD_UNKNOWN;
}

/* Is another one there that stands in for it: no older, and as strict? */
static bool is_left_over(const struct asked *a, CK_OBJECT_HANDLE object, const struct record *old,
			 const struct seen *seen)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(&seen->attrs, CKA_LABEL);
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count = 0;

	if (find_memos(a, label->pValue, label->ulValueLen, list, &count) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < count; i++) {
		owned(record) struct record other = {0};

		if (list[i] != object && read_record(a, list[i], &other) && !record_newer(old, &other) &&
		    memcmp(other.uid, old->uid, UID_LEN) == 0 && restricts_as_much(&other, old))
			return true;
	}
	return false;
}

/* A torn one says nothing. What was live from the first, and not written again since, is taken back when too few took
 * it. */
static CK_RV destroy_record(struct asked *a, CK_OBJECT_HANDLE object, const struct seen *seen)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	owned(record) struct record old = {0};

	if (!read_value(a, object, &value) || record_decode(value.data, value.len, &old, NULL) < 0)
		return CKR_OK;
	if (old.state == RECORD_UNKNOWN)
		return prohibit(a, "a record of a later version than is known here");
	if (old.state == RECORD_CREATING || old.counter < REWRITTEN || is_replaced(a, &old) || is_buried(a, old.uid) ||
	    is_left_over(a, object, &old, seen))
		return CKR_OK;
	return prohibit(a, "a record of a key that is not deleted");
}

/* Of all that is known here of the key. A first version stands above nothing, whatever it says. */
static CK_RV put_record(struct asked *a, const struct record *record, const CK_ATTRIBUTE *label)
{
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count = 0;
	CK_RV rv = record->counter < REWRITTEN ? CKR_OK : find_memos(a, label->pValue, label->ulValueLen, list, &count);

	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		owned(record) struct record other = {0};

		if (read_record(a, list[i], &other) && memcmp(other.uid, record->uid, UID_LEN) == 0 &&
		    !restricts_as_much(record, &other))
			rv = prohibit(a, "a record that restricts its key less");
	}
	return rv;
}

/* ---- other memos ---- */

/* All that it lists must stand in what the batch has put. */
static CK_RV destroy_graves(struct asked *a, CK_OBJECT_HANDLE object)
{
	owned(buf) struct buf value = {.max = MEMO_MAX};
	const uint8_t *uids = NULL;
	size_t count = 0;
	int rc = -ERR_INVALID;

	if (read_value(a, object, &value))
		rc = graves_decode(value.data, value.len, &uids, &count, NULL);
	if (rc == -ERR_INVALID)
		return CKR_OK;
	for (size_t i = 0; i < count && rc == 1; i++) {
		struct p11_attrs put;
		bool listed = false;

		for (size_t at = 0; !listed && next_put(a, KEPT_IS_GRAVES, &at, &put);)
			listed = lists(p11_attrs_find(&put, CKA_VALUE), uids + i * GRAVE_LEN);
		if (!listed)
			rc = 0;
	}
	return rc == 1 ? CKR_OK : prohibit(a, "a list of deleted keys that would be shortened");
}

static CK_RV destroy_view(struct asked *a, const struct seen *seen)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(&seen->attrs, CKA_LABEL);
	struct p11_attrs put;

	for (size_t at = 0; next_put(a, KEPT_IS_VIEW, &at, &put);)
		if (p11_attrs_match(&put, label, 1))
			return CKR_OK;
	return prohibit(a, "marks of members without others in their place");
}

/* ---- making ---- */

/* Its label names the key that its content is of. */
static CK_RV make_record(struct asked *a, const CK_ATTRIBUTE *value, const CK_ATTRIBUTE *label)
{
	owned(record) struct record record = {0};
	char hex[2 * UID_LEN + 1];
	const size_t begins = sizeof(KEPT_RECORD) - 1;
	const char *name = label->pValue;

	if (record_decode(value->pValue, value->ulValueLen, &record, NULL) < 0 || record.state == RECORD_UNKNOWN)
		return prohibit(a, "a record that is none");
	str_hex(record.uid, UID_LEN, hex);
	if (label->ulValueLen != begins + 2 * UID_LEN || memcmp(name + begins, hex, 2 * UID_LEN) != 0)
		return prohibit(a, "a record by another key's name");
	return put_record(a, &record, label);
}

static CK_RV make_memo(struct asked *a, enum kept_kind kind, const struct p11_attrs *template)
{
	const CK_ATTRIBUTE none = {CKA_VALUE, (void *)"", 0}, *value = p11_attrs_find(template, CKA_VALUE);
	const CK_ATTRIBUTE *label = p11_attrs_find(template, CKA_LABEL);
	struct buf_reader r;
	const uint8_t *uids;
	size_t count;
	bool whole = false;

	value = value ? value : &none;
	if (kind == KEPT_IS_RECORD)
		return make_record(a, value, label);
	if (kind == KEPT_IS_GRAVES)
		whole = graves_decode(value->pValue, value->ulValueLen, &uids, &count, NULL) == 1;
	else if (kind == KEPT_IS_VIEW)
		whole = memo_unseal(value->pValue, value->ulValueLen, &r, NULL) == 0;
	return whole ? CKR_OK : prohibit(a, "a memo that is none");
}

/* Nobody else sees what is not on the token; keys that are called like the group's own are nobody's to make. */
static CK_RV judge_templates(struct asked *a)
{
	const struct p11_fn_info *info = &p11_fn_table[a->call->fn];
	CK_RV rv = CKR_OK;

	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END && rv == CKR_OK; i++) {
		struct p11_attrs template = template_of(&a->call->args[i]);
		enum kept_kind kind;

		if (info->args[i] != P11_ARG_TEMPLATE)
			continue;
		kind = kept_kind(&template);
		if (is_key_of_ours(kind))
			rv = prohibit(a, "a key by a name of the group's own");
		else if (kind && p11_attrs_bool(&template, CKA_TOKEN, false))
			rv = make_memo(a, kind, &template);
	}
	return rv;
}

/* ---- the conditions ---- */

static CK_RV judge_use(struct asked *a, CK_OBJECT_HANDLE object)
{
	struct seen seen;

	return look(a, object, &seen) ? prohibit(a, "an object of the group's own") : CKR_OK;
}

/* Replicas are never changed after they were made, nor copied on their member: what differs is in their records, and
 * what is made of them is carried. */
static CK_RV judge_copy(struct asked *a)
{
	return prohibit(a, "a copy past the records");
}

static CK_RV judge_change(struct asked *a)
{
	struct seen seen = {0};

	if (look(a, a->call->args[1].number, &seen))
		return prohibit(a, "an object of the group's own");
	return seen.token ? prohibit(a, "a change past the records") : judge_templates(a);
}

static CK_RV judge_digest(struct asked *a)
{
	return judge_use(a, a->call->args[1].number);
}

static CK_RV use_inside(void *data, CK_OBJECT_HANDLE object, CK_OBJECT_HANDLE *ret)
{
	*ret = object;
	return judge_use(data, object);
}

/* The base, and a key inside the mechanism's parameter. */
static CK_RV judge_derive(struct asked *a)
{
	struct p11_inside inside;
	struct p11_call ignored;
	CK_RV rv = p11_bind(a->call, a->call->args[0].number, use_inside, a, &ignored, &inside);

	return rv == CKR_OK ? judge_templates(a) : rv;
}

static CK_RV judge_destroy(struct asked *a)
{
	CK_OBJECT_HANDLE object = a->call->args[1].number;
	struct seen seen = {0};
	enum kept_kind kind = look(a, object, &seen);

	if (kind == KEPT_IS_NOTHING || (!is_key_of_ours(kind) && !seen.token))
		return CKR_OK;
	switch (kind) {
	case KEPT_IS_RECORD:
		return destroy_record(a, object, &seen);
	case KEPT_IS_GRAVES:
		return destroy_graves(a, object);
	case KEPT_IS_VIEW:
		return destroy_view(a, &seen);
	default:
		return prohibit(a, "an object of the group's own");
	}
}

/* As replicas travel (replica/domain.c): what was not wrapped so does not come out. */
static bool is_carrying(const struct p11_call *call)
{
	CK_MECHANISM_TYPE by = ((const CK_MECHANISM *)call->args[1].in)->mechanism;

	return by == CKM_AES_KEY_WRAP_KWP || by == CKM_AES_KEY_WRAP_PAD;
}

/* The records here of the key with this CKA_ID; none when it can have none. */
static CK_RV records_of(const struct asked *a, const CK_ATTRIBUTE *id, CK_OBJECT_HANDLE list[static FOUND_MAX],
			CK_ULONG *ret_count)
{
	char label[sizeof(KEPT_RECORD) + 2 * UID_LEN] = KEPT_RECORD;

	*ret_count = 0;
	if (!id || id->ulValueLen != UID_LEN)
		return CKR_OK;
	str_hex(id->pValue, UID_LEN, label + sizeof(KEPT_RECORD) - 1);
	return find_memos(a, label, strlen(label), list, ret_count);
}

/* Members hold keys so that they can be carried. Whether they may leave their records say, all that are there. */
static bool may_leave(const struct asked *a, const struct seen *key)
{
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count = 0;

	if (records_of(a, p11_attrs_find(&key->attrs, CKA_ID), list, &count) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < count; i++) {
		owned(record) struct record record = {0};

		if (!read_record(a, list[i], &record) || !p11_attrs_bool(&record.objects[0], CKA_EXTRACTABLE, false))
			return false;
	}
	return count > 0;
}

/* A replica that could be read, of a key that may not be: what records here say of it. One that is being made anew says
 * nothing yet. */
static CK_RV judge_replica(struct asked *a)
{
	const struct p11_attrs template = template_of(&a->call->args[4]);
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count = 0;
	CK_RV rv;

	if (p11_attrs_bool(&template, CKA_SENSITIVE, false))
		return CKR_OK;
	rv = records_of(a, p11_attrs_find(&template, CKA_ID), list, &count);
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		owned(record) struct record record = {0};

		if (read_record(a, list[i], &record) && record.n_objects &&
		    p11_attrs_bool(&record.objects[0], CKA_SENSITIVE, true))
			rv = prohibit(a, "a replica that is not sensitive, of a key that is");
	}
	return rv;
}

static CK_RV judge_wrap(struct asked *a)
{
	struct seen wrapping, key = {0};
	enum kept_kind by = look(a, a->call->args[2].number, &wrapping);

	if (look(a, a->call->args[3].number, &key))
		return prohibit(a, "the domain key or a transport key would leave");
	if (by == KEPT_IS_DOMAIN)
		return is_carrying(a->call) ? CKR_OK : prohibit(a, "a use of the domain key that carries nothing");
	if (by)
		return prohibit(a, "an object of the group's own");
	return !key.token || may_leave(a, &key) ? CKR_OK
						: refuse(a, CKR_KEY_UNEXTRACTABLE, "its record keeps the key here");
}

static CK_RV judge_unwrap(struct asked *a)
{
	struct seen unwrapping;
	enum kept_kind by = look(a, a->call->args[2].number, &unwrapping);
	CK_RV rv;

	if (by && by != KEPT_IS_DOMAIN)
		return prohibit(a, "the domain key would be brought here");
	if (by && !is_carrying(a->call))
		return prohibit(a, "a use of the domain key that carries nothing");
	rv = by ? judge_replica(a) : CKR_OK;
	return rv == CKR_OK ? judge_templates(a) : rv;
}

/* ---- the table ---- */

/* What an application may do without more ado; NULL in the table: nobody has decided, and it may not. */
static CK_RV judge_nothing(struct asked *a)
{
	(void)a;
	return CKR_OK;
}
#define FREE judge_nothing

static CK_RV (*const of_application[P11_FN_MAX])(struct asked *a) = {
	/* What the token is, and sessions. Only the user logs in here (visit.c). */
	[P11_C_GetInfo] = FREE, [P11_C_GetSlotInfo] = FREE, [P11_C_GetTokenInfo] = FREE,
	[P11_C_GetMechanismList] = FREE, [P11_C_GetMechanismInfo] = FREE,
	[P11_C_OpenSession] = FREE, [P11_C_CloseSession] = FREE, [P11_C_Login] = FREE, [P11_C_Logout] = FREE,

	/* Objects. Everything that may be read is read by who brings a member up to date. */
	[P11_C_CreateObject] = judge_templates,
	[P11_C_CopyObject] = judge_copy,
	[P11_C_DestroyObject] = judge_destroy,
	[P11_C_GetAttributeValue] = FREE,
	[P11_C_GetObjectSize] = FREE,
	[P11_C_SetAttributeValue] = judge_change,
	[P11_C_FindObjectsInit] = FREE, [P11_C_FindObjects] = FREE, [P11_C_FindObjectsFinal] = FREE,

	/* Uses of keys: the group's own are for none of these, by their attributes, which nobody of these changes. */
	[P11_C_EncryptInit] = FREE, [P11_C_Encrypt] = FREE, [P11_C_EncryptUpdate] = FREE, [P11_C_EncryptFinal] = FREE,
	[P11_C_DecryptInit] = FREE, [P11_C_Decrypt] = FREE, [P11_C_DecryptUpdate] = FREE, [P11_C_DecryptFinal] = FREE,
	[P11_C_DigestInit] = FREE, [P11_C_Digest] = FREE, [P11_C_DigestUpdate] = FREE, [P11_C_DigestFinal] = FREE,
	[P11_C_SignInit] = FREE, [P11_C_Sign] = FREE, [P11_C_SignUpdate] = FREE, [P11_C_SignFinal] = FREE,
	[P11_C_VerifyInit] = FREE, [P11_C_Verify] = FREE, [P11_C_VerifyUpdate] = FREE, [P11_C_VerifyFinal] = FREE,
	[P11_C_SignRecoverInit] = FREE, [P11_C_SignRecover] = FREE,
	[P11_C_VerifyRecoverInit] = FREE, [P11_C_VerifyRecover] = FREE,
	[P11_C_DigestEncryptUpdate] = FREE, [P11_C_DecryptDigestUpdate] = FREE,
	[P11_C_SignEncryptUpdate] = FREE, [P11_C_DecryptVerifyUpdate] = FREE,
	/* Whether a key may be digested no attribute says. */
	[P11_C_DigestKey] = judge_digest,

	/* Making and carrying keys. */
	[P11_C_GenerateKey] = judge_templates, [P11_C_GenerateKeyPair] = judge_templates,
	[P11_C_DeriveKey] = judge_derive,
	[P11_C_WrapKey] = judge_wrap, [P11_C_UnwrapKey] = judge_unwrap,
	[P11_C_SeedRandom] = FREE, [P11_C_GenerateRandom] = FREE,

	/* What a host knows: steps and leases are how whoever writes, and who recovers, does it. */
	[P11_X_Absent] = FREE, [P11_X_Age] = FREE, [P11_X_Lease] = FREE,
};

bool role_knows(enum p11_fn fn)
{
	return fn < P11_FN_MAX && of_application[fn];
}

/* ---- all of it ---- */

/* Somebody who tries and tries shall not fill a disk. */
static void log_refusal(struct role_watch *watch, const char *who, const char *what, CK_RV rv, const char *why)
{
	int64_t now = clock_now_ms();
	unsigned unsaid = 0;
	bool say;

	pthread_mutex_lock(&watch->lock);
	if (now - watch->since_ms >= ROLE_LOG_MS) {
		unsaid = watch->unsaid;
		watch->since_ms = now;
		watch->said = watch->unsaid = 0;
	}
	say = watch->said < ROLE_LOG_MAX;
	*(say ? &watch->said : &watch->unsaid) += 1;
	pthread_mutex_unlock(&watch->lock);
	if (unsaid)
		log_info("appliance", "%u more refusals by role", unsaid);
	if (say)
		log_info("appliance", "refused %s: %s: %s (%s)", who, what, why, p11_rv_name(rv));
}

static CK_RV judge_application(struct asked *a)
{
	enum p11_fn fn = a->call->fn;

	if (!role_knows(fn))
		return refuse(a, CKR_FUNCTION_REJECTED, "not for applications");
	/* What is wrong in itself is not carried out, and says so in its own words. */
	return of_application[fn] == FREE || p11_call_check(a->call) != CKR_OK ? CKR_OK : of_application[fn](a);
}

CK_RV role_judge(struct host *host, const char *name, enum cert_role role, const struct p11_call *calls, size_t at)
{
	struct asked a = {.host = host, .calls = calls, .call = &calls[at], .why = ""};
	char who[256];
	CK_RV rv;

	switch (role) {
	case CERT_ROLE_ADMIN:
		return CKR_OK;
	case CERT_ROLE_APPLICATION:
		rv = judge_application(&a);
		break;
	default:
		rv = refuse(&a, CKR_FUNCTION_REJECTED, "not a role of clients");
		break;
	}
	if (rv == CKR_OK)
		return rv;
	snprintf(who, sizeof(who), "'%s' (%s)", name, cert_role_names[role]);
	log_refusal(host_roles(host), who, p11_fn_table[a.call->fn].name, rv, a.why);
	return rv;
}

void role_note(struct host *host, const struct p11_call *call)
{
	const struct p11_attrs template = template_of(&call->args[1]);

	if (call->fn == P11_C_CreateObject && kept_kind(&template) == KEPT_IS_GRAVES)
		host_roles(host)->graves = *(CK_OBJECT_HANDLE *)call->args[2].out;
}
