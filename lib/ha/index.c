/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a group: uid and part to handle, handle to each member's handle. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/public.h"
#include "replica/view.h"

static void object_clear(struct ha_object *object)
{
	if (object->record)
		record_release(object->record);
	free(object->record);
	object->record = NULL;
	ha_local_free(object->local);
	object->local = NULL;
}

/* Does it stay when the user logs out? */
static bool outlives_login(const struct ha_object *object)
{
	return !p11_attrs_bool(&object->record->objects[object->part], CKA_PRIVATE, true);
}

void ha_index_clear(struct ha_group *group)
{
	pthread_rwlock_wrlock(&group->index_lock);
	for (size_t i = 0; i < group->n_objects; i++) {
		struct ha_object *object = &group->objects[i];

		if (object->local && !outlives_login(object))
			ha_index_drop_local(group, object);
		else if (!object->own)
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

/* ---- reading ---- */

struct reading {
	struct record *records;
	size_t count, cap;
};

static void reading_release(struct reading *reading)
{
	for (size_t i = 0; i < reading->count; i++)
		record_release(&reading->records[i]);
	free(reading->records);
}

/* Keep the newest version of each key; the list is short where it matters. */
static int keep(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	struct reading *reading = data;

	(void)handle;
	if (reading->count == reading->cap) {
		size_t cap = reading->cap ? reading->cap * 2 : 64;
		struct record *grown = mem_grow(reading->records, reading->cap, cap, sizeof(*grown));

		if (!grown)
			return err_no_memory(err);
		reading->records = grown;
		reading->cap = cap;
	}
	reading->records[reading->count++] = *record;
	*record = (struct record){0};
	return 0;
}

static int by_uid_then_newest(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = memcmp(x->uid, y->uid, UID_LEN);

	if (order)
		return order;
	return record_newer(x, y) ? -1 : record_newer(y, x) ? 1 : 0;
}

/* Replace what the index knows by what was read; 0 when a write came in between
 * or the application logged in or out, 1 when it is done. */
static int take_over(struct ha_group *group, struct reading *reading, uint64_t writes, bool logged_in, struct err *err)
{
	int rc = 0;

	if (reading->count)
		qsort(reading->records, reading->count, sizeof(*reading->records), by_uid_then_newest);
	pthread_rwlock_wrlock(&group->index_lock);
	if (group->index_writes != writes || ha_logged_in(group) != logged_in) {
		pthread_rwlock_unlock(&group->index_lock);
		return 0;
	}
	for (size_t i = 0; i < group->n_objects; i++)
		if (!group->objects[i].local)
			object_clear(&group->objects[i]);
	for (size_t i = 0; i < reading->count && rc == 0; i++) {
		const struct record *r = &reading->records[i];

		if (i > 0 && memcmp(r->uid, reading->records[i - 1].uid, UID_LEN) == 0)
			continue;
		if (r->state == RECORD_DELETED)
			rc = bury(group, r->uid, err);
		else if (r->state == RECORD_LIVE && !is_dead(group, r->uid))
			rc = put(group, r, NULL, err);
	}
	pthread_rwlock_unlock(&group->index_lock);
	return rc < 0 ? rc : 1;
}

/* The member's change counter, in one round trip; differs after a restart, too. */
static int ask_changes(struct member_channel *channel, uint64_t *ret, struct err *err)
{
	CK_TOKEN_INFO info;
	struct p11_call ping = p11_C_GetTokenInfo(0, &info);
	int rc = member_run(channel, &ping, 1, err);

	*ret = member_changes(member_of(channel)) + member_epoch(channel);
	return rc;
}

/* One look at all members that are up: has any of them changed? *ret_up: who answered. */
static int look(struct ha_group *group, struct replica_sites *sites, uint64_t *changes, uint32_t *ret_up,
		bool *ret_changed, struct err *err)
{
	uint32_t up = ha_up(group);

	/* None is up: each gets its chance, as for any other call. */
	if (!up)
		up = replica_set_serving(group->set, UINT32_MAX);
	for (size_t i = 0; i < group->set->n_members; i++) {
		int rc;

		sites->sites[i].of = &group->set->members[i];
		if (!(up & 1u << i))
			continue;
		rc = ha_acquire(group, i, &sites->sites[i].channel, err);
		if (rc == 0)
			rc = ask_changes(sites->sites[i].channel, &changes[i], err);
		if (rc == 0) {
			*ret_up |= 1u << i;
			/* A member without a counter may always have changed. */
			*ret_changed = *ret_changed || group->index_changes[i] != changes[i] ||
				       !member_changes(group->set->members[i].member);
			continue;
		}
		if (err->code == ERR_NO_MEMORY)
			return rc;
		/* A PIN that another member accepted: that this one does not is its own trouble. */
		if (!p11_err_busy(err))
			ha_member_down(group, i, err);
	}
	return 0;
}

/* The records of all members together: the newest version of each key counts, so
 * that one that was away neither hides a key nor brings a deleted one back. */
static int read_all(struct replica_sites *sites, struct reading *reading, struct views *views, struct err *err)
{
	*views = (struct views){0};
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];

		if (!site->channel || views_read_along(sites, i, views, NULL, keep, reading, err) == 0)
			continue;
		if (err->code == ERR_NO_MEMORY)
			return -ERR_NO_MEMORY;
		replica_site_lost(site, err);
	}
	views_learned(sites, views);
	return 0;
}

