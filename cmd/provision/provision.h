/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl provision, and the documents they take. */
#ifndef CMD_PROVISION_PROVISION_H
#define CMD_PROVISION_PROVISION_H

#include "cli/cli.h"
#include "fleet/fleet.h"
#include "provider/inventory.h"
#include "provider/provider.h"
#include "store/store.h"

extern const struct cli_command provision_plan_command, provision_apply_command, provision_show_command,
	provision_destroy_command, provision_export_command, provision_import_command;

/* What FILE asks for: a fleet document, or a plan that was kept. */
struct wish {
	struct fleet *fleet;
	struct provider_plan *plan;	/* NULL: FILE is a document */
};
void wish_release(struct wish *wish);
OWN_DEFINE_RELEASE(wish)

int provision_read(const char *path, struct wish *ret, struct err *err);

/* Open the store, and make it if it is not there and what FILE asks for can be made in it. */
int provision_open(const struct cli *cli, const struct wish *wish, struct store **ret, struct err *err);

/* Keep a plan and the document it was made from. */
int provision_keep(const char *path, const struct provider_plan *plan, const struct fleet *desired,
		   struct err *err);

/* Print the devices of the store, with what their clouds say of them now, and the failures that are in the
 * inventory already. steps: people see each step that remains, else how many there are. */
int provision_print(struct cli *cli, const struct provider_call *call, bool steps, struct inventory *inventory,
		    struct err *err);

#endif
