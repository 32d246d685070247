/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, reading and changing objects of a group. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "p11/object.h"
#include "p11/rv.h"
#include "replica/write.h"

/* Who saw a public half before the login knows it by its mark (replica/public.h), and looks for the private one by that. */
static bool is_mark_of(const struct ha_object *object, const CK_ATTRIBUTE *item)
{
	return item->type == CKA_ID && item->ulValueLen == UID_LEN && memcmp(item->pValue, object->uid, UID_LEN) == 0 &&
	       !object->own;
}

/* By what it shows. *ret_asks: as far as that is known here; whoever has the key tells the rest. */
static bool matches(const struct ha_object *object, const CK_ATTRIBUTE *template, CK_ULONG count, bool *ret_asks)
{
	const struct p11_attrs *attrs = &object->record->objects[object->part];

	*ret_asks = false;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_RV rv = p11_object_shows(attrs, &template[i]);
		bool asks = rv == CKR_ATTRIBUTE_SENSITIVE && p11_object_reveals(attrs);

		if (rv != CKR_OK && !asks && !is_mark_of(object, &template[i]))
			return false;
		*ret_asks = *ret_asks || asks;
	}
	return true;
}

/* What of a key may be shown, and stands in no record: whoever has the key tells. */
static CK_RV ask_member(struct ha_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *value, CK_ULONG room)
{
	struct p11_call call = p11_C_GetAttributeValue(0, object, value, 1);
	CK_RV rv;

	value->ulValueLen = room;
	rv = ha_send(session->group, &call, 1, NULL);
	return rv == CKR_KEY_HANDLE_INVALID ? CKR_OBJECT_HANDLE_INVALID : rv;
}

/* Does a member show what no record does? What it cannot be asked is not found. */
static bool member_shows(struct ha_session *session, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *template,
			 CK_ULONG count)
{
	owned(record) struct record record = {0};
	size_t part;

	if (ha_object_get(session->group, object, &record, &part) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < count; i++) {
		owned(mem) CK_BYTE *value = NULL;
		CK_ATTRIBUTE there = {template[i].type, NULL, template[i].ulValueLen};
		CK_RV rv = p11_object_shows(&record.objects[part], &template[i]);

		if (rv != CKR_ATTRIBUTE_SENSITIVE)
			continue;
		there.pValue = value = mem_zalloc(there.ulValueLen + 1);
		if (!value || ask_member(session, object, &there, there.ulValueLen) != CKR_OK ||
		    !p11_attr_same_value(&there, &template[i]))
			return false;
	}
	return true;
}

/* Of those that were found only what members show so. asks: of which they have to be asked. */
static void sift(struct ha_session *session, const bool *asks, const CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_ULONG left = 0;

	for (CK_ULONG i = 0; i < session->n_found; i++)
		if (!asks[i] || member_shows(session, session->found[i], template, count))
			session->found[left++] = session->found[i];
	session->n_found = left;
}

CK_RV ha_find_begin(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	const CK_ATTRIBUTE *template = call->args[1].in;
	CK_ULONG count = call->args[1].number;
	CK_RV rv = session->finding ? CKR_OPERATION_ACTIVE : ha_index_refresh(group);
	owned(mem) bool *asks = NULL;
	CK_OBJECT_HANDLE *list;

	if (rv != CKR_OK)
		return rv;
	session->n_found = session->next_found = 0;
	pthread_rwlock_rdlock(&group->index_lock);
	list = mem_zalloc((group->n_objects + 1) * sizeof(*list));
	asks = mem_zalloc((group->n_objects + 1) * sizeof(*asks));
	for (size_t i = 0; list && asks && i < group->n_objects; i++) {
		const struct ha_object *object = &group->objects[i];

		if (object->record && matches(object, template, count, &asks[session->n_found]))
			list[session->n_found++] = ha_object_handle(group, object);
	}
	pthread_rwlock_unlock(&group->index_lock);
	if (!list || !asks) {
		free(list);
		return CKR_HOST_MEMORY;
	}
	session->found = list;
	session->finding = true;
	sift(session, asks, template, count);
	return CKR_OK;
}

