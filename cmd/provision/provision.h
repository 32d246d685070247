/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl provision, and the documents they take. */
#ifndef CMD_PROVISION_PROVISION_H
#define CMD_PROVISION_PROVISION_H

#include "cli/cli.h"
#include "fleet/fleet.h"
#include "provider/provider.h"
#include "store/store.h"

extern const struct cli_command provision_plan_command, provision_apply_command,
	provision_show_command, provision_destroy_command;

/*
 * Read what FILE asks for: a fleet document, or a plan that was kept. The revision
 * of the result is 0, or that of the store the plan was made against.
 */
struct wish {
	struct fleet *fleet;
	bool is_plan;
	int64_t revision;
};
int provision_read(const char *path, struct wish *ret, struct err *err);

/* Keep a plan and the document it was made from. */
int provision_keep(const char *path, const struct provider_plan *plan, const struct fleet *desired,
		   struct err *err);

/* Print the devices of the store. */
int provision_print(struct cli *cli, struct store *store, struct err *err);

#endif
