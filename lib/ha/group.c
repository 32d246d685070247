/* SPDX-License-Identifier: Apache-2.0 */
/* A group at run time: opening, login. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"

/* The set is the group's from now on. */
static int make(struct replica_set *set, const char *folder, const char *role, const char *serial, bool background,
		struct ha_group **ret, struct err *err)
{
	owned(ha_group) struct ha_group *group = mem_new(struct ha_group);
	pthread_condattr_t monotonic;
	int rc;

	if (!group) {
		replica_set_free(set);
		return err_no_memory(err);
	}
	group->set = set;
	group->background = background;
	ha_choice_init(group);
	pthread_mutex_init(&group->health_lock, NULL);
	pthread_rwlock_init(&group->index_lock, NULL);
	pthread_mutex_init(&group->refresh_lock, NULL);
	pthread_mutex_init(&group->write_lock, NULL);
	pthread_mutex_init(&group->login_lock, NULL);
	pthread_mutex_init(&group->mechanism_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&group->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = ha_config_new(folder, &group->config, err);
	if (rc == 0)
		rc = ha_watch_open(group, folder, role, serial, err);
	if (rc < 0)
		return rc;
	group->set->threads = background;
	/* Nobody is asked before the application wants something. */
	for (size_t i = 0; i < group->set->n_members; i++)
		group->health[i].up = true;
	rc = ha_recovery_start(group, err);
	if (rc < 0)
		return rc;
	*ret = own_take(group);
	return 0;
}

int ha_group_new(struct replica_set *set, const char *folder, bool background, struct ha_group **ret, struct err *err)
{
	return make(set, folder, "admin", NULL, background, ret, err);
}

int ha_group_open(const struct fleet *fleet, const struct fleet_group *from, const char *folder,
		  const char *role, bool background, struct ha_group **ret, struct err *err)
{
	struct replica_set *set = NULL;
	int rc = replica_set_open(fleet, from, folder, role, &set, err);

	return rc < 0 ? rc : make(set, folder, role, from->serial, background, ret, err);
}

void ha_group_free(struct ha_group *group)
{
	if (!group)
		return;
	ha_recovery_stop(group);
	ha_config_free(group->config);
	ha_index_free(group);
	ha_watch_close(group);
	ha_mechanisms_free(group);
	replica_set_free(group->set);
	pthread_cond_destroy(&group->wake);
	free(group);
}

void ha_group_cut(struct ha_group *group)
{
	group->stopping = true;
	for (size_t i = 0; i < group->set->n_members; i++)
		member_cut(group->set->members[i].member);
}

bool ha_logged_in(const struct ha_group *group)
{
	return group->logged_in;
}

/* One member looks at the PIN; only one that cannot (not reached, or locked) passes it on. Nobody else has it before it is
 * known to be right: neither other calls nor a recovery may show it to a second one. */
static int check_pin(struct ha_group *group, const struct secret *pin, size_t *ret_by, struct err *err)
{
	uint32_t tried = 0, slow = 0;
	struct ha_errand errand = {0};
	int rc = err_set(err, ERR_UNREACHABLE, "no member of '%s' can be reached", group->set->name);

	while (ha_choose(group, &errand, tried, true)) {
		struct member_channel *channel = NULL;
		uint32_t bit = 1u << errand.member;

		rc = replica_set_try_pin(group->set, errand.member, pin, err);
		if (rc == 0)
			rc = ha_acquire(group, errand.member, errand.patient || (slow & bit), &channel, err);
		member_release(channel);
		ha_errand_over(group, &errand);
		*ret_by = errand.member;
		if (rc == 0)
			return 0;
		ha_watch_refused(group, errand.member, err);
		replica_set_try_pin(group->set, errand.member, NULL, NULL);
		if ((err->code == ERR_PIN && p11_pin_refused(err->rv)) || err->code == ERR_NO_MEMORY)
			return rc;
		*(rc == -ERR_TIMEOUT ? &slow : &tried) |= bit;
		if (rc == -ERR_TIMEOUT)
			ha_member_slow(group, errand.member);
		else if (!p11_err_busy(err))
			ha_member_down(group, errand.member, err);
	}
	return rc;
}

/* With login_lock. */
static int log_in(struct ha_group *group, const struct secret *pin, struct err *err)
{
	size_t by = 0;
	int rc = check_pin(group, pin, &by, err);

	if (rc < 0)
		return rc;
	rc = replica_set_share_pin(group->set, by, pin, err);
	if (rc < 0)
		replica_set_login(group->set, NULL, NULL);
	return rc;
}

CK_RV ha_login(struct ha_group *group, const void *pin, CK_ULONG len)
{
	owned(secret) struct secret *secret = NULL;
	struct member_channel *held[SET_MAX] = {NULL};
	struct err err = {0};
	int rc;

	pthread_mutex_lock(&group->login_lock);
	if (group->logged_in) {
		pthread_mutex_unlock(&group->login_lock);
		return CKR_USER_ALREADY_LOGGED_IN;
	}
	rc = secret_new(pin, len, &secret, &err);
	ha_local_hold(group, false, held);
	if (rc == 0)
		rc = log_in(group, secret, &err);
	group->logged_in = group->set->pin_good = rc == 0;
	ha_watch_login(group, rc == 0);
	ha_local_let_go(group, held);
	pthread_mutex_unlock(&group->login_lock);
	return rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
}

CK_RV ha_logout(struct ha_group *group)
{
	struct member_channel *held[SET_MAX] = {NULL};

	pthread_mutex_lock(&group->login_lock);
	if (!group->logged_in) {
		pthread_mutex_unlock(&group->login_lock);
		return CKR_USER_NOT_LOGGED_IN;
	}
	ha_local_hold(group, true, held);
	group->logged_in = false;
	ha_watch_login(group, false);
	replica_set_login(group->set, NULL, NULL);
	ha_local_let_go(group, held);
	pthread_mutex_unlock(&group->login_lock);
	ha_index_clear(group);
	return CKR_OK;
}
