/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha policy: what a group promises and how it is used; shown, and changed. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "ha/verbs.h"

struct policy {
	const char *group;
	struct cli_strings set;
};

static void complete_fields(struct cli *cli, struct cli_completion *c)
{
	(void)cli;
	for (const char *const *name = fleet_policy_names(); *name; name++) {
		char text[64];

		snprintf(text, sizeof(text), "%s=", *name);
		cli_candidate(c, text);
	}
}

static const struct cli_param options[] = {
	CLI_OPT_STRINGS(struct policy, set, 's', "set", "FIELD=VALUE", complete_fields, "Change a field; 0 is its default"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct policy, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group whose policy it is"),
	CLI_END
};

struct policy_view {
	struct fleet_policy policy;	/* the first, as its rows say */
	char *group;			/* borrowed */
};

static const struct json_field fields[] = {
	JSON_F_STRING(struct policy_view, group, JSON_COLUMN, "the group"),
	HA_POLICY_FIELDS(JSON_COLUMN),
	JSON_F_END
};
static const struct json_type policy_type = {
	.schema = "policy", .summary = "Policy of a group, with defaults put in", .size = sizeof(struct policy_view),
	.fields = fields,
};

/* A document may say what it likes: it may be of a test, or of a member in the same process. Typed it is a mistake, which
 * every application would feel at once. */
static int check_limits(const struct fleet_policy *policy, struct err *err)
{
	const struct {
		const char *name;
		int64_t ms, least_ms;
	} limits[] = {
		{"connect_ms", policy->connect_ms, 100},
		{"answer_ms", policy->answer_ms, 250},
		{"call_ms", policy->call_ms, 1000},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].ms && limits[i].ms < limits[i].least_ms)
			return err_set(err, ERR_USAGE, "'%s' is at least %lld: members in good health would count as lost",
				       limits[i].name, (long long)limits[i].least_ms);
	return 0;
}

static int change(struct fleet_policy *policy, const char *what, struct err *err)
{
	const char *equals = strchr(what, '=');
	char field[64];

	if (!equals || equals == what || equals - what >= (long)sizeof(field))
		return err_set(err, ERR_USAGE, "'%s' is not FIELD=VALUE", what);
	snprintf(field, sizeof(field), "%.*s", (int)(equals - what), what);
	return fleet_policy_set(policy, field, equals + 1, err);
}

static int change_all(struct cli *cli, const struct policy *a, struct store *store, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_GROUP, .name = a->group};
	owned(store_lock) struct store_lock *lock = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(buf) struct buf text = {.max = 4096};
	struct fleet_group *group;
	char doing[128];
	int rc;

	snprintf(doing, sizeof(doing), "ha policy %.80s", a->group);
	rc = store_lock(store, &subject, 1, doing, cli->observer, &lock, err);
	if (rc == 0)
		rc = store_edit_begin(store, doing, &edit, err);
	if (rc == 0)
		rc = fleet_find_group(store_edit_fleet(edit), a->group, &group, err);
	for (size_t i = 0; i < a->set.count && rc == 0; i++) {
		buf_printf(&text, "%s%s", i ? ", " : "", a->set.items[i]);
		rc = change(&group->policy, a->set.items[i], err);
	}
	if (rc == 0)
		rc = check_limits(&group->policy, err);
	return rc < 0 ? rc : store_edit_commit(edit, "ha policy", a->group, buf_text(&text), err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct policy *a = data;
	owned(admin) struct admin admin = {0};
	struct policy_view view = {0};
	int rc = store_open(cli_store_url(cli), 0, &admin.store, err);

	if (rc == 0 && a->set.count)
		rc = change_all(cli, a, admin.store, err);
	if (rc == 0)
		rc = store_read(admin.store, &admin.fleet, err);
	if (rc == 0)
		rc = fleet_find_group(admin.fleet, a->group, &admin.group, err);
	if (rc < 0)
		return rc;
	view.policy = fleet_group_policy(admin.fleet, admin.group);
	view.group = admin.group->name;
	return admin_emit(cli, admin.store, &policy_type, &view, err);
}

const struct cli_command ha_policy_command = {
	.name = "policy", .summary = "Show the policy of a group, or change it", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct policy), .output = &policy_type, .run = run,
};
