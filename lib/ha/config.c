/* SPDX-License-Identifier: Apache-2.0 */
/* Who the members are, and where: the document may say otherwise than it did when the group was opened. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "fleet/watch.h"
#include "ha/internal.h"
#include "member/member.h"

struct ha_config {
	pthread_mutex_t lock;
	struct fleet_watch watch;
};

void ha_config_free(struct ha_config *config)
{
	if (!config)
		return;
	pthread_mutex_destroy(&config->lock);
	fleet_watch_release(&config->watch);
	free(config);
}

int ha_config_new(const char *folder, struct ha_config **ret, struct err *err)
{
	struct ha_config *config = mem_new(struct ha_config);
	int rc = config ? fleet_watch_init(&config->watch, folder, err) : err_no_memory(err);

	if (rc < 0) {
		free(config);
		return rc;
	}
	/* What the group was opened with was read a moment ago; it is read once more. */
	pthread_mutex_init(&config->lock, NULL);
	*ret = config;
	return 0;
}

/* A group that was deleted, or made again under its name, is not ours to follow. */
static const struct fleet_group *ours(const struct replica_set *set, const struct fleet *fleet)
{
	const struct fleet_group *group = fleet_group(fleet, set->name);
	uint8_t domain[sizeof(set->domain_id)];

	return group && group->domain && str_unhex(group->domain, domain, sizeof(domain)) &&
			       memcmp(domain, set->domain_id, sizeof(domain)) == 0
		       ? group
		       : NULL;
}

static int follow(struct ha_group *group, const struct fleet *fleet, struct err *err)
{
	const struct fleet_group *now = ours(group->set, fleet);
	uint32_t before = replica_set_members(group->set), joined = 0;
	int rc = now ? replica_set_follow(group->set, fleet, now, &joined, err) : 0;

	ha_members_joined(group, joined);
	ha_watch_members(group, joined, replica_set_members(group->set) != before);
	return rc < 0 ? rc : now != NULL;
}

bool ha_group_refresh(struct ha_group *group)
{
	owned(fleet) struct fleet *fleet = NULL;
	struct err err = {0};
	int rc;

	pthread_mutex_lock(&group->config->lock);
	rc = fleet_watch_read(&group->config->watch, &fleet, &err);
	if (rc > 0)
		rc = follow(group, fleet, &err);
	if (rc == -ERR_NO_MEMORY)
		fleet_watch_again(&group->config->watch);
	pthread_mutex_unlock(&group->config->lock);
	if (rc < 0)
		ha_watch_unread(group, &err);
	return rc > 0;
}

int ha_acquire(struct ha_group *group, size_t member, bool patient, struct member_channel **ret, struct err *err)
{
	int (*acquire)(struct member *, struct member_channel **, struct err *) =
		patient ? member_acquire : member_acquire_quick;
	struct err ignored = {0};
	int rc;

	err = err ? err : &ignored;
	rc = acquire(group->set->members[member].member, ret, err);
	if (rc < 0 && err->retry == ERR_RETRY_SAFE && ha_group_refresh(group)) {
		err_clear(err);
		rc = acquire(group->set->members[member].member, ret, err);
	}
	if (rc == 0)
		member_hurry(*ret);
	return rc;
}
