/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha list: the groups of the fleet, without asking any member. */
#include "base/err.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "ha/verbs.h"

struct list {
	bool unused;
};

static const struct cli_param none[] = {CLI_END};

struct row {
	char *name, *serial;
	int64_t members, active, standbys;
};
struct rows {
	struct row *groups;
	size_t n_groups;
};

static const struct json_field row_fields[] = {
	JSON_F_STRING(struct row, name, JSON_COLUMN, "the group"),
	JSON_F_STRING(struct row, serial, JSON_COLUMN, "serial of the virtual token"),
	JSON_F_INT(struct row, members, 0, 0, 0, "members, active and standby"),
	JSON_F_INT(struct row, active, JSON_COLUMN, 0, 0, "active members"),
	JSON_F_INT(struct row, standbys, JSON_COLUMN, 0, 0, "standby members"),
	JSON_F_END
};
static const struct json_type row_type = {.summary = "A group", .size = sizeof(struct row), .fields = row_fields};
static const struct json_field fields[] = {
	JSON_F_LIST(struct rows, groups, JSON_COLUMN, row_type, "groups"),
	JSON_F_END
};
static const struct json_type rows_type = {
	.schema = "groups", .summary = "The HA groups of the fleet", .size = sizeof(struct rows), .fields = fields,
};

static int run(struct cli *cli, const void *data, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct rows rows = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	for (size_t i = 0; rc == 0 && i < fleet->n_groups; i++) {
		const struct fleet_group *group = &fleet->groups[i];
		struct row *row = json_append(&rows.groups, &rows.n_groups, sizeof(*row));

		if (!row) {
			rc = err_no_memory(err);
			break;
		}
		row->name = mem_strdup(group->name);
		row->serial = group->serial ? mem_strdup(group->serial) : NULL;
		row->members = (int64_t)group->n_members;
		for (size_t m = 0; m < group->n_members; m++)
			row->standbys += group->members[m].role == FLEET_STANDBY;
		row->active = row->members - row->standbys;
	}
	if (rc == 0)
		rc = cli_emit(cli, &rows_type, &rows, err);
	json_release(&rows_type, &rows);
	return rc;
}

const struct cli_command ha_list_command = {
	.name = "list", .summary = "List the groups of the fleet",
	.options = none, .args = none, .args_size = sizeof(struct list), .output = &rows_type, .run = run,
};
