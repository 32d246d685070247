/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning that commands on a group share. */
#include "admin.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "provider/inventory.h"
#include "replica/view.h"

void admin_release(struct admin *admin)
{
	replica_set_free(admin->set);
	fleet_free(admin->fleet);
	store_lock_free(admin->lock);
	store_free(admin->store);
	*admin = (struct admin){0};
}

static int find(struct admin *admin, const char *group, struct err *err)
{
	int rc;

	fleet_free(own_take(admin->fleet));
	rc = store_read(admin->store, &admin->fleet, err);
	return rc < 0 ? rc : fleet_find_group(admin->fleet, group, &admin->group, err);
}

/* What was read before the lock may be another's past. */
static int lock(const struct cli *cli, struct admin *admin, const char *group, const char *doing, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_GROUP, .name = group};
	int rc = store_lock(admin->store, &subject, 1, doing, cli->observer, &admin->lock, err);

	return rc < 0 ? rc : find(admin, group, err);
}

/* doing NULL: others may work on it too. */
static int open_group(const struct cli *cli, const char *group, const char *doing, struct admin *ret, struct err *err)
{
	int rc = store_open(cli_store_url(cli), 0, &ret->store, err);

	if (rc == 0)
		rc = find(ret, group, err);
	if (rc == 0 && doing)
		rc = lock(cli, ret, group, doing, err);
	return rc < 0 ? rc : replica_set_open_admin(ret->fleet, ret->group, store_path(ret->store), &ret->set, err);
}

int admin_open(const struct cli *cli, const char *group, struct admin *ret, struct err *err)
{
	return open_group(cli, group, NULL, ret, err);
}

int admin_open_alone(const struct cli *cli, const char *group, const char *doing, struct admin *ret, struct err *err)
{
	return open_group(cli, group, doing, ret, err);
}

/* Does the store know less of the member than the set does? Then it is told. */
static bool tell(struct replica_set *set, struct fleet_group *group, size_t i)
{
	const struct view_mark mark = replica_set_mark_of(set, i);
	struct fleet_member *member = &group->members[i];
	bool stale = mark.state != VIEW_CURRENT;

	if (mark.counter < (uint64_t)member->mark ||
	    (mark.counter == (uint64_t)member->mark && member->stale >= stale))
		return false;
	member->mark = (int64_t)mark.counter;
	member->stale = stale;
	return true;
}

/* Did a sync make a transport key for a member that had lost its own? */
static bool renewed(const struct admin *admin, size_t i)
{
	const char *before = admin->group->members[i].transport;

	return !str_eq(before ? before : "", admin->set->members[i].transport);
}

static int tell_store(struct admin *admin, struct store_edit *edit, struct err *err)
{
	struct replica_set *set = admin->set;
	struct fleet_group *group;
	char detail[300] = "";
	int rc = fleet_find_group(store_edit_fleet(edit), set->name, &group, err);

	for (size_t i = 0; rc == 0 && i < set->n_members && i < group->n_members; i++) {
		struct fleet_member *member = &group->members[i];
		bool told = tell(set, group, i), pin = renewed(admin, i);
		size_t len = strlen(detail);

		if (pin)
			rc = fleet_set(&member->transport, set->members[i].transport, err);
		if (told || pin)
			snprintf(detail + len, sizeof(detail) - len, "%s%s %s", len ? ", " : "", set->members[i].name,
				 pin ? "has another transport key" : member->stale ? "missed writes" : "is up to date");
	}
	return rc < 0 || !*detail ? rc : store_edit_commit(edit, "ha mark", set->name, detail, err);
}

int admin_keep_marks(struct admin *admin, struct err *err)
{
	owned(store_edit) struct store_edit *edit = NULL;
	bool news = false;
	int rc;

	for (size_t i = 0; i < admin->set->n_members; i++)
		news = tell(admin->set, admin->group, i) || renewed(admin, i) || news;
	if (!news)
		return 0;
	rc = store_edit_begin(admin->store, "ha mark", &edit, err);
	return rc < 0 ? rc : tell_store(admin, edit, err);
}

int admin_emit(struct cli *cli, const struct store *store, const struct json_type *type, const void *data,
	       struct err *err)
{
	int rc;

	cli->head = store_head(store);
	rc = cli_emit(cli, type, data, err);
	cli->head = NULL;
	return rc;
}

void admin_tell_released(struct cli *cli, const struct fleet *before, const char *device)
{
	for (size_t i = 0; i < before->n_devices; i++) {
		const struct fleet_device *d = &before->devices[i];

		if (!fleet_adopts(before, d) || (device && strcmp(device, d->name) != 0))
			continue;
		for (size_t j = 0; j < d->n_partitions; j++)
			cli_say(cli, "%s: left the fleet; its token (serial %s) and what is on it were not touched",
				d->name, d->partitions[j].serial ? d->partitions[j].serial : "-");
	}
}

