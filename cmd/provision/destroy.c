/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision destroy: remove every device the store says exists. */
#include <stdio.h>

#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct destroy {
	bool unused;
};

static const struct cli_param none[] = {CLI_END};

static int confirm(struct cli *cli, const struct fleet *fleet, struct err *err)
{
	char question[300];

	if (!fleet->n_devices)
		return 0;
	snprintf(question, sizeof(question), "destroy the fleet '%s' with %zu device%s and all keys on %s?",
		 fleet->name, fleet->n_devices, fleet->n_devices == 1 ? "" : "s",
		 fleet->n_devices == 1 ? "it" : "them");
	return cli_confirm(cli, question, fleet->name, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	(void)data;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = confirm(cli, fleet, err);
	if (rc == 0)
		rc = provider_destroy(store, cli->observer, err);
	return rc < 0 ? rc : provision_print(cli, store, err);
}

const struct cli_command provision_destroy_command = {
	.name = "destroy", .summary = "Destroy all devices of the store, with their tokens and keys",
	.flags = CLI_DESTROYS, .options = none, .args = none, .args_size = sizeof(struct destroy),
	.output = &inventory_type, .run = run,
};
