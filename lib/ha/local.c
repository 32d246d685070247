/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that members have only while they are used: sessions' own ones, and those that are all in their record.
 *
 * A session's own key is kept wrapped under the group's domain key, beside its record, and made on a member when that is
 * asked to use it: so it outlives the member that made it. To the member it is a session object of this process.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"
#include "replica/key.h"

void ha_local_free(struct ha_local *local)
{
	if (!local)
		return;
	free(local->blob);
	free(local);
}

/* ---- a member ---- */

static void know_domain(struct ha_group *group, size_t member, struct ha_handle handle)
{
	pthread_rwlock_wrlock(&group->index_lock);
	group->domain[member] = handle;
	pthread_rwlock_unlock(&group->index_lock);
}

int ha_site(struct ha_group *group, struct member_channel *channel, struct replica_site *ret, struct err *err)
{
	size_t member = ha_member_of(group, channel);
	struct ha_handle known;
	int rc;

	*ret = (struct replica_site){.of = &group->set->members[member], .channel = channel};
	/* It is private: who did not log in has none. */
	if (!ha_logged_in(group))
		return 0;
	pthread_rwlock_rdlock(&group->index_lock);
	known = group->domain[member];
	pthread_rwlock_unlock(&group->index_lock);
	if (!known.handle || known.epoch != member_epoch(channel)) {
		known = (struct ha_handle){.epoch = member_epoch(channel)};
		rc = domain_find(channel, group->set->domain_id, &known.handle, err);
		if (rc < 0 && rc != -ERR_NOT_FOUND)
			return rc;
		know_domain(group, member, known);
	}
	ret->domain = known.handle;
	return 0;
}

int ha_site_again(struct ha_group *group, struct replica_site *site, struct err *err)
{
	know_domain(group, site->of->index, (struct ha_handle){0});
	return ha_site(group, site->channel, site, err);
}

/* ---- making it there ---- */

/* What is to be made, taken out of the index. */
struct original {
	struct record record;
	size_t part;
	uint8_t *blob;
	CK_ULONG blob_len;
};

static void original_release(struct original *original)
{
	record_release(&original->record);
	free(original->blob);
}
OWN_DEFINE_RELEASE(original)

static CK_RV look_at(struct ha_group *group, CK_OBJECT_HANDLE object, struct original *ret)
{
	const struct ha_object *o;
	const struct ha_local *local;
	struct err err;
	CK_RV rv = CKR_KEY_HANDLE_INVALID;

	pthread_rwlock_rdlock(&group->index_lock);
	o = ha_object_at(group, object);
	if (o) {
		local = o->local;
		ret->part = o->part;
		rv = record_copy(o->record, &ret->record, &err) < 0 ? CKR_HOST_MEMORY : CKR_OK;
		if (rv == CKR_OK && local && local->blob) {
			ret->blob = mem_dup(local->blob, local->blob_len);
			ret->blob_len = local->blob_len;
			rv = ret->blob ? CKR_OK : CKR_HOST_MEMORY;
		}
	}
	pthread_rwlock_unlock(&group->index_lock);
	return rv;
}

static int make_there(const struct original *original, struct replica_site *site, CK_OBJECT_HANDLE *ret, struct err *err)
{
	owned(p11_attrs) struct p11_attrs template = {0};
	struct p11_call call;
	int rc = key_replica_template(&original->record, original->part, &template, err);

	if (rc == 0)
		rc = p11_attrs_set_bool(&template, CKA_TOKEN, false, err);
	if (rc == 0 && site->domain)
		rc = key_leave_out(site->channel, site->domain, &site->of->holds, &template, err);
	if (rc < 0)
		return rc;
	if (original->blob)
		return domain_unwrap(site, original->blob, original->blob_len, template.items, template.count, ret, err);
	call = p11_C_CreateObject(member_session(site->channel), template.items, template.count, ret);
	return member_run(site->channel, &call, 1, err);
}

CK_RV ha_local_make(struct ha_group *group, CK_OBJECT_HANDLE object, struct member_channel *channel, CK_OBJECT_HANDLE *ret,
		    struct err *err)
{
	owned(original) struct original original = {0};
	struct replica_site site;
	CK_RV rv = look_at(group, object, &original);
	int rc;

	if (rv != CKR_OK)
		return rv;
	/* Nobody but the one who made it has it. */
	if (!original.blob && !record_is_all(&original.record))
		return CKR_KEY_HANDLE_INVALID;
	rc = ha_site(group, channel, &site, err);
	if (rc == 0)
		rc = make_there(&original, &site, ret, err);
	if (ha_lacks_object(rc, err)) {
		rc = ha_site_again(group, &site, err);
		if (rc == 0)
			rc = make_there(&original, &site, ret, err);
	}
	if (rc == 0) {
		ha_object_is_at(group, object, channel, *ret);
		return CKR_OK;
	}
	if (member_broken(channel))
		return CKR_DEVICE_REMOVED;
	/* The member's own word: another one may take it. Without a domain key, or a login that shows it, nobody has the key. */
	rv = rc == -ERR_UNSUPPORTED ? CKR_KEY_HANDLE_INVALID : p11_rv_from_err(err);
	*err = (struct err){0};
	return rv;
}

uint32_t ha_local_where(struct ha_group *group, CK_OBJECT_HANDLE object)
{
	const struct ha_object *o;
	uint32_t mask = 0;

	pthread_rwlock_rdlock(&group->index_lock);
	o = ha_object_at(group, object);
	for (size_t i = 0; o && o->local && i < group->set->n_members; i++)
		mask |= o->at[i].handle ? 1u << i : 0;
	pthread_rwlock_unlock(&group->index_lock);
	return mask;
}

