/* SPDX-License-Identifier: Apache-2.0 */
/* Where members are: a restarted appliance may be on another port, and the document says so. */
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/fleet.h"
#include "ha/internal.h"
#include "member/member.h"

struct ha_config {
	pthread_mutex_t lock;
	char *path;
	struct stat seen;	/* of the document that was read last */
};

void ha_config_free(struct ha_config *config)
{
	if (!config)
		return;
	pthread_mutex_destroy(&config->lock);
	free(config->path);
	free(config);
}

int ha_config_new(const char *folder, struct ha_config **ret, struct err *err)
{
	struct ha_config *config = mem_new(struct ha_config);

	if (!config)
		return err_no_memory(err);
	pthread_mutex_init(&config->lock, NULL);
	config->path = file_join(folder, "fleet.json");
	if (!config->path) {
		ha_config_free(config);
		return err_no_memory(err);
	}
	/* What the group was opened with was read a moment ago; a change since then is read once more. */
	*ret = config;
	return 0;
}

static bool changed(struct ha_config *config)
{
	struct stat now;

	if (stat(config->path, &now) < 0)
		return false;
	if (now.st_ino == config->seen.st_ino && now.st_size == config->seen.st_size &&
	    now.st_mtim.tv_sec == config->seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == config->seen.st_mtim.tv_nsec)
		return false;
	config->seen = now;
	return true;
}

/* 1 when it is elsewhere now. */
static int move_member(const struct fleet *fleet, const struct fleet_member *from, struct replica_set *set,
		       struct err *err)
{
	const struct fleet_device *device = fleet_device(fleet, from->device);
	const struct fleet_partition *partition = device ? fleet_partition(device, from->partition) : NULL;
	char name[sizeof(set->members[0].name)];

	if (!partition || partition->link.kind != FLEET_LINK_TLS || !partition->link.address)
		return 0;
	fleet_member_name(fleet, from, name, sizeof(name));
	for (size_t i = 0; i < set->n_members; i++)
		if (strcmp(set->members[i].name, name) == 0)
			return member_move(set->members[i].member, partition->link.address, partition->link.certificate, err);
	return 0;
}

/* How many are elsewhere now. */
static int move_members(struct ha_group *group, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	const struct fleet_group *now;
	int rc = file_check_ours(group->config->path, false, err), moved = 0;

	if (rc == 0)
		rc = fleet_read_file(group->config->path, 0, &fleet, err);
	now = rc == 0 ? fleet_group(fleet, group->set->name) : NULL;
	for (size_t i = 0; now && i < now->n_members && rc >= 0; i++) {
		rc = move_member(fleet, &now->members[i], group->set, err);
		moved += rc > 0;
	}
	return rc < 0 ? rc : moved;
}

bool ha_config_refresh(struct ha_group *group)
{
	struct err err = {0};
	int moved = 0;

	pthread_mutex_lock(&group->config->lock);
	if (changed(group->config))
		moved = move_members(group, &err);
	/* It may be read the next time. */
	if (moved < 0)
		group->config->seen = (struct stat){0};
	pthread_mutex_unlock(&group->config->lock);
	if (moved < 0)
		log_error("ha", "the members of '%s' stay where they were: %s", group->set->name, err.message);
	return moved > 0;
}

int ha_acquire(struct ha_group *group, size_t member, struct member_channel **ret, struct err *err)
{
	int rc = member_acquire(group->set->members[member].member, ret, err);

	if (rc < 0 && err->retry == ERR_RETRY_SAFE && ha_config_refresh(group)) {
		err_clear(err);
		rc = member_acquire(group->set->members[member].member, ret, err);
	}
	return rc;
}
