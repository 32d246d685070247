/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl verify: census and proof of a group's replicas. */
#include "admin.h"
#include "base/err.h"
#include "cli/cli.h"
#include "replica/verify.h"
#include "verify/group.h"

struct verify {
	const char *group;
	unsigned prove;
};

static const struct cli_param options[] = {
	CLI_OPT_CHOICE(struct verify, prove, 0, "prove", verify_mode_names, "all",
		       "Which keys to prove on every member; less than all never gives in_sync"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct verify, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to verify"),
	CLI_END
};

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct verify *a = data;
	owned(admin) struct admin admin = {0};
	struct replica_report report = {0};
	int rc = admin_open(cli, a->group, &admin, err);

	if (rc == 0)
		rc = replica_verify(admin.set, a->prove, cli->observer, &report, err);
	if (rc == 0)
		rc = cli_emit(cli, &replica_report_type, &report, err);
	if (rc == 0)
		rc = replica_verdict_err(report.verdict, a->group, err);
	json_release(&replica_report_type, &report);
	return rc;
}

static const struct cli_command command = {
	.summary = "Prove that every key of a group works on every member",
	.options = options, .args = args, .args_size = sizeof(struct verify),
	.output = &replica_report_type, .run = run,
};
static const struct cli_command *const commands[] = {&command, NULL};

const struct cli_group verify_group = {
	.name = "verify", .summary = "Prove that every key of a group works on every member", .commands = commands,
};