int admin_print_devices(struct cli *cli, struct store *store, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	int rc = store_read(store, &fleet, err);

	if (rc == 0)
		rc = inventory_make(store, fleet, &inventory, err);
	return rc < 0 ? rc : admin_emit(cli, store, &inventory_type, &inventory, err);
}

/* The document, without locks and without a word when there is none. */
static struct fleet *read_quietly(struct cli *cli)
{
	owned(store) struct store *store = NULL;
	struct fleet *fleet = NULL;
	struct err err;

	if (store_open(cli_store_url(cli), 0, &store, &err) == 0)
		store_read(store, &fleet, &err);
	return fleet;
}

void admin_complete_groups(struct cli *cli, struct cli_completion *c)
{
	owned(fleet) struct fleet *fleet = read_quietly(cli);

	for (size_t i = 0; fleet && i < fleet->n_groups; i++)
		cli_candidate(c, fleet->groups[i].name);
}

void admin_complete_devices(struct cli *cli, struct cli_completion *c)
{
	owned(fleet) struct fleet *fleet = read_quietly(cli);

	for (size_t i = 0; fleet && i < fleet->n_devices; i++)
		cli_candidate(c, fleet->devices[i].name);
}

/* A partition as it is written on a command line. */
static void offer(const struct fleet_device *device, const struct fleet_partition *partition, struct cli_completion *c)
{
	char both[160];

	snprintf(both, sizeof(both), "%.64s/%.64s", device->name, partition->name);
	if (device->n_partitions > 1 || strchr(cli_typed(c), '/'))
		cli_candidate(c, both);
	else
		cli_candidate(c, device->name);
}

static void offer_partitions(struct cli *cli, struct cli_completion *c,
			     bool (*wanted)(const struct fleet *, const struct fleet_device *, const struct fleet_partition *,
					    const struct cli_completion *))
{
	owned(fleet) struct fleet *fleet = read_quietly(cli);

	for (size_t i = 0; fleet && i < fleet->n_devices; i++)
		for (size_t j = 0; j < fleet->devices[i].n_partitions; j++)
			if (wanted(fleet, &fleet->devices[i], &fleet->devices[i].partitions[j], c))
				offer(&fleet->devices[i], &fleet->devices[i].partitions[j], c);
}

static bool is_any(const struct fleet *fleet, const struct fleet_device *device, const struct fleet_partition *partition,
		   const struct cli_completion *c)
{
	(void)fleet, (void)device, (void)partition, (void)c;
	return true;
}

static bool is_free(const struct fleet *fleet, const struct fleet_device *device, const struct fleet_partition *partition,
		    const struct cli_completion *c)
{
	static const char *const options[] = {"member", "standby"};
	char both[160];
	bool given = false;

	snprintf(both, sizeof(both), "%.64s/%.64s", device->name, partition->name);
	for (size_t i = 0; i < 2; i++)
		given = given || cli_is_given(c, options[i], both) ||
			(device->n_partitions == 1 && cli_is_given(c, options[i], device->name));
	return !given && !fleet_group_of(fleet, device->name, partition->name);
}

static bool is_active(const struct fleet *fleet, const struct fleet_device *device,
		      const struct fleet_partition *partition, const struct cli_completion *c)
{
	const char *name = cli_given(c, "group");
	const struct fleet_group *group = name ? fleet_group(fleet, name) : NULL;

	for (size_t i = 0; group && i < group->n_members; i++)
		if (str_eq(group->members[i].device, device->name) && str_eq(group->members[i].partition, partition->name))
			return group->members[i].role == FLEET_ACTIVE;
	return !name;
}

void admin_complete_partitions(struct cli *cli, struct cli_completion *c)
{
	offer_partitions(cli, c, is_any);
}

void admin_complete_free(struct cli *cli, struct cli_completion *c)
{
	offer_partitions(cli, c, is_free);
}

void admin_complete_active(struct cli *cli, struct cli_completion *c)
{
	offer_partitions(cli, c, is_active);
}

/* The names themselves stand in a library that is loaded only to reach a cloud; a test compares them. */
void admin_complete_credentials(struct cli *cli, struct cli_completion *c)
{
	static const char *const names[] = {"client-secret", "client-certificate", "workload-identity", "github",
					    "azure-devops", "cli", "managed-identity", NULL};

	(void)cli;
	for (size_t i = 0; names[i]; i++)
		cli_candidate(c, names[i]);
}

char *admin_module_path(void)
{
	static const char below[] = "/../../lib/pkcs11/hsmctl-pkcs11.so";
	char path[PATH_MAX], beside[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - sizeof(below));
	char *slash;

	path[len > 0 ? len : 0] = 0;
	slash = strrchr(path, '/');
	if (slash)
		memcpy(slash, below, sizeof(below));
	return mem_strdup(slash && realpath(path, beside) ? beside : HSMCTL_MODULE);
}