CK_RV ha_find_next(struct ha_session *session, struct p11_call *call)
{
	CK_ULONG left = session->n_found - session->next_found, room = call->args[1].number;
	CK_ULONG count = left < room ? left : room;

	if (!session->finding)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (count)
		memcpy(call->args[1].out, session->found + session->next_found, count * sizeof(*session->found));
	session->next_found += count;
	*call->args[1].out_len = count;
	return CKR_OK;
}

CK_RV ha_find_end(struct ha_session *session, struct p11_call *call)
{
	(void)call;
	if (!session->finding)
		return CKR_OPERATION_NOT_INITIALIZED;
	free(session->found);
	session->found = NULL;
	session->finding = false;
	return CKR_OK;
}

struct key_use {
	CK_FLAGS use;
	CK_MECHANISM_TYPE mechanism;
	ha_looker look;
	void *data;
};

/* The record, whatever the members hold of it. */
static CK_RV look_at_key(void *data, const struct record *record, size_t part)
{
	const struct key_use *use = data;
	const struct p11_attrs *key = &record->objects[part];
	const struct p11_mech *row = p11_mech(use->mechanism);
	CK_RV rv = row && !p11_mech_takes(row, p11_object_of(key).type) ? CKR_KEY_TYPE_INCONSISTENT
									: p11_object_may_use(key, use->use, use->mechanism);

	return rv == CKR_OK ? use->look(use->data, record, part) : rv;
}

CK_RV ha_key_look(struct ha_group *group, CK_OBJECT_HANDLE key, CK_FLAGS use, CK_MECHANISM_TYPE mechanism, ha_looker look,
		  void *data)
{
	struct key_use how = {use, mechanism, look, data};
	CK_RV rv = ha_object_look(group, key, look_at_key, &how);

	/* Without a login there is only what is public. */
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return ha_logged_in(group) ? CKR_KEY_HANDLE_INVALID : CKR_USER_NOT_LOGGED_IN;
	return rv;
}

CK_RV ha_key_get(struct ha_group *group, CK_OBJECT_HANDLE key, CK_FLAGS use, CK_MECHANISM_TYPE mechanism,
		 struct record *ret, size_t *ret_part)
{
	struct ha_copy copy = {ret, ret_part};

	return ha_key_look(group, key, use, mechanism, ha_take_copy, &copy);
}

static CK_RV read_one(struct ha_session *session, CK_OBJECT_HANDLE object, const struct p11_attrs *attrs,
		      CK_ATTRIBUTE *value)
{
	CK_ULONG room = value->ulValueLen;
	CK_RV rv = p11_object_read(attrs, value);

	return rv == CKR_ATTRIBUTE_SENSITIVE && p11_object_reveals(attrs) ? ask_member(session, object, value, room) : rv;
}

/* PKCS#11 v3.0 section 5.7.5: each attribute by itself, the last code that is not CKR_OK at the end. */
CK_RV ha_get_attributes(struct ha_session *session, struct p11_call *call)
{
	owned(record) struct record record = {0};
	CK_ATTRIBUTE *values = call->args[2].out;
	size_t part = 0;
	CK_RV rv = ha_object_get(session->group, call->args[1].number, &record, &part);

	for (CK_ULONG i = 0; i < call->args[2].number && record.n_objects; i++) {
		CK_RV one = read_one(session, call->args[1].number, &record.objects[part], &values[i]);

		if (one != CKR_OK)
			rv = one;
	}
	return rv;
}

int ha_sites_open(struct ha_group *group, struct replica_sites *ret, struct err *err)
{
	int rc = replica_sites_open(group->set, ha_up(group), ret, err);

	for (size_t i = 0; rc == 0 && i < ret->count; i++)
		if (!ret->sites[i].channel && (ha_up(group) & 1u << i))
			ha_member_down(group, i, &ret->sites[i].err);
	return rc;
}

void ha_sites_close(struct ha_group *group, struct replica_sites *sites)
{
	uint32_t up = ha_up(group);

	for (size_t i = 0; i < sites->count; i++)
		if (!sites->sites[i].channel && (up & 1u << i))
			ha_member_down(group, i, &sites->sites[i].err);
	replica_sites_release(sites);
}

static CK_RV set_local(struct ha_session *session, const struct p11_call *call, struct record *record)
{
	struct err err = {0};

	if (p11_attrs_merge(&record->objects[0], call->args[2].in, call->args[2].number, &err) < 0)
		return p11_rv_from_err(&err);
	return ha_local_change(session, call->args[1].number, record, call);
}

