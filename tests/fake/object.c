/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: kept in order of their handles, made, copied, destroyed, read, changed, found. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "internal.h"
#include "p11/template.h"

struct object *object_new(CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
	owned(object) struct object *object = mem_new(struct object);

	if (!object || p11_attrs_set_ulong(&object->attrs, CKA_CLASS, class, NULL) < 0)
		return NULL;
	if (class != CKO_DATA && class != CKO_CERTIFICATE &&
	    p11_attrs_set_ulong(&object->attrs, CKA_KEY_TYPE, type, NULL) < 0)
		return NULL;
	return rule_fill(&object->attrs) == CKR_OK ? own_take(object) : NULL;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	p11_attrs_release(&object->attrs);
	rsa_free(object->rsa);
	free(object);
}

bool object_flag(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
	return p11_attrs_bool(&object->attrs, type, false);
}

CK_ULONG object_number(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
	return p11_attrs_ulong(&object->attrs, type, CK_UNAVAILABLE_INFORMATION);
}

const CK_ATTRIBUTE *object_value(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
	static CK_BYTE nothing;
	static const CK_ATTRIBUTE empty = {0, &nothing, 0};
	const CK_ATTRIBUTE *value = p11_attrs_find(&object->attrs, type);

	return value ? value : &empty;
}

