/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a group: uid and part to handle, handle to each member's handle. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"

static void object_clear(struct ha_object *object)
{
	if (object->record)
		record_release(object->record);
	free(object->record);
	object->record = NULL;
	ha_local_free(object->local);
	object->local = NULL;
}

/* Does it stay when the user logs out? The group's records of keys are private, those of public objects are not. */
static bool outlives_login(const struct ha_object *object)
{
	if (!object->local)
		return object->record && record_is_public(object->record);
	return !p11_attrs_bool(&object->record->objects[object->part], CKA_PRIVATE, true);
}

void ha_index_clear(struct ha_group *group)
{
	pthread_rwlock_wrlock(&group->index_lock);
	for (size_t i = 0; i < group->n_objects; i++) {
		struct ha_object *object = &group->objects[i];

		if (object->local && !outlives_login(object))
			ha_index_drop_local(group, object);
		else if (!object->own && !outlives_login(object))
			object_clear(object);
	}
	pthread_rwlock_unlock(&group->index_lock);
	pthread_mutex_lock(&group->refresh_lock);
	memset(group->index_changes, 0, sizeof(group->index_changes));
	group->public_changes = 0;
	pthread_mutex_unlock(&group->refresh_lock);
}

void ha_index_free(struct ha_group *group)
{
	for (size_t i = 0; i < group->n_objects; i++)
		object_clear(&group->objects[i]);
	free(group->objects);
	free(group->free_places);
	free(group->dead);
	free(group->cells);
}

enum { LIFE_SHIFT = 32 };

struct ha_object *ha_object_at(struct ha_group *group, CK_OBJECT_HANDLE handle)
{
	CK_OBJECT_HANDLE place = handle & (((CK_OBJECT_HANDLE)1 << LIFE_SHIFT) - 1);
	struct ha_object *object = place >= 1 && place <= group->n_objects ? &group->objects[place - 1] : NULL;

	return object && object->record && object->life == handle >> LIFE_SHIFT ? object : NULL;
}

CK_OBJECT_HANDLE ha_object_handle(const struct ha_group *group, const struct ha_object *object)
{
	return ((CK_OBJECT_HANDLE)object->life << LIFE_SHIFT) + (CK_OBJECT_HANDLE)(object - group->objects) + 1;
}

/* Where an object's place stands, or would stand, in the map: a power of two of
 * cells, at most half of them taken, each 0 or a handle. Uids are random. */
static size_t cell_of(const struct ha_group *group, const uint8_t *uid, size_t part)
{
	uint64_t hash;
	size_t cell;

	memcpy(&hash, uid, sizeof(hash));
	for (cell = (hash + part) & (group->n_cells - 1); group->cells[cell]; cell = (cell + 1) & (group->n_cells - 1)) {
		const struct ha_object *object = &group->objects[group->cells[cell] - 1];

		if (object->part == part && memcmp(object->uid, uid, UID_LEN) == 0)
			break;
	}
	return cell;
}

static struct ha_object *find_object(struct ha_group *group, const uint8_t *uid, size_t part)
{
	size_t cell = group->n_cells ? cell_of(group, uid, part) : 0;

	return group->n_cells && group->cells[cell] ? &group->objects[group->cells[cell] - 1] : NULL;
}

static void map_all(struct ha_group *group)
{
	memset(group->cells, 0, group->n_cells * sizeof(*group->cells));
	for (size_t i = 0; i < group->n_objects; i++)
		if (!group->objects[i].own)
			group->cells[cell_of(group, group->objects[i].uid, group->objects[i].part)] = i + 1;
}

/* Room for one more object, in the list and in the map, and for its place when it is free. */
static bool grow(struct ha_group *group)
{
	size_t cap = group->cap_objects ? group->cap_objects * 2 : 64;
	struct ha_object *objects;
	CK_OBJECT_HANDLE *cells;
	size_t *places;

	if (group->n_objects < group->cap_objects)
		return true;
	places = mem_grow(group->free_places, group->cap_objects, cap, sizeof(*places));
	group->free_places = places ? places : group->free_places;
	cells = places ? mem_zalloc(2 * cap * sizeof(*cells)) : NULL;
	objects = cells ? mem_grow(group->objects, group->cap_objects, cap, sizeof(*objects)) : NULL;
	if (!objects) {
		free(cells);
		return false;
	}
	free(group->cells);
	group->cells = cells;
	group->n_cells = 2 * cap;
	group->objects = objects;
	group->cap_objects = cap;
	map_all(group);
	return true;
}

