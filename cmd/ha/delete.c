/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha delete: end a group; the keys stay on its members. */
#include <stdio.h>

#include "base/err.h"
#include "cli/cli.h"
#include "ha/verbs.h"
#include "replica/domain.h"
#include "replica/sites.h"

struct delete {
	const char *group;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct delete, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to end"),
	CLI_END
};

struct deleted {
	char *name;
	int64_t members;
};
static const struct json_field fields[] = {
	JSON_F_STRING(struct deleted, name, JSON_COLUMN, "the group that ended"),
	JSON_F_INT(struct deleted, members, JSON_COLUMN, 0, 0, "members that gave up the domain key"),
	JSON_F_END
};
static const struct json_type deleted_type = {
	.schema = "group-deleted", .summary = "A group that ended", .size = sizeof(struct deleted), .fields = fields,
};

/* Members that are away keep a domain key that opens nothing any more. */
static int64_t drop_domain(struct replica_set *set)
{
	owned(replica_sites) struct replica_sites sites = {0};
	struct err ignored;
	int64_t done = 0;

	if (replica_sites_open(set, UINT32_MAX, &sites, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < sites.count; i++)
		done += sites.sites[i].channel &&
			domain_destroy(sites.sites[i].channel, set->domain_id, &ignored) == 0;
	return done;
}

static int remove_group(struct store_edit *edit, const char *name, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	struct fleet_group *group;
	char detail[40];
	int rc = fleet_find_group(fleet, name, &group, err);

	if (rc < 0)
		return rc;
	snprintf(detail, sizeof(detail), "it had %zu members", group->n_members);
	fleet_remove_group(fleet, group);
	return store_edit_commit(edit, "ha delete", name, detail, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct delete *a = data;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(admin) struct admin admin = {0};
	const struct store_subject subject = {.kind = STORE_GROUP, .name = a->group};
	struct deleted deleted = {.name = (char *)a->group};
	char text[200];
	int rc = admin_open(cli, a->group, &admin, err);

	snprintf(text, sizeof(text), "end group '%s'? Its keys stay on the members, applications lose the token.", a->group);
	if (rc == 0)
		rc = cli_confirm(cli, text, NULL, err);
	snprintf(text, sizeof(text), "ha delete %s", a->group);
	if (rc == 0)
		rc = store_lock(admin.store, &subject, 1, text, cli->observer, &admin.lock, err);
	if (rc == 0)
		rc = store_edit_begin(admin.store, text, &edit, err);
	if (rc == 0)
		rc = remove_group(edit, a->group, err);
	if (rc < 0)
		return rc;
	deleted.members = drop_domain(admin.set);
	return admin_emit(cli, admin.store, &deleted_type, &deleted, err);
}

const struct cli_command ha_delete_command = {
	.name = "delete", .summary = "End a group; its keys stay on the members", .flags = CLI_DESTROYS | CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct delete), .output = &deleted_type, .run = run,
};
