/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha show: one group and the state of its members. */
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "cli/cli.h"
#include "ha/verbs.h"
#include "replica/examine.h"

struct show {
	const char *group;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct show, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to show"),
	CLI_END
};

enum member_state { STATE_UP, STATE_DOWN };
static const char *const state_names[] = {"up", "down", "recovering", "unknown", NULL};

struct member_view {
	char *name, *datacenter, *region, *serial, *detail;
	unsigned role, state;
	int64_t keys;
};

struct group_view {
	char *name, *serial, *pin_source;
	int64_t slot;
	struct fleet_policy policy;
	struct member_view *members;
	size_t n_members;
};

static const struct json_field member_fields[] = {
	JSON_F_STRING(struct member_view, name, JSON_COLUMN, "device, with its partition when it has several"),
	JSON_F_ENUM(struct member_view, role, JSON_COLUMN, fleet_role_names, "active or standby"),
	JSON_F_ENUM(struct member_view, state, JSON_COLUMN, state_names, "up: token present, login good, keys read"),
	JSON_F_STRING(struct member_view, datacenter, JSON_COLUMN, "datacentre of the device"),
	JSON_F_STRING(struct member_view, region, JSON_COLUMN, "region of the datacentre"),
	JSON_F_STRING(struct member_view, serial, JSON_NULLABLE, "serial of the token"),
	JSON_F_INT(struct member_view, keys, JSON_NULLABLE | JSON_COLUMN, 0, 0, "live keys listed there; null when it is down"),
	JSON_F_STRING(struct member_view, detail, JSON_NULLABLE, "why it is down"),
	JSON_F_END
};
static const struct json_type member_type = {
	.summary = "A member", .size = sizeof(struct member_view), .fields = member_fields,
};

static const struct json_field policy_fields[] = {
	HA_POLICY_FIELDS(0),
	JSON_F_END
};
static const struct json_type policy_type = {
	.summary = "Durability and deadlines", .size = sizeof(struct fleet_policy), .fields = policy_fields,
};

static const struct json_field fields[] = {
	JSON_F_STRING(struct group_view, name, JSON_COLUMN, "the group"),
	JSON_F_STRING(struct group_view, serial, JSON_COLUMN, "serial of the virtual token"),
	JSON_F_INT(struct group_view, slot, JSON_COLUMN, 0, 0, "ID of its slot, in all processes"),
	JSON_F_STRING(struct group_view, pin_source, JSON_COLUMN, "where the user PIN comes from"),
	JSON_F_OBJECT(struct group_view, policy, 0, policy_type, "durability and deadlines"),
	JSON_F_LIST(struct group_view, members, JSON_COLUMN, member_type, "members"),
	JSON_F_END
};
const struct json_type ha_show_type = {
	.schema = "group", .summary = "An HA group", .size = sizeof(struct group_view), .fields = fields,
};

static char *copy(const char *text)
{
	return text && *text ? mem_strdup(text) : NULL;
}

static int view_members(const struct admin *admin, const struct replica_sites *sites, const struct examination *x,
			struct group_view *view, struct err *err)
{
	for (size_t i = 0; i < sites->count; i++) {
		const struct replica_site *site = &sites->sites[i];
		const struct fleet_member *from = &admin->group->members[i];
		const struct fleet_partition *partition =
			fleet_partition(fleet_device(admin->fleet, from->device), from->partition);
		struct member_view *m = json_append(&view->members, &view->n_members, sizeof(*m));

		if (!m)
			return err_no_memory(err);
		m->name = copy(site->of->name);
		m->role = site->of->role;
		m->datacenter = copy(site->of->datacenter);
		m->region = copy(site->of->region);
		m->serial = copy(partition->serial);
		m->state = site->channel ? STATE_UP : STATE_DOWN;
		m->keys = site->channel ? (int64_t)x->site_keys[i] : -1;
		m->detail = site->channel ? NULL : copy(site->err.message);
	}
	return 0;
}

int ha_show_group(struct cli *cli, struct admin *admin, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(census) struct census census = {0};
	owned(examination) struct examination x = {0};
	struct group_view view = {0};
	int rc;

	observer_step(cli->observer, admin->group->name, "reading its keys", 0, 0);
	rc = replica_sites_open(admin->set, UINT32_MAX, &sites, err);
	if (rc == 0)
		rc = census_take(&sites, NULL, &census, err);
	if (rc == 0)
		rc = examine(&sites, &census, VERIFY_NONE, cli->observer, &x, err);
	if (rc < 0)
		return rc;
	view.name = copy(admin->group->name);
	view.serial = copy(admin->group->serial);
	view.slot = fleet_group_slot(admin->group);
	view.pin_source = copy(admin->group->pin_source);
	view.policy = admin->set->policy;
	rc = view_members(admin, &sites, &x, &view, err);
	if (rc == 0)
		rc = admin_emit(cli, admin->store, &ha_show_type, &view, err);
	json_release(&ha_show_type, &view);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(admin) struct admin admin = {0};
	int rc = admin_open(cli, a->group, &admin, err);

	return rc < 0 ? rc : ha_show_group(cli, &admin, err);
}

const struct cli_command ha_show_command = {
	.name = "show", .summary = "Show a group and the state of its members",
	.options = options, .args = args, .args_size = sizeof(struct show), .output = &ha_show_type, .run = run,
};