/* Members that fell away while they were read, and those that missed what others took, do not serve. */
static uint32_t part(struct ha_group *group, const struct replica_sites *sites, uint32_t asked, const struct views *views)
{
	uint32_t up = replica_sites_up(sites);

	for (size_t i = 0; i < sites->count; i++)
		if (asked & ~up & 1u << i)
			ha_member_down(group, i, &sites->sites[i].err);
	ha_members_behind(group, up, views_serving(views, sites));
	return up & views_serving(views, sites);
}

/* 1 when the index is right, 0 when it has to be tried again. */
static int refresh(struct ha_group *group, uint32_t *ret_up, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {.set = group->set, .count = group->set->n_members};
	uint64_t changes[SET_MAX] = {0}, writes;
	struct reading reading = {0};
	struct views views;
	bool changed = false;
	int rc;

	pthread_rwlock_rdlock(&group->index_lock);
	writes = group->index_writes;
	pthread_rwlock_unlock(&group->index_lock);
	rc = look(group, &sites, changes, ret_up, &changed, err);
	if (rc == 0 && !changed)
		return 1;
	if (rc == 0)
		rc = read_all(&sites, &reading, &views, err);
	if (rc == 0)
		*ret_up = part(group, &sites, *ret_up, &views);
	if (rc == 0 && *ret_up)
		rc = take_over(group, &reading, writes, true, err);
	for (size_t i = 0; i < SET_MAX; i++)
		group->index_changes[i] = rc == 1 && (*ret_up & 1u << i) ? changes[i] : 0;
	reading_release(&reading);
	return rc;
}

/* ---- what everybody may see ---- */

/* Whatever a member shows: this is for everybody. */
static int keep_public(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	return record_is_public(record) ? keep(data, handle, record, err) : 0;
}

/* As one member has it: public objects that are all in their record, and public halves, which are called by their mark until
 * somebody logs in. With refresh_lock. */
static int read_public(struct ha_group *group, struct member_channel *channel, struct err *err)
{
	struct reading reading = {0};
	uint64_t writes, changes;
	int rc = ask_changes(channel, &changes, err);

	if (rc < 0 || (changes == group->public_changes && member_changes(member_of(channel))))
		return rc;
	pthread_rwlock_rdlock(&group->index_lock);
	writes = group->index_writes;
	pthread_rwlock_unlock(&group->index_lock);
	rc = record_read_all(channel, NULL, keep_public, &reading, err);
	if (rc == 0)
		rc = public_read(channel, keep, &reading, err);
	if (rc == 0)
		rc = take_over(group, &reading, writes, false, err);
	if (rc > 0)
		group->public_changes = changes;
	reading_release(&reading);
	return rc < 0 ? rc : 0;
}

static CK_RV refresh_public(struct ha_group *group)
{
	struct member_channel *channel = NULL;
	CK_TOKEN_INFO info;
	struct p11_call ask = p11_C_GetTokenInfo(0, &info);
	struct err err = {0};
	CK_RV rv;

	pthread_mutex_lock(&group->refresh_lock);
	rv = ha_send(group, &ask, 1, &channel);
	if (rv == CKR_OK && read_public(group, channel, &err) < 0)
		rv = p11_rv_from_err(&err);
	member_release(channel);
	pthread_mutex_unlock(&group->refresh_lock);
	return rv;
}

CK_RV ha_index_refresh(struct ha_group *group)
{
	enum { TRIES = 5 };
	struct err err = {0};
	uint32_t up = 0;
	int rc = 0;

	if (!ha_logged_in(group))
		return refresh_public(group);
	pthread_mutex_lock(&group->refresh_lock);
	group->public_changes = 0;
	for (int n = 0; n < TRIES && rc == 0; n++) {
		up = 0;
		rc = refresh(group, &up, &err);
		if (rc == 0 && !up)
			break;
	}
	pthread_mutex_unlock(&group->refresh_lock);
	if (rc < 0)
		return p11_rv_from_err(&err);
	return up ? CKR_OK : CKR_DEVICE_REMOVED;
}

CK_RV ha_object_get(struct ha_group *group, CK_OBJECT_HANDLE handle, struct record *ret, size_t *ret_part)
{
	CK_RV rv = CKR_OBJECT_HANDLE_INVALID;
	const struct ha_object *object;
	struct err err;

	pthread_rwlock_rdlock(&group->index_lock);
	object = ha_object_at(group, handle);
	if (object) {
		*ret_part = object->part;
		rv = record_copy(object->record, ret, &err) < 0 ? CKR_HOST_MEMORY : CKR_OK;
	}
	pthread_rwlock_unlock(&group->index_lock);
	return rv;
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