static struct ha_object *add_object(struct ha_group *group, const uint8_t *uid, size_t part)
{
	struct ha_object *object;

	if (!grow(group))
		return NULL;
	object = &group->objects[group->n_objects];
	*object = (struct ha_object){.part = part};
	memcpy(object->uid, uid, UID_LEN);
	group->cells[cell_of(group, uid, part)] = ++group->n_objects;
	return object;
}

/* With the lock held for writing. handles may be NULL. */
static int put(struct ha_group *group, const struct record *record, CK_OBJECT_HANDLE *handles, struct err *err)
{
	for (size_t part = 0; part < record->n_objects; part++) {
		struct ha_object *object = find_object(group, record->uid, part);
		struct record *copy;
		int rc;

		/* Not there for the application, or not known to those who did not log in. */
		if (record_is_gone(record, part) || !record->objects[part].count) {
			if (object)
				object_clear(object);
			continue;
		}
		copy = mem_new(struct record);
		rc = copy ? record_copy(record, copy, err) : err_no_memory(err);

		if (rc == 0 && !object)
			object = add_object(group, record->uid, part);
		if (rc < 0 || !object) {
			if (copy)
				record_release(copy);
			free(copy);
			return err_no_memory(err);
		}
		object_clear(object);
		object->record = copy;
		if (handles)
			handles[part] = ha_object_handle(group, object);
	}
	return 0;
}

CK_RV ha_index_move(struct ha_group *group, CK_OBJECT_HANDLE handle, const struct record *record)
{
	CK_OBJECT_HANDLE ignored[2];
	struct ha_object *object;
	struct err err;
	int rc = 0;

	pthread_rwlock_wrlock(&group->index_lock);
	group->index_writes++;
	object = ha_object_at(group, handle);
	if (object) {
		memcpy(object->uid, record->uid, UID_LEN);
		object->part = 0;
		memset(object->at, 0, sizeof(object->at));
		map_all(group);
	}
	rc = put(group, record, ignored, &err);
	pthread_rwlock_unlock(&group->index_lock);
	return rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
}

CK_RV ha_index_put(struct ha_group *group, const struct record *record, CK_OBJECT_HANDLE ret[static 2])
{
	struct err err;
	int rc;

	pthread_rwlock_wrlock(&group->index_lock);
	group->index_writes++;
	rc = put(group, record, ret, &err);
	pthread_rwlock_unlock(&group->index_lock);
	return rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
}

/* ---- sessions' own objects: in no map, nobody but their handles leads to them ---- */

/* A place that one of them had, or a new one. */
static struct ha_object *take_place(struct ha_group *group)
{
	struct ha_object *object;

	if (group->n_free)
		return &group->objects[group->free_places[--group->n_free]];
	if (!grow(group))
		return NULL;
	object = &group->objects[group->n_objects++];
	*object = (struct ha_object){.own = true};
	return object;
}

CK_RV ha_index_put_local(struct ha_group *group, const struct record *record, struct ha_local *local,
			 CK_OBJECT_HANDLE *ret)
{
	struct record *copy = mem_new(struct record);
	int rc = copy ? record_copy(record, copy, NULL) : -ERR_NO_MEMORY;
	struct ha_object *object;

	pthread_rwlock_wrlock(&group->index_lock);
	object = rc == 0 ? take_place(group) : NULL;
	if (object) {
		memcpy(object->uid, record->uid, UID_LEN);
		object->record = copy;
		object->local = local;
		*ret = ha_object_handle(group, object);
	}
	pthread_rwlock_unlock(&group->index_lock);
	if (object)
		return CKR_OK;
	if (rc == 0)
		record_release(copy);
	free(copy);
	ha_local_free(local);
	return CKR_HOST_MEMORY;
}

void ha_index_drop_local(struct ha_group *group, struct ha_object *object)
{
	object_clear(object);
	memset(object->at, 0, sizeof(object->at));
	object->life++;
	group->free_places[group->n_free++] = (size_t)(object - group->objects);
}

