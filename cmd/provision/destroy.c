/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision destroy: remove every device the store says exists. */
#include <stdio.h>

#include "access.h"
#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct destroy {
	bool zeroised;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct destroy, zeroised, 0, "zeroised", "The dedicated HSMs hold no keys any more"),
	ACCESS_OPTIONS(struct destroy, access),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

static int confirm(struct cli *cli, const struct fleet *fleet, struct err *err)
{
	char question[300];

	if (!fleet->n_devices && !fleet->azure.n_regions) {
		cli_say(cli, "nothing to destroy");
		return 0;
	}
	snprintf(question, sizeof(question), "destroy the fleet '%s'%s%s with %zu device%s and all keys on %s%s?", fleet->name,
		 fleet->azure.subscription ? " in subscription " : "",
		 fleet->azure.subscription ? fleet->azure.subscription : "", fleet->n_devices,
		 fleet->n_devices == 1 ? "" : "s", fleet->n_devices == 1 ? "it" : "them",
		 fleet->azure.n_regions ? ", its networks and gateways" : "");
	return cli_confirm(cli, question, fleet->name, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct destroy *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	struct provider_call call = {.observer = cli->observer, .access = &a->access, .zeroised = a->zeroised};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	call.store = store;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = provider_check_free(fleet, NULL, err);
	if (rc == 0)
		rc = provider_check_zeroised(&call, fleet, NULL, err);
	if (rc == 0)
		rc = confirm(cli, fleet, err);
	if (rc == 0)
		rc = provider_destroy(&call, err);
	return rc < 0 ? rc : provision_print(cli, &call, false, &inventory, err);
}

const struct cli_command provision_destroy_command = {
	.name = "destroy", .summary = "Destroy all devices of the store, with their tokens and keys",
	.flags = CLI_DESTROYS | CLI_CHANGES, .options = options, .args = none, .args_size = sizeof(struct destroy),
	.output = &inventory_type, .run = run,
};
