/* SPDX-License-Identifier: Apache-2.0 */
/* What a group can do: what all members can that can be asked. One that is away takes nothing away. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "p11/rv.h"
#include "replica/view.h"

/* ---- one member ---- */

void ha_mechanisms_free(struct ha_group *group)
{
	for (size_t i = 0; i < SET_MAX; i++)
		free(group->can[i].list);
	free(group->shared);
}

static int ask(struct ha_group *group, size_t member, bool patient, struct ha_can *ret, struct err *err)
{
	struct member_channel *channel = NULL;
	int rc = ha_acquire(group, member, patient, &channel, err);

	if (rc == 0)
		rc = member_mechanisms(channel, &ret->list, &ret->count, err);
	member_release(channel);
	return rc;
}

/* With mechanism_lock. */
static void know(struct ha_group *group, size_t member, const struct ha_can *can)
{
	struct ha_can *at = &group->can[member];

	free(at->list);
	*at = (struct ha_can){can->list, can->count, at->number + 1};
}

int ha_mechanisms_learn(struct ha_group *group, size_t member, struct err *err)
{
	struct ha_can can = {0};
	int rc = ask(group, member, true, &can, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&group->mechanism_lock);
	know(group, member, &can);
	pthread_mutex_unlock(&group->mechanism_lock);
	return 0;
}

/* Members that are up and have been asked, now or before; those that are slow to connect are passed over, as by any call.
 * Nobody left: each gets its chance. */
static uint32_t ask_members(struct ha_group *group, bool patient)
{
	uint32_t up = ha_up(group) & ~ha_slow(group), known = 0;

	if (!up)
		up = replica_set_serving(group->set, UINT32_MAX);
	for (size_t i = 0; i < group->set->n_members; i++) {
		struct ha_can can = {0};
		struct err err = {0};

		if (!(up & 1u << i))
			continue;
		if (!group->can[i].list && ask(group, i, patient, &can, &err) == 0)
			know(group, i, &can);
		if (group->can[i].list)
			known |= 1u << i;
		else if (err.code == ERR_TIMEOUT && !patient)
			ha_member_slow(group, i);
		else if (err.code != ERR_NO_MEMORY && !p11_err_busy(&err))
			ha_member_down(group, i, &err);
	}
	return known;
}

/* ---- all of them ---- */

/* The narrower of two ranges; a token that has no sizes to tell says 0. */
static void narrow(CK_MECHANISM_INFO *info, const CK_MECHANISM_INFO *by)
{
	info->flags &= by->flags;
	if (by->ulMinKeySize > info->ulMinKeySize)
		info->ulMinKeySize = by->ulMinKeySize;
	if (by->ulMaxKeySize && (!info->ulMaxKeySize || by->ulMaxKeySize < info->ulMaxKeySize))
		info->ulMaxKeySize = by->ulMaxKeySize;
}

static int by_type(const void *a, const void *b)
{
	const struct member_mechanism *x = a, *y = b;

	return (x->type > y->type) - (x->type < y->type);
}

static struct member_mechanism *find(struct member_mechanism *list, CK_ULONG count, CK_MECHANISM_TYPE type)
{
	const struct member_mechanism key = {.type = type};

	return count ? bsearch(&key, list, count, sizeof(*list), by_type) : NULL;
}

/* What the group itself does not offer must not be promised. */
static bool is_offered(struct member_mechanism *m)
{
	m->info.flags &= ~(CK_FLAGS)(P11_USES | CKF_MULTI_MESSAGE) | p11_mech_uses(m->type);
	return (m->info.flags & P11_USES) && (!m->info.ulMaxKeySize || m->info.ulMinKeySize <= m->info.ulMaxKeySize);
}

static bool all_have(struct ha_group *group, uint32_t members, struct member_mechanism *m)
{
	for (size_t i = 0; i < group->set->n_members; i++) {
		const struct member_mechanism *there;

		if (!(members & 1u << i))
			continue;
		there = find(group->can[i].list, group->can[i].count, m->type);
		if (!there)
			return false;
		narrow(&m->info, &there->info);
	}
	return is_offered(m);
}

/* With mechanism_lock. */
static CK_RV share(struct ha_group *group, uint32_t members)
{
	size_t first = 0;
	struct member_mechanism *list;
	CK_ULONG count = 0;

	while (!(members & 1u << first))
		first++;
	list = mem_dup(group->can[first].list, group->can[first].count * sizeof(*list));
	if (!list)
		return CKR_HOST_MEMORY;
	for (CK_ULONG i = 0; i < group->can[first].count; i++)
		if (all_have(group, members, &list[i]))
			list[count++] = list[i];
	free(group->shared);
	group->shared = list;
	group->n_shared = count;
	return CKR_OK;
}

/* With mechanism_lock: what they share now. Who came, went, or was asked again makes it another list. */
static CK_RV refresh(struct ha_group *group)
{
	uint32_t members = ask_members(group, false);
	uint64_t state;
	CK_RV rv = CKR_OK;

	if (!members)
		members = ask_members(group, true);
	if (!members)
		return CKR_DEVICE_REMOVED;
	state = members;
	for (size_t i = 0; i < group->set->n_members; i++)
		state += group->can[i].number << 32;
	if (state != group->shared_state)
		rv = share(group, members);
	if (rv == CKR_OK)
		group->shared_state = state;
	return rv;
}

CK_RV ha_mechanisms(struct ha_group *group, CK_MECHANISM_TYPE *list, CK_ULONG room, CK_ULONG *ret_count)
{
	CK_RV rv;

	pthread_mutex_lock(&group->mechanism_lock);
	rv = refresh(group);
	if (rv == CKR_OK)
		*ret_count = group->n_shared;
	for (CK_ULONG i = 0; rv == CKR_OK && i < group->n_shared && i < room; i++)
		list[i] = group->shared[i].type;
	pthread_mutex_unlock(&group->mechanism_lock);
	return rv;
}

CK_RV ha_mechanism_info(struct ha_group *group, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
	const struct member_mechanism *m = NULL;
	CK_RV rv;

	pthread_mutex_lock(&group->mechanism_lock);
	rv = refresh(group);
	if (rv == CKR_OK)
		m = find(group->shared, group->n_shared, type);
	if (m)
		*ret = m->info;
	pthread_mutex_unlock(&group->mechanism_lock);
	return rv != CKR_OK || m ? rv : CKR_MECHANISM_INVALID;
}

CK_RV ha_mechanism_check(struct ha_group *group, CK_MECHANISM_TYPE type, CK_FLAGS use)
{
	CK_MECHANISM_INFO info;
	CK_RV rv = ha_mechanism_info(group, type, &info);

	return rv != CKR_OK || (info.flags & use) ? rv : CKR_MECHANISM_INVALID;
}
