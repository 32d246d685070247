/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha create: a group of partitions, with one domain key on all of them. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "ha/verbs.h"
#include "replica/domain.h"
#include "replica/sites.h"

struct create {
	const char *group;
	struct cli_strings members, standbys;
};

static const struct cli_param options[] = {
	CLI_OPT_STRINGS(struct create, members, 'm', "member", "DEVICE[/PARTITION]", admin_complete_free,
			"An active member"),
	CLI_OPT_STRINGS(struct create, standbys, 's', "standby", "DEVICE[/PARTITION]", admin_complete_free,
			"A standby member: receives every write, serves when no active member is left"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct create, group, "GROUP", NULL, CLI_REQUIRED, "Name of the new group; the label of its virtual token"),
	CLI_END
};

static int random_hex(size_t bytes, char **ret, struct err *err)
{
	uint8_t random[16];
	char hex[33];
	int rc = crypto_random(random, bytes, err);

	if (rc < 0)
		return rc;
	str_hex(random, bytes, hex);
	return fleet_set(ret, hex, err);
}

static int add_member(struct fleet *fleet, struct fleet_group *group, const char *where, enum fleet_role role,
		      struct err *err)
{
	struct fleet_device *device;
	struct fleet_partition *partition;
	struct fleet_group *other;
	struct fleet_member *member;
	int rc = fleet_locate(fleet, where, &device, &partition, err);

	if (rc < 0)
		return rc;
	other = fleet_group_of(fleet, device->name, partition->name);
	if (other && other != group)
		return err_set(err, ERR_IN_USE, "'%s' is a member of group '%s' already", where, other->name);
	if (other)
		return err_set(err, ERR_USAGE, "member '%s' is given twice", where);
	if (!partition->pin_source)
		return err_set(err, ERR_UNREACHABLE, "device '%s' is not provisioned", device->name);
	if (group->pin_source && !str_eq(group->pin_source, partition->pin_source)) {
		err_set(err, ERR_INVALID, "'%s' has another user PIN source than the members before it", where);
		return err_hint(err, "the members of a group share one user PIN");
	}
	rc = fleet_set(&group->pin_source, partition->pin_source, err);
	if (rc < 0)
		return rc;
	member = json_append(&group->members, &group->n_members, sizeof(*member));
	if (!member)
		return err_no_memory(err);
	member->role = role;
	member->epoch = 1;
	rc = fleet_set(&member->device, device->name, err);
	return rc < 0 ? rc : fleet_set(&member->partition, partition->name, err);
}

static int check_name(const char *name, struct err *err)
{
	return str_is_name(name) ? 0 : err_set(err, ERR_USAGE, "'%s' is not a name: 1 to 63 of a-z 0-9 - _ .", name);
}

/* The group in the document to be; members are checked one by one. */
static int describe(struct fleet *fleet, const struct create *a, struct fleet_group **ret, struct err *err)
{
	struct fleet_group *group;
	int rc = 0;

	if (fleet_group(fleet, a->group)) {
		err_set(err, ERR_EXISTS, "there is a group '%s' already", a->group);
		return err_hint(err, "hsmctl ha show %s", a->group);
	}
	if (a->members.count == 0)
		return err_set(err, ERR_USAGE, "a group needs at least one active member (--member)");
	group = json_append(&fleet->groups, &fleet->n_groups, sizeof(*group));
	if (!group)
		return err_no_memory(err);
	fleet->has_groups = true;
	rc = fleet_set(&group->name, a->group, err);
	if (rc == 0)
		rc = random_hex(8, &group->serial, err);
	if (rc == 0)
		rc = random_hex(DOMAIN_ID_LEN, &group->domain, err);
	for (size_t i = 0; i < a->members.count && rc == 0; i++)
		rc = add_member(fleet, group, a->members.items[i], FLEET_ACTIVE, err);
	for (size_t i = 0; i < a->standbys.count && rc == 0; i++)
		rc = add_member(fleet, group, a->standbys.items[i], FLEET_STANDBY, err);
	*ret = group;
	return rc;
}

static int all_up(const struct replica_sites *sites, struct err *err)
{
	for (size_t i = 0; i < sites->count; i++) {
		if (sites->sites[i].channel)
			continue;
		*err = sites->sites[i].err;
		return err_wrap(err, "every member must be up when a group is made");
	}
	return 0;
}

static int join(struct replica_sites *sites, size_t from, size_t to, struct fleet_group *group, struct cli *cli,
		struct err *err)
{
	char fingerprint[DOMAIN_FINGERPRINT];
	int rc;

	observer_step(cli->observer, sites->sites[to].of->name, "joining", to, sites->count);
	rc = domain_join(&sites->sites[from], &sites->sites[to], sites->set->domain_id, NULL, fingerprint, err);
	if (rc < 0)
		return rc;
	cli_say(cli, "%s: transport key SHA256:%s", sites->sites[to].of->name, fingerprint);
	return fleet_set(&group->members[to].transport, fingerprint, err);
}

