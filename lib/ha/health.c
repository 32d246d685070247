/* SPDX-License-Identifier: Apache-2.0 */
/* Which members are up, which one is asked, and how one comes back. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/verify.h"
#include "replica/view.h"

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000, LEASE_TTL_MS = 60000 };

static uint32_t well(struct ha_group *group)
{
	uint32_t up = 0;

	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < group->set->n_members; i++)
		if (group->health[i].up)
			up |= 1u << i;
	pthread_mutex_unlock(&group->health_lock);
	return up;
}

uint32_t ha_up(struct ha_group *group)
{
	return replica_set_serving(group->set, well(group));
}

void ha_members_joined(struct ha_group *group, uint32_t mask)
{
	if (!mask)
		return;
	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < SET_MAX; i++)
		if (mask & 1u << i)
			group->health[i] = (struct ha_health){.backoff_ms = BACKOFF_MIN_MS};
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->health_lock);
}

uint32_t ha_slow(struct ha_group *group)
{
	uint32_t slow = 0;

	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < group->set->n_members; i++)
		if (group->health[i].slow)
			slow |= 1u << i;
	pthread_mutex_unlock(&group->health_lock);
	return slow;
}

void ha_member_down(struct ha_group *group, size_t member, const struct err *why)
{
	struct ha_health *health = &group->health[member];

	pthread_mutex_lock(&group->health_lock);
	ha_watch_down(group, member, health->up, why);
	if (health->up) {
		health->up = health->suspect = health->slow = false;
		health->backoff_ms = BACKOFF_MIN_MS;
	}
	health->next_probe_ms = clock_now_ms() + health->backoff_ms;
	if (health->backoff_ms < BACKOFF_MAX_MS)
		health->backoff_ms *= 2;
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->health_lock);
}

void ha_member_slow(struct ha_group *group, size_t member)
{
	struct ha_health *health = &group->health[member];

	pthread_mutex_lock(&group->health_lock);
	if (health->up && !health->slow) {
		log_info("ha", "member '%s' of '%s' is slow to connect", group->set->members[member].name, group->set->name);
		health->slow = health->suspect = true;
	}
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->health_lock);
}

void ha_members_suspect(struct ha_group *group, uint32_t mask)
{
	if (!mask)
		return;
	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < group->set->n_members; i++)
		if ((mask & 1u << i) && group->health[i].up)
			group->health[i].suspect = true;
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->health_lock);
}

void ha_member_up(struct ha_group *group, size_t member)
{
	struct ha_health *health = &group->health[member];

	pthread_mutex_lock(&group->health_lock);
	if (!health->up) {
		ha_watch_up(group, member);
		health->since_ms = clock_now_ms();
	}
	health->up = true;
	health->suspect = health->slow = false;
	pthread_mutex_unlock(&group->health_lock);
}

void ha_members_behind(struct ha_group *group, uint32_t mask, uint32_t serving)
{
	for (size_t i = 0; i < group->set->n_members; i++) {
		struct err why;

		if (!(mask & ~serving & 1u << i))
			continue;
		err_set(&why, ERR_STALE, "it missed writes that others took");
		ha_member_down(group, i, &why);
	}
}

/* A member that was away serves at once when it missed nothing, as the others know. */
static int ask_others(struct ha_group *group, size_t member, uint32_t *ret_current, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	struct views views;
	int rc = replica_sites_open(group->set, ha_up(group) | 1u << member, &sites, err);

	if (rc == 0)
		rc = views_read(&sites, UINT32_MAX, &views, err);
	if (rc == 0 && !sites.sites[member].channel)
		rc = -(int)(*err = sites.sites[member].err).code;
	if (rc == 0)
		*ret_current = views_current(&views, &sites);
	return rc;
}

static int sync_with(struct ha_group *group, uint32_t mask, struct err *err)
{
	struct replica_sync_report report = {0};
	int rc = replica_sync(group->set, mask, SYNC_RECOVER, NULL, &report, err);

	json_release(&replica_sync_report_type, &report);
	return rc;
}

/* All together may know what none of them does. */
static int synchronise(struct ha_group *group, size_t member, struct err *err)
{
	int rc = sync_with(group, ha_up(group) | 1u << member, err);

	return rc == -ERR_STALE ? sync_with(group, UINT32_MAX, err) : rc;
}

/* Of a member, over the connection that it was asked on. */
struct leased {
	struct member_channel *channel;
	CK_ULONG number;	/* 0 = not granted */
};

static int ask_for_lease(struct member_channel *channel, CK_ULONG ttl_ms, CK_ULONG number, struct p11_lease *ret,
			 CK_RV *ret_rv, struct err *err)
{
	static const char name[] = "recover";
	char holder[64];
	struct p11_call call;
	int rc;

	snprintf(holder, sizeof(holder), "process %ld", (long)getpid());
	call = p11_X_Lease(member_session(channel), name, sizeof(name) - 1, holder, strlen(holder), ttl_ms, number, ret);
	rc = member_call(channel, &call, 1, NULL, err);
	*ret_rv = call.rv;
	return rc;
}

/* One recoverer at a time: *ret is the member's lease until it is let go. A host that knows none has none to give. */
static int take_lease(struct ha_group *group, size_t member, struct leased *ret, struct err *err)
{
	struct p11_lease lease = {0};
	CK_RV rv;
	int rc = ha_acquire(group, member, true, &ret->channel, err);

	if (rc < 0)
		return rc;
	rc = ask_for_lease(ret->channel, LEASE_TTL_MS, 0, &lease, &rv, err);
	if (rc == 0 && rv == CKR_FUNCTION_REJECTED)
		rc = err_set(err, ERR_LOCKED, "'%s' is being brought up to date by %.100s", group->set->members[member].name,
			     lease.holder);
	if (rc == 0 && rv == CKR_OK)
		ret->number = lease.number;
	return rc;
}

