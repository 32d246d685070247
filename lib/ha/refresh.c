/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what members know of a group's objects, when it may have changed. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/public.h"
#include "replica/view.h"

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

/* The member's change counter, in one round trip; differs after a restart, too. */
static int ask_changes(struct member_channel *channel, uint64_t *ret, struct err *err)
{
	CK_TOKEN_INFO info;
	struct p11_call ping = p11_C_GetTokenInfo(0, &info);
	int rc = member_run(channel, &ping, 1, err);

	*ret = member_changes(member_of(channel)) + member_epoch(channel);
	return rc;
}

/* One look at all members of mask: has any of them changed? *ret_up: who answered. */
static int look(struct ha_group *group, uint32_t mask, bool patient, struct replica_sites *sites, uint64_t *changes,
		uint32_t *ret_up, bool *ret_changed, struct err *err)
{
	for (size_t i = 0; i < sites->count; i++) {
		int rc;

		if (!(mask & 1u << i))
			continue;
		rc = ha_acquire(group, i, patient, &sites->sites[i].channel, err);
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
		if (rc == -ERR_TIMEOUT && !sites->sites[i].channel)
			ha_member_slow(group, i);
		else if (!p11_err_busy(err))
			ha_member_down(group, i, err);
	}
	return 0;
}

/* At those that are up, or, as for any other call, at whoever gets a chance when none is. */
static int look_around(struct ha_group *group, struct replica_sites *sites, uint64_t *changes, uint32_t *ret_up,
		       bool *ret_changed, struct err *err)
{
	uint32_t up = ha_up(group), slow = ha_slow(group);
	int rc = up & ~slow ? look(group, up & ~slow, false, sites, changes, ret_up, ret_changed, err) : 0;

	if (rc < 0 || *ret_up)
		return rc;
	up = ha_up(group);
	return look(group, up ? up : replica_set_serving(group->set, UINT32_MAX), true, sites, changes, ret_up,
		    ret_changed, err);
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
	owned(replica_sites) struct replica_sites sites = replica_sites_of(group->set);
	uint64_t changes[SET_MAX] = {0}, writes;
	struct reading reading = {0};
	struct views views;
	bool changed = false;
	int rc;

	writes = ha_index_writes(group);
	rc = look_around(group, &sites, changes, ret_up, &changed, err);
	if (rc == 0 && !changed)
		return 1;
	if (rc == 0)
		rc = read_all(&sites, &reading, &views, err);
	if (rc == 0)
		*ret_up = part(group, &sites, *ret_up, &views);
	if (rc == 0 && *ret_up)
		rc = ha_index_take_over(group, reading.records, reading.count, writes, true, err);
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
	writes = ha_index_writes(group);
	rc = record_read_all(channel, NULL, keep_public, &reading, err);
	if (rc == 0)
		rc = public_read(channel, keep, &reading, err);
	if (rc == 0)
		rc = ha_index_take_over(group, reading.records, reading.count, writes, false, err);
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