/* ---- its end ---- */

static int leave_member(struct ha_group *group, size_t member, const struct ha_handle *there, struct err *err)
{
	struct member_channel *channel = NULL;
	struct p11_call call;
	int rc = ha_acquire(group, member, false, &channel, err);

	if (rc == 0 && member_epoch(channel) == there->epoch) {
		call = p11_C_DestroyObject(member_session(channel), there->handle);
		rc = member_call(channel, &call, 1, NULL, err);
	}
	member_release(channel);
	return rc;
}

/* From members that answer: whoever does not has lost it, or loses it with this process. */
static void leave_members(struct ha_group *group, const struct ha_handle at[static SET_MAX])
{
	uint32_t up = ha_up(group);

	for (size_t i = 0; i < group->set->n_members; i++) {
		struct err why = {0};

		if (!at[i].handle || !(up & 1u << i) || leave_member(group, i, &at[i], &why) == 0)
			continue;
		/* The next object does not wait for it again. */
		if (why.code != ERR_NO_MEMORY && !p11_err_busy(&why))
			ha_member_down(group, i, &why);
	}
}

/* Out of the index; where members have it. */
static bool take_out(struct ha_group *group, CK_OBJECT_HANDLE object, struct ha_handle ret[static SET_MAX])
{
	struct ha_object *o;
	bool own;

	pthread_rwlock_wrlock(&group->index_lock);
	o = ha_object_at(group, object);
	own = o && o->local;
	if (own) {
		memcpy(ret, o->at, sizeof(o->at));
		ha_index_drop_local(group, o);
	}
	pthread_rwlock_unlock(&group->index_lock);
	return own;
}

void ha_local_destroy(struct ha_group *group, CK_OBJECT_HANDLE object)
{
	struct ha_handle at[SET_MAX];

	if (take_out(group, object, at))
		leave_members(group, at);
}

/* One of a session. */
static CK_OBJECT_HANDLE one_of(const struct ha_session *session)
{
	struct ha_group *group = session->group;
	CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;

	pthread_rwlock_rdlock(&group->index_lock);
	for (size_t i = 0; i < group->n_objects && !found; i++)
		if (group->objects[i].local && group->objects[i].local->owner == session)
			found = ha_object_handle(group, &group->objects[i]);
	pthread_rwlock_unlock(&group->index_lock);
	return found;
}

void ha_local_end(struct ha_session *session)
{
	CK_OBJECT_HANDLE object;

	while (session->has_objects && (object = one_of(session)))
		ha_local_destroy(session->group, object);
}

/* ---- login and logout ---- */

static bool is_public(const struct ha_object *object)
{
	return object->local && !p11_attrs_bool(&object->record->objects[object->part], CKA_PRIVATE, true);
}

/* Which members have public ones; *ret_private: one that is not. */
static uint32_t who_has_public(struct ha_group *group, CK_OBJECT_HANDLE *ret_private)
{
	uint32_t mask = 0;

	*ret_private = CK_INVALID_HANDLE;
	pthread_rwlock_rdlock(&group->index_lock);
	for (size_t i = 0; i < group->n_objects; i++) {
		const struct ha_object *object = &group->objects[i];

		for (size_t m = 0; is_public(object) && m < group->set->n_members; m++)
			mask |= object->at[m].handle ? 1u << m : 0;
		if (object->local && !is_public(object))
			*ret_private = ha_object_handle(group, object);
	}
	pthread_rwlock_unlock(&group->index_lock);
	return mask;
}

void ha_local_hold(struct ha_group *group, bool logs_out, struct member_channel *ret[static SET_MAX])
{
	CK_OBJECT_HANDLE private;
	uint32_t mask = who_has_public(group, &private) & ha_up(group);

	while (mask && logs_out && private) {
		ha_local_destroy(group, private);
		who_has_public(group, &private);
	}
	for (size_t i = 0; i < group->set->n_members; i++)
		if (mask & 1u << i)
			ha_acquire(group, i, false, &ret[i], NULL);
}

void ha_local_let_go(struct ha_group *group, struct member_channel *held[static SET_MAX])
{
	for (size_t i = 0; i < group->set->n_members; i++) {
		struct member_channel *next = NULL;

		if (held[i])
			ha_acquire(group, i, false, &next, NULL);
		member_release(next);
		member_release(held[i]);
	}
}

/* ---- changes ---- */

CK_RV ha_local_change(struct ha_session *session, CK_OBJECT_HANDLE object, struct record *record,
		      const struct p11_call *call)
{
	struct ha_group *group = session->group;
	struct ha_handle at[SET_MAX] = {0};
	struct p11_call there = *call;
	struct ha_object *o;
	bool again = false;

	pthread_rwlock_wrlock(&group->index_lock);
	o = ha_object_at(group, object);
	if (o) {
		struct record before = *o->record;

		*o->record = *record;
		*record = before;
		again = o->local->blob || record_is_all(o->record);
	}
	if (again) {
		memcpy(at, o->at, sizeof(at));
		memset(o->at, 0, sizeof(o->at));
	}
	pthread_rwlock_unlock(&group->index_lock);
	if (!o)
		return CKR_OBJECT_HANDLE_INVALID;
	leave_members(group, at);
	return again ? CKR_OK : ha_send(group, &there, 1, NULL);
}
