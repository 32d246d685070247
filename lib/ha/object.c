/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, reading and changing objects of a group. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "p11/rv.h"
#include "p11/template.h"
#include "replica/write.h"

CK_RV ha_find(struct ha_group *group, const CK_ATTRIBUTE *template, CK_ULONG count,
	      CK_OBJECT_HANDLE **ret, CK_ULONG *ret_count)
{
	CK_RV rv = ha_index_refresh(group);
	CK_OBJECT_HANDLE *list;
	CK_ULONG found = 0;

	if (rv != CKR_OK)
		return rv;
	pthread_rwlock_rdlock(&group->index_lock);
	list = mem_zalloc((group->n_objects + 1) * sizeof(*list));
	for (size_t i = 0; list && i < group->n_objects; i++) {
		const struct ha_object *object = &group->objects[i];

		if (object->record && p11_attrs_match(&object->record->objects[object->part], template, count))
			list[found++] = i + 1;
	}
	pthread_rwlock_unlock(&group->index_lock);
	*ret = list;
	*ret_count = found;
	return list ? CKR_OK : CKR_HOST_MEMORY;
}

/* Is it an attribute of such objects? */
static bool has(const struct p11_attrs *attrs, const struct p11_attr_info *info)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	if (!info || ((info->flags & P11_ON_RSA) && type != CKK_RSA) ||
	    ((info->flags & P11_ON_EC) && type != CKK_EC && type != CKK_EC_EDWARDS))
		return false;
	return (info->flags & (class == CKO_PUBLIC_KEY	  ? P11_ON_PUBLIC
				       : class == CKO_PRIVATE_KEY ? P11_ON_PRIVATE
				       : class == CKO_SECRET_KEY  ? P11_ON_SECRET
								  : 0));
}

/* What the record does not hold: a secret, a restriction that was not asked for, or nothing that there is. */
static CK_RV read_absent(const struct p11_attrs *attrs, CK_ATTRIBUTE *value)
{
	const struct p11_attr_info *info = p11_attr_info(value->type);
	bool there = has(attrs, info);

	value->ulValueLen = CK_UNAVAILABLE_INFORMATION;
	if (there && (info->flags & P11_SENSITIVE))
		return CKR_ATTRIBUTE_SENSITIVE;
	if (!there || (info->kind != P11_ATTR_ULONGS && info->kind != P11_ATTR_TEMPLATE && info->kind != P11_ATTR_DATE))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	value->ulValueLen = 0;
	return CKR_OK;
}

/* PKCS#11 v3.0 section 5.7.5: each attribute by itself, the last code that is not CKR_OK at the end. */
static CK_RV read_one(const struct record *record, size_t part, CK_ATTRIBUTE *value)
{
	const CK_ATTRIBUTE *at = p11_attrs_find(&record->objects[part], value->type);

	if (!at)
		return read_absent(&record->objects[part], value);
	if (p11_attr_is_nested(value->type))
		return p11_template_read(at, value);
	if (!value->pValue) {
		value->ulValueLen = at->ulValueLen;
		return CKR_OK;
	}
	if (value->ulValueLen < at->ulValueLen) {
		value->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	memcpy(value->pValue, at->pValue, at->ulValueLen);
	value->ulValueLen = at->ulValueLen;
	return CKR_OK;
}

CK_RV ha_get_attributes(struct ha_group *group, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *values, CK_ULONG count)
{
	owned(record) struct record record = {0};
	size_t part = 0;
	CK_RV rv = ha_object_get(group, object, &record, &part);

	for (CK_ULONG i = 0; i < count && record.n_objects; i++) {
		CK_RV one = read_one(&record, part, &values[i]);

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

CK_RV ha_generate(struct ha_group *group, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *public_t, CK_ULONG public_n,
		  const CK_ATTRIBUTE *private_t, CK_ULONG private_n, CK_OBJECT_HANDLE *ret_public,
		  CK_OBJECT_HANDLE *ret_private)
{
	owned(key_request) struct key_request request = {.mechanism = *mechanism, .n_templates = public_t ? 2 : 1};
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	CK_OBJECT_HANDLE handles[2] = {0};
	struct err err = {0};
	uint32_t mask;
	CK_RV rv = check_generate(group, mechanism, public_t ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE);
	int rc;

	if (rv != CKR_OK)
		return rv;
	rc = p11_attrs_merge(&request.templates[0], private_t, private_n, &err);
	if (rc == 0 && public_t)
		rc = p11_attrs_merge(&request.templates[1], public_t, public_n, &err);
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
	*ret_private = handles[0];
	if (public_t)
		*ret_public = handles[1];
	return CKR_OK;
}

/* Only the safe way: sensitive, and wrapped by trusted keys alone, become true, extractable becomes false. */
static CK_RV may_tighten(const CK_ATTRIBUTE *value)
{
	bool wanted = value->ulValueLen == 1 && *(CK_BBOOL *)value->pValue;

	return wanted == (value->type != CKA_EXTRACTABLE) ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY;
}

/* What an application may set, and when (PKCS#11 v3.0 section 4.1.2, table 10). */
static CK_RV may_set(const struct record *record, size_t part, const CK_ATTRIBUTE *value)
{
	static const CK_ATTRIBUTE_TYPE settable[] = {
		CKA_LABEL, CKA_ID, CKA_SUBJECT, CKA_START_DATE, CKA_END_DATE, CKA_DERIVE, CKA_ENCRYPT, CKA_DECRYPT,
		CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER};
	const struct p11_attrs *attrs = &record->objects[part];

	if (!p11_attrs_bool(attrs, CKA_MODIFIABLE, true))
		return CKR_ACTION_PROHIBITED;
	if (!has(attrs, p11_attr_info(value->type)))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (value->type == CKA_SENSITIVE || value->type == CKA_EXTRACTABLE || value->type == CKA_WRAP_WITH_TRUSTED)
		return may_tighten(value);
	for (size_t i = 0; i < sizeof(settable) / sizeof(settable[0]); i++)
		if (settable[i] == value->type)
			return CKR_OK;
	return CKR_ATTRIBUTE_READ_ONLY;
}

CK_RV ha_set_attributes(struct ha_group *group, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *values, CK_ULONG count)
{
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	CK_OBJECT_HANDLE handles[2];
	struct err err = {0};
	size_t part = 0;
	CK_RV rv;
	int rc;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, object, &record, &part);
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = may_set(&record, part, &values[i]);
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

CK_RV ha_destroy(struct ha_group *group, CK_OBJECT_HANDLE object)
{
	owned(record) struct record record = {0};
	struct replica_sites sites = {0};
	struct err err = {0};
	size_t part = 0;
	CK_RV rv;
	int rc;

	pthread_mutex_lock(&group->write_lock);
	rv = ha_object_get(group, object, &record, &part);
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
