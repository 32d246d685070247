/* SPDX-License-Identifier: Apache-2.0 */
/* Which members are up, which one is asked, and how one comes back. */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/verify.h"

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000 };

uint32_t ha_up(struct ha_group *group)
{
	uint32_t up = 0;

	pthread_mutex_lock(&group->health_lock);
	for (size_t i = 0; i < group->set->n_members; i++)
		if (group->health[i].up)
			up |= 1u << i;
	pthread_mutex_unlock(&group->health_lock);
	return up;
}

/* Is a the better choice? */
static bool better(const struct replica_member *a, const struct replica_member *b)
{
	unsigned load_a = member_load(a->member), load_b = member_load(b->member);

	if (a->role != b->role)
		return a->role == FLEET_ACTIVE;
	if (load_a != load_b)
		return load_a < load_b;
	return member_latency_us(a->member) < member_latency_us(b->member);
}

size_t ha_choose(struct ha_group *group, uint32_t tried, bool down_too)
{
	struct replica_set *set = group->set;
	uint32_t up = ha_up(group) & ~tried;
	size_t best = set->n_members;

	/* Nobody left: the next call may find a member back before a probe does. */
	if (!up && down_too)
		up = ~tried;
	for (size_t i = 0; i < set->n_members; i++)
		if ((up & 1u << i) && (best == set->n_members || better(&set->members[i], &set->members[best])))
			best = i;
	return best;
}

void ha_member_down(struct ha_group *group, size_t member, const struct err *why)
{
	struct ha_health *health = &group->health[member];

	pthread_mutex_lock(&group->health_lock);
	if (health->up) {
		log_error("ha", "member '%s' of '%s' is down: %s", group->set->members[member].name,
			  group->set->name, why->message);
		health->up = health->suspect = false;
		health->backoff_ms = BACKOFF_MIN_MS;
	}
	health->next_probe_ms = clock_now_ms() + health->backoff_ms;
	if (health->backoff_ms < BACKOFF_MAX_MS)
		health->backoff_ms *= 2;
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
	pthread_mutex_lock(&group->health_lock);
	if (!group->health[member].up)
		log_info("ha", "member '%s' of '%s' serves again", group->set->members[member].name, group->set->name);
	group->health[member].up = true;
	group->health[member].suspect = false;
	pthread_mutex_unlock(&group->health_lock);
}

/* What a sync left undone on a member is told as "KEY on MEMBER". */
static bool left_undone(const struct replica_sync_report *report, const char *member)
{
	size_t len = strlen(member);

	for (size_t i = 0; i < report->n_skipped; i++) {
		const char *key = report->skipped[i].key;

		if (strlen(key) > len && strcmp(key + strlen(key) - len, member) == 0)
			return true;
	}
	return false;
}

/* A member that was away may miss keys, or hold deleted ones: bring it up to
 * date from those that are up before it serves. */
static int bring_up_to_date(struct ha_group *group, size_t member, struct err *err)
{
	struct replica_sync_report report = {0};
	const char *name = group->set->members[member].name;
	int rc = replica_sync(group->set, ha_up(group) | 1u << member, SYNC_RECOVER, NULL, &report, err);

	if (rc == 0 && (member >= report.n_members || !report.members[member].reachable || left_undone(&report, name)))
		rc = err_set(err, ERR_UNREACHABLE, "'%s' could not be brought up to date", name);
	json_release(&replica_sync_report_type, &report);
	return rc;
}

static void recover_member(struct ha_group *group, size_t member, bool was_up)
{
	struct err err = {0};
	int rc;

	ha_config_refresh(group);
	rc = member_probe(group->set->members[member].member, NULL, &err);
	/* Well, and no place free: no reason to take it down. */
	if (rc < 0 && was_up && p11_err_busy(&err))
		return;
	if (rc == 0 && !was_up && ha_logged_in(group)) {
		pthread_mutex_lock(&group->write_lock);
		rc = bring_up_to_date(group, member, &err);
		pthread_mutex_unlock(&group->write_lock);
	}
	if (rc < 0)
		ha_member_down(group, member, &err);
	else
		ha_member_up(group, member);
}

/* The next member to try now, or when to look again. Whoever is told of one has it: nobody else is, before the next
 * probe is due. */
static size_t due(struct ha_group *group, int64_t *ret_wait_ms, bool *ret_was_up)
{
	int64_t now = clock_now_ms();

	*ret_wait_ms = BACKOFF_MAX_MS;
	for (size_t i = 0; i < group->set->n_members; i++) {
		struct ha_health *health = &group->health[i];
		int64_t wait = health->up ? (health->suspect ? 0 : BACKOFF_MAX_MS) : health->next_probe_ms - now;

		if (wait <= 0) {
			*ret_was_up = health->up;
			health->suspect = false;
			health->next_probe_ms = now + BACKOFF_MAX_MS;
			return i;
		}
		if (wait < *ret_wait_ms)
			*ret_wait_ms = wait;
	}
	return group->set->n_members;
}

void ha_recover(struct ha_group *group)
{
	bool was_up = false;
	int64_t wait;
	size_t member;

	pthread_mutex_lock(&group->health_lock);
	member = due(group, &wait, &was_up);
	pthread_mutex_unlock(&group->health_lock);
	if (member < group->set->n_members)
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
		size_t member = due(group, &wait, &was_up);

		if (member < group->set->n_members) {
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