CK_RV object_set(struct object *object, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	return p11_attrs_set(&object->attrs, type, value, len, NULL) < 0 ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV object_set_flag(struct object *object, CK_ATTRIBUTE_TYPE type, bool value)
{
	return p11_attrs_set_bool(&object->attrs, type, value, NULL) < 0 ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV object_set_number(struct object *object, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
	return p11_attrs_set_ulong(&object->attrs, type, value, NULL) < 0 ? CKR_HOST_MEMORY : CKR_OK;
}

/* ---- the list ---- */

static size_t place_of(const struct token *token, CK_OBJECT_HANDLE handle)
{
	size_t low = 0, high = token->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (token->objects[middle]->handle < handle)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct object *object_find(const struct token *token, CK_OBJECT_HANDLE handle)
{
	size_t place = place_of(token, handle);

	return place < token->count && token->objects[place]->handle == handle ? token->objects[place] : NULL;
}

static size_t kept(const struct token *token)
{
	size_t n = 0;

	for (size_t i = 0; i < token->count; i++)
		n += !token->objects[i]->owner;
	return n;
}

CK_RV object_keep(struct token *token, struct object **object, CK_OBJECT_HANDLE *ret)
{
	if (!(*object)->owner && token->limit && kept(token) >= token->limit)
		return CKR_DEVICE_MEMORY;
	if (token->count == token->cap) {
		size_t cap = token->cap ? token->cap * 2 : 64;
		struct object **grown = mem_grow(token->objects, token->cap, cap, sizeof(struct object *));

		if (!grown)
			return CKR_HOST_MEMORY;
		token->objects = grown;
		token->cap = cap;
	}
	token->changes += !(*object)->owner;
	(*object)->handle = ++token->last_handle;
	(*object)->number = ++token->last_number;
	*ret = (*object)->handle;
	token->objects[token->count++] = own_take(*object);
	return CKR_OK;
}

CK_RV object_insert(struct session *session, struct object **object, CK_OBJECT_HANDLE *ret)
{
	CK_RV rv = session_may_write(session, *object);

	if (rv != CKR_OK)
		return rv;
	(*object)->owner = object_flag(*object, CKA_TOKEN) ? NULL : session;
	return object_keep(session->token, object, ret);
}

void object_remove(struct token *token, size_t index)
{
	token->changes += !token->objects[index]->owner;
	object_free(token->objects[index]);
	token->count--;
	memmove(&token->objects[index], &token->objects[index + 1], (token->count - index) * sizeof(struct object *));
}

void object_drop_owned(struct token *token, const struct session *owner)
{
	for (size_t i = token->count; i-- > 0;)
		if (token->objects[i]->owner && (!owner || token->objects[i]->owner == owner))
			object_remove(token, i);
}

static int by_handle(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *)a, *y = *(struct object *const *)b;

	return x->handle < y->handle ? -1 : x->handle > y->handle;
}

void object_renumber(struct token *token, bool private_only)
{
	for (size_t i = 0; i < token->count; i++)
		if (!private_only || object_flag(token->objects[i], CKA_PRIVATE))
			token->objects[i]->handle = ++token->last_handle;
	if (token->count)
		qsort(token->objects, token->count, sizeof(struct object *), by_handle);
}

/* ---- making and unmaking ---- */

CK_RV object_apply(struct session *session, struct object **object, enum way way, const CK_ATTRIBUTE *items,
		   CK_ULONG count)
{
	CK_RV rv = rule_agrees(&(*object)->attrs, items, count), writable;
	CK_OBJECT_HANDLE ignored;

	if (rv != CKR_OK)
		return rv;
	rv = rule_apply(&(*object)->attrs, way, session->token->who == OFFICER, items, count);
	writable = session_may_write(session, *object);
	if (rv != CKR_OK && writable == CKR_OK && session->token->litters)
		object_insert(session, object, &ignored);
	return rv != CKR_OK ? rv : writable;
}

static CK_RV measure(struct object *object)
{
	CK_RV rv = object_set_number(object, CKA_VALUE_LEN, object_value(object, CKA_VALUE)->ulValueLen);

	return rv == CKR_OK ? make_check_value(object) : rv;
}

CK_RV object_create(struct session *session, const CK_ATTRIBUTE *items, CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
	const struct p11_attrs template = {(CK_ATTRIBUTE *)items, count, 0};
	CK_OBJECT_CLASS class = p11_attrs_ulong(&template, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = p11_attrs_ulong(&template, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	bool key = class == CKO_PUBLIC_KEY || class == CKO_PRIVATE_KEY || class == CKO_SECRET_KEY;
	owned(object) struct object *object = NULL;
	CK_RV rv;

	if (class == CK_UNAVAILABLE_INFORMATION || (key && type == CK_UNAVAILABLE_INFORMATION))
		return CKR_TEMPLATE_INCOMPLETE;
	if (!key && class != CKO_DATA && class != CKO_CERTIFICATE)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	object = object_new(class, type);
	if (!object)
		return CKR_HOST_MEMORY;
	rv = object_apply(session, &object, CREATE, items, count);
	if (rv == CKR_OK && class == CKO_SECRET_KEY)
		rv = measure(object);
	if (rv == CKR_OK && class == CKO_PUBLIC_KEY && type == CKK_RSA)
		rv = object_set_number(object, CKA_MODULUS_BITS, object_value(object, CKA_MODULUS)->ulValueLen * 8);
	if (rv == CKR_OK && key && class != CKO_PUBLIC_KEY)
		rv = object_set_flag(object, CKA_NEVER_EXTRACTABLE, false);
	if (rv == CKR_OK)
		rv = object_insert(session, &object, ret);
	if (rv == CKR_OK && (session->token->lies & FAKE_LIE_CREATE))
		object_remove(session->token, place_of(session->token, *ret));
	return rv;
}

CK_RV object_copy(struct session *session, CK_OBJECT_HANDLE from, const CK_ATTRIBUTE *items, CK_ULONG count,
		  CK_OBJECT_HANDLE *ret)
{
	const struct object *old = object_find(session->token, from);
	owned(object) struct object *object = NULL;
	CK_RV rv = old ? session_may_read(session, old) : CKR_OBJECT_HANDLE_INVALID;

	if (rv != CKR_OK)
		return rv;
	if (!object_flag(old, CKA_COPYABLE))
		return CKR_ACTION_PROHIBITED;
	object = mem_new(struct object);
	if (!object || p11_attrs_merge(&object->attrs, old->attrs.items, old->attrs.count, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = rule_apply(&object->attrs, COPY, session->token->who == OFFICER, items, count);
	if (rv == CKR_OK && object_flag(old, CKA_PRIVATE) && !object_flag(object, CKA_PRIVATE))
		rv = CKR_TEMPLATE_INCONSISTENT;
	return rv == CKR_OK ? object_insert(session, &object, ret) : rv;
}

CK_RV object_destroy(struct session *session, CK_OBJECT_HANDLE handle)
{
	const struct object *object = object_find(session->token, handle);
	CK_RV rv = object ? session_may_write(session, object) : CKR_OBJECT_HANDLE_INVALID;

	if (rv == CKR_OK && !object_flag(object, CKA_DESTROYABLE))
		rv = CKR_ACTION_PROHIBITED;
	if (rv == CKR_OK && !(session->token->lies & FAKE_LIE_DESTROY))
		object_remove(session->token, place_of(session->token, handle));
	return rv;
}

/* ---- reading and changing ---- */

static CK_RV get_one(const struct token *token, const struct object *object, CK_ATTRIBUTE *item)
{
	const CK_ATTRIBUTE *value = object_value(object, item->type);
	CK_ULONG room = item->ulValueLen;

	/* SoftHSM writes dates of private objects in clear, and then cannot decrypt them. */
	if ((item->type == CKA_START_DATE || item->type == CKA_END_DATE) && value->ulValueLen &&
	    object_flag(object, CKA_PRIVATE))
		return CKR_GENERAL_ERROR;
	item->ulValueLen = CK_UNAVAILABLE_INFORMATION;
	if (!rule_has(&object->attrs, item->type) || token_lacks(token, item->type))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (rule_hides(&object->attrs, item->type))
		return CKR_ATTRIBUTE_SENSITIVE;
	if (p11_attr_is_nested(item->type)) {
		item->ulValueLen = room;
		return p11_template_read(value, item);
	}
	if (item->pValue && room < value->ulValueLen)
		return CKR_BUFFER_TOO_SMALL;
	if (item->pValue)
		memcpy(item->pValue, value->pValue, value->ulValueLen);
	item->ulValueLen = value->ulValueLen;
	return CKR_OK;
}

CK_RV object_get(struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *items, CK_ULONG count)
{
	static const CK_RV gravest[] = {CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL};
	enum { GRAVEST = sizeof(gravest) / sizeof(gravest[0]) };
	const struct object *object = object_find(session->token, handle);
	CK_RV rv = object ? session_may_read(session, object) : CKR_OBJECT_HANDLE_INVALID;
	size_t worst = GRAVEST;

	if (rv != CKR_OK)
		return rv;
	for (CK_ULONG i = 0; i < count; i++) {
		rv = get_one(session->token, object, &items[i]);
		if (rv == CKR_GENERAL_ERROR)
			return rv;
		for (size_t w = 0; w < worst; w++)
			if (rv == gravest[w])
				worst = w;
	}
	return worst < GRAVEST ? gravest[worst] : CKR_OK;
}

CK_RV object_change(struct session *session, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	struct object *object = object_find(session->token, handle);
	owned(p11_attrs) struct p11_attrs changed = {0}, old = {0};
	CK_RV rv = object ? session_may_write(session, object) : CKR_OBJECT_HANDLE_INVALID;

	if (rv != CKR_OK)
		return rv;
	if (!object_flag(object, CKA_MODIFIABLE))
		return CKR_ACTION_PROHIBITED;
	if (p11_attrs_merge(&changed, object->attrs.items, object->attrs.count, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = rule_apply(&changed, SET, session->token->who == OFFICER, items, count);
	if (rv != CKR_OK)
		return rv;
	old = object->attrs;
	object->attrs = changed;
	changed = (struct p11_attrs){0};
	session->token->changes += !object->owner;
	return CKR_OK;
}

/* ---- finding ---- */

CK_RV find_start(struct session *session, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	const struct token *token = session->token;
	struct operation *op = &session->op;

	if (op->activity != IDLE)
		return CKR_OPERATION_ACTIVE;
	op->found = mem_zalloc((token->count + 1) * sizeof(*op->found));
	if (!op->found)
		return CKR_HOST_MEMORY;
	op->activity = FINDING;
	op->n_found = op->next = 0;
	for (size_t i = 0; i < token->count; i++)
		if (session_may_read(session, token->objects[i]) == CKR_OK &&
		    p11_attrs_match(&token->objects[i]->attrs, items, count))
			op->found[op->n_found++] = token->objects[i]->handle;
	return CKR_OK;
}

CK_RV find_next(struct session *session, CK_OBJECT_HANDLE *ret, CK_ULONG room, CK_ULONG *ret_count)
{
	struct operation *op = &session->op;
	CK_ULONG n = 0;

	if (op->activity != FINDING)
		return CKR_OPERATION_NOT_INITIALIZED;
	while (n < room && op->next < op->n_found)
		ret[n++] = op->found[op->next++];
	*ret_count = n;
	return CKR_OK;
}

CK_RV find_end(struct session *session)
{
	if (session->op.activity != FINDING)
		return CKR_OPERATION_NOT_INITIALIZED;
	operation_end(&session->op);
	return CKR_OK;
}
