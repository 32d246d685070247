/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha recover: members that missed writes are brought up to date; or, knowingly, believed as they are. */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "ha/verbs.h"
#include "replica/verify.h"
#include "replica/view.h"

struct recover {
	const char *group;
	struct cli_strings accept;
};

static const struct cli_param options[] = {
	CLI_OPT_STRINGS(struct recover, accept, 0, "accept-loss", "MEMBER", admin_complete_partitions,
			"Believe this member as it is: what only members know that cannot be reached is lost"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct recover, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to recover"),
	CLI_END
};

static int members_of(const struct recover *a, const struct replica_set *set, uint32_t *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < a->accept.count; i++) {
		size_t m = 0;

		while (m < set->n_members && !str_eq(set->members[m].name, a->accept.items[i]))
			m++;
		if (m == set->n_members) {
			err_set(err, ERR_NOT_FOUND, "'%s' is no member of '%s'", a->accept.items[i], a->group);
			return err_hint(err, "hsmctl ha show %s", a->group);
		}
		*ret |= 1u << m;
	}
	return 0;
}

/* What it costs, in words; *ret is who is believed. */
static int ask(struct cli *cli, const struct recover *a, const struct admin *admin, uint32_t *ret, struct err *err)
{
	char text[400];
	int rc = members_of(a, admin->set, ret, err);

	if (rc < 0 || !*ret)
		return rc;
	snprintf(text, sizeof(text),
		 "believe %s%s as it is? Keys that only members know which cannot be reached are lost, and what they deleted "
		 "works again until they are back.",
		 a->accept.items[0], a->accept.count > 1 ? " and the others" : "");
	return cli_confirm(cli, text, NULL, err);
}

static int carry_out(struct cli *cli, const struct admin *admin, uint32_t believed, struct replica_sync_report *report,
		     struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	int rc = believed ? replica_sites_open(admin->set, UINT32_MAX, &sites, err) : 0;

	for (size_t i = 0; i < sites.count && rc == 0; i++)
		if ((believed & 1u << i) && !sites.sites[i].channel)
			rc = -(int)(*err = sites.sites[i].err).code;
	if (rc == 0 && believed)
		rc = views_accept_loss(&sites, believed, err);
	return rc < 0 ? rc : replica_sync(admin->set, UINT32_MAX, SYNC_RECOVER, cli->observer, report, err);
}

static int recover(struct cli *cli, const struct recover *a, struct admin *admin, uint32_t believed,
		   struct replica_sync_report *report, struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	char detail[200];
	int rc;

	snprintf(detail, sizeof(detail), believed ? "accepting the loss of what '%s' missed" : "no loss accepted",
		 believed ? a->accept.items[0] : "");
	rc = store_deed_begin(admin->store, "ha recover", a->group, detail, &deed, err);
	if (rc < 0)
		return rc;
	rc = carry_out(cli, admin, believed, report, err);
	if (rc == 0)
		rc = admin_keep_marks(admin, err);
	store_deed_end(deed, rc == 0 ? replica_verdict_names[report->verdict] : NULL, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct recover *a = data;
	owned(admin) struct admin admin = {0};
	struct replica_sync_report report = {0};
	uint32_t believed = 0;
	char doing[200];
	int rc;

	snprintf(doing, sizeof(doing), "ha recover %.80s", a->group);
	rc = admin_open_alone(cli, a->group, doing, &admin, err);
	if (rc == 0)
		rc = ask(cli, a, &admin, &believed, err);
	if (rc == 0)
		rc = recover(cli, a, &admin, believed, &report, err);
	if (rc == 0)
		rc = admin_emit(cli, admin.store, &replica_sync_report_type, &report, err);
	if (rc == 0)
		rc = replica_verdict_err(report.verdict, a->group, err);
	json_release(&replica_sync_report_type, &report);
	return rc;
}

const struct cli_command ha_recover_command = {
	.name = "recover", .summary = "Bring members that missed writes up to date, or believe them as they are",
	.flags = CLI_DESTROYS | CLI_CHANGES, .options = options, .args = args, .args_size = sizeof(struct recover),
	.output = &replica_sync_report_type, .run = run,
};
