/* SPDX-License-Identifier: Apache-2.0 */
/* Which member is asked: least work, own datacentre first, standbys last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ha/internal.h"
#include "member/member.h"
#include "replica/view.h"

enum {
	STEADY_MS = 500,	/* after its return a member gets one call at a time for so long */
	STRANGE_US = 1000,	/* what a call is thought to take while nobody knows */
	ALIKE = 4,		/* costs that differ by less than a fourth, */
	ALIKE_US = 20,		/* or by so little, are the same */
};

uint32_t ha_kind(const struct p11_call *calls, size_t count)
{
	uint64_t hash = count;

	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		hash = hash * 31 + calls[i].fn;
		for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
			if (kinds[n] == P11_ARG_MECHANISM && calls[i].args[n].in)
				hash = hash * 31 + ((const CK_MECHANISM *)calls[i].args[n].in)->mechanism;
			else if (kinds[n] == P11_ARG_IN)
				hash = hash * 31 + (63 - (unsigned)__builtin_clzll(calls[i].args[n].number | 1)) / 4;
		}
	}
	return (uint32_t)((hash * 0x9e3779b97f4a7c15u) >> 32);
}

void ha_choice_init(struct ha_group *group)
{
	const char *here = secure_getenv("HSMCTL_DATACENTRE");

	pthread_mutex_init(&group->choice_lock, NULL);
	snprintf(group->datacenter, sizeof(group->datacenter), "%s", here ? here : "");
	/* Processes that make one call each are to begin with different members. */
	group->chosen = group->set->n_members ? (size_t)getpid() % group->set->n_members : 0;
}

/* What is known of the members when one is chosen. */
struct look {
	uint32_t up;		/* and may serve */
	uint32_t slow;		/* of them, did not connect in a hurry */
	uint32_t fresh;		/* came back a moment ago */
	uint32_t down;		/* and may serve if they should be there after all */
};

static struct look look_at(struct ha_group *group, uint32_t tried)
{
	uint32_t all = replica_set_members(group->set);
	struct look look = {0};
	int64_t now = clock_now_ms();

	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < group->set->n_members; i++) {
		const struct ha_health *health = &group->health[i];

		if (!health->up)
			continue;
		look.up |= 1u << i;
		if (health->slow)
			look.slow |= 1u << i;
		if (health->since_ms && now - health->since_ms < STEADY_MS)
			look.fresh |= 1u << i;
	}
	pthread_mutex_unlock(&group->health_lock);
	look.up = replica_set_serving(group->set, look.up) & ~tried;
	look.down = look.up ? 0 : replica_set_serving(group->set, all & ~tried);
	return look;
}

static uint32_t with_role(const struct ha_group *group, uint32_t mask, enum fleet_role role)
{
	uint32_t found = 0;

	for (size_t i = 0; i < group->set->n_members; i++)
		if ((mask & 1u << i) && group->set->members[i].role == role)
			found |= 1u << i;
	return found;
}

/* In the application's own datacentre, as far as it matters. */
static uint32_t near(const struct ha_group *group, uint32_t mask)
{
	struct replica_set *set = group->set;
	uint32_t found = 0;

	if (!*group->datacenter || replica_set_policy(set).routing != FLEET_ROUTE_OWN)
		return 0;
	for (size_t i = 0; i < set->n_members; i++)
		if ((mask & 1u << i) && strcmp(set->members[i].datacenter, group->datacenter) == 0)
			found |= 1u << i;
	return found;
}

/* Who came back a moment ago and has a call already; with the lock held. */
static uint32_t warming(const struct ha_group *group, uint32_t fresh)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < group->set->n_members; i++)
		if ((fresh & 1u << i) && group->work[i].calls)
			mask |= 1u << i;
	return mask;
}

/* Standbys serve when no active member is left, and help one that has just come back. */
static uint32_t candidates(const struct ha_group *group, uint32_t mask, uint32_t fresh)
{
	uint32_t active = with_role(group, mask, FLEET_ACTIVE), standby = mask & ~active;
	uint32_t busy = warming(group, fresh);

	if (active & ~busy)
		return active & ~busy;
	if (active && active == (active & fresh) && (standby & ~busy))
		return standby & ~busy;
	return active ? active : standby;
}

/* ---- cost; with the lock held ---- */

