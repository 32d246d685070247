/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl drill list: what can be broken. */
#include "cli/cli.h"
#include "drill/scenario.h"
#include "drill/verbs.h"

static const struct cli_param none[] = {CLI_END};

static int run(struct cli *cli, const void *args, struct err *err)
{
	struct drill_scenario_list list = {0};
	int rc = drill_scenario_list(&list, err);

	(void)args;
	if (rc == 0)
		rc = cli_emit(cli, &drill_scenario_list_type, &list, err);
	json_release(&drill_scenario_list_type, &list);
	return rc;
}

const struct cli_command drill_list_command = {
	.name = "list", .summary = "List the scenarios",
	.options = none, .args = none, .output = &drill_scenario_list_type, .run = run,
};