/* ---- deleted keys ---- */

static int by_uid(const void *a, const void *b)
{
	return memcmp(a, b, UID_LEN);
}

/* With the lock held. */
static bool is_dead(const struct ha_group *group, const uint8_t *uid)
{
	return group->n_dead && bsearch(uid, group->dead, group->n_dead, UID_LEN, by_uid);
}

/* With the lock held for writing. What was deleted once is not believed to live, whoever says so: the only member that can
 * be reached may be the one that missed it. */
static int bury(struct ha_group *group, const uint8_t *uid, struct err *err)
{
	size_t at = 0, end = group->n_dead;

	while (at < end) {
		size_t middle = at + (end - at) / 2;
		int order = by_uid(group->dead + middle * UID_LEN, uid);

		if (order == 0)
			return 0;
		if (order < 0)
			at = middle + 1;
		else
			end = middle;
	}
	if (group->n_dead == group->cap_dead) {
		size_t cap = group->cap_dead ? group->cap_dead * 2 : 64;
		uint8_t *grown = mem_grow(group->dead, group->cap_dead, cap, UID_LEN);

		if (!grown)
			return err_no_memory(err);
		group->dead = grown;
		group->cap_dead = cap;
	}
	memmove(group->dead + (at + 1) * UID_LEN, group->dead + at * UID_LEN, (group->n_dead - at) * UID_LEN);
	memcpy(group->dead + at * UID_LEN, uid, UID_LEN);
	group->n_dead++;
	return 0;
}

void ha_index_drop(struct ha_group *group, const uint8_t uid[static UID_LEN])
{
	pthread_rwlock_wrlock(&group->index_lock);
	group->index_writes++;
	for (size_t i = 0; i < group->n_objects; i++)
		if (memcmp(group->objects[i].uid, uid, UID_LEN) == 0)
			object_clear(&group->objects[i]);
	bury(group, uid, NULL);
	pthread_rwlock_unlock(&group->index_lock);
}

/* ---- what was read ---- */

static int by_uid_then_newest(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = memcmp(x->uid, y->uid, UID_LEN);

	if (order)
		return order;
	return record_newer(x, y) ? -1 : record_newer(y, x) ? 1 : 0;
}

uint64_t ha_index_writes(struct ha_group *group)
{
	uint64_t writes;

	pthread_rwlock_rdlock(&group->index_lock);
	writes = group->index_writes;
	pthread_rwlock_unlock(&group->index_lock);
	return writes;
}

int ha_index_take_over(struct ha_group *group, struct record *records, size_t count, uint64_t writes, bool logged_in,
		       struct err *err)
{
	int rc = 0;

	if (count)
		qsort(records, count, sizeof(*records), by_uid_then_newest);
	pthread_rwlock_wrlock(&group->index_lock);
	if (group->index_writes != writes || ha_logged_in(group) != logged_in) {
		pthread_rwlock_unlock(&group->index_lock);
		return 0;
	}
	for (size_t i = 0; i < group->n_objects; i++)
		if (!group->objects[i].local)
			object_clear(&group->objects[i]);
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct record *r = &records[i];

		if (i > 0 && memcmp(r->uid, records[i - 1].uid, UID_LEN) == 0)
			continue;
		if (r->state == RECORD_DELETED)
			rc = bury(group, r->uid, err);
		else if (r->state == RECORD_LIVE && !is_dead(group, r->uid))
			rc = put(group, r, NULL, err);
	}
	pthread_rwlock_unlock(&group->index_lock);
	return rc < 0 ? rc : 1;
}

CK_RV ha_object_look(struct ha_group *group, CK_OBJECT_HANDLE handle, ha_looker look, void *data)
{
	const struct ha_object *object;
	CK_RV rv;

	pthread_rwlock_rdlock(&group->index_lock);
	object = ha_object_at(group, handle);
	rv = object ? look(data, object->record, object->part) : CKR_OBJECT_HANDLE_INVALID;
	pthread_rwlock_unlock(&group->index_lock);
	return rv;
}