struct costs {
	int64_t us[SET_MAX];	/* until a call that is sent now is answered, with the work before it */
	int64_t own_us[SET_MAX];/* what the call itself adds to that work */
};

/* Who is not known yet is thought to be as good as the best, so that he becomes known. */
static void reckon(struct ha_group *group, uint32_t mask, uint32_t kind, struct costs *ret)
{
	struct latency_guess guesses[SET_MAX] = {0};
	int64_t best = 0, now = clock_now_ms();

	for (size_t i = 0; i < group->set->n_members; i++) {
		if (!(mask & 1u << i))
			continue;
		guesses[i] = latency_guess(&group->work[i].latency, kind, now);
		if (guesses[i].least_us && (!best || guesses[i].least_us < best))
			best = guesses[i].least_us;
	}
	best = best ? best : STRANGE_US;
	for (size_t i = 0; i < group->set->n_members; i++) {
		ret->own_us[i] = guesses[i].least_us ? guesses[i].least_us : best;
		ret->us[i] = group->work[i].us + (guesses[i].mean_us ? guesses[i].mean_us : best);
	}
}

static int64_t least(const struct ha_group *group, uint32_t mask, const struct costs *costs)
{
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < group->set->n_members; i++)
		if ((mask & 1u << i) && costs->us[i] < least)
			least = costs->us[i];
	return least;
}

/* Of those that cost about the same, one with the fewest calls; in turns. */
static size_t best(const struct ha_group *group, uint32_t mask, const struct costs *costs)
{
	size_t n = group->set->n_members, found = n;
	int64_t limit = least(group, mask, costs);

	limit += limit / ALIKE > ALIKE_US ? limit / ALIKE : ALIKE_US;
	for (size_t k = 1; k <= n; k++) {
		size_t i = (group->chosen + k) % n;

		if ((mask & 1u << i) && costs->us[i] <= limit &&
		    (found == n || group->work[i].calls < group->work[found].calls))
			found = i;
	}
	return found;
}

/* Near members, unless the work that waits at them takes longer than the way to another. */
static uint32_t without_far(const struct ha_group *group, uint32_t mask, const struct costs *costs)
{
	uint32_t at_hand = near(group, mask), far = mask & ~at_hand;
	size_t nearest;

	if (!at_hand || !far)
		return mask;
	nearest = best(group, at_hand, costs);
	return group->work[nearest].calls && costs->us[nearest] > least(group, far, costs) ? far : at_hand;
}

/* ---- errands ---- */

/* It is asked from now on. With the lock held. */
static void begin(struct ha_group *group, struct ha_errand *errand, size_t member, int64_t us)
{
	errand->member = member;
	errand->us = us;
	errand->took_us = 0;
	group->work[member].calls++;
	group->work[member].us += us;
}

bool ha_choose(struct ha_group *group, struct ha_errand *errand, uint32_t tried, bool down_too)
{
	struct look look = look_at(group, tried);
	uint32_t mask = look.up & ~look.slow;
	struct costs costs;

	errand->patient = false;
	/* Nobody left: the next call may find a member back before a probe does. */
	if (!mask && down_too) {
		mask = look.up ? look.up : look.down;
		errand->patient = true;
	}
	if (!mask)
		return false;
	pthread_mutex_lock(&group->choice_lock);
	mask = candidates(group, mask, look.fresh);
	reckon(group, mask, errand->kind, &costs);
	group->chosen = best(group, without_far(group, mask, &costs), &costs);
	begin(group, errand, group->chosen, costs.own_us[group->chosen]);
	pthread_mutex_unlock(&group->choice_lock);
	return true;
}

void ha_errand_on(struct ha_group *group, struct ha_errand *errand, size_t member)
{
	struct costs costs;

	pthread_mutex_lock(&group->choice_lock);
	reckon(group, 1u << member, errand->kind, &costs);
	begin(group, errand, member, costs.own_us[member]);
	pthread_mutex_unlock(&group->choice_lock);
}

void ha_errand_over(struct ha_group *group, const struct ha_errand *errand)
{
	struct ha_work *work = &group->work[errand->member];

	pthread_mutex_lock(&group->choice_lock);
	work->calls--;
	work->us -= errand->us;
	if (errand->took_us)
		latency_hear(&work->latency, errand->kind, errand->took_us, clock_now_ms());
	pthread_mutex_unlock(&group->choice_lock);
}
