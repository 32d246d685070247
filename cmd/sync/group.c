/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl sync: bring every member of a group up to date. */
#include <stdio.h>

#include "admin.h"
#include "base/err.h"
#include "base/observer.h"
#include "cli/cli.h"
#include "replica/verify.h"
#include "sync/group.h"

struct sync {
	const char *group;
	bool dry_run;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct sync, dry_run, 'n', "dry-run", "Say what would be done, change nothing; status 3 when there is work"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct sync, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to bring up to date"),
	CLI_END
};

/* What is left after a sync is no work for another one. */
static int judge(const struct sync *a, const struct replica_sync_report *report, struct err *err)
{
	int rc;

	if (report->n_planned) {
		err_set(err, ERR_DIFFERENT, "'%s' is not up to date", a->group);
		return err_hint(err, "hsmctl sync %s", a->group);
	}
	if (report->n_conflicts) {
		err_set(err, ERR_DIFFERENT, "%zu conflicts are left on '%s'", report->n_conflicts, a->group);
		return err_hint(err, "hsmctl verify %s", a->group);
	}
	rc = replica_verdict_err(report->verdict, a->group, err);
	return rc == -ERR_DIFFERENT ? err_hint(err, "hsmctl verify %s", a->group) : rc;
}

static void note_absent(struct cli *cli, const struct replica_sync_report *report)
{
	for (size_t i = 0; i < report->n_members; i++)
		if (!report->members[i].reachable)
			observer_note(cli->observer, "'%s' %s: %s", report->members[i].name,
				      report->dry_run ? "was not looked at" : "was not brought up to date", report->members[i].detail);
}

static int print(struct cli *cli, const struct store *store, const struct replica_sync_report *report, struct err *err)
{
	bool plan = report->dry_run && cli->globals.output != CLI_JSON;
	int rc = admin_emit(cli, store, plan ? &replica_sync_plan_type : &replica_sync_report_type, report, err);

	if (rc == 0)
		note_absent(cli, report);
	return rc;
}

/* Also of a sync that came to an early end: what it did stands. */
static void end_deed(struct store_deed *deed, const struct replica_sync_report *report, int rc, const struct err *why)
{
	char detail[200], joined[40] = "";

	if (report->joined)
		snprintf(joined, sizeof(joined), ", joined %lld", (long long)report->joined);
	snprintf(detail, sizeof(detail), "copied %lld, deleted %lld, repaired %lld, adopted %lld%s: %s", (long long)report->copied,
		 (long long)report->deleted, (long long)report->repaired, (long long)report->adopted, joined,
		 rc == 0 ? replica_verdict_names[report->verdict] : "not finished");
	store_deed_end(deed, detail, rc, why);
}

static int bring_up(struct cli *cli, const struct sync *a, struct admin *admin, struct replica_sync_report *report,
		    struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	int rc = store_deed_begin(admin->store, "sync", a->group, NULL, &deed, err);

	if (rc < 0)
		return rc;
	rc = replica_sync(admin->set, UINT32_MAX, SYNC_ALL, cli->observer, report, err);
	if (rc == 0)
		rc = admin_keep_marks(admin, err);
	end_deed(deed, report, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct sync *a = data;
	owned(admin) struct admin admin = {0};
	struct replica_sync_report report = {0};
	char doing[128];
	int rc;

	snprintf(doing, sizeof(doing), "sync %.80s", a->group);
	rc = a->dry_run ? admin_open(cli, a->group, &admin, err) : admin_open_alone(cli, a->group, doing, &admin, err);
	if (rc == 0)
		rc = a->dry_run ? replica_sync(admin.set, UINT32_MAX, SYNC_DRY_RUN, cli->observer, &report, err)
				: bring_up(cli, a, &admin, &report, err);
	if (rc == 0)
		rc = print(cli, admin.store, &report, err);
	if (rc == 0)
		rc = judge(a, &report, err);
	json_release(&replica_sync_report_type, &report);
	return rc;
}

static const struct cli_command command = {
	.summary = "Bring every member of a group up to date", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct sync),
	.output = &replica_sync_report_type, .run = run,
};
static const struct cli_command *const commands[] = {&command, NULL};

const struct cli_group sync_group = {
	.name = "sync", .summary = "Bring every member of a group up to date", .commands = commands,
};