/* The first member makes the domain key; the others get it from the first, and
 * the first shows its transport key to the second, for the day it must rejoin. */
static int make_domain(struct replica_sites *sites, struct fleet_group *group, struct cli *cli, struct err *err)
{
	int rc = 0;

	/* What a creation that was killed left behind; these partitions serve in no group. */
	for (size_t i = 0; i < sites->count && rc == 0; i++)
		rc = domain_destroy(sites->sites[i].channel, NULL, err);
	if (rc == 0)
		rc = domain_create(sites->sites[0].channel, sites->set->domain_id, &sites->sites[0].domain, err);
	for (size_t i = 1; i < sites->count && rc == 0; i++)
		rc = join(sites, 0, i, group, cli, err);
	return rc == 0 && sites->count > 1 ? join(sites, 1, 0, group, cli, err) : rc;
}

static void put_members(struct buf *text, const struct fleet *fleet, const struct fleet_group *group,
			enum fleet_role role)
{
	const char *before = fleet_role_names[role];
	char name[160];

	for (size_t i = 0; i < group->n_members; i++) {
		if (group->members[i].role != role)
			continue;
		buf_printf(text, "%s%s %s", text->len && before[0] != ',' ? "; " : "", before,
			   fleet_member_name(fleet, &group->members[i], name, sizeof(name)));
		before = ",";
	}
}

/* The group and the devices it takes: nobody else makes one of either, and nobody unmakes a device. */
static int lock(struct cli *cli, struct admin *admin, const struct create *a, const char *doing, struct err *err)
{
	const struct cli_strings *lists[] = {&a->members, &a->standbys};
	struct store_subject subjects[2 * CLI_STRINGS_MAX + 1] = {{.kind = STORE_GROUP, .name = a->group}};
	size_t n = 1;
	int rc = check_name(a->group, err);

	if (rc == 0)
		rc = store_read(admin->store, &admin->fleet, err);
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; rc == 0 && i < lists[list]->count; i++) {
			struct fleet_device *device;
			struct fleet_partition *partition;

			rc = fleet_locate(admin->fleet, lists[list]->items[i], &device, &partition, err);
			if (rc == 0)
				subjects[n++] = (struct store_subject){.kind = STORE_DEVICE, .name = device->name};
		}
	return rc < 0 ? rc : store_lock(admin->store, subjects, n, doing, cli->observer, &admin->lock, err);
}

/* The trail says who the members are, before their tokens are touched and after. */
static int make(struct cli *cli, struct admin *admin, struct store_edit *edit, struct fleet_group *group, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(buf) struct buf text = {.max = 4096};
	owned(store_deed) struct store_deed *deed = NULL;
	int rc = replica_sites_open(admin->set, UINT32_MAX, &sites, err);

	if (rc == 0)
		rc = all_up(&sites, err);
	put_members(&text, store_edit_fleet(edit), group, FLEET_ACTIVE);
	put_members(&text, store_edit_fleet(edit), group, FLEET_STANDBY);
	if (rc == 0)
		rc = store_deed_begin(admin->store, "ha create", group->name, buf_text(&text), &deed, err);
	if (rc < 0)
		return rc;
	rc = make_domain(&sites, group, cli, err);
	if (rc == 0)
		rc = store_deed_commit(deed, edit, NULL, err);
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct create *a = data;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(admin) struct admin admin = {0};
	struct fleet_group *group = NULL;
	char doing[128];
	int rc = store_open(cli_store_url(cli), 0, &admin.store, err);

	snprintf(doing, sizeof(doing), "ha create %.80s", a->group);
	if (rc == 0)
		rc = lock(cli, &admin, a, doing, err);
	if (rc == 0)
		rc = store_edit_begin(admin.store, doing, &edit, err);
	if (rc < 0)
		return rc;
	store_edit_yield(edit);
	rc = describe(store_edit_fleet(edit), a, &group, err);
	if (rc == 0)
		rc = replica_set_open_admin(store_edit_fleet(edit), group, store_path(admin.store), &admin.set, err);
	if (rc == 0)
		rc = make(cli, &admin, edit, group, err);
	if (rc < 0)
		return rc;
	/* Read again what stands in the store now, and show it. */
	fleet_free(own_take(admin.fleet));
	rc = store_read(admin.store, &admin.fleet, err);
	if (rc == 0)
		rc = fleet_find_group(admin.fleet, a->group, &admin.group, err);
	return rc < 0 ? rc : ha_show_group(cli, &admin, err);
}

const struct cli_command ha_create_command = {
	.name = "create", .summary = "Make a group of partitions", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct create), .output = &ha_show_type, .run = run,
};