CK_RV ha_take_copy(void *data, const struct record *record, size_t part)
{
	const struct ha_copy *copy = data;
	struct err err;

	*copy->part = part;
	return record_copy(record, copy->record, &err) < 0 ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV ha_object_get(struct ha_group *group, CK_OBJECT_HANDLE handle, struct record *ret, size_t *ret_part)
{
	struct ha_copy copy = {ret, ret_part};

	return ha_object_look(group, handle, ha_take_copy, &copy);
}

CK_OBJECT_HANDLE ha_index_find(struct ha_group *group, const uint8_t uid[static UID_LEN], size_t part)
{
	const struct ha_object *object;
	CK_OBJECT_HANDLE handle;

	pthread_rwlock_rdlock(&group->index_lock);
	object = find_object(group, uid, part);
	handle = object && object->record ? ha_object_handle(group, object) : CK_INVALID_HANDLE;
	pthread_rwlock_unlock(&group->index_lock);
	return handle;
}

bool ha_object_is_there(struct ha_group *group, CK_OBJECT_HANDLE handle)
{
	bool is;

	pthread_rwlock_rdlock(&group->index_lock);
	is = ha_object_at(group, handle);
	pthread_rwlock_unlock(&group->index_lock);
	return is;
}

bool ha_object_is_local(struct ha_group *group, CK_OBJECT_HANDLE handle)
{
	const struct ha_object *object;
	bool is;

	pthread_rwlock_rdlock(&group->index_lock);
	object = ha_object_at(group, handle);
	is = object && object->local;
	pthread_rwlock_unlock(&group->index_lock);
	return is;
}

/* ---- each member's handles ---- */

static int look_up(struct member_channel *channel, const uint8_t *uid, CK_OBJECT_CLASS class,
		   CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_ID, (void *)uid, UID_LEN},
		{CKA_TOKEN, &yes, sizeof(yes)},
	};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;
	int rc = member_find(channel, template, 3, &list, &count, err);

	*ret = rc == 0 && count ? list[0] : CK_INVALID_HANDLE;
	return rc;
}

CK_RV ha_resolve(struct ha_group *group, CK_OBJECT_HANDLE handle, size_t member, struct member_channel *channel,
		 CK_OBJECT_HANDLE *ret, struct err *err)
{
	uint8_t uid[UID_LEN];
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	struct ha_handle known = {0};
	struct ha_object *object;
	bool made;

	pthread_rwlock_rdlock(&group->index_lock);
	object = ha_object_at(group, handle);
	if (!object) {
		pthread_rwlock_unlock(&group->index_lock);
		return CKR_KEY_HANDLE_INVALID;
	}
	memcpy(uid, object->uid, UID_LEN);
	class = p11_attrs_ulong(&object->record->objects[object->part], CKA_CLASS, class);
	known = object->at[member];
	made = object->local || record_is_all(object->record);
	pthread_rwlock_unlock(&group->index_lock);
	if (known.handle && known.epoch == member_epoch(channel)) {
		*ret = known.handle;
		return CKR_OK;
	}
	if (made)
		return ha_local_make(group, handle, channel, ret, err);
	if (look_up(channel, uid, class, ret, err) < 0)
		return CKR_DEVICE_REMOVED;
	if (*ret == CK_INVALID_HANDLE)
		return CKR_KEY_HANDLE_INVALID;
	ha_object_is_at(group, handle, channel, *ret);
	return CKR_OK;
}

void ha_object_is_at(struct ha_group *group, CK_OBJECT_HANDLE handle, struct member_channel *channel, CK_OBJECT_HANDLE there)
{
	struct ha_object *object;

	pthread_rwlock_wrlock(&group->index_lock);
	object = ha_object_at(group, handle);
	if (object)
		object->at[ha_member_of(group, channel)] = (struct ha_handle){member_epoch(channel), there};
	pthread_rwlock_unlock(&group->index_lock);
}

void ha_forget_handle(struct ha_group *group, CK_OBJECT_HANDLE handle, size_t member)
{
	struct ha_object *object;

	pthread_rwlock_wrlock(&group->index_lock);
	object = ha_object_at(group, handle);
	if (object)
		object->at[member].handle = CK_INVALID_HANDLE;
	pthread_rwlock_unlock(&group->index_lock);
}