/* It is the process that holds it, so any connection will do. */
static void let_go(struct ha_group *group, size_t member, struct leased *leased)
{
	struct p11_lease lease;
	CK_RV rv;

	if (leased->number && ask_for_lease(leased->channel, 0, leased->number, &lease, &rv, NULL) < 0) {
		member_release(leased->channel);
		leased->channel = NULL;
		if (member_acquire(group->set->members[member].member, &leased->channel, NULL) == 0)
			ask_for_lease(leased->channel, 0, leased->number, &lease, &rv, NULL);
	}
	member_release(leased->channel);
}

static int catch_up(struct ha_group *group, size_t member, struct err *err)
{
	struct leased leased = {0};
	int rc = take_lease(group, member, &leased, err);

	if (rc == 0)
		rc = synchronise(group, member, err);
	let_go(group, member, &leased);
	return rc;
}

static int bring_up_to_date(struct ha_group *group, size_t member, struct err *err)
{
	uint32_t current = 0;
	int rc = ask_others(group, member, &current, err);

	if (rc < 0 || (current & 1u << member))
		return rc;
	rc = catch_up(group, member, err);
	if (rc == 0 && !(replica_set_current(group->set) & 1u << member))
		rc = err_set(err, ERR_STALE, "'%s' could not be brought up to date", group->set->members[member].name);
	return rc == -ERR_STALE && (replica_set_serving(group->set, ha_up(group) | 1u << member) & 1u << member) ? 0 : rc;
}

static void recover_member(struct ha_group *group, size_t member, bool was_up)
{
	struct err err = {0};
	int rc;

	ha_group_refresh(group);
	if (!(replica_set_members(group->set) & 1u << member))
		return;
	/* Whoever is asked something waits for this: not longer than for any other member. */
	rc = (group->background ? member_probe : member_probe_quick)(group->set->members[member].member, NULL, &err);
	/* Well, and no place free: no reason to take it down. */
	if (rc < 0 && was_up && p11_err_busy(&err))
		return;
	if (rc == 0 && !was_up && ha_logged_in(group)) {
		pthread_mutex_lock(&group->write_lock);
		rc = bring_up_to_date(group, member, &err);
		pthread_mutex_unlock(&group->write_lock);
	}
	if (rc == 0 && !was_up)
		rc = ha_mechanisms_learn(group, member, &err);
	if (rc < 0)
		ha_member_down(group, member, &err);
	else
		ha_member_up(group, member);
	/* Who served while nobody else was there is brought up to date now. */
	ha_members_behind(group, well(group), ha_up(group));
}

/* The next member to try now, or when to look again. Whoever is told of one has it: nobody else is, before the next
 * probe is due. */
static size_t due(struct ha_group *group, int64_t *ret_wait_ms, bool *ret_was_up)
{
	uint32_t members = replica_set_members(group->set);
	int64_t now = clock_now_ms();

	*ret_wait_ms = BACKOFF_MAX_MS;
	for (size_t i = 0; i < group->set->n_members; i++) {
		struct ha_health *health = &group->health[i];
		int64_t wait = health->up ? (health->suspect ? 0 : BACKOFF_MAX_MS) : health->next_probe_ms - now;

		if (wait <= 0 && (members & 1u << i)) {
			*ret_was_up = health->up;
			health->suspect = false;
			health->next_probe_ms = now + BACKOFF_MAX_MS;
			return i;
		}
		if (wait < *ret_wait_ms && (members & 1u << i))
			*ret_wait_ms = wait;
	}
	return SET_MAX;
}

void ha_recover(struct ha_group *group)
{
	bool was_up = false;
	int64_t wait;
	size_t member;

	pthread_mutex_lock(&group->health_lock);
	member = due(group, &wait, &was_up);
	pthread_mutex_unlock(&group->health_lock);
	if (member != SET_MAX)
		recover_member(group, member, was_up);
}

static void *recovery_thread(void *data)
{
	struct ha_group *group = data;

	pthread_mutex_lock(&group->health_lock);
	while (!group->stopping) {
		struct timespec until;
		bool was_up = false;
		int64_t wait;
		size_t member;

		/* Nobody else does while the application asks for nothing. */
		pthread_mutex_unlock(&group->health_lock);
		ha_group_refresh(group);
		pthread_mutex_lock(&group->health_lock);
		if (group->stopping)
			break;
		member = due(group, &wait, &was_up);
		if (member != SET_MAX) {
			pthread_mutex_unlock(&group->health_lock);
			recover_member(group, member, was_up);
			pthread_mutex_lock(&group->health_lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += wait / 1000;
		until.tv_nsec += wait % 1000 * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&group->wake, &group->health_lock, &until);
	}
	pthread_mutex_unlock(&group->health_lock);
	return NULL;
}

int ha_recovery_start(struct ha_group *group, struct err *err)
{
	sigset_t all, saved;
	int rc;

	if (!group->background)
		return 0;
	/* The application's signals are not ours to take. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	rc = pthread_create(&group->thread, NULL, recovery_thread, group);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	group->thread_runs = rc == 0;
	return rc == 0 ? 0 : err_set(err, ERR_FAILED, "cannot start a thread");
}

void ha_recovery_stop(struct ha_group *group)
{
	if (!group->thread_runs)
		return;
	pthread_mutex_lock(&group->health_lock);
	group->stopping = true;
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->health_lock);
	pthread_join(group->thread, NULL);
	group->thread_runs = false;
}
