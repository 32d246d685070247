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

static int print(struct cli *cli, const struct replica_sync_report *report, struct err *err)
{
	bool plan = report->dry_run && cli->globals.output != CLI_JSON;
	int rc = cli_emit(cli, plan ? &replica_sync_plan_type : &replica_sync_report_type, report, err);

	if (rc == 0)
		note_absent(cli, report);
	return rc;
}

/* Also of a sync that came to an early end: what it did stands. */
static int enter_audit(struct store *store, const struct sync *a, const struct replica_sync_report *report, bool whole,
		       struct err *err)
{
	char detail[200], joined[40] = "";

	if (a->dry_run || report->copied + report->deleted + report->repaired + report->adopted + report->joined == 0)
		return 0;
	if (report->joined)
		snprintf(joined, sizeof(joined), ", joined %lld", (long long)report->joined);
	snprintf(detail, sizeof(detail), "copied %lld, deleted %lld, repaired %lld, adopted %lld%s: %s", (long long)report->copied,
		 (long long)report->deleted, (long long)report->repaired, (long long)report->adopted, joined,
		 whole ? replica_verdict_names[report->verdict] : "not finished");
	return store_audit(store, "sync", a->group, detail, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct sync *a = data;
	owned(admin) struct admin admin = {0};
	struct replica_sync_report report = {0};
	int rc = admin_open(cli, a->group, &admin, err), audited;

	if (rc == 0)
		rc = replica_sync(admin.set, UINT32_MAX, a->dry_run ? SYNC_DRY_RUN : SYNC_ALL, cli->observer, &report, err);
	audited = admin.store ? enter_audit(admin.store, a, &report, rc == 0, rc == 0 ? err : NULL) : 0;
	if (rc == 0)
		rc = print(cli, &report, err);
	if (rc == 0)
		rc = audited < 0 ? audited : judge(a, &report, err);
	json_release(&replica_sync_report_type, &report);
	return rc;
}

static const struct cli_command command = {
	.summary = "Bring every member of a group up to date",
	.options = options, .args = args, .args_size = sizeof(struct sync),
	.output = &replica_sync_report_type, .run = run,
};
static const struct cli_command *const commands[] = {&command, NULL};

const struct cli_group sync_group = {
	.name = "sync", .summary = "Bring every member of a group up to date", .commands = commands,
};