/* The records of the group's objects are private: who did not log in writes none. */
static CK_RV check_login(const struct ha_group *group, bool local)
{
	return local || ha_logged_in(group) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

CK_RV ha_set_attributes(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	const CK_ATTRIBUTE *values = call->args[2].in;
	CK_ULONG count = call->args[2].number;
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	CK_OBJECT_HANDLE handles[2];
	bool local = ha_object_is_local(group, call->args[1].number);
	struct err err = {0};
	size_t part = 0;
	CK_RV rv;
	int rc;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, call->args[1].number, &record, &part);
	if (rv == CKR_OK)
		rv = check_login(group, local);
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = p11_object_may_set(&record.objects[part], &values[i]);
	if (rv == CKR_OK && local) {
		rv = set_local(session, call, &record);
	} else if (rv == CKR_OK) {
		rc = ha_sites_open(group, &sites, &err);
		if (rc == 0)
			rc = replica_set_attributes(&sites, &record, part, values, count, &err);
		ha_sites_close(group, &sites);
		rv = rc < 0 ? p11_rv_from_err(&err) : ha_index_put(group, &record, handles);
	}
	pthread_mutex_unlock(&group->write_lock);
	return rv;
}

/* The public half of a pair stays with the private one, which it proves; nobody sees it any more. */
static int hide_public(struct replica_sites *sites, struct record *record, struct err *err)
{
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE gone = {RECORD_GONE, &yes, sizeof(yes)};

	return replica_set_attributes(sites, record, 1, &gone, 1, err);
}

/* The public half goes on by itself, before the key is gone. */
static int destroy_private(struct replica_sites *sites, const struct record *record, struct record *ret_left, struct err *err)
{
	struct err ignored = {0};
	uint32_t mask;
	int rc = replica_keep(sites, &record->objects[1], ret_left, &mask, err);

	if (rc < 0)
		return rc;
	rc = replica_destroy(sites, record, NULL, err);
	if (rc < 0 && rc != -ERR_NOT_KNOWN)
		replica_destroy(sites, ret_left, NULL, &ignored);
	return rc;
}

/* The other half's handle, CK_INVALID_HANDLE when there is none. */
static CK_OBJECT_HANDLE public_half(struct ha_group *group, const struct record *record)
{
	return record->n_objects > 1 && !record_is_gone(record, 1) ? ha_index_find(group, record->uid, 1)
								   : CK_INVALID_HANDLE;
}

/* Of the group's object, on all members, and from the index. */
static CK_RV destroy_object(struct ha_group *group, struct record *record, size_t part)
{
	CK_OBJECT_HANDLE left = public_half(group, record), ignored[2];
	owned(record) struct record alone = {0};
	struct replica_sites sites = {0};
	struct err err = {0};
	CK_RV rv = CKR_OK;
	int rc = ha_sites_open(group, &sites, &err);

	if (rc == 0 && part)
		rc = hide_public(&sites, record, &err);
	else if (rc == 0 && left)
		rc = destroy_private(&sites, record, &alone, &err);
	else if (rc == 0)
		rc = replica_destroy(&sites, record, NULL, &err);
	ha_sites_close(group, &sites);
	if (rc < 0)
		return p11_rv_from_err(&err);
	if (part)
		return ha_index_put(group, record, ignored);
	if (left)
		rv = ha_index_move(group, left, &alone);
	ha_index_drop(group, record->uid);
	return rv;
}

CK_RV ha_destroy(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	owned(record) struct record record = {0};
	bool local = ha_object_is_local(group, call->args[1].number);
	size_t part = 0;
	CK_RV rv;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, call->args[1].number, &record, &part);
	if (rv == CKR_OK)
		rv = check_login(group, local);
	if (rv == CKR_OK && !p11_attrs_bool(&record.objects[part], CKA_DESTROYABLE, true))
		rv = CKR_ACTION_PROHIBITED;
	if (rv == CKR_OK && local)
		ha_local_destroy(group, call->args[1].number);
	else if (rv == CKR_OK)
		rv = destroy_object(group, &record, part);
	pthread_mutex_unlock(&group->write_lock);
	return rv;
}
