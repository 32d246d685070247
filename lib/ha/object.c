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

CK_RV ha_find_begin(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	const CK_ATTRIBUTE *template = call->args[1].in;
	CK_ULONG count = call->args[1].number;
	CK_RV rv = session->finding ? CKR_OPERATION_ACTIVE : ha_index_refresh(group);
	CK_OBJECT_HANDLE *list;

	if (rv != CKR_OK)
		return rv;
	session->n_found = session->next_found = 0;
	pthread_rwlock_rdlock(&group->index_lock);
	list = mem_zalloc((group->n_objects + 1) * sizeof(*list));
	for (size_t i = 0; list && i < group->n_objects; i++) {
		const struct ha_object *object = &group->objects[i];

		if (object->record && p11_attrs_match(&object->record->objects[object->part], template, count))
			list[session->n_found++] = i + 1;
	}
	pthread_rwlock_unlock(&group->index_lock);
	session->found = list;
	session->finding = list != NULL;
	return list ? CKR_OK : CKR_HOST_MEMORY;
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

/* PKCS#11 v3.0 section 5.7.5: each attribute by itself, the last code that is not CKR_OK at the end. */
CK_RV ha_get_attributes(struct ha_session *session, struct p11_call *call)
{
	owned(record) struct record record = {0};
	CK_ATTRIBUTE *values = call->args[2].out;
	size_t part = 0;
	CK_RV rv = ha_object_get(session->group, call->args[1].number, &record, &part);

	for (CK_ULONG i = 0; i < call->args[2].number && record.n_objects; i++) {
		CK_RV one = p11_object_read(&record.objects[part], &values[i]);

		if (one != CKR_OK)
			rv = one;
	}
	return rv;
}

/* Sites of the members that are up, and members that fell away afterwards. */
static int open_sites(struct ha_group *group, struct replica_sites *ret, struct err *err)
{
	int rc = replica_sites_open(group->set, ha_up(group), ret, err);

	for (size_t i = 0; rc == 0 && i < ret->count; i++)
		if (!ret->sites[i].channel && (ha_up(group) & 1u << i))
			ha_member_down(group, i, &ret->sites[i].err);
	return rc;
}

static void close_sites(struct ha_group *group, struct replica_sites *sites)
{
	uint32_t up = ha_up(group);

	for (size_t i = 0; i < sites->count; i++)
		if (!sites->sites[i].channel && (up & 1u << i))
			ha_member_down(group, i, &sites->sites[i].err);
	replica_sites_release(sites);
}

/* Before anything is written anywhere. */
static CK_RV check_generate(const struct ha_group *group, const CK_MECHANISM *mechanism, CK_FLAGS use)
{
	const struct p11_mech *mech = p11_mech(mechanism->mechanism);

	if (!ha_logged_in(group))
		return CKR_USER_NOT_LOGGED_IN;
	return mech && (mech->use & use) ? p11_mechanism_check(mechanism) : CKR_MECHANISM_INVALID;
}

/* What is to be made: private or secret half first, whatever the order of the call. */
static int read_request(const struct p11_call *call, struct key_request *ret, struct err *err)
{
	bool pair = call->fn == P11_C_GenerateKeyPair;
	const struct p11_arg *first = &call->args[pair ? 3 : 2], *second = &call->args[2];
	int rc = p11_attrs_merge(&ret->templates[0], first->in, first->number, err);

	ret->mechanism = *(const CK_MECHANISM *)call->args[1].in;
	ret->n_templates = pair ? 2 : 1;
	return rc < 0 || !pair ? rc : p11_attrs_merge(&ret->templates[1], second->in, second->number, err);
}

CK_RV ha_generate(struct ha_session *session, struct p11_call *call)
{
	bool pair = call->fn == P11_C_GenerateKeyPair;
	struct ha_group *group = session->group;
	owned(key_request) struct key_request request = {0};
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	CK_OBJECT_HANDLE handles[2] = {0};
	struct err err = {0};
	uint32_t mask;
	CK_RV rv = check_generate(group, call->args[1].in, pair ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE);
	int rc;

	if (rv != CKR_OK)
		return rv;
	rc = read_request(call, &request, &err);
	pthread_mutex_lock(&group->write_lock);
	if (rc == 0)
		rc = open_sites(group, &sites, &err);
	if (rc == 0)
		rc = replica_generate(&sites, &request, &record, &mask, &err);
	close_sites(group, &sites);
	rv = rc < 0 ? p11_rv_from_err(&err) : ha_index_put(group, &record, handles);
	pthread_mutex_unlock(&group->write_lock);
	if (rv != CKR_OK)
		return rv;
	*(CK_OBJECT_HANDLE *)call->args[pair ? 5 : 3].out = handles[0];
	if (pair)
		*(CK_OBJECT_HANDLE *)call->args[4].out = handles[1];
	return CKR_OK;
}

CK_RV ha_set_attributes(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	const CK_ATTRIBUTE *values = call->args[2].in;
	CK_ULONG count = call->args[2].number;
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	CK_OBJECT_HANDLE handles[2];
	struct err err = {0};
	size_t part = 0;
	CK_RV rv;
	int rc;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, call->args[1].number, &record, &part);
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = p11_object_may_set(&record.objects[part], &values[i]);
	if (rv == CKR_OK) {
		rc = open_sites(group, &sites, &err);
		if (rc == 0)
			rc = replica_set_attributes(&sites, &record, part, values, count, &err);
		close_sites(group, &sites);
		rv = rc < 0 ? p11_rv_from_err(&err) : ha_index_put(group, &record, handles);
	}
	pthread_mutex_unlock(&group->write_lock);
	return rv;
}

CK_RV ha_destroy(struct ha_session *session, struct p11_call *call)
{
	struct ha_group *group = session->group;
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	struct err err = {0};
	size_t part = 0;
	CK_RV rv;
	int rc;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, call->args[1].number, &record, &part);
	/* Both halves go, or none. */
	if (rv == CKR_OK && (part || !key_is_destroyable(&record)))
		rv = CKR_ACTION_PROHIBITED;
	if (rv == CKR_OK) {
		rc = open_sites(group, &sites, &err);
		if (rc == 0)
			rc = replica_destroy(&sites, &record, NULL, &err);
		close_sites(group, &sites);
		rv = rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
		if (rc == 0)
			ha_index_drop(group, record.uid);
	}
	pthread_mutex_unlock(&group->write_lock);
	return rv;
}
